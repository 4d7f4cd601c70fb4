//! One way of a request (RFC 3261 section 16.6): a client transaction of the SIP stack in a task of its
//! own. Whatever happens, it ends with a final answer, or after a 2xx with the end of its repetitions.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::sip::{Header, HeadersExt, Method, Request, Response, SipMessage, StatusCode};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::{Transaction, TransactionEvent, TransactionEventSender};
use rsipstack::transport::SipConnection;
use tokio::sync::{mpsc, oneshot};

use super::bodies::Course;
use super::forward::Way;
use super::header::status;
use super::hop::Hop;
use super::plain::ambiguity;
use super::router::Router;
use super::stop::Stop;
use super::targets::{Target, refused};

/// How long a branch that was cancelled may still take to end: 64 * T1 (RFC 3261 section 9.1).
const CANCELLED: Duration = Duration::from_secs(32);

/// How often a target is tried: once more than a pipe may be kept in vain.
const TRIES: usize = 2;

/// What a branch tells the request that it is of.
pub(super) enum Event {
    /// A neighbour has been found; the request goes to it once that has been taken note of.
    Sent(usize, Box<Hop>, oneshot::Sender<bool>),
    /// An answer, with our Via still in it.
    Answer(usize, Box<Response>),
}

/// One way of a request.
pub(super) struct Branch {
    pub(super) router: Arc<Router>,
    pub(super) number: usize,
    pub(super) request: Arc<Request>,
    pub(super) from: Hop,
    /// Whether the request comes from the side that has begun the call.
    pub(super) is_from_caller: bool,
    /// Whether the request begins a call or belongs to one.
    pub(super) is_call: bool,
    pub(super) stop: Stop,
    /// Cancelled when nobody wants to hear of it any more.
    pub(super) end: CancellationToken,
    pub(super) events: mpsc::Sender<Event>,
}

impl Branch {
    /// Tries a target. A pipe that was kept from earlier calls may lead to a node that has gone and come
    /// back: if nothing has been heard on it when it closes, there is another try.
    pub(super) async fn run(self, target: Target) {
        for _ in 0..TRIES {
            let way = tokio::select! {
                () = self.stop.told() => Err(StatusCode::RequestTerminated),
                way = self.router.reach(target.clone()) => way,
            };
            let is_lost = match way {
                Ok(way) => self.is_lost_on(way).await,
                Err(status) => return self.give_up(status).await,
            };
            if !is_lost {
                return;
            }
        }
        self.give_up(lost()).await;
    }

    /// Sends the request this way, and tells what comes of it.
    pub(super) async fn send(self, way: Way) {
        if self.is_lost_on(way).await {
            self.give_up(lost()).await;
        }
    }

    /// Sends the request this way, and tells what comes of it, unless its pipe closes before anything does.
    async fn is_lost_on(&self, way: Way) -> bool {
        match self.transaction(&way) {
            Ok(transaction) => self.drive(transaction, way.hop).await,
            Err(status) => {
                self.give_up(status).await;
                false
            }
        }
    }

    fn transaction(&self, way: &Way) -> Result<Transaction, StatusCode> {
        let (router, from) = (&self.router, &self.from);
        let branch = router.branches.make(&self.request);
        let mut request = router.forward(&self.request, from, way, &branch);
        let course = Course { from, to: &way.hop, is_from_caller: self.is_from_caller };
        if self.is_call {
            router.carry_request(&mut request, course)?;
        }
        let key = TransactionKey::from_request(&request, TransactionRole::Client)
            .map_err(|error| status(400, error.to_string()))?;
        let connection = Some(way.hop.connection());
        let mut transaction =
            Transaction::new_client(key, request, router.endpoint.clone(), connection);
        transaction.destination = Some(way.hop.destination());
        Ok(transaction)
    }

    async fn drive(&self, mut transaction: Transaction, hop: Hop) -> bool {
        let (noted, is_noted) = oneshot::channel();
        self.events.send(Event::Sent(self.number, Box::new(hop.clone()), noted)).await.ok();
        // a NOTIFY can come back at once, and belongs to a dialog then
        if let Ok(false) = is_noted.await {
            self.give_up(status(503, "too many dialogs")).await;
            return false;
        }
        let line = Line {
            endpoint: self.router.endpoint.clone(),
            end: self.router.end.clone(),
            events: transaction.tu_sender.clone(),
            request: transaction.original.clone(),
            hop,
            heard: CancellationToken::new(),
        };
        if let Err(error) = transaction.send().await {
            self.give_up(status(503, error.to_string())).await;
            return false;
        }
        let answers = async {
            while let Some(message) = transaction.receive().await {
                let SipMessage::Response(response) = message else { continue };
                if ambiguity(&response.headers).is_some() {
                    continue;
                }
                if line.is_lost() {
                    return true;
                }
                line.heard.cancel();
                let event = Event::Answer(self.number, Box::new(response));
                if self.events.send(event).await.is_err() {
                    return false;
                }
            }
            false
        };
        let is_lost = tokio::select! {
            is_lost = answers => is_lost,
            () = line.watch(&self.stop) => false,
            () = self.end.cancelled() => return false,
        };
        if !is_lost {
            // counts only if nothing else has come
            self.give_up(StatusCode::RequestTimeout).await;
        }
        is_lost
    }

    async fn give_up(&self, status: StatusCode) {
        let response = self.router.endpoint.make_response(&self.request, status, None);
        self.events.send(Event::Answer(self.number, Box::new(response))).await.ok();
    }
}

/// What may befall a client transaction from outside. It is told in the form of an answer.
struct Line {
    endpoint: EndpointInnerRef,
    end: CancellationToken,
    events: TransactionEventSender,
    request: Request,
    hop: Hop,
    /// Cancelled with the first answer: no CANCEL may be sent before (RFC 3261 section 9.1).
    heard: CancellationToken,
}

impl Line {
    /// Never ends: it must not interrupt the transaction.
    async fn watch(&self, stop: &Stop) {
        tokio::join!(self.watch_pipe(), self.watch_stop(stop));
        std::future::pending().await
    }

    /// The request ends at once when its pipe closes.
    async fn watch_pipe(&self) {
        if let Hop::Peer(pipe) = &self.hop {
            pipe.closed().await;
            self.inject(lost());
        }
    }

    /// Whether the pipe is closed, and nothing has come before: what comes now is made up here.
    fn is_lost(&self) -> bool {
        matches!(&self.hop, Hop::Peer(pipe) if pipe.is_closed()) && !self.heard.is_cancelled()
    }

    async fn watch_stop(&self, stop: &Stop) {
        stop.told().await;
        if self.request.method != Method::Invite {
            return;
        }
        self.heard.cancelled().await;
        let send = send_cancel(
            self.endpoint.clone(),
            cancel(&self.request, stop.reason()),
            self.hop.connection(),
            self.hop.destination(),
        );
        let end = self.end.clone();
        tokio::spawn(async move { end.run_until_cancelled(send).await });
        tokio::time::sleep(CANCELLED).await;
        self.inject(StatusCode::RequestTerminated);
    }

    fn inject(&self, status: StatusCode) {
        let response = self.endpoint.make_response(&self.request, status, None);
        let event = TransactionEvent::Received(SipMessage::Response(response), None);
        self.events.send(event).ok();
    }
}

/// There was a pipe to the other peer.
pub(super) fn lost() -> StatusCode {
    status(480, "the connection to the other peer is lost")
}

/// The CANCEL of a request (RFC 3261 section 9.1).
fn cancel(request: &Request, reason: Option<Header>) -> Request {
    let mut cancel = request.clone();
    cancel.method = Method::Cancel;
    cancel.body.clear();
    cancel.headers.retain(|header| {
        matches!(
            header,
            Header::Via(_)
                | Header::From(_)
                | Header::To(_)
                | Header::CallId(_)
                | Header::CSeq(_)
                | Header::MaxForwards(_)
                | Header::Route(_)
        )
    });
    cancel.headers.extend(reason.into_iter().collect());
    // one Via only: the CANCEL is ours
    let mut is_first = true;
    cancel.headers.retain(|header| match header {
        Header::Via(_) => std::mem::take(&mut is_first),
        _ => true,
    });
    let sequence = request.cseq_header().and_then(|cseq| cseq.seq()).unwrap_or_default();
    cancel
        .headers
        .unique_push(Header::CSeq(rsipstack::sip::CSeq::new(format!("{sequence} CANCEL"))));
    cancel
}

async fn send_cancel(
    endpoint: EndpointInnerRef,
    request: Request,
    connection: SipConnection,
    destination: rsipstack::transport::SipAddr,
) {
    let Ok(key) = TransactionKey::from_request(&request, TransactionRole::Client) else { return };
    let mut transaction = Transaction::new_client(key, request, endpoint, Some(connection));
    transaction.destination = Some(destination);
    if transaction.send().await.is_ok() {
        while transaction.receive().await.is_some() {}
    }
}

impl Router {
    /// The way to a target.
    pub(super) async fn reach(&self, target: Target) -> Result<Way, StatusCode> {
        match target {
            Target::Phone(phone) => {
                let uri = phone.contact.clone().ok_or(StatusCode::TemporarilyUnavailable)?;
                Ok(Way { hop: Hop::Phone(*phone), uri })
            }
            Target::Device { target, scheme, uri } => {
                let pipe = self.pipes.to(&target, scheme).await;
                let pipe = pipe.map_err(|error| refused(&error))?;
                Ok(Way { hop: Hop::Peer(pipe), uri })
            }
            Target::Outside(uri) => {
                let hop = self.outside().await.ok_or(StatusCode::ServiceUnavailable)?;
                Ok(Way { hop: Hop::Outside(hop), uri })
            }
        }
    }
}

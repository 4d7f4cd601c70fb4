//! The side of a request that faces who has sent it: a server transaction of the SIP stack in a task of
//! its own, since its `receive` may not be interrupted.

use rsipstack::platform::CancellationToken;
use rsipstack::sip::{Header, HeadersExt, Method, Request, Response, SipMessage, StatusCode};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::make_tag;
use rsipstack::transaction::transaction::{Transaction, TransactionEvent, TransactionEventSender};

use super::header::is_final;
use super::stop::{Stop, reason_of};
use crate::methods;

/// A request that waits for its answer.
pub(super) struct Server {
    /// The request as it came.
    pub(super) request: Request,
    /// Told when who has sent it does not want it any more.
    pub(super) stop: Stop,
    /// Cancelled when the transaction is over, as after the ACK of a 2xx.
    pub(super) over: CancellationToken,
    events: TransactionEventSender,
    endpoint: EndpointInnerRef,
    is_answered: bool,
}

impl Server {
    /// Takes a transaction over, until it is over or the proxy ends.
    pub(super) fn new(transaction: Transaction, end: &CancellationToken) -> Self {
        let server = Self {
            request: transaction.original.clone(),
            stop: Stop::default(),
            over: CancellationToken::new(),
            events: transaction.tu_sender.clone(),
            endpoint: transaction.endpoint_inner.clone(),
            is_answered: false,
        };
        let receive = receive(transaction, server.stop.clone());
        let (over, end) = (server.over.clone(), end.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = receive => {}
                () = end.cancelled() => {}
            }
            over.cancel();
        });
        server
    }

    /// Whether the last answer has been given.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Sends an answer. The last one has a tag in To (RFC 3261 section 8.2.6.2).
    pub(super) fn respond(&mut self, mut response: Response) {
        if is_final(&response)
            && let Ok(to) = response.to_header().cloned()
            && matches!(to.tag(), Ok(None))
        {
            response.headers.unique_push(to.with_tag(make_tag()).into());
        }
        if methods::header(&response.headers).is_none()
            && let Some(header) = methods::header(&self.request.headers)
        {
            response.headers.push(header);
        }
        self.is_answered |= is_final(&response);
        self.events.send(TransactionEvent::Respond(response)).ok();
    }

    /// Answers with a status of our own.
    pub(super) fn reply(&mut self, status: StatusCode, headers: Vec<Header>) {
        let mut response = self.endpoint.make_response(&self.request, status, None);
        response.headers.extend(headers);
        self.respond(response);
    }
}

/// No request stays without an answer: the SIP stack would keep its transaction for ever.
impl Drop for Server {
    fn drop(&mut self) {
        if !self.is_answered {
            self.reply(StatusCode::ServerInternalError, Vec::new());
        }
    }
}

async fn receive(mut transaction: Transaction, stop: Stop) {
    while let Some(message) = transaction.receive().await {
        if let SipMessage::Request(request) = message
            && request.method == Method::Cancel
        {
            stop.tell(reason_of(&request.headers));
        }
    }
}

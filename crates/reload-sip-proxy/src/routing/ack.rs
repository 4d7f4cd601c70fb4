//! The ACK of a 2xx goes from end to end (RFC 3261 section 13.2.2.4) and is answered by nothing: it is
//! sent on at once. All others belong to the transaction of their INVITE, and end here.

use std::sync::Arc;

use rsipstack::sip::{Request, Response, SipMessage};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::SipAddr;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::acks_under_way::UnderWay;
use super::bodies::Course;
use super::checks;
use super::hop::Hop;
use super::router::{Router, now};
use super::sent_acks::SentAck;
use crate::trace::Direction as Traced;

/// ACKs that are sent on at one time: the pipe of one may have to be made again.
const AT_ONE_TIME: usize = 64;

/// What the SIP stack has seen and leaves to us.
pub(crate) enum Seen {
    /// An ACK, and from where.
    Ack { ack: Request, from: SipAddr, under_way: UnderWay },
    /// A 2xx of an INVITE.
    Accepted(Response),
}

impl Router {
    /// Sends on the ACKs that the SIP stack has seen, and sends those again whose answers are repeated.
    pub(crate) async fn serve_acks(self: Arc<Self>, mut seen: mpsc::Receiver<Seen>) {
        let mut tasks = JoinSet::new();
        while let Some(seen) = seen.recv().await {
            while tasks.len() >= AT_ONE_TIME {
                tasks.join_next().await;
            }
            let router = Arc::clone(&self);
            tasks.spawn(router.on_seen(seen));
            while tasks.try_join_next().is_some() {}
        }
    }

    async fn on_seen(self: Arc<Self>, seen: Seen) {
        match seen {
            Seen::Ack { ack, from, under_way } => {
                if !self.is_of_hop(&ack) {
                    self.on_ack(ack, &from).await;
                }
                drop(under_way);
            }
            Seen::Accepted(answer) => {
                let ack = self.sent_acks().get(&answer);
                if let Some(ack) = ack {
                    self.send_ack(&ack).await;
                }
            }
        }
    }

    /// Whether the ACK is of an INVITE that was refused here: it has its branch (section 17.1.1.3).
    fn is_of_hop(&self, ack: &Request) -> bool {
        let Ok(key) = TransactionKey::from_request(ack, TransactionRole::Server) else {
            return true;
        };
        self.endpoint.transactions.contains_key(&key)
            || self.endpoint.finished_transactions.contains_key(&key)
    }

    async fn on_ack(&self, ack: Request, from: &SipAddr) {
        let Some(from) = self.neighbour_at(from).await else { return };
        if checks::check(&ack, &self.branches).is_err() {
            return;
        }
        let found = self.dialogs().find(now(), &ack, &from);
        let Some(found) = found else { return };
        let Ok(way) = self.way_inside(&ack.uri, &found).await else { return };
        let branch = self.branches.make(&ack);
        let mut request = self.forward(&ack, &from, &way, &branch);
        let course = Course { from: &from, to: &way.hop, is_from_caller: found.is_forth };
        if found.is_call && self.carry_request(&mut request, course).is_err() {
            return;
        }
        let ack = SentAck {
            request,
            connection: way.hop.connection(),
            destination: way.hop.destination(),
            at: now(),
        };
        self.send_ack(&ack).await;
        self.sent_acks().insert(ack);
    }

    async fn send_ack(&self, ack: &SentAck) {
        let message = SipMessage::from(ack.request.clone());
        self.trace.message(Traced::Out, Some(&ack.destination), &message);
        ack.connection.send(message, Some(&ack.destination)).await.ok();
    }

    /// The neighbour at an address: by its pipe, or on the connection that the stack has for it.
    async fn neighbour_at(&self, from: &SipAddr) -> Option<Hop> {
        if let Some(pipe) = self.pipes.of_address(from) {
            return Some(Hop::Peer(pipe));
        }
        let (connection, destination) =
            self.endpoint.transport_layer.lookup(from, None).await.ok()?;
        self.phone_or_outside(connection, destination)
    }
}

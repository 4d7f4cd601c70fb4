//! Answers to requests of this node: whose they are, and what an error on the way means (sections
//! 6.2.1, 6.3.3.1 and 6.3.4).

use std::time::Duration;

use bytes::Bytes;
use reload_identity::Checked;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{
    Decode, Destination, ErrorCode, ErrorResponse, MessageCode, NodeId, Now, TransactionId,
};

use crate::originate::{Answer, Ending};
use crate::timer::Timer;
use crate::transactions::{TRANSMISSIONS, Transaction};
use crate::{Node, RequestError};

/// The pause before a third transmission in haste; a dead link is noticed in less than the three
/// pauses together.
const HASTE: Duration = Duration::from_millis(250);

impl<T: Topology, S: Store> Node<T, S> {
    /// An answer whose signature holds.
    pub(crate) fn on_verified_answer(&mut self, now: Now, checked: Checked) {
        let id = checked.message.header.transaction_id;
        let Some(transaction) = self.transactions.get(id) else {
            self.counters.stray += 1;
            return;
        };
        let from = checked.message.signer().node_id;
        let code = checked.message.contents.code;
        if code == MessageCode::ERROR {
            return self.on_error_answer(now, id, from, &checked.message.contents.body.clone());
        }
        if code != transaction.code.answer() {
            self.counters.stray += 1;
            return;
        }
        if !self.admits(transaction, from) {
            self.counters.stray += 1;
            return self.hasten(now, id); // the ring is moving
        }
        // 6.3.3: no extension is known here
        let mut extensions = checked.message.contents.extensions.iter();
        if extensions.any(|extension| extension.critical) {
            let failed = RequestError::BadAnswer("it has a critical extension".to_owned());
            return self.finish(now, id, Ending::Failed(failed));
        }
        let hops = self.configuration.initial_ttl.saturating_sub(checked.message.header.ttl);
        let answer = Answer { from, hops: hops.saturating_add(1), checked: Box::new(checked) };
        self.finish(now, id, Ending::Answered(answer));
    }

    /// A transmission failed for a reason that may pass: the next goes out at once instead of at the
    /// timer, those after it ever later, so that the five outlast a change of the ring.
    fn hasten(&mut self, now: Now, id: TransactionId) {
        match self.transactions.get(id).map(|transaction| transaction.sent) {
            Some(1) => self.transmit(now, id),
            Some(sent @ 2..TRANSMISSIONS) => {
                let at = now.mono + HASTE * 2_u32.pow(u32::from(sent - 2));
                self.timers.set(Timer::Transaction(id), at);
            }
            _ => {}
        }
    }

    /// The two checks of an answer's signer (section 6.3.4).
    fn admits(&self, transaction: &Transaction, from: NodeId) -> bool {
        match transaction.to.last() {
            Some(Destination::Node(node)) => node.is_wildcard() || *node == from,
            Some(Destination::Resource(id)) => self.topology.admits_answer(id, &from),
            _ => true,
        }
    }

    fn on_error_answer(&mut self, now: Now, id: TransactionId, from: NodeId, body: &Bytes) {
        let Ok(error) = ErrorResponse::decode_exact(&self.dialect, body) else {
            self.counters.stray += 1;
            return;
        };
        let Some(transaction) = self.transactions.get(id) else {
            return;
        };
        let (admitted, renewed) = (self.admits(transaction, from), transaction.renewed);
        let code = transaction.code;
        // the TTL never ends at the destination
        let on_the_way = !admitted || error.code == ErrorCode::TTL_EXCEEDED;
        match error.code {
            // E13: that transmission failed, the request goes on
            code if is_from_the_way(code) && on_the_way => {
                if let Some(transaction) = self.transactions.get_mut(id) {
                    transaction.last_error = Some((code, error.info, from));
                }
                self.hasten(now, id);
            }
            // "MAY resend the request at a later time" (section 6.3.3.1): with the next timer
            ErrorCode::REQUEST_TIMEOUT if admitted && code != MessageCode::APP_ATTACH_REQUEST => {
                if let Some(transaction) = self.transactions.get_mut(id) {
                    transaction.last_error = Some((error.code, error.info, from));
                }
            }
            _ if !admitted => {
                self.counters.stray += 1;
                self.hasten(now, id);
            }
            ErrorCode::CONFIG_TOO_OLD | ErrorCode::CONFIG_TOO_NEW if !renewed => {
                self.on_sequence_refused(now, id, from, error.code);
            }
            code => self.finish(now, id, Ending::Refused { code, info: error.info, from }),
        }
    }
}

/// The errors that a node may raise which is not the destination.
fn is_from_the_way(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::FORBIDDEN
            | ErrorCode::INCOMPATIBLE_WITH_OVERLAY
            | ErrorCode::UNSUPPORTED_FORWARDING_OPTION
            | ErrorCode::TTL_EXCEEDED
            | ErrorCode::MESSAGE_TOO_LARGE
            | ErrorCode::INVALID_MESSAGE
    )
}

//! Requests of this node: sent, sent again, matched to their answers (section 6.2.1).

use std::time::Duration;

use bytes::Bytes;
use reload_identity::{Checked, CredentialsError};
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{
    Decode, Destination, Encode, ErrorCode, ErrorResponse, ForwardingHeader, Fragment, MessageCode,
    NodeId, Now, TransactionId,
};

use crate::crypto::Then;
use crate::node::largest_message;
use crate::timer::Timer;
use crate::transactions::{Content, Purpose, TRANSMISSIONS, Transaction};
use crate::{LinkId, Node, RequestError};

/// The escape value that a ConfigUpdate to a node with another document carries (section 6.3.2.1).
const ANY_SEQUENCE: u16 = 65535;

/// The pause before a third transmission in haste; a dead link is noticed in less than the three
/// pauses together.
const HASTE: Duration = Duration::from_millis(250);

/// A good answer to a request of this node.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) from: NodeId,
    pub(crate) hops: u8,
    pub(crate) checked: Box<Checked>,
}

/// How a request of this node ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Answered(Answer),
    Refused { code: ErrorCode, info: Bytes, from: NodeId },
    Failed(RequestError),
}

impl<T: Topology, S: Store> Node<T, S> {
    /// Sends a request with a ready body.
    pub(crate) fn send_request(
        &mut self,
        now: Now,
        code: MessageCode,
        to: Vec<Destination>,
        body: Bytes,
        purpose: Purpose,
    ) -> TransactionId {
        let content = Content::Ready { body, certificates: Vec::new() };
        self.originate(now, code, to, content, purpose, None)
    }

    /// Sends a request; `pinned` makes it take that link.
    pub(crate) fn originate(
        &mut self,
        now: Now,
        code: MessageCode,
        to: Vec<Destination>,
        content: Content,
        purpose: Purpose,
        pinned: Option<LinkId>,
    ) -> TransactionId {
        let id = self.transaction_id();
        let transaction = Transaction {
            code,
            to,
            content: content.clone(),
            sealed: None,
            purpose,
            sent: 0,
            started: now.mono,
            pinned,
            link: None,
            renewed: false,
            stalled: None,
            last_error: None,
        };
        self.transactions.insert(id, transaction);
        self.seal(now, id, code, content, Then::Request(id));
        id
    }

    /// The request is signed: it goes out for the first time.
    pub(crate) fn on_request_sealed(&mut self, now: Now, id: TransactionId, sealed: Bytes) {
        let limit = largest_message(&self.configuration);
        let Some(transaction) = self.transactions.get(id) else {
            return;
        };
        let header = self.header(id, transaction.to.clone(), transaction.code);
        let size = sealed.len() + size_of(&header);
        if let Some(transaction) = self.transactions.get_mut(id) {
            transaction.sealed = Some(sealed);
            if let Purpose::PathMtu(link) = transaction.purpose {
                self.path_probes.learn(link, size);
            }
        }
        if size > limit {
            return self.finish(now, id, Ending::Failed(RequestError::TooLarge { size, limit }));
        }
        self.transmit(now, id);
    }

    pub(crate) fn on_request_unsealed(
        &mut self,
        now: Now,
        id: TransactionId,
        error: &CredentialsError,
    ) {
        let failed = RequestError::BadAnswer(error.to_string());
        self.finish(now, id, Ending::Failed(failed));
    }

    /// One transmission, and the timer for the next (section 6.2.1).
    pub(crate) fn transmit(&mut self, now: Now, id: TransactionId) {
        let Some(transaction) = self.transactions.get_mut(id) else {
            return;
        };
        let Some(sealed) = transaction.sealed.clone() else {
            return;
        };
        transaction.sent += 1;
        if transaction.sent > 1 {
            self.counters.retransmitted += 1;
        }
        let (to, pinned, code) = (transaction.to.clone(), transaction.pinned, transaction.code);
        let probe = transaction.purpose.probed_link();
        let at = now.mono + self.configuration.overlay_reliability_timer;
        self.timers.set(Timer::Transaction(id), at);
        let header = self.header(id, to, code);
        let link = match probe {
            Some(link) => self.send_whole(now, link, &header, &sealed).then_some(link),
            None => self.dispatch(now, header, &sealed, pinned),
        };
        if let Some(transaction) = self.transactions.get_mut(id) {
            transaction.link = link;
        }
    }

    fn header(
        &self,
        id: TransactionId,
        to: Vec<Destination>,
        code: MessageCode,
    ) -> ForwardingHeader {
        let sequence = match code {
            MessageCode::CONFIG_UPDATE_REQUEST => ANY_SEQUENCE,
            _ => self.configuration.sequence,
        };
        ForwardingHeader {
            overlay: self.overlay,
            configuration_sequence: sequence,
            ttl: self.configuration.initial_ttl,
            fragment: Fragment::WHOLE,
            length: 0,
            transaction_id: id,
            max_response_length: 0,
            via_list: Vec::new(),
            destination_list: to,
            options: Vec::new(),
        }
    }

    pub(crate) fn on_transaction_timer(&mut self, now: Now, id: TransactionId) {
        let Some(transaction) = self.transactions.get_mut(id) else {
            return;
        };
        if transaction.stalled.is_some() {
            return self.renew(now, id);
        }
        let once = transaction.purpose.is_pinned();
        if transaction.sent < TRANSMISSIONS && !once {
            return self.transmit(now, id);
        }
        let ending = match transaction.last_error.take() {
            Some((code, info, from)) => Ending::Refused { code, info, from },
            None => {
                let waited = now.mono.saturating_duration_since(transaction.started);
                Ending::Failed(RequestError::Timeout(waited))
            }
        };
        self.finish(now, id, ending);
    }

    /// The requests that waited on a link which failed are sent another way at once.
    pub(crate) fn resend_from(&mut self, now: Now, link: LinkId) {
        for id in self.transactions.on_link(link) {
            let Some(transaction) = self.transactions.get_mut(id) else {
                continue;
            };
            if transaction.purpose.is_pinned() {
                continue;
            }
            // not one of the five transmissions: the link swallowed the one that this replaces, and
            // the timer goes on, so that a request ends however often links fail
            let (to, code) = (transaction.to.clone(), transaction.code);
            let Some(sealed) = transaction.sealed.clone() else {
                continue;
            };
            self.counters.rerouted += 1;
            let header = self.header(id, to, code);
            let taken = self.dispatch(now, header, &sealed, None);
            if let Some(transaction) = self.transactions.get_mut(id) {
                transaction.link = taken;
            }
        }
    }

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

    /// Sends a request anew, with a new transaction id: the configurations agree now.
    pub(crate) fn renew(&mut self, now: Now, id: TransactionId) {
        let Some(mut transaction) = self.transactions.remove(id) else {
            return;
        };
        self.timers.cancel(Timer::Transaction(id));
        transaction.sealed = None;
        transaction.sent = 0;
        transaction.stalled = None;
        transaction.renewed = true;
        let renewed = self.transaction_id();
        let (code, content) = (transaction.code, transaction.content.clone());
        self.transactions.insert(renewed, transaction);
        self.seal(now, renewed, code, content, Then::Request(renewed));
    }

    /// A request has ended: whoever sent it hears how.
    pub(crate) fn finish(&mut self, now: Now, id: TransactionId, ending: Ending) {
        let Some(transaction) = self.transactions.remove(id) else {
            return;
        };
        self.timers.cancel(Timer::Transaction(id));
        match &ending {
            Ending::Answered(_) => self.counters.completed += 1,
            _ => self.counters.failed += 1,
        }
        if let Ending::Refused { code, info, from } = &ending {
            self.teach_kinds(now, *code, info, *from);
        }
        let started = transaction.started;
        match transaction.purpose {
            Purpose::Application(request) => {
                self.finish_application(now, request, transaction.code, started, ending);
            }
            Purpose::Topology(task) => self.finish_task(now, task, ending),
            Purpose::Attach(link) => self.finish_attach(now, link, ending),
            Purpose::AppAttach(link) => self.finish_app_attach(now, link, ending),
            Purpose::Replica { acknowledgement, node, resource } => {
                self.finish_replica(now, acknowledgement, node, resource, ending);
            }
            Purpose::Copy { copy, node, resource } => {
                self.finish_copy(now, copy, node, resource, ending);
            }
            Purpose::Resynchronise { node, resource, copy } => {
                self.finish_resynchronise(now, node, &resource, copy, ending);
            }
            Purpose::ConfigUpdate(node) => self.finish_config_update(now, node, &ending),
            Purpose::Identify(link) => self.finish_identify(now, link, &ending),
            Purpose::PathMtu(link) => self.finish_probe(now, link, &ending),
            Purpose::Keepalive | Purpose::Nobody => {}
        }
    }
}

/// Bytes of a header on the wire.
pub(crate) fn size_of(header: &ForwardingHeader) -> usize {
    header.to_bytes().map_or(usize::MAX / 2, |bytes| bytes.len())
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

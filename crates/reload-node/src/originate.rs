//! Requests of this node: sent, sent again, and ended (section 6.2.1). What answers say is judged in
//! `answered.rs`.

use bytes::Bytes;
use reload_identity::{Checked, CredentialsError};
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{
    Destination, Encode, ErrorCode, ForwardingHeader, Fragment, MessageCode, NodeId, Now,
    TransactionId,
};

use crate::crypto::Then;
use crate::node::largest_message;
use crate::timer::Timer;
use crate::transactions::{Content, Purpose, TRANSMISSIONS, Transaction};
use crate::{LinkId, Node, RequestError};

/// The escape value that a ConfigUpdate to a node with another document carries (section 6.3.2.1).
const ANY_SEQUENCE: u16 = 65535;

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

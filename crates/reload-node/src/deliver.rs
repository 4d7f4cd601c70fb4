//! Messages for this node: reassembled, checked, and handed to the part that answers them.

use std::collections::BTreeMap;

use bytes::Bytes;
use reload_identity::{Checked, Message, Verified};
use reload_storage::Store;
use reload_topology::{Input, RequestToken, Topology, TopologyRequest};
use reload_wire::{
    Decode, Destination, ErrorCode, ForwardingHeader, ForwardingOption, MessageCode, MessageParts,
    NodeId, Now, ResourceId, TransactionId,
};

use crate::answers::{Remembered, request_lifetime};
use crate::crypto::Check;
use crate::forward::Origin;
use crate::fragments::{FragmentKey, NoRoom};
use crate::options::{DESTINATION_CRITICAL, copied_options};
use crate::timer::Timer;
use crate::transactions::Purpose;
use crate::{LinkId, Node};

/// The way back of an answer (section 6.1.2). Where the request went round in a circle the answer does not:
/// a list that names a node twice is refused (section 13.6.5). Opaque ids of two nodes may be alike.
fn return_path(previous: NodeId, via: &[Destination]) -> Vec<Destination> {
    let mut path = Vec::with_capacity(via.len() + 1);
    let mut places = BTreeMap::new();
    for hop in [&Destination::Node(previous)].into_iter().chain(via.iter().rev()) {
        let place = hop.node().and_then(|node| places.get(&node).copied());
        // what stood there may have been cut off with a circle
        match place.filter(|place| path.get(*place) == Some(hop)) {
            Some(place) => path.truncate(place + 1),
            None => {
                places.extend(hop.node().map(|node| (node, path.len())));
                path.push(hop.clone());
            }
        }
    }
    path
}

/// Who asked, and how an answer gets back.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The node that signed the request; before that is known, the previous hop.
    pub(crate) signer: NodeId,
    pub(crate) transaction: TransactionId,
    /// The previous hop, then the via list reversed (sections 6.1.2 and 6.2.2).
    pub(crate) return_path: Vec<Destination>,
    /// 0 for no limit (section 6.3.2).
    pub(crate) max_response_length: u32,
    /// The options the answer carries.
    pub(crate) options: Vec<ForwardingOption>,
    /// The link the request came over.
    pub(crate) link: Option<LinkId>,
    /// Whether that link is bound to the signer (section 6.4.2.1).
    pub(crate) direct: bool,
}

impl Caller {
    /// The sender of a request, as far as the header tells.
    pub(crate) fn of(header: &ForwardingHeader, origin: Origin, this: NodeId) -> Self {
        let (previous, link) = match origin {
            Origin::Local => (this, None),
            Origin::Link { link, node } => (node, Some(link)),
        };
        let return_path = return_path(previous, &header.via_list);
        Self {
            signer: previous,
            transaction: header.transaction_id,
            return_path,
            max_response_length: header.max_response_length,
            options: copied_options(&header.options),
            link,
            direct: false,
        }
    }

    /// `direct`: over a link bound to the signer, and nobody else passed it on. Without the second
    /// half a third node could send an old Join again through its own signer (section 6.4.2.1).
    fn signed_by(mut self, signer: NodeId, direct: bool) -> Self {
        self.signer = signer;
        self.direct = direct;
        if direct && let Some(first) = self.return_path.first_mut() {
            *first = Destination::Node(signer);
        }
        self
    }
}

/// A request that the topology plug-in is answering.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    pub(crate) code: MessageCode,
    /// An Update follows the answer (section 6.4.2.4).
    pub(crate) send_update: bool,
}

impl<T: Topology, S: Store> Node<T, S> {
    /// Takes a message that is for this node: its signature is checked next.
    pub(crate) fn deliver(
        &mut self,
        now: Now,
        origin: Origin,
        header: ForwardingHeader,
        rest: Bytes,
    ) {
        let Some((origin, header, rest)) = self.whole(now, origin, header, rest) else {
            return;
        };
        let Ok(parts) = MessageParts::from_split(&self.dialect, header, &rest) else {
            self.counters.noise += 1;
            return;
        };
        let open = self.transactions.get(parts.header.transaction_id);
        if !parts.contents.code.is_request() && open.is_none() {
            self.counters.stray += 1;
            return;
        }
        let fetched = open.filter(|t| t.code == MessageCode::FETCH_REQUEST).and_then(fetched_at);
        self.check(now, Check { origin, parts, fetched });
    }

    /// The whole message: at once, or when the last missing fragment has come (section 6.7).
    fn whole(
        &mut self,
        now: Now,
        origin: Origin,
        header: ForwardingHeader,
        rest: Bytes,
    ) -> Option<(Origin, ForwardingHeader, Bytes)> {
        if header.fragment.is_whole() {
            return Some((origin, header, rest));
        }
        let answer = self.transactions.get(header.transaction_id).is_some();
        let key = FragmentKey { transaction: header.transaction_id, answer };
        let until = now.mono + request_lifetime(self.configuration.overlay_reliability_timer);
        self.timers.set_once(Timer::Fragments, until);
        match self.fragments.take(until, key, origin, &header, &rest) {
            Ok(whole) => whole,
            Err(NoRoom) => {
                self.counters.fragments_dropped += 1;
                None
            }
        }
    }

    /// A message whose signature holds.
    pub(crate) fn on_checked(&mut self, now: Now, origin: Origin, checked: Checked) {
        for certificate in &checked.new_certificates {
            self.certificates.insert(certificate.clone());
        }
        let signer = checked.message.signer();
        if self.trust.still_valid(&signer.certificate, now.wall).is_err() {
            self.counters.unverified += 1;
            return;
        }
        if checked.message.contents.code.is_request() {
            self.on_verified_request(now, origin, checked);
        } else {
            self.on_verified_answer(now, checked);
        }
    }

    fn on_verified_request(&mut self, now: Now, origin: Origin, checked: Checked) {
        let message = &checked.message;
        let signer = message.signer().node_id;
        // the ring may have moved while the signature was checked
        if !self.is_for_this_node(&message.header.destination_list) {
            self.counters.unroutable += 1;
            return;
        }
        let direct = message.header.via_list.is_empty() && self.is_at(now, origin, signer);
        if direct && message.contents.code == MessageCode::ATTACH_REQUEST {
            self.note_attached(origin);
        }
        let caller = Caller::of(&message.header, origin, self.node_id).signed_by(signer, direct);
        if !self.rate.take(now.mono, signer) {
            self.counters.requests_throttled += 1;
            let code = ErrorCode::REQUEST_TIMEOUT; // "MAY resend the request at a later time"
            return self.refuse(now, &caller, code, "too many requests in a second");
        }
        if self.meets_its_twin(now, &caller, message) {
            return;
        }
        if let Err(code) = self.admit(message) {
            return self.refuse_admission(now, &caller, code);
        }
        self.on_request_message(now, caller, checked);
    }

    /// Whether the signer of a message that nobody passed on is the node at the other end of the
    /// link; a link that was open until now is bound to it.
    fn is_at(&mut self, now: Now, origin: Origin, signer: NodeId) -> bool {
        let Some(link) = origin.link() else {
            return false;
        };
        self.bind(now, link, signer);
        self.links.get(link).is_some_and(|entry| entry.node == Some(signer))
    }

    /// The node at the other end has sent its Attach: it may send other requests now (6.1.2).
    fn note_attached(&mut self, origin: Origin) {
        if let Some(entry) = origin.link().and_then(|link| self.links.get_mut(link)) {
            entry.attached = true;
        }
    }

    /// Whether the request is a repetition: it gets the answer of the first (section 6.2.1).
    fn meets_its_twin(&mut self, now: Now, caller: &Caller, message: &Verified<Message>) -> bool {
        if !has_effects(message.contents.code) {
            return false;
        }
        let key = (caller.signer, caller.transaction);
        match self.answers.get(&key).cloned() {
            Some(Remembered::Answered(sealed)) => {
                self.counters.repeated += 1;
                self.send_answer(now, caller, &sealed);
                true
            }
            Some(Remembered::Pending) => {
                self.counters.repeated += 1;
                true
            }
            // what it sets off could not be sent: a repetition may find room
            None if self.transactions.len() >= self.limits.transactions => {
                self.counters.transactions_refused += 1;
                true
            }
            None => {
                let timer = self.configuration.overlay_reliability_timer;
                self.answers.begin(now.mono + request_lifetime(timer), key);
                if let Some(at) = self.answers.expire(now.mono) {
                    self.timers.set_once(Timer::Answers, at);
                }
                false
            }
        }
    }

    /// Checks that every request passes before it is looked at.
    fn admit(&self, message: &Verified<Message>) -> Result<(), ErrorCode> {
        let header = &message.header;
        if header.options.iter().any(|option| option.flags & DESTINATION_CRITICAL != 0) {
            return Err(ErrorCode::UNSUPPORTED_FORWARDING_OPTION);
        }
        self.admit_sequence(header.configuration_sequence, message.contents.code)?;
        // 6.3.3: no extension is known here
        if message.contents.extensions.iter().any(|extension| extension.critical) {
            return Err(ErrorCode::UNKNOWN_EXTENSION);
        }
        Ok(())
    }

    fn refuse_admission(&mut self, now: Now, caller: &Caller, code: ErrorCode) {
        self.refuse(now, caller, code, code.name());
        if code == ErrorCode::CONFIG_TOO_OLD {
            self.update_configuration_of(now, caller.signer, caller.return_path.clone());
        }
    }

    fn on_request_message(&mut self, now: Now, caller: Caller, checked: Checked) {
        let contents = checked.message.contents.clone();
        let body = contents.body;
        match contents.code {
            MessageCode::PING_REQUEST => self.on_ping(now, &caller, &body),
            MessageCode::PROBE_REQUEST => self.on_probe(now, &caller, &body),
            MessageCode::ATTACH_REQUEST => self.on_attach(now, caller, &body),
            MessageCode::APP_ATTACH_REQUEST => {
                let node = checked.message.signer().clone();
                self.on_app_attach(now, caller, node, &body);
            }
            MessageCode::JOIN_REQUEST => self.ask(now, caller, &body, TopologyRequest::Join),
            MessageCode::LEAVE_REQUEST => self.ask(now, caller, &body, TopologyRequest::Leave),
            MessageCode::UPDATE_REQUEST => self.on_update(now, caller, body),
            MessageCode::ROUTE_QUERY_REQUEST => {
                self.ask(now, caller, &body, TopologyRequest::RouteQuery);
            }
            MessageCode::STORE_REQUEST => self.on_store(now, caller, checked),
            MessageCode::FETCH_REQUEST => self.on_fetch(now, &caller, &body),
            MessageCode::STAT_REQUEST => self.on_stat(now, &caller, &body),
            MessageCode::FIND_REQUEST => self.on_find(now, &caller, &body),
            MessageCode::CONFIG_UPDATE_REQUEST => self.on_config_update(now, &caller, &body),
            _ => self.refuse(now, &caller, ErrorCode::INVALID_MESSAGE, "unknown method"),
        }
    }

    /// Hands a request to the topology plug-in.
    fn ask<R: Decode>(
        &mut self,
        now: Now,
        caller: Caller,
        body: &Bytes,
        wrap: impl FnOnce(R) -> TopologyRequest,
    ) {
        match R::decode_exact(&self.dialect, body) {
            Ok(request) => self.ask_topology(now, caller, wrap(request)),
            Err(error) => self.refuse_damaged(now, &caller, &error),
        }
    }

    pub(crate) fn ask_topology(&mut self, now: Now, caller: Caller, request: TopologyRequest) {
        if self.asked.len() >= self.limits.transactions {
            self.counters.transactions_refused += 1;
            return;
        }
        let token = RequestToken(self.number());
        let (code, send_update) = match &request {
            TopologyRequest::Join(_) => (MessageCode::JOIN_REQUEST, false),
            TopologyRequest::Leave(_) => (MessageCode::LEAVE_REQUEST, false),
            TopologyRequest::Update(_) => (MessageCode::UPDATE_REQUEST, false),
            TopologyRequest::RouteQuery(query) => {
                (MessageCode::ROUTE_QUERY_REQUEST, query.send_update)
            }
        };
        let (from, direct) = (caller.signer, caller.direct);
        self.asked.insert(token, Asked { caller, code, send_update });
        self.topology.handle_input(now, Input::Request { token, from, direct, request });
    }

    pub(crate) fn refuse_damaged(
        &mut self,
        now: Now,
        caller: &Caller,
        error: &reload_wire::DecodeError,
    ) {
        self.refuse(now, caller, ErrorCode::INVALID_MESSAGE, &error.to_string());
    }
}

/// Whether doing the request twice would differ from doing it once.
fn has_effects(code: MessageCode) -> bool {
    matches!(
        code,
        MessageCode::STORE_REQUEST
            | MessageCode::JOIN_REQUEST
            | MessageCode::LEAVE_REQUEST
            | MessageCode::ATTACH_REQUEST
            | MessageCode::APP_ATTACH_REQUEST
    )
}

/// The resource that a Fetch of ours asked for: its answer does not say.
fn fetched_at(transaction: &crate::transactions::Transaction) -> Option<ResourceId> {
    match (&transaction.purpose, transaction.to.last()) {
        (Purpose::Resynchronise { resource, .. }, _) => Some(resource.clone()),
        (_, Some(Destination::Resource(resource))) => Some(resource.clone()),
        _ => None,
    }
}

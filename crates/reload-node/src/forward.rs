//! Receipt and forwarding (sections 6.1 and 6.2): the header is read, the rest is passed on as it is.

use std::collections::BTreeSet;

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::{Route, Target, Topology};
use reload_wire::{
    Destination, ErrorCode, ForwardingHeader, MessageCode, NodeId, Now, peek_message_code,
};

use crate::deliver::Caller;
use crate::options::FORWARD_CRITICAL;
use crate::{LinkId, Node, Role};

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This node itself.
    Local,
    /// A link, and the Node-ID that stands for its other end in a via list.
    Link { link: LinkId, node: NodeId },
}

impl Origin {
    pub(crate) fn link(self) -> Option<LinkId> {
        match self {
            Self::Local => None,
            Self::Link { link, .. } => Some(link),
        }
    }
}

/// What to do with a message, by the first entry of its destination list (section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is for this node.
    Deliver,
    /// The entry is this node, and others follow.
    Skip,
    /// It goes on over this link.
    Forward(LinkId),
    /// The entry is an opaque id: what it stands for takes its place (section 6.1.3).
    Restore,
    /// It ends here without a word.
    Drop,
    /// There is no way to go on.
    Unroutable,
    /// Its destination list cannot be followed.
    Malformed,
}

impl<T: Topology, S: Store> Node<T, S> {
    /// A message came over a link.
    pub(crate) fn on_message(&mut self, now: Now, link: LinkId, message: &Bytes) {
        self.counters.received += 1;
        let Some(entry) = self.links.get_mut(link) else {
            return;
        };
        entry.last_traffic = now.mono;
        let origin = Origin::Link { link, node: entry.address() };
        let unbound = !entry.may_route();
        let Ok((header, rest)) = ForwardingHeader::split(&self.dialect, message) else {
            self.counters.noise += 1;
            return;
        };
        if !self.is_sound(&header, message.len()) {
            self.counters.noise += 1;
            return;
        }
        if let Some(code) = self.flaw(&header, unbound, &rest) {
            self.raise(now, origin, &header, &rest, code);
            return;
        }
        if self.is_own_answer(&header) {
            return self.deliver(now, origin, header, rest);
        }
        self.route_on(now, origin, header, rest);
    }

    /// Whether it is an answer to this node under another Node-ID of its certificate: by that one
    /// it is called where nobody knows yet which is meant (section 6.1.2).
    fn is_own_answer(&self, header: &ForwardingHeader) -> bool {
        let own = |id: &NodeId| self.credentials.certificate().names(id);
        matches!(&header.destination_list[..], [Destination::Node(id)] if own(id))
            && self.transactions.get(header.transaction_id).is_some()
    }

    /// Whether it is a message of this overlay, as long as it says (section 6.3.2).
    fn is_sound(&self, header: &ForwardingHeader, length: usize) -> bool {
        header.overlay == self.overlay
            && u32::try_from(length).is_ok_and(|length| length == header.length)
            && !header.via_list.iter().any(|entry| matches!(entry, Destination::Resource(_)))
    }

    /// What is wrong with a message before anything is done with it.
    fn flaw(&self, header: &ForwardingHeader, unbound: bool, rest: &Bytes) -> Option<ErrorCode> {
        if header.ttl > self.largest_ttl(header.configuration_sequence) {
            return Some(ErrorCode::TTL_EXCEEDED);
        }
        if has_duplicates(&header.destination_list) {
            return Some(ErrorCode::INVALID_MESSAGE);
        }
        // 6.1.2: a node with several Node-IDs has to Attach before it routes through us
        // (only the first fragment shows what it is, and without it there is no message)
        let first = header.fragment.offset == 0;
        if unbound && first && !peek_message_code(rest).is_some_and(may_be_unbound) {
            return Some(ErrorCode::FORBIDDEN);
        }
        None
    }

    /// Follows the destination list of a message that came from elsewhere.
    fn route_on(&mut self, now: Now, origin: Origin, mut header: ForwardingHeader, rest: Bytes) {
        loop {
            match self.step(&header.destination_list) {
                Step::Deliver => return self.deliver(now, origin, header, rest),
                Step::Skip => {
                    header.destination_list.remove(0);
                }
                Step::Restore if self.restore_front(&mut header) => {}
                Step::Restore => return,
                Step::Forward(_) if self.role == Role::Client => {
                    self.counters.unroutable += 1;
                    return;
                }
                Step::Forward(link) => return self.forward(now, origin, header, &rest, link),
                Step::Drop | Step::Unroutable => {
                    self.counters.unroutable += 1;
                    return;
                }
                Step::Malformed => {
                    return self.raise(now, origin, &header, &rest, ErrorCode::INVALID_MESSAGE);
                }
            }
        }
    }

    /// Sends a message of this node on its way; returns the link it took.
    pub(crate) fn dispatch(
        &mut self,
        now: Now,
        mut header: ForwardingHeader,
        rest: &Bytes,
        pinned: Option<LinkId>,
    ) -> Option<LinkId> {
        if let Some(link) = pinned {
            return self.send_on(now, link, &header, rest).then_some(link);
        }
        loop {
            match self.step_out(&header.destination_list) {
                Step::Deliver => {
                    self.deliver(now, Origin::Local, header, rest.clone());
                    return None;
                }
                Step::Skip => {
                    header.destination_list.remove(0);
                }
                Step::Restore if self.restore_front(&mut header) => {}
                Step::Restore => return None,
                Step::Forward(link) => {
                    return self.send_on(now, link, &header, rest).then_some(link);
                }
                Step::Drop | Step::Unroutable | Step::Malformed => {
                    self.counters.unroutable += 1;
                    return None;
                }
            }
        }
    }

    /// Whether a message that was taken for this node still is for it.
    pub(crate) fn is_for_this_node(&self, list: &[Destination]) -> bool {
        self.step(list) == Step::Deliver
    }

    /// As [`Self::step`], but a wildcard of our own means any neighbour.
    fn step_out(&self, list: &[Destination]) -> Step {
        match list {
            [Destination::Node(id), ..] if id.is_wildcard() => {
                self.links.any().map_or(Step::Unroutable, Step::Forward)
            }
            _ => self.step(list),
        }
    }

    pub(crate) fn step(&self, list: &[Destination]) -> Step {
        match list {
            [] => Step::Drop,
            [Destination::Node(id), ..] if id.is_wildcard() => Step::Deliver,
            [Destination::Node(id)] if *id == self.node_id => Step::Deliver,
            [Destination::Node(id), ..] if *id == self.node_id => Step::Skip,
            [Destination::Node(id), ..] => self.step_to_node(*id),
            [Destination::Resource(id)] if self.topology.is_responsible(id) => Step::Deliver,
            [Destination::Resource(id)] => self.step_by_topology(&Target::Resource(id.clone())),
            // 6.1.1: a resource must stand last
            [Destination::Resource(_), ..] => Step::Drop,
            [Destination::Opaque(_), ..] => Step::Restore,
            [Destination::Unknown { .. }, ..] => Step::Malformed,
        }
    }

    fn step_to_node(&self, id: NodeId) -> Step {
        match self.links.to_node(&id) {
            Some(link) => Step::Forward(link),
            None => self.step_by_topology(&Target::Node(id)),
        }
    }

    fn step_by_topology(&self, target: &Target) -> Step {
        match (self.topology.route(target), target) {
            (Route::Here, Target::Resource(_)) => Step::Deliver,
            // 6.1.1: the node we would be responsible for is not connected
            (Route::Here, Target::Node(_)) => Step::Drop,
            (Route::Next(next), _) => {
                self.links.to_node(&next).map_or(Step::Unroutable, Step::Forward)
            }
            (Route::Nowhere, _) => Step::Unroutable,
        }
    }

    /// Passes a message on (section 6.1.2).
    fn forward(
        &mut self,
        now: Now,
        origin: Origin,
        mut header: ForwardingHeader,
        rest: &Bytes,
        link: LinkId,
    ) {
        if header.ttl == 0 {
            return self.raise(now, origin, &header, rest, ErrorCode::TTL_EXCEEDED);
        }
        if header.options.iter().any(|option| option.flags & FORWARD_CRITICAL != 0) {
            let code = ErrorCode::UNSUPPORTED_FORWARDING_OPTION;
            return self.raise(now, origin, &header, rest, code);
        }
        header.ttl -= 1;
        if let Origin::Link { link, node } = origin
            && !is_answer(&header, rest)
        {
            self.extend_via(link, node, &mut header.via_list);
        }
        if self.send_on(now, link, &header, rest) {
            self.counters.forwarded += 1;
        } else {
            self.pop_hop(&mut header.via_list); // of an answer nobody is told
            self.raise(now, origin, &header, rest, ErrorCode::MESSAGE_TOO_LARGE);
        }
    }

    /// A message is arriving that is larger than allowed: the sender is told, the link closed (6.6).
    pub(crate) fn on_too_large(&mut self, now: Now, link: LinkId, header: ForwardingHeader) {
        let Some(entry) = self.links.get(link) else {
            return;
        };
        let origin = Origin::Link { link, node: entry.address() };
        let ours = header.overlay == self.overlay && header.fragment.offset == 0;
        // an answer to a request of ours gets no error (E47)
        if ours && self.transactions.get(header.transaction_id).is_none() {
            let caller = Caller::of(&header, origin, self.node_id);
            self.refuse(now, &caller, ErrorCode::MESSAGE_TOO_LARGE, "larger than max-message-size");
        }
        self.close_after(now, link);
    }

    /// Answers a request with an error on the way; says nothing to answers and later fragments (E47).
    fn raise(
        &mut self,
        now: Now,
        origin: Origin,
        header: &ForwardingHeader,
        rest: &Bytes,
        code: ErrorCode,
    ) {
        self.counters.unroutable += 1;
        if header.fragment.offset != 0 || is_answer(header, rest) {
            return;
        }
        let caller = Caller::of(header, origin, self.node_id);
        self.refuse(now, &caller, code, code.name());
    }
}

/// Whether this is known to be an answer or an error: only the first fragment tells.
pub(crate) fn is_answer(header: &ForwardingHeader, rest: &Bytes) -> bool {
    header.fragment.offset == 0 && peek_message_code(rest).is_some_and(|code| !code.is_request())
}

/// The requests that a node with several Node-IDs may send before its Attach (section 6.1.2).
fn may_be_unbound(code: MessageCode) -> bool {
    matches!(code, MessageCode::ATTACH_REQUEST | MessageCode::PING_REQUEST) || !code.is_request()
}

/// Whether a node or resource stands twice in a list (section 13.6.5).
fn has_duplicates(list: &[Destination]) -> bool {
    let mut seen = BTreeSet::new();
    list.iter().any(|entry| match entry {
        Destination::Node(id) => !seen.insert((1, id.as_bytes())),
        Destination::Resource(id) => !seen.insert((2, id.as_bytes())),
        Destination::Opaque(_) | Destination::Unknown { .. } => false,
    })
}

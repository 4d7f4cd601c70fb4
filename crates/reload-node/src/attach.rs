//! Attach: links to other nodes, agreed through the overlay (section 6.5.1).
//! Here are the Attaches that this node sends; those of others are in `attach_answer.rs`, the links in
//! `attach_link.rs`.
//!
//! Without ICE the sender of an Attach listens and its receiver dials. With ICE both sides get a
//! plan. Either way the sender is the TLS or DTLS server (6.5.1.13).

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::{TaskId, Topology};
use reload_wire::{
    AttachReqAns, Decode, Destination, Encode, ErrorCode, IceCandidate, MessageCode, NodeId, Now,
    RouteQueryReq,
};

use crate::candidates::{FORMING, Family, Offered, Terms};
use crate::deliver::Caller;
use crate::originate::{Answer, Ending};
use crate::timer::Timer;
use crate::transactions::Purpose;
use crate::{LinkId, LinkPurpose, Node, Output, RequestError, RequestId, Way};

/// Who wants an Attach of ours, and hears how it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    Topology(TaskId),
    Application { id: RequestId, started: Instant },
}

/// One Attach under way, by the name of the link it is to give.
#[derive(Debug)]
pub(crate) enum Attach {
    /// Ours: the addresses at which we can be reached are looked up.
    Gathering { to: Vec<Destination>, send_update: bool, wanted: Wanted, terms: Terms },
    /// Ours: sent and not answered.
    Asked { to: Vec<Destination>, wanted: Wanted },
    /// Ours: this node dials us, or will.
    Awaiting(Awaiting),
    /// Theirs: our addresses are looked up for the answer.
    Answering { caller: Box<Caller>, request: Box<AttachReqAns>, way: Way, terms: Terms },
    /// A plan is carried out.
    Forming(Forming),
}

/// An Attach of ours that waits for a link from the other side.
#[derive(Debug)]
pub(crate) struct Awaiting {
    pub(crate) node: NodeId,
    pub(crate) wanted: Wanted,
    /// It answered ours. Otherwise ours was given up in favour of its own Attach, which may still
    /// be on its way here.
    pub(crate) answered: bool,
    /// It wants an Update (E55).
    pub(crate) update: bool,
}

/// An Attach of theirs that we answered; with ICE, also one of ours that they answered.
#[derive(Debug)]
pub(crate) struct Forming {
    pub(crate) node: NodeId,
    pub(crate) family: Family,
    /// Ours: who wants it, until a link to the node is up.
    pub(crate) wanted: Option<Wanted>,
    /// They want an Update (section 6.4.2.3).
    pub(crate) update: bool,
}

/// All Attaches under way. Ours are bounded by the tasks of the topology plug-in and `OWN`, theirs
/// by `ANSWERING`; each ends by its timer or its transaction.
#[derive(Debug, Default)]
pub(crate) struct Attaches {
    pub(crate) open: BTreeMap<LinkId, Attach>,
}

/// Attaches under way at a time before the application may start no more.
const OWN: usize = 64;

impl Attaches {
    /// The plan that is carried out for a link.
    pub(crate) fn forming(&self, link: LinkId) -> Option<&Forming> {
        match self.open.get(&link) {
            Some(Attach::Forming(forming)) => Some(forming),
            _ => None,
        }
    }

    /// The Node-ID that a link is expected to have, out of those of its certificate.
    pub(crate) fn expected(&self, link: LinkId, ids: &[NodeId]) -> Option<NodeId> {
        self.forming(link).map(|forming| forming.node).or_else(|| {
            self.open.values().find_map(|attach| match attach {
                Attach::Awaiting(awaiting) if ids.contains(&awaiting.node) => Some(awaiting.node),
                Attach::Asked { to, .. } => match to.last() {
                    Some(Destination::Node(node)) if ids.contains(node) => Some(*node),
                    _ => None,
                },
                _ => None,
            })
        })
    }

    /// Our own Attach to this very node that is not answered yet.
    pub(crate) fn asked(&self, node: &NodeId) -> Option<(LinkId, Wanted)> {
        self.open.iter().find_map(|(link, attach)| match attach {
            Attach::Asked { to, wanted } if to.last() == Some(&Destination::Node(*node)) => {
                Some((*link, *wanted))
            }
            _ => None,
        })
    }

    /// Whether this node has answered an Attach of ours and its link is forming.
    pub(crate) fn is_answered_by(&self, node: &NodeId) -> bool {
        self.open.values().any(|attach| match attach {
            Attach::Awaiting(awaiting) => awaiting.answered && awaiting.node == *node,
            Attach::Forming(forming) => forming.wanted.is_some() && forming.node == *node,
            _ => false,
        })
    }

    /// How many Attaches of this node are being answered, or are forming.
    pub(crate) fn of(&self, node: &NodeId) -> usize {
        let theirs = |attach: &&Attach| match attach {
            Attach::Answering { caller, .. } => caller.signer == *node,
            Attach::Forming(forming) => forming.wanted.is_none() && forming.node == *node,
            _ => false,
        };
        self.open.values().filter(theirs).count()
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    /// The application wants a link.
    pub(crate) fn attach_for_application(&mut self, now: Now, id: RequestId, to: Vec<Destination>) {
        let wanted = Wanted::Application { id, started: now.mono };
        if self.attaches.open.len() >= OWN {
            let error = RequestError::NotConnected("too many Attaches are under way".to_owned());
            return self.end_attach(now, wanted, Err(error));
        }
        self.attach(now, wanted, to, false);
    }

    /// Somebody here wants a link.
    pub(crate) fn attach(
        &mut self,
        now: Now,
        wanted: Wanted,
        to: Vec<Destination>,
        send_update: bool,
    ) {
        if let Some(node) = self.linked_target(&to) {
            return self.attached_already(now, wanted, node, send_update);
        }
        let link = self.links.plan();
        let terms = Terms::new(Family::of(&self.configuration), &mut self.rng);
        // a failing link to it has the pair of addresses that this one would have
        let own_socket = match to.last() {
            Some(Destination::Node(node)) => self.needs_own_socket(&terms, node),
            _ => false,
        };
        let gathering = terms.gathering(LinkPurpose::Overlay, true, own_socket);
        self.attaches.open.insert(link, Attach::Gathering { to, send_update, wanted, terms });
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        self.outputs.push_back(Output::Gather(link, gathering));
    }

    /// Two DTLS links between the same two sockets could not be told apart.
    pub(crate) fn needs_own_socket(&self, terms: &Terms, node: &NodeId) -> bool {
        terms.family == Family::Ice && self.links.newest(node).is_some()
    }

    /// The node that is meant, if a link to it is up: none is sent an Attach (E102).
    fn linked_target(&self, to: &[Destination]) -> Option<NodeId> {
        match to.last() {
            Some(Destination::Node(node)) if self.links.to_node(node).is_some() => Some(*node),
            _ => None,
        }
    }

    /// A link is there: the Update is asked for by RouteQuery (section 6.4.2.4).
    fn attached_already(&mut self, now: Now, wanted: Wanted, node: NodeId, send_update: bool) {
        let request = RouteQueryReq {
            send_update: true,
            destination: Destination::Node(node),
            overlay_specific_data: Bytes::new(),
        };
        if send_update && let Ok(body) = request.to_bytes() {
            let to = vec![Destination::Node(node)];
            self.send_request(now, MessageCode::ROUTE_QUERY_REQUEST, to, body, Purpose::Nobody);
        }
        self.end_attach(now, wanted, Ok(node));
    }

    /// Our own candidates are known.
    pub(crate) fn on_candidates(&mut self, now: Now, link: LinkId, candidates: Vec<IceCandidate>) {
        match self.attaches.open.remove(&link) {
            Some(Attach::Gathering { to, send_update, wanted, terms }) => {
                self.timers.cancel(Timer::Attach(link));
                let candidates = terms.family.keep(candidates);
                if let Some(node) = self.linked_target(&to) {
                    self.outputs.push_back(Output::Close(link));
                    return self.attached_already(now, wanted, node, send_update);
                }
                let request = attach_body(b"passive", terms, candidates, send_update);
                self.send_attach(now, link, wanted, to, &request);
            }
            Some(Attach::Answering { caller, request, way, terms }) => {
                self.answer_attach(now, link, &caller, &request, way, terms, candidates);
            }
            Some(other) => {
                self.attaches.open.insert(link, other);
            }
            None => {}
        }
    }

    fn send_attach(
        &mut self,
        now: Now,
        link: LinkId,
        wanted: Wanted,
        to: Vec<Destination>,
        request: &AttachReqAns,
    ) {
        // a node that cannot be reached cannot send an Attach (section 6.5.1.13)
        let body = request.to_bytes().ok().filter(|_| !request.candidates.is_empty());
        let Some(body) = body else {
            self.outputs.push_back(Output::Close(link));
            return self.fail_unreachable(now, wanted, &to);
        };
        self.attaches.open.insert(link, Attach::Asked { to: to.clone(), wanted });
        self.send_request(now, MessageCode::ATTACH_REQUEST, to, body, Purpose::Attach(link));
    }

    /// There is no candidate of ours that the overlay uses.
    fn fail_unreachable(&mut self, now: Now, wanted: Wanted, to: &[Destination]) {
        let family = Family::of(&self.configuration);
        let reason = family.unreachable();
        let node = match to.last() {
            Some(Destination::Node(node)) => Some(*node),
            _ => None,
        };
        // without ICE that is the lot of every client behind a NAT (section 4.2.1)
        if family == Family::Ice {
            self.tell_failure(node, reason);
        }
        self.fail_attach(now, wanted, reason);
    }

    pub(crate) fn cancel_attach_request(&mut self, link: LinkId) {
        self.cancel_request(|purpose| matches!(purpose, Purpose::Attach(of) if *of == link));
    }

    /// Sends the requests of this purpose no more, and forgets them.
    pub(crate) fn cancel_request(&mut self, wanted: impl Fn(&Purpose) -> bool) {
        for id in self.transactions.find(|transaction| wanted(&transaction.purpose)) {
            self.transactions.remove(id);
            self.timers.cancel(Timer::Transaction(id));
        }
    }

    /// Our Attach was answered, or not.
    pub(crate) fn finish_attach(&mut self, now: Now, link: LinkId, ending: Ending) {
        let Some(Attach::Asked { wanted, .. }) = self.attaches.open.remove(&link) else {
            return;
        };
        match ending {
            Ending::Answered(answer) => self.on_attach_answer(now, link, wanted, &answer),
            Ending::Refused { code: ErrorCode::IN_PROGRESS, from: node, .. } => {
                self.await_instead(now, link, node, wanted);
            }
            Ending::Refused { code, info, from } => {
                self.fail_refused(now, link, wanted, (code, info, from));
            }
            Ending::Failed(error) => {
                self.outputs.push_back(Output::Close(link));
                self.end_attach(now, wanted, Err(error));
            }
        }
    }

    fn on_attach_answer(&mut self, now: Now, link: LinkId, wanted: Wanted, answer: &Answer) {
        let (node, body) = (answer.from, &answer.checked.message.contents.body);
        let family = Family::of(&self.configuration);
        let read = AttachReqAns::decode_exact(&self.dialect, body);
        let read = read.map_err(|_| (ErrorCode::INVALID_MESSAGE, "it does not decode"));
        let way = read.and_then(|reply| Ok((way_of_answer(family, &reply)?, reply.send_update)));
        match way {
            Ok((None, update)) => {
                self.await_link(now, link, Awaiting { node, wanted, answered: true, update });
            }
            Ok((Some(way), update)) => {
                let wanted = Some(wanted);
                self.form(now, link, way, Forming { node, family, wanted, update });
            }
            Err((code, text)) => {
                let info = Bytes::from_static(text.as_bytes());
                self.fail_refused(now, link, wanted, (code, info, node));
            }
        }
    }

    fn fail_refused(
        &mut self,
        now: Now,
        link: LinkId,
        wanted: Wanted,
        (code, info, from): (ErrorCode, Bytes, NodeId),
    ) {
        self.outputs.push_back(Output::Close(link));
        let error = self.refused(code, info, from);
        if matches!(code, ErrorCode::INCOMPATIBLE_WITH_OVERLAY | ErrorCode::INVALID_MESSAGE) {
            self.tell_failure(Some(from), &error.to_string());
        }
        self.end_attach(now, wanted, Err(error));
    }
}

/// The way that an answer to an Attach of ours opens: none without ICE, where the other side dials.
fn way_of_answer(
    family: Family,
    reply: &AttachReqAns,
) -> Result<Option<Way>, crate::candidates::Refused> {
    if reply.role != b"active"[..] {
        return Err((ErrorCode::INVALID_MESSAGE, "the role of an answer is active"));
    }
    let AttachReqAns { ufrag, password, candidates, .. } = reply;
    match family {
        Family::NoIce => family.review(candidates).map(|()| None),
        Family::Ice => family.way(Offered { ufrag, password, candidates }).map(Some),
    }
}

pub(crate) fn attach_body(
    role: &'static [u8],
    terms: Terms,
    candidates: Vec<IceCandidate>,
    send_update: bool,
) -> AttachReqAns {
    let Terms { ufrag, password, .. } = terms;
    AttachReqAns { ufrag, password, role: Bytes::from_static(role), candidates, send_update }
}

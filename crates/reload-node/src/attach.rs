//! Attach: links to other nodes, agreed through the overlay (section 6.5.1), in its No-ICE form.
//! Here are the Attaches that this node sends; those of others are in `attach_answer.rs`.
//!
//! The sender of an Attach listens and is the TLS server; its receiver dials (6.5.1.13).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::distr::{Alphanumeric, SampleString};
use reload_storage::Store;
use reload_topology::{Failure, Input, TaskAnswer, TaskId, Topology};
use reload_wire::{
    AttachReqAns, Decode, Destination, Encode, ErrorCode, IceCandidate, MessageCode, NodeId, Now,
    RouteQueryReq,
};

use crate::deliver::Caller;
use crate::originate::{Answer, Ending};
use crate::timer::Timer;
use crate::transactions::Purpose;
use crate::{Gathering, LinkId, LinkPurpose, Node, Output};

/// How long a link may take to come up once both sides have agreed on it.
pub(crate) const FORMING: Duration = Duration::from_secs(10);

/// What is gathered in a No-ICE overlay.
pub(crate) const NO_ICE: Gathering =
    Gathering { purpose: LinkPurpose::Overlay, ice: None, own_socket: false };

/// One Attach under way, by the name of the link it is to give.
#[derive(Debug)]
pub(crate) enum Attach {
    /// Ours: the addresses at which we can be dialled are looked up.
    Gathering { to: Vec<Destination>, send_update: bool, task: TaskId },
    /// Ours: sent and not answered.
    Asked { to: Vec<Destination>, task: TaskId },
    /// Ours: this node dials us, or will.
    Awaiting(Awaiting),
    /// Theirs: our addresses are looked up for the answer.
    Answering { caller: Box<Caller>, request: Box<AttachReqAns> },
    /// Theirs: answered; we dial. `update`: they want an Update (section 6.4.2.3).
    Dialling { node: NodeId, update: bool },
}

/// An Attach of ours that waits for its link.
#[derive(Debug)]
pub(crate) struct Awaiting {
    pub(crate) node: NodeId,
    pub(crate) task: TaskId,
    /// It answered ours. Otherwise ours was given up in favour of its own Attach, which may still
    /// be on its way here.
    pub(crate) answered: bool,
    /// It wants an Update (E55).
    pub(crate) update: bool,
}

/// All Attaches under way. Ours are bounded by the tasks of the topology plug-in, theirs by
/// `ANSWERING`; each ends by its timer or its transaction.
#[derive(Debug, Default)]
pub(crate) struct Attaches {
    pub(crate) open: BTreeMap<LinkId, Attach>,
}

impl Attaches {
    /// The node that is dialled over a link.
    pub(crate) fn dialled(&self, link: LinkId) -> Option<NodeId> {
        match self.open.get(&link) {
            Some(Attach::Dialling { node, .. }) => Some(*node),
            _ => None,
        }
    }

    /// The Node-ID that a link is expected to have, out of those of its certificate.
    pub(crate) fn expected(&self, link: LinkId, ids: &[NodeId]) -> Option<NodeId> {
        self.dialled(link).or_else(|| {
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
    pub(crate) fn asked(&self, node: &NodeId) -> Option<(LinkId, TaskId)> {
        self.open.iter().find_map(|(link, attach)| match attach {
            Attach::Asked { to, task } if to.last() == Some(&Destination::Node(*node)) => {
                Some((*link, *task))
            }
            _ => None,
        })
    }

    /// Whether this node has answered an Attach of ours and its link is forming.
    pub(crate) fn is_answered_by(&self, wanted: &NodeId) -> bool {
        self.open
            .values()
            .any(|attach| matches!(attach, Attach::Awaiting(a) if a.answered && a.node == *wanted))
    }

    /// How many Attaches of this node are being answered or dialled.
    pub(crate) fn of(&self, wanted: &NodeId) -> usize {
        let theirs = |attach: &&Attach| match attach {
            Attach::Answering { caller, .. } => caller.signer == *wanted,
            Attach::Dialling { node, .. } => node == wanted,
            _ => false,
        };
        self.open.values().filter(theirs).count()
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    /// The topology plug-in wants a link.
    pub(crate) fn attach(
        &mut self,
        now: Now,
        task: TaskId,
        to: Vec<Destination>,
        send_update: bool,
    ) {
        if let Some(node) = self.linked_target(&to) {
            return self.attached_already(now, task, node, send_update);
        }
        let link = self.links.plan();
        self.attaches.open.insert(link, Attach::Gathering { to, send_update, task });
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        self.outputs.push_back(Output::Gather(link, NO_ICE));
    }

    /// The node that is meant, if a link to it is up: none is sent an Attach (E102).
    fn linked_target(&self, to: &[Destination]) -> Option<NodeId> {
        match to.last() {
            Some(Destination::Node(node)) if self.links.to_node(node).is_some() => Some(*node),
            _ => None,
        }
    }

    /// A link is there: the Update is asked for by RouteQuery (section 6.4.2.4).
    fn attached_already(&mut self, now: Now, task: TaskId, node: NodeId, send_update: bool) {
        let request = RouteQueryReq {
            send_update: true,
            destination: Destination::Node(node),
            overlay_specific_data: Bytes::new(),
        };
        if send_update && let Ok(body) = request.to_bytes() {
            let to = vec![Destination::Node(node)];
            self.send_request(now, MessageCode::ROUTE_QUERY_REQUEST, to, body, Purpose::Nobody);
        }
        self.end_attach(now, task, Ok(TaskAnswer::Attached(node)));
    }

    /// Our own candidates are known.
    pub(crate) fn on_candidates(&mut self, now: Now, link: LinkId, candidates: Vec<IceCandidate>) {
        match self.attaches.open.remove(&link) {
            Some(Attach::Gathering { to, send_update, task }) => {
                self.timers.cancel(Timer::Attach(link));
                self.send_attach(now, link, task, to, send_update, candidates);
            }
            Some(Attach::Answering { caller, request }) => {
                self.answer_attach(now, link, &caller, &request, candidates);
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
        task: TaskId,
        to: Vec<Destination>,
        send_update: bool,
        candidates: Vec<IceCandidate>,
    ) {
        if let Some(node) = self.linked_target(&to) {
            return self.attached_already(now, task, node, send_update);
        }
        // a node that cannot be dialled cannot send an Attach (section 6.5.1.13)
        let request = self.attach_body(b"passive", candidates, send_update);
        let body = request.to_bytes().ok().filter(|_| !request.candidates.is_empty());
        let Some(body) = body else {
            return self.end_attach(now, task, Err(Failure::Unreachable));
        };
        self.attaches.open.insert(link, Attach::Asked { to: to.clone(), task });
        self.send_request(now, MessageCode::ATTACH_REQUEST, to, body, Purpose::Attach(link));
    }

    pub(crate) fn attach_body(
        &mut self,
        role: &'static [u8],
        candidates: Vec<IceCandidate>,
        send_update: bool,
    ) -> AttachReqAns {
        AttachReqAns {
            ufrag: Alphanumeric.sample_string(&mut self.rng, 8).into(),
            password: Alphanumeric.sample_string(&mut self.rng, 24).into(),
            role: Bytes::from_static(role),
            candidates,
            send_update,
        }
    }

    pub(crate) fn cancel_attach_request(&mut self, link: LinkId) {
        let wanted = |purpose: &Purpose| matches!(purpose, Purpose::Attach(of) if *of == link);
        for id in self.transactions.find(|transaction| wanted(&transaction.purpose)) {
            self.transactions.remove(id);
            self.timers.cancel(Timer::Transaction(id));
        }
    }

    /// Our Attach was answered, or not.
    pub(crate) fn finish_attach(&mut self, now: Now, link: LinkId, ending: Ending) {
        let Some(Attach::Asked { task, .. }) = self.attaches.open.remove(&link) else {
            return;
        };
        match ending {
            Ending::Answered(answer) => self.on_attach_answer(now, link, task, &answer),
            Ending::Refused { code: ErrorCode::IN_PROGRESS, from: node, .. } => {
                let awaiting = Awaiting { node, task, answered: false, update: false };
                self.await_link(now, link, awaiting);
            }
            Ending::Refused { code, .. } => self.end_attach(now, task, Err(Failure::Refused(code))),
            Ending::Failed(_) => self.end_attach(now, task, Err(Failure::Timeout)),
        }
    }

    fn on_attach_answer(&mut self, now: Now, link: LinkId, task: TaskId, answer: &Answer) {
        let body = &answer.checked.message.contents.body;
        match AttachReqAns::decode_exact(&self.dialect, body) {
            Ok(reply) if reply.role == b"active"[..] => {
                let (node, update) = (answer.from, reply.send_update);
                self.await_link(now, link, Awaiting { node, task, answered: true, update });
            }
            _ => {
                let refused = Failure::Refused(ErrorCode::INVALID_MESSAGE);
                self.end_attach(now, task, Err(refused));
            }
        }
    }

    /// Waits for the link from a node; it may be there already.
    pub(crate) fn await_link(&mut self, now: Now, link: LinkId, awaiting: Awaiting) {
        let node = awaiting.node;
        self.attaches.open.insert(link, Attach::Awaiting(awaiting));
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        if let Some(unbound) = self.links.unbound(&node) {
            self.bind(now, unbound, node);
        }
        if let Some(up) = self.links.to_node(&node) {
            self.complete_attaches(now, up, node);
        }
    }

    /// A link to a node is up: every Attach that waits for it is complete.
    pub(crate) fn complete_attaches(&mut self, now: Now, up: LinkId, node: NodeId) {
        let waits = |link: &LinkId, attach: &Attach| match attach {
            Attach::Awaiting(awaiting) => awaiting.node == node,
            Attach::Asked { to, .. } => to.last() == Some(&Destination::Node(node)),
            Attach::Dialling { node: dialled, update } => {
                *dialled == node && (*link == up || *update)
            }
            Attach::Gathering { .. } | Attach::Answering { .. } => false,
        };
        let all = self.attaches.open.iter();
        let done: Vec<LinkId> =
            all.filter(|(link, attach)| waits(link, attach)).map(|(link, _)| *link).collect();
        let mut wanted = false;
        for link in done {
            wanted |= self.complete_attach(now, link, up, node);
        }
        if wanted {
            self.topology.handle_input(now, Input::UpdateWanted(node));
        }
    }

    /// Returns whether the other side wants an Update.
    fn complete_attach(&mut self, now: Now, link: LinkId, up: LinkId, node: NodeId) -> bool {
        let done = Ok(TaskAnswer::Attached(node));
        match self.attaches.open.remove(&link) {
            Some(Attach::Asked { task, .. }) => {
                self.cancel_attach_request(link);
                self.end_attach(now, task, done);
                false
            }
            Some(Attach::Awaiting(Awaiting { task, update, .. })) => {
                self.timers.cancel(Timer::Attach(link));
                self.end_attach(now, task, done);
                update
            }
            // still being dialled: that link comes second, and is known by its Node-ID
            Some(Attach::Dialling { node, update }) if link != up => {
                self.attaches.open.insert(link, Attach::Dialling { node, update: false });
                update
            }
            Some(Attach::Dialling { update, .. }) => {
                self.timers.cancel(Timer::Attach(link));
                update
            }
            _ => false,
        }
    }

    fn end_attach(&mut self, now: Now, task: TaskId, result: Result<TaskAnswer, Failure>) {
        self.topology.handle_input(now, Input::Done { task, result });
    }

    /// A link that was planned did not come up, or an Attach led to nothing in time.
    pub(crate) fn on_attach_timer(&mut self, now: Now, link: LinkId) {
        if self.attaches.dialled(link).is_some() {
            self.outputs.push_back(Output::Close(link));
        }
        self.attach_link_down(now, link);
    }

    pub(crate) fn attach_link_down(&mut self, now: Now, link: LinkId) {
        self.timers.cancel(Timer::Attach(link));
        match self.attaches.open.remove(&link) {
            Some(Attach::Gathering { task, .. } | Attach::Awaiting(Awaiting { task, .. })) => {
                self.end_attach(now, task, Err(Failure::Unreachable));
            }
            // its transaction decides
            Some(asked @ Attach::Asked { .. }) => {
                self.attaches.open.insert(link, asked);
            }
            Some(Attach::Dialling { .. } | Attach::Answering { .. }) | None => {}
        }
    }
}

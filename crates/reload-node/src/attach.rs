//! Attach: links to other nodes, agreed through the overlay (section 6.5.1), in its No-ICE form.
//!
//! The sender of an Attach listens and is the TLS server; its receiver dials (6.5.1.13).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::distr::{Alphanumeric, SampleString};
use reload_storage::Store;
use reload_topology::{Failure, Input, TaskAnswer, TaskId, Topology};
use reload_wire::{
    AttachReqAns, Decode, Destination, Encode, ErrorCode, IceCandidate, MessageCode, NodeId, Now,
    OverlayLinkType, RouteQueryReq,
};

use crate::deliver::Caller;
use crate::originate::{Answer, Ending};
use crate::timer::Timer;
use crate::transactions::Purpose;
use crate::{LinkId, Node, Output, Plan};

/// How long a link may take to come up once both sides have agreed on it.
const FORMING: Duration = Duration::from_secs(10);

/// Attaches that others may have open here at a time.
const ANSWERING: usize = 256;

/// One Attach under way, by the name of the link it is to give.
#[derive(Debug)]
enum Attach {
    /// Ours: the addresses at which we can be dialled are looked up.
    Gathering { to: Vec<Destination>, send_update: bool, task: TaskId },
    /// Ours: sent and not answered.
    Asked { to: Vec<Destination>, task: TaskId },
    /// Ours: answered by this node, which dials us now. Also: given up in favour of its own Attach.
    Awaiting { node: NodeId, task: TaskId },
    /// Theirs: our addresses are looked up for the answer.
    Answering { caller: Box<Caller>, request: Box<AttachReqAns> },
    /// Theirs: answered; we dial.
    Dialling { node: NodeId },
}

/// All Attaches under way.
#[derive(Debug, Default)]
pub(crate) struct Attaches {
    open: BTreeMap<LinkId, Attach>,
    /// Nodes that want an Update as soon as a link is up (section 6.4.2.3).
    updates: BTreeSet<NodeId>,
}

impl Attaches {
    /// The Node-ID that a link is expected to have, out of those of its certificate.
    pub(crate) fn expected(&self, link: LinkId, ids: &[NodeId]) -> Option<NodeId> {
        if let Some(Attach::Dialling { node }) = self.open.get(&link) {
            return Some(*node);
        }
        self.open.values().find_map(|attach| match attach {
            Attach::Awaiting { node, .. } if ids.contains(node) => Some(*node),
            Attach::Asked { to, .. } => match to.last() {
                Some(Destination::Node(node)) if ids.contains(node) => Some(*node),
                _ => None,
            },
            _ => None,
        })
    }

    /// Our own Attach to this very node that is not answered yet.
    fn asked(&self, node: &NodeId) -> Option<(LinkId, TaskId)> {
        self.open.iter().find_map(|(link, attach)| match attach {
            Attach::Asked { to, task } if to.last() == Some(&Destination::Node(*node)) => {
                Some((*link, *task))
            }
            _ => None,
        })
    }

    fn is_awaiting(&self, wanted: &NodeId) -> bool {
        let awaits =
            |attach: &Attach| matches!(attach, Attach::Awaiting { node, .. } if node == wanted);
        self.open.values().any(awaits)
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
        if let Some(Destination::Node(node)) = to.last()
            && self.links.to_node(node).is_some()
        {
            let node = *node;
            if send_update {
                self.ask_for_update(now, node);
            }
            let result = Ok(TaskAnswer::Attached(node));
            return self.topology.handle_input(now, Input::Done { task, result });
        }
        let link = self.links.plan();
        self.attaches.open.insert(link, Attach::Gathering { to, send_update, task });
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        self.outputs.push_back(Output::Gather(link));
    }

    /// A link is there already: the Update is asked for by RouteQuery (section 6.4.2.4).
    fn ask_for_update(&mut self, now: Now, node: NodeId) {
        let request = RouteQueryReq {
            send_update: true,
            destination: Destination::Node(node),
            overlay_specific_data: Bytes::new(),
        };
        let Ok(body) = request.to_bytes() else { return };
        let to = vec![Destination::Node(node)];
        self.send_request(now, MessageCode::ROUTE_QUERY_REQUEST, to, body, Purpose::Nobody);
    }

    /// Our own candidates are known.
    pub(crate) fn on_candidates(&mut self, now: Now, link: LinkId, candidates: Vec<IceCandidate>) {
        match self.attaches.open.remove(&link) {
            Some(Attach::Gathering { to, send_update, task }) if candidates.is_empty() => {
                let _ = (to, send_update);
                self.timers.cancel(Timer::Attach(link));
                self.end_attach(now, task, Err(Failure::Unreachable));
            }
            Some(Attach::Gathering { to, send_update, task }) => {
                self.timers.cancel(Timer::Attach(link));
                let request = self.attach_body(b"passive", candidates, send_update);
                self.attaches.open.insert(link, Attach::Asked { to: to.clone(), task });
                let Ok(body) = request.to_bytes() else { return };
                let purpose = Purpose::Attach(link);
                self.send_request(now, MessageCode::ATTACH_REQUEST, to, body, purpose);
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

    fn attach_body(
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

    /// Somebody wants a link (section 6.5.1.2).
    pub(crate) fn on_attach(&mut self, now: Now, caller: Caller, body: &Bytes) {
        let request = match AttachReqAns::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, &caller, &error),
        };
        if let Err((code, text)) = self.admit_attach(now, &caller, &request) {
            return self.refuse(now, &caller, code, text);
        }
        let link = self.links.plan();
        let (caller, request) = (Box::new(caller), Box::new(request));
        self.attaches.open.insert(link, Attach::Answering { caller, request });
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        self.outputs.push_back(Output::Gather(link));
    }

    fn admit_attach(
        &mut self,
        now: Now,
        caller: &Caller,
        request: &AttachReqAns,
    ) -> Result<(), (ErrorCode, &'static str)> {
        if request.role != b"passive"[..] {
            return Err((ErrorCode::INVALID_MESSAGE, "the role of a request is passive"));
        }
        if caller.signer == self.node_id {
            return Err((ErrorCode::INVALID_MESSAGE, "an Attach to itself"));
        }
        if usable(&request.candidates).is_empty() {
            let text = "no candidate of a link type that is used here";
            return Err((ErrorCode::INCOMPATIBLE_WITH_OVERLAY, text));
        }
        if self.attaches.open.len() >= ANSWERING {
            return Err((ErrorCode::IN_PROGRESS, "too many Attaches are under way"));
        }
        self.break_tie(now, caller)
    }

    /// Both sides have sent an Attach: the smaller Node-ID gives way (section 6.5.1.2).
    fn break_tie(&mut self, now: Now, caller: &Caller) -> Result<(), (ErrorCode, &'static str)> {
        let in_progress = (ErrorCode::IN_PROGRESS, "an Attach to this node is under way");
        if self.attaches.is_awaiting(&caller.signer) {
            return Err(in_progress);
        }
        let Some((link, task)) = self.attaches.asked(&caller.signer) else {
            return Ok(());
        };
        if self.node_id > caller.signer {
            return Err(in_progress);
        }
        self.cancel_attach_request(link);
        self.attaches.open.insert(link, Attach::Awaiting { node: caller.signer, task });
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        Ok(())
    }

    fn cancel_attach_request(&mut self, link: LinkId) {
        let wanted = |purpose: &Purpose| matches!(purpose, Purpose::Attach(of) if *of == link);
        for id in self.transactions.find(|transaction| wanted(&transaction.purpose)) {
            self.transactions.remove(id);
            self.timers.cancel(Timer::Transaction(id));
        }
    }

    fn answer_attach(
        &mut self,
        now: Now,
        link: LinkId,
        caller: &Caller,
        request: &AttachReqAns,
        candidates: Vec<IceCandidate>,
    ) {
        let node = caller.signer;
        let answer = self.attach_body(b"active", candidates, false);
        self.answer(now, caller, MessageCode::ATTACH_ANSWER, &answer);
        if request.send_update {
            self.attaches.updates.insert(node);
        }
        let deadline = now.mono + FORMING;
        self.attaches.open.insert(link, Attach::Dialling { node });
        self.timers.set(Timer::Attach(link), deadline);
        let addresses = usable(&request.candidates);
        let plan = Plan { addresses, expected: Some(node), deadline };
        self.outputs.push_back(Output::Connect(link, plan));
    }

    /// Our Attach was answered, or not.
    pub(crate) fn finish_attach(&mut self, now: Now, link: LinkId, ending: Ending) {
        let Some(Attach::Asked { to, task }) = self.attaches.open.remove(&link) else {
            return;
        };
        match ending {
            Ending::Answered(answer) => self.on_attach_answer(now, link, task, &answer),
            Ending::Refused { code: ErrorCode::IN_PROGRESS, from, .. } => {
                let _ = to;
                self.await_link(now, link, from, task);
            }
            Ending::Refused { code, .. } => self.end_attach(now, task, Err(Failure::Refused(code))),
            Ending::Failed(_) => self.end_attach(now, task, Err(Failure::Timeout)),
        }
    }

    fn on_attach_answer(&mut self, now: Now, link: LinkId, task: TaskId, answer: &Answer) {
        let body = &answer.checked.message.contents.body;
        let Ok(reply) = AttachReqAns::decode_exact(&self.dialect, body) else {
            let refused = Failure::Refused(ErrorCode::INVALID_MESSAGE);
            return self.end_attach(now, task, Err(refused));
        };
        if reply.send_update {
            self.attaches.updates.insert(answer.from);
        }
        if answer.from == self.node_id {
            return self.end_attach(now, task, Ok(TaskAnswer::Attached(self.node_id)));
        }
        self.await_link(now, link, answer.from, task);
    }

    /// Waits for the link from a node; it may be there already.
    fn await_link(&mut self, now: Now, link: LinkId, node: NodeId, task: TaskId) {
        if self.links.to_node(&node).is_some() {
            self.end_attach(now, task, Ok(TaskAnswer::Attached(node)));
            return self.send_wanted_update(now, node);
        }
        self.attaches.open.insert(link, Attach::Awaiting { node, task });
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
    }

    /// A link to a node is up: every Attach that waits for it is complete.
    pub(crate) fn complete_attaches(&mut self, now: Now, node: NodeId) {
        let done: Vec<LinkId> = self
            .attaches
            .open
            .iter()
            .filter(|(_, attach)| match attach {
                Attach::Awaiting { node: awaited, .. } => *awaited == node,
                Attach::Asked { to, .. } => to.last() == Some(&Destination::Node(node)),
                Attach::Dialling { node: dialled } => *dialled == node,
                Attach::Gathering { .. } | Attach::Answering { .. } => false,
            })
            .map(|(link, _)| *link)
            .collect();
        for link in done {
            self.complete_attach(now, link, node);
        }
        self.send_wanted_update(now, node);
    }

    fn complete_attach(&mut self, now: Now, link: LinkId, node: NodeId) {
        self.timers.cancel(Timer::Attach(link));
        match self.attaches.open.remove(&link) {
            Some(Attach::Asked { task, .. }) => {
                self.cancel_attach_request(link);
                self.end_attach(now, task, Ok(TaskAnswer::Attached(node)));
            }
            Some(Attach::Awaiting { task, .. }) => {
                self.end_attach(now, task, Ok(TaskAnswer::Attached(node)));
            }
            _ => {}
        }
    }

    fn send_wanted_update(&mut self, now: Now, node: NodeId) {
        if self.attaches.updates.remove(&node) {
            self.topology.handle_input(now, Input::UpdateWanted(node));
        }
    }

    fn end_attach(&mut self, now: Now, task: TaskId, result: Result<TaskAnswer, Failure>) {
        self.topology.handle_input(now, Input::Done { task, result });
    }

    /// A link that was planned did not come up, or an Attach led to nothing in time.
    pub(crate) fn on_attach_timer(&mut self, now: Now, link: LinkId) {
        if matches!(self.attaches.open.get(&link), Some(Attach::Dialling { .. })) {
            self.outputs.push_back(Output::Close(link));
        }
        self.attach_link_down(now, link);
    }

    pub(crate) fn attach_link_down(&mut self, now: Now, link: LinkId) {
        self.timers.cancel(Timer::Attach(link));
        match self.attaches.open.remove(&link) {
            Some(Attach::Gathering { task, .. } | Attach::Awaiting { task, .. }) => {
                self.end_attach(now, task, Err(Failure::Unreachable));
            }
            // its transaction decides
            Some(asked @ Attach::Asked { .. }) => {
                self.attaches.open.insert(link, asked);
            }
            Some(Attach::Dialling { node }) => {
                self.attaches.updates.remove(&node);
            }
            Some(Attach::Answering { .. }) | None => {}
        }
    }
}

/// The addresses among candidates at which a TLS link can be dialled, best first.
fn usable(candidates: &[IceCandidate]) -> Vec<SocketAddr> {
    let mut tls: Vec<&IceCandidate> = candidates
        .iter()
        .filter(|candidate| candidate.overlay_link == OverlayLinkType::TLS_TCP_FH_NO_ICE)
        .collect();
    tls.sort_by_key(|candidate| std::cmp::Reverse(candidate.priority));
    tls.iter().filter_map(|candidate| candidate.addr_port.socket_addr()).collect()
}

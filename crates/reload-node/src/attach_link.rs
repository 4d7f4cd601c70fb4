//! The links that Attaches are to give: formed, complete, given up (sections 6.5.1.2 and 6.5.1.11).

use reload_storage::Store;
use reload_topology::{Failure, Input, TaskAnswer, Topology};
use reload_wire::{Destination, NodeId, Now};

use crate::attach::{Attach, Awaiting, Forming, Wanted};
use crate::candidates::{Family, GRACE};
use crate::timer::Timer;
use crate::{
    Event, LinkId, LinkPurpose, Node, Output, Plan, Reply, RequestError, Response, Security, Way,
};

impl<T: Topology, S: Store> Node<T, S> {
    /// Carries out a plan.
    pub(crate) fn form(&mut self, now: Now, link: LinkId, way: Way, forming: Forming) {
        let deadline = now.mono + forming.family.patience();
        let (node, ours) = (forming.node, forming.wanted.is_some());
        self.attaches.open.insert(link, Attach::Forming(forming));
        self.timers.set(Timer::Attach(link), deadline + GRACE);
        let plan = Plan { way, security: Security::Handshake(Some(node)), deadline };
        self.outputs.push_back(Output::Connect(link, plan));
        if ours && let Some(up) = self.bound_link(now, node) {
            self.complete_attaches(now, up, node);
        }
    }

    /// Our own Attach is given up in favour of theirs.
    pub(crate) fn await_instead(&mut self, now: Now, link: LinkId, node: NodeId, wanted: Wanted) {
        self.outputs.push_back(Output::Close(link));
        let awaiting = Awaiting { node, wanted, answered: false, update: false };
        self.await_link(now, link, awaiting);
    }

    /// Waits for the link from a node; it may be there already.
    pub(crate) fn await_link(&mut self, now: Now, link: LinkId, awaiting: Awaiting) {
        let node = awaiting.node;
        self.attaches.open.insert(link, Attach::Awaiting(awaiting));
        let patience = Family::of(&self.configuration).patience();
        self.timers.set(Timer::Attach(link), now.mono + patience);
        if let Some(up) = self.bound_link(now, node) {
            self.complete_attaches(now, up, node);
        }
    }

    /// A link to a node that is up; one that is open until now is bound to it.
    fn bound_link(&mut self, now: Now, node: NodeId) -> Option<LinkId> {
        if let Some(unbound) = self.links.unbound(&node) {
            self.bind(now, unbound, node);
        }
        self.links.to_node(&node)
    }

    /// A link to a node is up: every Attach that waits for it is complete.
    pub(crate) fn complete_attaches(&mut self, now: Now, up: LinkId, node: NodeId) {
        let waits = |link: &LinkId, attach: &Attach| match attach {
            Attach::Awaiting(awaiting) => awaiting.node == node,
            Attach::Asked { to, .. } => to.last() == Some(&Destination::Node(node)),
            Attach::Forming(forming) => {
                forming.node == node && (*link == up || forming.update || forming.wanted.is_some())
            }
            Attach::Gathering { .. } | Attach::Answering { .. } => false,
        };
        let all = self.attaches.open.iter();
        let done: Vec<LinkId> =
            all.filter(|(link, attach)| waits(link, attach)).map(|(link, _)| *link).collect();
        let mut update = false;
        for link in done {
            update |= self.complete_attach(now, link, up, node);
        }
        if update {
            self.topology.handle_input(now, Input::UpdateWanted(node));
        }
    }

    /// Returns whether the other side wants an Update.
    fn complete_attach(&mut self, now: Now, link: LinkId, up: LinkId, node: NodeId) -> bool {
        match self.attaches.open.remove(&link) {
            Some(Attach::Asked { wanted, .. }) => {
                self.cancel_attach_request(link);
                self.outputs.push_back(Output::Close(link));
                self.end_attach(now, wanted, Ok(node));
                false
            }
            Some(Attach::Awaiting(Awaiting { wanted, update, .. })) => {
                self.timers.cancel(Timer::Attach(link));
                self.end_attach(now, wanted, Ok(node));
                update
            }
            Some(Attach::Forming(Forming { family, wanted, update, .. })) => {
                if link == up {
                    self.timers.cancel(Timer::Attach(link));
                } else {
                    // it comes second, and is known by its Node-ID
                    let second = Forming { node, family, wanted: None, update: false };
                    self.attaches.open.insert(link, Attach::Forming(second));
                }
                if let Some(wanted) = wanted {
                    self.end_attach(now, wanted, Ok(node));
                }
                update
            }
            _ => false,
        }
    }

    pub(crate) fn end_attach(
        &mut self,
        now: Now,
        wanted: Wanted,
        result: Result<NodeId, RequestError>,
    ) {
        match wanted {
            Wanted::Topology(task) => {
                let result = result.map(TaskAnswer::Attached).map_err(|error| failure(&error));
                self.topology.handle_input(now, Input::Done { task, result });
            }
            Wanted::Application { id, started } => {
                let elapsed = now.mono.saturating_duration_since(started);
                let attached = |from| {
                    let (hops, reply) = (1, Reply::Attached(from));
                    Response { from, hops, elapsed, reply }
                };
                self.end_request(id, result.map(attached));
            }
        }
    }

    /// A link that was planned did not come up, or an Attach led to nothing in time.
    pub(crate) fn on_attach_timer(&mut self, now: Now, link: LinkId) {
        if matches!(self.attaches.open.get(&link), Some(Attach::Awaiting(_))) {
            return self.attach_link_down(now, link, "it did not dial in time");
        }
        self.outputs.push_back(Output::Close(link));
        self.attach_link_down(now, link, "nothing came of it in time");
    }

    pub(crate) fn attach_link_down(&mut self, now: Now, link: LinkId, reason: &str) {
        self.timers.cancel(Timer::Attach(link));
        match self.attaches.open.remove(&link) {
            Some(Attach::Gathering { wanted, .. }) => {
                self.fail_attach(now, wanted, reason);
            }
            Some(Attach::Awaiting(Awaiting { node, wanted, .. })) => {
                self.tell_failure(Some(node), reason);
                self.fail_attach(now, wanted, reason);
            }
            Some(Attach::Forming(Forming { node, wanted, .. })) => {
                self.tell_failure(Some(node), reason);
                if let Some(wanted) = wanted {
                    self.fail_attach(now, wanted, reason);
                }
            }
            // its transaction decides
            Some(asked @ Attach::Asked { .. }) => {
                self.attaches.open.insert(link, asked);
            }
            Some(Attach::Answering { .. }) | None => {}
        }
    }

    pub(crate) fn fail_attach(&mut self, now: Now, wanted: Wanted, reason: &str) {
        let error = RequestError::NotConnected(reason.to_owned());
        self.end_attach(now, wanted, Err(error));
    }

    /// A link was wanted, and there is none.
    pub(crate) fn tell_failure(&mut self, node: Option<NodeId>, reason: &str) {
        if node.is_none_or(|node| self.links.newest(&node).is_none()) {
            let (purpose, reason) = (LinkPurpose::Overlay, reason.to_owned());
            self.emit(Event::LinkFailed { node, purpose, reason });
        }
    }
}

/// As the topology plug-in hears it.
fn failure(error: &RequestError) -> Failure {
    match error {
        RequestError::Refused { code, .. } => Failure::Refused(*code),
        RequestError::NotConnected(_) => Failure::Unreachable,
        _ => Failure::Timeout,
    }
}

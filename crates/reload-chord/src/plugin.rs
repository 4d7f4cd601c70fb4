//! The plug-in contract ([`Topology`], section 6.4.1), in terms of the parts.

use reload_topology::{Action, Input, Route, Target, Topology, View, Wakeup};
use reload_wire::{NodeId, Now, ResourceId};

use crate::chord::{Chord, Role};
use crate::fingers;
use crate::ring::{self, node, range};

impl Topology for Chord {
    fn resource_id(&self, name: &[u8]) -> ResourceId {
        ring::resource_id(name)
    }

    fn handle_input(&mut self, now: Now, input: Input) {
        self.tick(now.mono);
        self.dispatch(input);
        self.settle();
    }

    fn handle_timeout(&mut self, now: Now) {
        self.tick(now.mono);
        for timer in self.timers.take_due(now.mono) {
            self.on_timer(timer);
        }
        self.settle();
        self.timers.defer_past(now.mono);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn wakeup(&self) -> Option<Wakeup> {
        self.timers.wakeup()
    }

    fn route(&self, to: &Target) -> Route {
        self.next(to)
    }

    fn is_responsible(&self, id: &ResourceId) -> bool {
        self.role == Role::Peer && id.to_u128().is_some_and(|k| self.is_mine(k))
    }

    fn replicas(&self, id: &ResourceId) -> Vec<NodeId> {
        self.copies_of(id)
    }

    fn admits_replica(&self, id: &ResourceId, from: &NodeId) -> bool {
        self.takes_replica(id, from)
    }

    fn admits_answer(&self, id: &ResourceId, from: &NodeId) -> bool {
        self.believes_answer(id, from)
    }

    fn responsible_ppb(&self) -> u32 {
        let share = || ring::parts_per_billion(self.range_start(), self.me);
        if self.serves() { share() } else { 0 }
    }

    fn view(&self) -> View {
        let nodes = |list: &[ring::Position]| list.iter().copied().map(node).collect();
        let fingers = fingers::valid(self.me, self.links.routing());
        View {
            phase: self.phase(),
            predecessors: nodes(&self.neighbors.predecessors),
            successors: nodes(&self.neighbors.successors),
            fingers: fingers.into_iter().map(|(i, peer)| (i, node(peer))).collect(),
            responsible: self.serves().then(|| range(self.range_start(), self.me)),
        }
    }
}

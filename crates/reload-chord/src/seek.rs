//! Attaches to peers that belong into the Neighbor Table but are not linked (sections 10.6 and
//! 10.7.3), for joining nodes and for peers.

use std::time::Duration;

use reload_topology::{Action, Failure};
use reload_wire::{Destination, ErrorCode};

use crate::chord::Chord;
use crate::neighbors::Neighbors;
use crate::ring::{Position, node};
use crate::tasks::Task;
use crate::timer::Timer;

/// How long an Attach that crosses one from the other side is waited for (section 6.5.1.2).
const CROSSING: Duration = Duration::from_secs(3);

impl Chord {
    /// Attaches to every known peer that is nearer than an entry of the Neighbor Table.
    pub(crate) fn seek_neighbors(&mut self) {
        if !(self.serves() || self.join_seeks()) || !self.candidates.take_changed() {
            return;
        }
        let now = self.now();
        let mut known = self.candidates.usable(now);
        known.retain(|peer| !self.links.is_linked(*peer) || self.links.is_up(*peer));
        known.extend(self.links.routing());
        for peer in Neighbors::around(self.me, &known).all() {
            if !self.links.is_linked(peer) {
                self.reach(peer);
            } else if self.links.is_up(peer) && !self.links.is_routed(peer) {
                self.ask_standing(peer);
            }
        }
        if let Some(at) = self.candidates.next_retry(now) {
            self.timers.set_earlier(Timer::Seek, at);
        }
    }

    /// A linked node is named as a peer by others: an own Update makes it send one.
    fn ask_standing(&mut self, peer: Position) {
        self.candidates.avoid(peer, self.now() + CROSSING);
        self.owe_fitting(peer);
    }

    pub(crate) fn on_seek_timer(&mut self) {
        self.candidates.expire(self.now());
        self.candidates.wake();
    }

    /// Attaches to a node, source-routed through the peer from which it was learned (section 10.6).
    pub(crate) fn reach(&mut self, peer: Position) {
        if self.tasks.runs(|task| *task == Task::Reach { node: peer }) {
            return;
        }
        let source = self.candidates.source(peer).filter(|via| self.links.is_up(*via));
        let via = source.or_else(|| self.nearest_other(peer));
        self.reach_through(peer, via);
    }

    pub(crate) fn reach_through(&mut self, peer: Position, via: Option<Position>) {
        let task = self.tasks.start(Task::Reach { node: peer });
        let mut to: Vec<Destination> =
            via.map(|via| Destination::Node(node(via))).into_iter().collect();
        to.push(Destination::Node(node(peer)));
        self.actions.push_back(Action::Attach { task, to, send_update: true });
    }

    /// The neighbor through which a node is most likely reached.
    pub(crate) fn nearest_other(&self, peer: Position) -> Option<Position> {
        let others = self.neighbors.all().into_iter().filter(|other| *other != peer);
        others.min_by_key(|other| peer.wrapping_sub(*other).min(other.wrapping_sub(peer)))
    }

    pub(crate) fn is_reaching(&self, peer: Position) -> bool {
        self.tasks.runs(|task| *task == Task::Reach { node: peer })
    }

    pub(crate) fn on_reached(&mut self, peer: Position, result: Result<Position, Failure>) {
        self.candidates.wake();
        match result {
            Ok(_) => {
                self.links.up(peer);
                self.owe_fitting(peer);
                self.await_update_while_joining(peer);
            }
            Err(_) if self.links.is_up(peer) => {}
            Err(Failure::Refused(ErrorCode::IN_PROGRESS)) => {
                self.candidates.avoid(peer, self.now() + CROSSING);
            }
            Err(_) => self.candidates.failed(peer, self.now()),
        }
    }
}

//! Updates (sections 6.4.2.3 and 10.7): which node is owed which contents, sending them one at a time
//! a node, and what a received one changes.

use std::time::Duration;

use bytes::Bytes;
use reload_topology::{Action, Failure, RequestToken, TopologyEvent};
use reload_wire::{ChordUpdate, ChordUpdateKind, Decode, Dialect, Encode, ErrorCode, NodeId};

use crate::chord::{Cause, Chord, Stage};
use crate::fingers;
use crate::links::Contents;
use crate::neighbors::Neighbors;
use crate::ring::{Position, node, position, within};
use crate::tasks::Task;
use crate::timer::Timer;

/// The pause after an Update that failed: longer than a hiccup, shorter than a person notices (ours).
const RETRY: Duration = Duration::from_secs(1);
/// Unanswered Updates in a row after which a peer counts as failed (section 10.7.1).
const TIMEOUTS: u8 = 2;

impl Chord {
    /// A node that asked for an Update gets a full one (E55).
    pub(crate) fn on_update_wanted(&mut self, to: Position) {
        self.owe(to, Contents::Full);
    }

    pub(crate) fn owe(&mut self, to: Position, contents: Contents) {
        if let Some(outbound) = self.links.outbound(to) {
            outbound.owed = outbound.owed.max(Some(contents));
        }
    }

    /// Owes an Update of the type that fits the node (E84).
    pub(crate) fn owe_fitting(&mut self, to: Position) {
        let neighbor = self.neighbors.contains(to);
        self.owe(to, if neighbor { Contents::Neighbors } else { Contents::Ready });
    }

    pub(crate) fn owe_neighbors(&mut self) {
        for peer in self.neighbors.all() {
            self.owe(peer, Contents::Neighbors);
        }
    }

    /// Owes every connection an Update.
    pub(crate) fn owe_all(&mut self, contents: Contents) {
        for to in self.links.connected() {
            self.owe(to, contents);
        }
        self.owe_neighbors();
    }

    /// Sends what is owed. A node that is not a peer sends none (section 10.5).
    pub(crate) fn send_owed_updates(&mut self) {
        if !self.serves() {
            return;
        }
        for (to, contents) in self.links.owed(self.now()) {
            self.send_update(to, contents);
        }
        match self.links.next_retry() {
            Some(at) => self.timers.set(Timer::UpdateRetry, at),
            None => self.timers.clear(Timer::UpdateRetry),
        }
    }

    /// Sends an Update at once.
    pub(crate) fn send_update(&mut self, to: Position, contents: Contents) {
        let Ok(body) = self.update_body(contents).to_bytes() else {
            return;
        };
        let task = self.tasks.start(Task::Update { to });
        let now = self.now();
        if let Some(outbound) = self.links.outbound(to) {
            outbound.owed = None;
            outbound.not_before = None;
            outbound.in_flight = Some((task, now));
        }
        self.actions.push_back(Action::Update { task, to: node(to), body });
    }

    fn update_body(&self, contents: Contents) -> ChordUpdate {
        let clock = self.clock.expect("every entry point sets the clock first");
        let uptime = clock.now.duration_since(clock.started).as_secs();
        let predecessors = nodes(&self.neighbors.predecessors);
        let successors = nodes(&self.neighbors.successors);
        let kind = match contents {
            Contents::Ready => ChordUpdateKind::PeerReady,
            Contents::Neighbors => ChordUpdateKind::Neighbors { predecessors, successors },
            Contents::Full => {
                let mut fingers: Vec<Position> =
                    fingers::valid(self.me, self.links.routing()).iter().map(|f| f.1).collect();
                fingers.sort_unstable(); // numerically ascending (section 10.7)
                ChordUpdateKind::Full { predecessors, successors, fingers: nodes(&fingers) }
            }
        };
        ChordUpdate { uptime: u32::try_from(uptime).unwrap_or(u32::MAX), kind }
    }

    pub(crate) fn on_update_answered(
        &mut self,
        id: reload_topology::TaskId,
        to: Position,
        failure: Option<Failure>,
    ) {
        let retry = self.now() + RETRY;
        let Some(outbound) = self.links.outbound(to) else {
            return;
        };
        if outbound.in_flight.is_none_or(|(task, _)| task != id) {
            return; // a newer one is on the way
        }
        outbound.in_flight = None;
        match failure {
            None | Some(Failure::Refused(_)) => outbound.timeouts = 0,
            Some(Failure::Timeout | Failure::Unreachable) => {
                outbound.timeouts = outbound.timeouts.saturating_add(1);
                outbound.not_before = Some(retry);
                let given_up = outbound.timeouts >= TIMEOUTS;
                self.owe_fitting(to);
                if given_up && self.links.is_routed(to) {
                    self.on_unresponsive(to);
                }
            }
        }
    }

    /// A peer sends its view (section 10.7.3).
    pub(crate) fn on_update(&mut self, token: RequestToken, from: Position, body: &Bytes) {
        let Ok(update) = ChordUpdate::decode_exact(&Dialect::default(), body) else {
            return self.answer(token, Err(ErrorCode::INVALID_MESSAGE));
        };
        self.answer(token, Ok(Bytes::new()));
        let view = View::of(&update.kind);
        let news = !self.links.is_routed(from);
        self.candidates.trust(from);
        self.links.promote(from);
        self.hear(from, &view);
        self.refresh(Cause::Update);
        if self.serves() && (news || view.lacks(self.me, from)) {
            self.owe_fitting(from);
        }
        self.doubt_missing(from, &view);
        self.on_update_while_joining(from, &view);
        self.on_update_as_client(from, &view);
    }

    /// A neighbor that the sender should list and does not may be gone without a word. Sent an Update,
    /// it acknowledges, or its link is found to fail (sections 6.6.5 and 10.7.1).
    fn doubt_missing(&mut self, from: Position, view: &View) {
        if !self.serves() {
            return;
        }
        for peer in self.neighbors.all().into_iter().filter(|peer| *peer != from) {
            if view.lacks(peer, from) {
                self.owe(peer, Contents::Neighbors);
            }
        }
    }

    /// Remembers the peers that an Update names.
    fn hear(&mut self, from: Position, view: &View) {
        let now = self.now();
        for peer in view.peers().filter(|peer| *peer != self.me && *peer != from) {
            if !self.links.is_routed(peer) {
                self.candidates.hear(self.me, peer, from, now);
            }
        }
    }

    /// Draws the Neighbor Table anew after the Routing Table changed, and does what follows.
    pub(crate) fn refresh(&mut self, cause: Cause) {
        let table = Neighbors::around(self.me, self.links.routing());
        if table == self.neighbors {
            return;
        }
        let old = std::mem::replace(&mut self.neighbors, table);
        self.candidates.wake();
        if self.serves() {
            self.on_neighbors_changed(&old, cause);
        }
        if !matches!(self.stage, Stage::Idle | Stage::Left) {
            self.event(TopologyEvent::Changed);
        }
    }

    fn on_neighbors_changed(&mut self, old: &Neighbors, cause: Cause) {
        if self.neighbors.predecessor() != old.predecessor() {
            // The range changed: every connection hears of it (sections 10.7.1 and 10.7.3).
            self.owe_all(Contents::Neighbors);
            self.on_range_changed(old, cause);
        } else if cause == Cause::Admission {
            self.owe_neighbors(); // section 10.5, step 8
        } else if self.settings.reactive && cause == Cause::Failure {
            self.owe_neighbors(); // section 10.7.1
        } else if self.settings.reactive {
            self.owe_neighbors();
            self.tell_others_soon(); // every connection: section 10.7.3
        }
        self.on_replica_set_changed(cause);
        self.start_quick_rounds();
        self.schedule_forgetting();
        self.schedule_finger_setup();
        self.notice_isolation(old, cause);
    }
}

/// The lists of a received Update as positions.
pub(crate) struct View {
    pub(crate) predecessors: Vec<Position>,
    pub(crate) successors: Vec<Position>,
    fingers: Vec<Position>,
    lists: bool,
}

impl View {
    fn of(kind: &ChordUpdateKind) -> Self {
        let (predecessors, successors, fingers): (&[NodeId], &[NodeId], &[NodeId]) = match kind {
            ChordUpdateKind::PeerReady => (&[], &[], &[]),
            ChordUpdateKind::Neighbors { predecessors, successors } => {
                (predecessors, successors, &[])
            }
            ChordUpdateKind::Full { predecessors, successors, fingers } => {
                (predecessors, successors, fingers)
            }
        };
        Self {
            predecessors: positions(predecessors),
            successors: positions(successors),
            fingers: positions(fingers),
            lists: !matches!(kind, ChordUpdateKind::PeerReady),
        }
    }

    /// The predecessor of the sender, by distance rather than by its order (E81).
    pub(crate) fn predecessor_of(&self, sender: Position) -> Option<Position> {
        let peers = self.predecessors.iter().copied().filter(|peer| *peer != sender);
        peers.min_by_key(|peer| sender.wrapping_sub(*peer))
    }

    /// The predecessor of `x` among the predecessors of the sender.
    pub(crate) fn predecessor_before(&self, x: Position) -> Option<Position> {
        let peers = self.predecessors.iter().copied().filter(|peer| *peer != x);
        peers.min_by_key(|peer| x.wrapping_sub(*peer))
    }

    fn peers(&self) -> impl Iterator<Item = Position> + '_ {
        self.predecessors.iter().chain(&self.successors).chain(&self.fingers).copied()
    }

    /// Whether the sender does not list `peer` although it is nearer than something it lists.
    fn lacks(&self, peer: Position, sender: Position) -> bool {
        let listed = self.predecessors.contains(&peer) || self.successors.contains(&peer);
        let nearer = |last: Option<&Position>, from: Position, to: Position| {
            last.is_none_or(|_| within(from, peer, to))
        };
        let last = self.predecessors.last();
        let before = nearer(last, last.copied().unwrap_or(sender), sender);
        let last = self.successors.last();
        let after = nearer(last, sender, last.copied().unwrap_or(sender));
        self.lists && !listed && (before || after || self.predecessors.len() < 3)
    }
}

fn nodes(positions: &[Position]) -> Vec<NodeId> {
    positions.iter().copied().map(node).collect()
}

fn positions(nodes: &[NodeId]) -> Vec<Position> {
    nodes.iter().filter_map(position).collect()
}

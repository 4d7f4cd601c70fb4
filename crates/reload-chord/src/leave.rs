//! Leaving (sections 6.4.2.2 and 10.9): hand over, tell the neighbors, wait for their answers; and the
//! other side, which answers once it has replaced the copies that the leaver held (E108).

use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_topology::{Action, CopyReason, RequestToken, TopologyEvent};
use reload_wire::{ChordLeaveData, Encode, ErrorCode, LeaveAns, LeaveReq};

use crate::chord::{Cause, Chord, Stage};
use crate::ring::{Position, node, position};
use crate::tasks::Task;
use crate::timer::Timer;

/// A leaver waits at most this long (E108).
const LEAVE: Duration = Duration::from_secs(5);
/// What of it may go into the last copies.
const HAND_OVER: Duration = Duration::from_secs(2);
/// A Leave is answered at the latest after this, so that the answer comes within [`LEAVE`].
const ANSWER: Duration = Duration::from_millis(2500);
/// How long a peer that left is not attached to when others still name it (ours).
const GONE: Duration = Duration::from_secs(60);

/// How far the own leave has come.
#[derive(Debug)]
pub(crate) enum Leaving {
    /// The successors get what they lack; this peer still serves.
    HandingOver { deadline: Instant },
    /// The neighbors have been told.
    Telling,
}

/// Leaves that are to be answered when the copies are made.
#[derive(Debug, Default)]
pub(crate) struct Departures(Vec<(RequestToken, Instant)>);

impl Chord {
    pub(crate) fn on_leave_wanted(&mut self) {
        match self.stage {
            Stage::Peer if self.neighbors.successor().is_some() => self.hand_over_all(),
            Stage::Leaving(_) => {}
            _ => self.finish_leaving(),
        }
    }

    /// Both members of the replica set get the whole range unless they have it.
    fn hand_over_all(&mut self) {
        let now = self.now();
        self.refuse_all_admissions();
        self.stage = Stage::Leaving(Leaving::HandingOver { deadline: now + LEAVE });
        self.timers.set(Timer::Leave, now + HAND_OVER);
        let stretch = (self.range_start(), self.me);
        for to in self.replica_set() {
            if !self.is_complete_at(to) {
                self.copy(Task::Farewell, to, stretch, CopyReason::HandOver);
            }
        }
        self.on_farewell_copied();
    }

    pub(crate) fn on_farewell_copied(&mut self) {
        let copying = self.tasks.runs(|task| *task == Task::Farewell);
        if let (Stage::Leaving(Leaving::HandingOver { deadline }), false) = (&self.stage, copying) {
            let deadline = *deadline;
            self.tell_neighbors(deadline);
        }
    }

    /// Leave to every member of the Neighbor Table (section 10.9).
    fn tell_neighbors(&mut self, deadline: Instant) {
        self.stage = Stage::Leaving(Leaving::Telling);
        self.timers.clear_all();
        self.timers.set(Timer::Leave, deadline);
        for to in self.neighbors.all() {
            let Ok(data) = self.leave_data(to).to_bytes() else {
                continue;
            };
            let task = self.tasks.start(Task::Leave { to });
            self.actions.push_back(Action::Leave { task, to: node(to), data });
        }
        self.on_leave_answered(self.me);
    }

    /// A successor of the recipient sends its successors, a predecessor its predecessors.
    fn leave_data(&self, to: Position) -> ChordLeaveData {
        let nodes = |list: &[Position]| list.iter().copied().map(node).collect();
        if self.neighbors.predecessors.contains(&to) {
            ChordLeaveData::FromSucc(nodes(&self.neighbors.successors))
        } else {
            ChordLeaveData::FromPred(nodes(&self.neighbors.predecessors))
        }
    }

    pub(crate) fn on_leave_answered(&mut self, _by: Position) {
        let waiting = self.tasks.runs(|task| matches!(task, Task::Leave { .. }));
        if matches!(self.stage, Stage::Leaving(Leaving::Telling)) && !waiting {
            self.finish_leaving();
        }
    }

    pub(crate) fn on_leave_timer(&mut self) {
        match &self.stage {
            Stage::Leaving(Leaving::HandingOver { deadline }) => {
                let deadline = *deadline;
                self.tell_neighbors(deadline);
            }
            Stage::Leaving(Leaving::Telling) => self.finish_leaving(),
            _ => {}
        }
    }

    fn finish_leaving(&mut self) {
        self.reset();
        self.tasks.abandon(|_| true);
        self.stage = Stage::Left;
        self.event(TopologyEvent::Left);
    }

    /// A peer leaves in good order.
    pub(crate) fn on_leave(
        &mut self,
        token: RequestToken,
        from: Position,
        direct: bool,
        leave: &LeaveReq,
    ) {
        if !direct || position(&leave.leaving_peer_id) != Some(from) {
            return self.answer(token, Err(ErrorCode::FORBIDDEN)); // section 6.4.2.2
        }
        self.hear_of_leaver(from, &leave.overlay_specific_data);
        self.candidates.avoid(from, self.now() + GONE);
        self.links.demote(from);
        self.refresh(Cause::Leave);
        self.forget_lost(from);
        self.abandon_admission(from);
        self.on_link_lost_while_joining(from);
        self.on_link_lost_as_client(from);
        self.departures.0.push((token, self.now() + ANSWER));
    }

    /// The leaver's list shows who comes in its place.
    fn hear_of_leaver(&mut self, from: Position, data: &Bytes) {
        use reload_wire::{Decode, Dialect};
        let Ok(data) = ChordLeaveData::decode_exact(&Dialect::default(), data) else {
            return;
        };
        let (ChordLeaveData::FromSucc(peers) | ChordLeaveData::FromPred(peers)) = data;
        for peer in peers.iter().filter_map(position) {
            if peer != self.me && peer != from && !self.links.is_routed(peer) {
                self.candidates.hear(self.me, peer, from, self.now());
            }
        }
    }

    /// Answers the Leaves whose copies are made or that have waited long enough.
    pub(crate) fn answer_departures(&mut self) {
        let now = self.now();
        let pending = self.serves() && self.copies_pending();
        let waiting = std::mem::take(&mut self.departures.0);
        for (token, until) in waiting {
            if pending && until > now {
                self.departures.0.push((token, until));
            } else {
                let body = LeaveAns.to_bytes().map_err(|_| ErrorCode::INVALID_MESSAGE);
                self.answer(token, body);
            }
        }
        match self.departures.0.iter().map(|(_, until)| *until).min() {
            Some(at) => self.timers.set(Timer::Departures, at),
            None => self.timers.clear(Timer::Departures),
        }
    }
}

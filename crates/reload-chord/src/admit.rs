//! Admitting a Joining Node (section 10.5, steps 5 to 8): one at a time, answer, hand over the values,
//! then let it take its place. Until the hand-over is complete this peer stays responsible.

use std::collections::VecDeque;

use reload_topology::{Action, CopyReason, RequestToken};
use reload_wire::{Encode, ErrorCode, JoinAns, JoinReq};

use crate::chord::{Cause, Chord};
use crate::links::Contents;
use crate::ring::{Position, node, position, range, span, within};
use crate::tasks::Task;

/// Joining Nodes that may wait their turn; more are refused and come back (ours).
const QUEUE: usize = 128;
/// Hand-overs that may fail before the Joining Node is given up (ours).
const TRIES: u32 = 3;

/// The Joining Node whose hand-over runs, and those that wait.
#[derive(Debug, Default)]
pub(crate) struct Admissions {
    current: Option<Admission>,
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Admission {
    joining: Position,
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    joining: Position,
    token: RequestToken,
}

impl Admissions {
    /// The Joining Node that is getting the values of this stretch now.
    pub(crate) fn joining(&self) -> Option<Position> {
        self.current.map(|admission| admission.joining)
    }
}

impl Chord {
    pub(crate) fn on_join(
        &mut self,
        token: RequestToken,
        from: Position,
        direct: bool,
        join: &JoinReq,
    ) {
        // Over a channel bound to the Joining Node, signed by it (section 6.4.2.1).
        if !direct || position(&join.joining_peer_id) != Some(from) {
            return self.answer(token, Err(ErrorCode::FORBIDDEN));
        }
        if self.admissions.joining() == Some(from) {
            return self.answer_join(token);
        }
        self.on_rejoin(from);
        self.admissions.waiting.retain(|waiting| waiting.joining != from);
        if !self.may_admit(from) || self.admissions.waiting.len() >= QUEUE {
            return self.refuse_join(token, from);
        }
        self.admissions.waiting.push_back(Waiting { joining: from, token });
        self.admit_next();
    }

    /// A peer that joins again has lost its place, whatever its old link says.
    fn on_rejoin(&mut self, from: Position) {
        if self.links.is_routed(from) {
            self.links.demote(from);
            self.refresh(Cause::Failure);
        }
    }

    fn may_admit(&self, joining: Position) -> bool {
        self.serves() && within(self.range_start(), joining, self.me) && joining != self.me
    }

    /// This peer is not the one to ask; its Update shows a nearer one.
    fn refuse_join(&mut self, token: RequestToken, from: Position) {
        self.answer(token, Err(ErrorCode::NOT_FOUND));
        self.owe(from, Contents::Full);
    }

    fn answer_join(&mut self, token: RequestToken) {
        let body = JoinAns::default().to_bytes().map_err(|_| ErrorCode::INVALID_MESSAGE);
        self.answer(token, body);
    }

    fn admit_next(&mut self) {
        while self.admissions.current.is_none() {
            let Some(next) = self.admissions.waiting.pop_front() else {
                return;
            };
            if self.may_admit(next.joining) && self.links.is_up(next.joining) {
                self.admit(next);
            } else {
                self.refuse_join(next.token, next.joining);
            }
        }
    }

    fn admit(&mut self, next: Waiting) {
        self.answer_join(next.token);
        self.admissions.current = Some(Admission { joining: next.joining, failures: 0 });
        self.copy_to_joining(next.joining, self.range_start(), next.joining);
    }

    /// Step 6: the stores.
    fn copy_to_joining(&mut self, joining: Position, after: Position, through: Position) {
        let start = self.range_start();
        let task = self.tasks.start(Task::Admission { joining, after: start });
        self.actions.push_back(Action::Copy {
            task,
            to: node(joining),
            range: range(after, through),
            reason: CopyReason::HandOver,
        });
    }

    pub(crate) fn on_admission_copied(&mut self, joining: Position, after: Position, ok: bool) {
        let Some(admission) = self.admissions.current.filter(|a| a.joining == joining) else {
            return;
        };
        if !ok {
            return self.on_hand_over_failed(admission);
        }
        if !self.may_admit(joining) {
            self.owe(joining, Contents::Full);
            return self.end_admission();
        }
        let start = self.range_start();
        if span(start, joining) > span(after, joining) {
            return self.copy_to_joining(joining, start, after); // the range has grown meanwhile
        }
        self.place(joining);
    }

    fn on_hand_over_failed(&mut self, mut admission: Admission) {
        admission.failures += 1;
        self.admissions.current = Some(admission);
        let hopeless = admission.failures >= TRIES || !self.links.is_up(admission.joining);
        if hopeless || !self.may_admit(admission.joining) {
            return self.end_admission();
        }
        self.copy_to_joining(admission.joining, self.range_start(), admission.joining);
    }

    /// Steps 7 and 8: first the Joining Node hears that it is the predecessor, then all neighbors.
    fn place(&mut self, joining: Position) {
        self.admissions.current = None;
        self.links.promote(joining);
        self.refresh(Cause::Admission);
        self.send_update(joining, Contents::Neighbors);
        self.admit_next();
    }

    fn end_admission(&mut self) {
        self.admissions.current = None;
        self.admit_next();
    }

    /// The Joining Node is gone.
    pub(crate) fn abandon_admission(&mut self, joining: Position) {
        self.admissions.waiting.retain(|waiting| waiting.joining != joining);
        if self.admissions.joining() == Some(joining) {
            self.end_admission();
        }
    }

    pub(crate) fn refuse_all_admissions(&mut self) {
        self.admissions.current = None;
        for waiting in std::mem::take(&mut self.admissions.waiting) {
            self.answer(waiting.token, Err(ErrorCode::NOT_FOUND));
        }
    }
}

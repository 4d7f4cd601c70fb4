//! Who keeps copies of what (sections 10.4 and 10.7.3): the two successors get copies of this peer's
//! range as the ring changes, a peer that becomes responsible gets what is its own, and what lies
//! outside the replica range is dropped late. Not the values themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reload_topology::{Action, CopyReason};

use crate::chord::{Cause, Chord};
use crate::neighbors::Neighbors;
use crate::ring::{Position, node, range, span, within};
use crate::tasks::Task;
use crate::timer::Timer;

/// Copies besides the original: the next two successors (section 10.4).
pub(crate) const COPIES: usize = 2;
/// The successor replacement hold-down time (section 10.7.1, E85).
const HOLD_DOWN: Duration = Duration::from_secs(30);
/// Lets a burst of changes end before copies are made (ours).
const SETTLE: Duration = Duration::from_millis(500);
/// How long the predecessors have to be the same before anything is dropped: by then every owner has
/// made its copies (ours).
const FORGET: Duration = Duration::from_secs(60);
/// The longest pause between two attempts at a copy, as a power of two of seconds (ours).
const LONGEST_PAUSE: u32 = 4;
/// Attempts at a hand-over to a peer that has become responsible (ours).
const HAND_OVERS: u32 = 10;

/// The replica set and the copies that are owed.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    members: BTreeMap<Position, Member>,
    hand_overs: BTreeMap<u64, HandOver>,
    next: u64,
}

/// A member of the replica set.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// It has the values after this position up to this peer.
    has: Option<Position>,
    copy: Copying,
    failures: u32,
}

/// Values that another peer has become responsible for.
#[derive(Clone, Copy, Debug)]
struct HandOver {
    to: Position,
    after: Position,
    through: Position,
    copy: Copying,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copying {
    NotBefore(Instant),
    Running,
}

impl Copying {
    fn due(self) -> Option<Instant> {
        match self {
            Self::NotBefore(at) => Some(at),
            Self::Running => None,
        }
    }
}

impl Member {
    /// What lies before the values that it lacks, and the last of them.
    fn lacks(&self, start: Position, me: Position) -> Option<(Position, Position)> {
        match self.has {
            None => Some((start, me)),
            Some(has) => (span(start, me) > span(has, me)).then_some((start, has)),
        }
    }
}

fn pause(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(LONGEST_PAUSE))
}

impl Chord {
    /// What lies before the range this peer is responsible for (section 10.1).
    pub(crate) fn range_start(&self) -> Position {
        self.neighbors.predecessor().unwrap_or(self.me)
    }

    pub(crate) fn replica_set(&self) -> Vec<Position> {
        self.neighbors.successors.iter().take(COPIES).copied().collect()
    }

    /// The range became wider (a predecessor is gone) or narrower (one is there).
    pub(crate) fn on_range_changed(&mut self, old: &Neighbors, cause: Cause) {
        let old_start = old.predecessor().unwrap_or(self.me);
        let start = self.range_start();
        let me = self.me;
        if span(start, me) > span(old_start, me) {
            return self.owe_widening(old_start);
        }
        for member in self.replicas.members.values_mut() {
            // What the new owner changes from here on, the member would have to get again.
            member.has = member.has.map(|has| narrower(has, start, me));
        }
        if cause != Cause::Admission {
            self.owe_hand_overs(old_start);
        }
    }

    /// Members that had all values of the narrower range lack some. The first that one lacks waits
    /// for the others of its burst; what it lacked before waits no longer than that.
    fn owe_widening(&mut self, old_start: Position) {
        let (me, soon) = (self.me, self.now() + SETTLE);
        for member in self.replicas.members.values_mut().filter(|member| member.has.is_some()) {
            member.copy = match member.copy {
                Copying::NotBefore(_) if member.lacks(old_start, me).is_none() => {
                    Copying::NotBefore(soon)
                }
                copy => hasten(copy, soon),
            };
        }
    }

    /// Values that others have become responsible for go to them (section 6.4.2.3).
    fn owe_hand_overs(&mut self, old_start: Position) {
        let now = self.now();
        let mut through = self.neighbors.predecessors.clone();
        through.retain(|peer| within(old_start, *peer, self.me));
        for (at, to) in through.iter().enumerate() {
            let after = through.get(at + 1).copied().unwrap_or(old_start);
            let copy = Copying::NotBefore(now);
            let hand_over = HandOver { to: *to, after, through: *to, copy, failures: 0 };
            self.replicas.hand_overs.insert(self.replicas.next, hand_over);
            self.replicas.next += 1;
        }
    }

    /// The next two successors may be others than before.
    pub(crate) fn on_replica_set_changed(&mut self, cause: Cause) {
        let set = self.replica_set();
        self.replicas.members.retain(|peer, _| set.contains(peer));
        let pause = match cause {
            Cause::Failure => HOLD_DOWN,
            Cause::Leave => Duration::ZERO, // E108
            Cause::Update | Cause::Restored | Cause::Admission => SETTLE,
        };
        let copy = Copying::NotBefore(self.now() + pause);
        for peer in set {
            let fresh = Member { has: None, copy, failures: 0 };
            self.replicas.members.entry(peer).or_insert(fresh);
        }
        if cause == Cause::Leave {
            self.hasten_copies();
        }
        let links = &self.links;
        self.replicas.hand_overs.retain(|_, hand_over| links.is_routed(hand_over.to));
    }

    fn hasten_copies(&mut self) {
        let now = self.now();
        for member in self.replicas.members.values_mut() {
            member.copy = hasten(member.copy, now);
        }
    }

    /// Starts the copies that are due and sets the timer for the next.
    pub(crate) fn start_copies(&mut self) {
        if !self.serves() {
            return;
        }
        let (now, me, start) = (self.now(), self.me, self.range_start());
        let due = |copy: Copying| copy.due().is_some_and(|at| at <= now);
        for (to, member) in self.replicas.members.clone() {
            let Some((after, through)) = member.lacks(start, me) else {
                continue;
            };
            if due(member.copy) {
                self.set_member(to, |member| member.copy = Copying::Running);
                let task = Task::Replica { to, after: start };
                self.copy(task, to, (after, through), CopyReason::Replica);
            }
        }
        for (number, hand_over) in self.replicas.hand_overs.clone() {
            if due(hand_over.copy) {
                if let Some(entry) = self.replicas.hand_overs.get_mut(&number) {
                    entry.copy = Copying::Running;
                }
                let stretch = (hand_over.after, hand_over.through);
                self.copy(Task::HandOver { number }, hand_over.to, stretch, CopyReason::HandOver);
            }
        }
        match self.next_copy() {
            Some(at) => self.timers.set(Timer::Copies, at),
            None => self.timers.clear(Timer::Copies),
        }
    }

    pub(crate) fn copy(
        &mut self,
        task: Task,
        to: Position,
        (after, through): (Position, Position),
        reason: CopyReason,
    ) {
        let task = self.tasks.start(task);
        let range = range(after, through);
        self.actions.push_back(Action::Copy { task, to: node(to), range, reason });
    }

    fn next_copy(&self) -> Option<Instant> {
        let (me, start) = (self.me, self.range_start());
        let members = self.replicas.members.values();
        let lacking = members.filter(|member| member.lacks(start, me).is_some());
        let copies = lacking.map(|member| member.copy);
        let copies = copies.chain(self.replicas.hand_overs.values().map(|h| h.copy));
        copies.filter_map(Copying::due).min()
    }

    pub(crate) fn on_replica_copied(&mut self, to: Position, after: Position, ok: bool) {
        let (now, me) = (self.now(), self.me);
        let start = self.range_start();
        self.set_member(to, |member| {
            member.failures = if ok { 0 } else { member.failures.saturating_add(1) };
            let pause = if ok { SETTLE } else { pause(member.failures) };
            member.copy = Copying::NotBefore(now + pause);
            if ok {
                member.has = Some(narrower(after, start, me)); // the range may have shrunk
            }
        });
    }

    pub(crate) fn on_handed_over(&mut self, number: u64, ok: bool) {
        let now = self.now();
        let Some(hand_over) = self.replicas.hand_overs.get_mut(&number) else {
            return;
        };
        hand_over.failures += 1;
        hand_over.copy = Copying::NotBefore(now + pause(hand_over.failures));
        if ok || hand_over.failures >= HAND_OVERS || !self.links.is_routed(hand_over.to) {
            self.replicas.hand_overs.remove(&number);
        }
    }

    /// Whether copies run or are about to, apart from those that the hold-down delays.
    pub(crate) fn copies_pending(&self) -> bool {
        let soon = self.now() + SETTLE;
        let running = self.tasks.runs(|task| matches!(task, Task::Replica { .. }));
        running || self.next_copy().is_some_and(|at| at <= soon)
    }

    pub(crate) fn is_complete_at(&self, peer: Position) -> bool {
        let member = self.replicas.members.get(&peer);
        member.is_some_and(|member| member.lacks(self.range_start(), self.me).is_none())
    }

    /// Values are dropped only after the predecessors have been the same for a while.
    pub(crate) fn schedule_forgetting(&mut self) {
        self.timers.set(Timer::Forget, self.now() + FORGET);
    }

    /// Drops what is outside (third predecessor, this peer] (section 10.7.3, E86).
    pub(crate) fn on_forget_timer(&mut self) {
        if !self.serves() {
            return;
        }
        let busy = self.copies_pending() || !self.replicas.hand_overs.is_empty();
        if busy || self.admissions.joining().is_some() {
            return self.schedule_forgetting();
        }
        if let Some(floor) = self.neighbors.replica_floor() {
            self.actions.push_back(Action::Forget { keep: range(floor, self.me) });
        }
    }

    fn set_member(&mut self, peer: Position, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.replicas.members.get_mut(&peer) {
            change(member);
        }
    }
}

/// The start of the smaller of two stretches that end at `me`.
fn narrower(a: Position, b: Position, me: Position) -> Position {
    if span(a, me) < span(b, me) { a } else { b }
}

fn hasten(copy: Copying, at: Instant) -> Copying {
    match copy {
        Copying::NotBefore(later) => Copying::NotBefore(later.min(at)),
        Copying::Running => Copying::Running,
    }
}

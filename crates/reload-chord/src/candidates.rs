//! Peers that were named in Updates but are not linked (section 10.7.3), where each was learned
//! (section 10.6), and those that could not be reached lately. Not the Attaches themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::ring::{Position, clockwise};

/// How long a name counts after it was heard last: a few quick rounds of Updates (ours).
const FRESH: Duration = Duration::from_secs(120);
/// A bound on each list, against peers that name many: all fingers and as many again.
const MOST: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Heard {
    via: Position,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    failures: u32,
    until: Instant,
}

/// The names and the suspicions.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    heard: BTreeMap<Position, Heard>,
    suspects: BTreeMap<Position, Suspect>,
    changed: bool,
}

impl Candidates {
    /// `via` names `node` as a peer. When there are too many, the one farthest from `me` goes.
    pub(crate) fn hear(&mut self, me: Position, node: Position, via: Position, at: Instant) {
        self.changed |= self.heard.insert(node, Heard { via, at }).is_none();
        if self.heard.len() > MOST {
            let distance = |peer: &Position| clockwise(me, *peer).min(clockwise(*peer, me));
            let farthest = self.heard.keys().copied().max_by_key(distance);
            farthest.map(|peer| self.heard.remove(&peer));
        }
    }

    /// Somebody else may be worth an Attach now.
    pub(crate) fn wake(&mut self) {
        self.changed = true;
    }

    /// Whether anything changed since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The peer from which `node` was learned.
    pub(crate) fn source(&self, node: Position) -> Option<Position> {
        self.heard.get(&node).map(|heard| heard.via)
    }

    /// The names that may be tried at `now`.
    pub(crate) fn usable(&self, now: Instant) -> BTreeSet<Position> {
        self.heard.keys().copied().filter(|node| !self.is_suspect(*node, now)).collect()
    }

    pub(crate) fn is_suspect(&self, node: Position, now: Instant) -> bool {
        self.suspects.get(&node).is_some_and(|suspect| suspect.until > now)
    }

    /// An attempt to reach `node` failed: at once a second one, then 10 s, 1 min, 10 min (ours).
    pub(crate) fn failed(&mut self, node: Position, now: Instant) {
        let failures = self.suspects.get(&node).map_or(1, |suspect| suspect.failures + 1);
        let pause = match failures {
            1 => 0,
            2 => 10,
            3 => 60,
            _ => 600,
        };
        self.suspect(node, failures, now + Duration::from_secs(pause));
    }

    /// `node` is not to be tried before `until`.
    pub(crate) fn avoid(&mut self, node: Position, until: Instant) {
        let failures = self.suspects.get(&node).map_or(0, |suspect| suspect.failures);
        self.suspect(node, failures, until);
    }

    /// `node` is there after all.
    pub(crate) fn trust(&mut self, node: Position) {
        self.changed |= self.suspects.remove(&node).is_some();
    }

    /// Drops what is old.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.heard.retain(|_, heard| now.duration_since(heard.at) < FRESH);
        self.suspects.retain(|_, suspect| now < suspect.until + FRESH);
    }

    /// When the next suspicion of a named peer ends.
    pub(crate) fn next_retry(&self, now: Instant) -> Option<Instant> {
        let named = self.suspects.iter().filter(|(node, _)| self.heard.contains_key(node));
        named.map(|(_, suspect)| suspect.until).filter(|until| *until > now).min()
    }

    fn suspect(&mut self, node: Position, failures: u32, until: Instant) {
        if self.suspects.len() >= MOST && !self.suspects.contains_key(&node) {
            self.suspects.pop_first();
        }
        self.suspects.insert(node, Suspect { failures, until });
        self.changed = true;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test has to start its virtual time somewhere
mod tests {
    use super::*;

    #[test]
    fn a_failed_candidate_is_tried_twice_and_then_rests() {
        let now = Instant::now();
        let mut candidates = Candidates::default();
        candidates.hear(0, 7, 1, now);
        candidates.failed(7, now);
        assert!(candidates.usable(now).contains(&7));
        candidates.failed(7, now);
        assert!(!candidates.usable(now).contains(&7));
        assert!(candidates.usable(now + Duration::from_secs(11)).contains(&7));
        assert_eq!(candidates.source(7), Some(1));
    }

    #[test]
    fn of_too_many_names_the_nearest_stay() {
        let now = Instant::now();
        let mut candidates = Candidates::default();
        for node in 1..=2 * MOST {
            candidates.hear(0, u128::try_from(node).unwrap(), 1, now);
        }
        let usable = candidates.usable(now);
        assert_eq!(usable.len(), MOST);
        assert!(usable.contains(&1) && !usable.contains(&u128::MAX));
    }

    #[test]
    fn a_name_not_heard_again_is_dropped() {
        let now = Instant::now();
        let mut candidates = Candidates::default();
        candidates.hear(0, 7, 1, now);
        candidates.expire(now + FRESH);
        assert!(candidates.usable(now).is_empty());
    }

    #[test]
    fn the_end_of_a_suspicion_is_told_before_it_is_reached_and_for_named_peers_only() {
        let now = Instant::now();
        let until = now + Duration::from_secs(10);
        let mut candidates = Candidates::default();
        candidates.avoid(7, until);
        assert_eq!(candidates.next_retry(now), None, "nobody names it");
        candidates.hear(0, 7, 1, now);
        assert_eq!(candidates.next_retry(now), Some(until));
        assert_eq!(candidates.next_retry(until), None);
        assert!(candidates.is_suspect(7, now) && !candidates.is_suspect(7, until));
    }

    #[test]
    fn failures_are_forgotten_two_minutes_after_the_suspicion_has_ended() {
        let now = Instant::now();
        let end = now + Duration::from_secs(10) + FRESH;
        for (at, pause) in [(end - Duration::from_millis(1), 60), (end, 0)] {
            let mut candidates = Candidates::default();
            candidates.failed(7, now);
            candidates.failed(7, now);
            candidates.expire(at);
            candidates.failed(7, at);
            let until = at + Duration::from_secs(pause);
            assert!(!candidates.is_suspect(7, until));
            assert_eq!(pause > 0, candidates.is_suspect(7, at));
        }
    }

    #[test]
    fn of_too_many_suspicions_one_goes_and_the_newest_stays() {
        let now = Instant::now();
        let until = now + FRESH;
        let mut candidates = Candidates::default();
        for node in 0..=MOST {
            candidates.avoid(u128::try_from(node).unwrap(), until);
            candidates.avoid(u128::try_from(node).unwrap(), until);
        }
        assert_eq!(candidates.suspects.len(), MOST);
        assert!(candidates.is_suspect(u128::try_from(MOST).unwrap(), now));
        assert!(candidates.is_suspect(u128::try_from(MOST - 1).unwrap(), now));
    }
}

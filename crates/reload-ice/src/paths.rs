//! What was sent and answered on each pair, which of them bytes go over, and whether the other side still
//! consents (RFC 7675). The agent alone would stay with a pair for 15 s after it has gone silent.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::PairState;

/// Our end as the socket knows it, and the other end.
pub(crate) type Ends = (SocketAddr, SocketAddr);

/// The transaction of a check.
pub(crate) type CheckId = [u8; 12];

/// What happened on one pair.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    pub(crate) sent: u32,
    pub(crate) answered: u32,
    pub(crate) round_trip: Option<Duration>,
    /// How the other side sees us on it.
    pub(crate) mapped: Option<SocketAddr>,
    unanswered: u32,
    silent_since: Option<Instant>,
    last_answer: Option<Instant>,
    last_request: Option<Instant>,
}

/// All pairs on which something happened.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    paths: BTreeMap<Ends, Path>,
    checks: VecDeque<(CheckId, Ends, Instant)>,
    current: Option<Ends>,
    last_answer: Option<Instant>,
    last_sign: Option<Instant>,
}

impl Paths {
    /// A check of ours goes out.
    pub(crate) fn on_check(&mut self, now: Instant, ends: Ends, id: CheckId) {
        let Some(path) = self.entry(ends) else { return };
        path.sent = path.sent.saturating_add(1);
        path.unanswered = path.unanswered.saturating_add(1);
        path.silent_since.get_or_insert(now);
        self.checks.push_back((id, ends, now));
        if self.checks.len() > MOST_CHECKS {
            self.checks.pop_front();
        }
    }

    /// Whether an answer with this transaction fits: it has to come back on the way of its check
    /// (RFC 8445 section 7.2.5.2.1).
    pub(crate) fn expects(&self, ends: Ends, id: CheckId) -> bool {
        self.checks.iter().any(|it| it.0 == id && it.1 == ends)
    }

    /// An answer that is expected and authentic.
    pub(crate) fn on_answer(&mut self, now: Instant, id: CheckId, mapped: Option<SocketAddr>) {
        let Some(at) = self.checks.iter().position(|it| it.0 == id) else { return };
        let Some((_, ends, sent)) = self.checks.remove(at) else { return };
        (self.last_answer, self.last_sign) = (Some(now), Some(now));
        self.checks.retain(|it| it.1 != ends || it.2 > sent || it.2 + CHECK_LIFETIME > now);
        let mut later = self.checks.iter().filter(|it| it.1 == ends && it.2 > sent).map(|it| it.2);
        let (silent_since, more) = (later.next(), later.count());
        let Some(path) = self.paths.get_mut(&ends) else { return };
        path.answered = path.answered.saturating_add(1);
        path.round_trip = Some(now.saturating_duration_since(sent));
        path.mapped = mapped.or(path.mapped);
        path.last_answer = Some(now);
        path.unanswered =
            u32::try_from(more).unwrap_or(u32::MAX) + u32::from(silent_since.is_some());
        path.silent_since = silent_since;
    }

    /// An authentic check of the other side.
    pub(crate) fn on_request(&mut self, now: Instant, ends: Ends) {
        self.last_sign = Some(now);
        if let Some(path) = self.entry(ends) {
            path.last_request = Some(now);
        }
    }

    pub(crate) fn contains(&self, ends: Ends) -> bool {
        self.paths.contains_key(&ends)
    }

    pub(crate) fn has_remote(&self, remote: SocketAddr) -> bool {
        self.paths.keys().any(|it| it.1 == remote)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Ends, &Path)> {
        self.paths.iter()
    }

    pub(crate) fn get(&self, ends: Ends) -> Option<&Path> {
        self.paths.get(&ends)
    }

    /// An address of ours is gone, and all that went over it.
    pub(crate) fn forget(&mut self, local: SocketAddr) {
        self.paths.retain(|ends, _| ends.0 != local);
        self.checks.retain(|it| it.1.0 != local);
        self.current = self.current.filter(|it| it.0 != local);
    }

    pub(crate) fn current(&self) -> Option<Ends> {
        self.current
    }

    /// The agent has nominated a pair.
    pub(crate) fn nominate(&mut self, now: Instant, ends: Ends) {
        let silent = self.paths.get(&ends).is_some_and(|it| it.is_silent(now));
        if self.current.is_none() || !silent {
            self.current = Some(ends);
        }
    }

    /// Moves to another pair if the present one has gone silent and the other one has not.
    pub(crate) fn reconsider(&mut self, now: Instant) {
        let current = match self.current {
            Some(ends) => self.paths.get(&ends).copied().unwrap_or_default(),
            None => Path::default(),
        };
        let better = self
            .paths
            .iter()
            .filter(|(ends, it)| Some(**ends) != self.current && it.replaces(&current, now))
            .max_by_key(|(_, it)| it.last_answer);
        if let Some((ends, _)) = better {
            self.current = Some(*ends);
        }
    }

    /// When to look again whether the present pair is silent.
    pub(crate) fn next_look(&self, now: Instant) -> Option<Instant> {
        let silent_since = self.paths.get(&self.current?)?.silent_since?;
        [silent_since + MOVED_AFTER, silent_since + SILENT_AFTER].into_iter().find(|it| *it > now)
    }

    /// Until when the other side consents (RFC 7675 section 5.1), by its answers and its own checks.
    pub(crate) fn consent(&self) -> Option<Instant> {
        Some((self.last_answer? + ANSWER_CONSENT).min(self.last_sign? + SIGN_CONSENT))
    }

    fn entry(&mut self, ends: Ends) -> Option<&mut Path> {
        if self.paths.len() >= MOST_PATHS && !self.paths.contains_key(&ends) {
            let current = self.current;
            let idle = self.paths.iter().filter(|(it, _)| Some(**it) != current);
            let oldest = *idle.min_by_key(|(_, path)| path.last_sign())?.0;
            self.paths.remove(&oldest);
        }
        Some(self.paths.entry(ends).or_default())
    }
}

impl Path {
    pub(crate) fn state(&self) -> PairState {
        match (self.sent, self.answered) {
            (0, _) => PairState::Waiting,
            (_, 0) if self.unanswered < FAILED_AFTER => PairState::InProgress,
            (_, 1..) if self.unanswered < FAILED_AFTER => PairState::Succeeded,
            _ => PairState::Failed,
        }
    }

    fn last_sign(&self) -> Option<Instant> {
        self.last_answer.max(self.last_request)
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.unanswered >= 2 && self.silent_since.is_some_and(|it| now >= it + SILENT_AFTER)
    }

    /// Whether bytes go better over this one: it has answered since the present one has not, and the
    /// present one has missed two answers, or the other side speaks over this one only.
    fn replaces(&self, current: &Path, now: Instant) -> bool {
        let Some(answer) = self.last_answer else { return false };
        let Some(silent_since) = current.silent_since else {
            return current.sent == 0 && now < answer + SIGN_CONSENT;
        };
        let moved = now >= silent_since + MOVED_AFTER && self.last_request > current.last_sign();
        answer > silent_since && (moved || current.is_silent(now))
    }
}

const MOST_PATHS: usize = 128; // above the 100 pairs of RFC 8445 section 6.1.2.5
const MOST_CHECKS: usize = 512;
const CHECK_LIFETIME: Duration = Duration::from_secs(15); // no answer is that late
const FAILED_AFTER: u32 = 6; // checks of ours: one less than the agent sends
const MOVED_AFTER: Duration = Duration::from_millis(1000); // longer than nearly all round trips
const SILENT_AFTER: Duration = Duration::from_millis(1500);
const ANSWER_CONSENT: Duration = Duration::from_secs(30); // RFC 7675 section 5.1
const SIGN_CONSENT: Duration = Duration::from_secs(8); // a link shall not hang longer; six checks go out in it

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        start: Instant,
        paths: Paths,
        count: u8,
    }

    impl Rig {
        #[allow(clippy::disallowed_methods)]
        fn new() -> Self {
            Self { start: Instant::now(), paths: Paths::default(), count: 0 }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn check(&mut self, ms: u64, ends: Ends) -> CheckId {
            self.count += 1;
            let id = [self.count; 12];
            self.paths.on_check(self.at(ms), ends, id);
            id
        }

        fn round(&mut self, ms: u64, ends: Ends) {
            let id = self.check(ms, ends);
            assert!(self.paths.expects(ends, id));
            self.paths.on_answer(self.at(ms + 10), id, None);
        }
    }

    fn ends(remote_port: u16) -> Ends {
        (SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([192, 0, 2, 1], remote_port)))
    }

    #[test]
    fn an_answer_has_to_come_back_the_way_of_its_check() {
        let mut rig = Rig::new();
        let id = rig.check(0, ends(1));
        assert!(rig.paths.expects(ends(1), id));
        assert!(!rig.paths.expects(ends(2), id));
        assert!(!rig.paths.expects(ends(1), [99; 12]));
    }

    #[test]
    fn a_silent_pair_is_left_for_one_that_answers_and_not_before() {
        let mut rig = Rig::new();
        rig.round(0, ends(1));
        rig.paths.nominate(rig.at(20), ends(1));
        rig.check(2000, ends(1));
        rig.round(2500, ends(2));
        rig.paths.reconsider(rig.at(2900));
        assert_eq!(rig.paths.current(), Some(ends(1)), "one check may be lost");
        rig.check(4000, ends(1));
        rig.round(4500, ends(2));
        rig.paths.reconsider(rig.at(4600));
        assert_eq!(rig.paths.current(), Some(ends(2)));
    }

    #[test]
    fn a_pair_the_other_side_moved_to_is_taken_after_a_second() {
        let mut rig = Rig::new();
        rig.round(0, ends(1));
        rig.paths.on_request(rig.at(100), ends(1));
        rig.paths.nominate(rig.at(100), ends(1));
        rig.check(2000, ends(1));
        rig.paths.on_request(rig.at(2100), ends(2));
        rig.round(2100, ends(2));
        rig.paths.reconsider(rig.at(2900));
        assert_eq!(rig.paths.current(), Some(ends(1)));
        assert_eq!(rig.paths.next_look(rig.at(2900)), Some(rig.at(3000)));
        rig.paths.reconsider(rig.at(3000));
        assert_eq!(rig.paths.current(), Some(ends(2)));
    }

    #[test]
    fn consent_ends_eight_seconds_after_the_last_sign_and_thirty_after_the_last_answer() {
        let mut rig = Rig::new();
        assert_eq!(rig.paths.consent(), None);
        rig.round(0, ends(1));
        assert_eq!(rig.paths.consent(), Some(rig.at(8010)));
        rig.paths.on_request(rig.at(5000), ends(1));
        assert_eq!(rig.paths.consent(), Some(rig.at(13_000)));
        rig.paths.on_request(rig.at(25_000), ends(1));
        assert_eq!(rig.paths.consent(), Some(rig.at(30_010)));
    }

    #[test]
    fn a_pair_of_a_lost_address_is_replaced_by_one_that_answered() {
        let mut rig = Rig::new();
        let other = (SocketAddr::from(([10, 0, 0, 2], 1)), ends(1).1);
        rig.round(0, ends(1));
        rig.paths.nominate(rig.at(20), ends(1));
        rig.round(100, other);
        rig.paths.forget(ends(1).0);
        rig.paths.reconsider(rig.at(200));
        assert_eq!(rig.paths.current(), Some(other));
    }

    #[test]
    fn many_addresses_of_the_other_side_do_not_fill_the_memory() {
        let mut rig = Rig::new();
        rig.round(0, ends(1));
        rig.paths.nominate(rig.at(20), ends(1));
        for port in 2..2000 {
            rig.paths.on_request(rig.at(u64::from(port)), ends(port));
            rig.check(u64::from(port), ends(port));
            rig.count = 0;
        }
        assert!(rig.paths.paths.len() <= MOST_PATHS && rig.paths.checks.len() <= MOST_CHECKS);
        assert!(rig.paths.contains(ends(1)), "the present pair stays");
    }
}

//! Whether the peer still acknowledges (sections 6.6.2 and 6.6.5): what was sent and has no ACK, and
//! the three states of a link. A kernel acknowledges TCP for a stopped process, so only ACKs count.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::rtt::RoundTrip;

/// How long a failing link is kept before it is dead (section 6.6.5).
pub const DEAD_AFTER: Duration = Duration::from_secs(30);

/// Frames that may be on their way without an ACK; more wait in the queue. Ours: a thousand frames
/// in one round trip are enough for any link, and the list stays small.
pub(crate) const WINDOW: usize = 1024;
/// Bytes that may be on their way without an ACK; one message always may.
pub(crate) const WINDOW_BYTES: usize = 4 << 20;

/// The state of the link as its ACKs tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Nothing is overdue.
    Alive,
    /// Nothing was acknowledged for a whole RTO; out of the Routing Table.
    Failing {
        /// When that was found.
        since: Instant,
    },
    /// Failing for [`DEAD_AFTER`].
    Dead,
}

/// What a change of [`LinkState`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Failing,
    Restored,
    Dead,
}

/// A frame on its way. The message is kept until its ACK, to be sent another way if the link fails.
#[derive(Debug)]
struct Sent {
    sequence: u32,
    at: Instant,
    message: Bytes,
}

/// The frames without an ACK and the timers over them.
#[derive(Debug)]
pub(crate) struct Liveness {
    state: LinkState,
    sent: VecDeque<Sent>,
    sent_bytes: usize,
    last_ack: Option<Instant>,
    round_trip: RoundTrip,
    acks_missing: u64,
}

impl Liveness {
    pub(crate) const fn new() -> Self {
        Self {
            state: LinkState::Alive,
            sent: VecDeque::new(),
            sent_bytes: 0,
            last_ack: None,
            round_trip: RoundTrip::new(),
            acks_missing: 0,
        }
    }

    pub(crate) fn on_sent(&mut self, now: Instant, sequence: u32, message: Bytes) {
        self.sent_bytes += message.len();
        self.sent.push_back(Sent { sequence, at: now, message });
    }

    /// An ACK of `sequence`. TLS keeps the order, so it also settles what was sent before: those
    /// ACKs are missing, their frames are not. Numbers never sent are ignored.
    pub(crate) fn on_ack(&mut self, now: Instant, sequence: u32) -> Option<Change> {
        let first = self.sent.front()?.sequence;
        let index = usize::try_from(sequence.wrapping_sub(first)).ok()?;
        let sent = self.sent.get(index)?.at;
        let settled: usize = self.sent.drain(..=index).map(|sent| sent.message.len()).sum();
        self.sent_bytes -= settled;
        self.acks_missing += u64::try_from(index).unwrap_or(u64::MAX);
        self.last_ack = Some(now);
        self.measure(now.saturating_duration_since(sent));
        self.restore()
    }

    /// The next moment at which [`Liveness::on_timeout`] changes something.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            LinkState::Alive => self.overdue_at(),
            LinkState::Failing { since } => Some(since + DEAD_AFTER),
            LinkState::Dead => None,
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) -> Option<Change> {
        if self.deadline()? > now {
            return None;
        }
        if self.state == LinkState::Alive {
            self.state = LinkState::Failing { since: now };
            return Some(Change::Failing);
        }
        self.state = LinkState::Dead;
        Some(Change::Dead)
    }

    /// The messages without an ACK, oldest first, each handed out once. Their numbers stay: a late
    /// ACK is still life.
    pub(crate) fn take_messages(&mut self) -> Vec<Bytes> {
        self.sent_bytes = 0;
        let messages = self.sent.iter_mut().map(|sent| std::mem::take(&mut sent.message));
        messages.filter(|message| !message.is_empty()).collect()
    }

    pub(crate) const fn state(&self) -> LinkState {
        self.state
    }

    pub(crate) fn window_is_open(&self) -> bool {
        self.sent.len() < WINDOW && self.sent_bytes < WINDOW_BYTES
    }

    pub(crate) fn unacknowledged(&self) -> usize {
        self.sent.len()
    }

    pub(crate) const fn acks_missing(&self) -> u64 {
        self.acks_missing
    }

    pub(crate) const fn round_trip(&self) -> &RoundTrip {
        &self.round_trip
    }

    /// A whole RTO without any ACK while something waits for one.
    fn overdue_at(&self) -> Option<Instant> {
        let oldest = self.sent.front()?.at;
        let quiet_since = self.last_ack.map_or(oldest, |ack| ack.max(oldest));
        Some(quiet_since + self.round_trip.rto())
    }

    /// What an ACK measures after a pause of the peer is the pause, not the path: it counts as one
    /// RTO at most, so that a longer path is learnt and the next pause is still seen in time.
    fn measure(&mut self, sample: Duration) {
        let failing = matches!(self.state, LinkState::Failing { .. });
        let limit = if failing { self.round_trip.rto() } else { sample };
        self.round_trip.measure(sample.min(limit));
    }

    fn restore(&mut self) -> Option<Change> {
        let LinkState::Failing { .. } = self.state else {
            return None;
        };
        self.state = LinkState::Alive;
        Some(Change::Restored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtt::{INITIAL_RTO, MIN_RTO};

    const MS: Duration = Duration::from_millis(1);

    // The tests need one origin of time; nothing else is read from the clock.
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn nothing_sent_never_fails() {
        let mut liveness = Liveness::new();
        assert_eq!(liveness.deadline(), None);
        assert_eq!(liveness.on_timeout(start() + Duration::from_secs(3600)), None);
    }

    // R6940-6.6-03
    #[test]
    fn no_ack_for_an_rto_is_failing_and_30_seconds_later_dead() {
        let (mut liveness, t) = (Liveness::new(), start());
        liveness.on_sent(t, 0, Bytes::new());
        assert_eq!(liveness.deadline(), Some(t + INITIAL_RTO));
        assert_eq!(liveness.on_timeout(t + INITIAL_RTO - MS), None);
        assert_eq!(liveness.on_timeout(t + INITIAL_RTO), Some(Change::Failing));
        let dead = t + INITIAL_RTO + DEAD_AFTER;
        assert_eq!(liveness.on_timeout(dead - MS), None);
        assert_eq!(liveness.on_timeout(dead), Some(Change::Dead));
        assert_eq!(liveness.deadline(), None);
    }

    #[test]
    fn acks_of_other_frames_keep_a_busy_link_alive() {
        let (mut liveness, t) = (Liveness::new(), start());
        for sequence in 0..10 {
            liveness.on_sent(t, sequence, Bytes::new());
        }
        liveness.on_ack(t + 900 * MS, 0);
        assert!(liveness.deadline() > Some(t + INITIAL_RTO), "an ACK came in between");
    }

    // R6940-6.6.2-09
    #[test]
    fn an_ack_settles_all_before_it_and_counts_the_missing() {
        let (mut liveness, t) = (Liveness::new(), start());
        for sequence in 0..5 {
            liveness.on_sent(t, sequence, Bytes::new());
        }
        liveness.on_ack(t + MS, 3);
        assert_eq!(liveness.unacknowledged(), 1);
        assert_eq!(liveness.acks_missing(), 3);
    }

    #[test]
    fn acks_of_numbers_never_sent_or_settled_are_no_life() {
        let (mut liveness, t) = (Liveness::new(), start());
        liveness.on_sent(t, 7, Bytes::new());
        liveness.on_ack(t + MS, 8);
        liveness.on_ack(t + MS, 6);
        assert_eq!(liveness.unacknowledged(), 1);
        assert_eq!(liveness.on_timeout(t + INITIAL_RTO), Some(Change::Failing));
    }

    #[test]
    fn acks_that_resume_restore_and_a_pause_does_not_become_the_rto() {
        let (mut liveness, t) = (Liveness::new(), start());
        liveness.on_sent(t, u32::MAX, Bytes::new());
        liveness.on_ack(t + MS, u32::MAX);
        liveness.on_sent(t + MS, 0, Bytes::new());
        assert_eq!(liveness.on_timeout(t + MS + MIN_RTO), Some(Change::Failing));
        let resumed = t + Duration::from_secs(20);
        assert_eq!(liveness.on_ack(resumed, 0), Some(Change::Restored));
        assert_eq!(liveness.state(), LinkState::Alive);
        assert!(liveness.round_trip().rto() < Duration::from_secs(2));
    }
}

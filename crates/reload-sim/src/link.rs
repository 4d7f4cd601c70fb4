//! One end of a simulated link: what went out and is not acknowledged, and how the link does.
//!
//! Delivery is in order. A lost message is one that the other side acknowledged and dropped, as a
//! full queue does: only the end-to-end retransmission helps.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_node::LinkId;

use crate::world::HostId;

/// Without an acknowledgement for this time a link is failing (the floor of the timeout).
pub(crate) const TIMEOUT: Duration = Duration::from_millis(500);

/// A failing link is kept for this time (section 6.6.5).
pub(crate) const KEPT: Duration = Duration::from_secs(30);

/// One end of a link.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) other: HostId,
    pub(crate) other_link: LinkId,
    /// One way.
    pub(crate) latency: Duration,
    /// When the last message arrives at the other side: none overtakes.
    pub(crate) last_arrival: Instant,
    pub(crate) sent: u64,
    /// What the other side has not acknowledged, oldest first.
    pub(crate) waiting: VecDeque<(u64, Bytes)>,
    pub(crate) failing: bool,
    /// Messages that were handed back when the link failed.
    pub(crate) handed_back: u64,
}

impl End {
    pub(crate) fn new(other: HostId, other_link: LinkId, latency: Duration, now: Instant) -> Self {
        Self {
            other,
            other_link,
            latency,
            last_arrival: now,
            sent: 0,
            waiting: VecDeque::new(),
            failing: false,
            handed_back: 0,
        }
    }

    /// Notes a message; returns its number and when it arrives.
    pub(crate) fn send(&mut self, now: Instant, message: Bytes) -> (u64, Instant) {
        self.sent += 1;
        self.waiting.push_back((self.sent, message));
        self.last_arrival = self.last_arrival.max(now + self.latency);
        (self.sent, self.last_arrival)
    }

    /// An acknowledgement; true if it restores the link.
    pub(crate) fn acknowledge(&mut self, number: u64) -> bool {
        self.waiting.retain(|(sent, _)| *sent > number);
        std::mem::take(&mut self.failing)
    }

    /// Whether this message still waits.
    pub(crate) fn waits_for(&self, number: u64) -> bool {
        self.waiting.front().is_some_and(|(oldest, _)| *oldest <= number)
    }

    /// What waits and was not handed back before.
    pub(crate) fn hand_back(&mut self) -> Vec<Bytes> {
        let before = self.handed_back;
        self.handed_back = self.sent;
        self.waiting.iter().filter(|(n, _)| *n > before).map(|(_, m)| m.clone()).collect()
    }
}

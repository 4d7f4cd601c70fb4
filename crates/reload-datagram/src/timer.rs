//! When something is due, for all parts of an endpoint: one moment each, the earliest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reload_node::LinkId;

/// What has a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A link: its checks, consent, handshake, resends, deadline (RFC 8445, RFC 7675, RFC 6347 4.2.4,
    /// section 6.6.3.1).
    Link(LinkId),
    /// An accepted handshake: resends and its end ([`crate::Limits::handshake_time`]).
    HalfOpen(u64),
    /// The relays of the overlay socket: refreshes (RFC 8656 sections 8, 10 and 12).
    Relays,
    /// The questions to peers how they see us (section 6.5.1.4).
    StunServers,
}

/// No part is called again sooner than this after its time: a part that asks for the past would make
/// the driver spin.
const LEAST: Duration = Duration::from_millis(1);

/// The moments.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Instant>,
    order: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Sets or clears one.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        if let Some(old) = self.at.remove(&timer) {
            self.order.remove(&(old, timer));
        }
        if let Some(at) = at {
            self.at.insert(timer, at);
            self.order.insert((at, timer));
        }
    }

    /// As [`Timers::set`], for a part that was served at `now`: not before a moment later.
    pub(crate) fn after(&mut self, now: Instant, timer: Timer, at: Option<Instant>) {
        self.set(timer, at.map(|at| at.max(now + LEAST)));
    }

    /// The earliest moment.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes what is due, each timer once.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Timer> {
        let mut due = Vec::new();
        while let Some(&(at, timer)) = self.order.first()
            && at <= now
        {
            self.set(timer, None);
            due.push(timer);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_timer_set_again_is_due_once_at_its_new_moment() {
        let (mut timers, t) = (Timers::default(), start());
        timers.set(Timer::StunServers, Some(t));
        timers.set(Timer::StunServers, Some(t + LEAST));
        assert!(timers.take_due(t).is_empty());
        assert_eq!(timers.take_due(t + LEAST), [Timer::StunServers]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_part_that_asks_for_the_past_is_served_later() {
        let (mut timers, t) = (Timers::default(), start());
        timers.after(t, Timer::StunServers, Some(t - LEAST));
        assert!(timers.next() > Some(t));
    }
}

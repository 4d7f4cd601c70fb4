//! Every timer of the node, in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use reload_wire::TransactionId;

use crate::{AskingId, LinkId};

/// What a timer is for. The names are used in traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A request is sent again, or has failed (section 6.2.1).
    Transaction(TransactionId),
    /// An Attach has not led to a link in time (section 6.5.1).
    Attach(LinkId),
    /// An AppAttach has not led to a connection in time (section 6.5.2).
    AppAttach(LinkId),
    /// The application has not answered an AppAttach in time.
    Asking(AskingId),
    /// A link had no traffic for a while and is pinged.
    Keepalive(LinkId),
    /// A larger datagram is tried on a link (section 6.7).
    PathMtu(LinkId),
    /// An older link to a node that has a newer one is closed.
    Drain(LinkId),
    /// A Store is answered although not all replicas have answered (section 10.4).
    Acknowledge(u64),
    /// A copy of values is tried again.
    Copy(u64),
    /// Bootstrap addresses are tried again (section 11.4).
    Bootstrap,
    /// What lies outside the replica range is offered to its owners again, before it is dropped.
    Forget,
    /// A peer looks for another part of the overlay (section 10.7.4.4).
    Lookout,
    /// The link of that look is closed, if nothing else needs it.
    LookoutEnd,
    /// Incomplete fragments are dropped (section 6.7).
    Fragments,
    /// Remembered answers are forgotten (section 6.2.1).
    Answers,
}

impl Timer {
    /// The name, for traces.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Transaction(_) => "transaction",
            Self::Attach(_) => "attach",
            Self::AppAttach(_) => "app attach",
            Self::Asking(_) => "asking",
            Self::Keepalive(_) => "keepalive",
            Self::PathMtu(_) => "path mtu",
            Self::Drain(_) => "drain",
            Self::Acknowledge(_) => "acknowledge",
            Self::Copy(_) => "copy",
            Self::Bootstrap => "bootstrap",
            Self::Forget => "forget",
            Self::Lookout => "lookout",
            Self::LookoutEnd => "lookout end",
            Self::Fragments => "fragments",
            Self::Answers => "answers",
        }
    }
}

/// The timers that run, each at most once.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<Timer, Instant>,
    order: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Starts a timer, or moves it.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.cancel(timer);
        self.due.insert(timer, at);
        self.order.insert((at, timer));
    }

    /// Starts a timer unless it runs already.
    pub(crate) fn set_once(&mut self, timer: Timer, at: Instant) {
        if !self.due.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    /// Stops a timer, if it runs.
    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.due.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    /// The earliest timer.
    pub(crate) fn next(&self) -> Option<(Instant, Timer)> {
        self.order.first().copied()
    }

    /// Takes out one timer that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn a_timer_runs_once_and_fires_in_order() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.set(Timer::Bootstrap, start + Duration::from_secs(5));
        timers.set(Timer::Answers, start + Duration::from_secs(2));
        timers.set(Timer::Bootstrap, start + Duration::from_secs(1));
        assert_eq!(timers.pop(start), None);
        let late = start + Duration::from_secs(9);
        assert_eq!(timers.pop(late), Some(Timer::Bootstrap));
        assert_eq!(timers.pop(late), Some(Timer::Answers));
        assert_eq!(timers.pop(late), None);
    }
}

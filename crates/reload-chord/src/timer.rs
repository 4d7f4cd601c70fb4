//! Every timer of the plug-in, and when each fires.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reload_topology::Wakeup;

/// A timer. Each is set at most once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A step of the join or of settling as a client took too long, or its back-off is over (10.5).
    Join,
    /// A known node that could not be attached to may be tried again (10.7.3).
    Seek,
    /// An Update that failed goes out again (10.7.3).
    UpdateRetry,
    /// Neighbors get an Update some seconds after a change in the ring (ours).
    QuickRound,
    /// Neighbors get their periodic Update (10.7.4.1).
    Round,
    /// Finger entries that were never tried are attached (10.5).
    FingerSetup,
    /// One finger is searched: chord-ping-interval (10.7.4.2).
    FingerSearch,
    /// A lost neighbor is attached to again (10.7.1).
    Reattach,
    /// Copies of values are due (10.7.3).
    Copies,
    /// Values outside the replica range may be dropped (10.7.3).
    Forget,
    /// A Leave of a neighbor is answered at the latest (E108).
    Departures,
    /// The own leave ends at the latest (E108).
    Leave,
}

impl Timer {
    fn name(self) -> &'static str {
        match self {
            Self::Join => "chord-join",
            Self::Seek => "chord-seek",
            Self::UpdateRetry => "chord-update-retry",
            Self::QuickRound => "chord-quick-round",
            Self::Round => "chord-update-interval",
            Self::FingerSetup => "chord-finger-setup",
            Self::FingerSearch => "chord-ping-interval",
            Self::Reattach => "chord-reattach",
            Self::Copies => "chord-copies",
            Self::Forget => "chord-forget",
            Self::Departures => "chord-departures",
            Self::Leave => "chord-leave",
        }
    }
}

/// The timers that are set.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeMap<Timer, Instant>);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.0.insert(timer, at);
    }

    /// Sets the timer unless it is set to an earlier moment.
    pub(crate) fn set_earlier(&mut self, timer: Timer, at: Instant) {
        let entry = self.0.entry(timer).or_insert(at);
        *entry = (*entry).min(at);
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    pub(crate) fn clear_all(&mut self) {
        self.0.clear();
    }

    /// Takes the timers that are due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Timer> {
        let due: Vec<Timer> =
            self.0.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect();
        for timer in &due {
            self.0.remove(timer);
        }
        due
    }

    /// Moves what is due at `now` or before to just after it, so that a driver cannot spin.
    pub(crate) fn defer_past(&mut self, now: Instant) {
        for at in self.0.values_mut() {
            *at = (*at).max(now + Duration::from_millis(1));
        }
    }

    pub(crate) fn wakeup(&self) -> Option<Wakeup> {
        let (timer, at) = self.0.iter().min_by_key(|(_, at)| **at)?;
        Some(Wakeup { at: *at, timer: timer.name() })
    }
}

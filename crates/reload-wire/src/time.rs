//! Time as RELOAD counts it: milliseconds since 1970-01-01 UTC (section 7), and the reading of both
//! clocks that the core, which has no clock of its own, takes as an input.

use std::time::{Duration, Instant};

/// Milliseconds since midnight 1970-01-01 UTC, not counting leap seconds (section 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// The time of a number of whole seconds since 1970.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time and a span later; stops at the end of the 64-bit range.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The span from `earlier` to this time; zero if `earlier` is the later one.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// One reading of both clocks; every `handle_*` of the core takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, for timers.
    pub mono: Instant,
    /// Wall time, for certificates, storage times and lifetimes.
    pub wall: UnixTime,
}

impl Now {
    /// Both clocks moved on by `span`, as virtual time does.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self { mono: self.mono + span, wall: self.wall.saturating_add(span) }
    }
}

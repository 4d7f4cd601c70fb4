//! When a flight of the default engine's handshake is sent again.

use std::time::{Duration, Instant};

/// The resend timer: the engine's own has one interval for ever, RFC 6347 section 4.2.4.1 doubles it.
pub(super) struct Resend {
    interval: Duration,
    /// What the engine's timer says.
    armed: Option<Instant>,
    tries: u32,
}

impl Resend {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, armed: None, tries: 0 }
    }

    /// Follows the engine's timer. `flight`: one was sent, a new one or (true) the same again.
    pub(super) fn follow(&mut self, armed: Option<Instant>, flight: Option<bool>) {
        self.tries = match flight {
            Some(true) => self.tries + 1,
            Some(false) => 0,
            None => self.tries,
        };
        self.armed = armed;
    }

    pub(super) fn at(&self) -> Option<Instant> {
        let wait = self.interval.saturating_mul(1 << self.tries.min(6)).min(MAX_RESEND);
        self.armed.map(|at| at + wait.saturating_sub(self.interval))
    }

    pub(super) fn due(&self, now: Instant) -> bool {
        self.at().is_some_and(|at| now >= at)
    }
}

const MAX_RESEND: Duration = Duration::from_secs(60); // RFC 6347 section 4.2.4.1

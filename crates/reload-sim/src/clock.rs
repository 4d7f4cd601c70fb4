//! Virtual time. The only place that reads a real clock, once, to have a starting point: an
//! `Instant` cannot be made otherwise.

use std::time::Instant;

use reload_wire::Now;

use crate::overlay::BEGINNING;

/// The moment at which a simulation begins.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub(crate) fn beginning() -> Now {
    Now { mono: Instant::now(), wall: BEGINNING }
}

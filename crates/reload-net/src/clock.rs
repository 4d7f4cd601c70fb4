//! Both clocks of the machine, read for the core, which has none. The only place that reads wall time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use reload_wire::{Now, UnixTime};

/// One reading of both clocks.
#[must_use]
pub fn now() -> Now {
    Now { mono: Instant::now(), wall: wall() }
}

/// Wall time; a clock before 1970 counts as 1970.
fn wall() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

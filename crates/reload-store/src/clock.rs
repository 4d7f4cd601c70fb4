//! The wall clock, read for the core, which has none: when values end, and whether it was set back.

use std::time::{SystemTime, UNIX_EPOCH};

use reload_wire::UnixTime;

/// Wall time; a clock before 1970 counts as 1970.
pub(crate) fn wall() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

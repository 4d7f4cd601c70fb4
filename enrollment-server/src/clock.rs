//! The wall clock of the server, read here alone.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use reload_wire::UnixTime;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The time now. A clock before 1970 counts as 1970.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// When a file was written.
pub(crate) fn modified(path: &Path) -> Result<UnixTime> {
    let time = path.metadata().and_then(|metadata| metadata.modified());
    let time = time.with_context(|| format!("cannot read {}", path.display()))?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

/// `time` and a number of days.
pub(crate) fn after_days(time: UnixTime, days: u32) -> UnixTime {
    UnixTime(time.0.saturating_add(u64::from(days).saturating_mul(DAY * 1000)))
}

/// The time as SQLite keeps it, in milliseconds since 1970.
pub(crate) fn to_column(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// Reads such a column.
pub(crate) fn from_column(column: i64) -> UnixTime {
    UnixTime(u64::try_from(column).unwrap_or_default())
}

/// Date and time in UTC for people.
pub(crate) fn text(time: UnixTime) -> String {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    let format =
        time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_else(|| format!("{} ms", time.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(text(UnixTime(1_000_000_000_000)), "2001-09-09 01:46:40Z");
        assert_eq!(after_days(UnixTime(1), 2), UnixTime(172_800_001));
    }
}

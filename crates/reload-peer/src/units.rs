//! Times and spans in words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reload_wire::{Now, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Both clocks.
#[must_use]
pub(crate) fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Now { mono: std::time::Instant::now(), wall }
}

/// `2026-11-25T15:30:00Z`.
#[must_use]
pub(crate) fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok();
    let text = date.and_then(|date| date.format(&Rfc3339).ok());
    text.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// `3 d 4 h`, `2 h 5 min`, `1 min 30 s`, `12 s`: two units at most.
#[must_use]
pub(crate) fn span(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(3);
    let shown = parts.iter().skip(first).take(2).filter(|(number, _)| *number > 0);
    let text = shown.map(|(number, unit)| format!("{number} {unit}")).collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0 s".to_owned() } else { text }
}

/// The number of a Kind as the commands take it: `0xf0000001`.
#[must_use]
pub(crate) fn kind(number: u32) -> String {
    format!("{number:#x}")
}

/// Milliseconds with their fraction.
#[must_use]
pub(crate) fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// `1.25 ms`, `130 ms`.
#[must_use]
pub(crate) fn show_milliseconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.2} ms") } else { format!("{value:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units_at_most() {
        assert_eq!(span(0), "0 s");
        assert_eq!(span(61), "1 min 1 s");
        assert_eq!(span(7200), "2 h");
        assert_eq!(span(90_000), "1 d 1 h");
    }

    #[test]
    fn a_date_is_utc() {
        assert_eq!(date(UnixTime::from_secs(0)), "1970-01-01T00:00:00Z");
    }
}

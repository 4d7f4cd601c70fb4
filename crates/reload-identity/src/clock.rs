//! Times of X.509 and times of RELOAD, and how an error shows them. Not a clock.

use reload_wire::UnixTime;
use std::fmt;
use time::OffsetDateTime;

/// Shows a time as `2026-11-25 16:20:00 UTC`.
pub(crate) struct Show(pub(crate) UnixTime);

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match date(self.0) {
            Some(at) => write!(
                f,
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            ),
            None => write!(f, "{} s after 1970", self.0.as_secs()),
        }
    }
}

/// The calendar form of a time, if the calendar reaches that far.
pub(crate) fn date(at: UnixTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at.as_secs()).ok()?).ok()
}

/// Start of validity of a certificate; before 1970 counts as 1970.
pub(crate) fn not_before(seconds: i64) -> UnixTime {
    UnixTime::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// End of validity of a certificate: its last second is within it (RFC 5280 4.1.2.5).
pub(crate) fn not_after(seconds: i64) -> UnixTime {
    u64::try_from(seconds)
        .map_or(UnixTime(0), |seconds| UnixTime(UnixTime::from_secs(seconds).0.saturating_add(999)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_a_date() {
        assert_eq!(Show(UnixTime(1_000_000_000_999)).to_string(), "2001-09-09 01:46:40 UTC");
        assert_eq!(Show(UnixTime(u64::MAX)).to_string(), "18446744073709551 s after 1970");
    }

    #[test]
    fn last_second_of_validity_is_within_it() {
        assert_eq!(not_after(10), UnixTime(10_999));
        assert_eq!(not_before(-5), UnixTime(0));
    }
}

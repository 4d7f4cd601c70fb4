//! Times of the wire, milliseconds since 1970 without leap seconds (section 7), as dates. Nothing
//! here asks a clock.

const DAY: u64 = 86_400_000;

/// The moment in UTC, as RFC 3339 writes it.
pub(crate) fn date(milliseconds: u64) -> String {
    let (year, month, day) = civil(milliseconds / DAY);
    let within = milliseconds % DAY;
    let (seconds, fraction) = (within / 1000, within % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

/// Year, month and day of a number of days since 1970. Years are counted from March, so that the
/// leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468; // from 1 March of the year 0
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let from_january = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(from_january <= 2), from_january, day)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn times_are_dates_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date(1_700_000_000_001), "2023-11-14T22:13:20.001Z");
        assert_eq!(date(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(date(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
        assert_eq!(date(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn no_time_is_too_large() {
        assert!(date(u64::MAX).ends_with('Z'));
    }
}

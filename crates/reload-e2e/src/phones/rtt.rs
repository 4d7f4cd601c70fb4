//! The times that SIPp has measured (`-trace_rtt`).

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// All times in the files of a directory, sorted.
pub(super) fn read(directory: &Path) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        if file.to_string_lossy().ends_with("_rtt.csv") {
            times.extend(parse(&fs::read_to_string(file)?)?);
        }
    }
    times.sort();
    Ok(times)
}

/// `Date_ms;response_time_ms;rtd_no`, with a line for each.
fn parse(text: &str) -> Result<Vec<Duration>> {
    let lines = text.lines().skip(1).filter(|line| !line.is_empty());
    let time = |line: &str| {
        let word = line.split(';').nth(1).with_context(|| format!("no time in `{line}`"))?;
        let milliseconds = word.parse::<f64>().with_context(|| format!("{word} is no time"))?;
        Ok(Duration::try_from_secs_f64(milliseconds / 1000.0)?)
    };
    lines.map(time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_and_may_have_a_fraction() {
        let text = "Date_ms;response_time_ms;rtd_no\n1710;2;1\n1711;0.25;1\n";
        let times = parse(text).unwrap();
        assert_eq!(times, [Duration::from_millis(2), Duration::from_micros(250)]);
        assert!(parse("head\nnothing\n").is_err());
    }
}

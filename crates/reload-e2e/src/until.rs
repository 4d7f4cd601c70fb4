//! Waiting for something that will be so, with a deadline.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a look waits for the next.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until the look gives a value; how long that took stands beside it.
///
/// # Errors
/// When the time is over: what was awaited, and why the last look gave none.
pub fn until<T, E: Display>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, E>,
) -> Result<(T, Duration)> {
    let begin = Instant::now();
    loop {
        match look() {
            Ok(value) => return Ok((value, begin.elapsed())),
            Err(reason) if begin.elapsed() >= limit => {
                bail!("{what}: not within {limit:?}: {reason:#}")
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reason_is_told() {
        let mut looks = 0;
        let look = || -> Result<(), String> {
            looks += 1;
            Err(format!("look {looks}"))
        };
        let error = until("a ring", Duration::from_millis(60), look).unwrap_err().to_string();
        assert!(error.starts_with("a ring: not within 60ms: look "), "{error}");
        assert!(looks > 1);
    }
}

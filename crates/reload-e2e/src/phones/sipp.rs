//! SIPp, which plays the dialogs of a scenario many times.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ports::free_port;
use super::rtt;
use crate::process::Process;
use crate::{Site, installed};

/// What it shall play.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// A word for its files.
    pub name: &'a str,
    /// The scenario, in XML.
    pub scenario: &'a str,
    /// Where its requests go.
    pub remote: SocketAddr,
    /// Words in the scenario and what stands for them: `[user]`.
    pub words: &'a [(&'a str, &'a str)],
    /// Dialogs a second.
    pub rate: u32,
    /// Dialogs; it ends after them. Without, it plays as many as others begin.
    pub count: Option<u32>,
}

/// A running SIPp. It is killed when this is dropped.
#[derive(Debug)]
pub struct Sipp {
    process: Process,
    directory: PathBuf,
    address: SocketAddr,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// All dialogs.
    pub begun: u64,
    /// Dialogs that went as the scenario says.
    pub successful: u64,
    /// Others.
    pub failed: u64,
    /// How long the stretch took that the scenario marks (`start_rtd`, `rtd`), sorted.
    pub times: Vec<Duration>,
    /// The first lines of what it says of failures.
    pub errors: String,
}

impl Sipp {
    /// Starts it at a machine, with its files in a new directory below `directory`. None, with a word about
    /// it, if it is not installed.
    ///
    /// # Errors
    /// If it does not start, or is missing and RELOAD_TEST_TOOLS=require.
    pub fn start(site: &Site, directory: &Path, run: &Run<'_>) -> Result<Option<Self>> {
        if !installed("sipp")? {
            return Ok(None);
        }
        let home = tempfile::Builder::new().prefix(run.name).tempdir_in(directory)?.keep();
        fs::write(home.join("scenario.xml"), run.scenario)?;
        let address = SocketAddr::new(site.address(), free_port(site)?);
        let mut command = site.program(Path::new("sipp"));
        command.current_dir(&home).env("TERM", "dumb").arg(run.remote.to_string());
        command.args(["-sf", "scenario.xml", "-i", &address.ip().to_string()]);
        command.args(["-p", &address.port().to_string(), "-nostdin"]);
        if let Some(count) = run.count {
            // Also all at once, if it has to wait for them.
            let (rate, count) = (run.rate.to_string(), count.to_string());
            command.args(["-r", &rate, "-m", &count, "-l", &count]);
        }
        command.args(["-trace_err", "-error_file", "errors", "-trace_rtt", "-rtt_freq", "1"]);
        command.args(["-trace_stat", "-stf", "statistics", "-fd", "1"]);
        for (word, meaning) in run.words {
            command.args(["-key", word, meaning]);
        }
        let process = Process::start_logging(run.name, command, &home.join("log"))?;
        Ok(Some(Self { process, directory: home, address }))
    }

    /// Where it sends from and is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has played all dialogs.
    ///
    /// # Errors
    /// If it does not end in time, or breaks.
    pub fn finish(mut self, limit: Duration) -> Result<Report> {
        let waited = self.process.wait(limit);
        let status = waited.with_context(|| self.errors())?;
        // Section "exit codes" of its manual: 1 if at least one dialog failed.
        let known = matches!(status.code(), Some(0 | 1));
        ensure!(known, "SIPp ends with {status}: {} {}", self.process.log_text(), self.errors());
        self.report()
    }

    /// What came out so far.
    ///
    /// # Errors
    /// If it does not say.
    pub fn report(&self) -> Result<Report> {
        let statistics = fs::read_to_string(self.directory.join("statistics"))?;
        Ok(Report {
            begun: last(&statistics, "TotalCallCreated")?,
            successful: last(&statistics, "SuccessfulCall(C)")?,
            failed: last(&statistics, "FailedCall(C)")?,
            times: rtt::read(&self.directory)?,
            errors: self.errors(),
        })
    }

    /// The first things that went wrong. A repeated answer to a dialog that is over is none.
    fn errors(&self) -> String {
        let text = fs::read(self.directory.join("errors")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        events(&text)
            .filter(|event| !event.contains("(successful), received"))
            .take(SHOWN)
            .fold(String::new(), |shown, event| {
                shown + &event.lines().take(LINES).collect::<Vec<_>>().join("\n") + "\n"
            })
    }
}

/// Each begins with its time twice, as date and as seconds.
fn events(text: &str) -> impl Iterator<Item = &str> {
    text.split("\t").filter(|part| part.contains(": "))
}

impl Report {
    /// The time that so many of a hundred are faster than.
    ///
    /// # Errors
    /// If nothing was measured.
    pub fn percentile(&self, of_hundred: usize) -> Result<Duration> {
        let at = (self.times.len() * of_hundred / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().context("nothing was measured")
    }
}

/// As much of what failed as helps.
const SHOWN: usize = 5;
const LINES: usize = 8;

/// The last number of a column.
fn last(statistics: &str, column: &str) -> Result<u64> {
    let mut lines = statistics.lines();
    let names = lines.next().context("no statistics")?;
    let at = names.split(';').position(|name| name == column);
    let at = at.with_context(|| format!("no {column} in {names}"))?;
    let line = lines.next_back().context("no line of statistics")?;
    let number = line.split(';').nth(at).context("a short line of statistics")?;
    number.parse().with_context(|| format!("{column} is {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        let text = "A;FailedCall(C);\n1;2;\n3;4;\n";
        assert_eq!(last(text, "FailedCall(C)").unwrap(), 4);
        assert!(last(text, "B").is_err());
    }

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let report =
            Report { begun: 200, successful: 200, failed: 0, times, errors: String::new() };
        assert_eq!(report.percentile(99).unwrap(), Duration::from_millis(199));
        assert_eq!(report.percentile(100).unwrap(), Duration::from_millis(200));
    }
}

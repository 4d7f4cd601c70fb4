//! A command that talks on standard input and output until one side ends it, as `reload pipe` does.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command::wait;

/// How long a look for a line waits for the next.
const PAUSE: Duration = Duration::from_millis(10);

/// The command under way. It is killed when this is dropped.
#[derive(Debug)]
pub struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Talk {
    /// Starts it; what it says on standard error goes to the file `log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("standard output is a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, input, lines, log: log.to_owned() })
    }

    /// Gives it a line.
    ///
    /// # Errors
    /// If it takes none.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        let said = writeln!(input, "{line}").and_then(|()| input.flush());
        said.with_context(|| self.log_text())
    }

    /// Waits for a line.
    ///
    /// # Errors
    /// If there is none in time, or if it has ended.
    pub fn hear(&self, limit: Duration) -> Result<String> {
        self.lines.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                anyhow::anyhow!("nothing within {limit:?}: {}", self.log_text())
            }
            RecvTimeoutError::Disconnected => anyhow::anyhow!("it has ended: {}", self.log_text()),
        })
    }

    /// Waits until its standard error holds a text.
    ///
    /// # Errors
    /// If it does not in time, or has ended without.
    pub fn logged(&mut self, text: &str, limit: Duration) -> Result<()> {
        let begin = Instant::now();
        loop {
            let ended = self.child.try_wait()?;
            let said = self.log_text();
            if said.contains(text) {
                return Ok(());
            }
            if let Some(status) = ended {
                bail!("it has ended with {status}: {said}");
            }
            ensure!(begin.elapsed() < limit, "no {text:?} within {limit:?}: {said}");
            sleep(PAUSE);
        }
    }

    /// Closes its input; it goes on until the other side has closed its own.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Closes its input; it must end with 0.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn close(mut self, limit: Duration) -> Result<()> {
        drop(self.input.take());
        self.ended(limit)
    }

    /// Waits until it ends by itself, with 0.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn ended(&mut self, limit: Duration) -> Result<()> {
        let status = wait(&mut self.child, limit).with_context(|| self.log_text())?;
        ensure!(status.success(), "it ends with {status}: {}", self.log_text());
        Ok(())
    }

    fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn lines_go_both_ways_and_the_end_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo ready >&2; cat"]);
        let mut talk = Talk::start(command, &directory.path().join("log")).unwrap();
        talk.logged("ready", LIMIT).unwrap();
        talk.say("hello").unwrap();
        assert_eq!(talk.hear(LIMIT).unwrap(), "hello");
        talk.close(LIMIT).unwrap();
    }
}

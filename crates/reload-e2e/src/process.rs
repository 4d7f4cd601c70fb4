//! A process that serves until it is told or killed. It is killed when this is dropped, also when
//! it is stopped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{run, wait};
use crate::until;

/// A signal takes no time.
const SIGNAL_LIMIT: Duration = Duration::from_secs(10);

/// What a process can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End in good order.
    Terminate,
    /// End as Ctrl-C does.
    Interrupt,
    /// Be gone.
    Kill,
    /// Stand still.
    Stop,
    /// Go on.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A serving process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    /// Behind a lock, so that others may read logs at the same time.
    lines: Mutex<Receiver<String>>,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says on standard error goes to the file `log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let out = child.stdout.take().context("standard output is a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { name: name.to_owned(), child, lines: Mutex::new(lines), log: log.to_owned() })
    }

    /// Starts it; all that it says goes to the file `log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_logging(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let lines = Mutex::new(channel().1);
        Ok(Self { name: name.to_owned(), child, lines, log: log.to_owned() })
    }

    /// The next line of its standard output, which must begin with `prefix`.
    ///
    /// # Errors
    /// If it ends before, or says something else, or nothing in time.
    pub fn line(&mut self, prefix: &str, limit: Duration) -> Result<String> {
        let lines = self.lines.get_mut().unwrap_or_else(PoisonError::into_inner);
        let line = lines.recv_timeout(limit);
        let line = line.with_context(|| {
            format!("{} does not say `{prefix}` within {limit:?}: {}", self.name, self.log_text())
        })?;
        ensure!(line.starts_with(prefix), "{} says `{line}`", self.name);
        Ok(line)
    }

    /// Its number among the processes of the machine.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let mut command = Command::new("sh");
        command.args(["-c", r#"kill -s "$0" "$1""#, signal.name(), &self.child.id().to_string()]);
        run(command, SIGNAL_LIMIT).with_context(|| format!("cannot signal {}", self.name))?;
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let ended = wait(&mut self.child, limit);
        ended.with_context(|| format!("{}: {}", self.name, self.log_text()))
    }

    /// Tells it to end; it must end with 0.
    ///
    /// # Errors
    /// If it does not.
    pub fn terminate(&mut self, limit: Duration) -> Result<()> {
        self.signal(Signal::Terminate)?;
        let status = self.wait(limit)?;
        ensure!(status.success(), "{} ends with {status}: {}", self.name, self.log_text());
        Ok(())
    }

    /// Kills it as `kill -9` does.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::Kill)?;
        self.wait(SIGNAL_LIMIT)?;
        Ok(())
    }

    /// Waits for a line of its log that holds all the words.
    ///
    /// # Errors
    /// If there is none in time.
    pub fn logged(&self, words: &[&str], limit: Duration) -> Result<String> {
        let what = format!("{} logs {words:?}", self.name);
        let found = until(&what, limit, || {
            let text = self.log_text();
            let mut lines = text.lines();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned).with_context(|| format!("its log:\n{text}"))
        })?;
        Ok(found.0)
    }

    /// Fails if it has ended.
    ///
    /// # Errors
    /// How it ended.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} has ended with {status}: {}", self.name, self.log_text()),
            None => Ok(()),
        }
    }

    /// What it said on standard error so far.
    #[must_use]
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = self.log_text();
            let lines: Vec<_> = text.lines().collect();
            let last = lines.len().saturating_sub(LAST_LINES);
            eprintln!("--- the last that {} said:\n{}", self.name, lines[last..].join("\n"));
        }
    }
}

/// As much of a log as helps when a test has failed.
const LAST_LINES: usize = 100;

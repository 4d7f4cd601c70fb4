//! The bytes on loopback, kept by `tcpdump`, and the TLS secrets that open them.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{run, wait};
use crate::until;

/// tcpdump needs this long at most to begin or to end.
const LIMIT: Duration = Duration::from_secs(20);

/// Kilobytes for packets that tcpdump has no time for at the moment.
const BUFFER: &str = "65536";

/// Whether there will be a capture.
#[derive(Debug)]
pub enum Capturing {
    /// It runs.
    On(Capture),
    /// Nobody asked for it, or there is no tcpdump.
    Off,
}

/// A capture under way. Files in its directory: `run.pcap` and `keys.log` at the end.
#[derive(Debug)]
pub struct Capture {
    directory: PathBuf,
    tcpdump: Child,
}

impl Capturing {
    /// Captures if the environment names a directory for it in RELOAD_E2E_DIR. Without tcpdump it
    /// says so; with RELOAD_TEST_TOOLS=require that is an error.
    ///
    /// # Errors
    /// If it should capture and cannot.
    pub fn from_environment() -> Result<Self> {
        let Some(directory) = std::env::var_os("RELOAD_E2E_DIR") else {
            println!("no capture: RELOAD_E2E_DIR is not set");
            return Ok(Self::Off);
        };
        match Capture::start(Path::new(&directory)) {
            Ok(capture) => Ok(Self::On(capture)),
            Err(error) if required() => Err(error),
            Err(error) => {
                println!("skipped: no tcpdump ({error:#})");
                Ok(Self::Off)
            }
        }
    }

    /// Where TLS secrets shall go.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::On(capture) => Some(&capture.directory),
            Self::Off => None,
        }
    }

    /// Ends the capture and keeps what went from or to these addresses.
    ///
    /// # Errors
    /// If packets were lost or the files cannot be written.
    pub fn finish(self, addresses: &[SocketAddr]) -> Result<()> {
        match self {
            Self::On(capture) => capture.finish(addresses),
            Self::Off => Ok(()),
        }
    }
}

fn required() -> bool {
    std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require")
}

impl Capture {
    fn start(directory: &Path) -> Result<Self> {
        let log = directory.join("tcpdump.log");
        let tcpdump = Command::new("tcpdump")
            .args(["-i", "lo", "-n", "-U", "-B", BUFFER, "-w", "-", "tcp"])
            .stdin(Stdio::null())
            .stdout(File::create(directory.join("all.pcap"))?)
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot run tcpdump")?;
        let capture = Self { directory: directory.to_owned(), tcpdump };
        until("tcpdump listens", LIMIT, || {
            let said = std::fs::read_to_string(&log)?;
            if said.contains("listening on") { Ok(()) } else { bail!("it says: {}", said.trim()) }
        })?;
        Ok(capture)
    }

    fn finish(mut self, addresses: &[SocketAddr]) -> Result<()> {
        let interrupt =
            ["-c", r#"kill -s INT "$0""#, &self.tcpdump.id().to_string()].map(str::to_owned);
        let mut kill = Command::new("sh");
        kill.args(interrupt);
        run(kill, LIMIT)?;
        wait(&mut self.tcpdump, LIMIT)?;
        let said = std::fs::read_to_string(self.directory.join("tcpdump.log"))?;
        ensure!(said.contains("\n0 packets dropped by kernel"), "packets were lost: {said}");
        self.keep(addresses)?;
        self.merge_keys()
    }

    /// Of all that went over loopback, only what is of these addresses.
    fn keep(&self, addresses: &[SocketAddr]) -> Result<()> {
        let ports: Vec<_> = addresses.iter().map(|at| format!("port {}", at.port())).collect();
        let mut filter = Command::new("tcpdump");
        filter.arg("-n").arg("-r").arg(self.directory.join("all.pcap"));
        filter.args(["-w", "-", &ports.join(" or ")]);
        filter.stdout(File::create(self.directory.join("run.pcap"))?).stderr(Stdio::null());
        let mut filter = filter.spawn().context("cannot run tcpdump")?;
        let status = wait(&mut filter, LIMIT)?;
        ensure!(status.success(), "tcpdump cannot filter the capture");
        Ok(())
    }

    fn merge_keys(&self) -> Result<()> {
        let mut merged = File::create(self.directory.join("keys.log"))?;
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "keys") {
                merged.write_all(&std::fs::read(path)?)?;
            }
        }
        Ok(())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

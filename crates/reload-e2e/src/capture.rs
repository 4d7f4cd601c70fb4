//! The bytes on the network, kept by `tcpdump`, and the secrets of TLS and DTLS that open them.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{run, wait};
use crate::{Site, until};

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

/// Captures under way. At the end their directory holds `run.pcap`, or a `HOST.pcap` for each host,
/// and `keys.log`.
#[derive(Debug)]
pub struct Capture {
    directory: PathBuf,
    dumps: Vec<Dump>,
}

/// One tcpdump.
#[derive(Debug)]
struct Dump {
    tcpdump: Child,
    log: PathBuf,
    /// How often each packet is received: on loopback as it leaves and as it comes.
    copies: u64,
}

/// What is captured on one host.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Where.
    pub site: Site,
    /// The name of the file without its end.
    pub name: String,
    /// What for, in words of tcpdump: `udp port 6084`.
    pub filter: String,
}

impl Capturing {
    /// Captures TCP on loopback if the environment names a directory for it in RELOAD_E2E_DIR, in a
    /// directory of that name below it. Without tcpdump it says so; with RELOAD_TEST_TOOLS=require that
    /// is an error.
    ///
    /// # Errors
    /// If it should capture and cannot.
    pub fn on_loopback(name: &str) -> Result<Self> {
        let site = Site::loopback();
        Self::begin(name, &[Watched { site, name: ALL.to_owned(), filter: "tcp".to_owned() }])
    }

    /// The same on hosts of a test network.
    ///
    /// # Errors
    /// If it should capture and cannot.
    pub fn on_hosts(name: &str, watched: &[Watched]) -> Result<Self> {
        Self::begin(name, watched)
    }

    fn begin(name: &str, watched: &[Watched]) -> Result<Self> {
        let Some(directory) = std::env::var_os("RELOAD_E2E_DIR") else {
            println!("no capture: RELOAD_E2E_DIR is not set");
            return Ok(Self::Off);
        };
        match Capture::start(&Path::new(&directory).join(name), watched) {
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

    /// Ends the capture and keeps, of what went over loopback, what went from or to these addresses.
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
    fn start(directory: &Path, watched: &[Watched]) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut capture = Self { directory: directory.to_owned(), dumps: Vec::new() };
        for one in watched {
            capture.dumps.push(Dump::start(directory, one)?);
        }
        Ok(capture)
    }

    fn finish(mut self, addresses: &[SocketAddr]) -> Result<()> {
        for dump in &mut self.dumps {
            dump.finish()?;
        }
        if self.directory.join(format!("{ALL}.pcap")).exists() {
            self.keep(addresses)?;
        }
        self.merge_keys()
    }

    /// Of all that went over loopback, only what is of these addresses.
    fn keep(&self, addresses: &[SocketAddr]) -> Result<()> {
        let ports: Vec<_> = addresses.iter().map(|at| format!("port {}", at.port())).collect();
        let mut filter = Command::new("tcpdump");
        filter.arg("-n").arg("-r").arg(self.directory.join(format!("{ALL}.pcap")));
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

impl Dump {
    fn start(directory: &Path, watched: &Watched) -> Result<Self> {
        let log = directory.join(format!("{}.tcpdump.log", watched.name));
        let tcpdump = watched
            .site
            .program(Path::new("tcpdump"))
            .args(["-i", watched.site.interface(), "-n", "-U", "-B", BUFFER, "-w", "-"])
            .arg(&watched.filter)
            .stdin(Stdio::null())
            .stdout(File::create(directory.join(format!("{}.pcap", watched.name)))?)
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot run tcpdump")?;
        let copies = if watched.site.interface() == "lo" { 2 } else { 1 };
        let dump = Self { tcpdump, log, copies };
        until("tcpdump listens", LIMIT, || {
            let said = std::fs::read_to_string(&dump.log)?;
            if said.contains("listening on") { Ok(()) } else { bail!("it says: {}", said.trim()) }
        })?;
        Ok(dump)
    }

    /// Ends it once it has written what had arrived by now: the kernel hands packets on by the block, and
    /// tcpdump leaves unread what it has not got when it ends.
    fn finish(&mut self) -> Result<()> {
        let (_, received) = self.counts()?;
        until("tcpdump has read all", LIMIT, || {
            let (captured, _) = self.counts()?;
            ensure!(captured * self.copies >= received, "{captured} packets of {received}");
            anyhow::Ok(())
        })?;
        self.signal("INT")?;
        wait(&mut self.tcpdump, LIMIT)?;
        let said = self.said()?;
        ensure!(said.contains("\n0 packets dropped by kernel"), "packets were lost: {said}");
        Ok(())
    }

    /// The packets that it has captured and those that the kernel has received for it, which it tells when
    /// it is asked.
    fn counts(&self) -> Result<(u64, u64)> {
        let before = self.said()?.lines().count();
        self.signal("USR1")?;
        let tells = || counts_in(self.said()?.lines().nth(before).context("it says nothing")?);
        Ok(until("tcpdump tells its counts", LIMIT, tells)?.0)
    }

    fn said(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    fn signal(&self, name: &str) -> Result<()> {
        let arguments = ["-c", r#"kill -s "$1" "$0""#, &self.tcpdump.id().to_string(), name];
        let mut kill = Command::new("sh");
        kill.args(arguments);
        run(kill, LIMIT)?;
        Ok(())
    }
}

/// Of `tcpdump: 7 packets captured, 9 packets received by filter, 0 packets dropped by kernel`.
fn counts_in(line: &str) -> Result<(u64, u64)> {
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    let two = numbers.next().zip(numbers.next()).filter(|_| line.ends_with("by kernel"));
    two.with_context(|| format!("no counts in {line:?}"))
}

impl Drop for Dump {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// What of loopback is captured before the ports of the peers are known.
const ALL: &str = "all";

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn counts_are_read_from_a_whole_line_alone() {
        let line = "tcpdump: 7 packets captured, 9 packets received by filter, 0 packets dropped by kernel";
        assert_eq!(counts_in(line).unwrap(), (7, 9));
        assert!(counts_in(&line[..line.len() - 1]).is_err());
        assert!(counts_in("tcpdump: listening on lo, link-type EN10MB (Ethernet)").is_err());
    }

    #[test]
    #[ignore = "captures: run by `cargo xtask e2e`"]
    fn what_came_right_before_the_end_is_captured() {
        let directory = tempfile::tempdir().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let (site, filter) = (Site::loopback(), format!("udp port {}", at.port()));
        let watched = Watched { site, name: "run".to_owned(), filter };
        let mut dump = match Dump::start(directory.path(), &watched) {
            Ok(dump) => dump,
            Err(error) => {
                assert!(!required(), "{error:#}");
                return println!("skipped: no tcpdump ({error:#})");
            }
        };
        for _ in 0..100 {
            socket.send_to(b"here", at).unwrap();
        }
        dump.finish().unwrap();
        let length = std::fs::metadata(directory.path().join("run.pcap")).unwrap().len();
        // Headers of the file, of the packets, of Ethernet, IP and UDP.
        assert_eq!(length, 24 + 100 * (16 + 14 + 20 + 8 + 4));
    }
}

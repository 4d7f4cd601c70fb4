//! `aioice`, an ICE agent, and `openssl`, a DTLS end, as processes: what they say is read by threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use reload_identity::{Credentials, KeyPair, certificates_to_pem};
use reload_wire::{CandType, IceCandidate, OverlayLinkType};
use tempfile::TempDir;

use crate::certificates::{Overlay, WALL};

const PATIENCE: Duration = Duration::from_secs(20);

/// Python with aioice; none if it is not there. Python is the one named by RELOAD_AIOICE_PYTHON, or
/// `python3`.
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("RELOAD_AIOICE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut probe = Command::new(&python);
    let probe = probe.args(["-c", "import aioice"]).stderr(Stdio::null()).status();
    if probe.is_ok_and(|it| it.success()) {
        return Some(python);
    }
    // Not even with RELOAD_TEST_TOOLS=require: it is no package of the distribution.
    eprintln!("skipped: {python} cannot import aioice");
    None
}

pub(crate) fn has_openssl() -> bool {
    let run = Command::new("openssl").arg("version").output();
    if run.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let required = std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require");
    assert!(!required, "openssl is required and not there");
    eprintln!("skipped: no openssl");
    false
}

/// A running program.
pub(crate) struct Program {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    heard: Vec<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let (sender, output) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, input, output, heard: Vec::new() }
    }

    pub(crate) fn says(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The first line that it said, or says by now, with this text.
    pub(crate) fn has_said(&mut self, text: &str) -> Option<String> {
        self.heard.extend(self.output.try_iter());
        self.heard.iter().find(|line| line.contains(text)).cloned()
    }

    fn hears(&mut self, text: &str) -> String {
        loop {
            if let Some(line) = self.has_said(text) {
                return line;
            }
            match self.output.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(_) => panic!("it never said {text:?}: {}", self.story()),
            }
        }
    }

    pub(crate) fn story(&self) -> String {
        self.heard.join("\n")
    }
}

/// The agent: its offer has come.
pub(crate) struct Agent {
    pub(crate) program: Program,
    pub(crate) ufrag: Bytes,
    pub(crate) password: Bytes,
    pub(crate) candidates: Vec<IceCandidate>,
}

impl Agent {
    /// `server`: the DTLS server that it speaks for; it controls, if there is none.
    pub(crate) fn start(python: &str, server: Option<SocketAddr>) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign_peer.py");
        let mut command = Command::new(python);
        command.arg(script).args(match server {
            Some(server) => vec!["controlling".to_owned(), server.port().to_string()],
            None => vec!["controlled".to_owned()],
        });
        let mut program = Program::start(&mut command);
        program.hears("end");
        let lines: Vec<Vec<String>> =
            program.heard.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect();
        let credentials = lines.iter().find(|it| it[0] == "credentials").unwrap();
        let candidates = lines.iter().filter(|it| it[0] == "candidate");
        let text = |word: usize| Bytes::from(credentials[word].clone());
        Self {
            ufrag: text(1),
            password: text(2),
            candidates: candidates.map(|words| candidate(&words[1..])).collect(),
            program,
        }
    }

    /// Our offer.
    pub(crate) fn answer(&mut self, ufrag: &str, password: &str, candidates: &[IceCandidate]) {
        self.program.says(&format!("credentials {ufrag} {password}"));
        for it in candidates {
            let foundation = String::from_utf8(it.foundation.to_vec()).unwrap();
            let address = it.addr_port.socket_addr().unwrap();
            let (priority, ip, port) = (it.priority, address.ip(), address.port());
            self.program.says(&format!("candidate {foundation} {priority} {ip} {port}"));
        }
        self.program.says("end");
    }

    /// Where the other DTLS end finds the bridge, once ICE is through.
    pub(crate) fn connected(&mut self) -> Option<SocketAddr> {
        let line = self.program.has_said("connected ")?;
        let port: u16 = line.split(' ').nth(1).unwrap().parse().unwrap();
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

fn candidate(words: &[String]) -> IceCandidate {
    let address = SocketAddr::new(words[2].parse().unwrap(), words[3].parse().unwrap());
    IceCandidate {
        addr_port: address.into(),
        overlay_link: OverlayLinkType::DTLS_UDP_SR,
        foundation: Bytes::copy_from_slice(words[0].as_bytes()),
        priority: words[1].parse().unwrap(),
        kind: CandType::Host,
        related: None,
        extensions: Vec::new(),
    }
}

/// `openssl` with a certificate of the overlay, checking ours at the time of the test.
pub(crate) struct OpenSsl {
    pub(crate) program: Program,
    _folder: TempDir,
}

impl OpenSsl {
    pub(crate) fn server(overlay: &Overlay, own: &Credentials) -> (Self, SocketAddr) {
        let first = ["s_server", "-dtls1_2", "-Verify", "2", "-accept", "127.0.0.1:0"];
        let mut server = Self::start(overlay, own, &first);
        let line = server.program.hears("ACCEPT 127.0.0.1:");
        let port = line.rsplit(':').next().unwrap().trim().parse::<u16>().unwrap();
        (server, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    pub(crate) fn client(overlay: &Overlay, own: &Credentials, to: SocketAddr) -> Self {
        Self::start(overlay, own, &["s_client", "-dtls1_2", "-connect", &to.to_string()])
    }

    fn start(overlay: &Overlay, own: &Credentials, first: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let key = KeyPair::from_pkcs8(own.key_pkcs8_der()).unwrap().to_pem();
        let certificate = certificates_to_pem([own.certificate().der()]);
        let mut command = Command::new("openssl");
        command.args(first).args(["-verify_return_error", "-mtu", "1200"]);
        command.args(["-attime", &(WALL.0 / 1000).to_string()]);
        for (option, text) in
            [("-key", key), ("-cert", certificate), ("-CAfile", overlay.authority_pem())]
        {
            command.args([option, &write(folder.path(), option, &text)]);
        }
        Self { program: Program::start(&mut command), _folder: folder }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name.trim_start_matches('-'));
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

//! `aioice`, an ICE agent of another make, at the other end: in both roles, and relayed by our TURN
//! service. Python is the one named by RELOAD_AIOICE_PYTHON, or `python3`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use reload_ice::IceCredentials;
use reload_wire::{CandType, IceCandidate, OverlayLinkType};

use crate::socket::{Agent, Service, until};

struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn python() -> Option<String> {
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

impl Peer {
    fn start(python: &str, arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aioice_peer.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, lines }
    }

    fn line(&mut self) -> Vec<String> {
        let line = self.lines.next().expect("it ended").unwrap();
        line.split(' ').map(str::to_owned).collect()
    }

    fn offer(&mut self) -> (IceCredentials, Vec<IceCandidate>) {
        let (mut credentials, mut candidates) = (None, Vec::new());
        loop {
            let words = self.line();
            match words[0].as_str() {
                "credentials" => credentials = Some(IceCredentials::new(&words[1], &words[2])),
                "candidate" => candidates.push(candidate(&words[1..])),
                _ => return (credentials.unwrap(), candidates),
            }
        }
    }

    fn answer(&mut self, agent: &Agent) {
        let text = |it: &Bytes| String::from_utf8(it.to_vec()).unwrap();
        let (ufrag, password) = (&agent.credentials.ufrag, &agent.credentials.password);
        writeln!(self.stdin, "credentials {} {}", text(ufrag), text(password)).unwrap();
        for it in agent.candidates.as_ref().unwrap() {
            let (foundation, priority) = (text(&it.foundation), it.priority);
            let address = it.addr_port.socket_addr().unwrap();
            let (ip, port) = (address.ip(), address.port());
            writeln!(self.stdin, "candidate {foundation} {priority} {ip} {port} host").unwrap();
        }
        writeln!(self.stdin, "end").unwrap();
    }
}

fn candidate(words: &[String]) -> IceCandidate {
    let address = SocketAddr::new(words[2].parse().unwrap(), words[3].parse().unwrap());
    let kind = match words[4].as_str() {
        "host" => CandType::Host,
        "srflx" => CandType::Srflx,
        _ => CandType::Relay,
    };
    IceCandidate {
        addr_port: address.into(),
        overlay_link: OverlayLinkType::DTLS_UDP_SR,
        foundation: Bytes::copy_from_slice(words[0].as_bytes()),
        priority: words[1].parse().unwrap(),
        kind,
        related: (kind != CandType::Host).then(|| address.into()),
        extensions: Vec::new(),
    }
}

/// Connects, echoes and says goodbye; answers with the kind of their end. A thread reads their lines,
/// as the service needs turns while the peer allocates.
fn meet(controlling: bool, mut service: Option<Service>) -> Option<CandType> {
    let python = python()?;
    let role = if controlling { "controlled" } else { "controlling" };
    let port = service.as_ref().map_or(String::new(), |it| it.address.port().to_string());
    let mut arguments = vec![role];
    if service.is_some() {
        arguments.extend(["127.0.0.1", port.as_str(), "user", "secret"]);
    }
    let mut peer = Peer::start(&python, &arguments);
    let mut agent = Agent::new("ours", controlling, None);
    let reader = std::thread::spawn(move || (peer.offer(), peer));
    until(|| {
        service.iter_mut().for_each(Service::turn);
        agent.turn();
        reader.is_finished()
    });
    let ((credentials, candidates), mut peer) = reader.join().unwrap();
    peer.answer(&agent);
    agent.session.set_remote(Instant::now(), credentials, &candidates);
    let reader = std::thread::spawn(move || (peer.line(), peer));
    until(|| {
        service.iter_mut().for_each(Service::turn);
        agent.turn();
        reader.is_finished() && !agent.selected.is_empty()
    });
    let (line, _peer) = reader.join().unwrap();
    assert_eq!(line, ["connected"]);
    for data in [&b"\x16 one"[..], b"\x16 two", b"\x16 bye"] {
        agent.send(data);
        until(|| {
            service.iter_mut().for_each(Service::turn);
            agent.turn();
            agent.received.pop().is_some_and(|it| it == data)
        });
    }
    agent.selected.last().map(|it| it.remote_kind)
}

// R6940-6.5.1.10.1-01
#[test]
fn aioice_meets_us_when_we_control() {
    assert!(matches!(meet(true, None), None | Some(CandType::Host)));
}

// R6940-6.5.1.10.1-01
#[test]
fn aioice_meets_us_when_it_controls() {
    assert!(matches!(meet(false, None), None | Some(CandType::Host)));
}

// R6940-9-08
#[test]
fn aioice_is_relayed_by_our_service() {
    for controlling in [true, false] {
        let service = Service::new("user", "secret");
        let kind = meet(controlling, Some(service));
        assert!(matches!(kind, None | Some(CandType::Relay)), "{kind:?}");
    }
}

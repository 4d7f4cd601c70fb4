//! The default engine against `openssl s_client` and `s_server` as processes, over loopback. Without the
//! program these are skipped, and failures with RELOAD_TEST_TOOLS=require.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reload_link::{DtlsEngine, DtlsEvent, DtlsIdentity, DtlsRole, Hello, HelloGate};
use tempfile::TempDir;

use crate::dtls_rig::{Authority, KINDS, Kind, engine, settings};

const PATIENCE: Duration = Duration::from_secs(20);

fn has_openssl() -> bool {
    let run = Command::new("openssl").arg("version").output();
    if run.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let required = std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require");
    assert!(!required, "openssl is required and not there");
    eprintln!("skipped: no openssl");
    false
}

// R6940-6.5.1.13-03
#[test]
fn an_openssl_client_connects_to_our_server() {
    if !has_openssl() {
        return;
    }
    let small = ["-mtu", "300"];
    let srtp = ["-use_srtp", "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM"];
    for (kind, more) in
        KINDS.into_iter().flat_map(|kind| [&[][..], &small, &srtp].map(|m| (kind, m)))
    {
        let authority = Authority::new();
        let mut socket = Socket::new();
        let log = Log::default();
        let identity = log.of(authority.identity(kind));
        let mut ours =
            Party::new(engine(DtlsRole::Server, &identity, authority.check(), Instant::now()));
        let address = socket.address();
        let mut program = Program::client(&authority, &authority, kind, &address, more);
        ours.run(&mut socket, |ours| ours.connected());
        program.says("from openssl");
        ours.run(&mut socket, |ours| ours.data.contains("from openssl"));
        ours.send(&socket, b"from our server\n");
        program.hears("from our server");
        log.agrees_with(&program);
    }
}

#[test]
fn an_openssl_client_passes_the_gate_with_the_cookie_it_was_given() {
    if !has_openssl() {
        return;
    }
    let (authority, start) = (Authority::new(), Instant::now());
    let gate = HelloGate::new(&[9; 32], start);
    let mut socket = Socket::new();
    let address = socket.address();
    let mut program = Program::client(&authority, &authority, Kind::Ecdsa, &address, &[]);
    let (mut buffer, mut challenges) = ([0; 2048], 0);
    let proven = loop {
        assert!(start.elapsed() < PATIENCE);
        let Ok((length, from)) = socket.socket.recv_from(&mut buffer) else { continue };
        socket.peer = Some(from);
        match gate.judge(Instant::now(), from, &buffer[..length]) {
            Hello::Challenge(answer) => {
                challenges += 1;
                socket.socket.send_to(&answer, from).unwrap();
            }
            Hello::Proven(proven) => break proven,
            Hello::Noise => panic!("not a hello: {:?}", &buffer[..length]),
        }
    };
    assert!(challenges > 0);
    let identity = authority.identity(Kind::Rsa);
    let engine = proven.accept(&identity, authority.check(), &settings(), Instant::now()).unwrap();
    let mut ours = Party::new(engine);
    ours.run(&mut socket, |ours| ours.connected());
    program.says("through the gate");
    ours.run(&mut socket, |ours| ours.data.contains("through the gate"));
}

#[test]
fn our_client_connects_to_an_openssl_server() {
    if !has_openssl() {
        return;
    }
    for (kind, more) in KINDS.into_iter().flat_map(|kind| {
        [&["-mtu", "300"][..], &["-listen", "-mtu", "1200"]].map(|more| (kind, more))
    }) {
        let authority = Authority::new();
        let (mut program, address) = Program::server(&authority, kind, more);
        let mut socket = Socket::new();
        socket.peer = Some(address);
        let log = Log::default();
        let identity = log.of(authority.identity(kind));
        let mut ours =
            Party::new(engine(DtlsRole::Client, &identity, authority.check(), Instant::now()));
        ours.run(&mut socket, |ours| ours.connected());
        ours.send(&socket, b"from our client\n");
        program.hears("from our client");
        program.says("from openssl");
        ours.run(&mut socket, |ours| ours.data.contains("from openssl"));
        log.agrees_with(&program);
    }
}

// R6940-4.1-03
#[test]
fn an_openssl_client_of_another_authority_or_without_a_certificate_is_refused() {
    if !has_openssl() {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    for (shown, reason) in
        [(Some(&other), "another authority has signed it"), (None, "certificate")]
    {
        let mut socket = Socket::new();
        let identity = authority.identity(Kind::Ecdsa);
        let mut ours =
            Party::new(engine(DtlsRole::Server, &identity, authority.check(), Instant::now()));
        let address = socket.address();
        let mut program = match shown {
            Some(other) => Program::client(&authority, other, Kind::Ecdsa, &address, &[]),
            None => Program::start(&["s_client", "-dtls1_2", "-connect", &address]),
        };
        ours.run(&mut socket, |ours| ours.closed.is_some());
        let closed = ours.closed.expect("just seen");
        assert!(closed.contains(reason), "{closed}");
        program.hears("alert");
    }
}

/// Our end, driven by a real socket.
struct Party {
    engine: Box<dyn DtlsEngine>,
    events: Vec<DtlsEvent>,
    data: String,
    closed: Option<String>,
}

impl Party {
    fn new(engine: Box<dyn DtlsEngine>) -> Self {
        Self { engine, events: Vec::new(), data: String::new(), closed: None }
    }

    fn connected(&self) -> bool {
        matches!(self.events.first(), Some(DtlsEvent::Connected { .. }))
    }

    fn send(&mut self, socket: &Socket, data: &[u8]) {
        self.engine.send(Instant::now(), data).unwrap();
        self.flush(socket);
    }

    fn flush(&mut self, socket: &Socket) {
        while let Some(datagram) = self.engine.poll_transmit() {
            socket.socket.send_to(&datagram, socket.peer.unwrap()).unwrap();
        }
        while let Some(event) = self.engine.poll_event() {
            match &event {
                DtlsEvent::Data(data) => self.data.push_str(&String::from_utf8_lossy(data)),
                DtlsEvent::Closed { reason } => self.closed = Some(reason.clone()),
                DtlsEvent::Connected { .. } => {}
            }
            self.events.push(event);
        }
    }

    fn run(&mut self, socket: &mut Socket, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 65_536];
        self.flush(socket);
        while !done(self) {
            assert!(Instant::now() < deadline, "{:?} {}", self.events, self.data);
            if let Ok((length, from)) = socket.socket.recv_from(&mut buffer) {
                socket.peer = Some(from);
                self.engine.handle_datagram(Instant::now(), &buffer[..length]);
            }
            self.engine.handle_timeout(Instant::now());
            self.flush(socket);
        }
    }
}

struct Socket {
    socket: UdpSocket,
    peer: Option<SocketAddr>,
}

impl Socket {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { socket, peer: None }
    }

    fn address(&self) -> String {
        self.socket.local_addr().unwrap().to_string()
    }
}

/// What our key log was told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn of(&self, identity: DtlsIdentity) -> DtlsIdentity {
        let lines = self.0.clone();
        identity.with_key_log(Arc::new(move |line| lines.lock().unwrap().push(line.to_owned())))
    }

    fn agrees_with(&self, program: &Program) {
        let theirs = std::fs::read_to_string(program.folder.path().join("keys.log")).unwrap();
        let theirs: Vec<_> = theirs.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(*self.0.lock().unwrap(), theirs);
    }
}

/// A running openssl.
struct Program {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    heard: String,
    folder: TempDir,
}

impl Program {
    fn client(trust: &Authority, own: &Authority, kind: Kind, to: &str, more: &[&str]) -> Self {
        let arguments = ["s_client", "-dtls1_2", "-verify_return_error", "-connect", to];
        Self::with_files(trust, own, kind, &[&arguments, more].concat())
    }

    fn server(authority: &Authority, kind: Kind, more: &[&str]) -> (Self, SocketAddr) {
        let arguments = [
            "s_server",
            "-dtls1_2",
            "-verify_return_error",
            "-Verify",
            "2",
            "-accept",
            "127.0.0.1:0",
        ];
        let mut program =
            Self::with_files(authority, authority, kind, &[&arguments, more].concat());
        program.hears("ACCEPT 127.0.0.1:");
        let (_, port) = program.heard.split_once("ACCEPT 127.0.0.1:").unwrap();
        let port = port.lines().next().unwrap().trim().parse().unwrap();
        (program, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn with_files(trust: &Authority, own: &Authority, kind: Kind, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let leaf = own.leaf(kind);
        let key = write(folder.path(), "key.pem", &leaf.key.serialize_pem());
        let certificate = write(folder.path(), "cert.pem", &leaf.certificate_pem);
        let authority = write(folder.path(), "ca.pem", &trust.pem());
        let log = folder.path().join("keys.log").display().to_string();
        let files =
            ["-key", &key, "-cert", &certificate, "-CAfile", &authority, "-keylogfile", &log];
        let mut program = Self::start(&[arguments, &files].concat());
        program.folder = folder;
        program
    }

    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
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
        Self { child, input, output, heard: String::new(), folder: TempDir::new().unwrap() }
    }

    fn says(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn hears(&mut self, text: &str) {
        while !self.heard.contains(text) {
            match self.output.recv_timeout(PATIENCE) {
                Ok(line) => self.heard = format!("{}{line}\n", self.heard),
                Err(_) => panic!("openssl never said {text:?}:\n{}", self.heard),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

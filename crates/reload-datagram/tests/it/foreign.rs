//! Everything of another make at the other end, over real sockets of the loopback interface: ICE by
//! `aioice`, and over the pair that it finds DTLS by `openssl`, with a certificate of the overlay.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_datagram::{Endpoint, EndpointOutput, EndpointSettings, SocketId};
use reload_identity::Credentials;
use reload_link::LinkSettings;
use reload_node::{Gathering, IceGathering, LinkEvent, LinkId, LinkPurpose, Plan, Security, Way};
use reload_wire::{Dialect, IceCandidate, NodeId, Now};

use crate::certificates::{Overlay, WALL, identity};
use crate::foreign_programs::{Agent, OpenSsl, has_openssl, python};

const PATIENCE: Duration = Duration::from_secs(30);
const UFRAG: &str = "oursXYZ";
const PASSWORD: &str = "ourPasswordThatIsLong123";

/// A private application: its link carries datagrams as they are.
const APPLICATION: u16 = 61_443;

/// An endpoint on real sockets, with one link.
struct Ours {
    endpoint: Endpoint,
    start: Instant,
    link: LinkId,
    sockets: BTreeMap<SocketId, UdpSocket>,
    candidates: Option<Vec<IceCandidate>>,
    up: Option<NodeId>,
    down: Option<String>,
    received: Vec<u8>,
}

#[expect(clippy::disallowed_methods, reason = "the clock of the driver")]
fn clock() -> Instant {
    Instant::now()
}

fn open() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

impl Ours {
    fn new(overlay: &Overlay, credentials: &Credentials) -> Self {
        let settings = EndpointSettings::new(LinkSettings::new(Dialect::default(), 5000));
        let endpoint = Endpoint::new(settings, identity(credentials), overlay.trust(), [5; 32]);
        let mut ours = Self {
            endpoint,
            start: clock(),
            link: LinkId::planned(1),
            sockets: BTreeMap::new(),
            candidates: None,
            up: None,
            down: None,
            received: Vec::new(),
        };
        ours.open(SocketId::OVERLAY);
        ours
    }

    /// The wall clock of the tests' certificates, moving with the real one.
    fn now(&self) -> Now {
        Now { mono: self.start, wall: WALL }.after(self.start.elapsed())
    }

    fn open(&mut self, id: SocketId) {
        let socket = open();
        let address = socket.local_addr().unwrap();
        self.sockets.insert(id, socket);
        self.endpoint.set_addresses(self.now(), id, vec![address]);
    }

    fn gather(&mut self, controlling: bool) {
        let (ufrag, password) = (Bytes::from(UFRAG), Bytes::from(PASSWORD));
        let ice = Some(IceGathering { ufrag, password, controlling });
        let purpose = LinkPurpose::Application(APPLICATION);
        let now = self.now();
        self.endpoint.gather(now, self.link, Gathering { purpose, ice, own_socket: true });
    }

    fn connect(&mut self, agent: &Agent, expected: NodeId) {
        let (ufrag, password) = (agent.ufrag.clone(), agent.password.clone());
        let way = Way::Ice { ufrag, password, candidates: agent.candidates.clone() };
        let now = self.now();
        let deadline = now.mono + PATIENCE;
        let security = Security::Handshake(Some(expected));
        self.endpoint.connect(now, self.link, Plan { way, security, deadline });
    }

    /// Takes what has come, does what is due, and waits a little.
    fn turn(&mut self) {
        let mut buffer = [0; 2048];
        let mut came = Vec::new();
        for (id, socket) in &self.sockets {
            let local = socket.local_addr().unwrap();
            loop {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => came.push((*id, local, from, buffer[..length].to_vec())),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {} // an ICMP error of a datagram sent before
                }
            }
        }
        for (id, local, from, data) in came {
            self.endpoint.handle_datagram(self.now(), id, local, from, &data);
        }
        if self.drain().is_some_and(|due| due <= self.now().mono) {
            self.endpoint.handle_timeout(self.now());
            self.drain();
        }
        std::thread::sleep(Duration::from_millis(2));
    }

    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.endpoint.poll_output() {
                EndpointOutput::Transmit { socket, remote, data, .. } => {
                    let _ = self.sockets[&socket].send_to(&data, remote);
                }
                EndpointOutput::OpenSocket(id) => self.open(id),
                EndpointOutput::CloseSocket(id) => drop(self.sockets.remove(&id)),
                EndpointOutput::Accepted(link, _) => panic!("nobody dials us: {link:?}"),
                EndpointOutput::Link(_, LinkEvent::Candidates(it)) => self.candidates = Some(it),
                EndpointOutput::Link(_, LinkEvent::Up { certificate, .. }) => {
                    self.up = Some(certificate.node_id());
                }
                EndpointOutput::Link(_, LinkEvent::Down { reason, .. }) => self.down = Some(reason),
                EndpointOutput::Link(..) => {}
                EndpointOutput::Application(_, data) => self.received.extend(data),
                EndpointOutput::Moved(..) => {}
                EndpointOutput::Idle(due) => return due,
            }
        }
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now().mono + PATIENCE;
        while !done(self) {
            assert!(self.now().mono < end, "not {what}: {:?}", self.endpoint.links(self.now()));
            assert_eq!(self.down, None, "not {what}");
            self.turn();
        }
    }
}

/// Issues credentials of one kind.
type Make = fn(&Overlay) -> Credentials;

/// ICE, DTLS and a datagram each way. We control, and are the DTLS server, or neither.
fn meet(python: &str, controlling: bool, kinds: [Make; 2]) {
    let overlay = Overlay::new();
    let [own, theirs] = kinds.map(|make| make(&overlay));
    let server = (!controlling).then(|| OpenSsl::server(&overlay, &theirs));
    let mut agent = Agent::start(python, server.as_ref().map(|it| it.1));
    let mut ours = Ours::new(&overlay, &own);
    ours.gather(controlling);
    ours.until("gathered", |ours| ours.candidates.is_some());
    agent.answer(UFRAG, PASSWORD, &ours.candidates.clone().unwrap());
    ours.connect(&agent, theirs.node_id());
    let mut bridge = None;
    ours.until("through by ICE", |_| {
        bridge = agent.connected();
        bridge.is_some()
    });
    let mut openssl = match server {
        Some((server, _)) => server,
        None => OpenSsl::client(&overlay, &theirs, bridge.unwrap()),
    };
    ours.until("up", |ours| {
        assert!(openssl.program.has_said("verify error").is_none(), "{}", openssl.program.story());
        ours.up.is_some()
    });
    assert_eq!(ours.up, Some(theirs.node_id()));
    let data = Bytes::from_static(b"a datagram of ours\n");
    ours.endpoint.send(ours.now(), ours.link, data).unwrap();
    ours.until("heard", |_| openssl.program.has_said("a datagram of ours").is_some());
    openssl.program.says("a datagram of theirs");
    ours.until("answered", |ours| ours.received == b"a datagram of theirs\n");
}

fn meet_each(controlling: bool) {
    let Some(python) = python().filter(|_| has_openssl()) else { return };
    let all: [[Make; 2]; 3] = [
        [Overlay::node, Overlay::node],
        [Overlay::rsa_node, Overlay::node],
        [Overlay::node, Overlay::rsa_node],
    ];
    for kinds in all {
        meet(&python, controlling, kinds);
    }
}

// R6940-6.5.1.13-01 R6940-6.5.1.13-03 R6940-6.5.1.10.1-01
#[test]
fn we_control_an_agent_and_serve_dtls_to_a_client_that_are_not_ours() {
    meet_each(true);
}

// R6940-6.5.1.13-02 R6940-6.5.1.13-03 R6940-6.5.1.10.1-01
#[test]
fn an_agent_that_is_not_ours_controls_us_and_its_dtls_server_gets_our_hello() {
    meet_each(false);
}

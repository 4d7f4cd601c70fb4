//! The least driver there is: sessions and a TURN service on real sockets of the loopback interface.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_ice::{
    IceCredentials, IceEvent, IceSession, IceSettings, RelaySocket, SelectedPair, TurnLogin,
    TurnOutput, TurnQuotas, TurnService, answer_binding,
};
use reload_wire::IceCandidate;

/// A session on a socket of its own.
pub(crate) struct Agent {
    pub(crate) session: IceSession,
    pub(crate) credentials: IceCredentials,
    pub(crate) candidates: Option<Vec<IceCandidate>>,
    pub(crate) selected: Vec<SelectedPair>,
    pub(crate) received: Vec<Bytes>,
    socket: UdpSocket,
    local: SocketAddr,
}

impl Agent {
    pub(crate) fn new(name: &str, controlling: bool, turn: Option<TurnLogin>) -> Self {
        let (socket, local) = open();
        let credentials =
            IceCredentials::new(&format!("{name}Ufrag"), &format!("{name}PasswordThatIsLong123"));
        let mut settings = IceSettings::new(credentials.clone(), controlling, vec![local]);
        settings.stun_servers = turn.iter().map(|it| it.server).collect();
        settings.turn_servers = turn.into_iter().collect();
        let session = IceSession::new(Instant::now(), settings, [u8::from(controlling) + 1; 32]);
        let (candidates, selected, received) = (None, Vec::new(), Vec::new());
        Self { session, credentials, candidates, selected, received, socket, local }
    }

    pub(crate) fn turn(&mut self) {
        let now = Instant::now();
        let mut buffer = [0; 2048];
        while let Some((length, remote)) = receive(&self.socket, &mut buffer) {
            let data = &buffer[..length];
            if self.session.accepts(self.local, remote, data) {
                let arrived = self.session.handle_datagram(now, self.local, remote, data);
                self.received.extend(arrived.map(|it| it.data));
            }
        }
        if self.session.next_timeout().is_some_and(|it| it <= now) {
            self.session.handle_timeout(now);
        }
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        while let Some(it) = self.session.poll_transmit() {
            assert_eq!(it.local, self.local);
            let _ = self.socket.send_to(&it.data, it.remote);
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                IceEvent::Gathered(it) => self.candidates = Some(it),
                IceEvent::Selected(it) => self.selected.push(it),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn send(&mut self, data: &[u8]) {
        self.session.send(Instant::now(), data);
        self.flush();
    }
}

/// A TURN service on real sockets.
pub(crate) struct Service {
    pub(crate) service: TurnService,
    pub(crate) address: SocketAddr,
    socket: UdpSocket,
    relays: BTreeMap<RelaySocket, UdpSocket>,
}

impl Service {
    pub(crate) fn new(username: &str, password: &str) -> Self {
        let (socket, address) = open();
        let now = Instant::now();
        let quotas = TurnQuotas { allow_loopback: true, ..TurnQuotas::default() };
        let mut service = TurnService::new(now, address, "example.org", quotas, [4; 32]);
        assert!(service.add_user(now, username, password, Duration::from_secs(600)));
        Self { service, address, socket, relays: BTreeMap::new() }
    }

    pub(crate) fn turn(&mut self) {
        let now = Instant::now();
        let mut buffer = [0; 2048];
        while let Some((length, remote)) = receive(&self.socket, &mut buffer) {
            let data = &buffer[..length];
            if self.service.accepts(remote, data) {
                self.service.handle_datagram(now, remote, data);
            } else if let Some(answer) = answer_binding(data, remote) {
                let _ = self.socket.send_to(&answer, remote);
            }
        }
        for (name, socket) in &self.relays {
            while let Some((length, remote)) = receive(socket, &mut buffer) {
                self.service.handle_relay_datagram(now, *name, remote, &buffer[..length]);
            }
        }
        while let Some(output) = self.service.poll_output() {
            match output {
                TurnOutput::AllocateSocket(name) => {
                    let (socket, address) = open();
                    self.relays.insert(name, socket);
                    self.service.handle_allocated(now, name, Some(address));
                }
                TurnOutput::CloseSocket(name) => drop(self.relays.remove(&name)),
                TurnOutput::ToClient { remote, data } => {
                    let _ = self.socket.send_to(&data, remote);
                }
                TurnOutput::ToPeer { socket, remote, data } => {
                    if let Some(socket) = self.relays.get(&socket) {
                        let _ = socket.send_to(&data, remote);
                    }
                }
            }
        }
    }
}

/// Takes turns until the condition holds; fails after twenty seconds.
pub(crate) fn until(mut turn: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !turn() {
        assert!(Instant::now() < end, "not done in time");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

pub(crate) fn open() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let local = socket.local_addr().unwrap();
    (socket, local)
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket.recv_from(buffer) {
        Ok(it) => Some(it),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None, // of an earlier datagram
        Err(error) => panic!("{error}"),
    }
}

/// Why a test is skipped; with RELOAD_TEST_TOOLS=require that is a failure.
pub(crate) fn skip(what: &str) {
    let required = std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require");
    assert!(!required, "{what} is missing and RELOAD_TEST_TOOLS=require");
    eprintln!("skipped: {what} is missing");
}

#[test]
fn two_sessions_meet_on_loopback() {
    let mut agents = [Agent::new("left", true, None), Agent::new("right", false, None)];
    connect(&mut agents, |_| true, || ());
    for agent in &agents {
        let pair = agent.selected.last().unwrap();
        assert!(pair.local.ip().is_loopback() && pair.remote.ip().is_loopback());
    }
    exchange(&mut agents, || ());
}

/// Hands candidates over and waits for both to select; `between` is whoever else needs turns.
pub(crate) fn connect(
    agents: &mut [Agent; 2],
    pass: impl Fn(&IceCandidate) -> bool,
    mut between: impl FnMut(),
) {
    until(|| {
        between();
        agents.iter_mut().for_each(Agent::turn);
        agents.iter().all(|it| it.candidates.is_some())
    });
    for i in 0..2 {
        let credentials = agents[1 - i].credentials.clone();
        let mut candidates = agents[1 - i].candidates.clone().unwrap();
        candidates.retain(&pass);
        agents[i].session.set_remote(Instant::now(), credentials, &candidates);
    }
    until(|| {
        between();
        agents.iter_mut().for_each(Agent::turn);
        agents.iter().all(|it| !it.selected.is_empty())
    });
}

/// Twenty datagrams each way.
pub(crate) fn exchange(agents: &mut [Agent; 2], mut between: impl FnMut()) {
    for n in 0..20 {
        let data = format!("\x16 record {n}");
        for i in 0..2 {
            agents[i].send(data.as_bytes());
            until(|| {
                between();
                agents.iter_mut().for_each(Agent::turn);
                agents[1 - i].received.pop().is_some_and(|it| it == data.as_bytes())
            });
        }
    }
}

//! ICE alone behind the NATs of the kernel: sessions of `reload-ice` on sockets of the homes, with a
//! STUN server of ours and coturn, no overlay.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reload_e2e::netns::{Coturn, Host, Nat};
use reload_ice::{
    IceCredentials, IceEvent, IceReport, IceSession, IceSettings, SelectedPair, TurnLogin,
    answer_binding,
};
use reload_wire::{CandType, IceCandidate};

use super::town::{Access, Citizen, Streets};

/// Gathering, all checks and the switch to the best pair.
const LIMIT: Duration = Duration::from_secs(30);

/// After the first pair a better one may be found for this long.
const BETTER: Duration = Duration::from_secs(1);

/// How long the loop sleeps when nothing comes.
const PAUSE: Duration = Duration::from_millis(2);

const CITIZENS: [Citizen; 7] = [
    Citizen::new("alice", Access::Public),
    Citizen::new("bob", Access::Behind(Nat::FullCone)),
    Citizen::new("carol", Access::Behind(Nat::AddressRestricted)),
    Citizen::new("dave", Access::Behind(Nat::PortRestricted)),
    Citizen::new("erin", Access::Behind(Nat::Symmetric)),
    Citizen::new("frank", Access::Behind(Nat::Symmetric)),
    Citizen::new("grace", Access::Twice(Nat::PortRestricted, Nat::PortRestricted)),
];

/// A session on a socket.
struct Agent {
    socket: UdpSocket,
    local: SocketAddr,
    session: IceSession,
    credentials: IceCredentials,
    gathered: Option<Vec<IceCandidate>>,
    selected: Option<SelectedPair>,
    arrived: Vec<Vec<u8>>,
}

impl Agent {
    fn new(host: &Host, number: u8, stun: SocketAddr, turn: Option<TurnLogin>) -> Result<Self> {
        let socket = host.udp(host.address(), 0)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let name = format!("agent{number}");
        let credentials = IceCredentials::new(&name, "a password of more than 22 characters");
        let mut settings = IceSettings::new(credentials.clone(), number == 0, vec![local]);
        settings.stun_servers = vec![stun];
        settings.turn_servers = turn.into_iter().collect();
        let session = IceSession::new(Instant::now(), settings, [number; 32]);
        let (gathered, selected, arrived) = (None, None, Vec::new());
        Ok(Self { socket, local, session, credentials, gathered, selected, arrived })
    }

    /// Takes what has come and sends what is due.
    fn turn(&mut self) -> Result<()> {
        let now = Instant::now();
        let mut buffer = [0; 2048];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, remote)) => {
                    let data = &buffer[..length];
                    let arrived = self.session.handle_datagram(now, self.local, remote, data);
                    self.arrived.extend(arrived.map(|arrived| arrived.data.to_vec()));
                }
                // ICMP tells of an earlier datagram.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
        self.session.handle_timeout(now);
        while let Some(it) = self.session.poll_transmit() {
            // A host that is not there is as good as a lost datagram.
            let _ = self.socket.send_to(&it.data, it.remote);
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                IceEvent::Gathered(candidates) => self.gathered = Some(candidates),
                IceEvent::Selected(pair) => self.selected = Some(pair),
                IceEvent::ConsentLost => bail!("consent is lost"),
                IceEvent::Failed { tried } => bail!("failed: {tried:?}"),
            }
        }
        Ok(())
    }
}

/// Two sessions, the first one controlling, until both have a pair for a while.
fn connect(agents: &mut [Agent; 2]) -> Result<()> {
    let begin = Instant::now();
    let (mut told, mut since) = (false, None);
    while since.is_none_or(|since: Instant| since.elapsed() < BETTER) {
        ensure!(begin.elapsed() < LIMIT, "no pair within {LIMIT:?}");
        for agent in &mut *agents {
            agent.turn()?;
        }
        let [one, other] = &mut *agents;
        if let (false, Some(ours), Some(theirs)) = (told, &one.gathered, &other.gathered) {
            let now = Instant::now();
            one.session.set_remote(now, other.credentials.clone(), theirs);
            other.session.set_remote(now, one.credentials.clone(), ours);
            told = true;
        }
        if since.is_none() && one.selected.is_some() && other.selected.is_some() {
            since = Some(Instant::now());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Something of each gets to the other.
fn talk(agents: &mut [Agent; 2]) -> Result<()> {
    let begin = Instant::now();
    // The first byte is none of STUN or of a channel (RFC 7983).
    let said = b"\x16 hello".to_vec();
    for agent in &mut *agents {
        agent.session.send(Instant::now(), &said);
    }
    while agents.iter().any(|agent| agent.arrived.is_empty()) {
        ensure!(begin.elapsed() < BETTER, "nothing gets through the pair");
        for agent in &mut *agents {
            agent.turn()?;
        }
        std::thread::sleep(PAUSE);
    }
    ensure!(agents.iter().all(|agent| agent.arrived[0] == said), "something else");
    Ok(())
}

#[test]
#[ignore = "takes a minute: run by `cargo xtask e2e`"]
fn ice_finds_the_direct_way_where_there_is_one_and_a_relay_where_there_is_none() {
    let Some(streets) = Streets::build(&CITIZENS) else { return };
    let Some(coturn) = &streets.coturn else { return };
    let stun = streets.machines[0].udp(streets.machines[0].address(), 0).unwrap();
    stun.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let at = stun.local_addr().unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&stun, &over));
        let result = std::panic::catch_unwind(|| all_pairs(&streets, at, coturn));
        over.store(true, Ordering::Relaxed);
        result.unwrap();
    });
}

fn serve(stun: &UdpSocket, over: &AtomicBool) {
    let mut buffer = [0; 1500];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = stun.recv_from(&mut buffer) else { continue };
        if let Some(answer) = answer_binding(&buffer[..length], from) {
            // Whoever asked asks again.
            let _ = stun.send_to(&answer, from);
        }
    }
}

fn all_pairs(streets: &Streets, stun: SocketAddr, coturn: &Coturn) {
    let count = CITIZENS.len();
    let mut wrong = Vec::new();
    for (from, one) in CITIZENS.iter().enumerate() {
        for (to, other) in CITIZENS.iter().enumerate().filter(|(to, _)| *to != from) {
            let names =
                format!("{} ({}) - {} ({})", one.name, one.access, other.name, other.access);
            let hosts = [&streets.machines[from], &streets.machines[to]];
            match pair(hosts, stun, coturn) {
                Ok((pairs, took)) => {
                    let at = coturn.address().ip();
                    let relayed = pairs.iter().any(|pair| {
                        [pair.local_kind, pair.remote_kind].contains(&CandType::Relay)
                            || pair.remote.ip() == at
                    });
                    println!("  {names}: {} after {took:?}", shown(&pairs[0]));
                    if relayed != one.access.needs_relay(other.access) {
                        wrong.push(format!("{names}: {pairs:?}"));
                    }
                }
                Err(error) => wrong.push(format!("{names}: {error:#}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), count * (count - 1), wrong.join("\n"));
}

fn pair(
    hosts: [&Host; 2],
    stun: SocketAddr,
    coturn: &Coturn,
) -> Result<([SelectedPair; 2], Duration)> {
    let (username, password) = coturn.user();
    let login = || {
        let (username, password) = (username.to_owned(), password.to_owned());
        Some(TurnLogin { server: coturn.address(), username, password })
    };
    let one = Agent::new(hosts[0], 0, stun, login())?;
    let other = Agent::new(hosts[1], 1, stun, login())?;
    let mut agents = [one, other];
    let begin = Instant::now();
    let report = |agents: &[Agent; 2]| -> Vec<IceReport> {
        agents.iter().map(|agent| agent.session.report()).collect()
    };
    let done = connect(&mut agents);
    done.with_context(|| format!("{:#?}", report(&agents)))?;
    let took = begin.elapsed() - BETTER;
    talk(&mut agents).with_context(|| format!("{:#?}", report(&agents)))?;
    let [one, other] = &agents;
    let pairs = [one.selected.context("no pair")?, other.selected.context("no pair")?];
    Ok((pairs, took))
}

fn shown(pair: &SelectedPair) -> String {
    format!("{:?} - {:?}", pair.local_kind, pair.remote_kind)
}

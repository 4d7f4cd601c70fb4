//! A sequence of link events, messages, timeouts and requests into a node. Messages come raw, or with
//! a good signature of one of three peers, so that what is behind the checks is reached too.
//!
//! Rules: no panic, the node comes to rest after every input, and asks to be woken after `now`.

mod inject;
mod peers;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use reload_chord::{Chord, ChordConfig};
use reload_node::{
    Event, Limits, LinkEvent, LinkId, NewValue, Node, Offer, Output, Place, Request, Role, Setup,
    Specifier, Start,
};
use reload_storage::MemoryStore;
use reload_wire::{
    CandType, DataValue, Destination, ForwardingHeader, IceCandidate, IpAddressPort, KindId,
    ModelSpecifier, NodeId, Now, OverlayLinkType, ProbeInformationType,
};

use crate::link::beginning;
use crate::script::Script;
use peers::{KINDS, PEERS, Peers, peers};

/// Inputs of one script; the rest of the bytes is not used.
const STEPS: usize = 48;
/// Outputs after one input, at most: far above what any single input asks for.
const OUTPUTS: usize = 4096;
/// Set in the number of candidates of ICE.
const BY_ICE: u8 = 0x80;
/// The first of three applications; two are offered.
const APPLICATION: u16 = 61_443;
/// Sent messages that an answer can be made for.
const REMEMBERED: usize = 8;

/// Plays a script into a node.
pub fn node_inputs(data: &[u8]) {
    let mut script = Script(data);
    let choice = script.or_zero();
    let mut play = Play::new(peers(choice & 8 != 0), choice);
    play.drain();
    for _ in 0..STEPS {
        let Some(step) = script.byte() else { break };
        play.step(step, &mut script);
        play.drain();
    }
    play.rest();
}

/// A node and what the script has done with it.
struct Play<'a> {
    peers: &'a Peers,
    node: Node<Chord, MemoryStore>,
    now: Now,
    /// Links that the node knows of, in the order in which they came.
    links: Vec<LinkId>,
    accepted: u64,
    /// What the node sent last, newest last.
    sent: Vec<Bytes>,
    deadline: Option<std::time::Instant>,
}

impl<'a> Play<'a> {
    fn new(peers: &'a Peers, choice: u8) -> Self {
        let now = Now { mono: beginning(), wall: reload_sim::BEGINNING };
        let role = if choice & 1 == 0 { Role::Peer } else { Role::Client };
        let chord = Chord::new(&ChordConfig::new(peers.own.node_id(), chord_role(role), 1))
            .expect("Node-IDs here have 16 bytes");
        let setup = Setup {
            credentials: peers.own.clone(),
            configuration: peers.overlay.configuration.clone(),
            trust: peers.overlay.trust.clone(),
            role,
            seed: [7; 32],
            lists: reload_node::ListCompression::Off,
            limits: small_limits(),
        };
        let mut node = Node::new(now, setup, chord, MemoryStore::new());
        node.offer(APPLICATION, Offer::Connect);
        node.offer(APPLICATION + 1, Offer::Ask);
        let bootstrap = if choice & 2 == 0 { Vec::new() } else { vec![address(9)] };
        node.start(now, Start { bootstrap, first: choice & 4 == 0 });
        let (links, sent) = (Vec::new(), Vec::new());
        Self { peers, node, now, links, accepted: 0, sent, deadline: None }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 12 {
            0 => self.up(script),
            1 => self.message(script),
            2 => self.request_from_peer(script),
            3 => self.answer_from_peer(script),
            4 => self.store_from_peer(script),
            5 => self.wait(Duration::from_millis(u64::from(script.uint16()))),
            6 => self.wait_for_deadline(),
            7 => self.trouble(script),
            8 => self.ask(script),
            9 => self.fragment(script),
            10 => self.wait(Duration::from_secs(u64::from(script.uint16()))),
            _ => self.odd(script),
        }
    }

    /// A link comes up: one that was planned, or a new one.
    fn up(&mut self, script: &mut Script<'_>) {
        let peer = usize::from(script.or_zero()) % PEERS;
        let planned = script.or_zero();
        let link = self.link(planned).filter(|_| planned < 128).unwrap_or_else(|| {
            self.accepted += 1;
            self.links.push(LinkId::accepted(self.accepted));
            LinkId::accepted(self.accepted)
        });
        let certificate = self.peers.others[peer].certificate().clone();
        self.tell(
            link,
            LinkEvent::Up { certificate, remote: address(script.or_zero()), mtu: None },
        );
    }

    /// Bytes as they are.
    fn message(&mut self, script: &mut Script<'_>) {
        let Some(link) = self.link(script.or_zero()) else { return };
        self.tell(link, LinkEvent::Message(Bytes::copy_from_slice(script.bytes())));
    }

    /// The link fails, comes back, ends, or brings too much.
    fn trouble(&mut self, script: &mut Script<'_>) {
        let Some(link) = self.link(script.or_zero()) else { return };
        let unacknowledged = self.sent.clone();
        let event = match script.or_zero() % 5 {
            0 => LinkEvent::Failing { unacknowledged },
            1 => LinkEvent::Restored,
            2 => LinkEvent::Down { reason: "a script".to_owned(), unacknowledged },
            3 => match self.header(script) {
                Some(header) => LinkEvent::TooLarge(header),
                None => return,
            },
            _ => LinkEvent::Candidates(candidates(script.or_zero())),
        };
        self.tell(link, event);
    }

    /// The application asks for something.
    fn ask(&mut self, script: &mut Script<'_>) {
        let to = vec![self.destination(script.or_zero())];
        let resource = self.node.resource_id(&[script.or_zero()]);
        let kind = self.kind(script.or_zero());
        let which = match script.or_zero() % 3 {
            0 => ModelSpecifier::Single,
            1 => ModelSpecifier::Array(Vec::new()),
            _ => ModelSpecifier::Dictionary(Vec::new()),
        };
        let specifiers = vec![Specifier { kind, generation: 0, which }];
        let application = APPLICATION + u16::from(script.or_zero() % 3);
        let request = match script.or_zero() % 10 {
            0 => Request::Ping { to, padding: script.uint16() },
            1 => Request::Probe { to, information: vec![ProbeInformationType(script.or_zero())] },
            2 => Request::RouteQuery { to, target: self.destination(script.or_zero()) },
            3 => Request::Fetch { resource, specifiers },
            4 => Request::Stat { resource, specifiers },
            5 => Request::Find { resource, kinds: vec![kind] },
            6 => Request::Attach { to },
            7 => {
                Request::AppAttach { to, application, connect: script.or_zero().is_multiple_of(2) }
            }
            _ => Request::Store { resource, values: vec![new_value(kind, script)] },
        };
        // `Busy` is an answer like any other.
        let _ = self.node.request(self.now, request);
    }

    /// What a driver should not do, and a hurried one does.
    fn odd(&mut self, script: &mut Script<'_>) {
        match script.or_zero() % 3 {
            0 => self.node.leave(self.now),
            1 => self.node.handle_timeout(self.now),
            _ => self.tell(LinkId::planned(u64::from(script.or_zero())), LinkEvent::Restored),
        }
    }

    fn tell(&mut self, link: LinkId, event: LinkEvent) {
        self.node.handle_link(self.now, link, event);
    }

    fn link(&self, number: u8) -> Option<LinkId> {
        let number = usize::from(number).checked_rem(self.links.len())?;
        self.links.get(number).copied()
    }

    fn kind(&self, number: u8) -> KindId {
        KINDS[usize::from(number) % KINDS.len()]
    }

    fn destination(&self, number: u8) -> Destination {
        match number % 6 {
            0 => Destination::Node(self.peers.own.node_id()),
            1 => Destination::Node(NodeId::wildcard(self.peers.own.node_id().length())),
            2 => Destination::Resource(self.node.resource_id(&[number])),
            3 => Destination::Opaque(Bytes::copy_from_slice(&[number; 4])),
            _ => Destination::Node(self.peers.others[usize::from(number) % PEERS].node_id()),
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
        if self.deadline.is_some_and(|at| at <= self.now.mono) {
            self.node.handle_timeout(self.now);
        }
    }

    fn wait_for_deadline(&mut self) {
        let Some(at) = self.deadline else { return };
        self.now = self.now.after(at.saturating_duration_since(self.now.mono));
        self.node.handle_timeout(self.now);
    }

    /// Does what the node asks for, down to its rest.
    fn drain(&mut self) {
        for _ in 0..OUTPUTS {
            match self.node.poll_output() {
                Output::Gather(link, gathering) => {
                    self.links.push(link);
                    let number = if gathering.ice.is_some() { BY_ICE | 1 } else { 1 };
                    self.tell(link, LinkEvent::Candidates(candidates(number)));
                }
                Output::Connect(link, _) => self.links.push(link),
                Output::Send(_, message) => self.remember(message),
                Output::Close(link) => self.links.retain(|known| *known != link),
                Output::Crypto(id, job) => self.node.handle_crypto(self.now, id, job.run()),
                Output::Event(Event::Configured { .. }) => panic!("nobody signed a configuration"),
                Output::Event(_) => {}
                Output::Idle(deadline) => {
                    self.deadline = deadline.map(|deadline| deadline.at);
                    return;
                }
            }
        }
        panic!("no rest after {OUTPUTS} outputs");
    }

    fn remember(&mut self, message: Bytes) {
        let dialect = self.node.configuration().dialect();
        let header = ForwardingHeader::split(&dialect, &message);
        assert!(header.is_ok(), "the node sends what is no message: {message:x}");
        if self.sent.len() >= REMEMBERED {
            self.sent.remove(0);
        }
        self.sent.push(message);
    }

    /// Every deadline lies ahead of the timeout that was handled before it.
    fn rest(&mut self) {
        let _ = self.node.status(self.now);
        for _ in 0..16 {
            let Some(at) = self.deadline else { return };
            self.wait_for_deadline();
            self.drain();
            assert!(self.deadline.is_none_or(|next| next > at), "woken for nothing");
        }
    }
}

fn chord_role(role: Role) -> reload_chord::Role {
    match role {
        Role::Peer => reload_chord::Role::Peer,
        Role::Client => reload_chord::Role::Client { dialable: true },
    }
}

/// Bounds that a script can reach.
fn small_limits() -> Limits {
    Limits {
        links: 6,
        transactions: 24,
        checks_per_link: 4,
        answers: 8,
        fragment_bytes: 4096,
        certificates: 4,
        ..Limits::default()
    }
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, number], 6084))
}

fn candidates(number: u8) -> Vec<IceCandidate> {
    let candidate = IceCandidate {
        addr_port: IpAddressPort::from(address(number)),
        overlay_link: match number & BY_ICE {
            0 => OverlayLinkType::TLS_TCP_FH_NO_ICE,
            _ => OverlayLinkType::DTLS_UDP_SR,
        },
        foundation: Bytes::from_static(b"1"),
        priority: 1,
        kind: CandType::Host,
        related: None,
        extensions: Vec::new(),
    };
    vec![candidate; usize::from(number % BY_ICE % 3)]
}

fn new_value(kind: KindId, script: &mut Script<'_>) -> NewValue {
    let place = match script.or_zero() % 3 {
        0 => Place::Single,
        1 => Place::Index(script.uint32()),
        _ => Place::Key(Bytes::copy_from_slice(&script.uint16().to_be_bytes())),
    };
    let (lifetime, generation) = (script.uint32(), u64::from(script.or_zero()));
    let value = DataValue {
        exists: !script.or_zero().is_multiple_of(4),
        value: Bytes::copy_from_slice(script.bytes()),
    };
    NewValue { kind, generation, place, value, lifetime, storage_time: None }
}

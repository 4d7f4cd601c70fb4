//! One endpoint with its sockets, and what must hold of all it says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use reload_datagram::{Endpoint, EndpointOutput, EndpointSettings, Limits, SocketId};
use reload_link::LinkSettings;
use reload_node::{LinkEvent, LinkId};
use reload_wire::{Dialect, IceCandidate, Now};

use super::Way;
use super::overlay::overlay;

/// What one input asks for, at most.
const OUTPUTS: usize = 1024;
/// Handshakes of strangers.
pub(super) const HALF_OPEN: usize = 4;
const PORT: u16 = 6084;

/// From, to, bytes.
pub(super) type Packet = (SocketAddr, SocketAddr, Bytes);

pub(super) struct Host {
    pub(super) endpoint: Endpoint,
    pub(super) ip: IpAddr,
    pub(super) ports: BTreeMap<SocketId, u16>,
    pub(super) candidates: BTreeMap<LinkId, Vec<IceCandidate>>,
    pub(super) up: BTreeSet<LinkId>,
    /// Numbers of what was sent, and of what came as a datagram.
    pub(super) sent: BTreeSet<u32>,
    pub(super) received: BTreeSet<u32>,
    /// Messages come at least once, and once a frame.
    pub(super) heard: BTreeSet<u32>,
    pub(super) deadline: Option<Instant>,
    next_port: u16,
}

impl Host {
    pub(super) fn new(now: Now, who: usize, ice: bool) -> Self {
        let mut settings = EndpointSettings::new(LinkSettings::new(Dialect::default(), 5000));
        settings.no_ice = !ice;
        settings.limits = Limits {
            half_open: HALF_OPEN,
            half_open_per_address: 2,
            handshake_bytes: 8 << 10,
            links: 8,
            addresses_per_link: 3,
            ..Limits::default()
        };
        let number = u8::try_from(who).unwrap_or(0) + 1;
        let (identity, trust) = (overlay().ends[who].1.clone(), overlay().trust.clone());
        let mut host = Self {
            endpoint: Endpoint::new(settings, identity, trust, [number; 32]),
            ip: IpAddr::from([192, 0, 2, number]),
            ports: BTreeMap::from([(SocketId::OVERLAY, PORT)]),
            candidates: BTreeMap::new(),
            up: BTreeSet::new(),
            sent: BTreeSet::new(),
            received: BTreeSet::new(),
            heard: BTreeSet::new(),
            deadline: None,
            next_port: 40_000,
        };
        host.endpoint.set_addresses(now, SocketId::OVERLAY, vec![host.address()]);
        host
    }

    /// That of the overlay socket.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, PORT)
    }

    pub(super) fn socket_at(&self, to: SocketAddr) -> Option<SocketId> {
        let port = self.ports.iter().find(|it| *it.1 == to.port() && to.ip() == self.ip)?;
        Some(*port.0)
    }

    /// Does what the endpoint asks for; what comes must be something that `theirs` has sent.
    pub(super) fn drain(&mut self, now: Now, out: &mut Way<Packet>, theirs: &BTreeSet<u32>) {
        for _ in 0..OUTPUTS {
            match self.endpoint.poll_output() {
                EndpointOutput::Transmit { socket, remote, data, .. } => {
                    let port = self.ports.get(&socket);
                    let port = *port.expect("it sends from a socket that is not there");
                    out.push((SocketAddr::new(self.ip, port), remote, data));
                }
                EndpointOutput::OpenSocket(socket) => {
                    self.next_port += 1;
                    assert!(self.ports.insert(socket, self.next_port).is_none(), "opened twice");
                    let address = SocketAddr::new(self.ip, self.next_port);
                    self.endpoint.set_addresses(now, socket, vec![address]);
                }
                EndpointOutput::CloseSocket(socket) => {
                    assert!(socket != SocketId::OVERLAY && self.ports.remove(&socket).is_some());
                }
                EndpointOutput::Accepted(link, event) => {
                    assert!(link.is_accepted() && matches!(event, LinkEvent::Up { .. }));
                    self.on_event(link, event, theirs);
                }
                EndpointOutput::Link(link, event) => self.on_event(link, event, theirs),
                EndpointOutput::Application(_, data) => {
                    let number = number_of(&data, theirs);
                    assert!(self.received.insert(number), "a datagram comes twice");
                }
                EndpointOutput::Moved(..) => {}
                EndpointOutput::Idle(deadline) => {
                    self.deadline = deadline;
                    assert!(self.endpoint.half_open() <= HALF_OPEN, "half-open handshakes");
                    return;
                }
            }
        }
        panic!("no rest after {OUTPUTS} outputs");
    }

    fn on_event(&mut self, link: LinkId, event: LinkEvent, theirs: &BTreeSet<u32>) {
        match event {
            LinkEvent::Candidates(candidates) => {
                self.candidates.insert(link, candidates);
            }
            LinkEvent::Up { certificate, mtu, .. } => {
                assert!(mtu.is_some() && !certificate.node_ids().is_empty());
                assert!(self.up.insert(link), "up twice");
            }
            LinkEvent::Message(message) => {
                assert!(self.up.contains(&link), "a message of a link that is not up");
                self.heard.insert(number_of(&message, theirs));
            }
            LinkEvent::Down { .. } => {
                self.up.remove(&link);
                self.candidates.remove(&link);
            }
            LinkEvent::Failing { .. }
            | LinkEvent::Restored
            | LinkEvent::Mtu(_)
            | LinkEvent::TooLarge(_) => {
                assert!(self.up.contains(&link), "news of a link that is not up");
            }
        }
    }
}

/// Nobody without the keys makes messages.
fn number_of(data: &Bytes, theirs: &BTreeSet<u32>) -> u32 {
    let number = data.first_chunk().map(|it| u32::from_be_bytes(*it));
    number.filter(|it| theirs.contains(it)).expect("nobody has sent this")
}

//! One host: an endpoint, its sockets, and what it has told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use reload_datagram::{Endpoint, EndpointOutput, EndpointSettings, LinkPath, SocketId};
use reload_identity::Credentials;
use reload_link::LinkSettings;
use reload_node::{LinkEvent, LinkId};
use reload_wire::{Dialect, IceCandidate, Now};

use crate::certificates::{Overlay, identity};

/// A datagram on its way out.
pub(crate) struct Sent {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) data: Bytes,
}

pub(crate) struct Host {
    pub(crate) endpoint: Endpoint,
    pub(crate) credentials: Credentials,
    pub(crate) ip: IpAddr,
    /// Behind this NAT.
    pub(crate) nat: Option<usize>,
    pub(crate) sockets: BTreeMap<SocketId, u16>,
    pub(crate) up: BTreeSet<LinkId>,
    pub(crate) accepted: Vec<LinkId>,
    pub(crate) down: BTreeMap<LinkId, String>,
    pub(crate) candidates: BTreeMap<LinkId, Vec<IceCandidate>>,
    pub(crate) messages: BTreeMap<LinkId, Vec<Bytes>>,
    pub(crate) datagrams: BTreeMap<LinkId, Vec<Bytes>>,
    pub(crate) moved: Vec<(LinkId, LinkPath)>,
    pub(crate) failing: BTreeSet<LinkId>,
    pub(crate) unacknowledged: Vec<Bytes>,
    pub(crate) out: VecDeque<Sent>,
    pub(crate) deadline: Option<std::time::Instant>,
    next_port: u16,
}

/// The port of the overlay socket.
pub(crate) const PORT: u16 = 6084;

impl Host {
    pub(crate) fn new(
        now: Now,
        overlay: &Overlay,
        credentials: Credentials,
        ip: IpAddr,
        change: impl FnOnce(&mut EndpointSettings),
    ) -> Self {
        let mut settings = EndpointSettings::new(LinkSettings::new(Dialect::default(), 5000));
        change(&mut settings);
        let mut seed = [0; 32];
        if let IpAddr::V4(ip) = ip {
            seed[..4].copy_from_slice(&ip.octets());
        }
        let endpoint = Endpoint::new(settings, identity(&credentials), overlay.trust(), seed);
        let mut host = Self {
            endpoint,
            credentials,
            ip,
            nat: None,
            sockets: BTreeMap::from([(SocketId::OVERLAY, PORT)]),
            up: BTreeSet::new(),
            accepted: Vec::new(),
            down: BTreeMap::new(),
            candidates: BTreeMap::new(),
            messages: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            moved: Vec::new(),
            failing: BTreeSet::new(),
            unacknowledged: Vec::new(),
            out: VecDeque::new(),
            deadline: None,
            next_port: 40_000,
        };
        host.endpoint.set_addresses(now, SocketId::OVERLAY, vec![host.address()]);
        host.drain(now);
        host
    }

    /// That of its overlay socket.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, PORT)
    }

    /// Another address for its sockets.
    pub(crate) fn move_to(&mut self, now: Now, ip: IpAddr) {
        self.ip = ip;
        for (socket, port) in self.sockets.clone() {
            self.endpoint.set_addresses(now, socket, vec![SocketAddr::new(ip, port)]);
            self.drain(now);
        }
    }

    pub(crate) fn take(&mut self, now: Now, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        let socket = self.sockets.iter().find(|(_, port)| **port == to.port()).map(|it| *it.0);
        if let Some(socket) = socket {
            self.endpoint.handle_datagram(now, socket, to, from, data);
            self.drain(now);
        }
    }

    pub(crate) fn send(&mut self, now: Now, link: LinkId, message: Bytes) {
        self.endpoint.send(now, link, message).unwrap();
        self.drain(now);
    }

    /// Does what the endpoint asks for.
    pub(crate) fn drain(&mut self, now: Now) {
        loop {
            match self.endpoint.poll_output() {
                EndpointOutput::Transmit { socket, local, remote, data } => {
                    let port = self.sockets[&socket];
                    assert!(local.is_unspecified() || local == self.ip, "{local} is not ours");
                    let from = SocketAddr::new(self.ip, port);
                    self.out.push_back(Sent { from, to: remote, data });
                }
                EndpointOutput::OpenSocket(socket) => {
                    self.next_port += 1;
                    self.sockets.insert(socket, self.next_port);
                    let address = SocketAddr::new(self.ip, self.next_port);
                    self.endpoint.set_addresses(now, socket, vec![address]);
                }
                EndpointOutput::CloseSocket(socket) => {
                    self.sockets.remove(&socket);
                }
                EndpointOutput::Accepted(link, event) => {
                    assert!(link.is_accepted() && matches!(event, LinkEvent::Up { .. }));
                    self.accepted.push(link);
                    self.on_event(link, event);
                }
                EndpointOutput::Link(link, event) => self.on_event(link, event),
                EndpointOutput::Application(link, data) => {
                    self.datagrams.entry(link).or_default().push(data);
                }
                EndpointOutput::Moved(link, path) => {
                    self.moved.push((link, path));
                }
                EndpointOutput::Idle(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    fn on_event(&mut self, link: LinkId, event: LinkEvent) {
        match event {
            LinkEvent::Candidates(candidates) => {
                self.candidates.insert(link, candidates);
            }
            LinkEvent::Up { mtu, .. } => {
                assert!(mtu.is_some(), "a datagram link has an MTU");
                assert!(self.up.insert(link), "up once");
            }
            LinkEvent::Message(message) => self.messages.entry(link).or_default().push(message),
            LinkEvent::Failing { unacknowledged } => {
                self.failing.insert(link);
                self.unacknowledged.extend(unacknowledged);
            }
            LinkEvent::Restored => {
                assert!(self.failing.remove(&link), "it was failing");
            }
            LinkEvent::Down { reason, unacknowledged } => {
                self.up.remove(&link);
                self.failing.remove(&link);
                self.unacknowledged.extend(unacknowledged);
                assert!(self.down.insert(link, reason).is_none(), "down once");
            }
            LinkEvent::Mtu(_) | LinkEvent::TooLarge(_) => {}
        }
    }
}

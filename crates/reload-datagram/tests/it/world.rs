//! The network between hosts: delay, loss, reordering and NATs from a seed, in virtual time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_datagram::EndpointSettings;
use reload_identity::Credentials;
use reload_node::{DialAddress, Gathering, IceGathering, LinkId, LinkPurpose, Plan, Security, Way};
use reload_wire::{IceCandidate, NodeId, Now, OverlayLinkType};

use crate::certificates::{Overlay, WALL};
use crate::hosts::Host;
use crate::nat::{Kind, Nat};
use crate::turn::Turn;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Says which datagrams are lost.
type Filter = Box<dyn FnMut(SocketAddr, SocketAddr, &[u8]) -> bool>;

struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    data: Bytes,
}

pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) overlay: Overlay,
    pub(crate) hosts: Vec<Host>,
    pub(crate) nats: Vec<Nat>,
    pub(crate) delay: Duration,
    /// One in a hundred datagrams, so many times.
    pub(crate) loss: u32,
    /// Up to so much is added to the delay of each datagram.
    pub(crate) jitter: Duration,
    /// Datagrams that these two addresses exchange are lost.
    pub(crate) cut: Option<(IpAddr, IpAddr)>,
    /// All that was delivered, if wanted: from, to, datagram.
    pub(crate) capture: Option<Vec<(SocketAddr, SocketAddr, Bytes)>>,
    /// Datagrams that do not arrive: from, to, datagram.
    pub(crate) lose: Option<Filter>,
    /// A TURN server, if wanted.
    pub(crate) turn: Option<Turn>,
    packets: BTreeMap<(Instant, u64), Packet>,
    number: u64,
    random: StdRng,
}

#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn origin() -> Instant {
    Instant::now()
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Now { mono: origin(), wall: WALL },
            overlay: Overlay::new(),
            hosts: Vec::new(),
            nats: Vec::new(),
            delay: 10 * MS,
            loss: 0,
            jitter: Duration::ZERO,
            cut: None,
            capture: None,
            lose: None,
            turn: None,
            packets: BTreeMap::new(),
            number: 0,
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// A host at a public address.
    pub(crate) fn host(&mut self) -> usize {
        self.host_with(|_| {})
    }

    pub(crate) fn host_with(&mut self, change: impl FnOnce(&mut EndpointSettings)) -> usize {
        let credentials = self.overlay.node();
        self.host_as(credentials, change)
    }

    pub(crate) fn host_as(
        &mut self,
        credentials: Credentials,
        change: impl FnOnce(&mut EndpointSettings),
    ) -> usize {
        let number = u8::try_from(self.hosts.len()).unwrap();
        self.add(credentials, IpAddr::from([192, 0, 2, number + 1]), None, change)
    }

    /// A host at this address.
    pub(crate) fn host_at(&mut self, ip: IpAddr) -> usize {
        let credentials = self.overlay.node();
        self.add(credentials, ip, None, |_| {})
    }

    /// A host alone behind a NAT.
    pub(crate) fn home(&mut self, kind: Kind, stun: &[SocketAddr]) -> usize {
        let stun = stun.to_vec();
        self.home_with(kind, |settings| settings.stun_servers = stun)
    }

    pub(crate) fn home_with(
        &mut self,
        kind: Kind,
        change: impl FnOnce(&mut EndpointSettings),
    ) -> usize {
        let number = u8::try_from(self.hosts.len()).unwrap();
        self.nats.push(Nat::new(kind, IpAddr::from([198, 51, 100, number + 1])));
        let nat = self.nats.len() - 1;
        let credentials = self.overlay.node();
        let ip = IpAddr::from([10, 0, number, 2]);
        self.add(credentials, ip, Some(nat), change)
    }

    fn add(
        &mut self,
        credentials: Credentials,
        ip: IpAddr,
        nat: Option<usize>,
        change: impl FnOnce(&mut EndpointSettings),
    ) -> usize {
        let mut host = Host::new(self.now, &self.overlay, credentials, ip, change);
        host.nat = nat;
        self.hosts.push(host);
        self.hosts.len() - 1
    }

    pub(crate) fn node_id(&self, host: usize) -> NodeId {
        self.hosts[host].credentials.node_id()
    }

    /// Lets `span` pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while let Some(next) = self.next_moment().filter(|next| *next <= end) {
            self.step(next);
        }
        self.advance(end);
    }

    /// Lets time pass until it is so; panics if it takes longer than `limit`.
    pub(crate) fn run_until(&mut self, limit: Duration, mut is_so: impl FnMut(&Self) -> bool) {
        let end = self.now.mono + limit;
        self.collect();
        while !is_so(self) {
            match self.next_moment().filter(|next| *next <= end) {
                Some(next) => self.step(next),
                None => panic!("it did not come to that within {limit:?}: {}", self.story()),
            }
        }
    }

    /// Puts a datagram on the wire, whoever may say he sent it.
    pub(crate) fn inject(&mut self, from: SocketAddr, to: SocketAddr, data: Bytes) {
        self.carry(Packet { from, to, data });
    }

    pub(crate) fn dial(
        &mut self,
        from: usize,
        link: LinkId,
        to: &[SocketAddr],
        expected: Option<NodeId>,
    ) {
        let link_type = OverlayLinkType::DTLS_UDP_SR_NO_ICE;
        let address = |address: &SocketAddr| DialAddress { address: *address, link: link_type };
        let way = Way::Dial(to.iter().map(address).collect());
        let deadline = self.now.mono + 15 * SECOND;
        let host = &mut self.hosts[from];
        let security = Security::Handshake(expected);
        host.endpoint.connect(self.now, link, Plan { way, security, deadline });
        host.drain(self.now);
    }

    /// Gathers for ICE on both sides, exchanges candidates, connects. `ours` sends the Attach.
    pub(crate) fn attach(&mut self, ours: usize, theirs: usize, number: u64) -> LinkId {
        self.attach_for(ours, theirs, number, LinkPurpose::Overlay)
    }

    pub(crate) fn attach_for(
        &mut self,
        ours: usize,
        theirs: usize,
        number: u64,
        purpose: LinkPurpose,
    ) -> LinkId {
        let link = LinkId::planned(number);
        for (host, controlling) in [(ours, true), (theirs, false)] {
            self.gather(host, link, purpose, controlling);
        }
        let known = |host: usize, world: &Self| world.hosts[host].candidates.contains_key(&link);
        self.run_until(30 * SECOND, |world| known(ours, world) && known(theirs, world));
        let offers = [self.offer(theirs, link, false), self.offer(ours, link, true)];
        for (host, other, offer) in [(theirs, ours, 1), (ours, theirs, 0)] {
            let security = purpose.security(self.hosts[other].credentials.signer());
            self.connect(host, link, offers[offer].clone(), security);
        }
        link
    }

    pub(crate) fn gather(
        &mut self,
        host: usize,
        link: LinkId,
        purpose: LinkPurpose,
        controlling: bool,
    ) {
        let own_socket = purpose != LinkPurpose::Overlay;
        let ice =
            Some(IceGathering { ufrag: name(host, link), password: password(host), controlling });
        let host = &mut self.hosts[host];
        host.endpoint.gather(self.now, link, Gathering { purpose, ice, own_socket });
        host.drain(self.now);
    }

    /// What a host says in its Attach or the answer.
    pub(crate) fn offer(&self, host: usize, link: LinkId, _controlling: bool) -> Way {
        let candidates: Vec<IceCandidate> = self.hosts[host].candidates[&link].clone();
        Way::Ice { ufrag: name(host, link), password: password(host), candidates }
    }

    pub(crate) fn connect(&mut self, host: usize, link: LinkId, way: Way, security: Security) {
        let deadline = self.now.mono + 30 * SECOND;
        let host = &mut self.hosts[host];
        host.endpoint.connect(self.now, link, Plan { way, security, deadline });
        host.drain(self.now);
    }

    fn step(&mut self, at: Instant) {
        self.advance(at);
        for host in &mut self.hosts {
            if host.deadline.is_some_and(|deadline| deadline <= at) {
                host.endpoint.handle_timeout(self.now);
                host.drain(self.now);
                assert!(host.deadline.is_none_or(|next| next > at), "the driver would spin");
            }
        }
        while let Some(entry) = self.packets.first_entry().filter(|entry| entry.key().0 <= at) {
            let packet = entry.remove();
            self.deliver(packet);
        }
        self.collect();
    }

    fn advance(&mut self, to: Instant) {
        self.now = self.now.after(to.saturating_duration_since(self.now.mono));
    }

    fn next_moment(&mut self) -> Option<Instant> {
        self.collect();
        let deadlines = self.hosts.iter().filter_map(|host| host.deadline);
        let packets = self.packets.keys().next().map(|(at, _)| *at);
        deadlines.chain(packets).min().map(|at| at.max(self.now.mono))
    }

    fn collect(&mut self) {
        for index in 0..self.hosts.len() {
            while let Some(sent) = self.hosts[index].out.pop_front() {
                self.send(index, Packet { from: sent.from, to: sent.to, data: sent.data });
            }
        }
    }

    fn send(&mut self, host: usize, packet: Packet) {
        let lost = self.random.random_range(0..100) < self.loss;
        let apart = |it: &Packet| {
            self.cut.is_some_and(|(a, b)| {
                (it.from.ip(), it.to.ip()) == (a, b) || (it.from.ip(), it.to.ip()) == (b, a)
            })
        };
        if lost || apart(&packet) {
            return;
        }
        let nat = self.hosts[host].nat.filter(|nat| !self.is_inside(*nat, packet.to));
        let from = nat.map_or(packet.from, |nat| self.nats[nat].outward(packet.from, packet.to));
        self.carry(Packet { from, ..packet });
    }

    fn carry(&mut self, packet: Packet) {
        let jitter = self.jitter.mul_f64(self.random.random_range(0.0..1.0));
        self.number += 1;
        self.packets.insert((self.now.mono + self.delay + jitter, self.number), packet);
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet { from, to, data } = packet;
        if self.lose.as_mut().is_some_and(|lose| lose(from, to, &data)) {
            return;
        }
        let nat = self.nats.iter().find(|nat| nat.outside == to.ip());
        let to = match nat {
            Some(nat) => match nat.inward(from, to.port()) {
                Some(inside) => inside,
                None => return,
            },
            None => to,
        };
        let private = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.is_private());
        if nat.is_none() && private(to.ip()) && !private(from.ip()) {
            return; // no route
        }
        let now = self.now;
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.ip() == to.ip()) {
            for (from, to, data) in turn.take(now.mono, from, to, &data) {
                self.carry(Packet { from, to, data });
            }
            return;
        }
        if let Some(host) = self.hosts.iter_mut().find(|host| host.ip == to.ip()) {
            if let Some(capture) = &mut self.capture {
                capture.push((from, to, data.clone()));
            }
            host.take(now, from, to, &data);
        }
    }

    fn is_inside(&self, nat: usize, to: SocketAddr) -> bool {
        self.hosts.iter().any(|host| host.nat == Some(nat) && host.ip == to.ip())
    }

    fn story(&self) -> String {
        let line = |(index, host): (usize, &Host)| {
            let links: Vec<_> = host.endpoint.links(self.now);
            format!(
                "\nhost {index}: down {:?}, {:?}\n{links:#?}",
                host.down,
                host.endpoint.counters()
            )
        };
        self.hosts.iter().enumerate().map(line).collect()
    }
}

fn name(host: usize, link: LinkId) -> Bytes {
    Bytes::from(format!(
        "name{host}x{}",
        format!("{link:?}").replace(|c: char| !c.is_ascii_digit(), "")
    ))
}

fn password(host: usize) -> Bytes {
    Bytes::from(format!("passwordpasswordpassword{host}"))
}

/// The messages `0..count`, each recognisable.
pub(crate) fn message(number: u32) -> Bytes {
    let mut message = number.to_be_bytes().to_vec();
    message.resize(200 + usize::try_from(number % 800).unwrap(), 7);
    Bytes::from(message)
}

impl World {
    /// Which of the messages `0..count` that `from` sent did not come to `to`, and were not handed back
    /// to be sent another way either.
    pub(crate) fn lost(&self, from: (usize, LinkId), to: (usize, LinkId), count: u32) -> Vec<u32> {
        let came = self.hosts[to.0].messages.get(&to.1).cloned().unwrap_or_default();
        let back = &self.hosts[from.0].unacknowledged;
        let lost = |message: Bytes| !came.contains(&message) && !back.contains(&message);
        (0..count).filter(|number| lost(message(*number))).collect()
    }
}

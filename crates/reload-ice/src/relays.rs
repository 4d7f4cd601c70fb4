//! The TURN client (RFC 8656): the allocations one socket has at its servers, with permissions and
//! channels made as they are needed. What is relayed over them is not looked at.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use turn_client_proto::api::{
    CreatePermissionError, Transmit, TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet,
};
use turn_client_proto::stun::types::data::Data;
use turn_client_proto::stun::types::message::{BINDING, MessageHeader};
use turn_client_proto::types::prelude::DelayedTransmitBuild;
use turn_client_proto::types::stun::TransportType;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use crate::binding::plain;
use crate::{Arrived, DatagramKind, IceTransmit, TurnLogin, kind_of};

/// The allocations of one socket. See the crate's page on who needs one.
#[derive(Debug)]
pub struct Relays {
    start: Instant,
    allocations: Vec<Allocation>,
    transmits: VecDeque<IceTransmit>,
}

/// An address at a TURN server that is ours for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The relayed address.
    pub address: SocketAddr,
    /// Our address towards the server.
    pub base: SocketAddr,
    /// The server.
    pub server: SocketAddr,
}

impl Relays {
    /// No allocation yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { start: now, allocations: Vec::new(), transmits: VecDeque::new() }
    }

    /// Asks a server for an allocation, for the host address `base`. Nothing if there is one, or if it is
    /// being asked; more than eight are refused with `false`.
    pub fn allocate(&mut self, now: Instant, login: &TurnLogin, base: SocketAddr) -> bool {
        let (base, server) = (plain(base), plain(login.server));
        if self.allocations.iter().any(|it| it.base == base && it.server == server) {
            return true;
        }
        if self.allocations.len() >= MOST_ALLOCATIONS {
            return false;
        }
        self.allocations.push(Allocation::new(now, login, base));
        self.drain(now);
        true
    }

    /// Gives all allocations back (RFC 8656 section 8), or those of one server.
    pub fn release(&mut self, now: Instant, server: Option<SocketAddr>) {
        for it in &mut self.allocations {
            if server.is_none_or(|server| plain(server) == it.server) {
                it.release(now.saturating_duration_since(self.start));
            }
        }
        self.drain(now);
    }

    /// Whether a server has not answered yet.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.allocations.iter().any(|it| matches!(it.state, AllocationState::Asking))
    }

    /// The relayed addresses that are ours now.
    #[must_use]
    pub fn relayed(&self) -> Vec<Relayed> {
        self.allocations.iter().filter_map(Allocation::relayed).collect()
    }

    /// Whether this is a relayed address of ours.
    #[must_use]
    pub fn owns(&self, address: SocketAddr) -> bool {
        self.allocations.iter().any(|it| it.relayed().is_some_and(|it| it.address == address))
    }

    /// Whether a datagram is TURN from one of our servers.
    #[must_use]
    pub fn accepts(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> bool {
        self.find(local, remote).is_some()
            && match kind_of(datagram) {
                DatagramKind::ChannelData => true,
                DatagramKind::Stun => MessageHeader::from_bytes(datagram)
                    .is_ok_and(|it| !it.get_type().has_method(BINDING)),
                DatagramKind::Dtls | DatagramKind::Other => false,
            }
    }

    /// Takes a datagram that is accepted; `Some` is what a peer sent to a relayed address of ours.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Option<Arrived> {
        let at = self.find(local, remote)?;
        let since = now.saturating_duration_since(self.start);
        let arrived = self.allocations[at].receive(since, datagram);
        self.drain(now);
        arrived
    }

    /// Sends to a peer from a relayed address. Makes the permission first, and a channel for a peer that
    /// gets much; until there is a permission few datagrams wait, and more are dropped.
    pub fn send(&mut self, now: Instant, relayed: SocketAddr, peer: SocketAddr, data: Bytes) {
        let since = now.saturating_duration_since(self.start);
        let mut allocations = self.allocations.iter_mut();
        let found = allocations.find(|it| it.relayed().is_some_and(|it| it.address == relayed));
        if let Some(it) = found {
            it.send(since, peer, data, &mut self.transmits);
            self.drain(now);
        }
    }

    /// Does what is due: retransmissions and refreshes.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.drain(now);
    }

    /// When [`Relays::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.allocations.iter().map(|it| self.start + it.wake).min()
    }

    /// A datagram to send to a server.
    pub fn poll_transmit(&mut self) -> Option<IceTransmit> {
        self.transmits.pop_front()
    }

    fn find(&self, local: SocketAddr, remote: SocketAddr) -> Option<usize> {
        let (base, server) = (plain(local), plain(remote));
        self.allocations.iter().position(|it| it.base == base && it.server == server)
    }

    fn drain(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.start);
        for it in &mut self.allocations {
            it.work(since, &mut self.transmits);
        }
        self.allocations.retain(|it| !matches!(it.state, AllocationState::Gone));
    }
}

/// One client of the library. Its times are spans since the start of [`Relays`].
#[derive(Debug)]
struct Allocation {
    base: SocketAddr,
    server: SocketAddr,
    client: TurnClientUdp,
    state: AllocationState,
    wake: Duration,
    peers: BTreeMap<IpAddr, Permission>,
    sent: BTreeMap<SocketAddr, u32>,
    waiting: VecDeque<(SocketAddr, Bytes)>,
}

#[derive(Debug)]
enum AllocationState {
    Asking,
    Held(SocketAddr),
    /// Given back; it lives until the server has answered.
    Released(Duration),
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    Asked,
    Granted,
    /// Until then.
    Refused(Duration),
}

impl Allocation {
    fn new(now: Instant, login: &TurnLogin, base: SocketAddr) -> Self {
        let _ = now;
        let server = plain(login.server);
        let mut config = TurnConfig::new(TurnCredentials::new(&login.username, &login.password));
        let six = server.is_ipv6();
        config.set_address_family(if six { AddressFamily::IPV6 } else { AddressFamily::IPV4 });
        config.set_request_retransmits(
            FIRST_TIMEOUT,
            LONGEST_TIMEOUT,
            TRANSMISSIONS,
            LONGEST_TIMEOUT,
        );
        Self {
            base,
            server,
            client: TurnClientUdp::allocate(base, server, config),
            state: AllocationState::Asking,
            wake: Duration::ZERO,
            peers: BTreeMap::new(),
            sent: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    fn relayed(&self) -> Option<Relayed> {
        match self.state {
            AllocationState::Held(address) => {
                Some(Relayed { address, base: self.base, server: self.server })
            }
            _ => None,
        }
    }

    fn release(&mut self, since: Duration) {
        if self.client.delete(instant(since)).is_ok() {
            self.state = AllocationState::Released(since + RELEASE_TIME);
        } else {
            self.state = AllocationState::Gone;
        }
    }

    fn receive(&mut self, since: Duration, datagram: &[u8]) -> Option<Arrived> {
        let transmit = Transmit::new(datagram, TransportType::Udp, self.server, self.base);
        let TurnRecvRet::PeerData(data) = self.client.recv(transmit, instant(since)) else {
            return None;
        };
        let local = self.relayed()?.address;
        Some(Arrived { local, remote: data.peer, data: Bytes::copy_from_slice(data.data()) })
    }

    fn send(
        &mut self,
        since: Duration,
        peer: SocketAddr,
        data: Bytes,
        out: &mut VecDeque<IceTransmit>,
    ) {
        match self.permission(since, peer.ip()) {
            Permission::Refused(_) => (),
            Permission::Asked => {
                self.waiting.push_back((peer, data));
                if self.waiting.len() > MOST_WAITING {
                    self.waiting.pop_front();
                }
            }
            Permission::Granted => {
                self.count(since, peer);
                let sent = self.client.send_to(TransportType::Udp, peer, data, instant(since));
                if let Ok(Some(build)) = sent {
                    let data = build.data.build().into();
                    out.push_back(IceTransmit { local: self.base, remote: self.server, data });
                }
            }
        }
    }

    fn permission(&mut self, since: Duration, peer: IpAddr) -> Permission {
        self.peers.retain(|_, it| !matches!(it, Permission::Refused(until) if *until <= since));
        if let Some(known) = self.peers.get(&peer) {
            return *known;
        }
        let refused = Permission::Refused(since + REFUSED_TIME);
        if self.peers.len() >= MOST_PERMISSIONS {
            return refused;
        }
        let asked = self.client.create_permission(TransportType::Udp, peer, instant(since));
        let state = match asked {
            Ok(()) => Permission::Asked,
            Err(CreatePermissionError::AlreadyExists) => Permission::Granted,
            Err(_) => refused,
        };
        self.peers.insert(peer, state);
        state
    }

    /// A channel spares 32 bytes of each datagram, and is worth its own exchange soon.
    fn count(&mut self, since: Duration, peer: SocketAddr) {
        if self.sent.len() >= MOST_CHANNELS && !self.sent.contains_key(&peer) {
            return;
        }
        let count = self.sent.entry(peer).or_default();
        *count = count.saturating_add(1);
        if *count == CHANNEL_AFTER {
            let _ = self.client.bind_channel(TransportType::Udp, peer, instant(since));
        }
    }

    fn work(&mut self, since: Duration, out: &mut VecDeque<IceTransmit>) {
        let now = instant(since);
        for _ in 0..MOST_ROUNDS {
            let mut busy = false;
            let polled = self.client.poll(now);
            while let Some(event) = self.client.poll_event() {
                self.on_event(since, event, out);
                busy = true;
            }
            while let Some(it) = self.client.poll_transmit(now) {
                out.push_back(self.transmit(&it));
                busy = true;
            }
            match polled {
                TurnPollRet::Closed => {
                    self.state = AllocationState::Gone;
                    return;
                }
                TurnPollRet::WaitUntil(wake) if !busy => {
                    let ahead = wake.saturating_duration_since(now).max(SHORTEST_WAIT);
                    self.wake = since + ahead.min(LONGEST_WAIT);
                    break;
                }
                _ => (),
            }
            self.wake = since + SHORTEST_WAIT;
        }
        if let AllocationState::Released(until) = self.state {
            self.wake = self.wake.min(until);
            if since >= until {
                self.state = AllocationState::Gone;
            }
        }
    }

    fn transmit(&self, it: &Transmit<Data<'static>>) -> IceTransmit {
        let data = Bytes::copy_from_slice(&it.data);
        IceTransmit { local: self.base, remote: self.server, data }
    }

    fn on_event(&mut self, since: Duration, event: TurnEvent, out: &mut VecDeque<IceTransmit>) {
        match event {
            TurnEvent::AllocationCreated(_, address) => {
                if matches!(self.state, AllocationState::Asking) {
                    self.state = AllocationState::Held(plain(address));
                }
            }
            TurnEvent::AllocationCreateFailed(_) => self.state = AllocationState::Gone,
            TurnEvent::PermissionCreated(_, peer) => {
                self.peers.insert(peer, Permission::Granted);
                for (peer, data) in std::mem::take(&mut self.waiting) {
                    self.send(since, peer, data, out);
                }
            }
            TurnEvent::PermissionCreateFailed(_, peer) => {
                self.peers.insert(peer, Permission::Refused(since + REFUSED_TIME));
                self.waiting.retain(|(it, _)| it.ip() != peer);
            }
            TurnEvent::ChannelCreateFailed(_, peer) => {
                self.sent.remove(&peer);
            }
            _ => (),
        }
    }
}

fn instant(since: Duration) -> turn_client_proto::types::Instant {
    let nanos = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    turn_client_proto::types::Instant::from_nanos(nanos)
}

/// The most allocations of one socket.
pub(crate) const MOST_ALLOCATIONS: usize = 8;
const MOST_PERMISSIONS: usize = 128; // addresses; each is refreshed every 4 min by the library
const REFUSED_TIME: Duration = Duration::from_secs(30); // the server is not asked again before
const MOST_CHANNELS: usize = 64;
const MOST_WAITING: usize = 16; // a few checks and a flight of DTLS
const CHANNEL_AFTER: u32 = 8; // datagrams: checks alone do not get there soon
const MOST_ROUNDS: usize = 64; // the library is asked again as long as it has something
const FIRST_TIMEOUT: Duration = Duration::from_millis(500); // RFC 8445 section 14.3
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2); // a refresh has 60 s in all
const TRANSMISSIONS: u32 = 7; // RFC 8489 section 6.2.1
const SHORTEST_WAIT: Duration = Duration::from_millis(1); // the library asks for "now" now and then
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const RELEASE_TIME: Duration = Duration::from_secs(5); // for the answer, or a second transmission

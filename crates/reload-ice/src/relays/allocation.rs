//! One allocation: the client of the library, what it sends and when.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use turn_client_proto::api::{
    CreatePermissionError, Transmit, TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet,
};
use turn_client_proto::stun::types::message::Message;
use turn_client_proto::types::attribute::XorPeerAddress;
use turn_client_proto::types::message::{CHANNEL_BIND, CREATE_PERMISSION};
use turn_client_proto::types::prelude::DelayedTransmitBuild;
use turn_client_proto::types::stun::TransportType;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use super::Relayed;
use crate::binding::plain;
use crate::{Arrived, IceTransmit, TurnLogin};

/// One client of the library. Its times are spans since the start of [`Relays`].
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) base: SocketAddr,
    pub(crate) server: SocketAddr,
    client: TurnClientUdp,
    state: AllocationState,
    /// When there is something to do.
    pub(crate) wake: Duration,
    peers: BTreeMap<IpAddr, Peer>,
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

/// An address with a permission, and when something went there or came from there.
#[derive(Clone, Copy, Debug)]
struct Peer {
    permission: Permission,
    used: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    Asked,
    Granted,
    /// Until then.
    Refused(Duration),
}

impl Allocation {
    pub(crate) fn new(login: &TurnLogin, base: SocketAddr) -> Self {
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

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, AllocationState::Asking)
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, AllocationState::Gone)
    }

    pub(crate) fn relayed(&self) -> Option<Relayed> {
        match self.state {
            AllocationState::Held(address) => {
                Some(Relayed { address, base: self.base, server: self.server })
            }
            _ => None,
        }
    }

    pub(crate) fn release(&mut self, since: Duration) {
        if self.client.delete(instant(since)).is_ok() {
            self.state = AllocationState::Released(since + RELEASE_TIME);
        } else {
            self.state = AllocationState::Gone;
        }
    }

    pub(crate) fn receive(&mut self, since: Duration, datagram: &[u8]) -> Option<Arrived> {
        let transmit = Transmit::new(datagram, TransportType::Udp, self.server, self.base);
        let TurnRecvRet::PeerData(data) = self.client.recv(transmit, instant(since)) else {
            return None;
        };
        let local = self.relayed()?.address;
        if let Some(it) = self.peers.get_mut(&data.peer.ip()) {
            it.used = since;
        }
        Some(Arrived { local, remote: data.peer, data: Bytes::copy_from_slice(data.data()) })
    }

    pub(crate) fn send(
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
        let over =
            |it: &Peer| matches!(it.permission, Permission::Refused(until) if until <= since);
        self.peers.retain(|_, it| !over(it));
        if let Some(known) = self.peers.get_mut(&peer) {
            known.used = since;
            return known.permission;
        }
        let refused = Permission::Refused(since + REFUSED_TIME);
        if self.peers.len() >= MOST_PERMISSIONS {
            return refused;
        }
        let asked = self.client.create_permission(TransportType::Udp, peer, instant(since));
        let permission = match asked {
            Ok(()) => Permission::Asked,
            Err(CreatePermissionError::AlreadyExists) => Permission::Granted,
            Err(_) => refused,
        };
        self.peers.insert(peer, Peer { permission, used: since });
        permission
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

    pub(crate) fn work(&mut self, since: Duration, out: &mut VecDeque<IceTransmit>) {
        let now = instant(since);
        for _ in 0..MOST_ROUNDS {
            let mut busy = false;
            let polled = self.client.poll(now);
            while let Some(event) = self.client.poll_event() {
                self.on_event(since, event, out);
                busy = true;
            }
            while let Some(it) = self.client.poll_transmit(now) {
                busy = true;
                if !self.is_idle(since, &it.data) {
                    let data = Bytes::copy_from_slice(&it.data);
                    out.push_back(IceTransmit { local: self.base, remote: self.server, data });
                }
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

    /// Whether a request refreshes what nobody uses: the library would do so for ever, and the server's
    /// quota would fill up. Unanswered, it ends at the end of its time.
    fn is_idle(&self, since: Duration, request: &[u8]) -> bool {
        let Ok(message) = Message::from_bytes(request) else { return false };
        if ![CREATE_PERMISSION, CHANNEL_BIND].contains(&message.method()) {
            return false;
        }
        let Ok(peer) = message.attribute::<XorPeerAddress>() else { return false };
        let peer = self.peers.get(&peer.addr(message.transaction_id()).ip());
        peer.is_some_and(|it| since >= it.used + IDLE_TIME)
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
                self.peers.insert(peer, Peer { permission: Permission::Granted, used: since });
                for (peer, data) in std::mem::take(&mut self.waiting) {
                    self.send(since, peer, data, out);
                }
            }
            TurnEvent::PermissionCreateFailed(_, peer) => {
                let known = self.peers.remove(&peer);
                if known.is_some_and(|it| it.permission != Permission::Granted) {
                    let permission = Permission::Refused(since + REFUSED_TIME);
                    self.peers.insert(peer, Peer { permission, used: since });
                }
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

const MOST_PERMISSIONS: usize = 128; // addresses
const IDLE_TIME: Duration = Duration::from_secs(120); // a pair in use has checks every 2 s
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

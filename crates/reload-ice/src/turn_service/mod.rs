//! A TURN server without I/O (RFC 8656), over UDP only, for the TURN usage of section 9: users for a
//! time, quotas, and no relaying to addresses that are nobody's business. Who becomes a user is decided
//! elsewhere.

mod allocation;
mod peers;
mod quotas;
mod reply;
mod requests;
mod users;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stun_types::message::{
    Message, MessageClass, MessageHeader, MessageType, MessageWrite, MessageWriteExt,
    MessageWriteVec, TransactionId,
};
use turn_client_proto::types::attribute::{Data, XorPeerAddress};
use turn_client_proto::types::channel::ChannelData;
use turn_client_proto::types::message::{
    ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, DATA, REFRESH, SEND,
};

use crate::binding::{exact, plain};
use crate::{DatagramKind, kind_of};
use allocation::Allocation;
pub use quotas::TurnQuotas;
use requests::Waiting;
use users::Users;

/// A TURN server. Drain [`TurnService::poll_output`] after every input.
#[derive(Debug)]
pub struct TurnService {
    address: SocketAddr,
    quotas: TurnQuotas,
    users: Users,
    random: StdRng,
    /// By the address of the client: with the server's own that is the 5-tuple.
    allocations: BTreeMap<SocketAddr, Allocation>,
    clients: BTreeMap<RelaySocket, SocketAddr>,
    /// Allocations whose socket is not open yet.
    waiting: BTreeMap<RelaySocket, Waiting>,
    last_socket: u64,
    outputs: VecDeque<TurnOutput>,
    /// When the next allocation or user ends.
    due: Option<Instant>,
}

/// A socket that relays, by the name the service gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelaySocket(pub u64);

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnOutput {
    /// Open a UDP socket at the IP address at which clients reach the service, at any port; answer with
    /// [`TurnService::handle_allocated`].
    AllocateSocket(RelaySocket),
    /// Close it; there is no answer.
    CloseSocket(RelaySocket),
    /// Send from the server's own socket.
    ToClient {
        /// The client.
        remote: SocketAddr,
        /// The payload.
        data: Bytes,
    },
    /// Send from a relaying socket.
    ToPeer {
        /// The socket.
        socket: RelaySocket,
        /// The peer.
        remote: SocketAddr,
        /// The payload.
        data: Bytes,
    },
}

impl TurnService {
    /// A service that clients reach at `address`, without users.
    #[must_use]
    pub fn new(
        now: Instant,
        address: SocketAddr,
        realm: &str,
        quotas: TurnQuotas,
        seed: [u8; 32],
    ) -> Self {
        let mut random = StdRng::from_seed(seed);
        Self {
            address: plain(address),
            quotas,
            users: Users::new(now, realm, random.random()),
            random,
            allocations: BTreeMap::new(),
            clients: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last_socket: 0,
            outputs: VecDeque::new(),
            due: None,
        }
    }

    /// Lets a user in for a time; a known user gets the new password and time. `false` if there are
    /// too many users.
    pub fn add_user(
        &mut self,
        now: Instant,
        username: &str,
        password: &str,
        lifetime: Duration,
    ) -> bool {
        self.users.remove_expired(now);
        let room = self.users.len() < self.quotas.users || self.users.contains(username);
        if room {
            self.users.add(now, username, password, now + lifetime);
            self.schedule();
        }
        room
    }

    /// Where clients reach it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many allocations there are.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// How many users there are whose time is not over.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Whether a datagram at the server's socket is for the service: a TURN request, or anything of TURN
    /// from a client that has an allocation. Plain Binding is not: see [`crate::answer_binding`].
    #[must_use]
    pub fn accepts(&self, remote: SocketAddr, datagram: &[u8]) -> bool {
        let client = || self.allocations.contains_key(&plain(remote));
        match kind_of(datagram) {
            DatagramKind::ChannelData => client(),
            DatagramKind::Stun => {
                let Ok(header) = MessageHeader::from_bytes(datagram) else { return false };
                let (class, method) = (header.get_type().class(), header.get_type().method());
                let asked = [ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND].contains(&method);
                (class == MessageClass::Request && asked)
                    || (class == MessageClass::Indication && method == SEND && client())
            }
            DatagramKind::Dtls | DatagramKind::Other => false,
        }
    }

    /// Takes a datagram that came to the server's socket.
    pub fn handle_datagram(&mut self, now: Instant, remote: SocketAddr, datagram: &[u8]) {
        let client = plain(remote);
        self.expire(now);
        if kind_of(datagram) == DatagramKind::ChannelData {
            self.on_channel_data(now, client, datagram);
        } else if let Some(message) = exact(datagram) {
            match message.class() {
                MessageClass::Request => {
                    self.on_request(now, client, &message);
                    self.schedule();
                }
                MessageClass::Indication if message.has_method(SEND) => {
                    self.on_send(now, client, &message);
                }
                _ => (),
            }
        }
    }

    /// Takes a datagram that came to a relaying socket (RFC 8656 sections 11.3 and 12.7).
    pub fn handle_relay_datagram(
        &mut self,
        now: Instant,
        socket: RelaySocket,
        peer: SocketAddr,
        datagram: &[u8],
    ) {
        self.expire(now);
        let peer = plain(peer);
        let Some(client) = self.clients.get(&socket).copied() else { return };
        let Some(it) = self.allocations.get(&client).filter(|it| it.permits(now, peer.ip())) else {
            return;
        };
        let rate = self.quotas.bytes_per_second;
        if !self.users.spend(now, &it.user, datagram.len(), rate) {
            return;
        }
        let data = match it.channel_of(now, peer) {
            Some(number) => channel_data(number, datagram),
            None => data_indication(self.random.random::<u128>() >> 32, peer, datagram),
        };
        if let Some(data) = data {
            self.outputs.push_back(TurnOutput::ToClient { remote: client, data });
        }
    }

    /// Does what is due: allocations and users end.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
    }

    /// When [`TurnService::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<TurnOutput> {
        self.outputs.pop_front()
    }

    fn on_channel_data(&mut self, now: Instant, client: SocketAddr, datagram: &[u8]) {
        let Ok(channel) = ChannelData::parse(datagram) else { return };
        let Some(it) = self.allocations.get(&client) else { return };
        if let Some(peer) = it.channel_peer(now, channel.id()) {
            self.relay(now, client, peer, channel.data());
        }
    }

    /// A Send indication (RFC 8656 section 11.2).
    fn on_send(&mut self, now: Instant, client: SocketAddr, message: &Message<'_>) {
        let (Ok(peer), Ok(data)) =
            (message.attribute::<XorPeerAddress>(), message.attribute::<Data<'_>>())
        else {
            return;
        };
        let peer = plain(peer.addr(message.transaction_id()));
        self.relay(now, client, peer, data.data());
    }

    fn relay(&mut self, now: Instant, client: SocketAddr, peer: SocketAddr, data: &[u8]) {
        let Some(it) = self.allocations.get(&client) else { return };
        let rate = self.quotas.bytes_per_second;
        let permitted = it.permits(now, peer.ip()) && peer != self.address && peer.port() != 0;
        if permitted && self.users.spend(now, &it.user, data.len(), rate) {
            let (socket, data) = (it.socket, Bytes::copy_from_slice(data));
            self.outputs.push_back(TurnOutput::ToPeer { socket, remote: peer, data });
        }
    }

    fn schedule(&mut self) {
        let allocations = self.allocations.values().map(|it| it.expires);
        self.due = allocations.chain(self.users.next_expiry()).min();
    }

    fn expire(&mut self, now: Instant) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.users.remove_expired(now);
        let over: Vec<_> = self
            .allocations
            .iter()
            .filter(|(_, it)| it.expires <= now || !self.users.contains(&it.user))
            .map(|(client, _)| *client)
            .collect();
        over.into_iter().for_each(|client| self.remove(client));
        self.schedule();
    }

    fn remove(&mut self, client: SocketAddr) {
        if let Some(it) = self.allocations.remove(&client) {
            self.clients.remove(&it.socket);
            self.outputs.push_back(TurnOutput::CloseSocket(it.socket));
        }
    }
}

fn channel_data(number: u16, data: &[u8]) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(data.len() + 4);
    out.put_u16(number);
    out.put_u16(u16::try_from(data.len()).ok()?);
    out.put_slice(data);
    Some(out.freeze())
}

fn data_indication(id: u128, peer: SocketAddr, data: &[u8]) -> Option<Bytes> {
    let id = TransactionId::from(id);
    let kind = MessageType::from_class_method(MessageClass::Indication, DATA);
    u16::try_from(data.len()).ok()?;
    let mut message = Message::builder(kind, id, MessageWriteVec::new());
    message.add_attribute(&XorPeerAddress::new(peer, id)).ok()?;
    message.add_attribute(&Data::new(data)).ok()?;
    Some(message.finish().into())
}

//! The TURN client (RFC 8656): the allocations one socket has at its servers, with permissions and
//! channels made as they are needed. What is relayed over them is not looked at.

mod allocation;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use turn_client_proto::stun::types::message::{BINDING, MessageHeader};

use crate::binding::plain;
use crate::{Arrived, DatagramKind, IceTransmit, TurnLogin, kind_of};
use allocation::Allocation;

/// The allocations of one socket. See the crate's page on who needs one.
#[derive(Debug)]
pub struct Relays {
    start: Instant,
    allocations: Vec<Allocation>,
    transmits: VecDeque<IceTransmit>,
    /// Servers that have given nothing, the last time they were asked.
    failed: BTreeSet<SocketAddr>,
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
        Self {
            start: now,
            allocations: Vec::new(),
            transmits: VecDeque::new(),
            failed: BTreeSet::new(),
        }
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
        self.allocations.push(Allocation::new(login, base));
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
        if let Some(server) = server {
            self.failed.remove(&plain(server));
        }
        self.drain(now);
    }

    /// The servers that have refused an allocation, or not answered, and given none since: until one of
    /// them is released.
    pub fn failed(&self) -> impl Iterator<Item = SocketAddr> {
        self.failed.iter().copied()
    }

    /// The host has these addresses: what was allocated, or asked for, at others is lost.
    pub fn set_bases(&mut self, bases: &[SocketAddr]) {
        self.allocations.retain(|it| bases.iter().any(|base| plain(*base) == it.base));
    }

    /// Whether a server has not answered yet.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.allocations.iter().any(Allocation::is_pending)
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
            let asking = it.is_pending();
            it.work(since, &mut self.transmits);
            if asking && it.is_gone() {
                self.failed.insert(it.server);
            } else if asking && !it.is_pending() {
                self.failed.remove(&it.server);
            }
        }
        self.allocations.retain(|it| !it.is_gone());
    }
}

/// The most allocations of one socket.
const MOST_ALLOCATIONS: usize = 8;

//! A TURN server without I/O (RFC 8656), over UDP only, for the TURN usage of section 9: users for a
//! time, quotas, and no relaying to addresses that are nobody's business. Who becomes a user is decided
//! elsewhere.

mod quotas;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use quotas::TurnQuotas;

/// A TURN server. Drain [`TurnService::poll_output`] after every input.
#[derive(Debug)]
pub struct TurnService {
    address: SocketAddr,
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
        /** The client. */
        remote: SocketAddr,
        /** The payload. */
        data: Bytes,
    },
    /// Send from a relaying socket.
    ToPeer {
        /** The socket. */
        socket: RelaySocket,
        /** The peer. */
        remote: SocketAddr,
        /** The payload. */
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
        let _ = (now, realm, quotas, seed);
        Self { address }
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
        let _ = (now, username, password, lifetime);
        false
    }

    /// Whether a datagram at the server's socket is for the service: a TURN request, or anything of TURN
    /// from a client that has an allocation. Plain Binding is not: see [`crate::answer_binding`].
    #[must_use]
    pub fn accepts(&self, remote: SocketAddr, datagram: &[u8]) -> bool {
        let _ = (remote, datagram);
        false
    }

    /// Takes a datagram that came to the server's socket.
    pub fn handle_datagram(&mut self, now: Instant, remote: SocketAddr, datagram: &[u8]) {
        let _ = (now, remote, datagram);
    }

    /// Takes a datagram that came to a relaying socket.
    pub fn handle_relay_datagram(
        &mut self,
        now: Instant,
        socket: RelaySocket,
        peer: SocketAddr,
        datagram: &[u8],
    ) {
        let _ = (now, socket, peer, datagram);
    }

    /// The socket is open at this address, which peers can reach; or it could not be opened.
    pub fn handle_allocated(
        &mut self,
        now: Instant,
        socket: RelaySocket,
        address: Option<SocketAddr>,
    ) {
        let _ = (now, socket, address);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`TurnService::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<TurnOutput> {
        None
    }

    /// Where clients reach it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

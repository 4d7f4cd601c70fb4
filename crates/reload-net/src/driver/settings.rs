//! What a driver depends on.

use std::net::SocketAddr;
use std::time::Duration;

use reload_ice::TurnLogin;

use crate::listener::AcceptLimits;

/// What a driver depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; nowhere if empty. TLS and DTLS have the same port (E52).
    pub listen: Vec<SocketAddr>,
    /// Listen for TLS over TCP there.
    pub tcp: bool,
    /// Have UDP sockets there: DTLS, and ICE where the overlay has it.
    pub udp: bool,
    /// What others shall dial, if not the listen address.
    pub advertise: Vec<SocketAddr>,
    /// STUN servers besides those that the overlay has.
    pub stun_servers: Vec<SocketAddr>,
    /// TURN servers, with what they ask for.
    pub turn_servers: Vec<TurnLogin>,
    /// Bounds on what strangers can take.
    pub accept: AcceptLimits,
    /// Links, those that are closing included. A new one beyond is refused.
    pub links: usize,
    /// Dials at once; more wait for their turn.
    pub dials: usize,
    /// Time for leaving; after it the node stops as it is.
    pub leave: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            tcp: true,
            udp: true,
            advertise: Vec::new(),
            stun_servers: Vec::new(),
            turn_servers: Vec::new(),
            accept: AcceptLimits::default(),
            links: 1024,
            dials: 64,
            leave: Duration::from_secs(10),
        }
    }
}

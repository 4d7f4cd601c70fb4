//! What an endpoint depends on, and its bounds.

use std::net::SocketAddr;
use std::time::Duration;

use reload_ice::TurnLogin;
use reload_link::LinkSettings;

/// Bytes of a UDP payload that every path carries (section 6.7 asks to know the path MTU; RFC 8085
/// 3.2 takes 1280 bytes of IPv6 as the least, less headers).
pub const FIRST_DATAGRAM: usize = 1200;

/// Bytes of the largest datagram of an application whose messages have any size, SIP: IP takes it to
/// pieces. A DTLS record holds 2^14 of them (RFC 5246 section 6.2.1).
pub(crate) const LARGEST_DATAGRAM: usize = 16_000;

/// What an endpoint depends on.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// Dialect, max-message-size and queue bounds of the overlay links.
    pub link: LinkSettings,
    /// `no-ice` of the configuration: whether gathering offers No-ICE candidates only.
    pub no_ice: bool,
    /// STUN servers from the configuration: bootstrap nodes and others.
    pub stun_servers: Vec<SocketAddr>,
    /// TURN servers with what they ask for.
    pub turn_servers: Vec<TurnLogin>,
    /// The number of the first accepted link, see [`reload_node::LinkId::accepted`].
    pub first_accepted: u64,
    /// How far accepted links are apart in number, so that a driver can share the numbers between
    /// this endpoint and its TCP listeners.
    pub accepted_step: u64,
    /// Bytes of a UDP payload to begin with.
    pub datagram: usize,
    /// Bounds on what others can make us hold.
    pub limits: Limits,
}

impl EndpointSettings {
    /// The usual bounds, no servers, an overlay with ICE.
    #[must_use]
    pub fn new(link: LinkSettings) -> Self {
        Self {
            link,
            no_ice: false,
            stun_servers: Vec::new(),
            turn_servers: Vec::new(),
            first_accepted: 0,
            accepted_step: 1,
            datagram: FIRST_DATAGRAM,
            limits: Limits::default(),
        }
    }
}

/// Bounds on what others can make an endpoint hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Accepted handshakes that have not completed. More are not answered.
    pub half_open: usize,
    /// The same, of one IP address.
    pub half_open_per_address: usize,
    /// Bytes a handshake may send us before it is complete.
    pub handshake_bytes: usize,
    /// Time an accepted handshake may take.
    pub handshake_time: Duration,
    /// Links in all, of every kind. No more are accepted above it.
    pub links: usize,
    /// Addresses from which one ICE link takes DTLS; the oldest is forgotten.
    pub addresses_per_link: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            half_open: 128,
            half_open_per_address: 8,
            handshake_bytes: 64 << 10, // a chain of four RSA certificates with its copies
            handshake_time: Duration::from_secs(10),
            links: 4096,
            addresses_per_link: 8,
        }
    }
}

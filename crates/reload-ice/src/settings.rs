//! What a session is made with.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use reload_wire::OverlayLinkType;

/// A user name fragment and a password (RFC 8445 section 5.3), one pair for each side.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// The user name fragment: 4 or more ice-chars, letters, digits, `+` and `/`.
    pub ufrag: Bytes,
    /// The password: 22 or more ice-chars.
    pub password: Bytes,
}

impl IceCredentials {
    /// Both from text.
    #[must_use]
    pub fn new(ufrag: &str, password: &str) -> Self {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Self { ufrag: copy(ufrag), password: copy(password) }
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredentials({})", String::from_utf8_lossy(&self.ufrag))
    }
}

/// A TURN server over UDP, and the long-term credentials it knows us by.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnLogin {
    /// Its address.
    pub server: SocketAddr,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for TurnLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TurnLogin({}@{})", self.username, self.server)
    }
}

/// What an [`crate::IceSession`] depends on.
#[derive(Clone, Debug)]
pub struct IceSettings {
    /// Our credentials: those of the Attach we send.
    pub local: IceCredentials,
    /// Whether we sent the Attach request (section 6.5.1.9).
    pub controlling: bool,
    /// Addresses of the socket at this host, each with its port. No wildcards; link-local and multicast
    /// ones are left out, and so is all above the first eight.
    pub hosts: Vec<SocketAddr>,
    /// Who tells us how we look from outside: the first four are asked.
    pub stun_servers: Vec<SocketAddr>,
    /// Who may relay for this session alone: the first two are asked. Only for a session with a socket
    /// of its own; else see [`IceSettings::shared_relays`].
    pub turn_servers: Vec<TurnLogin>,
    /// The relayed addresses come by [`crate::IceSession::set_relayed`] from a [`crate::Relays`] that all
    /// sessions of the socket share. Gathering waits for that call, up to its limit. Datagrams to send
    /// then come out of [`crate::IceSession::poll_transmit`] with the relayed address as `local`, and
    /// what the `Relays` unwraps goes into [`crate::IceSession::handle_datagram`] with the same.
    pub shared_relays: bool,
    /// The link type our candidates carry; those of the other side with another type are not used
    /// (sections 6.5.1.1 and 6.5.1.5).
    pub overlay_link: OverlayLinkType,
}

impl IceSettings {
    /// No servers, links of type DTLS-UDP-SR.
    #[must_use]
    pub fn new(local: IceCredentials, controlling: bool, hosts: Vec<SocketAddr>) -> Self {
        Self {
            local,
            controlling,
            hosts,
            stun_servers: Vec::new(),
            turn_servers: Vec::new(),
            shared_relays: false,
            overlay_link: OverlayLinkType::DTLS_UDP_SR,
        }
    }
}

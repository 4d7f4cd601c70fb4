//! What `reload links` shows of a datagram link.

use std::net::SocketAddr;
use std::time::Duration;

use reload_link::LinkStats;
use reload_node::LinkId;
use reload_wire::{CandType, NodeId, OverlayLinkType};

use crate::SocketId;

/// One link as it is now.
#[derive(Clone, Debug)]
pub struct DatagramLinkStatus {
    /// Its name.
    pub link: LinkId,
    /// The application it carries; none for an overlay link.
    pub application: Option<u16>,
    /// With ICE or without.
    pub link_type: OverlayLinkType,
    /// What it is doing.
    pub phase: LinkPhase,
    /// Who is at the other end, once known.
    pub node: Option<NodeId>,
    /// The socket.
    pub socket: SocketId,
    /// Our end: a host address, that seen by the other side, or a relayed one.
    pub local: Option<SocketAddr>,
    /// The other end.
    pub remote: Option<SocketAddr>,
    /// Kinds of candidates at our and the other end; none without ICE.
    pub kinds: Option<(CandType, CandType)>,
    /// The cipher suite, once there is one.
    pub cipher: Option<&'static str>,
    /// Round trip, resends and the like; none before the link is up, and of application links.
    pub stats: Option<LinkStats>,
    /// Bytes of the largest message that goes out whole, once the link is up.
    pub mtu: Option<usize>,
    /// How long it is up.
    pub age: Option<Duration>,
    /// DTLS datagrams sent and received since the link came up.
    pub datagrams: (u64, u64),
    /// How often its path changed.
    pub moves: u32,
}

/// What a link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPhase {
    /// Waiting for its socket or for candidates.
    Gathering,
    /// Candidates were handed out, the plan has not come yet.
    Waiting,
    /// Checks, or a handshake without ICE.
    Connecting,
    /// Handshake over a selected pair.
    Handshake,
    /// Up.
    Up,
    /// Up, without sign of life of the other end.
    Failing,
}

/// What an endpoint has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointCounters {
    /// Datagrams that belong to nothing we know.
    pub strays: u64,
    /// Plain Binding requests answered.
    pub bindings_answered: u64,
    /// First ClientHellos answered with a cookie.
    pub cookies: u64,
    /// Handshakes refused by a bound.
    pub refused: u64,
    /// Accepted handshakes that came to nothing.
    pub failed: u64,
    /// Links up since the start.
    pub up: u64,
    /// Associations replaced by a new one of the same addresses.
    pub replaced: u64,
}

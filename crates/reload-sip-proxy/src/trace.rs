//! The last SIP messages that went through, for a person who looks for a fault. Bounded by bytes; what
//! proves that somebody knows a password is left out.

use std::net::SocketAddr;
use std::time::SystemTime;

use reload_wire::NodeId;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// When it went through.
    pub at: SystemTime,
    /// Which way.
    pub direction: Direction,
    /// To or from whom.
    pub via: Hop,
    /// The message, without credentials.
    pub message: String,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// It came.
    In,
    /// It was sent.
    Out,
}

/// The neighbour a message came from or went to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hop {
    /// A phone of the user, at this address.
    Phone(SocketAddr),
    /// Another peer.
    Node(NodeId),
    /// The ordinary SIP world, or somebody unknown, at this address.
    Outside(SocketAddr),
}

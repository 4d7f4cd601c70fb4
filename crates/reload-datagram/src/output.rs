//! What comes out of an endpoint, and why something is not taken for sending.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use reload_node::{LinkEvent, LinkId};
use thiserror::Error;

/// Names a UDP socket of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

impl SocketId {
    /// The socket of the overlay links; the driver has it open all the time.
    pub const OVERLAY: Self = Self(0);
}

/// Something the driver has to do.
#[must_use]
#[derive(Debug)]
pub enum EndpointOutput {
    /// Send one datagram.
    Transmit {
        /// From this socket.
        socket: SocketId,
        /// With this source address; an unspecified one leaves the choice to the system.
        local: IpAddr,
        /// To this address.
        remote: SocketAddr,
        /// The datagram.
        data: Bytes,
    },
    /// Open a socket on any port; answered by [`crate::Endpoint::set_addresses`] or
    /// [`crate::Endpoint::handle_socket_failed`].
    OpenSocket(SocketId),
    /// Close it; no answer.
    CloseSocket(SocketId),
    /// A link that somebody else dialled is up: hand the event, always [`LinkEvent::Up`], to the node.
    /// The number counts up from 0 in each endpoint; see [`crate::EndpointSettings::first_accepted`].
    Accepted(LinkId, LinkEvent),
    /// Hand the event to the node, or to the owner of an application link.
    Link(LinkId, LinkEvent),
    /// A datagram of an application link.
    Application(LinkId, Bytes),
    /// An application link that is up goes this way from now on.
    Moved(LinkId, LinkPath),
    /// Nothing more until the next input, or until this moment, when
    /// [`crate::Endpoint::handle_timeout`] is due.
    Idle(Option<Instant>),
}

/// The addresses that a link goes between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPath {
    /// Ours: that of a host, or one at a relay.
    pub local: SocketAddr,
    /// That of the other side, as we see it.
    pub remote: SocketAddr,
    /// Whether both are addresses of the machines themselves: no NAT and no relay is between them.
    pub is_direct: bool,
}

/// A message was not taken; the caller counts it as lost on this link.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendError {
    /// No such link, or it is not up.
    #[error("the link is not up")]
    NotUp,
    /// Larger than a datagram of the link takes: a node fragments, an application sends less.
    #[error("message of {size} bytes is above the {limit} bytes of the link")]
    TooLarge {
        /// Bytes of the message.
        size: usize,
        /// Bytes the link takes.
        limit: usize,
    },
    /// The queue of the link is full: the path takes less than is sent to it.
    #[error("the queue of the link is full")]
    QueueFull,
}

impl From<reload_link::SendError> for SendError {
    fn from(error: reload_link::SendError) -> Self {
        match error {
            reload_link::SendError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            reload_link::SendError::QueueFull => Self::QueueFull,
            reload_link::SendError::Closed => Self::NotUp,
        }
    }
}

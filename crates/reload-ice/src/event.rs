//! What a session tells and sends.

use std::net::SocketAddr;

use bytes::Bytes;
use reload_wire::{CandType, IceCandidate};

/// What happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IceEvent {
    /// All candidates are known; told once, empty if this host has no usable address.
    Gathered(Vec<IceCandidate>),
    /// Bytes go over this pair from now on. Told again whenever it changes.
    Selected(SelectedPair),
    /// The other side has not answered for too long (RFC 7675): nothing is sent any more.
    ConsentLost,
    /// No pair came through; nothing is sent any more.
    Failed {
        /// A line for each pair, or the reason why there was none.
        tried: Vec<String>,
    },
}

/// The pair that bytes go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedPair {
    /// Our end as a socket knows it: a host address, or a relayed one.
    pub local: SocketAddr,
    /// Where datagrams go.
    pub remote: SocketAddr,
    /// What our end is to the other side: host, reflexive when a NAT is between, or relayed.
    pub local_kind: CandType,
    /// What the other end is.
    pub remote_kind: CandType,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceTransmit {
    /// The address to send it from: of this host, or a relayed one of shared relays.
    pub local: SocketAddr,
    /// The address to send it to.
    pub remote: SocketAddr,
    /// The payload of UDP.
    pub data: Bytes,
}

/// Bytes of the layer above that reached us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Our end: a relayed address if they came through TURN.
    pub local: SocketAddr,
    /// Who sent them.
    pub remote: SocketAddr,
    /// The bytes.
    pub data: Bytes,
}

//! What the proxy asks of the overlay, and gets from it: the seam to the running node.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reload_usages::sip::{Aor, Gruu, Resolution, Scheme, SipTarget, SipUri};
use reload_wire::NodeId;
use thiserror::Error;

/// The overlay, as a proxy peer sees it.
#[async_trait]
pub trait Overlay: Send + Sync + 'static {
    /// The user of this node, by its certificate: the only one served here.
    fn aor(&self) -> &Aor;

    /// This node.
    fn node_id(&self) -> NodeId;

    /// The GRUU of this node: its own Node-ID behind the AOR (RFC 7904 section 6).
    fn gruu(&self) -> Gruu;

    /// Whether the AORs of this domain are registered in the overlay (RFC 7904 section 4.1).
    fn serves(&self, domain: &str) -> bool;

    /// The devices and outside addresses that a URI leads to (RFC 7904 section 4.2).
    async fn resolve(&self, uri: &SipUri) -> Result<Resolution, OverlayError>;

    /// Stores the registration of this node under its user for so many seconds; 0 removes it. `wants` is
    /// the scheme that others are to use, if only one. Gives the seconds granted.
    async fn register(&self, expires: u32, wants: Option<Scheme>) -> Result<u32, OverlayError>;

    /// A new connection to a device: AppAttach along its destination list, for the Application-ID of the
    /// scheme. The node at its end has been checked against the list (RFC 7904 section 5.1).
    async fn connect(
        &self,
        target: &SipTarget,
        scheme: Scheme,
    ) -> Result<Box<dyn Pipe>, OverlayError>;

    /// A new connection for media to a node: [`MEDIA_APPLICATION`].
    async fn connect_media(&self, node: NodeId) -> Result<Box<dyn Pipe>, OverlayError>;

    /// The next connection that another node has opened to this one, for SIP or for media; none when the
    /// node has stopped. Called by one task.
    async fn accept(&self) -> Option<(Purpose, Box<dyn Pipe>)>;
}

/// The private Application-ID (section 14.5) of relayed media.
pub const MEDIA_APPLICATION: u16 = 61442;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// SIP messages.
    Sip(Scheme),
    /// RTP and RTCP of calls.
    Media,
}

/// A connection between this node and one other, of whose identity both are sure. It carries datagrams,
/// of which some may be lost, overtaken or repeated. It closes when dropped.
#[async_trait]
pub trait Pipe: Send + Sync {
    /// Who is at the other end.
    fn peer(&self) -> &Arc<Peer>;

    /// Bytes that one datagram takes.
    fn mtu(&self) -> usize;

    /// How it goes; nothing if that is not known.
    fn path(&self) -> Option<Path>;

    /// Sends a datagram.
    async fn send(&self, datagram: Bytes) -> Result<(), OverlayError>;

    /// The next datagram; none when the pipe is closed. Called by one task.
    async fn recv(&self) -> Option<Bytes>;
}

/// The node at the other end of a pipe, from its verified certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its Node-ID.
    pub node: NodeId,
    /// The user that its certificate names: whom it may speak for. None if that is no AOR.
    pub aor: Option<Aor>,
}

/// The addresses a pipe goes between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Here.
    pub local: std::net::SocketAddr,
    /// There.
    pub remote: std::net::SocketAddr,
    /// Whether both are the real addresses of the machines: no NAT and no relay stands in between.
    pub is_direct: bool,
}

/// Why the overlay does not do what was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OverlayError {
    /// The URI leads nowhere.
    #[error("{0}")]
    Address(String),
    /// This user may not be registered, or not now.
    #[error("{0}")]
    Refused(String),
    /// The other node is not to be reached.
    #[error("not reached: {0}")]
    NotReached(String),
    /// The other node takes no SIP with this scheme.
    #[error("it takes no {}", .0.name())]
    NotOffered(Scheme),
    /// The pipe is closed.
    #[error("the connection is closed: {0}")]
    Closed(String),
    /// The datagram does not fit.
    #[error("{size} bytes do not fit into a datagram of {limit}")]
    TooLarge {
        /// Bytes of it.
        size: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

//! What a link is for, and what assures a node of who is at its other end.

use reload_identity::Signer;
use reload_wire::NodeId;

/// The Application-ID of SIP (RFC 7904 section 5.1): on a connection over UDP its messages travel as they
/// are, and what binds the connection to a node is ICE.
pub const SIP: u16 = 5060;

/// The Application-ID of SIPS (RFC 7904 section 5.1): SIP protected by DTLS.
pub const SIPS: u16 = 5061;

/// The private Application-ID (section 14.5) of the RTP and RTCP of phones, between the nodes that carry it.
pub const MEDIA: u16 = 61_442;

/// What a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// RELOAD messages.
    Overlay,
    /// What the application with this Application-ID sends (section 6.5.2).
    Application(u16),
}

impl LinkPurpose {
    /// Whether its datagrams may be larger than the path takes in one piece: messages of SIP have any
    /// size, and no other transport is offered here that RFC 3261 section 18.1.1 could turn to. Packets of
    /// phones are made for an Ethernet, with no room for what is put around them.
    #[must_use]
    pub const fn may_be_fragmented(self) -> bool {
        matches!(self, Self::Application(SIP | SIPS | MEDIA))
    }

    /// Whether only ICE can tell who is at the other end.
    #[must_use]
    pub const fn is_bound_by_ice(self) -> bool {
        matches!(self, Self::Application(SIP))
    }

    /// What assures a link for it of this node.
    #[must_use]
    pub fn security(self, node: Signer) -> Security {
        match self.is_bound_by_ice() {
            true => Security::Path(node),
            false => Security::Handshake(Some(node.node_id)),
        }
    }
}

/// What assures a node of who is at the other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// A handshake of TLS or DTLS with certificates, which also protects what follows. That of the other
    /// side must hold this Node-ID; none for a bootstrap node.
    Handshake(Option<NodeId>),
    /// ICE alone. Its credentials came in a message of this signer and in one that this node has signed,
    /// so whoever answers the checks is the signer (RFC 7904 section 5.1). Nothing is encrypted. For
    /// [`crate::Way::Ice`] only.
    Path(Signer),
}

impl Security {
    /// The node that has to be at the other end, if that is known.
    #[must_use]
    pub fn expected(&self) -> Option<NodeId> {
        match self {
            Self::Handshake(expected) => *expected,
            Self::Path(signer) => Some(signer.node_id),
        }
    }

    /// Whether it is the path, and no handshake.
    #[must_use]
    pub const fn is_path(&self) -> bool {
        matches!(self, Self::Path(_))
    }
}

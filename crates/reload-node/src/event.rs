//! What a node tells its application.

use std::net::SocketAddr;

use reload_topology::TopologyEvent;
use reload_wire::NodeId;

#[cfg(doc)]
use crate::Offer;
use crate::{AskingId, LinkId, LinkPurpose, RequestError, RequestId, Response};

/// Something the application wants to know.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request has ended.
    Finished(RequestId, Result<Response, RequestError>),
    /// The topology plug-in tells something: joining, joined, left.
    Topology(TopologyEvent),
    /// A bootstrap address did not lead into the overlay; the next one is tried.
    BootstrapFailed {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Every bootstrap address failed; they are tried again after a while.
    NoBootstrap {
        /// How many were tried.
        tried: usize,
        /// Seconds until the next round.
        again_in: u64,
    },
    /// A link to a node came up.
    LinkUp {
        /// The node.
        node: NodeId,
        /// Its address.
        remote: SocketAddr,
    },
    /// The last link to a node is gone.
    LinkDown {
        /// The node.
        node: NodeId,
        /// Why.
        reason: String,
    },
    /// A link that was to be did not come about, and there is no other to that node.
    LinkFailed {
        /// The node, as far as known.
        node: Option<NodeId>,
        /// What it was to carry.
        purpose: LinkPurpose,
        /// Why, with the pairs of candidates that were tried.
        reason: String,
    },
    /// A connection that another node asked for is up (section 6.5.2). It belongs to the driver.
    Pipe {
        /// Its link.
        link: LinkId,
        /// The node at the other end.
        node: NodeId,
        /// The Application-ID.
        application: u16,
    },
    /// A node asks for what [`Offer::Ask`] offers; answered by [`crate::Node::answer_application`].
    Asked {
        /// The question.
        asking: AskingId,
        /// Who asks; its signature holds.
        node: NodeId,
        /// The Application-ID.
        application: u16,
    },
    /// A newer configuration document was accepted (section 6.5.4); these are its bytes, to be kept.
    Configured {
        /// Its sequence number.
        sequence: u16,
        /// The whole document.
        document: bytes::Bytes,
    },
    /// This node cannot live with the new configuration and leaves (section 11.1).
    Unsupported {
        /// What it cannot do.
        reason: String,
    },
}

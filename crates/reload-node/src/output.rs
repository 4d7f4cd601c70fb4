//! What goes in and out between a node and its driver.
//!
//! The driver feeds link events, finished jobs, timeouts and requests, and after each of them drains
//! [`crate::Node::poll_output`] down to [`Output::Idle`]. A failed socket is an input like any other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reload_identity::VerifiedCertificate;
use reload_wire::{ForwardingHeader, IceCandidate, NodeId};

use crate::{Event, Job};

/// Names a link. The node names the links it plans, the driver those it accepts; the lowest bit
/// tells the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

impl LinkId {
    /// The `number`-th link that the node planned.
    #[must_use]
    pub const fn planned(number: u64) -> Self {
        Self(number << 1)
    }

    /// The `number`-th link that the driver accepted.
    #[must_use]
    pub const fn accepted(number: u64) -> Self {
        Self((number << 1) | 1)
    }

    /// Whether the driver accepted it.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Names a crypto job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Something the driver has to do.
#[must_use]
#[derive(Debug)]
pub enum Output {
    /// Find out at which addresses others can dial this node; answered by [`LinkEvent::Candidates`].
    /// A node that cannot be dialled answers with none.
    Gather(LinkId),
    /// Dial; answered by [`LinkEvent::Up`] or [`LinkEvent::Down`].
    Connect(LinkId, Plan),
    /// Send one whole message; the driver frames it.
    Send(LinkId, Bytes),
    /// Close at once, after what was sent before has gone out. No event follows.
    Close(LinkId),
    /// Run the job, anywhere, and hand the result to [`crate::Node::handle_crypto`].
    Crypto(JobId, Job),
    /// Tell the application.
    Event(Event),
    /// Nothing more until the next input, or until this deadline, when
    /// [`crate::Node::handle_timeout`] is due.
    Idle(Option<Deadline>),
}

/// How to form a link to a waiting node. The other direction needs no plan: links that come in are
/// matched to the pending Attach by certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where to dial, in this order.
    pub addresses: Vec<SocketAddr>,
    /// The Node-ID that the certificate of the other side must hold; none for a bootstrap node.
    pub expected: Option<NodeId>,
    /// When to give up.
    pub deadline: Instant,
}

/// The moment of the next timeout, and the timer that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The name of the timer, for traces.
    pub timer: &'static str,
}

/// What the driver tells of a link.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// The answer to [`Output::Gather`]: our own candidates, best first (section 6.5.1.1).
    Candidates(Vec<IceCandidate>),
    /// The link is up: mutually authenticated, the certificate checked against the overlay.
    Up {
        /// The certificate of the other side.
        certificate: Arc<VerifiedCertificate>,
        /// Its address, for people.
        remote: SocketAddr,
    },
    /// One whole message, as it arrived.
    Message(Bytes),
    /// A message larger than max-message-size is arriving; this is its header (section 6.6). The
    /// node answers it and closes the link.
    TooLarge(ForwardingHeader),
    /// Nothing was acknowledged for the link's timeout (section 6.6.5). The messages, oldest first,
    /// for which no acknowledgement has come: the node sends them another way.
    Failing {
        /// Sent and not acknowledged; bounded by the driver.
        unacknowledged: Vec<Bytes>,
    },
    /// Acknowledgements have come again.
    Restored,
    /// The link is gone, or did not come up.
    Down {
        /// Why, in one line for people.
        reason: String,
        /// As in [`LinkEvent::Failing`], without those handed over before.
        unacknowledged: Vec<Bytes>,
    },
}

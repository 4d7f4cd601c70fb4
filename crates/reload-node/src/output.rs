//! What goes in and out between a node and its driver.
//!
//! The driver feeds link events, finished jobs, timeouts and requests, and after each of them drains
//! [`crate::Node::poll_output`] down to [`Output::Idle`]. A failed socket is an input like any other.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reload_identity::VerifiedCertificate;
use reload_wire::{ForwardingHeader, IceCandidate, NodeId, OverlayLinkType};

use crate::{Event, Job, LinkPurpose, Security};

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
    /// Find out how others can reach this node for a link; answered by [`LinkEvent::Candidates`]. A
    /// node that cannot be reached that way answers with none.
    Gather(LinkId, Gathering),
    /// Form a link; answered by [`LinkEvent::Up`] or [`LinkEvent::Down`]. With ICE both sides get
    /// one, each for the link that it gathered for.
    Connect(LinkId, Plan),
    /// Send one whole message; the driver frames it.
    Send(LinkId, Bytes),
    /// Close at once, after what was sent before has gone out; give up what was gathered for it. No
    /// event follows.
    Close(LinkId),
    /// Run the job, anywhere, and hand the result to [`crate::Node::handle_crypto`].
    Crypto(JobId, Job),
    /// Tell the application.
    Event(Event),
    /// Nothing more until the next input, or until this deadline, when
    /// [`crate::Node::handle_timeout`] is due.
    Idle(Option<Deadline>),
}

/// What to gather candidates for (section 6.5.1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// What the link will carry.
    pub purpose: LinkPurpose,
    /// Gather for ICE, with this. Without, in a No-ICE overlay, name addresses that can be dialled.
    pub ice: Option<IceGathering>,
    /// The link needs a socket of its own: nothing else would tell its datagrams, or connections
    /// that come in for it, from those of other links. Without ICE the driver listens there for 15 s,
    /// and reports what comes in under the name of this link.
    pub own_socket: bool,
}

/// Our side of one ICE session.
#[derive(Clone, PartialEq, Eq)]
pub struct IceGathering {
    /// Our user name fragment, as the other side will get it.
    pub ufrag: Bytes,
    /// Our password, as the other side will get it.
    pub password: Bytes,
    /// Whether this node sends the Attach: it controls and is the DTLS server (6.5.1.9, 6.5.1.13).
    pub controlling: bool,
}

impl fmt::Debug for IceGathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ufrag, password: _, controlling } = self;
        let mut debug = f.debug_struct("IceGathering");
        debug.field("ufrag", ufrag).field("controlling", controlling).finish_non_exhaustive()
    }
}

/// How to form a link. A dialled node needs no plan: links that come in are matched to the pending
/// Attach by certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// By which way.
    pub way: Way,
    /// What assures both of the other end.
    pub security: Security,
    /// When to give up.
    pub deadline: Instant,
}

impl Plan {
    /// The node that has to be at the other end, if that is known.
    #[must_use]
    pub fn expected(&self) -> Option<NodeId> {
        self.security.expected()
    }
}

/// The two ways to a link.
#[derive(Clone, PartialEq, Eq)]
pub enum Way {
    /// Dial these addresses, in this order, as TLS or DTLS client.
    Dial(Vec<DialAddress>),
    /// Run ICE against these values of the other side, then DTLS; the controlling side is its server.
    Ice {
        /// Its user name fragment.
        ufrag: Bytes,
        /// Its password.
        password: Bytes,
        /// Its candidates, best first.
        candidates: Vec<IceCandidate>,
    },
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(addresses) => f.debug_tuple("Dial").field(addresses).finish(),
            Self::Ice { ufrag, password: _, candidates } => {
                let mut debug = f.debug_struct("Ice");
                debug.field("ufrag", ufrag).field("candidates", candidates).finish_non_exhaustive()
            }
        }
    }
}

impl Way {
    /// To a bootstrap node, whose link type nothing tells: TLS first, DTLS after 2 s or on refusal.
    #[must_use]
    pub fn bootstrap(address: SocketAddr) -> Self {
        let links = [OverlayLinkType::TLS_TCP_FH_NO_ICE, OverlayLinkType::DTLS_UDP_SR_NO_ICE];
        Self::Dial(links.map(|link| DialAddress { address, link }).to_vec())
    }
}

/// An address to dial, and what speaks there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialAddress {
    /// The address.
    pub address: SocketAddr,
    /// `TLS_TCP_FH_NO_ICE` or `DTLS_UDP_SR_NO_ICE`.
    pub link: OverlayLinkType,
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
    /// The answer to [`Output::Gather`]: our own candidates, best first (section 6.5.1.1). Those that
    /// the overlay does not use are left out of what is said.
    Candidates(Vec<IceCandidate>),
    /// The link is up: mutually authenticated, the certificate checked against the overlay.
    Up {
        /// The certificate of the other side.
        certificate: Arc<VerifiedCertificate>,
        /// Its address, for people.
        remote: SocketAddr,
        /// The bytes that one datagram of the link carries; only of links over datagrams.
        mtu: Option<usize>,
    },
    /// One datagram of the link carries this many bytes from now on.
    Mtu(usize),
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

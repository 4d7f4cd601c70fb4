//! The neighbours of this proxy: where a request has come from, and where one goes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reload_usages::sip::Scheme;
use reload_wire::NodeId;
use rsipstack::sip::{Transport, Uri};
use rsipstack::transport::{SipAddr, SipConnection};

use super::route::{Face, Facing};
use crate::pipes::{Hold, SipPipe};

/// A neighbour, and the way to it.
#[derive(Clone)]
pub(crate) enum Hop {
    /// A phone of the user.
    Phone(PhoneHop),
    /// Another peer.
    Peer(Arc<SipPipe>),
    /// The ordinary SIP world.
    Outside(PhoneHop),
}

/// The way to a phone, or to the ordinary SIP world.
#[derive(Clone, Debug)]
pub(crate) struct PhoneHop {
    /// What it is registered as; none of one that is not registered, and outside.
    pub(crate) line: Option<String>,
    /// Where it wants its requests, if it has said so.
    pub(crate) contact: Option<Uri>,
    /// What carries them.
    pub(crate) connection: SipConnection,
    /// Where they are sent.
    pub(crate) destination: SipAddr,
    /// Our address that it sees.
    pub(crate) local: SocketAddr,
}

impl PhoneHop {
    fn facing(&self) -> Facing {
        Facing { address: self.local, transport: self.connection.transport() }
    }

    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.destination.get_socketaddr().ok().map(|address| address.ip())
    }
}

impl Hop {
    pub(super) fn connection(&self) -> SipConnection {
        match self {
            Self::Phone(phone) | Self::Outside(phone) => phone.connection.clone(),
            Self::Peer(pipe) => pipe.connection(),
        }
    }

    pub(super) fn destination(&self) -> SipAddr {
        match self {
            Self::Phone(phone) | Self::Outside(phone) => phone.destination.clone(),
            Self::Peer(pipe) => pipe.address(),
        }
    }

    pub(super) fn face(&self) -> Face {
        match self {
            Self::Phone(phone) | Self::Outside(phone) => Face::Phones(phone.facing()),
            Self::Peer(_) => Face::Overlay,
        }
    }

    /// Transport and host of our Via. Peers see the name of this node (RFC 7904 section 5.1).
    pub(super) fn sent_by(&self, node_name: &str) -> String {
        match self {
            Self::Phone(phone) | Self::Outside(phone) => {
                format!("{} {}", phone.connection.transport(), phone.local)
            }
            Self::Peer(pipe) if pipe.scheme() == Scheme::Sips => {
                format!("{} {node_name}", Transport::Tls)
            }
            Self::Peer(_) => format!("{} {node_name}", Transport::Udp),
        }
    }

    pub(super) fn is_phone(&self) -> bool {
        matches!(self, Self::Phone(_))
    }

    pub(super) fn node(&self) -> Option<NodeId> {
        match self {
            Self::Peer(pipe) => Some(pipe.peer().node),
            Self::Phone(_) | Self::Outside(_) => None,
        }
    }

    /// What a dialog keeps of it.
    pub(super) fn side(&self) -> Side {
        match self {
            Self::Phone(phone) => Side::Phone(Box::new(phone.clone())),
            Self::Outside(_) => Side::Outside,
            Self::Peer(pipe) => Side::Peer {
                node: pipe.peer().node,
                scheme: pipe.scheme(),
                hold: Arc::new(pipe.hold()),
            },
        }
    }
}

/// One side of a dialog.
#[derive(Clone)]
pub(crate) enum Side {
    /// A phone of the user.
    Phone(Box<PhoneHop>),
    /// Another peer. The pipe to it is held open as long as the dialog lives.
    Peer {
        node: NodeId,
        scheme: Scheme,
        #[expect(dead_code, reason = "what it does is to live")]
        hold: Arc<Hold>,
    },
    /// The ordinary SIP world.
    Outside,
}

impl Side {
    /// Whether a request from this neighbour can be of this side. Phones may change their port.
    pub(super) fn is(&self, hop: &Hop) -> bool {
        match (self, hop) {
            (Self::Phone(known), Hop::Phone(phone)) => known.ip() == phone.ip(),
            (Self::Peer { node, .. }, Hop::Peer(pipe)) => *node == pipe.peer().node,
            (Self::Outside, Hop::Outside(_)) => true,
            _ => false,
        }
    }
}

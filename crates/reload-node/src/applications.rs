//! What applications offer, and the connections that are being agreed on (section 6.5.2): the states
//! that `app_attach.rs` and `app_attach_answer.rs` work on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reload_identity::{Signer, VerifiedCertificate};
use reload_wire::{Destination, IceCandidate, NodeId};

use crate::candidates::Terms;
use crate::deliver::Caller;
use crate::{LinkId, RequestError, RequestId, Way};

/// What this node does with an AppAttach of others for an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Form the connection: [`crate::Event::Pipe`].
    Connect,
    /// Let the application answer, and form no connection: [`crate::Event::Asked`].
    Ask,
}

/// Names an AppAttach that the application answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskingId(pub u64);

/// The answer of an application to an AppAttach.
#[derive(Clone, PartialEq, Eq)]
pub struct ApplicationAnswer {
    /// Goes into the field of this name.
    pub ufrag: Bytes,
    /// Goes into the field of this name.
    pub password: Bytes,
    /// Where the other side finds what it asked for.
    pub candidates: Vec<IceCandidate>,
}

impl std::fmt::Debug for ApplicationAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ufrag, password: _, candidates } = self;
        let mut debug = f.debug_struct("ApplicationAnswer");
        debug.field("ufrag", ufrag).field("candidates", candidates).finish_non_exhaustive()
    }
}

/// A request of the application here for a connection.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) id: RequestId,
    pub(crate) application: u16,
    pub(crate) started: Instant,
    /// Hops of the answer.
    pub(crate) hops: u8,
}

/// One AppAttach under way, by the name of the link it is to give.
#[derive(Debug)]
pub(crate) enum AppAttach {
    /// Ours: our candidates are looked up.
    Gathering { to: Vec<Destination>, own: Own, terms: Terms },
    /// Ours: sent and not answered. Without ICE the other side may dial before its answer is here.
    Asked { to: Vec<Destination>, own: Own, early: Option<Arc<VerifiedCertificate>> },
    /// Ours: given up in favour of theirs, which has not come yet. The error is what it ends with.
    Yielding { node: NodeId, own: Own, error: RequestError },
    /// Theirs: our candidates are looked up for the answer. It takes the place of ours, if any.
    Answering {
        caller: Box<Caller>,
        node: Signer,
        application: u16,
        way: Way,
        terms: Terms,
        own: Option<Own>,
    },
    /// Answered: the connection is being formed.
    Forming(Connection),
}

/// A connection that is being formed.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) node: Signer,
    pub(crate) application: u16,
    /// The request of ours that it fulfils.
    pub(crate) own: Option<Own>,
    /// Who sent the AppAttach.
    pub(crate) from: Side,
}

/// One of the two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Here,
    There,
}

/// What applications offer and ask for. Each AppAttach ends by its timer or its transaction.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    pub(crate) offers: BTreeMap<u16, Offer>,
    pub(crate) open: BTreeMap<LinkId, AppAttach>,
    /// Those that the application answers itself.
    pub(crate) asked: BTreeMap<AskingId, (Box<Caller>, u16)>,
}

impl Applications {
    /// Our AppAttach to this node for this application that is not answered yet.
    pub(crate) fn asked_by_us(&self, node: &NodeId, application: u16) -> Option<LinkId> {
        self.find(|attach| match attach {
            AppAttach::Asked { to, own, .. } => {
                own.application == application && to.last() == Some(&Destination::Node(*node))
            }
            _ => false,
        })
    }

    /// Ours that was given up in favour of that of this node.
    pub(crate) fn yielding(&self, of: &NodeId, application: u16) -> Option<LinkId> {
        self.find(|attach| match attach {
            AppAttach::Yielding { node, own, .. } => own.application == application && node == of,
            _ => false,
        })
    }

    /// A connection with this node that is being formed, asked for by that side.
    pub(crate) fn forming(&self, with: &NodeId, application: u16, side: Side) -> Option<LinkId> {
        self.find(|attach| match attach {
            AppAttach::Forming(Connection { node, application: its, from, .. }) => {
                node.node_id == *with && *its == application && *from == side
            }
            _ => false,
        })
    }

    fn find(&self, wanted: impl Fn(&AppAttach) -> bool) -> Option<LinkId> {
        self.open.iter().find(|(_, attach)| wanted(attach)).map(|(link, _)| *link)
    }

    /// The request of ours that waits under this name; the entry is taken out.
    pub(crate) fn take_own(&mut self, link: LinkId) -> Option<Own> {
        match self.open.remove(&link)? {
            AppAttach::Asked { own, .. } | AppAttach::Yielding { own, .. } => Some(own),
            other => {
                self.open.insert(link, other);
                None
            }
        }
    }
}

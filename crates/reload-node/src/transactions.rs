//! The requests this node has sent and that are not answered yet (section 6.2.1).

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use reload_topology::TaskId;
use reload_wire::{Destination, ErrorCode, MessageCode, NodeId, ResourceId, TransactionId};

use crate::{LinkId, NewValue, RequestId};

/// Transmissions of one request in all (section 6.2.1).
pub(crate) const TRANSMISSIONS: u8 = 5;

/// Why a request was sent: who is told how it ended.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// The application.
    Application(RequestId),
    /// The topology plug-in.
    Topology(TaskId),
    /// An Attach of ours, by the name of its link.
    Attach(LinkId),
    /// An AppAttach of ours, by the name of its link.
    AppAttach(LinkId),
    /// A replica Store for a Store that waits for its acknowledgement.
    Replica { acknowledgement: u64, node: NodeId, resource: ResourceId },
    /// A batch of a copy task.
    Copy { copy: u64, node: NodeId, resource: ResourceId },
    /// Newer values are fetched from a peer that refused our copy as too old (section 7.4.1.1).
    Resynchronise { node: NodeId, resource: ResourceId, copy: Option<u64> },
    /// A ConfigUpdate to a node with an older document (section 6.5.4).
    ConfigUpdate(NodeId),
    /// A Ping on an idle link; sent once, on that link only.
    Keepalive,
    /// A Ping over the link to a bootstrap node with several Node-IDs: its answer tells which one
    /// it uses.
    Identify(LinkId),
    /// A Ping of a size that is tried on a link; sent on that link only.
    PathMtu(LinkId),
    /// Nobody waits for the answer.
    Nobody,
}

impl Purpose {
    /// The link whose path it tries: it must not be cut.
    pub(crate) const fn probed_link(&self) -> Option<LinkId> {
        match self {
            Self::PathMtu(link) => Some(*link),
            _ => None,
        }
    }

    /// Whether the request is about one link: it is sent over that link only, and once.
    pub(crate) const fn is_pinned(&self) -> bool {
        matches!(self, Self::Keepalive | Self::Identify(_) | Self::PathMtu(_))
    }
}

/// What a request says, before it is signed.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A ready message body, with certificates that its values need.
    Ready { body: Bytes, certificates: Vec<Bytes> },
    /// A Store of own values, which are signed together with the message.
    Store { resource: ResourceId, values: Vec<NewValue> },
}

/// One request under way.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) code: MessageCode,
    pub(crate) to: Vec<Destination>,
    pub(crate) content: Content,
    /// Contents and security block, once signed.
    pub(crate) sealed: Option<Bytes>,
    pub(crate) purpose: Purpose,
    /// Transmissions so far.
    pub(crate) sent: u8,
    pub(crate) started: Instant,
    /// The link it must take, if any.
    pub(crate) pinned: Option<LinkId>,
    /// The link it took last.
    pub(crate) link: Option<LinkId>,
    /// Whether it was sent anew after an exchange of configurations.
    pub(crate) renewed: bool,
    /// It waits for an exchange of configurations with this node.
    pub(crate) stalled: Option<NodeId>,
    /// The last error of a node on the way.
    pub(crate) last_error: Option<(ErrorCode, Bytes, NodeId)>,
}

/// All requests under way.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    open: BTreeMap<TransactionId, Transaction>,
}

impl Transactions {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn get(&self, id: TransactionId) -> Option<&Transaction> {
        self.open.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: TransactionId) -> Option<&mut Transaction> {
        self.open.get_mut(&id)
    }

    pub(crate) fn insert(&mut self, id: TransactionId, transaction: Transaction) {
        self.open.insert(id, transaction);
    }

    pub(crate) fn remove(&mut self, id: TransactionId) -> Option<Transaction> {
        self.open.remove(&id)
    }

    /// The requests whose last transmission took this link.
    pub(crate) fn on_link(&self, link: LinkId) -> Vec<TransactionId> {
        let took =
            |(_, transaction): &(&TransactionId, &Transaction)| transaction.link == Some(link);
        self.open.iter().filter(took).map(|(id, _)| *id).collect()
    }

    /// The requests for which this holds.
    pub(crate) fn find(&self, wanted: impl Fn(&Transaction) -> bool) -> Vec<TransactionId> {
        self.open.iter().filter(|(_, t)| wanted(t)).map(|(id, _)| *id).collect()
    }
}

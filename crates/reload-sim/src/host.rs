//! A simulated machine with one node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use reload_chord::Chord;
use reload_node::{AskingId, LinkId, Node, RequestError, RequestId, Response};
use reload_storage::MemoryStore;
use reload_wire::NodeId;

use crate::link::End;

/// The node of every simulation: CHORD-RELOAD and values in memory.
pub type SimNode = Node<Chord, MemoryStore>;

/// How a machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It runs.
    Running,
    /// Its process was killed: its links are reset, dialling it is refused.
    Killed,
    /// It lost power or was stopped: nothing comes from it, not even a refusal.
    Silent,
    /// It left in good order.
    Left,
}

/// One machine.
pub struct Host {
    /// Its node's identifier.
    pub node_id: NodeId,
    /// The user name in its certificate.
    pub user: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// How it does.
    pub condition: Condition,
    /// Whether its node is a peer or a settled client.
    pub joined: bool,
    /// How its requests ended.
    pub finished: BTreeMap<RequestId, Result<Response, RequestError>>,
    /// What others ask of the application of its node: who, and for which Application-ID.
    pub asked: Vec<(AskingId, NodeId, u16)>,
    pub(crate) node: SimNode,
    /// Counts starts: what was planned for an earlier process is void.
    pub(crate) life: u32,
    pub(crate) links: BTreeMap<LinkId, End>,
    /// Links being dialled.
    pub(crate) dialling: BTreeSet<LinkId>,
    pub(crate) accepted: u64,
    /// The timeout that is on the agenda.
    pub(crate) alarm: Option<Instant>,
}

impl Host {
    /// Its node.
    #[must_use]
    pub fn node(&self) -> &SimNode {
        &self.node
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.condition == Condition::Running
    }
}

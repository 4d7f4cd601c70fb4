//! A picture of a plug-in's tables, for status pages and commands.

use reload_wire::NodeId;

use crate::Range;

/// How far a node has come (section 10.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not connected.
    Idle,
    /// On the way to become a peer.
    Joining,
    /// A peer.
    Peer,
    /// A client, settled at a peer.
    Client,
    /// Leaving.
    Leaving,
}

/// The tables at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// How far the node has come.
    pub phase: Phase,
    /// Nearest first.
    pub predecessors: Vec<NodeId>,
    /// Nearest first.
    pub successors: Vec<NodeId>,
    /// The valid finger entries with their number i of section 10.7.4.2, ascending i.
    pub fingers: Vec<(u8, NodeId)>,
    /// The Resource-IDs this peer is responsible for, if any.
    pub responsible: Option<Range>,
}

//! What a topology plug-in asks its node to do.

use bytes::Bytes;
use reload_wire::{Destination, ErrorCode, NodeId};

use crate::{Range, RequestToken};

/// Names a task from the action that starts it to the [`crate::Input::Done`] that ends it. The
/// plug-in counts them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// Something the node has to do. Each action with a task ends in exactly one [`crate::Input::Done`].
#[derive(Clone, Debug)]
pub enum Action {
    /// Form a link (section 6.5.1); ends with `Attached`.
    Attach {
        /// The task.
        task: TaskId,
        /// The destination list: one entry, or a source route (section 10.6).
        to: Vec<Destination>,
        /// Ask the other side for an Update.
        send_update: bool,
    },
    /// Ping (section 6.5.3); ends with `Answered`.
    Ping {
        /// The task.
        task: TaskId,
        /// The destination list.
        to: Vec<Destination>,
    },
    /// Send Join to a linked node (section 6.4.2.1); ends with `Answered`.
    Join {
        /// The task.
        task: TaskId,
        /// The admitting peer.
        to: NodeId,
    },
    /// Send Update to a linked node (section 6.4.2.3); ends with `Answered`.
    Update {
        /// The task.
        task: TaskId,
        /// The node.
        to: NodeId,
        /// The body.
        body: Bytes,
    },
    /// Send Leave to a linked node (section 6.4.2.2); ends with `Answered`.
    Leave {
        /// The task.
        task: TaskId,
        /// The node.
        to: NodeId,
        /// The overlay-specific data.
        data: Bytes,
    },
    /// Answer a request that came in.
    Answer {
        /// The request.
        token: RequestToken,
        /// The message body of the answer, or the error to send.
        result: Result<Bytes, ErrorCode>,
    },
    /// Store copies of all values in a range at another peer, by Stores with a replica number that
    /// is not zero; ends with `Copied`.
    Copy {
        /// The task.
        task: TaskId,
        /// The peer that shall have them.
        to: NodeId,
        /// Which resources.
        range: Range,
        /// Why.
        reason: CopyReason,
    },
    /// Drop the values outside this range (section 10.7.3).
    Forget {
        /// What stays.
        keep: Range,
    },
    /// The link to this node is no longer needed by the plug-in; the node closes it unless somebody
    /// else uses it.
    Release(NodeId),
    /// Tell whoever watches.
    Event(TopologyEvent),
}

/// Why values are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyReason {
    /// The peer takes responsibility for them (sections 10.5 and 6.4.2.3).
    HandOver,
    /// The peer is new in the replica set (section 10.7.3).
    Replica,
}

/// What people and the node want to know of the plug-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopologyEvent {
    /// A step of the join was reached, named as in section 10.5.
    Joining {
        /// What was reached.
        step: &'static str,
        /// The node it concerns: the bootstrap peer, the admitting peer.
        node: Option<NodeId>,
    },
    /// This node is a peer (or, as a client, is settled) now.
    Joined,
    /// The join failed; the plug-in waits for another [`crate::Input::Join`].
    JoinFailed {
        /// The step that failed.
        step: &'static str,
    },
    /// This peer lost its place: every successor is gone. The node has to find a bootstrap peer again.
    Isolated,
    /// The neighbours or the range changed.
    Changed,
    /// Leaving is complete: everything may be closed.
    Left,
}

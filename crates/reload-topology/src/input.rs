//! What a node tells its topology plug-in.

use bytes::Bytes;
use reload_wire::{ErrorCode, JoinReq, LeaveReq, NodeId, RouteQueryReq};

use crate::TaskId;

/// Something that happened outside the plug-in.
#[derive(Clone, Debug)]
pub enum Input {
    /// Be the first peer: take responsibility for the whole overlay (section 6.4.2.1).
    Found,
    /// Join through this node, to which a link is up (section 10.5). For a client: settle there.
    Join {
        /// The bootstrap peer.
        bootstrap: NodeId,
    },
    /// Leave in good order (section 10.9); ends with [`crate::TopologyEvent::Left`].
    Leave,
    /// The first authenticated link to this node is up. It may be a client: it enters the routing
    /// table only after an Update (section 6.5.1).
    LinkUp(NodeId),
    /// The last link to this node went without an acknowledgement for its timeout (section 6.6.5).
    LinkFailing(NodeId),
    /// The link works again before it was given up.
    LinkRestored(NodeId),
    /// The last link to this node is gone.
    LinkDown(NodeId),
    /// This node asked for an Update in an Attach or a RouteQuery, and a link to it is up (6.4.2.3).
    UpdateWanted(NodeId),
    /// A verified request for the plug-in; answer it with [`crate::Action::Answer`].
    Request {
        /// Names the request in the answer.
        token: RequestToken,
        /// The node that signed it.
        from: NodeId,
        /// Whether it came over a link that is bound to that node (section 6.4.2.1).
        direct: bool,
        /// The request.
        request: TopologyRequest,
    },
    /// A task that an [`crate::Action`] started has ended.
    Done {
        /// The task.
        task: TaskId,
        /// How it ended.
        result: Result<TaskAnswer, Failure>,
    },
    /// The settings of the configuration changed (`chord-*` elements, section 11.1).
    Configure {
        /// Seconds between Updates to neighbours.
        update_interval: u32,
        /// Seconds between searches for fingers.
        ping_interval: u32,
        /// Reactive recovery.
        reactive: bool,
    },
}

/// Names a request while its answer is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// The requests that a plug-in answers.
#[derive(Clone, Debug)]
pub enum TopologyRequest {
    /// Join (section 6.4.2.1).
    Join(JoinReq),
    /// Leave (section 6.4.2.2).
    Leave(LeaveReq),
    /// Update (section 6.4.2.3); the body belongs to the plug-in.
    Update(Bytes),
    /// RouteQuery (section 6.4.2.4). The node follows it with [`Input::UpdateWanted`] when the flag
    /// is set.
    RouteQuery(RouteQueryReq),
}

/// The good end of a task.
#[derive(Clone, Debug)]
pub enum TaskAnswer {
    /// The Attach is complete: a link to this node is up.
    Attached(NodeId),
    /// A request was answered.
    Answered {
        /// The node that signed the answer.
        by: NodeId,
        /// The message body of the answer.
        body: Bytes,
    },
    /// The values were copied, and every Store was answered with success.
    Copied,
}

/// The bad end of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer in time.
    Timeout,
    /// An error response.
    Refused(ErrorCode),
    /// The link did not come up, or is gone.
    Unreachable,
}

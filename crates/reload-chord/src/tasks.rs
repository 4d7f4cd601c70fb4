//! What the plug-in has asked its node to do and waits for.

use std::collections::BTreeMap;

use reload_topology::TaskId;

use crate::ring::Position;

/// A task that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// The Attach to the own Resource-ID (plus one, for a peer), sections 10.5 and 4.2.1.
    FindPeer,
    /// The Attach to a node that was learned.
    Reach { node: Position },
    /// The Attach for a finger entry (section 10.5).
    Finger,
    /// The Ping in search of a finger (section 10.7.4.2).
    Search { entry: u8 },
    /// The Ping in search of another ring (section 10.7.4.4).
    Partition { via: Position },
    /// Join.
    Join { to: Position },
    /// Update.
    Update { to: Position },
    /// Leave.
    Leave { to: Position },
    /// A copy to a member of the replica set.
    Replica { to: Position, after: Position },
    /// A copy to the peer that has become responsible.
    HandOver { number: u64 },
    /// The copy to the Joining Node.
    Admission { joining: Position, after: Position },
    /// The last copy before leaving.
    Farewell,
}

/// The running tasks by their number.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    next: u64,
    running: BTreeMap<TaskId, Task>,
}

impl Tasks {
    pub(crate) fn start(&mut self, task: Task) -> TaskId {
        let id = TaskId(self.next);
        self.next += 1;
        self.running.insert(id, task);
        id
    }

    pub(crate) fn end(&mut self, id: TaskId) -> Option<Task> {
        self.running.remove(&id)
    }

    /// Forgets the running tasks that are of no more use; their ends are ignored.
    pub(crate) fn abandon(&mut self, useless: impl Fn(&Task) -> bool) {
        self.running.retain(|_, task| !useless(task));
    }

    pub(crate) fn runs(&self, wanted: impl Fn(&Task) -> bool) -> bool {
        self.running.values().any(wanted)
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Task) -> bool) -> usize {
        self.running.values().filter(|task| wanted(task)).count()
    }
}

//! Where values lie: the trait behind which a store in memory or on disk stands. It knows nothing of
//! access, generations or lifetimes; it keeps what it is given, all of a batch or nothing.

use std::ops::Bound;

use reload_wire::{KindId, ResourceId};

use crate::values::{Address, Slot, StoredValue};

/// A place for values, ordered by Resource-ID.
///
/// Values are read by reference: a store on disk keeps a copy in memory, writes each batch as one
/// transaction and, when it opens, has what it reads verified again before it puts it there.
pub trait Store {
    /// The values of one Kind at one resource.
    fn slot(&self, resource: &ResourceId, kind: KindId) -> Option<&Slot>;

    /// The generation counter of one Kind at one resource, also where its values are all gone: a
    /// counter never goes back while it is remembered (section 7.4.1.1). 0 if there is none.
    fn generation(&self, resource: &ResourceId, kind: KindId) -> u64;

    /// The Kinds at one resource, ascending.
    fn slots(&self, resource: &ResourceId) -> impl Iterator<Item = (KindId, &Slot)>;

    /// The resources between two bounds, ascending. Bounds that cross give none.
    fn resources(
        &self,
        from: Bound<&ResourceId>,
        to: Bound<&ResourceId>,
    ) -> impl Iterator<Item = &ResourceId>;

    /// Does all changes of a batch or none of them. A slot that loses its last value goes, and its
    /// generation counter is remembered; a resource that loses its last slot goes.
    ///
    /// # Errors
    ///
    /// When the batch couldn't be written; the store is as it was before.
    fn apply(&mut self, batch: Batch) -> Result<(), StoreFault>;
}

/// A store couldn't write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of this peer cannot write: {reason}")]
pub struct StoreFault {
    /// What failed: "disk full" and the like.
    pub reason: &'static str,
}

/// Changes that are done together. No address occurs twice.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<Change>,
}

impl Batch {
    /// The changes in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes, to be taken apart.
    #[must_use]
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds a change. There must be none yet at its address.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(crate) fn changes_mut(&mut self) -> &mut [Change] {
        &mut self.changes
    }
}

/// One change of a store.
#[derive(Clone, Debug)]
pub enum Change {
    /// Insert or replace a value.
    Put(Address, Box<StoredValue>),
    /// Remove a value.
    Remove(Address),
    /// Set the generation counter of a slot, or what is remembered of it if it has no values.
    Generation {
        /// The resource.
        resource: ResourceId,
        /// The Kind.
        kind: KindId,
        /// The new counter.
        generation: u64,
    },
    /// Remove a slot with all its values, and forget its generation counter.
    Drop {
        /// The resource.
        resource: ResourceId,
        /// The Kind.
        kind: KindId,
    },
}

impl FromIterator<Change> for Batch {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        Self { changes: changes.into_iter().collect() }
    }
}

//! The store in memory: two ordered maps. It cannot fail and forgets all when the process ends.

use std::collections::BTreeMap;
use std::ops::Bound;

use reload_wire::{KindId, ResourceId};

use crate::store::{Batch, Change, Store, StoreFault};
use crate::values::Slot;

/// A [`Store`] in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    resources: BTreeMap<ResourceId, BTreeMap<KindId, Slot>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn slot_mut(&mut self, resource: ResourceId, kind: KindId) -> &mut Slot {
        self.resources.entry(resource).or_default().entry(kind).or_default()
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Put(at, value) => {
                self.slot_mut(at.resource, at.kind).values.insert(at.key, *value);
            }
            Change::Generation { resource, kind, generation } => {
                self.slot_mut(resource, kind).generation = generation;
            }
            Change::Remove(at) => {
                let kinds = self.resources.get_mut(&at.resource);
                if let Some(slot) = kinds.and_then(|kinds| kinds.get_mut(&at.kind)) {
                    slot.values.remove(&at.key);
                }
                self.prune(&at.resource);
            }
            Change::Drop { resource, kind } => {
                if let Some(kinds) = self.resources.get_mut(&resource) {
                    kinds.remove(&kind);
                }
                self.prune(&resource);
            }
        }
    }

    fn prune(&mut self, resource: &ResourceId) {
        if let Some(kinds) = self.resources.get_mut(resource) {
            kinds.retain(|_, slot| !slot.values.is_empty());
            if kinds.is_empty() {
                self.resources.remove(resource);
            }
        }
    }
}

impl Store for MemoryStore {
    fn slot(&self, resource: &ResourceId, kind: KindId) -> Option<&Slot> {
        self.resources.get(resource)?.get(&kind)
    }

    fn slots(&self, resource: &ResourceId) -> impl Iterator<Item = (KindId, &Slot)> {
        self.resources.get(resource).into_iter().flatten().map(|(kind, slot)| (*kind, slot))
    }

    fn resources(
        &self,
        from: Bound<&ResourceId>,
        to: Bound<&ResourceId>,
    ) -> impl Iterator<Item = &ResourceId> {
        let ordered = !crosses(from, to);
        let range = ordered.then(|| self.resources.range::<ResourceId, _>((from, to)));
        range.into_iter().flatten().map(|(resource, _)| resource)
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StoreFault> {
        for change in batch.into_changes() {
            self.change(change);
        }
        Ok(())
    }
}

/// Whether the bounds hold nothing in a way that the map of the standard library panics on.
fn crosses(from: Bound<&ResourceId>, to: Bound<&ResourceId>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from > to,
    }
}

//! The store in memory: ordered maps. It cannot fail and forgets all when the process ends.

use std::collections::BTreeMap;
use std::ops::Bound;

use reload_wire::{KindId, ResourceId};

use crate::emptied::Emptied;
use crate::store::{Batch, Change, Store, StoreFault};
use crate::values::Slot;

/// A [`Store`] in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    resources: BTreeMap<ResourceId, BTreeMap<KindId, Slot>>,
    emptied: Emptied,
    forgotten: Vec<(ResourceId, KindId)>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The remembered generation counters of slots without values, ascending.
    pub fn emptied(&self) -> impl Iterator<Item = (&ResourceId, KindId, u64)> {
        self.emptied.iter()
    }

    /// The slots whose remembered counters made room for others in the last batch.
    #[must_use]
    pub fn forgotten(&self) -> &[(ResourceId, KindId)] {
        &self.forgotten
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Put(at, value) => {
                let emptied = &mut self.emptied;
                let mut generation = || emptied.take(&at.resource, at.kind).unwrap_or(0);
                let kinds = self.resources.entry(at.resource.clone()).or_default();
                let slot = kinds
                    .entry(at.kind)
                    .or_insert_with(|| Slot { generation: generation(), ..Slot::default() });
                slot.values.insert(at.key, *value);
            }
            Change::Generation { resource, kind, generation } => {
                match self.slot_mut(&resource, kind) {
                    Some(slot) => slot.generation = generation,
                    None => self.remember(resource, kind, generation),
                }
            }
            Change::Remove(at) => {
                let Some(slot) = self.slot_mut(&at.resource, at.kind) else { return };
                slot.values.remove(&at.key);
                if slot.values.is_empty() {
                    let generation = slot.generation;
                    self.drop_slot(&at.resource, at.kind);
                    self.remember(at.resource, at.kind, generation);
                }
            }
            Change::Drop { resource, kind } => {
                self.drop_slot(&resource, kind);
                self.emptied.take(&resource, kind);
            }
        }
    }

    fn slot_mut(&mut self, resource: &ResourceId, kind: KindId) -> Option<&mut Slot> {
        self.resources.get_mut(resource)?.get_mut(&kind)
    }

    fn drop_slot(&mut self, resource: &ResourceId, kind: KindId) {
        if let Some(kinds) = self.resources.get_mut(resource) {
            kinds.remove(&kind);
            if kinds.is_empty() {
                self.resources.remove(resource);
            }
        }
    }

    fn remember(&mut self, resource: ResourceId, kind: KindId, generation: u64) {
        // A batch must not report what it has brought back itself.
        self.forgotten.retain(|slot| slot.0 != resource || slot.1 != kind);
        self.forgotten.extend(self.emptied.insert(resource, kind, generation));
    }
}

impl Store for MemoryStore {
    fn slot(&self, resource: &ResourceId, kind: KindId) -> Option<&Slot> {
        self.resources.get(resource)?.get(&kind)
    }

    fn generation(&self, resource: &ResourceId, kind: KindId) -> u64 {
        let slot = self.slot(resource, kind).map(|slot| slot.generation);
        slot.or_else(|| self.emptied.get(resource, kind)).unwrap_or(0)
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
        self.forgotten.clear();
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

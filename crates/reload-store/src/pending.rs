//! What memory has and the file does not yet: at most one entry a value and a slot, whatever happened
//! to it in between. It is taken whole and written in one transaction; if that fails it comes back
//! under what has happened since.

use std::collections::BTreeMap;
use std::ops::Bound;

use reload_storage::{MemoryStore, Store, StoredValue, ValueKey};
use reload_wire::{KindId, ResourceId};

use crate::record::{slot_key, value_key};

/// Removals that are listed one by one. Beyond, everything that is there is written anew in place of
/// what the file holds: so the list stays bounded however long the disk is full. A number of ours.
const MOST_REMOVALS: usize = 65_536;

/// A value to write.
pub(crate) type Value = Box<(ValueKey, StoredValue)>;

/// Changes that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// What the file holds goes first.
    pub(crate) anew: bool,
    /// By their keys; none is a removal.
    pub(crate) values: BTreeMap<Vec<u8>, Option<Value>>,
    /// By their keys; none is a removal.
    pub(crate) counters: BTreeMap<Vec<u8>, Option<u64>>,
    removals: usize,
}

impl Pending {
    /// Everything that is in memory.
    pub(crate) fn all(memory: &MemoryStore) -> Self {
        let mut pending = Self { anew: true, ..Self::default() };
        for resource in memory.resources(Bound::Unbounded, Bound::Unbounded) {
            for (kind, slot) in memory.slots(resource) {
                pending.count(resource, kind, slot.generation);
                for (key, value) in &slot.values {
                    pending.put(resource, kind, key.clone(), value.clone());
                }
            }
        }
        for (resource, kind, generation) in memory.emptied() {
            pending.count(resource, kind, generation);
        }
        pending
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.anew && self.values.is_empty() && self.counters.is_empty()
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.values.len() + self.counters.len()
    }

    /// Whether the list has grown so long that [`Pending::all`] has to take its place.
    pub(crate) fn is_too_long(&self) -> bool {
        self.removals > MOST_REMOVALS
    }

    pub(crate) fn put(
        &mut self,
        resource: &ResourceId,
        kind: KindId,
        key: ValueKey,
        value: StoredValue,
    ) {
        let place = value_key(resource, kind, &key);
        let before = self.values.insert(place, Some(Box::new((key, value))));
        self.removals -= usize::from(matches!(before, Some(None)));
    }

    pub(crate) fn remove(&mut self, resource: &ResourceId, kind: KindId, key: &ValueKey) {
        self.remove_key(value_key(resource, kind, key));
    }

    /// Removes a value by its key in the file.
    pub(crate) fn remove_key(&mut self, key: Vec<u8>) {
        if self.anew {
            self.values.remove(&key);
        } else if !matches!(self.values.insert(key, None), Some(None)) {
            self.removals += 1;
        }
    }

    /// Notes the counter of a slot as it is now; 0 for none.
    pub(crate) fn count(&mut self, resource: &ResourceId, kind: KindId, generation: u64) {
        let key = slot_key(resource, kind);
        if generation > 0 {
            let before = self.counters.insert(key, Some(generation));
            self.removals -= usize::from(matches!(before, Some(None)));
        } else {
            self.forget_key(key);
        }
    }

    /// Removes a counter by its key in the file.
    pub(crate) fn forget_key(&mut self, key: Vec<u8>) {
        if self.anew {
            self.counters.remove(&key);
        } else if !matches!(self.counters.insert(key, None), Some(None)) {
            self.removals += 1;
        }
    }

    /// Puts back what could not be written, under what has happened since.
    pub(crate) fn put_back(&mut self, older: Self) {
        if self.anew {
            return;
        }
        let newer = std::mem::replace(self, older);
        for (key, value) in newer.values {
            match value {
                Some(value) => {
                    let before = self.values.insert(key, Some(value));
                    self.removals -= usize::from(matches!(before, Some(None)));
                }
                None => self.remove_key(key),
            }
        }
        for (key, counter) in newer.counters {
            match counter {
                Some(counter) => {
                    let before = self.counters.insert(key, Some(counter));
                    self.removals -= usize::from(matches!(before, Some(None)));
                }
                None => self.forget_key(key),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: KindId = KindId(1);

    fn resource(number: usize) -> ResourceId {
        ResourceId::from_u128(u128::try_from(number).unwrap())
    }

    #[test]
    fn what_has_happened_since_lies_over_what_could_not_be_written() {
        let mut older = Pending::default();
        older.count(&resource(1), KIND, 1);
        older.count(&resource(2), KIND, 2);
        older.count(&resource(3), KIND, 0);
        let mut pending = Pending::default();
        pending.count(&resource(2), KIND, 0);
        pending.count(&resource(3), KIND, 7);
        pending.put_back(older);
        let held: Vec<_> = pending.counters.values().copied().collect();
        assert_eq!((held, pending.removals), (vec![Some(1), None, Some(7)], 1));
    }

    #[test]
    fn a_removal_before_all_is_written_anew_leaves_nothing() {
        let mut older = Pending { anew: true, ..Pending::default() };
        older.count(&resource(1), KIND, 1);
        let mut pending = Pending::default();
        pending.count(&resource(1), KIND, 0);
        pending.remove(&resource(1), KIND, &ValueKey::Single);
        pending.put_back(older);
        assert!(pending.anew && pending.values.is_empty() && pending.counters.is_empty());
    }

    #[test]
    fn removals_are_counted_once_and_have_a_bound() {
        let mut pending = Pending::default();
        for number in 0..=MOST_REMOVALS {
            assert!(!pending.is_too_long());
            pending.remove(&resource(number), KIND, &ValueKey::Single);
            pending.remove(&resource(number), KIND, &ValueKey::Single);
        }
        assert!(pending.is_too_long());
    }
}

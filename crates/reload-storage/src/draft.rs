//! Changes that passed the checks and are not done yet: what a Store will put where, laid over what
//! is in place. Dropping a draft is the roll-back of section 7.4.1.1.

use std::collections::{BTreeMap, BTreeSet};

use reload_identity::VerifiedValue;
use reload_wire::{KindId, ResourceId, StoredDataValue, UnixTime};

use crate::limits::{Ledger, certificate_size};
use crate::refusal::Refusal;
use crate::store::{Batch, Change, Store};
use crate::values::{Address, Slot, StoredValue, ValueKey, own_key};

/// The index that appends (section 7.4.1.1).
const APPEND: ValueKey = ValueKey::Index(StoredDataValue::APPEND);

/// The changes of one request.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) resource: ResourceId,
    pub(crate) kinds: Vec<DraftKind<'a>>,
}

/// The changes at one Kind.
#[derive(Debug)]
pub(crate) struct DraftKind<'a> {
    pub(crate) kind: KindId,
    pub(crate) generation: u64,
    /// The counter before.
    before: u64,
    base: Option<&'a Slot>,
    changed: BTreeMap<ValueKey, StoredValue>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(resource: ResourceId) -> Self {
        Self { resource, kinds: Vec::new() }
    }

    /// Whether a value changes.
    pub(crate) fn is_change(&self) -> bool {
        self.kinds.iter().any(|kind| !kind.changed.is_empty())
    }

    /// Bytes that come and bytes that go, as the limit counts them.
    pub(crate) fn bytes(&self, ledger: &Ledger) -> (usize, usize) {
        let changed = || self.kinds.iter().flat_map(|kind| kind.changed.iter());
        let values: usize = changed().map(|(key, value)| value.size() + key.size()).sum();
        let mut hashes = BTreeSet::new();
        let certificates: usize = changed()
            .map(|(_, value)| value.certificate())
            .filter(|certificate| {
                let hash = certificate.sha256();
                ledger.certificate(hash).is_none() && hashes.insert(*hash)
            })
            .map(|certificate| certificate_size(certificate))
            .sum();
        let replaced = self.kinds.iter().map(DraftKind::replaced_bytes).sum();
        (values + certificates, replaced)
    }

    /// The changes for the store.
    pub(crate) fn into_batch(self) -> Batch {
        let mut batch = Batch::default();
        for kind in self.kinds {
            kind.push_to(&self.resource, &mut batch);
        }
        batch
    }
}

impl<'a> DraftKind<'a> {
    /// Over what `store` has. The counter goes on where it was when the last value went.
    pub(crate) fn over(store: &'a impl Store, resource: &ResourceId, kind: KindId) -> Self {
        let generation = store.generation(resource, kind);
        let base = store.slot(resource, kind);
        Self { kind, generation, before: generation, base, changed: BTreeMap::new() }
    }

    /// Lays a value over what is there.
    pub(crate) fn place(&mut self, value: &VerifiedValue, now: UnixTime) -> Result<(), Refusal> {
        let Some(key) = self.key_for(value)? else {
            return Ok(());
        };
        if let Some(held) = self.get(&key) {
            if held.is_same(value.data(), value.value()) {
                return Ok(());
            }
            if value.data().storage_time <= held.storage_time() {
                let stored = held.storage_time();
                return Err(Refusal::TooOld { kind: self.kind, key, stored });
            }
        }
        // A value without lifetime is taken and not kept (E70).
        if value.data().lifetime > 0 {
            self.changed.insert(key, StoredValue::new(value, now));
        }
        Ok(())
    }

    /// Sets the counter: that of a copy as it came, else one more than before if a value changed.
    pub(crate) fn count_up(&mut self, of_copy: Option<u64>) {
        self.generation = match of_copy {
            Some(generation) => generation,
            None if self.changed.is_empty() => self.generation,
            // At the end of the range the counter starts again at 1; 0 has a meaning of its own.
            None => self.generation.checked_add(1).unwrap_or(1),
        };
    }

    /// Sets the counter of a merge: greater than both that there were, if a value changed.
    pub(crate) fn raise_over(&mut self, other: u64) {
        if !self.changed.is_empty() {
            self.generation = self.generation.max(other);
            self.count_up(None);
        }
    }

    /// The entries that there will be.
    pub(crate) fn count(&self) -> usize {
        let base = self.base.map_or(0, |slot| slot.values.len());
        base + self.changed.keys().filter(|key| self.base_get(key).is_none()).count()
    }

    /// Whether there will be more entries than before.
    pub(crate) fn grows(&self) -> bool {
        self.changed.keys().any(|key| self.base_get(key).is_none())
    }

    /// The elements that change, ascending.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ValueKey> {
        self.changed.keys()
    }

    fn push_to(self, resource: &ResourceId, batch: &mut Batch) {
        let has_values = self.base.is_some() || !self.changed.is_empty();
        for (key, value) in self.changed {
            let at = Address { resource: resource.clone(), kind: self.kind, key };
            batch.push(Change::Put(at, Box::new(value)));
        }
        if has_values && self.generation != self.before {
            let (kind, generation) = (self.kind, self.generation);
            batch.push(Change::Generation { resource: resource.clone(), kind, generation });
        }
    }

    /// The element to write; none for an append that is there already (E105).
    fn key_for(&self, value: &VerifiedValue) -> Result<Option<ValueKey>, Refusal> {
        let key = own_key(value.value());
        if key != APPEND {
            return Ok(Some(key));
        }
        if self.entries().any(|entry| entry.is_same(value.data(), value.value())) {
            return Ok(None);
        }
        let end = self.end().filter(|end| *end != u32::MAX);
        end.map(|end| Some(ValueKey::Index(end))).ok_or(Refusal::ArrayFull(self.kind))
    }

    /// The index behind the last one.
    fn end(&self) -> Option<u32> {
        let base = self.base.and_then(|slot| slot.values.keys().next_back());
        match base.max(self.changed.keys().next_back()) {
            Some(ValueKey::Index(last)) => last.checked_add(1),
            _ => Some(0),
        }
    }

    /// What there will be: a value that this request replaces is gone.
    fn entries(&self) -> impl Iterator<Item = &StoredValue> {
        let base = self.base.into_iter().flat_map(|slot| &slot.values);
        let kept = base.filter(|(key, _)| !self.changed.contains_key(key));
        kept.map(|(_, value)| value).chain(self.changed.values())
    }

    pub(crate) fn get(&self, key: &ValueKey) -> Option<&StoredValue> {
        self.changed.get(key).or_else(|| self.base_get(key))
    }

    fn base_get(&self, key: &ValueKey) -> Option<&'a StoredValue> {
        self.base?.values.get(key)
    }

    fn replaced_bytes(&self) -> usize {
        let replaced = self.changed.keys().filter_map(|key| Some((key, self.base_get(key)?)));
        replaced.map(|(key, value)| value.size() + key.size()).sum()
    }
}

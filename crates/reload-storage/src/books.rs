//! Keeps the ledger in step with the store: notes what a batch touches before it is done, and enters
//! the difference afterwards.

use std::collections::{BTreeMap, BTreeSet};

use reload_wire::{KindId, ResourceId};

use crate::limits::{Entry, Ledger};
use crate::store::{Batch, Change, Store};
use crate::values::Address;

/// The state of all that a batch touches, before and after it.
pub(crate) struct Books {
    slots: BTreeMap<(ResourceId, KindId), bool>,
    resources: BTreeMap<ResourceId, bool>,
    gone: Vec<Entry>,
    come: Vec<Address>,
}

impl Books {
    pub(crate) fn open(store: &impl Store, batch: &Batch) -> Self {
        let slots: BTreeSet<_> = batch.changes().iter().map(place_of).collect();
        let slots: BTreeMap<_, _> = slots
            .into_iter()
            .map(|(resource, kind)| {
                let present = store.slot(&resource, kind).is_some();
                ((resource, kind), present)
            })
            .collect();
        let resources = slots
            .keys()
            .map(|(resource, _)| (resource.clone(), store.slots(resource).next().is_some()));
        let resources = resources.collect();
        let mut books = Self { slots, resources, gone: Vec::new(), come: Vec::new() };
        batch.changes().iter().for_each(|change| books.note(store, change));
        books
    }

    fn note(&mut self, store: &impl Store, change: &Change) {
        match change {
            Change::Put(at, _) => {
                self.note_gone(store, at);
                self.come.push(at.clone());
            }
            Change::Remove(at) => self.note_gone(store, at),
            Change::Generation { .. } => {}
            Change::Drop { resource, kind } => {
                let slot = store.slot(resource, *kind);
                for (key, value) in slot.into_iter().flat_map(|slot| &slot.values) {
                    let (resource, key) = (resource.clone(), key.clone());
                    self.gone.push(Entry::of(Address { resource, kind: *kind, key }, value));
                }
            }
        }
    }

    fn note_gone(&mut self, store: &impl Store, at: &Address) {
        let slot = store.slot(&at.resource, at.kind);
        if let Some(value) = slot.and_then(|slot| slot.values.get(&at.key)) {
            self.gone.push(Entry::of(at.clone(), value));
        }
    }

    pub(crate) fn close(self, store: &impl Store, ledger: &mut Ledger) {
        self.gone.iter().for_each(|entry| ledger.remove(entry));
        for at in self.come {
            let slot = store.slot(&at.resource, at.kind);
            if let Some(value) = slot.and_then(|slot| slot.values.get(&at.key)) {
                ledger.add(&Entry::of(at, value), value.certificate());
            }
        }
        for ((resource, kind), before) in &self.slots {
            ledger.count_slot(*kind, *before, store.slot(resource, *kind).is_some());
        }
        for (resource, before) in &self.resources {
            ledger.count_resource(*before, store.slots(resource).next().is_some());
        }
    }
}

fn place_of(change: &Change) -> (ResourceId, KindId) {
    match change {
        Change::Put(at, _) | Change::Remove(at) => (at.resource.clone(), at.kind),
        Change::Generation { resource, kind, .. } | Change::Drop { resource, kind } => {
            (resource.clone(), *kind)
        }
    }
}

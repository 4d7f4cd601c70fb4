//! A new configuration: Kinds come and go, and nodes are revoked (section 11.1).

use std::ops::Bound;

use reload_config::Configuration;
use reload_wire::{KindId, NodeId, ResourceId};

use crate::kinds::Kinds;
use crate::storage::Storage;
use crate::store::{Batch, Change, Store, StoreFault};
use crate::values::{Address, Slot};

/// What a new configuration did to the stored data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconfigured {
    /// Kinds that can be stored from now on.
    pub added: Vec<KindId>,
    /// Kinds whose values were dropped: gone, or with another data model or access control.
    pub dropped: Vec<KindId>,
    /// How many values were dropped.
    pub values: usize,
}

impl<S: Store> Storage<S> {
    /// Takes the Kinds of another configuration. Dropped are the values of Kinds that are gone
    /// (section 11.1) or have another model or access control, and those signed with a certificate
    /// of a bad-node, which no reader would accept (E24).
    ///
    /// # Errors
    ///
    /// When the store can't drop the values; then the former Kinds stay.
    pub fn configure(&mut self, configuration: &Configuration) -> Result<Reconfigured, StoreFault> {
        let kinds = Kinds::of(configuration);
        let known = self.kinds.iter();
        let dropped: Vec<KindId> =
            known.filter(|kind| !kinds.keeps(kind)).map(|kind| kind.id).collect();
        let added = kinds.iter().map(|kind| kind.id).filter(|kind| self.kinds.get(*kind).is_none());
        let added = added.collect();
        let batch = self.unwanted(|resource, kind, slot, batch| match kinds.get(kind) {
            Some(_) if !dropped.contains(&kind) => {
                remove_bad(resource, kind, slot, &configuration.bad_nodes, batch);
            }
            _ => batch.push(Change::Drop { resource: resource.clone(), kind }),
        });
        let before = self.value_count();
        self.commit(batch)?;
        self.kinds = kinds;
        self.dialect = configuration.dialect();
        Ok(Reconfigured { added, dropped, values: before - self.value_count() })
    }

    /// The changes that `judge` asks for, slot by slot.
    fn unwanted(&self, mut judge: impl FnMut(&ResourceId, KindId, &Slot, &mut Batch)) -> Batch {
        let mut batch = Batch::default();
        for resource in self.store.resources(Bound::Unbounded, Bound::Unbounded) {
            for (kind, slot) in self.store.slots(resource) {
                judge(resource, kind, slot, &mut batch);
            }
        }
        batch
    }
}

/// Removes the values of revoked writers: all whose certificate names a bad-node (E24).
fn remove_bad(
    resource: &ResourceId,
    kind: KindId,
    slot: &Slot,
    bad_nodes: &[NodeId],
    batch: &mut Batch,
) {
    let is_bad = |node: &NodeId| bad_nodes.contains(node);
    for (key, value) in &slot.values {
        if value.certificate().node_ids().iter().any(is_bad) {
            let (resource, key) = (resource.clone(), key.clone());
            batch.push(Change::Remove(Address { resource, kind, key }));
        }
    }
}

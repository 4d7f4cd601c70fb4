//! The storage of one node: what it keeps for the overlay and how it answers about it. The node
//! brings verified requests and clocks; this module holds the state and the one way to change it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use reload_config::Configuration;
use reload_wire::{DataModel, Dialect, ErrorCode, KindId, Now, ResourceId};

use crate::books::Books;
use crate::kinds::Kinds;
use crate::limits::{Ledger, Limits, Usage};
use crate::refusal::Refusal;
use crate::store::{Batch, Change, Store, StoreFault};

/// The stored data of one node (section 7).
#[derive(Debug)]
pub struct Storage<S: Store> {
    pub(crate) store: S,
    pub(crate) kinds: Kinds,
    pub(crate) dialect: Dialect,
    pub(crate) limits: Limits,
    pub(crate) ledger: Ledger,
    pub(crate) counters: Counters,
    pub(crate) clock: Option<Now>,
}

/// What happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Stores that changed a value.
    pub stores: u64,
    /// Stores that were granted and changed nothing: repeated ones, and those without lifetime.
    pub unchanged: u64,
    /// Values that were removed at their end.
    pub expired: u64,
    /// Values taken over after a copy of ours was refused.
    pub merged: u64,
    /// Requests refused, by error code.
    pub refused: BTreeMap<ErrorCode, u64>,
    /// Failures of the store that no request is answered with.
    pub faults: u64,
}

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
    /// The storage over `store` with the Kinds of `configuration` and the default [`Limits`].
    ///
    /// If the store holds values already, call [`Storage::handle_timeout`] once before the first
    /// [`Storage::wakeup`].
    #[must_use]
    pub fn new(store: S, configuration: &Configuration) -> Self {
        Self {
            ledger: Ledger::of(&store),
            store,
            kinds: Kinds::of(configuration),
            dialect: configuration.dialect(),
            limits: Limits::default(),
            counters: Counters::default(),
            clock: None,
        }
    }

    /// The same storage with other limits. What is held already stays.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes the Kinds of another configuration. Values of Kinds that are gone are dropped
    /// (section 11.1), as are those of Kinds whose model or access control changed.
    ///
    /// # Errors
    ///
    /// When the store can't drop the values; then the former Kinds stay.
    pub fn configure(&mut self, configuration: &Configuration) -> Result<Reconfigured, StoreFault> {
        let kinds = Kinds::of(configuration);
        let dropped: Vec<KindId> = self
            .kinds
            .iter()
            .filter(|kind| !kinds.keeps(kind))
            .map(|kind| kind.id)
            .collect();
        let added = kinds
            .iter()
            .map(|kind| kind.id)
            .filter(|kind| self.kinds.get(*kind).is_none());
        let added = added.collect();
        let before = self.usage().values;
        self.drop_slots(|_, kind| dropped.contains(&kind))?;
        self.kinds = kinds;
        self.dialect = configuration.dialect();
        Ok(Reconfigured {
            added,
            dropped,
            values: before - self.usage().values,
        })
    }

    /// The data model of a Kind, if this peer stores it; what the check of signatures needs.
    #[must_use]
    pub fn model(&self, kind: KindId) -> Option<DataModel> {
        self.kinds.get(kind).map(|kind| kind.model)
    }

    /// The Kinds among `asked` that this peer doesn't store, each once, as a refusal (E61).
    ///
    /// # Errors
    ///
    /// When there is one.
    pub fn check_kinds(&self, asked: impl IntoIterator<Item = KindId>) -> Result<(), Refusal> {
        let unknown = self.kinds.unknown(asked.into_iter());
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(Refusal::UnknownKinds(unknown))
        }
    }

    /// What this peer holds.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.ledger.usage()
    }

    /// How many resources have values here; what a Probe asks for (section 6.4.2.5).
    #[must_use]
    pub fn resource_count(&self) -> usize {
        self.usage().resources
    }

    /// How many values are held.
    #[must_use]
    pub fn value_count(&self) -> usize {
        self.usage().values
    }

    /// How many bytes are held, as [`Limits::bytes`] counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.usage().bytes
    }

    /// What happened since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The present generation counter of a Kind at a resource; 0 if there is none.
    #[must_use]
    pub fn generation(&self, resource: &ResourceId, kind: KindId) -> u64 {
        self.store
            .slot(resource, kind)
            .map_or(0, |slot| slot.generation)
    }

    /// The store itself, for reading.
    #[must_use]
    pub fn store_ref(&self) -> &S {
        &self.store
    }

    /// Removes the slots that `unwanted` names.
    pub(crate) fn drop_slots(
        &mut self,
        unwanted: impl Fn(&ResourceId, KindId) -> bool,
    ) -> Result<(), StoreFault> {
        let mut batch = Batch::default();
        for resource in self.store.resources(Bound::Unbounded, Bound::Unbounded) {
            for (kind, _) in self.store.slots(resource) {
                if unwanted(resource, kind) {
                    batch.push(Change::Drop {
                        resource: resource.clone(),
                        kind,
                    });
                }
            }
        }
        self.commit(batch)
    }

    /// The one way to change the store: all of the batch, with the books, or nothing.
    pub(crate) fn commit(&mut self, mut batch: Batch) -> Result<(), StoreFault> {
        if batch.is_empty() {
            return Ok(());
        }
        self.share_certificates(&mut batch);
        let books = Books::open(&self.store, &batch);
        self.store.apply(batch)?;
        books.close(&self.store, &mut self.ledger);
        Ok(())
    }

    /// Values signed with one certificate hold one copy of it.
    fn share_certificates(&self, batch: &mut Batch) {
        let mut fresh = BTreeMap::new();
        for change in batch.changes_mut() {
            if let Change::Put(_, value) = change {
                let hash = *value.certificate().sha256();
                let held = self.ledger.certificate(&hash).map(Arc::clone);
                let shared = fresh
                    .entry(hash)
                    .or_insert_with(|| held.unwrap_or_else(|| Arc::clone(value.certificate())));
                value.share_certificate(shared);
            }
        }
    }
}

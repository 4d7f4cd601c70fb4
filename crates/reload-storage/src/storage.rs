//! The storage of one node: what it keeps for the overlay and how it answers about it. The node
//! brings verified requests and clocks; this module holds the state and the one way to change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use reload_config::Configuration;
use reload_identity::KindModels;
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

    /// What this peer is willing to hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The data model of a Kind, if this peer stores it; what the check of signatures needs.
    #[must_use]
    pub fn model(&self, kind: KindId) -> Option<DataModel> {
        self.kinds.get(kind).map(|kind| kind.model)
    }

    /// The data models of all Kinds that this peer stores, for the check of signatures.
    #[must_use]
    pub fn models(&self) -> Arc<KindModels> {
        Arc::clone(self.kinds.models())
    }

    /// The Kinds that have values at a resource here.
    #[must_use]
    pub fn kinds_at(&self, resource: &ResourceId) -> Vec<KindId> {
        self.store.slots(resource).map(|(kind, _)| kind).collect()
    }

    /// The Kinds among `asked` that this peer doesn't store, each once, as a refusal (E61).
    ///
    /// # Errors
    ///
    /// When there is one.
    pub fn check_kinds(&self, asked: impl IntoIterator<Item = KindId>) -> Result<(), Refusal> {
        let unknown = self.kinds.unknown(asked.into_iter());
        if unknown.is_empty() { Ok(()) } else { Err(Refusal::UnknownKinds(unknown)) }
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
    pub fn stored_bytes(&self) -> usize {
        self.usage().bytes
    }

    /// What happened since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The present generation counter of a Kind at a resource, its values gone or not; 0 if there is
    /// none.
    #[must_use]
    pub fn generation(&self, resource: &ResourceId, kind: KindId) -> u64 {
        self.store.generation(resource, kind)
    }

    /// The store itself, for reading.
    #[must_use]
    pub fn store_ref(&self) -> &S {
        &self.store
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

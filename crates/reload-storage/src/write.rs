//! Store (section 7.4.1): the checks, then all changes at once, then what the node needs for the
//! answer and for the copies.

use reload_identity::{StoreReq, Verified};
use reload_wire::{KindId, NodeId, Now, ResourceId, StoreAns, StoreKindResponse};

use crate::check::Check;
use crate::draft::Draft;
use crate::place::Place;
use crate::refusal::Refusal;
use crate::storage::Storage;
use crate::store::Store;
use crate::values::ValueKey;

/// A Store that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The resource.
    pub resource: ResourceId,
    /// The Kinds in the order of the request.
    pub kinds: Vec<StoredKind>,
}

/// One Kind of a granted Store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKind {
    /// The Kind.
    pub kind: KindId,
    /// Its generation counter now.
    pub generation: u64,
    /// The elements that changed, appended ones with their real index.
    pub changed: Vec<ValueKey>,
}

impl Stored {
    /// Whether a value changed. Where none did, there is nothing to copy.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.kinds.iter().any(|kind| !kind.changed.is_empty())
    }

    /// The answer of section 7.4.1.2; `replicas` are the peers that get copies.
    #[must_use]
    pub fn answer(&self, replicas: &[NodeId]) -> StoreAns {
        let responses = self.kinds.iter().map(|kind| StoreKindResponse {
            kind: kind.kind,
            generation_counter: kind.generation,
            replicas: replicas.to_vec(),
        });
        StoreAns { kind_responses: responses.collect() }
    }

    pub(crate) fn of(draft: &Draft<'_>) -> Self {
        let kinds = draft.kinds.iter().map(|kind| StoredKind {
            kind: kind.kind,
            generation: kind.generation,
            changed: kind.keys().cloned().collect(),
        });
        Self { resource: draft.resource.clone(), kinds: kinds.collect() }
    }
}

impl<S: Store> Storage<S> {
    /// Stores what a request asks for: all of it, or nothing. It is an original Store when its
    /// replica number is 0, else that of a copy.
    ///
    /// # Errors
    ///
    /// The first check of section 7.4.1.1 that fails, or a limit of this peer.
    pub fn store(
        &mut self,
        now: Now,
        request: &Verified<StoreReq>,
        place: &dyn Place,
    ) -> Result<Stored, Refusal> {
        // What has expired must not stand in the way of a new value.
        self.handle_timeout(now);
        let result = self.try_store(now, request, place);
        match &result {
            Ok(stored) if stored.changed() => self.counters.stores += 1,
            Ok(_) => self.counters.unchanged += 1,
            Err(refusal) => *self.counters.refused.entry(refusal.code()).or_default() += 1,
        }
        result
    }

    fn try_store(
        &mut self,
        now: Now,
        request: &Verified<StoreReq>,
        place: &dyn Place,
    ) -> Result<Stored, Refusal> {
        let draft = self.check(now, place).store_request(request)?;
        let stored = Stored::of(&draft);
        let batch = draft.into_batch();
        self.commit(batch)?;
        Ok(stored)
    }

    pub(crate) fn check<'a>(&'a self, now: Now, place: &'a dyn Place) -> Check<'a, S> {
        Check {
            store: &self.store,
            kinds: &self.kinds,
            limits: &self.limits,
            ledger: &self.ledger,
            place,
            now: now.wall,
        }
    }
}

//! The checks of a Store (section 7.4.1.1), in the order of the text. They only read: what passes is
//! a [`Draft`] of the changes. Signatures are not checked here: [`Verified`] says that they are good.

use reload_config::KindDefinition;
use reload_identity::{StoreReq, Verified, VerifiedKindData, VerifiedValue};
use reload_wire::{KindId, ResourceId, StoreAns, StoreKindResponse, UnixTime};

use crate::draft::{Draft, DraftKind};
use crate::kinds::Kinds;
use crate::limits::{Ledger, Limits};
use crate::place::Place;
use crate::policy;
use crate::refusal::Refusal;
use crate::store::Store;
use crate::values::ValueKey;

/// What the checks look at.
pub(crate) struct Check<'a, S> {
    pub(crate) store: &'a S,
    pub(crate) kinds: &'a Kinds,
    pub(crate) limits: &'a Limits,
    pub(crate) ledger: &'a Ledger,
    pub(crate) place: &'a dyn Place,
    /// Local wall time of receipt.
    pub(crate) now: UnixTime,
}

impl<'a, S: Store> Check<'a, S> {
    /// Everything that section 7.4.1.1 asks for; nothing is changed.
    pub(crate) fn store_request(&self, request: &Verified<StoreReq>) -> Result<Draft<'a>, Refusal> {
        self.place_of(request)?;
        self.kinds_of(request)?;
        self.writers_of(request)?;
        self.generations_of(request)?;
        let mut draft = Draft::new(request.resource.clone());
        for data in &request.kinds {
            draft.kinds.push(self.values_of(request, data)?);
        }
        self.room_for(&draft)?;
        Ok(draft)
    }

    /// This peer is the right one, and a copy comes from the right one (E68, E71, E72).
    fn place_of(&self, request: &Verified<StoreReq>) -> Result<(), Refusal> {
        if request.replica_number == 0 {
            let here = self.place.is_responsible(&request.resource);
            return if here { Ok(()) } else { Err(Refusal::NotResponsible) };
        }
        let sender = request.sender.node_id;
        if self.place.admits_replica(&request.resource, &sender) {
            Ok(())
        } else {
            Err(Refusal::ImplausibleReplica { sender })
        }
    }

    /// Each Kind once, and each known with the data model that the values were decoded by.
    fn kinds_of(&self, request: &Verified<StoreReq>) -> Result<(), Refusal> {
        let mut seen = Vec::with_capacity(request.kinds.len());
        for data in &request.kinds {
            if seen.contains(&data.kind) {
                return Err(Refusal::RepeatedKind(data.kind));
            }
            seen.push(data.kind);
        }
        let strange = request
            .kinds
            .iter()
            .filter(|data| self.kinds.get(data.kind).is_none_or(|kind| kind.model != data.model));
        let unknown = request.unknown_kinds.iter().copied();
        let strange = unknown.chain(strange.map(|data| data.kind));
        let mut strange: Vec<_> = strange.collect();
        strange.dedup();
        if strange.is_empty() { Ok(()) } else { Err(Refusal::UnknownKinds(strange)) }
    }

    /// Each value is signed by one who may write it; so is an original request (section 7.3).
    fn writers_of(&self, request: &Verified<StoreReq>) -> Result<(), Refusal> {
        for data in &request.kinds {
            let kind = self.known(data.kind)?;
            for value in &data.values {
                self.value_writer(kind, &request.resource, value)?;
            }
        }
        if request.replica_number != 0 {
            return Ok(());
        }
        for data in &request.kinds {
            self.sender(request, data)?;
        }
        Ok(())
    }

    /// The signer of a value may write it, and its certificate is still good.
    pub(crate) fn value_writer(
        &self,
        kind: &KindDefinition,
        resource: &ResourceId,
        value: &VerifiedValue,
    ) -> Result<(), Refusal> {
        let signer = value.signer();
        if signer.certificate.not_after() <= self.now {
            return Err(Refusal::CertificateExpired { signer: signer.node_id });
        }
        if !self.kinds.permits_user(kind, signer.certificate.user()) {
            return Err(Refusal::ForeignDomain { kind: kind.id, signer: signer.node_id });
        }
        let key = ValueKey::of(value.value());
        if !policy::permits(&kind.access, signer, resource, &key, self.place) {
            return Err(Refusal::ValueForbidden { kind: kind.id, signer: signer.node_id });
        }
        Ok(())
    }

    /// The signer of an original request may itself write each of the values.
    fn sender(&self, request: &Verified<StoreReq>, data: &VerifiedKindData) -> Result<(), Refusal> {
        let kind = self.known(data.kind)?;
        let permitted = data.values.iter().all(|value| {
            let key = ValueKey::of(value.value());
            policy::permits(&kind.access, &request.sender, &request.resource, &key, self.place)
        });
        if permitted {
            Ok(())
        } else {
            Err(Refusal::SenderForbidden { kind: kind.id, sender: request.sender.node_id })
        }
    }

    /// A counter that is not 0 is the present one (E67); a copy has one that is not 0.
    fn generations_of(&self, request: &Verified<StoreReq>) -> Result<(), Refusal> {
        if request.replica_number != 0 {
            let zero = request.kinds.iter().find(|data| data.generation_counter == 0);
            return zero.map_or(Ok(()), |data| Err(Refusal::ZeroGeneration(data.kind)));
        }
        let present = |kind| self.store.generation(&request.resource, kind);
        let fits = |data: &VerifiedKindData| {
            data.generation_counter == 0 || data.generation_counter == present(data.kind)
        };
        if request.kinds.iter().all(fits) {
            return Ok(());
        }
        let responses = request.kinds.iter().map(|data| StoreKindResponse {
            kind: data.kind,
            generation_counter: present(data.kind),
            replicas: Vec::new(),
        });
        Err(Refusal::Generation(StoreAns { kind_responses: responses.collect() }))
    }

    /// Storage times, sizes and counts, each value after the other (E59, E65, E105).
    fn values_of(
        &self,
        request: &Verified<StoreReq>,
        data: &VerifiedKindData,
    ) -> Result<DraftKind<'a>, Refusal> {
        let kind = self.known(data.kind)?;
        let mut draft = DraftKind::over(self.store, &request.resource, kind.id);
        for value in &data.values {
            check_size(kind, value)?;
            draft.place(value, self.now)?;
        }
        self.check_count(kind, &draft)?;
        draft.count_up((request.replica_number != 0).then_some(data.generation_counter));
        Ok(draft)
    }

    /// max-count is about entries held, removed ones included (E65).
    pub(crate) fn check_count(
        &self,
        kind: &KindDefinition,
        draft: &DraftKind<'_>,
    ) -> Result<(), Refusal> {
        let max = usize::try_from(kind.max_count).unwrap_or(usize::MAX);
        let max = max.min(self.limits.values_per_kind);
        let count = draft.count();
        if count > max && draft.grows() {
            return Err(Refusal::TooManyValues { kind: kind.id, count, max });
        }
        Ok(())
    }

    /// The peer's own limits.
    pub(crate) fn room_for(&self, draft: &Draft<'_>) -> Result<(), Refusal> {
        let usage = self.ledger.usage();
        let is_new = self.store.slots(&draft.resource).next().is_none() && draft.is_change();
        if is_new && usage.resources >= self.limits.resources {
            return Err(Refusal::ResourcesFull { limit: self.limits.resources });
        }
        let (more, less) = draft.bytes(self.ledger);
        if more > less && usage.bytes + more - less > self.limits.bytes {
            return Err(Refusal::BytesFull { limit: self.limits.bytes });
        }
        Ok(())
    }

    fn known(&self, kind: KindId) -> Result<&'a KindDefinition, Refusal> {
        self.kinds.get(kind).ok_or_else(|| Refusal::UnknownKinds(vec![kind]))
    }
}

/// max-size is about the value alone (section 11.1).
pub(crate) fn check_size(kind: &KindDefinition, value: &VerifiedValue) -> Result<(), Refusal> {
    let max = usize::try_from(kind.max_size).unwrap_or(usize::MAX);
    let size = value.value().data().value.len();
    if size > max {
        return Err(Refusal::ValueTooLarge { kind: kind.id, size, max });
    }
    Ok(())
}

//! Resynchronisation (section 7.4.1.1): when a copy of ours is refused with
//! Error_Generation_Counter_Too_Low or Error_Data_Too_Old, the newer data is fetched from the peer
//! that refused, and merged as if all values had been stored in the order of their storage times.

use reload_identity::VerifiedValue;
use reload_wire::{Encode, FetchReq, KindId, ModelSpecifier, Now, ResourceId, StoredDataSpecifier};

use crate::check::check_size;
use crate::draft::{Draft, DraftKind};
use crate::place::Place;
use crate::refusal::Refusal;
use crate::storage::Storage;
use crate::store::Store;
use crate::write::{Stored, StoredKind};

impl<S: Store> Storage<S> {
    /// The request that fetches all values of `kinds` at a resource.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKinds`] for Kinds that this peer doesn't store.
    pub fn fetch_all_request(
        &self,
        resource: &ResourceId,
        kinds: &[KindId],
    ) -> Result<FetchReq, Refusal> {
        self.check_kinds(kinds.iter().copied())?;
        let specifiers = kinds.iter().filter_map(|kind| Some((*kind, self.model(*kind)?)));
        let specifiers = specifiers.map(|(kind, model)| {
            let model_specifier = ModelSpecifier::everything(model).to_bytes()?;
            Ok(StoredDataSpecifier { kind, generation: 0, model_specifier })
        });
        let specifiers = specifiers.collect::<Result<_, Refusal>>()?;
        Ok(FetchReq { resource: resource.clone(), specifiers })
    }

    /// Takes over each value that is newer than ours or that we don't have. Values that may not be
    /// here (wrong writer, too large, older) are left out. `generation` is the counter that the
    /// other peer gave; ours is greater than both afterwards if a value changed.
    ///
    /// # Errors
    ///
    /// An unknown Kind, or a limit of this peer; then nothing is taken.
    pub fn merge(
        &mut self,
        now: Now,
        resource: &ResourceId,
        kind: KindId,
        values: &[VerifiedValue],
        generation: u64,
        place: &dyn Place,
    ) -> Result<Stored, Refusal> {
        self.handle_timeout(now);
        let check = self.check(now, place);
        let definition = self.kinds.get(kind).ok_or_else(|| Refusal::UnknownKinds(vec![kind]))?;
        let mut merged = DraftKind::over(&self.store, resource, kind);
        for value in values {
            let allowed = value.value().model() == definition.model
                && check.value_writer(definition, resource, value).is_ok()
                && check_size(definition, value).is_ok();
            if allowed {
                // Too old: ours is the newer one and stays.
                let _ = merged.place(value, now.wall);
            }
        }
        check.check_count(definition, &merged)?;
        merged.raise_over(generation);
        let mut draft = Draft::new(resource.clone());
        draft.kinds.push(merged);
        check.room_for(&draft)?;
        let stored = Stored::of(&draft);
        let batch = draft.into_batch();
        self.commit(batch)?;
        self.counters.merged += stored.kinds.iter().map(changes).sum::<u64>();
        Ok(stored)
    }
}

fn changes(kind: &StoredKind) -> u64 {
    u64::try_from(kind.changed.len()).unwrap_or(u64::MAX)
}

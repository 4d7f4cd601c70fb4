//! Find (section 7.4.4): for each Kind, the nearest resource that has values of it here.

use std::collections::BTreeMap;
use std::ops::Bound;

use reload_wire::{Encode, FindAns, FindKindData, FindReq, KindId, Now, ResourceId};

use crate::fetch::Answer;
use crate::place::Place;
use crate::refusal::Refusal;
use crate::storage::Storage;
use crate::store::Store;
use crate::values::Slot;

/// "0" in an answer: no resource known. 16 bytes, as Resource-IDs of CHORD-RELOAD have (E60).
const NONE: [u8; 16] = [0; 16];

impl<S: Store> Storage<S> {
    /// Answers a Find. "Closest" is the first at or clockwise after the Resource-ID, around the
    /// ring: so that asking again from one above it (section 7.4.4) goes through all of them.
    /// Unknown Kinds get 0 (E61). Resources kept as a copy count: this peer knows them.
    ///
    /// # Errors
    ///
    /// A Kind asked for twice, a resource of another peer, an answer larger than `max_size`.
    pub fn find(
        &self,
        now: Now,
        request: &FindReq,
        place: &dyn Place,
        max_size: Option<usize>,
    ) -> Result<Answer, Refusal> {
        check_unique(&request.kinds)?;
        if !place.is_responsible(&request.resource) {
            return Err(Refusal::NotResponsible);
        }
        let found = self.closest(now, &request.resource, &request.kinds);
        let result = |kind: &KindId| FindKindData {
            kind: *kind,
            closest: found.get(kind).cloned().unwrap_or_else(none),
        };
        let body = FindAns { results: request.kinds.iter().map(result).collect() }.to_bytes()?;
        match max_size {
            Some(limit) if body.len() > limit => Err(Refusal::AnswerTooLarge { limit }),
            Some(_) | None => Ok(Answer { body, certificates: Vec::new() }),
        }
    }

    /// One walk around the ring for all Kinds; Kinds without values here are left out before.
    fn closest(
        &self,
        now: Now,
        from: &ResourceId,
        kinds: &[KindId],
    ) -> BTreeMap<KindId, ResourceId> {
        let mut found = BTreeMap::new();
        let mut open: Vec<KindId> =
            kinds.iter().copied().filter(|kind| self.ledger.slots_of(*kind) > 0).collect();
        let upward = self.store.resources(Bound::Included(from), Bound::Unbounded);
        let around = self.store.resources(Bound::Unbounded, Bound::Excluded(from));
        for resource in upward.chain(around) {
            if open.is_empty() {
                break;
            }
            open.retain(|kind| {
                let slot = self.store.slot(resource, *kind);
                let here = slot.is_some_and(|slot| has_value(slot, now));
                if here {
                    found.insert(*kind, resource.clone());
                }
                !here
            });
        }
        found
    }
}

/// Whether something is stored that exists and has not expired.
fn has_value(slot: &Slot, now: Now) -> bool {
    slot.live(now.wall).any(|(_, value)| value.value().exists)
}

fn none() -> ResourceId {
    ResourceId::new(&NONE).expect("16 bytes are at most 255")
}

fn check_unique(kinds: &[KindId]) -> Result<(), Refusal> {
    let twice = kinds.iter().enumerate().find(|(at, kind)| kinds[..*at].contains(kind));
    twice.map_or(Ok(()), |(_, kind)| Err(Refusal::RepeatedKind(*kind)))
}

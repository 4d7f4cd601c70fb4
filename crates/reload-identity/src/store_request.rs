//! The stored values of a Store request, all checked or none (section 7.4.1.1), and the request as a
//! value that only this check makes. Access control, generations and limits are the storage's.

use crate::data::Place;
use crate::signer::Finder;
use crate::{
    KindModels, Message, Signer, Trust, ValuesError, Verified, VerifiedCertificate, VerifiedValue,
};
use reload_wire::{DataModel, Decode, KindId, ResourceId, UnixTime};
use std::sync::Arc;

/// A Store request whose values were all checked; reached through [`Verified`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoreReq {
    /// Where to store.
    pub resource: ResourceId,
    /// 0 for the original store, the number of the replica otherwise.
    pub replica_number: u8,
    /// The values of the known Kinds, in the order of the request.
    pub kinds: Vec<VerifiedKindData>,
    /// Kinds we do not know, whose values nobody has checked: answer Error_Unknown_Kind.
    pub unknown_kinds: Vec<KindId>,
    /// Who signed the request.
    pub sender: Signer,
}

/// The values of one Kind in a Store request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifiedKindData {
    /// The Kind.
    pub kind: KindId,
    /// Its data model.
    pub model: DataModel,
    /// The generation counter of the request.
    pub generation_counter: u64,
    /// The values.
    pub values: Vec<VerifiedValue>,
}

/// Checks all values of a Store request. `known` are certificates of the cache.
///
/// # Errors
/// If one value fails, since a Store is atomic (section 7.4.1.1).
pub fn verify_store(
    message: &Verified<Message>,
    trust: &Trust,
    known: &[Arc<VerifiedCertificate>],
    kinds: &KindModels,
    now: UnixTime,
) -> Result<Verified<StoreReq>, ValuesError> {
    let known = [known, message.certificates()].concat();
    let mut finder = Finder::new(trust, &known, &message.bucket, now);
    check_store(message, trust, &mut finder, kinds)
}

pub(crate) fn check_store(
    message: &Message,
    trust: &Trust,
    finder: &mut Finder<'_>,
    kinds: &KindModels,
) -> Result<Verified<StoreReq>, ValuesError> {
    let request = reload_wire::StoreReq::decode_exact(&trust.dialect(), &message.contents.body)?;
    let mut checked = StoreReq {
        resource: request.resource,
        replica_number: request.replica_number,
        kinds: Vec::new(),
        unknown_kinds: Vec::new(),
        sender: message.signer().clone(),
    };
    for data in request.kind_data {
        let Some(model) = kinds.get(data.kind) else {
            checked.unknown_kinds.push(data.kind);
            continue;
        };
        let mut values = Vec::new();
        for (index, stored) in data.values.into_iter().enumerate() {
            let (stored, value) = stored
                .open(&trust.dialect(), model)
                .map_err(|source| ValuesError::MalformedValue { kind: data.kind, index, source })?;
            let place = Place::new(&checked.resource, data.kind, model);
            let signer = place
                .check(trust, finder, &stored)
                .map_err(|source| ValuesError::Forbidden { kind: data.kind, index, source })?;
            values.push(VerifiedValue { data: stored, value, signer });
        }
        checked.kinds.push(VerifiedKindData {
            kind: data.kind,
            model,
            generation_counter: data.generation_counter,
            values,
        });
    }
    Ok(Verified::new(checked))
}

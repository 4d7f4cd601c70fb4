//! The stored values of a Fetch answer (section 7.4.2.2): those with a good signature, those the
//! responder made up because there is none, and how many were discarded.

use crate::data::{Place, is_synthetic};
use crate::signer::Finder;
use crate::{
    KindModels, Message, Signer, Trust, ValuesError, Verified, VerifiedCertificate, VerifiedValue,
    VerifyError,
};
use reload_wire::{
    DataModel, Decode, FetchAns, KindId, ResourceId, StoredData, StoredDataValue, UnixTime,
};
use std::sync::Arc;

/// What a Fetch answer gave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FetchedValues {
    /// The Kinds of the answer, in its order.
    pub kinds: Vec<FetchedKind>,
    /// Who answered.
    pub responder: Signer,
}

/// The values of one Kind in a Fetch answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FetchedKind {
    /// The Kind.
    pub kind: KindId,
    /// The generation counter.
    pub generation: u64,
    /// Values with a valid signature, also those with `exists = false` that someone removed.
    pub values: Vec<VerifiedValue>,
    /// Places that hold no value, made up by the responder (section 7.4.2.2, E05).
    pub synthetic: Vec<StoredDataValue>,
    /// Number of values that were discarded, so that the application learns of a partial answer.
    pub discarded: usize,
    /// Why the first of them was, if its signature was the reason.
    pub first_error: Option<VerifyError>,
}

/// Checks the values of the answer to a Fetch of `resource`; those that fail are discarded.
///
/// # Errors
/// If the body is no FetchAns.
pub fn verify_fetch_answer(
    message: &Verified<Message>,
    resource: &ResourceId,
    trust: &Trust,
    known: &[Arc<VerifiedCertificate>],
    kinds: &KindModels,
    now: UnixTime,
) -> Result<FetchedValues, ValuesError> {
    let known = [known, message.certificates()].concat();
    let mut finder = Finder::new(trust, &known, &message.bucket, now);
    check_fetch(message, resource, trust, &mut finder, kinds)
}

pub(crate) fn check_fetch(
    message: &Message,
    resource: &ResourceId,
    trust: &Trust,
    finder: &mut Finder<'_>,
    kinds: &KindModels,
) -> Result<FetchedValues, ValuesError> {
    let answer = FetchAns::decode_exact(&trust.dialect(), &message.contents.body)?;
    let mut fetched = FetchedValues { kinds: Vec::new(), responder: message.signer().clone() };
    for response in answer.kind_responses {
        let mut kind = FetchedKind {
            kind: response.kind,
            generation: response.generation,
            values: Vec::new(),
            synthetic: Vec::new(),
            discarded: 0,
            first_error: None,
        };
        match kinds.get(response.kind) {
            Some(model) => {
                let place = Place::new(resource, response.kind, model);
                for stored in response.values {
                    kind.take(trust, finder, model, place, stored);
                }
            }
            None => kind.discarded = response.values.len(),
        }
        fetched.kinds.push(kind);
    }
    Ok(fetched)
}

impl FetchedKind {
    fn take(
        &mut self,
        trust: &Trust,
        finder: &mut Finder<'_>,
        model: DataModel,
        place: Place<'_>,
        stored: StoredData,
    ) {
        let Ok((stored, value)) = stored.open(&trust.dialect(), model) else {
            self.discarded += 1;
            return;
        };
        if is_synthetic(&stored.signature) && !value.data().exists {
            self.synthetic.push(value);
            return;
        }
        match place.check(trust, finder, &stored) {
            Ok(signer) => self.values.push(VerifiedValue { data: stored, value, signer }),
            Err(error) => {
                self.discarded += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }
}

//! Signatures over stored values (section 7.1, E02 to E06): signing our own, verifying those of a
//! Store request and of a Fetch answer over the bytes that arrived. Access control is not here.

use crate::signer::Finder;
use crate::{
    Credentials, CredentialsError, Message, Signer, Trust, ValuesError, Verified,
    VerifiedCertificate, VerifyError,
};
use bytes::Bytes;
use reload_config::Configuration;
use reload_wire::{
    DataModel, Decode, Dialect, Encode, EncodeError, FetchAns, GenericCertificate, KindId,
    ResourceId, Signature, SignatureAndHashAlgorithm, SignerIdentity, StoredData, StoredDataValue,
    UnixTime,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The data model of each Kind we know: without it a stored value can't be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindModels(BTreeMap<KindId, DataModel>);

impl KindModels {
    /// The Kinds of a configuration.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        configuration
            .kinds
            .iter()
            .map(|block| (block.definition.id, block.definition.model))
            .collect()
    }

    /// The data model of a Kind.
    #[must_use]
    pub fn get(&self, kind: KindId) -> Option<DataModel> {
        self.0.get(&kind).copied()
    }

    /// Adds a Kind, as a ConfigUpdate may.
    pub fn insert(&mut self, kind: KindId, model: DataModel) {
        self.0.insert(kind, model);
    }
}

impl FromIterator<(KindId, DataModel)> for KindModels {
    fn from_iter<I: IntoIterator<Item = (KindId, DataModel)>>(kinds: I) -> Self {
        Self(kinds.into_iter().collect())
    }
}

/// A stored value whose signature was checked, with its signer.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedValue {
    data: StoredData,
    value: StoredDataValue,
    signer: Signer,
}

impl VerifiedValue {
    /// The value as it arrived, with storage time, lifetime and signature.
    #[must_use]
    pub fn data(&self) -> &StoredData {
        &self.data
    }

    /// The value, decoded.
    #[must_use]
    pub fn value(&self) -> &StoredDataValue {
        &self.value
    }

    /// Who stored it.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }
}

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

/// Signs a value to be stored at a resource. For arrays the signature covers index 0 (E04).
///
/// # Errors
/// If the value can't be encoded or the random source fails.
pub fn sign_value(
    credentials: &Credentials,
    resource: &ResourceId,
    kind: KindId,
    storage_time: UnixTime,
    lifetime: u32,
    value: &StoredDataValue,
) -> Result<StoredData, CredentialsError> {
    let raw = value.to_bytes()?;
    let is_array = matches!(value, StoredDataValue::Array { .. });
    let place = Place { resource: resource.as_bytes(), kind, is_array };
    let input = place.signature_input(storage_time, &raw, credentials.identity())?;
    Ok(StoredData {
        storage_time,
        lifetime,
        value: raw,
        signature: credentials.signature_over(&input)?,
    })
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

/// Checks a single stored value, as read from a persistent store; `certificates` are those kept
/// with it.
///
/// # Errors
/// If the value does not decode or its signature is not valid.
pub fn verify_value(
    stored: &StoredData,
    resource: &ResourceId,
    (kind, model): (KindId, DataModel),
    trust: &Trust,
    certificates: &[GenericCertificate],
    now: UnixTime,
) -> Result<VerifiedValue, ValuesError> {
    let mut finder = Finder::new(trust, &[], certificates, now);
    let (data, value) = stored
        .open(&trust.dialect(), model)
        .map_err(|source| ValuesError::MalformedValue { kind, index: 0, source })?;
    let signer = Place::new(resource, kind, model)
        .check(trust, &mut finder, &data)
        .map_err(|source| ValuesError::Forbidden { kind, index: 0, source })?;
    Ok(VerifiedValue { data, value, signer })
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

/// Where a value lies: what its signature covers without the value saying so.
#[derive(Clone, Copy)]
struct Place<'a> {
    resource: &'a [u8],
    kind: KindId,
    is_array: bool,
}

impl<'a> Place<'a> {
    fn new(resource: &'a ResourceId, kind: KindId, model: DataModel) -> Self {
        Self { resource: resource.as_bytes(), kind, is_array: model == DataModel::Array }
    }

    /// The signer of a value, if its signature is right.
    fn check(
        self,
        trust: &Trust,
        finder: &mut Finder<'_>,
        stored: &StoredData,
    ) -> Result<Signer, VerifyError> {
        let signer = finder.find(&stored.signature.identity)?;
        match self.check_signature(trust, &signer, stored) {
            // The other reading of the resource_id, with its length (E02).
            Err(VerifyError::BadSignature) if trust.leniency().is_lenient() => {
                let length = u8::try_from(self.resource.len()).unwrap_or(u8::MAX);
                let resource = [&[length], self.resource].concat();
                Place { resource: &resource, ..self }.check_signature(trust, &signer, stored)?;
            }
            result => result?,
        }
        Ok(signer)
    }

    fn check_signature(
        self,
        trust: &Trust,
        signer: &Signer,
        stored: &StoredData,
    ) -> Result<(), VerifyError> {
        let Signature { algorithm, identity, value } = &stored.signature;
        let input = self
            .signature_input(stored.storage_time, &stored.value, identity)
            .map_err(|_| VerifyError::BadSignature)?;
        let key = &signer.certificate.facts.public_key;
        key.verify(*algorithm, trust.leniency(), &input, value)
    }

    /// resource_id || kind || storage_time || StoredDataValue || SignerIdentity (section 7.1), the
    /// index of an array entry set to zero (section 7.4.2.2, E04).
    fn signature_input(
        self,
        storage_time: UnixTime,
        raw: &[u8],
        identity: &SignerIdentity,
    ) -> Result<Vec<u8>, EncodeError> {
        const INDEX: usize = 4;
        let (index, rest) = match self.is_array {
            true => (&[0; INDEX][..], raw.get(INDEX..).unwrap_or_default()),
            false => (&[][..], raw),
        };
        let identity = identity.to_bytes()?;
        let (kind, time) = (self.kind.0.to_be_bytes(), storage_time.0.to_be_bytes());
        Ok([self.resource, &kind, &time, index, rest, &identity].concat())
    }
}

/// 00 00, identity none, no signature (E05).
fn is_synthetic(signature: &Signature) -> bool {
    signature.algorithm == SignatureAndHashAlgorithm::ANONYMOUS
        && signature.identity == SignerIdentity::None
        && signature.value.is_empty()
}

/// The signature of a synthetic value (section 7.4.2.2).
#[must_use]
pub fn synthetic_signature() -> Signature {
    Signature {
        algorithm: SignatureAndHashAlgorithm::ANONYMOUS,
        identity: SignerIdentity::None,
        value: Bytes::new(),
    }
}

/// The signer identities of the values in a Store request or Fetch answer: what to look for in a
/// cache. Empty for other bodies and for bodies that do not decode.
pub(crate) fn value_identities(
    dialect: &Dialect,
    contents: &reload_wire::MessageContents,
) -> Vec<SignerIdentity> {
    use reload_wire::MessageCode;
    let identity = |stored: StoredData| stored.signature.identity;
    match contents.code {
        MessageCode::STORE_REQUEST => reload_wire::StoreReq::decode_exact(dialect, &contents.body)
            .map(|request| request.kind_data.into_iter().flat_map(|data| data.values))
            .map(|values| values.map(identity).collect())
            .unwrap_or_default(),
        MessageCode::FETCH_ANSWER => FetchAns::decode_exact(dialect, &contents.body)
            .map(|answer| answer.kind_responses.into_iter().flat_map(|data| data.values))
            .map(|values| values.map(identity).collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

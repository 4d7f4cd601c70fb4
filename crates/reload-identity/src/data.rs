//! Signatures over single stored values (section 7.1, E02 to E06): signing our own, verifying those
//! of others over the bytes that arrived. Access control is not here.

use crate::signer::Finder;
use crate::{
    Credentials, CredentialsError, Signer, Trust, ValuesError, VerifiedCertificate, VerifyError,
};
use bytes::Bytes;
use reload_wire::{
    DataModel, Encode, EncodeError, GenericCertificate, KindId, ResourceId, Signature,
    SignatureAndHashAlgorithm, SignerIdentity, StoredData, StoredDataValue, UnixTime,
};
use std::sync::Arc;

/// A stored value whose signature was checked, with its signer.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedValue {
    pub(crate) data: StoredData,
    pub(crate) value: StoredDataValue,
    pub(crate) signer: Signer,
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
    verify(stored, resource, (kind, model), trust, &mut finder)
}

/// As [`verify_value`], with a certificate that was checked before: a store that reads back many
/// values of one writer checks the certificate once.
///
/// # Errors
/// As [`verify_value`].
pub fn verify_value_of(
    stored: &StoredData,
    resource: &ResourceId,
    (kind, model): (KindId, DataModel),
    trust: &Trust,
    certificate: &Arc<VerifiedCertificate>,
    now: UnixTime,
) -> Result<VerifiedValue, ValuesError> {
    let mut finder = Finder::new(trust, std::slice::from_ref(certificate), &[], now);
    verify(stored, resource, (kind, model), trust, &mut finder)
}

fn verify(
    stored: &StoredData,
    resource: &ResourceId,
    (kind, model): (KindId, DataModel),
    trust: &Trust,
    finder: &mut Finder<'_>,
) -> Result<VerifiedValue, ValuesError> {
    let (data, value) = stored
        .open(&trust.dialect(), model)
        .map_err(|source| ValuesError::MalformedValue { kind, index: 0, source })?;
    let signer = Place::new(resource, kind, model)
        .check(trust, finder, &data)
        .map_err(|source| ValuesError::Forbidden { kind, index: 0, source })?;
    Ok(VerifiedValue { data, value, signer })
}

/// Where a value lies: what its signature covers without the value saying so.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    resource: &'a [u8],
    kind: KindId,
    is_array: bool,
}

impl<'a> Place<'a> {
    pub(crate) fn new(resource: &'a ResourceId, kind: KindId, model: DataModel) -> Self {
        Self { resource: resource.as_bytes(), kind, is_array: model == DataModel::Array }
    }

    /// The signer of a value, if its signature is right.
    pub(crate) fn check(
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
pub(crate) fn is_synthetic(signature: &Signature) -> bool {
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

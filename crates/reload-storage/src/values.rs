//! What is kept of a value, and all values of one Kind at one resource (sections 7 and 7.2). It
//! doesn't decide whether a value may be kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_identity::{VerifiedCertificate, VerifiedValue};
use reload_wire::{
    DataModel, DataValue, Encode, EncodeError, KindId, NodeId, ResourceId, Signature,
    SignerIdentity, StoredData, StoredDataValue, UnixTime,
};

/// Which element of a Kind at a resource a value is: its place in the data model (section 7.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueKey {
    /// The one element of a single-value Kind.
    Single,
    /// An index of an array.
    Index(u32),
    /// A key of a dictionary.
    Key(Bytes),
}

impl ValueKey {
    /// The element that a value names. For an append it is the index 0xffffffff.
    #[must_use]
    pub fn of(value: &StoredDataValue) -> Self {
        match value {
            StoredDataValue::Single(_) => Self::Single,
            StoredDataValue::Array { index, .. } => Self::Index(*index),
            StoredDataValue::Dictionary { key, .. } => Self::Key(key.clone()),
        }
    }

    /// The data model that this element belongs to.
    #[must_use]
    pub fn model(&self) -> DataModel {
        match self {
            Self::Single => DataModel::Single,
            Self::Index(_) => DataModel::Array,
            Self::Key(_) => DataModel::Dictionary,
        }
    }

    /// The structure of section 7.2 that holds `value` at this element.
    #[must_use]
    pub fn with(&self, value: DataValue) -> StoredDataValue {
        match self {
            Self::Single => StoredDataValue::Single(value),
            Self::Index(index) => StoredDataValue::Array { index: *index, value },
            Self::Key(key) => StoredDataValue::Dictionary { key: key.clone(), value },
        }
    }

    /// The same element in memory of its own, not in the message that it came in.
    fn compact(self) -> Self {
        match self {
            Self::Key(key) => Self::Key(Bytes::copy_from_slice(&key)),
            other => other,
        }
    }

    /// Bytes that the element's name takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Key(key) => key.len(),
            Self::Single | Self::Index(_) => 4,
        }
    }
}

/// The place of a value in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The resource.
    pub resource: ResourceId,
    /// The Kind.
    pub kind: KindId,
    /// The element.
    pub key: ValueKey,
}

/// A value as it is kept. It can be made from a [`VerifiedValue`] only.
#[derive(Clone, Debug)]
pub struct StoredValue {
    storage_time: UnixTime,
    lifetime: u32,
    value: DataValue,
    signature: Signature,
    owner: NodeId,
    certificate: Arc<VerifiedCertificate>,
    received: UnixTime,
}

/// What a kept value costs besides its bytes: the maps that hold it. A rough number of ours.
const OVERHEAD: usize = 256;

impl StoredValue {
    /// The value of a request received at the local time `received`; bytes are copied out of the
    /// message. A store on disk makes values so when it opens, after they were verified again.
    #[must_use]
    pub fn new(verified: &VerifiedValue, received: UnixTime) -> Self {
        let data = verified.data();
        Self {
            storage_time: data.storage_time,
            lifetime: data.lifetime,
            value: compact_value(verified.value().data()),
            signature: compact_signature(&data.signature),
            owner: verified.signer().node_id,
            certificate: Arc::clone(&verified.signer().certificate),
            received,
        }
    }

    /// Milliseconds since 1970 as the writer said (section 7).
    #[must_use]
    pub fn storage_time(&self) -> UnixTime {
        self.storage_time
    }

    /// The value; `exists` is false for a removed one (section 7.4.1.3).
    #[must_use]
    pub fn value(&self) -> &DataValue {
        &self.value
    }

    /// The writer's signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The Node-ID that signed the value.
    #[must_use]
    pub fn owner(&self) -> NodeId {
        self.owner
    }

    /// The certificate of the writer.
    #[must_use]
    pub fn certificate(&self) -> &Arc<VerifiedCertificate> {
        &self.certificate
    }

    /// Local time of receipt, at which the lifetime starts (E70).
    #[must_use]
    pub fn received(&self) -> UnixTime {
        self.received
    }

    /// The lifetime in seconds as it was received.
    #[must_use]
    pub fn lifetime(&self) -> u32 {
        self.lifetime
    }

    /// When the value goes: at the end of its lifetime or of its certificate (sections 7 and 7.1).
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.lifetime_end().min(self.certificate.not_after())
    }

    /// Whether the value still counts at `now`.
    #[must_use]
    pub fn is_live(&self, now: UnixTime) -> bool {
        now < self.expires()
    }

    /// Seconds of lifetime left, rounded down (section 7.4.1.1, E70).
    #[must_use]
    pub fn remaining(&self, now: UnixTime) -> u32 {
        let seconds = self.lifetime_end().saturating_since(now).as_secs();
        // A clock set back must not lengthen the lifetime.
        u32::try_from(seconds).unwrap_or(u32::MAX).min(self.lifetime)
    }

    /// Bytes that count against the limit of the store.
    #[must_use]
    pub fn size(&self) -> usize {
        self.value.value.len() + self.signature.value.len() + OVERHEAD
    }

    /// The StoredData for an answer or a copy, with the lifetime that is left.
    ///
    /// # Errors
    ///
    /// When the value doesn't fit the encoder's limits.
    pub fn to_wire(&self, key: &ValueKey, now: UnixTime) -> Result<StoredData, EncodeError> {
        Ok(StoredData {
            storage_time: self.storage_time,
            lifetime: self.remaining(now),
            value: key.with(self.value.clone()).to_bytes()?,
            signature: self.signature.clone(),
        })
    }

    /// Whether `data` is this value again: same time, value and signature (E59). The lifetime isn't
    /// signed and falls on the way from copy to copy, so that it doesn't count.
    pub(crate) fn is_same(&self, data: &StoredData, value: &StoredDataValue) -> bool {
        self.storage_time == data.storage_time
            && self.signature == data.signature
            && self.value == *value.data()
    }

    /// Uses one shared certificate in place of an equal one.
    pub(crate) fn share_certificate(&mut self, certificate: &Arc<VerifiedCertificate>) {
        self.certificate = Arc::clone(certificate);
    }

    fn lifetime_end(&self) -> UnixTime {
        self.received.saturating_add(Duration::from_secs(u64::from(self.lifetime)))
    }
}

/// All values of one Kind at one resource.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// The generation counter, 1 or more while there are values (section 7.4.1.1).
    pub generation: u64,
    /// The values by element.
    pub values: BTreeMap<ValueKey, StoredValue>,
}

impl Slot {
    /// The values that still count at `now`.
    pub fn live(&self, now: UnixTime) -> impl Iterator<Item = (&ValueKey, &StoredValue)> {
        self.values.iter().filter(move |(_, value)| value.is_live(now))
    }
}

/// The element that `value` names, in memory of its own.
pub(crate) fn own_key(value: &StoredDataValue) -> ValueKey {
    ValueKey::of(value).compact()
}

fn compact_value(value: &DataValue) -> DataValue {
    DataValue { exists: value.exists, value: Bytes::copy_from_slice(&value.value) }
}

fn compact_signature(signature: &Signature) -> Signature {
    let own = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
    let identity = match &signature.identity {
        SignerIdentity::CertHash { hash_alg, hash } => {
            SignerIdentity::CertHash { hash_alg: *hash_alg, hash: own(hash) }
        }
        SignerIdentity::CertHashNodeId { hash_alg, hash } => {
            SignerIdentity::CertHashNodeId { hash_alg: *hash_alg, hash: own(hash) }
        }
        SignerIdentity::None => SignerIdentity::None,
        SignerIdentity::Unknown { kind, data } => {
            SignerIdentity::Unknown { kind: *kind, data: own(data) }
        }
    };
    Signature { algorithm: signature.algorithm, identity, value: own(&signature.value) }
}

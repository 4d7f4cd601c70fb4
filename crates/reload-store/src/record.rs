//! What the tables hold. Keys are ordered as the ring is: length and bytes of the Resource-ID, Kind,
//! element. A value is kept as the StoredData of section 7, with the lifetime as it was received.
//!
//! ```text
//! values        resource, kind, element -> received (8), SHA-256 of the certificate (32), StoredData
//! counters      resource, kind          -> generation counter (8)
//! certificates  SHA-256                 -> length (4) and DER of the certificate, then of its chain
//! ```

use bytes::Bytes;
use reload_identity::VerifiedCertificate;
use reload_storage::{StoredValue, ValueKey};
use reload_wire::{Decode, Dialect, Encode, EncodeError, KindId, ResourceId, StoredData, UnixTime};

use crate::error::DiskError;

/// The key of a value.
pub(crate) fn value_key(resource: &ResourceId, kind: KindId, key: &ValueKey) -> Vec<u8> {
    let mut bytes = slot_key(resource, kind);
    match key {
        ValueKey::Single => {}
        ValueKey::Index(index) => bytes.extend(index.to_be_bytes()),
        ValueKey::Key(key) => bytes.extend(key),
    }
    bytes
}

/// The key of a counter: how the keys of its values begin.
pub(crate) fn slot_key(resource: &ResourceId, kind: KindId) -> Vec<u8> {
    let resource = resource.as_bytes();
    // A Resource-ID is of one byte's length by its type.
    let length = u8::try_from(resource.len()).unwrap_or(u8::MAX);
    [&[length], resource, &kind.0.to_be_bytes()].concat()
}

/// Resource and Kind of a key, and what is left of it.
pub(crate) fn read_slot_key(key: &[u8]) -> Option<(ResourceId, KindId, &[u8])> {
    let (length, rest) = key.split_first()?;
    let (resource, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first_chunk()?;
    Some((ResourceId::new(resource).ok()?, KindId(u32::from_be_bytes(*kind)), rest))
}

/// A value as it lies in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueRecord {
    /// Local time of receipt.
    pub(crate) received: UnixTime,
    /// SHA-256 of its writer's certificate.
    pub(crate) certificate: [u8; 32],
    /// The value, with the lifetime as it was received.
    pub(crate) data: StoredData,
}

impl ValueRecord {
    pub(crate) fn of(key: &ValueKey, value: &StoredValue) -> Result<Self, EncodeError> {
        Ok(Self {
            received: value.received(),
            certificate: *value.certificate().sha256(),
            data: StoredData {
                storage_time: value.storage_time(),
                lifetime: value.lifetime(),
                value: key.with(value.value().clone()).to_bytes()?,
                signature: value.signature().clone(),
            },
        })
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let data = self.data.to_bytes()?;
        Ok([&self.received.0.to_be_bytes()[..], &self.certificate, &data].concat())
    }

    pub(crate) fn read(dialect: &Dialect, bytes: &[u8]) -> Option<Self> {
        let (received, rest) = bytes.split_first_chunk()?;
        let (certificate, data) = rest.split_first_chunk()?;
        Some(Self {
            received: UnixTime(u64::from_be_bytes(*received)),
            certificate: *certificate,
            data: StoredData::decode_exact(dialect, data).ok()?,
        })
    }
}

/// The certificate hash of a value's bytes, without reading the rest.
pub(crate) fn certificate_of(value: &[u8]) -> Result<[u8; 32], DiskError> {
    let hash = value.get(8..40).and_then(|hash| hash.try_into().ok());
    hash.ok_or_else(|| DiskError::damaged("a value is too short"))
}

/// A certificate and its chain.
pub(crate) fn certificate_bytes(certificate: &VerifiedCertificate) -> Vec<u8> {
    let mut bytes = Vec::new();
    for der in std::iter::once(certificate.der()).chain(certificate.chain()) {
        // A certificate came in a message and is far below 4 GiB.
        bytes.extend(u32::try_from(der.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(&der[..]);
    }
    bytes
}

/// The certificate and its chain again.
pub(crate) fn read_certificate(bytes: &[u8]) -> Option<(Bytes, Vec<Bytes>)> {
    let mut all = Vec::new();
    let mut rest = bytes;
    while let Some((length, more)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (der, more) = more.split_at_checked(length)?;
        all.push(Bytes::copy_from_slice(der));
        rest = more;
    }
    if all.is_empty() || !rest.is_empty() {
        return None;
    }
    let leaf = all.remove(0);
    Some((leaf, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(bytes: &[u8]) -> ResourceId {
        ResourceId::new(bytes).unwrap()
    }

    #[test]
    fn a_key_tells_resource_kind_and_element() {
        let key = value_key(&resource(b"ab"), KindId(0x0102_0304), &ValueKey::Index(5));
        assert_eq!(key, [2, b'a', b'b', 1, 2, 3, 4, 0, 0, 0, 5]);
        let (read, kind, rest) = read_slot_key(&key).unwrap();
        assert_eq!((read, kind, rest), (resource(b"ab"), KindId(0x0102_0304), &key[7..]));
    }

    #[test]
    fn a_key_that_is_cut_off_is_none() {
        let key = slot_key(&resource(b"abcd"), KindId(7));
        for end in 0..key.len() {
            assert_eq!(read_slot_key(&key[..end]), None, "{end}");
        }
    }

    #[test]
    fn certificates_that_are_cut_off_are_none() {
        let bytes = [&[0, 0, 0, 1, 7][..], &[0, 0, 0, 2, 8, 9]].concat();
        let read = read_certificate(&bytes).unwrap();
        assert_eq!((&read.0[..], &read.1[0][..]), (&[7][..], &[8, 9][..]));
        for end in [0, 1, 4, 6, 8, 10] {
            assert_eq!(read_certificate(&bytes[..end]), None, "{end}");
        }
    }
}

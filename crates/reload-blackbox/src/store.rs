//! Values to store, signed well or over bytes that are no value at all (section 7.1).

use anyhow::Result;
use bytes::Bytes;
use reload_identity::{Credentials, sign_value};
use reload_wire::{Encode, KindId, ResourceId, StoredData, StoredDataValue, UnixTime};

/// How long the values of the test live, in seconds.
const LIFETIME: u32 = 600;

/// A signed value.
///
/// # Errors
/// If it cannot be written.
pub fn signed(
    credentials: &Credentials,
    resource: &ResourceId,
    kind: KindId,
    time: UnixTime,
    value: &StoredDataValue,
) -> Result<StoredData> {
    Ok(sign_value(credentials, resource, kind, time, LIFETIME, value)?)
}

/// A signature over bytes that stand where a value should: resource_id, kind, storage_time, the
/// bytes, identity.
///
/// # Errors
/// If the random source fails.
pub fn sign_raw(
    credentials: &Credentials,
    resource: &ResourceId,
    kind: KindId,
    time: UnixTime,
    value: &[u8],
) -> Result<StoredData> {
    let input = [
        resource.as_bytes(),
        &kind.0.to_be_bytes(),
        &time.0.to_be_bytes(),
        value,
        &credentials.identity().to_bytes()?,
    ];
    let signature = credentials.signature_over(&input.concat())?;
    let value = Bytes::copy_from_slice(value);
    Ok(StoredData { storage_time: time, lifetime: LIFETIME, value, signature })
}

//! The rule of every structure: what decodes is written again and decodes to the same.

use std::fmt::Debug;

use bytes::Bytes;
use reload_wire::{Decode, DecodeError, Dialect, Encode, EncodeError, NodeIdLength};

/// The first byte chooses the length of Node-IDs, the rest is the structure.
pub(crate) fn dialect_and_rest(data: &[u8]) -> Option<(Dialect, &[u8])> {
    let (first, rest) = data.split_first()?;
    NodeIdLength::new(16 + first % 5).map(|length| (Dialect::new(length), rest))
}

/// The byte that makes [`dialect_and_rest`] choose this length.
pub(crate) fn dialect_byte(node_id_length: u8) -> u8 {
    node_id_length.saturating_sub(16)
}

/// Checks the rule for one structure; returns the value if the bytes are one.
pub(crate) fn round_trip<T: Decode + Encode + PartialEq + Debug>(
    dialect: &Dialect,
    bytes: &[u8],
) -> Option<T> {
    again(bytes, |bytes| T::decode_exact(dialect, bytes))
}

/// As [`round_trip`], with any decoder.
pub(crate) fn again<T: Encode + PartialEq + Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Option<T> {
    let value = decode(bytes).map_err(|error| check_error(&error, bytes.len())).ok()?;
    let Some(written) = written(value.to_bytes()) else { return Some(value) };
    assert!(written.len() <= bytes.len(), "written longer than read: {value:?}");
    let read = decode(&written);
    assert_eq!(read.as_ref(), Ok(&value), "read again from {written:x}");
    assert_eq!(value.to_bytes().as_ref(), Ok(&written), "written twice");
    Some(value)
}

/// What was written; nothing for a value that may be read and must not be sent.
pub(crate) fn written(result: Result<Bytes, EncodeError>) -> Option<Bytes> {
    match result {
        Ok(bytes) => Some(bytes),
        Err(EncodeError::NotAllowed { .. }) => None,
        Err(error) => panic!("what was read cannot be written: {error}"),
    }
}

/// An error names a field and a byte of the input, or the one behind its end.
pub(crate) fn check_error(error: &DecodeError, length: usize) {
    assert!(error.offset() <= length, "{error} in {length} bytes");
    assert!(!error.field().is_empty(), "no field: {error}");
}

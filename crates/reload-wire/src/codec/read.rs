//! Readers for the presentation language of section 6.3.1: integers, `opaque<..>`, vectors. A
//! nested reader hands exactly the bytes of its length to the inner parser, which must use them up.
//!
//! Nothing is allocated from a length on the wire: lists grow as their elements arrive.

use bytes::Bytes;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u24, be_u32, be_u64};
use nom::{Err, Parser};

use super::{Decode, DecodeError, Decoded, Dialect, Fault};

/// Names the field in which `result` failed.
fn named<'a, T>(name: &'static str, result: Decoded<'a, T>) -> Decoded<'a, T> {
    result.map_err(|error| error.map(|inner| inner.inside(name)))
}

/// A fault at the start of `rest`, in the field `name`.
///
/// # Errors
/// Always.
pub fn fail<'a, T>(name: &'static str, fault: Fault, rest: &[u8]) -> Decoded<'a, T> {
    Err(error(name, fault, rest))
}

/// The error of [`fail`].
#[must_use]
pub fn error(name: &'static str, fault: Fault, rest: &[u8]) -> Err<DecodeError> {
    Err::Error(DecodeError::new(fault, rest).inside(name))
}

/// Takes nom's wrapping off an error.
#[must_use]
pub fn inner_error(error: Err<DecodeError>) -> DecodeError {
    match error {
        Err::Error(error) | Err::Failure(error) => error,
        // Only nom's streaming parsers say this, and none is used here.
        Err::Incomplete(_) => DecodeError::new(Fault::Truncated, &[]),
    }
}

/// A one-byte integer.
///
/// # Errors
/// Bytes are missing.
pub fn uint8<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, u8> {
    named(name, be_u8(input))
}

/// A two-byte integer.
///
/// # Errors
/// Bytes are missing.
pub fn uint16<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, u16> {
    named(name, be_u16(input))
}

/// A four-byte integer.
///
/// # Errors
/// Bytes are missing.
pub fn uint32<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, u32> {
    named(name, be_u32(input))
}

/// An eight-byte integer.
///
/// # Errors
/// Bytes are missing.
pub fn uint64<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, u64> {
    named(name, be_u64(input))
}

/// A Boolean: one byte, 0 or 1 (section 6.3.1.1).
///
/// # Errors
/// The byte is missing or has another value.
pub fn boolean<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, bool> {
    match uint8(name, input)? {
        (rest, 0) => Ok((rest, false)),
        (rest, 1) => Ok((rest, true)),
        _ => fail(name, Fault::NotAllowed, input),
    }
}

/// A structure as a field of another.
///
/// # Errors
/// Those of the structure.
pub fn field<'a, T: Decode>(
    name: &'static str,
    dialect: &Dialect,
    input: &'a [u8],
) -> Decoded<'a, T> {
    named(name, T::decode(dialect, input))
}

/// The next `length` bytes as they are.
///
/// # Errors
/// Bytes are missing.
pub fn part<'a>(name: &'static str, length: usize, input: &'a [u8]) -> Decoded<'a, &'a [u8]> {
    named(name, take(length).parse(input))
}

/// The bytes behind a one-byte length.
///
/// # Errors
/// Bytes are missing.
pub fn part8<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, &'a [u8]> {
    let (input, length) = uint8(name, input)?;
    part(name, usize::from(length), input)
}

/// The bytes behind a two-byte length.
///
/// # Errors
/// Bytes are missing.
pub fn part16<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, &'a [u8]> {
    let (input, length) = uint16(name, input)?;
    part(name, usize::from(length), input)
}

/// The bytes behind a three-byte length.
///
/// # Errors
/// Bytes are missing.
pub fn part24<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, &'a [u8]> {
    let (input, length) = named(name, be_u24(input))?;
    part_wide(name, length, input)
}

/// The bytes behind a four-byte length.
///
/// # Errors
/// Bytes are missing.
pub fn part32<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, &'a [u8]> {
    let (input, length) = uint32(name, input)?;
    part_wide(name, length, input)
}

fn part_wide<'a>(name: &'static str, length: u32, input: &'a [u8]) -> Decoded<'a, &'a [u8]> {
    // A length that no `usize` holds is longer than any input.
    part(name, usize::try_from(length).unwrap_or(usize::MAX), input)
}

fn copied<'a>((rest, part): (&'a [u8], &'a [u8])) -> (&'a [u8], Bytes) {
    (rest, Bytes::copy_from_slice(part))
}

/// `opaque<0..2^8-1>`.
///
/// # Errors
/// Bytes are missing.
pub fn opaque8<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, Bytes> {
    part8(name, input).map(copied)
}

/// `opaque<0..2^16-1>`.
///
/// # Errors
/// Bytes are missing.
pub fn opaque16<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, Bytes> {
    part16(name, input).map(copied)
}

/// `opaque<0..2^24-1>`.
///
/// # Errors
/// Bytes are missing.
pub fn opaque24<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, Bytes> {
    part24(name, input).map(copied)
}

/// `opaque<0..2^32-1>`.
///
/// # Errors
/// Bytes are missing.
pub fn opaque32<'a>(name: &'static str, input: &'a [u8]) -> Decoded<'a, Bytes> {
    part32(name, input).map(copied)
}

/// Runs `parser` over all of `input`.
///
/// # Errors
/// Those of the parser; bytes are left over.
pub fn exactly<'a, T>(
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Decoded<'a, T>,
) -> Result<T, DecodeError> {
    match parser(input) {
        Ok(([], value)) => Ok(value),
        Ok((rest, _)) => Err(DecodeError::new(Fault::LeftOver, rest)),
        Err(error) => Err(inner_error(error)),
    }
}

/// Runs `parser` over exactly the bytes that a reader like [`part16`] found.
///
/// # Errors
/// Those of the parser; bytes are left over.
pub fn nested<'a, T>(
    name: &'static str,
    (rest, part): (&'a [u8], &'a [u8]),
    parser: impl FnOnce(&'a [u8]) -> Decoded<'a, T>,
) -> Decoded<'a, T> {
    match exactly(part, parser) {
        Ok(value) => Ok((rest, value)),
        Err(error) => Err(Err::Error(error.followed_by(rest.len()).inside(name))),
    }
}

/// A part with a one-byte length, used up by `parser`.
///
/// # Errors
/// Bytes are missing or left over, or those of the parser.
pub fn nested8<'a, T>(
    name: &'static str,
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Decoded<'a, T>,
) -> Decoded<'a, T> {
    nested(name, part8(name, input)?, parser)
}

/// A part with a two-byte length, used up by `parser`.
///
/// # Errors
/// Bytes are missing or left over, or those of the parser.
pub fn nested16<'a, T>(
    name: &'static str,
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Decoded<'a, T>,
) -> Decoded<'a, T> {
    nested(name, part16(name, input)?, parser)
}

/// A part with a three-byte length, used up by `parser`.
///
/// # Errors
/// Bytes are missing or left over, or those of the parser.
pub fn nested24<'a, T>(
    name: &'static str,
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Decoded<'a, T>,
) -> Decoded<'a, T> {
    nested(name, part24(name, input)?, parser)
}

/// A part with a four-byte length, used up by `parser`.
///
/// # Errors
/// Bytes are missing or left over, or those of the parser.
pub fn nested32<'a, T>(
    name: &'static str,
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Decoded<'a, T>,
) -> Decoded<'a, T> {
    nested(name, part32(name, input)?, parser)
}

/// Elements back to back up to the end of `input`.
///
/// # Errors
/// Those of the element.
pub fn list<'a, T>(
    input: &'a [u8],
    element: impl Fn(&'a [u8]) -> Decoded<'a, T>,
) -> Decoded<'a, Vec<T>> {
    let mut rest = input;
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let (next, value) = element(rest)?;
        if next.len() >= rest.len() {
            return Err(Err::Error(DecodeError::new(Fault::NotAllowed, rest)));
        }
        elements.push(value);
        rest = next;
    }
    Ok((rest, elements))
}

/// `T list<0..2^8-1>`: the length counts bytes.
///
/// # Errors
/// Bytes are missing, or those of the element.
pub fn list8<'a, T: Decode>(
    name: &'static str,
    dialect: &Dialect,
    input: &'a [u8],
) -> Decoded<'a, Vec<T>> {
    nested8(name, input, |part| list(part, |rest| T::decode(dialect, rest)))
}

/// `T list<0..2^16-1>`: the length counts bytes.
///
/// # Errors
/// Bytes are missing, or those of the element.
pub fn list16<'a, T: Decode>(
    name: &'static str,
    dialect: &Dialect,
    input: &'a [u8],
) -> Decoded<'a, Vec<T>> {
    nested16(name, input, |part| list(part, |rest| T::decode(dialect, rest)))
}

/// `T list<0..2^32-1>`: the length counts bytes.
///
/// # Errors
/// Bytes are missing, or those of the element.
pub fn list32<'a, T: Decode>(
    name: &'static str,
    dialect: &Dialect,
    input: &'a [u8],
) -> Decoded<'a, Vec<T>> {
    nested32(name, input, |part| list(part, |rest| T::decode(dialect, rest)))
}

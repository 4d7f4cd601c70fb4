//! `StoredData` (section 7): a value with its times and its signature. The layout of the value
//! follows from the data model of its Kind, which is not on the wire: the value stays raw here.

use bytes::Bytes;

use crate::{
    DataModel, Decode, DecodeError, Decoded, Dialect, Encode, EncodeError, Fault, Signature,
    StoredDataValue, UnixTime, Writer, read,
};

/// A stored value.
///
/// Nothing on the wire says where the value ends and the signature starts. Decoding tries the three
/// data models in turn, and then every byte, so that a value of an unknown Kind can be read too.
/// Who
/// knows the model asks [`StoredData::open`], which splits by that model alone: bytes made to fit
/// two models are then read by the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredData {
    /// When the writer says the value was stored.
    pub storage_time: UnixTime,
    /// How many seconds the value lives from its receipt.
    pub lifetime: u32,
    /// The encoded [`StoredDataValue`].
    pub value: Bytes,
    /// The writer's signature (section 7.1).
    pub signature: Signature,
}

impl StoredData {
    /// The value, and this structure with value and signature split as the model asks.
    ///
    /// # Errors
    /// The bytes are no value of this model with a signature behind it.
    pub fn open(
        &self,
        dialect: &Dialect,
        model: DataModel,
    ) -> Result<(Self, StoredDataValue), DecodeError> {
        if let Ok(value) = StoredDataValue::decode_as(dialect, model, &self.value) {
            // The values of a model are prefix-free: no other split of the same bytes fits it.
            return Ok((self.clone(), value));
        }
        let joined = self.joined();
        let all = |part| split(dialect, model, part);
        let (length, value, signature) =
            read::exactly(&joined, all).map_err(|error| error.rooted(Self::NAME, joined.len()))?;
        let value_raw = joined.slice(..length);
        Ok((Self { value: value_raw, signature, ..self.clone() }, value))
    }

    /// Value and signature as they stand on the wire.
    fn joined(&self) -> Bytes {
        let mut out = Writer::with_limit(usize::MAX);
        // Only a signature that was not read from bytes can fail here, and then nothing fits.
        let written = out.bytes(&self.value).and_then(|()| self.signature.encode(&mut out));
        if written.is_ok() { out.finish() } else { self.value.clone() }
    }
}

/// The length of the value, the value and the signature, if the bytes start with those of `model`.
fn split<'a>(
    dialect: &Dialect,
    model: DataModel,
    input: &'a [u8],
) -> Decoded<'a, (usize, StoredDataValue, Signature)> {
    let (after, value) = StoredDataValue::decode_model(dialect, model, input)?;
    let (rest, signature) = read::field("signature", dialect, after)?;
    Ok((rest, (input.len() - after.len(), value, signature)))
}

impl Decode for StoredData {
    const NAME: &'static str = "stored_data";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        read::nested32("length", input, |part| {
            let (part, storage_time) = read::uint64("storage_time", part)?;
            let (part, lifetime) = read::uint32("lifetime", part)?;
            let (rest, (value, signature)) = value_and_signature(dialect, part)?;
            Ok((rest, Self { storage_time: UnixTime(storage_time), lifetime, value, signature }))
        })
    }
}

/// Splits by the first model that fits, or else at the first byte behind which a signature fits.
fn value_and_signature<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, (Bytes, Signature)> {
    let by_model = DataModel::ALL.into_iter().find_map(|model| value_end(model, input));
    let end = by_model.or_else(|| (0..input.len()).find(|at| is_signature(&input[*at..])));
    let Some(end) = end else {
        return read::fail("value", Fault::NotAllowed, input);
    };
    let (value, rest) = input.split_at(end);
    let (rest, signature) = read::field("signature", dialect, rest)?;
    Ok((rest, (Bytes::copy_from_slice(value), signature)))
}

/// Where a value of this model ends, if a signature fills what is behind it. Copies nothing.
fn value_end(model: DataModel, input: &[u8]) -> Option<usize> {
    let place = match model {
        DataModel::Single => input,
        DataModel::Array => input.get(4..)?,
        DataModel::Dictionary => read::part16("key", input).ok()?.0,
    };
    let (rest, _) = read::boolean("exists", place).ok()?;
    let (rest, _) = read::part32("value", rest).ok()?;
    is_signature(rest).then_some(input.len() - rest.len())
}

/// Whether the bytes are one signature by their lengths and the types of identity.
fn is_signature(input: &[u8]) -> bool {
    let [_, _, kind, rest @ ..] = input else {
        return false;
    };
    let Ok((rest, identity)) = read::part16("identity", rest) else {
        return false;
    };
    let identity_fits = match kind {
        0 => false,
        1 | 2 => matches!(identity, [_, length, hash @ ..] if usize::from(*length) == hash.len()),
        3 => identity.is_empty(),
        _ => true,
    };
    identity_fits && matches!(read::part16("signature_value", rest), Ok(([], _)))
}

impl Encode for StoredData {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.nested32("length", |out| {
            out.uint64(self.storage_time.0)?;
            out.uint32(self.lifetime)?;
            out.bytes(&self.value)?;
            self.signature.encode(out)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array entry whose bytes also fit a single value of one byte with a signature of another
    /// length behind it.
    fn ambiguous() -> (StoredData, StoredDataValue) {
        let value = Bytes::from_static(b"\x00\x0cabcdefg");
        let value = StoredDataValue::Array { index: 0, value: crate::DataValue::new(value) };
        let data = StoredData {
            storage_time: UnixTime(1),
            lifetime: 1,
            value: value.to_bytes().unwrap(),
            signature: Signature::none(),
        };
        (data, value)
    }

    // R6940-7.2-01
    #[test]
    fn the_model_decides_where_a_value_ends() {
        let dialect = Dialect::default();
        let (data, value) = ambiguous();
        let read = StoredData::decode_exact(&dialect, &data.to_bytes().unwrap()).unwrap();
        assert_ne!(read, data, "the bytes are not ambiguous");
        assert_eq!(read.open(&dialect, DataModel::Array), Ok((data, value)));
        assert!(read.open(&dialect, DataModel::Dictionary).is_err());
    }

    #[test]
    fn a_value_of_another_model_does_not_open() {
        let (data, _) = ambiguous();
        let error = data.open(&Dialect::default(), DataModel::Dictionary).unwrap_err();
        assert_eq!(error.field(), "stored_data.value.value");
    }

    fn reads_as_itself(value: &StoredDataValue) -> bool {
        let value = value.to_bytes().unwrap();
        let (storage_time, signature) = (UnixTime(1), Signature::none());
        let data = StoredData { storage_time, lifetime: 1, value, signature };
        StoredData::decode_exact(&Dialect::default(), &data.to_bytes().unwrap()) == Ok(data)
    }

    #[test]
    fn a_value_ends_where_its_own_length_says_although_a_signature_would_fit_sooner() {
        // Inside the value: an identity of type 9 that takes 5 bytes of the signature.
        let inner = crate::DataValue::new(&b"\x00\x00\x09\x00\x05"[..]);
        assert!(reads_as_itself(&StoredDataValue::Single(inner)));
    }

    #[test]
    fn an_identity_of_type_none_is_empty() {
        // Read as a single value of one byte, an identity of type 3 with 6 bytes is behind it.
        let value = crate::DataValue::new(&b"\x00\x06\x07"[..]);
        assert!(reads_as_itself(&StoredDataValue::Array { index: 0, value }));
    }
}

//! `StoredDataSpecifier` and what is inside (section 7.4.2.1): which values a Fetch or a Stat asks
//! for.
//! Like a value, the specifier has no tag: it stays raw until the data model is known.

use bytes::Bytes;

use crate::{
    DataModel, Decode, DecodeError, Decoded, Dialect, Encode, EncodeError, Fault, KindId, Writer,
    read,
};

/// Values of one Kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDataSpecifier {
    /// The Kind.
    pub kind: KindId,
    /// The generation the asker has seen last, or 0.
    pub generation: u64,
    /// The encoded [`ModelSpecifier`], without the length before it.
    pub model_specifier: Bytes,
}

impl Decode for StoredDataSpecifier {
    const NAME: &'static str = "stored_data_specifier";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::field("kind", dialect, input)?;
        let (rest, generation) = read::uint64("generation", rest)?;
        let (rest, model_specifier) = read::opaque16("model_specifier", rest)?;
        Ok((rest, Self { kind, generation, model_specifier }))
    }
}

impl Encode for StoredDataSpecifier {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.kind.encode(out)?;
        out.uint64(self.generation)?;
        out.opaque16("model_specifier", &self.model_specifier)
    }
}

/// Which values of a Kind, by its data model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSpecifier {
    /// The only value; nothing on the wire.
    Single,
    /// Ranges of indices.
    Array(Vec<ArrayRange>),
    /// Keys; none means all.
    Dictionary(Vec<Bytes>),
}

impl ModelSpecifier {
    const NAME: &'static str = "model_specifier";

    /// Reads the specifier of this model that fills `input`.
    ///
    /// # Errors
    /// The bytes are no specifier of this model.
    pub fn decode_as(
        dialect: &Dialect,
        model: DataModel,
        input: &[u8],
    ) -> Result<Self, DecodeError> {
        let parser = |part| match model {
            DataModel::Single => Ok((part, Self::Single)),
            DataModel::Array => read::list16("indices", dialect, part)
                .map(|(rest, ranges)| (rest, Self::Array(ranges))),
            DataModel::Dictionary => keys(part),
        };
        read::exactly(input, parser).map_err(|error| error.rooted(Self::NAME, input.len()))
    }

    /// Everything of a Kind of this model.
    #[must_use]
    pub fn everything(model: DataModel) -> Self {
        match model {
            DataModel::Single => Self::Single,
            DataModel::Array => Self::Array(vec![ArrayRange::ALL]),
            DataModel::Dictionary => Self::Dictionary(Vec::new()),
        }
    }
}

fn keys(part: &[u8]) -> Decoded<'_, ModelSpecifier> {
    let (rest, keys) = read::nested16("keys", part, |part| {
        read::list(part, |rest| read::opaque16("dictionary_key", rest))
    })?;
    Ok((rest, ModelSpecifier::Dictionary(keys)))
}

impl Encode for ModelSpecifier {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Single => Ok(()),
            Self::Array(ranges) => out.list16("indices", ranges),
            Self::Dictionary(keys) => out.nested16("keys", |out| {
                keys.iter().try_for_each(|key| out.opaque16("dictionary_key", key))
            }),
        }
    }
}

/// Indices from the first to the last, both included. The numbers are unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArrayRange {
    /// The first index.
    pub first: u32,
    /// The last index; 0xffffffff is the last element there is.
    pub last: u32,
}

impl ArrayRange {
    /// Every index.
    pub const ALL: Self = Self { first: 0, last: u32::MAX };
}

impl Decode for ArrayRange {
    const NAME: &'static str = "array_range";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, first) = read::uint32("first", input)?;
        let (after, last) = read::uint32("last", rest)?;
        if first > last {
            return read::fail("last", Fault::NotAllowed, rest); // section 7.4.2.1
        }
        Ok((after, Self { first, last }))
    }
}

impl Encode for ArrayRange {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        if self.first > self.last {
            return Err(EncodeError::NotAllowed { field: "array_range.last" });
        }
        out.uint32(self.first)?;
        out.uint32(self.last)
    }
}

//! `MetaData` and `MetaDataValue` (section 7.4.3.2): size and hash of a value, by data model.

use bytes::Bytes;

use crate::{
    DataModel, Decode, DecodeError, Decoded, Dialect, Encode, EncodeError, HashAlgorithm, Writer,
    read,
};

/// Size and hash of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaData {
    /// Whether there is a value.
    pub exists: bool,
    /// The size of the value in bytes.
    pub value_length: u32,
    /// The hash algorithm.
    pub hash_algorithm: HashAlgorithm,
    /// The hash of the four length bytes and the value.
    pub hash_value: Bytes,
}

impl Decode for MetaData {
    const NAME: &'static str = "meta_data";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, exists) = read::boolean("exists", input)?;
        let (rest, value_length) = read::uint32("value_length", rest)?;
        let (rest, hash_algorithm) = read::uint8("hash_algorithm", rest)?;
        let (rest, hash_value) = read::opaque8("hash_value", rest)?;
        let hash_algorithm = HashAlgorithm(hash_algorithm);
        Ok((rest, Self { exists, value_length, hash_algorithm, hash_value }))
    }
}

impl Encode for MetaData {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.boolean(self.exists)?;
        out.uint32(self.value_length)?;
        out.uint8(self.hash_algorithm.0)?;
        out.opaque8("hash_value", &self.hash_value)
    }
}

/// The description of a value with its place in the data model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaDataValue {
    /// Of the only value.
    Single(MetaData),
    /// An `ArrayEntryMeta`.
    Array {
        /// The place.
        index: u32,
        /// The description.
        value: MetaData,
    },
    /// A `DictionaryEntryMeta`.
    Dictionary {
        /// The key.
        key: Bytes,
        /// The description.
        value: MetaData,
    },
}

impl MetaDataValue {
    const NAME: &'static str = "meta_data_value";

    /// Reads a description of this model that fills `input`.
    ///
    /// # Errors
    /// The bytes are no description of this model.
    pub fn decode_as(
        dialect: &Dialect,
        model: DataModel,
        input: &[u8],
    ) -> Result<Self, DecodeError> {
        read::exactly(input, |part| Self::decode_model(dialect, model, part))
            .map_err(|error| error.rooted(Self::NAME, input.len()))
    }

    fn decode_model<'a>(dialect: &Dialect, model: DataModel, input: &'a [u8]) -> Decoded<'a, Self> {
        match model {
            DataModel::Single => {
                let (rest, value) = MetaData::decode(dialect, input)?;
                Ok((rest, Self::Single(value)))
            }
            DataModel::Array => {
                let (rest, index) = read::uint32("index", input)?;
                let (rest, value) = read::field("value", dialect, rest)?;
                Ok((rest, Self::Array { index, value }))
            }
            DataModel::Dictionary => {
                let (rest, key) = read::opaque16("key", input)?;
                let (rest, value) = read::field("value", dialect, rest)?;
                Ok((rest, Self::Dictionary { key, value }))
            }
        }
    }

    /// The description without its place.
    #[must_use]
    pub const fn meta(&self) -> &MetaData {
        match self {
            Self::Single(value) | Self::Array { value, .. } | Self::Dictionary { value, .. } => {
                value
            }
        }
    }
}

impl Encode for MetaDataValue {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Single(_) => {}
            Self::Array { index, .. } => out.uint32(*index)?,
            Self::Dictionary { key, .. } => out.opaque16("key", key)?,
        }
        self.meta().encode(out)
    }
}

//! The data models (section 7.2): `DataValue`, `ArrayEntry`, `DictionaryEntry` as one
//! `StoredDataValue`. There is no tag on the wire: the model is known from the Kind.

use std::fmt;

use bytes::Bytes;

use crate::{Decode, DecodeError, Decoded, Dialect, Encode, EncodeError, Writer, read};

/// How the values of a Kind are arranged (section 14.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataModel {
    /// One value.
    Single,
    /// Values with numbers.
    Array,
    /// Values with keys.
    Dictionary,
}

impl DataModel {
    /// All models.
    pub const ALL: [Self; 3] = [Self::Single, Self::Array, Self::Dictionary];

    /// The name in the registry, as configuration documents use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "SINGLE",
            Self::Array => "ARRAY",
            Self::Dictionary => "DICTIONARY",
        }
    }

    /// The model of this name, in any case of letters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for DataModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataValue {
    /// Whether there is a value; `false` with an empty value removes one (section 7.4.1.3).
    pub exists: bool,
    /// The value.
    pub value: Bytes,
}

impl DataValue {
    /// A value that exists.
    #[must_use]
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self { exists: true, value: value.into() }
    }

    /// No value.
    #[must_use]
    pub const fn absent() -> Self {
        Self { exists: false, value: Bytes::new() }
    }
}

impl Decode for DataValue {
    const NAME: &'static str = "data_value";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, exists) = read::boolean("exists", input)?;
        let (rest, value) = read::opaque32("value", rest)?;
        Ok((rest, Self { exists, value }))
    }
}

impl Encode for DataValue {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.boolean(self.exists)?;
        out.opaque32("value", &self.value)
    }
}

/// A value with its place in the data model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoredDataValue {
    /// The only value.
    Single(DataValue),
    /// An `ArrayEntry`.
    Array {
        /// The place; [`StoredDataValue::APPEND`] in a Store means behind the last one.
        index: u32,
        /// The value.
        value: DataValue,
    },
    /// A `DictionaryEntry`.
    Dictionary {
        /// The key.
        key: Bytes,
        /// The value.
        value: DataValue,
    },
}

impl StoredDataValue {
    /// The index that asks to append (section 7.4.1.1), and the last element in a range.
    pub const APPEND: u32 = 0xffff_ffff;
    const NAME: &'static str = "stored_data_value";

    /// Reads a value of this model that fills `input`.
    ///
    /// # Errors
    /// The bytes are no value of this model.
    pub fn decode_as(
        dialect: &Dialect,
        model: DataModel,
        input: &[u8],
    ) -> Result<Self, DecodeError> {
        read::exactly(input, |part| Self::decode_model(dialect, model, part))
            .map_err(|error| error.rooted(Self::NAME, input.len()))
    }

    pub(crate) fn decode_model<'a>(
        dialect: &Dialect,
        model: DataModel,
        input: &'a [u8],
    ) -> Decoded<'a, Self> {
        match model {
            DataModel::Single => {
                let (rest, value) = DataValue::decode(dialect, input)?;
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

    /// The model.
    #[must_use]
    pub const fn model(&self) -> DataModel {
        match self {
            Self::Single(_) => DataModel::Single,
            Self::Array { .. } => DataModel::Array,
            Self::Dictionary { .. } => DataModel::Dictionary,
        }
    }

    /// The value without its place.
    #[must_use]
    pub const fn data(&self) -> &DataValue {
        match self {
            Self::Single(value) | Self::Array { value, .. } | Self::Dictionary { value, .. } => {
                value
            }
        }
    }
}

impl Encode for StoredDataValue {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Single(_) => {}
            Self::Array { index, .. } => out.uint32(*index)?,
            Self::Dictionary { key, .. } => out.opaque16("key", key)?,
        }
        self.data().encode(out)
    }
}

//! The frame of the codec: what decoding depends on and the two traits every structure has.
//! The presentation language of section 6.3.1, not the structures themselves.

mod error;
pub mod read;
mod write;

use bytes::Bytes;

pub use error::{DecodeError, EncodeError, Fault};
pub use write::Writer;

use crate::NodeIdLength;

/// The largest message a frame can carry: 2^24 - 1 bytes (section 6.6.2).
pub const MAX_MESSAGE_SIZE: u32 = 0x00ff_ffff;

/// What a parser returns: the bytes it left and the value.
pub type Decoded<'a, T> = nom::IResult<&'a [u8], T, DecodeError>;

/// What decoding depends on beside the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// The length of Node-IDs in this overlay; they carry no length on the wire (section 6.3.1.1).
    pub node_id_length: NodeIdLength,
    /// How much is taken at all.
    pub limits: Limits,
}

impl Dialect {
    /// The dialect of an overlay with Node-IDs of this length, and the widest limits.
    #[must_use]
    pub fn new(node_id_length: NodeIdLength) -> Self {
        Self { node_id_length, limits: Limits::default() }
    }
}

/// Size limits of an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message in bytes, header included (`max-message-size`, section 11.1).
    pub max_message_size: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message_size: MAX_MESSAGE_SIZE }
    }
}

/// A structure that can be read from bytes.
pub trait Decode: Sized {
    /// The name of the structure in errors, in snake case.
    const NAME: &'static str;

    /// Reads one value from the start of `input`.
    ///
    /// # Errors
    /// The bytes are not such a structure.
    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self>;

    /// Reads one value that fills `input` completely.
    ///
    /// # Errors
    /// The bytes are not such a structure, or some are left over.
    fn decode_exact(dialect: &Dialect, input: &[u8]) -> Result<Self, DecodeError> {
        read::exactly(input, |part| Self::decode(dialect, part))
            .map_err(|error| error.rooted(Self::NAME, input.len()))
    }
}

/// A structure that can be written as bytes.
pub trait Encode {
    /// Appends the structure to `out`.
    ///
    /// # Errors
    /// A part is longer than its length field can say, or the limit of `out` is reached.
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError>;

    /// The structure as bytes of its own.
    ///
    /// # Errors
    /// As [`Encode::encode`], with [`MAX_MESSAGE_SIZE`] as the limit.
    fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let mut out = Writer::new();
        self.encode(&mut out)?;
        Ok(out.finish())
    }
}

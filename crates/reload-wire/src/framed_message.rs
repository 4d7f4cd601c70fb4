//! `FramedMessage` (section 6.6.2): what goes over a link, a message or an acknowledgement. Reading
//! from a stream piece by piece, and who acknowledges when, belongs to the link crate.

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Fault, Writer, read};

/// The type byte of a data frame.
pub const FRAME_DATA: u8 = 128; // section 6.6.2
/// The type byte of an acknowledgement.
pub const FRAME_ACK: u8 = 129; // section 6.6.2
/// The bytes before the message in a data frame: type, sequence, length.
pub const FRAME_HEADER_SIZE: usize = 8; // section 6.6.2
/// The bytes of an acknowledgement.
pub const FRAME_ACK_SIZE: usize = 9; // section 6.6.2

/// A frame on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FramedMessage {
    /// A message.
    Data {
        /// Counts the frames of this sender on this link.
        sequence: u32,
        /// The message.
        message: Bytes,
    },
    /// An acknowledgement.
    Ack {
        /// The frame that arrived.
        ack_sequence: u32,
        /// Bit `1 << (N - M)` is set if frame M arrived too, N being `ack_sequence`.
        received: u32,
    },
}

impl Decode for FramedMessage {
    const NAME: &'static str = "framed_message";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        match kind {
            FRAME_DATA => {
                let (rest, sequence) = read::uint32("sequence", rest)?;
                let (rest, message) = read::opaque24("message", rest)?;
                Ok((rest, Self::Data { sequence, message }))
            }
            FRAME_ACK => {
                let (rest, ack_sequence) = read::uint32("ack_sequence", rest)?;
                let (rest, received) = read::uint32("received", rest)?;
                Ok((rest, Self::Ack { ack_sequence, received }))
            }
            _ => read::fail("type", Fault::NotAllowed, input),
        }
    }
}

impl Encode for FramedMessage {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Data { sequence, message } => {
                out.uint8(FRAME_DATA)?;
                out.uint32(*sequence)?;
                out.opaque24("message", message)
            }
            Self::Ack { ack_sequence, received } => {
                out.uint8(FRAME_ACK)?;
                out.uint32(*ack_sequence)?;
                out.uint32(*received)
            }
        }
    }

    /// As for every structure, but the frame around the largest message fits as well.
    fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let message = match self {
            Self::Data { message, .. } => message.len(),
            Self::Ack { .. } => 0,
        };
        let mut out = Writer::with_limit(message.saturating_add(FRAME_ACK_SIZE));
        out.reserve(message + FRAME_ACK_SIZE);
        self.encode(&mut out)?;
        Ok(out.finish())
    }
}

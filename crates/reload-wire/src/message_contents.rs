//! `MessageContents` (section 6.3.3): code, body and extensions. The body stays raw here: its
//! structure follows from the code.

use bytes::Bytes;

use crate::{
    Decode, DecodeError, Decoded, Dialect, Encode, EncodeError, MessageCode, Writer, read,
};

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageContents {
    /// What the body is.
    pub code: MessageCode,
    /// The encoded structure of the method.
    pub body: Bytes,
    /// Extensions.
    pub extensions: Vec<MessageExtension>,
}

impl MessageContents {
    /// Contents without extensions.
    #[must_use]
    pub const fn new(code: MessageCode, body: Bytes) -> Self {
        Self { code, body, extensions: Vec::new() }
    }

    /// Reads contents from the start of `input`; the body shares the memory of `input`. Returns how
    /// many bytes they take.
    ///
    /// # Errors
    /// The bytes are no contents.
    pub fn decode_shared(dialect: &Dialect, input: &Bytes) -> Result<(Self, usize), DecodeError> {
        match parts(dialect, input) {
            Ok((rest, (code, body, extensions))) => {
                let taken = input.len() - rest.len();
                Ok((Self { code, body: input.slice_ref(body), extensions }, taken))
            }
            Err(error) => Err(read::inner_error(error).rooted(Self::NAME, input.len())),
        }
    }
}

type Parts<'a> = (MessageCode, &'a [u8], Vec<MessageExtension>);

fn parts<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Parts<'a>> {
    let (rest, code) = read::uint16("message_code", input)?;
    let (rest, body) = read::part32("message_body", rest)?;
    let (rest, extensions) = read::list32("extensions", dialect, rest)?;
    Ok((rest, (MessageCode(code), body, extensions)))
}

impl Decode for MessageContents {
    const NAME: &'static str = "contents";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, (code, body, extensions)) = parts(dialect, input)?;
        Ok((rest, Self { code, body: Bytes::copy_from_slice(body), extensions }))
    }
}

impl Encode for MessageContents {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint16(self.code.0)?;
        out.opaque32("message_body", &self.body)?;
        out.list32("extensions", &self.extensions)
    }
}

/// An extension of a message (section 6.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageExtension {
    /// The type: 16 bits, as the structure and the table of section 14.14 have it.
    pub kind: u16,
    /// Whether a receiver must understand it.
    pub critical: bool,
    /// The contents.
    pub contents: Bytes,
}

impl MessageExtension {
    /// `Diagnostic_Ping` (RFC 7851).
    pub const DIAGNOSTIC_PING: u16 = 0x2;
    /// `self_tuning_data` (RFC 7363).
    pub const SELF_TUNING_DATA: u16 = 0x3;
}

impl Decode for MessageExtension {
    const NAME: &'static str = "extension";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint16("type", input)?;
        let (rest, critical) = read::boolean("critical", rest)?;
        let (rest, contents) = read::opaque32("extension_contents", rest)?;
        Ok((rest, Self { kind, critical, contents }))
    }
}

impl Encode for MessageExtension {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint16(self.kind)?;
        out.boolean(self.critical)?;
        out.opaque32("extension_contents", &self.contents)
    }
}

//! `ConfigUpdateReq` and `ConfigUpdateAns` (section 6.5.4). The documents inside are text for the
//! configuration crate.

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Fault, Writer, read};

const CONFIG: u8 = 1;
const KIND: u8 = 2;

/// Newer configuration data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigUpdateReq {
    /// A whole overlay configuration document.
    Config(Bytes),
    /// `kind-block` elements.
    Kinds(Vec<Bytes>),
    /// A type that this code does not know, kept as it is.
    Unknown {
        /// The type: above 2.
        kind: u8,
        /// The content.
        data: Bytes,
    },
}

impl Decode for ConfigUpdateReq {
    const NAME: &'static str = "config_update_req";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        match kind {
            0 => read::fail("type", Fault::NotAllowed, input),
            // The outer length counts the inner one too, which must fill it.
            CONFIG => read::nested32("length", rest, |part| {
                let (part, document) = read::opaque24("config_data", part)?;
                Ok((part, Self::Config(document)))
            }),
            KIND => read::nested32("length", rest, |part| {
                let (part, kinds) = read::nested24("kinds", part, |part| {
                    read::list(part, |rest| read::opaque16("kind_description", rest))
                })?;
                Ok((part, Self::Kinds(kinds)))
            }),
            kind => {
                let (rest, data) = read::opaque32("length", rest)?;
                Ok((rest, Self::Unknown { kind, data }))
            }
        }
    }
}

impl Encode for ConfigUpdateReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Config(document) => {
                out.uint8(CONFIG)?;
                out.nested32("length", |out| out.opaque24("config_data", document))
            }
            Self::Kinds(kinds) => {
                out.uint8(KIND)?;
                out.nested32("length", |out| out.nested24("kinds", |out| write_kinds(kinds, out)))
            }
            Self::Unknown { kind, data } if *kind > KIND => {
                out.uint8(*kind)?;
                out.opaque32("length", data)
            }
            Self::Unknown { .. } => {
                Err(EncodeError::NotAllowed { field: "config_update_req.type" })
            }
        }
    }
}

fn write_kinds(kinds: &[Bytes], out: &mut Writer) -> Result<(), EncodeError> {
    kinds.iter().try_for_each(|kind| out.opaque16("kind_description", kind))
}

/// The data was taken; an empty message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigUpdateAns;

impl Decode for ConfigUpdateAns {
    const NAME: &'static str = "config_update_ans";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        Ok((input, Self))
    }
}

impl Encode for ConfigUpdateAns {
    fn encode(&self, _: &mut Writer) -> Result<(), EncodeError> {
        Ok(())
    }
}

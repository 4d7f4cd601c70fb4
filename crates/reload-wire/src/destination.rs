//! `Destination` (section 6.3.2.2): an entry of a via list or a destination list, in the long form
//! of
//! type, length and value or in the two-byte form of an opaque id. Whether an entry may stand where
//! it stands is decided above.

use std::fmt;

use bytes::Bytes;

use crate::{
    Decode, Decoded, Dialect, Encode, EncodeError, Fault, NodeId, ResourceId, Writer, read,
};

/// The type numbers of the long form.
const NODE: u8 = 1;
const RESOURCE: u8 = 2;
const OPAQUE: u8 = 3;
/// The bit that tells the two-byte form from the long one.
const COMPACT: u8 = 0x80;

/// Where a message goes, or came through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A node.
    Node(NodeId),
    /// The peer responsible for a resource.
    Resource(ResourceId),
    /// What another peer made and alone understands. Two bytes with the top bit set are written in
    /// the two-byte form.
    Opaque(Bytes),
    /// A type that this code does not know, kept as it is.
    Unknown {
        /// The type: 4 to 127.
        kind: u8,
        /// The destination data.
        data: Bytes,
    },
}

impl Destination {
    /// An opaque id in the two-byte form.
    #[must_use]
    pub fn compact(id: u16) -> Self {
        Self::Opaque(Bytes::copy_from_slice(&(id | 0x8000).to_be_bytes()))
    }

    /// The number of an opaque id of the two-byte form.
    #[must_use]
    pub fn as_compact(&self) -> Option<u16> {
        match self {
            Self::Opaque(id) if is_compact(id) => {
                id.as_ref().try_into().ok().map(u16::from_be_bytes)
            }
            _ => None,
        }
    }

    /// The Node-ID, if it is one.
    #[must_use]
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::Node(id) => Some(*id),
            _ => None,
        }
    }
}

fn is_compact(id: &[u8]) -> bool {
    matches!(id, [first, _] if first & COMPACT != 0)
}

impl From<NodeId> for Destination {
    fn from(id: NodeId) -> Self {
        Self::Node(id)
    }
}

impl From<ResourceId> for Destination {
    fn from(id: ResourceId) -> Self {
        Self::Resource(id)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "node:{id}"),
            Self::Resource(id) => write!(f, "resource:{id}"),
            Self::Opaque(id) => write!(f, "opaque:{id:x}"),
            Self::Unknown { kind, data } => write!(f, "{kind}:{data:x}"),
        }
    }
}

impl Decode for Destination {
    const NAME: &'static str = "destination";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        match kind {
            0 => read::fail("type", Fault::NotAllowed, input),
            NODE => {
                let (rest, id) =
                    read::nested8("node_id", rest, |part| NodeId::decode(dialect, part))?;
                Ok((rest, Self::Node(id)))
            }
            RESOURCE => {
                let (rest, id) =
                    read::nested8("resource_id", rest, |part| ResourceId::decode(dialect, part))?;
                Ok((rest, Self::Resource(id)))
            }
            OPAQUE => {
                let (rest, id) = read::nested8("opaque_id", rest, |part| inner_opaque(part))?;
                Ok((rest, Self::Opaque(id)))
            }
            kind if kind & COMPACT != 0 => {
                let (rest, id) = read::part("opaque_id", 2, input)?;
                Ok((rest, Self::Opaque(Bytes::copy_from_slice(id))))
            }
            kind => {
                let (rest, data) = read::opaque8("destination_data", rest)?;
                Ok((rest, Self::Unknown { kind, data }))
            }
        }
    }
}

/// The opaque id has a length of its own inside the destination data.
fn inner_opaque(part: &[u8]) -> Decoded<'_, Bytes> {
    let (rest, length) = nom::number::complete::be_u8(part)?;
    let (rest, id) = nom::Parser::parse(&mut nom::bytes::complete::take(length), rest)?;
    Ok((rest, Bytes::copy_from_slice(id)))
}

impl Encode for Destination {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Node(id) => {
                out.uint8(NODE)?;
                out.nested8("node_id", |out| id.encode(out))
            }
            Self::Resource(id) => {
                out.uint8(RESOURCE)?;
                out.nested8("resource_id", |out| id.encode(out))
            }
            Self::Opaque(id) if is_compact(id) => out.bytes(id),
            Self::Opaque(id) => {
                out.uint8(OPAQUE)?;
                out.nested8("opaque_id", |out| out.opaque8("opaque_id", id))
            }
            Self::Unknown { kind, data } if *kind > OPAQUE && *kind < COMPACT => {
                out.uint8(*kind)?;
                out.opaque8("destination_data", data)
            }
            Self::Unknown { .. } => Err(EncodeError::NotAllowed { field: "destination.type" }),
        }
    }
}

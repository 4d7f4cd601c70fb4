//! The tree: every byte of the input belongs to exactly one leaf or to the length of one node.

use bytes::Bytes;
use reload_wire::DecodeError;
use serde::{Serialize, Serializer};

/// A field or a structure and the bytes that it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The name, as in the RFC; `unread` for bytes behind a fault.
    pub name: &'static str,
    /// The section that defines the structure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<&'static str>,
    /// The first byte, counted from the start of the input.
    pub offset: usize,
    /// How many bytes, those of its length field included.
    pub length: usize,
    /// How many bytes of its own length field stand before its content.
    #[serde(skip_serializing_if = "is_zero")]
    pub length_bytes: usize,
    /// The value of a leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What the value means: the name of a code point, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// What is inside, without a gap.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Node {
    /// The byte behind the last one.
    #[must_use]
    pub fn end(&self) -> usize {
        self.offset + self.length
    }

    /// Whether it has no parts.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.value.is_some()
    }
}

/// The value of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number of up to 32 bits.
    Number(u32),
    /// A number of 64 bits: 16 hexadecimal digits in text and JSON.
    Wide(u64),
    /// A Boolean.
    Flag(bool),
    /// Bytes, identifiers: hexadecimal digits.
    Bytes(Bytes),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => out.serialize_u32(*number),
            Self::Wide(number) => out.collect_str(&format_args!("{number:016x}")),
            Self::Flag(flag) => out.serialize_bool(*flag),
            Self::Bytes(bytes) => out.collect_str(&format_args!("{bytes:x}")),
        }
    }
}

/// Where the bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The byte, counted from the start of the input.
    pub offset: usize,
    /// The names from the structure down to the field, with dots between.
    pub field: String,
    /// The sort of fault, as in the test vectors.
    pub fault: &'static str,
    /// What is wrong, for people.
    pub problem: String,
}

impl Problem {
    /// The error of a structure that starts at the byte `base` of the input.
    #[must_use]
    pub fn new(base: usize, error: &DecodeError) -> Self {
        Self {
            offset: base + error.offset(),
            field: error.field(),
            fault: error.fault().name(),
            problem: error.fault().to_string(),
        }
    }
}

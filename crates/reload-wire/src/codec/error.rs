//! The errors of the codec. A `DecodeError` means that bytes are noise: it is counted and dropped.

use std::fmt;

use nom::error::{ErrorKind, ParseError};

/// What is wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The bytes end before the structure does.
    Truncated,
    /// The structure ends before its bytes do.
    LeftOver,
    /// A value that the structure does not have.
    NotAllowed,
    /// The first four bytes are not those of a RELOAD message (section 6.3.2).
    Token,
    /// Another version of the protocol than 1.0 (section 6.3.2).
    Version,
    /// Two lengths that speak of the same bytes differ.
    LengthMismatch,
    /// The message is larger than the overlay allows.
    TooLarge,
    /// A whole message was expected, but this is a fragment.
    Fragment,
}

impl Fault {
    /// A short name, as used in the test vectors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::LeftOver => "left-over",
            Self::NotAllowed => "not-allowed",
            Self::Token => "token",
            Self::Version => "version",
            Self::LengthMismatch => "length-mismatch",
            Self::TooLarge => "too-large",
            Self::Fragment => "fragment",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "bytes missing",
            Self::LeftOver => "bytes left over",
            Self::NotAllowed => "value not allowed",
            Self::Token => "no RELOAD message",
            Self::Version => "unknown version",
            Self::LengthMismatch => "lengths disagree",
            Self::TooLarge => "message too large",
            Self::Fragment => "a fragment, not a whole message",
        })
    }
}

/// Bytes that are not what they should be: the fault, the byte and the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {} ({})", self.offset(), self.field())]
pub struct DecodeError {
    fault: Fault,
    /// Bytes from the fault to the end of the input: parsers see only the end of their input.
    left: usize,
    total: usize,
    /// Innermost field first.
    path: Vec<&'static str>,
}

impl DecodeError {
    /// A fault at the start of `rest`.
    #[must_use]
    pub fn new(fault: Fault, rest: &[u8]) -> Self {
        Self { fault, left: rest.len(), total: rest.len(), path: Vec::new() }
    }

    /// What is wrong.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The byte, counted from the start of the decoded structure.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.total.saturating_sub(self.left)
    }

    /// The names from the structure down to the field, with dots between.
    #[must_use]
    pub fn field(&self) -> String {
        let names: Vec<&str> = self.path.iter().rev().copied().collect();
        names.join(".")
    }

    /// The same fault inside the field `name`.
    #[must_use]
    pub fn inside(mut self, name: &'static str) -> Self {
        self.path.push(name);
        self
    }

    /// The same fault seen from an input that goes on for `after` bytes behind the faulty part.
    #[must_use]
    pub fn followed_by(mut self, after: usize) -> Self {
        self.left = self.left.saturating_add(after);
        self
    }

    /// The same fault in the structure `name` that was decoded from `total` bytes.
    #[must_use]
    pub fn rooted(mut self, name: &'static str, total: usize) -> Self {
        self.total = total;
        self.inside(name)
    }
}

impl ParseError<&[u8]> for DecodeError {
    fn from_error_kind(input: &[u8], kind: ErrorKind) -> Self {
        let fault = if kind == ErrorKind::Eof { Fault::Truncated } else { Fault::NotAllowed };
        Self::new(fault, input)
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// A value that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A part is longer than its length field can say.
    #[error("{field} has {length} bytes, its length field holds {max} at most")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The largest length in bytes.
        max: usize,
    },
    /// The whole grows over the limit of the writer.
    #[error("more than {limit} bytes")]
    Limit {
        /// The limit in bytes.
        limit: usize,
    },
    /// A value that the wire form cannot carry, or that must not be sent.
    #[error("{field} holds a value that must not be sent")]
    NotAllowed {
        /// The field.
        field: &'static str,
    },
}

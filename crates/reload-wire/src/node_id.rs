//! `NodeId` (section 6.3.1.1): 16 to 20 bytes, the same number all over an overlay, without a
//! length
//! on the wire. Says nothing of rings and distances; those belong to the topology plug-in.

use std::fmt;
use std::str::FromStr;

use crate::{Decode, DecodeError, Decoded, Dialect, Encode, EncodeError, Fault, Writer};

/// Bytes or text that are no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A Node-ID has 16 to 20 bytes.
    #[error("a Node-ID has 16 to 20 bytes, not {0}")]
    NodeIdLength(usize),
    /// A Resource-ID has up to 255 bytes.
    #[error("a Resource-ID has at most 255 bytes, not {0}")]
    ResourceIdLength(usize),
    /// Not pairs of hexadecimal digits.
    #[error("not a hexadecimal number of whole bytes")]
    NotHex,
}

/// The length of the Node-IDs of an overlay: 16 to 20 bytes (`node-id-length`, section 11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIdLength(u8);

impl NodeIdLength {
    /// The length of CHORD-RELOAD and of configurations that name none: 16 bytes.
    pub const DEFAULT: Self = Self(16);

    /// A length in bytes, if it is one of 16 to 20.
    #[must_use]
    pub const fn new(bytes: u8) -> Option<Self> {
        if bytes >= 16 && bytes <= NodeId::MAX_LENGTH { Some(Self(bytes)) } else { None }
    }

    /// The length in bytes.
    #[must_use]
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for NodeIdLength {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A Node-ID. Those of one length are ordered as big-endian numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    length: NodeIdLength,
    /// Zero behind `length` bytes.
    bytes: [u8; 20],
}

impl NodeId {
    /// The length of the longest Node-ID in bytes.
    const MAX_LENGTH: u8 = 20;

    /// The Node-ID with these bytes.
    ///
    /// # Errors
    /// There are not 16 to 20 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, IdError> {
        let length = u8::try_from(bytes.len())
            .ok()
            .and_then(NodeIdLength::new)
            .ok_or(IdError::NodeIdLength(bytes.len()))?;
        let mut id = Self { length, bytes: [0; 20] };
        id.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(id)
    }

    /// The Node-ID with these lower- or upper-case hexadecimal digits.
    ///
    /// # Errors
    /// There are not 32 to 40 digits.
    pub fn from_hex(digits: &str) -> Result<Self, IdError> {
        Self::new(&hex::decode(digits).map_err(|_| IdError::NotHex)?)
    }

    /// The 16-byte Node-ID of this number.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&number.to_be_bytes());
        Self { length: NodeIdLength::DEFAULT, bytes }
    }

    /// The number of a 16-byte Node-ID.
    #[must_use]
    pub fn to_u128(&self) -> Option<u128> {
        self.as_bytes().try_into().ok().map(u128::from_be_bytes)
    }

    /// The wildcard of this length: all ones, any node (section 6.1.1).
    #[must_use]
    pub fn wildcard(length: NodeIdLength) -> Self {
        let mut id = Self { length, bytes: [0; 20] };
        id.bytes[..length.get()].fill(0xff);
        id
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length.get()]
    }

    /// The length.
    #[must_use]
    pub const fn length(&self) -> NodeIdLength {
        self.length
    }

    /// Whether it is the wildcard.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.as_bytes().iter().all(|byte| *byte == 0xff)
    }

    /// Whether it is the invalid Node-ID of all zeros.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.as_bytes().iter().all(|byte| *byte == 0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(digits: &str) -> Result<Self, IdError> {
        Self::from_hex(digits)
    }
}

impl TryFrom<&[u8]> for NodeId {
    type Error = IdError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        Self::new(bytes)
    }
}

impl Decode for NodeId {
    const NAME: &'static str = "node_id";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let length = dialect.node_id_length;
        let (rest, part) =
            nom::Parser::parse(&mut nom::bytes::complete::take(length.get()), input)?;
        match Self::new(part) {
            Ok(id) if !id.is_zero() => Ok((rest, id)), // all zeros is no Node-ID (section 3)
            _ => Err(nom::Err::Error(DecodeError::new(Fault::NotAllowed, input))),
        }
    }
}

impl Encode for NodeId {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        if self.is_zero() {
            return Err(EncodeError::NotAllowed { field: "node_id" }); // section 3
        }
        out.bytes(self.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_big_endian_numbers() {
        assert!(NodeId::from_u128(1) < NodeId::from_u128(1 << 120));
        assert_eq!(NodeId::from_u128(77).to_u128(), Some(77));
    }

    // R6940-6.3.1.1-02
    #[test]
    fn only_16_to_20_bytes_are_a_node_id() {
        assert_eq!(NodeId::new(&[1; 15]), Err(IdError::NodeIdLength(15)));
        assert_eq!(NodeId::new(&[1; 21]), Err(IdError::NodeIdLength(21)));
        assert!((16..=20).all(|length| NodeId::new(&vec![1; length]).is_ok()));
    }

    #[test]
    fn hex_goes_both_ways() {
        let text = "00112233445566778899aabbccddeeff";
        let id: NodeId = text.to_uppercase().parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(NodeId::from_hex("0g"), Err(IdError::NotHex));
    }

    #[test]
    fn wildcard_is_all_ones_of_its_length() {
        let id = NodeId::wildcard(NodeIdLength::new(20).unwrap());
        assert_eq!(id.as_bytes(), [0xff; 20]);
        assert!(id.is_wildcard() && !id.is_zero());
        assert_eq!(id.to_u128(), None);
    }
}

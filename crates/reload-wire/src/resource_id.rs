//! `ResourceId` (section 6.3.1.1): up to 255 bytes behind a length byte. How a name becomes a
//! Resource-ID, and which lengths an overlay takes, belongs to the topology plug-in.

use std::fmt;
use std::str::FromStr;

use smallvec::SmallVec;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Fault, IdError, NodeId, Writer};

/// A Resource-ID, ordered bytewise.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(SmallVec<[u8; 20]>);

impl ResourceId {
    /// The Resource-ID with these bytes; none at all is what Find answers for "nothing known".
    ///
    /// # Errors
    /// There are more than 255 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, IdError> {
        if bytes.len() > 255 {
            return Err(IdError::ResourceIdLength(bytes.len()));
        }
        Ok(Self(SmallVec::from_slice(bytes)))
    }

    /// The 16-byte Resource-ID of this number.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(SmallVec::from_slice(&number.to_be_bytes()))
    }

    /// The number of a 16-byte Resource-ID.
    #[must_use]
    pub fn to_u128(&self) -> Option<u128> {
        self.as_bytes().try_into().ok().map(u128::from_be_bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<NodeId> for ResourceId {
    /// The place of a node in the space of resources.
    fn from(id: NodeId) -> Self {
        Self(SmallVec::from_slice(id.as_bytes()))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ResourceId {
    type Err = IdError;

    fn from_str(digits: &str) -> Result<Self, IdError> {
        Self::new(&hex::decode(digits).map_err(|_| IdError::NotHex)?)
    }
}

impl Decode for ResourceId {
    const NAME: &'static str = "resource_id";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, length) = nom::number::complete::be_u8(input)?;
        let length = usize::from(length);
        match rest.split_at_checked(length) {
            Some((part, rest)) => Ok((rest, Self(SmallVec::from_slice(part)))),
            None => Err(nom::Err::Error(crate::DecodeError::new(Fault::Truncated, rest))),
        }
    }
}

impl Encode for ResourceId {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.opaque8(Self::NAME, self.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-6.3.1.1-03
    #[test]
    fn foo_is_encoded_as_in_the_rfc() {
        let id = ResourceId::new(b"FOO").unwrap();
        assert_eq!(&id.to_bytes().unwrap()[..], [0x03, 0x46, 0x4f, 0x4f]); // section 6.3.1.1
    }

    // R6940-6.3.1.1-03
    #[test]
    fn more_than_255_bytes_are_no_resource_id() {
        assert_eq!(ResourceId::new(&[0; 256]), Err(IdError::ResourceIdLength(256)));
        assert!(ResourceId::new(&[0; 255]).is_ok());
    }
}

//! `ForwardingOption` (section 6.3.2.3): an option of the forwarding header. What an option means,
//! and what its flags ask for, is decided above.

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Writer, read};

/// An option of the forwarding header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForwardingOption {
    /// The type (section 14.12).
    pub kind: u8,
    /// The flags; bits without a meaning here are kept.
    pub flags: u8,
    /// The value.
    pub data: Bytes,
}

impl ForwardingOption {
    /// Whoever forwards the message must understand the option.
    pub const FORWARD_CRITICAL: u8 = 0x01; // section 6.3.2.3
    /// Whoever answers the message must understand the option.
    pub const DESTINATION_CRITICAL: u8 = 0x02; // section 6.3.2.3
    /// The option is copied into the response.
    pub const RESPONSE_COPY: u8 = 0x04; // section 6.3.2.3
    /// IGNORE-STATE-KEEPING (RFC 7263).
    pub const IGNORE_STATE_KEEPING: u8 = 0x08;

    /// Whether all bits of `flag` are set.
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }

    /// The option as it goes into a response: the three flags of the base protocol are cleared.
    #[must_use]
    pub fn for_response(&self) -> Self {
        let cleared = Self::FORWARD_CRITICAL | Self::DESTINATION_CRITICAL | Self::RESPONSE_COPY;
        Self { flags: self.flags & !cleared, ..self.clone() }
    }
}

impl Decode for ForwardingOption {
    const NAME: &'static str = "forwarding_option";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        let (rest, flags) = read::uint8("flags", rest)?;
        let (rest, data) = read::opaque16("option", rest)?;
        Ok((rest, Self { kind, flags, data }))
    }
}

impl Encode for ForwardingOption {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint8(self.kind)?;
        out.uint8(self.flags)?;
        out.opaque16("option", &self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-6.3.2.3-02
    #[test]
    fn a_response_clears_only_the_three_base_flags() {
        let option = ForwardingOption { kind: 2, flags: 0x0f, data: Bytes::from_static(b"x") };
        assert!(option.has(ForwardingOption::RESPONSE_COPY));
        let copy = option.for_response();
        assert_eq!(copy.flags, ForwardingOption::IGNORE_STATE_KEEPING);
        assert_eq!(copy.data, option.data);
    }
}

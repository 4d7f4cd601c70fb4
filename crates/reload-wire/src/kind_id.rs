//! `KindId` (section 6.5.4.1): the number of a Kind, and the registered ones (section 14.6).

use std::fmt;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Writer};

/// The number of a Kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(pub u32);

impl KindId {
    /// SIP-REGISTRATION (RFC 7904).
    pub const SIP_REGISTRATION: Self = Self(0x1);
    /// TURN-SERVICE (section 9).
    pub const TURN_SERVICE: Self = Self(0x2);
    /// `CERTIFICATE_BY_NODE` (section 8).
    pub const CERTIFICATE_BY_NODE: Self = Self(0x3);
    /// ACCESS-CONTROL-LIST (RFC 8076).
    pub const ACCESS_CONTROL_LIST: Self = Self(0x4);
    /// `CERTIFICATE_BY_USER` (section 8).
    pub const CERTIFICATE_BY_USER: Self = Self(0x10);
    /// REDIR (RFC 7374).
    pub const REDIR: Self = Self(0x104);
    /// CoAP-REGISTRATION (RFC 7650).
    pub const COAP_REGISTRATION: Self = Self(0x105);
    /// CoAP-CACHING (RFC 7650).
    pub const COAP_CACHING: Self = Self(0x106);

    /// Every registered Kind.
    pub const REGISTERED: [Self; 8] = [
        Self::SIP_REGISTRATION,
        Self::TURN_SERVICE,
        Self::CERTIFICATE_BY_NODE,
        Self::ACCESS_CONTROL_LIST,
        Self::CERTIFICATE_BY_USER,
        Self::REDIR,
        Self::COAP_REGISTRATION,
        Self::COAP_CACHING,
    ];

    /// The registered name, as configuration documents use it.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::SIP_REGISTRATION => "SIP-REGISTRATION",
            Self::TURN_SERVICE => "TURN-SERVICE",
            Self::CERTIFICATE_BY_NODE => "CERTIFICATE_BY_NODE",
            Self::ACCESS_CONTROL_LIST => "ACCESS-CONTROL-LIST",
            Self::CERTIFICATE_BY_USER => "CERTIFICATE_BY_USER",
            Self::REDIR => "REDIR",
            Self::COAP_REGISTRATION => "CoAP-REGISTRATION",
            Self::COAP_CACHING => "CoAP-CACHING",
            _ => return None,
        })
    }

    /// The registered Kind of this name, in any case of letters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::REGISTERED
            .into_iter()
            .find(|kind| kind.name().is_some_and(|own| own.eq_ignore_ascii_case(name)))
    }

    /// Whether the number is free for the Kinds of a configuration document (section 14.6).
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.0 > 0xf000_0000 && self.0 < 0xffff_fffe
    }
}

impl fmt::Display for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl Decode for KindId {
    const NAME: &'static str = "kind";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, number) = nom::number::complete::be_u32(input)?;
        Ok((rest, Self(number)))
    }
}

impl Encode for KindId {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint32(self.0)
    }
}

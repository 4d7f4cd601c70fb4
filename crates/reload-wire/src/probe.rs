//! `ProbeReq` and `ProbeAns` (section 6.4.2.5). Which information a peer gives is decided above.

use bytes::Bytes;

use crate::{
    Decode, Decoded, Dialect, Encode, EncodeError, Fault, ProbeInformationType, Writer, read,
};

/// What do you hold, and since when?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeReq {
    /// What is asked for, in the order in which it shall be answered.
    pub requested_info: Vec<ProbeInformationType>,
}

impl Decode for ProbeReq {
    const NAME: &'static str = "probe_req";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, requested_info) = read::list8("requested_info", dialect, input)?;
        Ok((rest, Self { requested_info }))
    }
}

impl Encode for ProbeReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list8("requested_info", &self.requested_info)
    }
}

/// The answer to a Probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeAns {
    /// The information, in the order of the request.
    pub probe_info: Vec<ProbeInformation>,
}

impl Decode for ProbeAns {
    const NAME: &'static str = "probe_ans";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, probe_info) = read::list16("probe_info", dialect, input)?;
        Ok((rest, Self { probe_info }))
    }
}

impl Encode for ProbeAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list16("probe_info", &self.probe_info)
    }
}

/// One piece of information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeInformation {
    /// The share of the overlay the peer is responsible for, in parts per billion.
    ResponsibleSet(u32),
    /// The number of resources stored.
    NumResources(u32),
    /// Seconds since the peer came up.
    Uptime(u32),
    /// A type that this code does not know, kept as it is.
    Unknown {
        /// The type.
        kind: ProbeInformationType,
        /// The value.
        data: Bytes,
    },
}

impl ProbeInformation {
    /// The type.
    #[must_use]
    pub const fn kind(&self) -> ProbeInformationType {
        match self {
            Self::ResponsibleSet(_) => ProbeInformationType::RESPONSIBLE_SET,
            Self::NumResources(_) => ProbeInformationType::NUM_RESOURCES,
            Self::Uptime(_) => ProbeInformationType::UPTIME,
            Self::Unknown { kind, .. } => *kind,
        }
    }
}

impl Decode for ProbeInformation {
    const NAME: &'static str = "probe_information";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        let number = |name| read::nested8(name, rest, |part| read::uint32("value", part));
        match ProbeInformationType(kind) {
            ProbeInformationType::INVALID => read::fail("type", Fault::NotAllowed, input),
            ProbeInformationType::RESPONSIBLE_SET => {
                number("responsible_ppb").map(|(rest, n)| (rest, Self::ResponsibleSet(n)))
            }
            ProbeInformationType::NUM_RESOURCES => {
                number("num_resources").map(|(rest, n)| (rest, Self::NumResources(n)))
            }
            ProbeInformationType::UPTIME => {
                number("uptime").map(|(rest, n)| (rest, Self::Uptime(n)))
            }
            kind => {
                let (rest, data) = read::opaque8("value", rest)?;
                Ok((rest, Self::Unknown { kind, data }))
            }
        }
    }
}

impl Encode for ProbeInformation {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Unknown { kind, .. } if kind.0 <= ProbeInformationType::UPTIME.0 => {
                return Err(EncodeError::NotAllowed { field: "probe_information.type" });
            }
            _ => out.uint8(self.kind().0)?,
        }
        out.nested8("value", |out| match self {
            Self::ResponsibleSet(n) | Self::NumResources(n) | Self::Uptime(n) => out.uint32(*n),
            Self::Unknown { data, .. } => out.bytes(data),
        })
    }
}

//! `IceCandidate` and `IceExtension` (section 6.5.1.1): one address at which a node can be reached.
//! What to do with it belongs to ICE and to the node.

use bytes::Bytes;

use crate::{
    Decode, Decoded, Dialect, Encode, EncodeError, Fault, IpAddressPort, OverlayLinkType, Writer,
    read,
};

/// Where a candidate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandType {
    /// An address of the host.
    Host,
    /// Seen by a STUN server.
    Srflx,
    /// Seen by a peer: reserved, read with its related address and to be skipped, never written.
    Prflx,
    /// An address at a TURN server.
    Relay,
}

impl CandType {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Host),
            2 => Some(Self::Srflx),
            3 => Some(Self::Prflx),
            4 => Some(Self::Relay),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Host => 1,
            Self::Srflx => 2,
            Self::Prflx => 3,
            Self::Relay => 4,
        }
    }
}

/// An ICE candidate; its component is always 1 and not on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCandidate {
    /// The address.
    pub addr_port: IpAddressPort,
    /// How bytes travel there.
    pub overlay_link: OverlayLinkType,
    /// The ICE foundation.
    pub foundation: Bytes,
    /// The ICE priority.
    pub priority: u32,
    /// The ICE type.
    pub kind: CandType,
    /// The related address: of all types but `Host`, and only of those.
    pub related: Option<IpAddressPort>,
    /// ICE extensions.
    pub extensions: Vec<IceExtension>,
}

impl Decode for IceCandidate {
    const NAME: &'static str = "ice_candidate";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, addr_port) = read::field("addr_port", dialect, input)?;
        let (rest, overlay_link) = read::uint8("overlay_link", rest)?;
        let (rest, foundation) = read::opaque8("foundation", rest)?;
        let (rest, priority) = read::uint32("priority", rest)?;
        // A type that is not known leaves open whether an address follows: the list ends here.
        let (rest, kind) = cand_type(rest)?;
        let (rest, related) = match kind {
            CandType::Host => (rest, None),
            _ => read::field("rel_addr_port", dialect, rest).map(|(rest, it)| (rest, Some(it)))?,
        };
        let (rest, extensions) = read::list16("extensions", dialect, rest)?;
        let overlay_link = OverlayLinkType(overlay_link);
        let candidate =
            Self { addr_port, overlay_link, foundation, priority, kind, related, extensions };
        Ok((rest, candidate))
    }
}

fn cand_type(input: &[u8]) -> Decoded<'_, CandType> {
    let (rest, number) = read::uint8("type", input)?;
    match CandType::from_number(number) {
        Some(kind) => Ok((rest, kind)),
        None => read::fail("type", Fault::NotAllowed, input),
    }
}

impl Encode for IceCandidate {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        if self.kind == CandType::Prflx {
            return Err(EncodeError::NotAllowed { field: "ice_candidate.type" });
        }
        self.addr_port.encode(out)?;
        out.uint8(self.overlay_link.0)?;
        out.opaque8("foundation", &self.foundation)?;
        out.uint32(self.priority)?;
        out.uint8(self.kind.number())?;
        match (self.kind, &self.related) {
            (CandType::Host, None) => {}
            (CandType::Srflx | CandType::Relay, Some(related)) => related.encode(out)?,
            _ => {
                return Err(EncodeError::NotAllowed { field: "rel_addr_port" });
            }
        }
        out.list16("extensions", &self.extensions)
    }
}

/// An extension of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceExtension {
    /// The name.
    pub name: Bytes,
    /// The value.
    pub value: Bytes,
}

impl Decode for IceExtension {
    const NAME: &'static str = "ice_extension";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, name) = read::opaque16("name", input)?;
        let (rest, value) = read::opaque16("value", rest)?;
        Ok((rest, Self { name, value }))
    }
}

impl Encode for IceExtension {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.opaque16("name", &self.name)?;
        out.opaque16("value", &self.value)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn candidate(kind: CandType, related: bool) -> IceCandidate {
        let address = IpAddressPort::V4(Ipv4Addr::LOCALHOST, 1);
        IceCandidate {
            addr_port: address.clone(),
            overlay_link: OverlayLinkType::TLS_TCP_FH_NO_ICE,
            foundation: Bytes::new(),
            priority: 1,
            kind,
            related: related.then_some(address),
            extensions: Vec::new(),
        }
    }

    // R6940-6.5.1.1-04
    #[test]
    fn a_related_address_is_written_exactly_where_the_type_has_one() {
        assert!(candidate(CandType::Host, false).to_bytes().is_ok());
        assert!(candidate(CandType::Host, true).to_bytes().is_err());
        assert!(candidate(CandType::Relay, true).to_bytes().is_ok());
        assert!(candidate(CandType::Relay, false).to_bytes().is_err());
    }

    // R6940-6.5.1.1-02
    #[test]
    fn the_reserved_type_is_read_and_never_written() {
        let mut bytes = candidate(CandType::Srflx, true).to_bytes().unwrap().to_vec();
        bytes[14] = 3;
        let read = IceCandidate::decode_exact(&Dialect::default(), &bytes).unwrap();
        assert_eq!(read.kind, CandType::Prflx);
        assert!(read.related.is_some() && read.to_bytes().is_err());
    }
}

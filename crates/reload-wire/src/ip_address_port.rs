//! `IpAddressPort` (section 6.3.1.1): an address and a port behind a type and a length.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Fault, Writer, read};

const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// A network address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IpAddressPort {
    /// An IPv4 address and a port.
    V4(Ipv4Addr, u16),
    /// An IPv6 address and a port.
    V6(Ipv6Addr, u16),
    /// A type that this code does not know, kept as it is.
    Unknown {
        /// The type: above 2.
        kind: u8,
        /// The address.
        data: Bytes,
    },
}

impl IpAddressPort {
    /// The address for sockets, if the type is known.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::V4(address, port) => Some(SocketAddr::from((*address, *port))),
            Self::V6(address, port) => Some(SocketAddr::from((*address, *port))),
            Self::Unknown { .. } => None,
        }
    }
}

impl From<SocketAddr> for IpAddressPort {
    fn from(address: SocketAddr) -> Self {
        match address.ip() {
            IpAddr::V4(ip) => Self::V4(ip, address.port()),
            IpAddr::V6(ip) => Self::V6(ip, address.port()),
        }
    }
}

impl fmt::Display for IpAddressPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.socket_addr(), self) {
            (Some(address), _) => write!(f, "{address}"),
            (None, Self::Unknown { kind, data }) => write!(f, "{kind}:{data:x}"),
            (None, _) => Ok(()),
        }
    }
}

impl Decode for IpAddressPort {
    const NAME: &'static str = "ip_address_port";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        match kind {
            0 => read::fail("type", Fault::NotAllowed, input),
            IPV4 => read::nested8("v4addr_port", rest, |part| {
                let (part, address) = read::uint32("addr", part)?;
                let (part, port) = read::uint16("port", part)?;
                Ok((part, Self::V4(Ipv4Addr::from(address), port)))
            }),
            IPV6 => read::nested8("v6addr_port", rest, |part| {
                let (part, high) = read::uint64("addr", part)?;
                let (part, low) = read::uint64("addr", part)?;
                let (part, port) = read::uint16("port", part)?;
                let address = Ipv6Addr::from(u128::from(high) << 64 | u128::from(low));
                Ok((part, Self::V6(address, port)))
            }),
            kind => {
                let (rest, data) = read::opaque8("address", rest)?;
                Ok((rest, Self::Unknown { kind, data }))
            }
        }
    }
}

impl Encode for IpAddressPort {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::V4(address, port) => {
                out.uint8(IPV4)?;
                write_address(&address.octets(), *port, out)
            }
            Self::V6(address, port) => {
                out.uint8(IPV6)?;
                write_address(&address.octets(), *port, out)
            }
            Self::Unknown { kind, data } if *kind > IPV6 => {
                out.uint8(*kind)?;
                out.opaque8("address", data)
            }
            Self::Unknown { .. } => Err(EncodeError::NotAllowed { field: "ip_address_port.type" }),
        }
    }
}

fn write_address(octets: &[u8], port: u16, out: &mut Writer) -> Result<(), EncodeError> {
    out.nested8("address", |out| {
        out.bytes(octets)?;
        out.uint16(port)
    })
}

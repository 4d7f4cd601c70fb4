//! TURN messages and channel data (RFC 8656), as far as they tell what a relay carries for whom.

use std::net::SocketAddrV4;

const ALLOCATED: u16 = 0x0103;
const SEND: u16 = 0x0016;
const DATA: u16 = 0x0017;
const CHANNEL_BIND: u16 = 0x0009;

const CHANNEL_NUMBER: u16 = 0x000c;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA_ATTRIBUTE: u16 = 0x0013;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Between a client and its server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<'a> {
    /// The success of an Allocate request: the address, and that of the client before its NATs.
    Allocated { relay: SocketAddrV4, client: SocketAddrV4 },
    /// A request: what goes through the channel is from and to this peer.
    Bind { channel: [u8; 2], peer: SocketAddrV4 },
    /// A Send indication, or a Data indication, which has not been sent by the client.
    Indication { is_sent: bool, peer: SocketAddrV4, data: &'a [u8] },
    /// To the server or from it.
    Channel { channel: [u8; 2], data: &'a [u8] },
}

impl<'a> Turn<'a> {
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        let ([k0, k1, l0, l1], rest) = datagram.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        // Section 12: channel numbers.
        if (0x40..0x50).contains(k0) {
            return Some(Self::Channel { channel: [*k0, *k1], data: rest.get(..length)? });
        }
        let rest = rest.strip_prefix(&MAGIC_COOKIE)?;
        let attributes = Attributes(rest.get(TRANSACTION..)?.get(..length)?);
        let peer = || attributes.address(XOR_PEER_ADDRESS);
        match u16::from_be_bytes([*k0, *k1]) {
            ALLOCATED => Some(Self::Allocated {
                relay: attributes.address(XOR_RELAYED_ADDRESS)?,
                client: attributes.address(XOR_MAPPED_ADDRESS)?,
            }),
            CHANNEL_BIND => Some(Self::Bind {
                channel: *attributes.get(CHANNEL_NUMBER)?.first_chunk()?,
                peer: peer()?,
            }),
            kind @ (SEND | DATA) => Some(Self::Indication {
                is_sent: kind == SEND,
                peer: peer()?,
                data: attributes.get(DATA_ATTRIBUTE)?,
            }),
            _ => None,
        }
    }
}

/// The attributes of a message (RFC 8489 section 14).
struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first one of this kind.
    fn get(&self, kind: u16) -> Option<&'a [u8]> {
        let mut attributes = self.0;
        loop {
            let ([k0, k1, l0, l1], rest) = attributes.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            if u16::from_be_bytes([*k0, *k1]) == kind {
                return rest.get(..length);
            }
            attributes = rest.get(length.next_multiple_of(4)..)?;
        }
    }

    /// An address of IPv4 (section 14.2).
    fn address(&self, kind: u16) -> Option<SocketAddrV4> {
        let [_, IPV4, p0, p1, ip @ ..] = self.get(kind)?.first_chunk::<8>()? else { return None };
        let [c0, c1, ..] = MAGIC_COOKIE;
        let ip = u32::from_be_bytes(*ip) ^ u32::from_be_bytes(MAGIC_COOKIE);
        Some(SocketAddrV4::new(ip.into(), u16::from_be_bytes([p0 ^ c0, p1 ^ c1])))
    }
}

const IPV4: u8 = 1;

/// The length of a transaction's name.
const TRANSACTION: usize = 12;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn allocated(relay: &str, client: &str) -> Vec<u8> {
        let [relay, client] = [relay, client].map(address);
        message(ALLOCATED, &[(XOR_RELAYED_ADDRESS, &relay), (XOR_MAPPED_ADDRESS, &client)])
    }

    pub(in super::super) fn bind(channel: u16, peer: &str) -> Vec<u8> {
        let number = [&channel.to_be_bytes()[..], &[0; 2]].concat();
        let peer = address(peer);
        message(CHANNEL_BIND, &[(CHANNEL_NUMBER, &number), (XOR_PEER_ADDRESS, &peer)])
    }

    pub(in super::super) fn indication(is_sent: bool, peer: &str, data: &[u8]) -> Vec<u8> {
        let kind = if is_sent { SEND } else { DATA };
        message(kind, &[(XOR_PEER_ADDRESS, &address(peer)), (DATA_ATTRIBUTE, data)])
    }

    pub(in super::super) fn channel(number: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&number.to_be_bytes()[..], &length.to_be_bytes(), data, &[0; 2]].concat()
    }

    /// Kind and length, cookie and transaction, attributes.
    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let body = attributes.iter().flat_map(|(kind, value)| {
            let length = u16::try_from(value.len()).unwrap();
            let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
            [&kind.to_be_bytes()[..], &length.to_be_bytes(), value, &padding].concat()
        });
        let body: Vec<u8> = body.collect();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&kind.to_be_bytes()[..], &length, &MAGIC_COOKIE, &[7; 12], &body].concat()
    }

    fn address(at: &str) -> Vec<u8> {
        let at: SocketAddrV4 = at.parse().unwrap();
        let plain = [&at.port().to_be_bytes()[..], &at.ip().octets()].concat();
        let mask = MAGIC_COOKIE[..2].iter().chain(&MAGIC_COOKIE);
        [0, 1].into_iter().chain(plain.iter().zip(mask).map(|(byte, mask)| byte ^ mask)).collect()
    }

    /// RFC 5769 section 2.2: XOR-MAPPED-ADDRESS of 192.0.2.1:32853.
    const ADDRESS: [u8; 8] = [0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];

    fn known() -> SocketAddrV4 {
        "192.0.2.1:32853".parse().unwrap()
    }

    #[test]
    fn an_allocation_tells_the_relay_and_the_client_before_its_nats() {
        let attributes = [
            (0x0022, &b"odd"[..]),
            (XOR_MAPPED_ADDRESS, &ADDRESS),
            (XOR_RELAYED_ADDRESS, &address("192.0.2.2:7000")),
        ];
        let expected =
            Turn::Allocated { relay: "192.0.2.2:7000".parse().unwrap(), client: known() };
        assert_eq!(Turn::read(&message(ALLOCATED, &attributes)), Some(expected));
        assert_eq!(Turn::read(&message(ALLOCATED, &attributes[..2])), None);
        let ipv6 = [&[0, 2], &ADDRESS[2..], &[0; 12]].concat();
        let attributes = [(XOR_MAPPED_ADDRESS, &ADDRESS[..]), (XOR_RELAYED_ADDRESS, &ipv6)];
        assert_eq!(Turn::read(&message(ALLOCATED, &attributes)), None);
    }

    #[test]
    fn indications_and_channels_tell_the_peer_and_the_data() {
        let attributes = [(XOR_PEER_ADDRESS, &ADDRESS[..]), (DATA_ATTRIBUTE, b"hello")];
        for (kind, is_sent) in [(SEND, true), (DATA, false)] {
            let indication = Turn::Indication { is_sent, peer: known(), data: b"hello" };
            assert_eq!(Turn::read(&message(kind, &attributes)), Some(indication));
        }
        let attributes = [(CHANNEL_NUMBER, &[0x40, 1, 0, 0][..]), (XOR_PEER_ADDRESS, &ADDRESS)];
        let expected = Turn::Bind { channel: [0x40, 1], peer: known() };
        assert_eq!(Turn::read(&message(CHANNEL_BIND, &attributes)), Some(expected));
        let data = Turn::Channel { channel: [0x4f, 0xff], data: b"abc" };
        assert_eq!(Turn::read(b"\x4f\xff\0\x03abc\0"), Some(data));
    }

    #[test]
    fn what_is_cut_or_something_else_is_nothing() {
        let whole = message(SEND, &[(XOR_PEER_ADDRESS, &ADDRESS), (DATA_ATTRIBUTE, b"hello")]);
        for length in 0..whole.len() {
            assert_eq!(Turn::read(&whole[..length]), None, "{length}");
        }
        assert_eq!(Turn::read(b"\x4f\xff\0\x03ab"), None);
        assert_eq!(Turn::read(b"\x50\0\0\x03abcd"), None);
        let mut other = whole;
        other[4] = 0;
        assert_eq!(Turn::read(&other), None);
    }
}

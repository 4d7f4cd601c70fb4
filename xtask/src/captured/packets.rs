//! A capture as `tcpdump` writes it: IPv4 over Ethernet. Only what a DTLS record needs is understood.

use std::net::SocketAddrV4;

use anyhow::{Context, Result, ensure};

/// Ahead of the packets: the numbers of the format, and Ethernet.
const FILE_HEADER: usize = 24;
/// Ahead of each: time and length.
const PACKET_HEADER: usize = 16;
const ETHERNET: usize = 14;
const UDP: u8 = 17;
const TCP: u8 = 6;
const SYN: u8 = 2;

/// A file with its packets in order.
pub(super) struct Packets {
    header: Vec<u8>,
    pub(super) all: Vec<Packet>,
}

/// One packet with its header.
pub(super) struct Packet {
    header: Vec<u8>,
    data: Vec<u8>,
}

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) from: SocketAddrV4,
    pub(super) to: SocketAddrV4,
}

impl Way {
    pub(super) fn back(self) -> Self {
        Self { from: self.to, to: self.from }
    }

    /// The same for both directions.
    pub(super) fn pair(self) -> Self {
        self.min(self.back())
    }
}

impl Packets {
    /// A packet that is cut at the end is left.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let (header, mut rest) =
            bytes.split_at_checked(FILE_HEADER).context("a capture has a header")?;
        ensure!(header.starts_with(&[0xd4, 0xc3, 0xb2, 0xa1]), "another format of capture");
        ensure!(header[20..] == [1, 0, 0, 0], "not of an Ethernet");
        let mut all = Vec::new();
        while let Some((header, behind)) = rest.split_at_checked(PACKET_HEADER) {
            let length = header[8..].first_chunk().map_or(0, |it| u32::from_le_bytes(*it));
            let Some((data, behind)) = behind.split_at_checked(usize::try_from(length)?) else {
                break;
            };
            all.push(Packet { header: header.to_vec(), data: data.to_vec() });
            rest = behind;
        }
        Ok(Self { header: header.to_vec(), all })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let packets = self.all.iter().flat_map(|it| [&it.header[..], &it.data]);
        std::iter::once(&self.header[..]).chain(packets).collect::<Vec<_>>().concat()
    }
}

impl Packet {
    /// Of the Ethernet: to whom, from whom.
    pub(super) fn machines(&self) -> Option<[[u8; 6]; 2]> {
        let (to, rest) = self.data.split_first_chunk()?;
        Some([*to, *rest.first_chunk()?])
    }

    /// The protocol, and where the IPv4 payload begins.
    fn protocol(&self) -> Option<(u8, usize)> {
        let is_ipv4 = self.data.get(12..14)? == [8, 0];
        let header = usize::from(self.data.get(ETHERNET)? & 15) * 4;
        let protocol = *self.data.get(ETHERNET + 9)?;
        (is_ipv4 && [UDP, TCP].contains(&protocol)).then_some((protocol, ETHERNET + header))
    }

    pub(super) fn way(&self) -> Option<Way> {
        let (_, at) = self.protocol()?;
        let end = |ip: usize, port: usize| {
            let ip: [u8; 4] = *self.data.get(ip..)?.first_chunk()?;
            let port = self.data.get(port..)?.first_chunk()?;
            Some(SocketAddrV4::new(ip.into(), u16::from_be_bytes(*port)))
        };
        Some(Way { from: end(ETHERNET + 12, at)?, to: end(ETHERNET + 16, at + 2)? })
    }

    /// As if it had gone another way. Checksums are left: the decoder does not look.
    pub(super) fn redirect(&mut self, way: Way) {
        let Some((_, at)) = self.protocol() else { return };
        let parts = [(ETHERNET + 12, at, way.from), (ETHERNET + 16, at + 2, way.to)];
        for (ip, port, end) in parts {
            self.data[ip..ip + 4].copy_from_slice(&end.ip().octets());
            self.data[port..port + 2].copy_from_slice(&end.port().to_be_bytes());
        }
    }

    /// As if this had been what UDP carries.
    pub(super) fn replace(&mut self, datagram: &[u8]) {
        let Some((_, at)) = self.protocol() else { return };
        self.data.truncate(at + 8);
        self.data.extend(datagram);
        let captured = u32::try_from(self.data.len()).expect("an Ethernet has small packets");
        for length in [8, 12] {
            self.header[length..length + 4].copy_from_slice(&captured.to_le_bytes());
        }
        for (field, begin) in [(ETHERNET + 2, ETHERNET), (at + 4, at)] {
            let length = u16::try_from(self.data.len() - begin).expect("as above");
            self.data[field..field + 2].copy_from_slice(&length.to_be_bytes());
        }
    }

    /// What UDP carries.
    pub(super) fn datagram(&self) -> Option<&[u8]> {
        let (protocol, at) = self.protocol()?;
        self.data.get(at + 8..).filter(|_| protocol == UDP)
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.protocol().is_some_and(|(protocol, _)| protocol == TCP)
    }

    /// Whether a TCP connection begins here.
    pub(super) fn is_syn(&self) -> bool {
        let flags = self.protocol().and_then(|(_, at)| self.data.get(at + 13));
        self.is_tcp() && flags.is_some_and(|flags| flags & SYN != 0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const OURS: [u8; 6] = [2, 2, 0, 0, 0, 1];

    pub(in super::super) fn way(from: &str, to: &str) -> Way {
        Way { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    /// Sent by this machine.
    pub(in super::super) fn sent(way: Way, datagram: &[u8]) -> Packet {
        packet(UDP, [neighbour(way.to), OURS], way, &[&[0; 4], datagram].concat())
    }

    /// Received.
    pub(in super::super) fn got(way: Way, datagram: &[u8]) -> Packet {
        packet(UDP, [OURS, neighbour(way.from)], way, &[&[0; 4], datagram].concat())
    }

    pub(in super::super) fn segment(way: Way, flags: u8) -> Packet {
        let rest = [&[0; 9], &[flags][..], &[0; 6]].concat();
        packet(TCP, [neighbour(way.to), OURS], way, &rest)
    }

    pub(in super::super) fn packets(all: Vec<Packet>) -> Packets {
        let header = [0xd4, 0xc3, 0xb2, 0xa1].into_iter().chain([0; 16]).chain([1, 0, 0, 0]);
        Packets { header: header.collect(), all }
    }

    /// Each has a machine of its own.
    fn neighbour(end: SocketAddrV4) -> [u8; 6] {
        let [a, b, c, d] = end.ip().octets();
        [2, 1, a, b, c, d]
    }

    fn packet(protocol: u8, machines: [[u8; 6]; 2], way: Way, rest: &[u8]) -> Packet {
        let [to, from] =
            [way.to, way.from].map(|end| (end.ip().octets(), end.port().to_be_bytes()));
        let head = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
        let data = [machines.as_flattened(), &[8, 0], &head, &from.0, &to.0, &from.1, &to.1, rest];
        let data = data.concat();
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        Packet { header: [[0; 4], [0; 4], length, length].concat(), data }
    }

    fn here() -> Way {
        way("192.0.2.1:1000", "198.51.100.2:6084")
    }

    #[test]
    fn what_is_read_is_written_without_what_is_cut() {
        let capture = packets(vec![sent(here(), b"one"), got(here().back(), b"two")]).encode();
        let decoded = Packets::decode(&capture).unwrap();
        assert_eq!(decoded.all[0].way(), Some(here()));
        assert_eq!(decoded.all[1].datagram(), Some(&b"two"[..]));
        assert_eq!(decoded.encode(), capture);
        let cut = Packets::decode(&capture[..capture.len() - 1]).unwrap();
        assert_eq!(cut.all.len(), 1);
    }

    #[test]
    fn other_formats_are_refused() {
        let capture = packets(Vec::new()).encode();
        Packets::decode(&capture).unwrap();
        assert!(Packets::decode(&capture[..FILE_HEADER - 1]).is_err());
        for byte in [0, 20] {
            let mut other = capture.clone();
            other[byte] ^= 1;
            assert!(Packets::decode(&other).is_err(), "{byte}");
        }
    }

    #[test]
    fn another_way_changes_the_ends_alone() {
        let mut packet = sent(here(), b"hello");
        packet.redirect(way("192.0.2.3:7", "198.51.100.4:8"));
        assert_eq!(packet.data, {
            let expected = sent(way("192.0.2.3:7", "198.51.100.4:8"), b"hello");
            [&sent(here(), b"").data[..12], &expected.data[12..]].concat()
        });
    }

    #[test]
    fn another_datagram_changes_all_lengths() {
        let mut packet = sent(here(), b"something long");
        packet.replace(b"short");
        assert_eq!(packet.datagram(), Some(&b"short"[..]));
        assert_eq!(packet.data[ETHERNET + 2..ETHERNET + 4], [0, 20 + 8 + 5]);
        assert_eq!(packet.data[ETHERNET + 24..ETHERNET + 26], [0, 8 + 5]);
        assert_eq!(packet.header[8..], [47, 0, 0, 0, 47, 0, 0, 0]);
    }

    #[test]
    fn options_of_ip_move_what_it_carries() {
        let mut packet = sent(here(), b"hello");
        packet.data[ETHERNET] = 0x46;
        packet.data.splice(ETHERNET + 20..ETHERNET + 20, [1; 4]);
        assert_eq!((packet.way(), packet.datagram()), (Some(here()), Some(&b"hello"[..])));
    }

    #[test]
    fn a_connection_begins_with_syn() {
        assert!(segment(here(), SYN).is_syn());
        assert!(!segment(here(), 0x10).is_syn());
        assert!(!sent(here(), &[SYN; 20]).is_syn());
        assert_eq!(segment(here(), SYN).datagram(), None);
    }

    #[test]
    fn what_is_no_ipv4_goes_nowhere() {
        let mut packet = sent(here(), b"hello");
        packet.data[12..14].copy_from_slice(&[0x86, 0xdd]);
        assert_eq!((packet.way(), packet.datagram()), (None, None));
    }
}

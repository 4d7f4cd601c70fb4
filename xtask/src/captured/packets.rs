//! A capture as `tcpdump` writes it: IPv4 over Ethernet. Only what a DTLS record needs is understood.

use std::net::SocketAddrV4;
use std::path::Path;

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
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
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

    /// Writes those packets that are kept.
    pub(super) fn write(&self, path: &Path, is_kept: impl Fn(&Packet) -> bool) -> Result<()> {
        let kept = self.all.iter().filter(|it| is_kept(it));
        let packets = kept.flat_map(|it| [&it.header[..], &it.data]);
        let bytes = std::iter::once(&self.header[..]).chain(packets).collect::<Vec<_>>().concat();
        std::fs::write(path, bytes).with_context(|| format!("{}", path.display()))
    }
}

impl Packet {
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

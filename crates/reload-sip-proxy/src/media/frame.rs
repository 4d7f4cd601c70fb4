//! Datagrams on a media pipe: an RTP or RTCP packet of a phone behind a header of 10 bytes.
//!
//! ```text
//!  0       1       2               6               10
//! +-------+-------+---------------+---------------+------------
//! | 0x01  | stream| to (4)        | from (4)      | packet ...
//! +-------+-------+---------------+---------------+------------
//! ```
//!
//! The version; the stream: twice the number of the "m=" line counted from 0, and one more for RTCP; the token
//! of the proxy that takes the datagram, and the token of the one that sent it, both as their
//! `a=reload-relay` lines say, most significant byte first. A packet is never split: what is longer than the
//! pipe takes is lost, as RTP is anywhere.

use bytes::{BufMut, Bytes, BytesMut};

use super::attribute::Token;

/// One datagram of a media pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaFrame {
    pub(super) stream: Stream,
    pub(super) to: Token,
    pub(super) from: Token,
    pub(super) packet: Bytes,
}

/// What a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// The number of the "m=" line.
    pub(super) line: u8,
    /// Whether it came from the port of RTCP.
    pub(super) is_rtcp: bool,
}

impl MediaFrame {
    /// Bytes in front of the packet.
    pub const HEADER: usize = 10;

    /// Reads a datagram; nothing if it is none.
    #[must_use]
    pub fn parse(datagram: &Bytes) -> Option<Self> {
        let (header, _) = datagram.split_first_chunk::<{ Self::HEADER }>()?;
        let &[version, stream, t0, t1, t2, t3, f0, f1, f2, f3] = header;
        if version != VERSION || datagram.len() == Self::HEADER {
            return None;
        }
        Some(Self {
            stream: Stream { line: stream >> 1, is_rtcp: stream & 1 == 1 },
            to: Token(u32::from_be_bytes([t0, t1, t2, t3])),
            from: Token(u32::from_be_bytes([f0, f1, f2, f3])),
            packet: datagram.slice(Self::HEADER..),
        })
    }

    /// Writes it.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(Self::HEADER + self.packet.len());
        out.put_u8(VERSION);
        out.put_u8((self.stream.line << 1) | u8::from(self.stream.is_rtcp));
        out.put_u32(self.to.0);
        out.put_u32(self.from.0);
        out.put_slice(&self.packet);
        out.freeze()
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const DATAGRAM: [u8; 14] =
        [0x01, 0x03, 0x5f, 0x3c, 0x9a, 0x01, 0x00, 0x00, 0x01, 0x02, 0x80, 0x00, 0x00, 0x01];

    #[test]
    fn a_datagram_is_read_and_written_as_described() {
        let frame = MediaFrame::parse(&Bytes::from_static(&DATAGRAM)).unwrap();
        assert_eq!(frame.stream, Stream { line: 1, is_rtcp: true });
        assert_eq!((frame.to, frame.from), (Token(0x5f3c_9a01), Token(0x0102)));
        assert_eq!(&frame.packet[..], [0x80, 0, 0, 1]);
        assert_eq!(&frame.to_bytes()[..], DATAGRAM);
    }

    #[test]
    fn other_versions_and_empty_packets_are_no_datagrams() {
        let mut other = DATAGRAM;
        other[0] = 2;
        assert_eq!(MediaFrame::parse(&Bytes::copy_from_slice(&other)), None);
        for length in 0..=MediaFrame::HEADER {
            let short = Bytes::copy_from_slice(&DATAGRAM[..length]);
            assert_eq!(MediaFrame::parse(&short), None, "{length} bytes");
        }
    }
}

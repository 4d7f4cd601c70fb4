//! What a datagram on a shared socket is, by its first byte (RFC 7983) and the cookie of STUN.

/// The protocol of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// STUN, and TURN's messages.
    Stun,
    /// A DTLS record.
    Dtls,
    /// Data of a TURN channel.
    ChannelData,
    /// None of these.
    Other,
}

/// Tells datagrams apart (RFC 7983 section 7). It looks at the first bytes only: nothing is proven.
#[must_use]
pub fn kind_of(datagram: &[u8]) -> DatagramKind {
    match datagram.first() {
        Some(0..=3) if datagram.len() >= STUN_HEADER && datagram[4..8] == STUN_COOKIE => {
            DatagramKind::Stun
        }
        Some(20..=63) => DatagramKind::Dtls,
        Some(64..=79) => DatagramKind::ChannelData,
        _ => DatagramKind::Other,
    }
}

/// Bytes of a STUN header (RFC 8489 section 5).
pub(crate) const STUN_HEADER: usize = 20;
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42]; // RFC 8489 section 5

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_told_apart_by_their_first_byte() {
        let mut stun = [0; 20];
        stun[4..8].copy_from_slice(&STUN_COOKIE);
        assert_eq!(kind_of(&stun), DatagramKind::Stun);
        assert_eq!(kind_of(&stun[..19]), DatagramKind::Other);
        assert_eq!(kind_of(&[0; 20]), DatagramKind::Other, "no cookie");
        for (first, kind) in [
            (19, DatagramKind::Other),
            (20, DatagramKind::Dtls),
            (63, DatagramKind::Dtls),
            (64, DatagramKind::ChannelData),
            (79, DatagramKind::ChannelData),
            (80, DatagramKind::Other),
        ] {
            assert_eq!(kind_of(&[first, 0]), kind, "{first}");
        }
        assert_eq!(kind_of(&[]), DatagramKind::Other);
    }
}

//! As much of a STUN message as tells whose it is (RFC 8489 sections 5 and 14.3): its class, its
//! transaction and the first half of its user name. Nothing is checked: reload-ice does that.

/// The 96 bits that name a question and its answer.
pub(crate) type Transaction = [u8; 12];

/// What a STUN message is, as far as its receiver goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StunMessage<'a> {
    /// A Binding request without a user name: of anybody.
    PlainBinding,
    /// A request to the owner of this user name fragment: what is before the colon (RFC 8445 7.2.2).
    Named(&'a [u8]),
    /// A success or an error.
    Answer(Transaction),
    /// An indication.
    Indication,
    /// Another request, or noise.
    Other,
}

const BINDING_REQUEST: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const HEADER: usize = 20;
/// Bits of the class (RFC 8489 section 5).
const CLASS: u16 = 0x0110;

/// Reads a datagram that [`reload_ice::kind_of`] takes for STUN.
pub(crate) fn read(datagram: &[u8]) -> StunMessage<'_> {
    let (Some(kind), Some(transaction)) = (number(datagram, 0), datagram.get(8..HEADER)) else {
        return StunMessage::Other;
    };
    match kind & CLASS {
        0x0000 => match user_name(datagram) {
            Some(name) => {
                StunMessage::Named(name.split(|byte| *byte == b':').next().unwrap_or(name))
            }
            None if kind == BINDING_REQUEST => StunMessage::PlainBinding,
            None => StunMessage::Other,
        },
        0x0010 => StunMessage::Indication,
        _ => transaction.try_into().map_or(StunMessage::Other, StunMessage::Answer),
    }
}

/// The transaction of a request of ours.
pub(crate) fn request(datagram: &[u8]) -> Option<Transaction> {
    let kind = number(datagram, 0)?;
    let is_request = kind & CLASS == 0 && kind < 0x4000;
    if is_request { datagram.get(8..HEADER)?.try_into().ok() } else { None }
}

fn user_name(datagram: &[u8]) -> Option<&[u8]> {
    let mut rest = datagram.get(HEADER..)?;
    loop {
        let (kind, length) = (number(rest, 0)?, usize::from(number(rest, 2)?));
        let value = rest.get(4..4 + length)?;
        if kind == USERNAME {
            return Some(value);
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut out = kind.to_be_bytes().to_vec();
        out.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        out.extend_from_slice(&[7; 12]);
        out.extend_from_slice(&body);
        out
    }

    #[test]
    fn a_check_is_named_by_what_stands_before_the_colon() {
        let check = message(1, &[(0x24, &[0; 4]), (6, b"ours:theirs")]);
        assert_eq!(read(&check), StunMessage::Named(b"ours"));
        assert_eq!(read(&message(1, &[(0x8022, b"abc"), (6, b"x")])), StunMessage::Named(b"x"));
    }

    #[test]
    fn classes_are_told_apart() {
        assert_eq!(read(&message(1, &[])), StunMessage::PlainBinding);
        assert_eq!(read(&message(0x0101, &[])), StunMessage::Answer([7; 12]));
        assert_eq!(read(&message(0x0111, &[])), StunMessage::Answer([7; 12]));
        assert_eq!(read(&message(0x0011, &[])), StunMessage::Indication);
        assert_eq!(read(&message(0x0003, &[])), StunMessage::Other, "Allocate");
        assert_eq!(request(&message(0x0003, &[])), Some([7; 12]));
        assert_eq!(request(&message(0x0101, &[])), None);
    }

    #[test]
    fn a_cut_message_is_read_without_harm() {
        let check = message(1, &[(0x24, &[0; 4]), (6, b"ours:theirs")]);
        for end in 0..check.len() {
            let _ = read(&check[..end]);
        }
    }
}

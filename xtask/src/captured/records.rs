//! Records of DTLS 1.2 (RFC 6347 section 4.1), as far as they can be read without keys.

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Where the random of a ClientHello stands: behind the header of the handshake and the version.
const RANDOM: usize = 12 + 2;

/// One record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) epoch: u16,
    pub(super) number: i64,
    kind: u8,
    body: &'a [u8],
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl<'a> Record<'a> {
    /// All of a datagram.
    pub(super) fn all(mut datagram: &'a [u8]) -> Vec<Self> {
        let mut records = Vec::new();
        while let Some((record, rest)) = Self::read(datagram) {
            records.push(record);
            datagram = rest;
        }
        records
    }

    /// The first one, and what is behind it.
    fn read(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = datagram.split_first_chunk::<13>()?;
        let [kind @ 20..=25, 254, 253 | 255, e0, e1, number @ .., l0, l1] = header else {
            return None;
        };
        let (body, rest) = rest.split_at_checked(u16::from_be_bytes([*l0, *l1]).into())?;
        let epoch = u16::from_be_bytes([*e0, *e1]);
        let number = number.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte));
        Some((Self { epoch, number, kind: *kind, body }, rest))
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.epoch > 0
    }

    /// Whether all that the sender says from now on is sealed with the keys of this handshake.
    pub(super) fn changes_ciphers(&self) -> bool {
        self.kind == CHANGE_CIPHER_SPEC && !self.is_sealed()
    }

    /// The random of a ClientHello, by which its repetitions are known.
    pub(super) fn client_random(&self) -> Option<[u8; 32]> {
        let random = self.body.get(RANDOM..)?.first_chunk();
        random.copied().filter(|_| self.message() == Some(CLIENT_HELLO))
    }

    /// Who says this, if it is a message of one side alone.
    pub(super) fn side(&self) -> Option<Side> {
        match self.message()? {
            CLIENT_HELLO => Some(Side::Client),
            SERVER_HELLO | HELLO_VERIFY_REQUEST => Some(Side::Server),
            _ => None,
        }
    }

    /// The message of a handshake in the clear.
    fn message(&self) -> Option<u8> {
        self.body.first().copied().filter(|_| self.kind == HANDSHAKE && !self.is_sealed())
    }
}

/// Whether a datagram begins with a record.
pub(super) fn is_dtls(datagram: &[u8]) -> bool {
    Record::read(datagram).is_some()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A ClientHello of the client of this name.
    pub(in super::super) fn client_hello(number: i64, name: u8) -> Vec<u8> {
        clear(number, HANDSHAKE, &[&[CLIENT_HELLO][..], &[0; 13], &[name; 32], &[0; 8]].concat())
    }

    pub(in super::super) fn hello_verify_request(number: i64) -> Vec<u8> {
        clear(number, HANDSHAKE, &[&[HELLO_VERIFY_REQUEST][..], &[0; 60]].concat())
    }

    pub(in super::super) fn server_hello(number: i64) -> Vec<u8> {
        clear(number, HANDSHAKE, &[&[SERVER_HELLO][..], &[0; 60]].concat())
    }

    /// And the first sealed record.
    pub(in super::super) fn change_cipher_spec(number: i64) -> Vec<u8> {
        [clear(number, CHANGE_CIPHER_SPEC, &[1]), sealed(0)].concat()
    }

    pub(in super::super) fn sealed(number: i64) -> Vec<u8> {
        record(23, 1, number, &[CLIENT_HELLO; 60])
    }

    fn clear(number: i64, kind: u8, body: &[u8]) -> Vec<u8> {
        record(kind, 0, number, body)
    }

    fn record(kind: u8, epoch: u8, number: i64, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let number = number.to_be_bytes();
        [&[kind, 254, 253, 0, epoch], &number[2..], &length, body].concat()
    }

    #[test]
    fn all_records_of_a_datagram_are_read() {
        let number = 0x0102_0304_0506;
        let datagram = [server_hello(3), sealed(number), b"rest".to_vec()].concat();
        let records = Record::all(&datagram);
        let read: Vec<_> = records.iter().map(|it| (it.epoch, it.number, it.is_sealed())).collect();
        assert_eq!(read, [(0, 3, false), (1, number, true)]);
        assert!(!is_dtls(&datagram[1..]));
        assert!(!is_dtls(&sealed(1)[..60]));
        assert!(!is_dtls(&[19, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn a_hello_tells_its_side_and_a_client_its_random() {
        let read = |datagram: &[u8]| {
            let record = Record::all(datagram)[0];
            (record.side(), record.client_random())
        };
        assert_eq!(read(&client_hello(0, 7)), (Some(Side::Client), Some([7; 32])));
        assert_eq!(read(&hello_verify_request(0)), (Some(Side::Server), None));
        assert_eq!(read(&server_hello(0)), (Some(Side::Server), None));
        assert_eq!(read(&sealed(0)), (None, None));
        assert_eq!(read(&record(HANDSHAKE, 1, 0, &[CLIENT_HELLO; 60])), (None, None));
        // A warning is of either side.
        assert_eq!(read(&clear(0, 21, &[1; 60])), (None, None));
    }
}

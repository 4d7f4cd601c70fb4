//! Handshake messages in parts (RFC 6347 sections 4.2.2 and 4.2.3): cut out of records, joined again.

use std::collections::BTreeMap;

/// One handshake message, or a part of it, as it lies in a record (RFC 6347 section 4.2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) kind: u8,
    pub(super) length: usize,
    pub(super) sequence: u16,
    pub(super) offset: usize,
    pub(super) data: &'a [u8],
}

impl<'a> Piece<'a> {
    pub(super) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let [kind, l2, l1, l0, s1, s0, o2, o1, o0, f2, f1, f0, ref rest @ ..] = *bytes else {
            return None;
        };
        let (length, offset) = (u24([l2, l1, l0]), u24([o2, o1, o0]));
        let (data, rest) = rest.split_at_checked(u24([f2, f1, f0]))?;
        let inside = offset + data.len() <= length && length <= MAX_MESSAGE;
        let whole = !data.is_empty() || length == 0;
        let sequence = u16::from_be_bytes([s1, s0]);
        (inside && whole).then_some((Self { kind, length, sequence, offset, data }, rest))
    }

    pub(super) fn whole(&self) -> bool {
        self.data.len() == self.length
    }

    pub(super) fn message(&self) -> Vec<u8> {
        message(self.kind, self.sequence, self.data)
    }
}

/// Pieces of one message by offset; the longest of each offset.
pub(super) struct Pieces {
    kind: u8,
    length: usize,
    parts: BTreeMap<usize, Vec<u8>>,
    cost: usize,
}

impl Pieces {
    pub(super) fn of(piece: &Piece<'_>) -> Self {
        Self { kind: piece.kind, length: piece.length, parts: BTreeMap::new(), cost: 0 }
    }

    /// False: it adds nothing, or belongs to another message.
    pub(super) fn add(&mut self, piece: &Piece<'_>) -> bool {
        let known =
            self.parts.get(&piece.offset).is_some_and(|part| part.len() >= piece.data.len());
        if known || self.kind != piece.kind || self.length != piece.length {
            return false;
        }
        self.cost += piece.data.len() + PIECE_COST;
        self.parts.insert(piece.offset, piece.data.to_vec());
        true
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// The message without gaps, if it is all there.
    pub(super) fn message(&self, sequence: u16) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        for (offset, part) in &self.parts {
            let known = body.len().checked_sub(*offset)?;
            body.extend_from_slice(part.get(known..).unwrap_or_default());
        }
        (body.len() == self.length).then(|| message(self.kind, sequence, &body))
    }
}

/// A handshake message in one piece.
pub(super) fn message(kind: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a message is at most MAX_MESSAGE").to_be_bytes();
    let mut message = vec![kind];
    message.extend_from_slice(&length[1..]);
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend_from_slice(&[0; 3]);
    message.extend_from_slice(&length[1..]);
    message.extend_from_slice(body);
    message
}

fn u24(bytes: [u8; 3]) -> usize {
    bytes.into_iter().fold(0, |value, byte| value << 8 | usize::from(byte))
}

/// Bytes before a handshake message's body.
pub(super) const HEADER: usize = 12;
/// The longest message: a chain of some large certificates. One record takes it.
const MAX_MESSAGE: usize = 32 * 1024;
/// What keeping a piece costs besides its bytes, so that many small ones are not free.
pub(super) const PIECE_COST: usize = 64;

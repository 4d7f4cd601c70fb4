//! The order of a stream. Simple Reliability brings messages in any order, perhaps twice, and after five
//! tries in vain not at all. So each says where it belongs; a reader says how far the writer may go;
//! and what was not read is kept, to be sent once more.
//!
//! A message: one byte kind, eight bytes offset, then bytes. 0 = data at this offset; 1 = the stream
//! ends at this offset; 2 = you may send up to this offset. Not of RFC 6940: for private
//! Application-IDs only. Bounds: [`WINDOW`] bytes wait for the reader.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Bytes that may be under way or wait for the reader.
pub(super) const WINDOW: u64 = 256 * 1024;
/// Bytes of a message before its data.
pub(super) const HEADER: usize = 9;
/// Messages that wait for an earlier one: far more than Simple Reliability has under way.
const WAITING: usize = 4096;

const DATA: u8 = 0;
const END: u8 = 1;
const CREDIT: u8 = 2;

/// Both directions of one stream.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Bytes handed out for sending.
    sent: u64,
    /// How far the other side lets us go.
    allowed: u64,
    /// What was sent and may not have been read: where it ends, and its message.
    kept: VecDeque<(u64, Bytes)>,
    /// Bytes that came without a gap.
    whole: u64,
    /// How far we let the other side go.
    granted: u64,
    /// What of these the reader has not taken.
    ready: BytesMut,
    /// Data that came before its turn, by offset.
    waiting: BTreeMap<u64, Bytes>,
    /// Bytes of it.
    waiting_bytes: u64,
    /// Where the other side ends.
    end: Option<u64>,
}

/// The other side does not keep to the rules of the stream.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum SequenceError {
    /// Too short, or of an unknown kind.
    #[error("the other side does not speak the protocol of a stream")]
    Malformed,
    /// More than was allowed, or bytes behind the end.
    #[error("the other side sends more than it may")]
    Beyond,
}

impl Sequence {
    pub(super) fn new() -> Self {
        Self {
            sent: 0,
            allowed: WINDOW,
            kept: VecDeque::new(),
            whole: 0,
            granted: WINDOW,
            ready: BytesMut::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            end: None,
        }
    }

    /// Bytes that may be sent now.
    pub(super) const fn room(&self) -> u64 {
        self.allowed.saturating_sub(self.sent)
    }

    /// The message with the next bytes of ours.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Bytes {
        let message = message(DATA, self.sent, bytes);
        self.sent = self.sent.saturating_add(length(bytes));
        self.kept.push_back((self.sent, message.clone()));
        message
    }

    /// What the other side may not have: messages that were given up are among them.
    pub(super) fn again(&self) -> Vec<Bytes> {
        let credit = message(CREDIT, self.granted, &[]);
        self.kept.iter().map(|(_, message)| message.clone()).chain([credit]).collect()
    }

    /// How far the other side has read, as far as it told.
    pub(super) const fn progress(&self) -> u64 {
        self.allowed
    }

    /// The message that says that nothing more comes.
    pub(super) fn end(&self) -> Bytes {
        message(END, self.sent, &[])
    }

    /// Takes a message of the other side.
    pub(super) fn handle_message(&mut self, mut message: Bytes) -> Result<(), SequenceError> {
        if message.len() < HEADER {
            return Err(SequenceError::Malformed);
        }
        let (kind, offset) = (message.get_u8(), message.get_u64());
        match kind {
            DATA => self.on_data(offset, message),
            END if message.is_empty() => self.on_end(offset),
            CREDIT if message.is_empty() => {
                self.on_credit(offset);
                Ok(())
            }
            _ => Err(SequenceError::Malformed),
        }
    }

    fn on_data(&mut self, offset: u64, bytes: Bytes) -> Result<(), SequenceError> {
        let behind = offset.checked_add(length(&bytes)).ok_or(SequenceError::Beyond)?;
        if behind > self.granted || self.end.is_some_and(|end| behind > end) {
            return Err(SequenceError::Beyond);
        }
        // A copy of what came says nothing new; messages are resent whole, with their offset.
        if offset < self.whole || bytes.is_empty() || self.waiting.contains_key(&offset) {
            return Ok(());
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(length(&bytes));
        self.waiting.insert(offset, bytes);
        if self.waiting.len() > WAITING || self.waiting_bytes > WINDOW {
            return Err(SequenceError::Beyond); // only overlapping messages come to that
        }
        while let Some(bytes) = self.waiting.remove(&self.whole) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(length(&bytes));
            self.whole = self.whole.saturating_add(length(&bytes));
            self.ready.extend_from_slice(&bytes);
        }
        Ok(())
    }

    fn on_credit(&mut self, limit: u64) {
        self.allowed = self.allowed.max(limit);
        let read = self.allowed.saturating_sub(WINDOW);
        while self.kept.front().is_some_and(|(end, _)| *end <= read) {
            self.kept.pop_front();
        }
    }

    fn on_end(&mut self, offset: u64) -> Result<(), SequenceError> {
        let last = self.waiting.last_key_value();
        let known = last.map_or(self.whole, |(at, bytes)| at.saturating_add(length(bytes)));
        if offset < known || self.end.is_some_and(|end| end != offset) {
            return Err(SequenceError::Beyond);
        }
        self.end = Some(offset);
        Ok(())
    }

    /// The bytes that the reader gets next; empty if there are none.
    pub(super) fn ready(&self) -> &[u8] {
        &self.ready
    }

    /// The reader took `count` of the bytes that were ready. Gives the message that lets the other
    /// side go on, when it is worth one.
    pub(super) fn consume(&mut self, count: usize) -> Option<Bytes> {
        self.ready.advance(count.min(self.ready.len()));
        let limit = self.read().saturating_add(WINDOW);
        if limit.saturating_sub(self.granted) < WINDOW / 2 {
            return None;
        }
        self.granted = limit;
        Some(message(CREDIT, limit, &[]))
    }

    /// Bytes that the reader has taken.
    fn read(&self) -> u64 {
        self.whole.saturating_sub(length(&self.ready))
    }

    /// Whether everything of the other side was read.
    pub(super) fn is_read_out(&self) -> bool {
        self.end == Some(self.read())
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn message(kind: u8, offset: u64, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(HEADER + bytes.len());
    message.put_u8(kind);
    message.put_u64(offset);
    message.put_slice(bytes);
    message.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(sequence: &mut Sequence) -> Vec<u8> {
        let out = sequence.ready().to_vec();
        sequence.consume(out.len());
        out
    }

    #[test]
    fn messages_in_any_order_and_twice_become_one_stream() {
        let (mut ours, mut theirs) = (Sequence::new(), Sequence::new());
        let messages = [ours.data(b"one "), ours.data(b"two "), ours.data(b"three"), ours.end()];
        for place in [3, 1, 1, 2, 0, 2] {
            theirs.handle_message(messages[place].clone()).unwrap();
        }
        assert_eq!(read_all(&mut theirs), b"one two three");
        assert!(theirs.is_read_out());
        theirs.handle_message(messages[0].clone()).unwrap();
        assert!(theirs.ready().is_empty(), "a late copy is nothing new");
    }

    #[test]
    fn a_writer_stops_at_the_window_and_goes_on_when_the_reader_has_read() {
        let (mut ours, mut theirs) = (Sequence::new(), Sequence::new());
        let half = vec![7; usize::try_from(WINDOW / 2).unwrap()];
        for _ in 0..2 {
            let message = ours.data(&half);
            theirs.handle_message(message).unwrap();
        }
        assert_eq!(ours.room(), 0);
        let credit = theirs.consume(half.len()).expect("half a window is worth a message");
        ours.handle_message(credit).unwrap();
        assert_eq!(ours.room(), WINDOW / 2);
    }

    #[test]
    fn what_was_not_read_can_be_sent_once_more() {
        let (mut ours, mut theirs) = (Sequence::new(), Sequence::new());
        let half = vec![7; usize::try_from(WINDOW / 2).unwrap()];
        let first = ours.data(&half);
        let _lost = ours.data(b"lost");
        theirs.handle_message(first).unwrap();
        let credit = theirs.consume(half.len()).unwrap();
        ours.handle_message(credit).unwrap();
        let again = ours.again();
        assert_eq!(again.len(), 2, "what was read is not kept, and our own credit is told again");
        again.into_iter().for_each(|message| theirs.handle_message(message).unwrap());
        assert_eq!(theirs.ready(), b"lost");
    }

    #[test]
    fn a_reader_is_not_made_to_hold_more_than_the_window() {
        let mut theirs = Sequence::new();
        let far = message(DATA, WINDOW - 1, b"ab");
        assert_eq!(theirs.handle_message(far), Err(SequenceError::Beyond));
        assert_eq!(
            theirs.handle_message(message(DATA, u64::MAX, b"a")),
            Err(SequenceError::Beyond)
        );
        let half = vec![0; usize::try_from(WINDOW / 2).unwrap()];
        let mut overlap = |at| theirs.handle_message(message(DATA, at, &half));
        assert_eq!((overlap(1), overlap(2)), (Ok(()), Ok(())));
        assert_eq!(
            overlap(3),
            Err(SequenceError::Beyond),
            "overlapping messages are no way around"
        );
    }

    #[test]
    fn what_is_no_message_of_a_stream_is_refused() {
        let mut theirs = Sequence::new();
        for noise in [&b""[..], b"\0\0\0\0\0\0\0\0", b"\x09\0\0\0\0\0\0\0\0"] {
            let noise = Bytes::copy_from_slice(noise);
            assert_eq!(theirs.handle_message(noise), Err(SequenceError::Malformed));
        }
        theirs.handle_message(message(END, 5, &[])).unwrap();
        assert_eq!(theirs.handle_message(message(DATA, 5, b"x")), Err(SequenceError::Beyond));
        assert_eq!(theirs.handle_message(message(END, 6, &[])), Err(SequenceError::Beyond));
    }
}

//! Frames of section 6.6.2, read from a stream and written by hand: type, sequence, and for data a
//! length of three bytes.

use bytes::{Buf, Bytes, BytesMut};

/// A data frame.
const DATA: u8 = 128;
/// An acknowledgement.
const ACK: u8 = 129;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message, or a part of one.
    Data {
        /// The number of the frame.
        sequence: u32,
        /// What it carries.
        message: Bytes,
    },
    /// An acknowledgement.
    Ack {
        /// The frame it is for.
        sequence: u32,
        /// Which of the 32 before it came, too.
        received: u32,
    },
}

/// Bytes of a stream on their way to frames.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: BytesMut,
}

impl Frames {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// The type of a frame that there is not.
    pub fn pop(&mut self) -> Result<Option<Frame>, u8> {
        match self.bytes.first() {
            None => Ok(None),
            Some(&DATA) => Ok(self.data()),
            Some(&ACK) => Ok(self.ack()),
            Some(other) => Err(*other),
        }
    }

    fn data(&mut self) -> Option<Frame> {
        let mut head = self.bytes.get(1..8)?;
        let sequence = head.get_u32();
        let length = usize::try_from(head.get_uint(3)).ok()?;
        if self.bytes.len() < 8 + length {
            return None;
        }
        self.bytes.advance(8);
        Some(Frame::Data { sequence, message: self.bytes.split_to(length).freeze() })
    }

    fn ack(&mut self) -> Option<Frame> {
        let mut head = self.bytes.get(1..9)?;
        let (sequence, received) = (head.get_u32(), head.get_u32());
        self.bytes.advance(9);
        Some(Frame::Ack { sequence, received })
    }
}

/// A data frame that announces `length` bytes and carries `message`.
#[must_use]
pub fn data_frame(sequence: u32, length: usize, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [&[DATA][..], &sequence.to_be_bytes(), &length[1..], message].concat()
}

/// The acknowledgement of a frame.
#[must_use]
pub(crate) fn ack_frame(sequence: u32, received: u32) -> Vec<u8> {
    [&[ACK][..], &sequence.to_be_bytes(), &received.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_are_cut() {
        let bytes = [data_frame(7, 3, b"abc"), ack_frame(1, 2)].concat();
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for byte in bytes {
            frames.push(&[byte]);
            seen.extend(frames.pop().unwrap());
        }
        let message = Bytes::from_static(b"abc");
        let ack = Frame::Ack { sequence: 1, received: 2 };
        assert_eq!(seen, [Frame::Data { sequence: 7, message }, ack]);
        frames.push(&[0]);
        assert_eq!(frames.pop(), Err(0));
    }
}

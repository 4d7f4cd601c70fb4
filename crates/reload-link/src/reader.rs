//! Frames out of a stream whose bytes may be cut anywhere (section 6.6.2). The length is checked
//! against max-message-size before a byte of the body is kept (section 6.6). No timers here.

use bytes::{Buf, Bytes, BytesMut};
use reload_wire::{Dialect, ForwardingHeader};

use crate::error::LinkError;

/// `FramedMessageType` data (section 6.6.2).
pub(crate) const DATA: u8 = 128;
/// `FramedMessageType` ack (section 6.6.2).
pub(crate) const ACK: u8 = 129;
/// type, sequence and the 24-bit length of a data frame.
pub(crate) const DATA_HEADER: usize = 8;
/// type, `ack_sequence` and received: an ACK is nothing more.
pub(crate) const ACK_FRAME: usize = 9;
/// The forwarding header up to and with its three list lengths (section 6.3.2).
const FIXED_HEADER: usize = 38;
/// A body gets this much room at once at most; it grows as bytes arrive.
const BODY_STEP: usize = 16 * 1024;

/// What the stream held.
#[derive(Debug)]
pub(crate) enum Item {
    Data { sequence: u32, message: Bytes },
    Ack { sequence: u32 },
    TooLarge(Box<ForwardingHeader>),
}

/// Reads frames; keeps at most one unfinished frame of max-message-size.
#[derive(Debug)]
pub(crate) struct FrameReader {
    dialect: Dialect,
    limit: usize,
    state: State,
    partial: BytesMut,
}

/// Where in a frame the stream is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The bytes before a body, or an ACK.
    Header,
    /// A body of `size` bytes.
    Body { sequence: u32, size: usize },
    /// A message above the limit: its forwarding header is read, no more.
    Oversize { size: usize },
    /// Nothing is read any more.
    Closed,
}

impl FrameReader {
    pub(crate) fn new(dialect: Dialect, limit: usize) -> Self {
        Self {
            dialect,
            limit,
            state: State::Header,
            partial: BytesMut::new(),
        }
    }

    /// The next thing in `input`, which is moved past what was used. `None`: all is used.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Item>, LinkError> {
        let result = self.step(input);
        if matches!(result, Err(_) | Ok(Some(Item::TooLarge(_)))) {
            self.close();
        }
        result
    }

    /// From here on bytes are thrown away.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
        self.partial = BytesMut::new();
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Item>, LinkError> {
        loop {
            let item = match self.state {
                State::Header => match self.header(input)? {
                    HeaderStep::More => return Ok(None),
                    HeaderStep::Body => continue,
                    HeaderStep::Ack(sequence) => Some(Item::Ack { sequence }),
                },
                State::Body { sequence, size } => self.body(sequence, size, input),
                State::Oversize { size } => self.oversize(size, input)?,
                State::Closed => {
                    *input = &[];
                    None
                }
            };
            return Ok(item);
        }
    }

    fn header(&mut self, input: &mut &[u8]) -> Result<HeaderStep, LinkError> {
        if !self.fill(1, input) {
            return Ok(HeaderStep::More);
        }
        let kind = self.partial[0];
        match kind {
            DATA if self.fill(DATA_HEADER, input) => Ok(self.data_header()),
            ACK if self.fill(ACK_FRAME, input) => Ok(self.ack()),
            DATA | ACK => Ok(HeaderStep::More),
            _ => Err(LinkError::UnknownFrameType(kind)),
        }
    }

    fn data_header(&mut self) -> HeaderStep {
        self.partial.advance(1);
        let sequence = self.partial.get_u32();
        let size = usize::try_from(self.partial.get_uint(3)).unwrap_or(usize::MAX);
        self.state = if size > self.limit {
            State::Oversize { size }
        } else {
            State::Body { sequence, size }
        };
        HeaderStep::Body
    }

    fn ack(&mut self) -> HeaderStep {
        self.partial.advance(1);
        let sequence = self.partial.get_u32();
        self.partial.clear(); // the mask decides nothing (E48)
        HeaderStep::Ack(sequence)
    }

    fn body(&mut self, sequence: u32, size: usize, input: &mut &[u8]) -> Option<Item> {
        if !self.fill(size, input) {
            return None;
        }
        self.state = State::Header;
        Some(Item::Data {
            sequence,
            message: self.partial.split_to(size).freeze(),
        })
    }

    /// Collects the forwarding header of a message that is too large (section 6.6).
    fn oversize(&mut self, size: usize, input: &mut &[u8]) -> Result<Option<Item>, LinkError> {
        if size < FIXED_HEADER {
            return Err(LinkError::OversizeNoise { size, source: None });
        }
        if !self.fill(FIXED_HEADER, input) {
            return Ok(None);
        }
        let header = self.announced_header();
        if header > self.limit {
            return Err(LinkError::HeaderTooLarge {
                size: header,
                limit: self.limit,
            });
        }
        if header > size {
            return Err(LinkError::OversizeNoise { size, source: None });
        }
        if !self.fill(header, input) {
            return Ok(None);
        }
        let bytes = self.partial.split_to(header).freeze();
        let (header, _) = ForwardingHeader::split(&self.dialect, &bytes).map_err(|source| {
            LinkError::OversizeNoise {
                size,
                source: Some(source),
            }
        })?;
        Ok(Some(Item::TooLarge(Box::new(header))))
    }

    /// The size of the forwarding header by its three list lengths (section 6.3.2).
    fn announced_header(&self) -> usize {
        let mut lengths = &self.partial[FIXED_HEADER - 6..FIXED_HEADER];
        FIXED_HEADER
            + (0..3)
                .map(|_| usize::from(lengths.get_u16()))
                .sum::<usize>()
    }

    /// Moves bytes into the unfinished part until it holds `wanted`; says whether it does.
    fn fill(&mut self, wanted: usize, input: &mut &[u8]) -> bool {
        let missing = wanted.saturating_sub(self.partial.len());
        let taken = missing.min(input.len());
        if self.partial.capacity() < self.partial.len() + taken {
            // Room by what came, not by what the peer announced; large bodies in few steps.
            self.partial.reserve(missing.min(BODY_STEP.max(taken)));
        }
        self.partial.extend_from_slice(&input[..taken]);
        input.advance(taken);
        missing == taken
    }
}

enum HeaderStep {
    More,
    Body,
    Ack(u32),
}

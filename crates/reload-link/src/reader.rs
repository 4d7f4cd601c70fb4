//! Frames out of a stream whose bytes may be cut anywhere (section 6.6.2). The length is checked
//! against max-message-size before a byte of the body is kept (section 6.6). No timers here.

use bytes::{Buf, Bytes, BytesMut};
use reload_wire::{
    Decode, Dialect, FRAME_ACK, FRAME_ACK_SIZE, FRAME_DATA, FRAME_HEADER_SIZE, ForwardingHeader,
    HEADER_SIZE,
};

use crate::error::LinkError;

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
        Self { dialect, limit, state: State::Header, partial: BytesMut::new() }
    }

    /// From the next frame on; it is never lowered.
    pub(crate) fn raise_limit(&mut self, limit: usize) {
        self.limit = self.limit.max(limit);
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
            FRAME_DATA if self.fill(FRAME_HEADER_SIZE, input) => Ok(self.data_header()),
            FRAME_ACK if self.fill(FRAME_ACK_SIZE, input) => Ok(self.ack()),
            FRAME_DATA | FRAME_ACK => Ok(HeaderStep::More),
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
        Some(Item::Data { sequence, message: self.partial.split_to(size).freeze() })
    }

    /// Collects the forwarding header of a message that is too large (section 6.6).
    fn oversize(&mut self, size: usize, input: &mut &[u8]) -> Result<Option<Item>, LinkError> {
        if size < HEADER_SIZE {
            return Err(LinkError::OversizeNoise { size, source: None });
        }
        if !self.fill(HEADER_SIZE, input) {
            return Ok(None);
        }
        let header = self.announced_header();
        if header > self.limit {
            return Err(LinkError::HeaderTooLarge { size: header, limit: self.limit });
        }
        if header > size {
            return Err(LinkError::OversizeNoise { size, source: None });
        }
        if !self.fill(header, input) {
            return Ok(None);
        }
        let bytes = self.partial.split_to(header).freeze();
        let header = ForwardingHeader::decode_exact(&self.dialect, &bytes)
            .map_err(|source| LinkError::OversizeNoise { size, source: Some(source) })?;
        Ok(Some(Item::TooLarge(Box::new(header))))
    }

    /// The size of the forwarding header by its three list lengths (section 6.3.2).
    fn announced_header(&self) -> usize {
        let mut lengths = &self.partial[HEADER_SIZE - 6..HEADER_SIZE];
        HEADER_SIZE + (0..3).map(|_| usize::from(lengths.get_u16())).sum::<usize>()
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

//! One overlay link on a reliable stream (section 6.6.5): frames in and out, ACKs, and the signal that
//! the peer fails. Nothing is retransmitted here (E51), nothing is read from a socket or a clock.
//!
//! Bounds: one unfinished frame of max-message-size; [`LinkSettings::queue_messages`] and
//! [`LinkSettings::queue_bytes`] waiting (a new message is refused when they are full, what is queued
//! stays in order); [`ACK_QUEUE`] ACKs (the oldest is dropped, its bit stays in later masks);
//! 1024 frames or 4 MiB without ACK (more wait in the queue). Events are bounded by the bytes put in at once.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use reload_wire::{
    Dialect, FRAME_ACK, FRAME_ACK_SIZE, FRAME_DATA, FRAME_HEADER_SIZE, ForwardingHeader,
};

use crate::error::{LinkError, SendError};
use crate::liveness::{Change, LinkState, Liveness};
use crate::queue::SendQueue;
use crate::reader::{FrameReader, Item};
use crate::receipts::Receipts;
use crate::stats::{Counters, LinkStats};

/// ACKs that may wait for a peer that does not read.
pub const ACK_QUEUE: usize = 256;
/// The largest body a frame can announce (section 6.6.2).
const LARGEST_BODY: usize = (1 << 24) - 1;

/// What a link depends on.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// For the forwarding header of a message that is too large.
    pub dialect: Dialect,
    /// max-message-size of the overlay in bytes, without the frame (E57).
    pub max_message_size: u32,
    /// Messages that may wait for the writer.
    pub queue_messages: usize,
    /// Bytes that may wait for the writer; one message always fits.
    pub queue_bytes: usize,
}

impl LinkSettings {
    /// The usual bounds: 512 messages, 1 MiB.
    #[must_use]
    pub const fn new(dialect: Dialect, max_message_size: u32) -> Self {
        Self { dialect, max_message_size, queue_messages: 512, queue_bytes: 1 << 20 }
    }
}

/// What [`FrameLink::poll`] and [`ReliableLink::poll`](crate::ReliableLink::poll) hand out.
#[derive(Debug)]
pub enum LinkOutput {
    /// Bytes for the stream, or one record of a datagram link.
    Transmit(Bytes),
    /// Something for the node.
    Event(FrameEvent),
}

/// What the node learns from a link.
#[derive(Clone, Debug)]
pub enum FrameEvent {
    /// A whole message; it was acknowledged.
    Message(Bytes),
    /// A message above max-message-size began; its body is not read. The node may answer
    /// `Error_Message_Too_Large`, then the link closes (section 6.6).
    TooLarge(Box<ForwardingHeader>),
    /// Nothing was acknowledged for an RTO: out of the Routing Table (section 6.6.5).
    Failing {
        /// Sent without an ACK or still queued, oldest first: to be sent another way.
        unacknowledged: Vec<Bytes>,
    },
    /// ACKs resumed.
    Restored,
    /// Failing for 30 s (section 6.6.5): close.
    Dead {
        /// As in `Failing`, without what was handed out before.
        unacknowledged: Vec<Bytes>,
    },
    /// A datagram link only: the path takes frames of so many bytes now, frame header included.
    Mtu(usize),
}

/// The state of one link; the caller owns the stream and the clock.
#[derive(Debug)]
pub struct FrameLink {
    reader: FrameReader,
    receipts: Receipts,
    liveness: Liveness,
    next_sequence: u32,
    acks: VecDeque<[u8; FRAME_ACK_SIZE]>,
    queue: SendQueue,
    events: VecDeque<FrameEvent>,
    counters: Counters,
}

impl FrameLink {
    /// A link on which nothing was sent; numbers begin at 0 (E49).
    #[must_use]
    pub fn new(settings: LinkSettings) -> Self {
        let limit = message_limit(settings.max_message_size);
        Self {
            queue: SendQueue::new(&settings, limit),
            reader: FrameReader::new(settings.dialect, limit),
            receipts: Receipts::default(),
            liveness: Liveness::new(),
            next_sequence: 0,
            acks: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Lives by the `max-message-size` of a new configuration (section 11.1). What is read may still be
    /// as large as before: the peer learns of a smaller size in its own time.
    pub fn set_max_message_size(&mut self, size: u32) {
        let limit = message_limit(size);
        self.queue.set_limit(limit);
        self.reader.raise_limit(limit);
    }

    /// Takes bytes of the stream, cut anywhere. Drain the events before the next call.
    ///
    /// # Errors
    /// The peer broke the framing: close. What came before stays to be polled.
    pub fn handle_bytes(&mut self, now: Instant, mut input: &[u8]) -> Result<(), LinkError> {
        self.counters.bytes_received += wide(input.len());
        while let Some(item) = self.reader.next(&mut input)? {
            match item {
                Item::Data { sequence, message } => self.on_data(sequence, message),
                Item::Ack { sequence } => self.on_ack(now, sequence),
                Item::TooLarge(header) => self.events.push_back(FrameEvent::TooLarge(header)),
            }
        }
        Ok(())
    }

    /// Looks whether the peer is overdue; call it at [`FrameLink::wakeup`].
    pub fn handle_timeout(&mut self, now: Instant) {
        let change = self.liveness.on_timeout(now);
        self.on_change(change);
    }

    /// Queues a message for the writer. It gets its number when it is polled.
    ///
    /// # Errors
    /// [`SendError`]; the message is not queued.
    pub fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        if self.liveness.state() == LinkState::Dead {
            return Err(SendError::Closed);
        }
        self.queue.push(message)
    }

    /// Appends the next frame to `out`, ACKs before data; says whether there was one. `now` is the
    /// moment the frame goes to the stream: the round trip counts from it.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut BytesMut) -> bool {
        let before = out.len();
        if let Some(ack) = self.acks.pop_front() {
            out.extend_from_slice(&ack);
        } else if let Some(message) = self.next_message() {
            self.frame(now, message, out);
        }
        self.counters.bytes_sent += wide(out.len() - before);
        out.len() > before
    }

    /// The next thing for the node.
    pub fn poll_event(&mut self) -> Option<FrameEvent> {
        self.events.pop_front()
    }

    /// Both polls in one, bytes first, for callers that write at once.
    pub fn poll(&mut self, now: Instant) -> Option<LinkOutput> {
        let mut out = BytesMut::new();
        if self.poll_transmit(now, &mut out) {
            return Some(LinkOutput::Transmit(out.freeze()));
        }
        self.poll_event().map(LinkOutput::Event)
    }

    /// Whether [`FrameLink::poll_transmit`] would give a frame.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        !self.acks.is_empty() || (!self.queue.is_empty() && self.liveness.window_is_open())
    }

    /// When to call [`FrameLink::handle_timeout`]; changes with each input and each frame.
    #[must_use]
    pub fn wakeup(&self) -> Option<Instant> {
        self.liveness.deadline()
    }

    /// The messages that were sent without an ACK or are still queued, oldest first, each handed
    /// out once; nothing stays queued. For a link whose stream has ended.
    pub fn take_unacknowledged(&mut self) -> Vec<Bytes> {
        let mut messages = self.liveness.take_messages();
        messages.extend(self.queue.take());
        messages
    }

    /// What the link has counted.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        let round_trip = self.liveness.round_trip();
        LinkStats {
            state: self.liveness.state(),
            rtt: round_trip.rtt(),
            rto: round_trip.rto(),
            counters: Counters {
                acks_missing: self.liveness.acks_missing(),
                messages_refused: self.queue.refused(),
                ..self.counters
            },
            unacknowledged: self.liveness.unacknowledged(),
            queued: self.queue.len(),
            mtu: None,
            window: None,
        }
    }

    /// The ACK is queued before the message is handed up (section 6.6.2: immediately).
    fn on_data(&mut self, sequence: u32, message: Bytes) {
        self.counters.frames_received += 1;
        let received = self.receipts.receive(sequence);
        if self.acks.len() >= ACK_QUEUE {
            self.acks.pop_front();
            self.counters.acks_dropped += 1;
        }
        self.acks.push_back(ack_frame(sequence, received));
        self.events.push_back(FrameEvent::Message(message));
    }

    fn on_ack(&mut self, now: Instant, sequence: u32) {
        self.counters.acks_received += 1;
        let change = self.liveness.on_ack(now, sequence);
        self.on_change(change);
    }

    fn on_change(&mut self, change: Option<Change>) {
        let event = match change {
            None => return,
            Some(Change::Failing) => {
                FrameEvent::Failing { unacknowledged: self.take_unacknowledged() }
            }
            Some(Change::Restored) => FrameEvent::Restored,
            Some(Change::Dead) => FrameEvent::Dead { unacknowledged: self.take_unacknowledged() },
        };
        self.events.push_back(event);
    }

    fn next_message(&mut self) -> Option<Bytes> {
        if !self.liveness.window_is_open() {
            return None;
        }
        self.queue.remove(0)
    }

    fn frame(&mut self, now: Instant, message: Bytes, out: &mut BytesMut) {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.counters.frames_sent += 1;
        out.reserve(FRAME_HEADER_SIZE + message.len());
        out.put_u8(FRAME_DATA);
        out.put_u32(sequence);
        out.put_uint(wide(message.len()), 3);
        out.extend_from_slice(&message);
        self.liveness.on_sent(now, sequence, message);
    }
}

/// max-message-size, but no more than a frame can announce.
fn message_limit(max_message_size: u32) -> usize {
    usize::try_from(max_message_size).unwrap_or(usize::MAX).min(LARGEST_BODY)
}

/// A usize as a count or length field; lossless where Rust has sockets.
pub(crate) fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

pub(crate) fn ack_frame(sequence: u32, received: u32) -> [u8; FRAME_ACK_SIZE] {
    let mut frame = [FRAME_ACK; FRAME_ACK_SIZE];
    frame[1..5].copy_from_slice(&sequence.to_be_bytes());
    frame[5..].copy_from_slice(&received.to_be_bytes());
    frame
}

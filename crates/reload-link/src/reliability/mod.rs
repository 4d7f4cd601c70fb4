//! Simple Reliability (section 6.6.3): one overlay link on datagrams, above DTLS and below the node.
//! One frame a datagram; each message is acknowledged, and sent again until it is. What the receiver
//! does is in `arrivals.rs`, what the sender keeps in `outstanding.rs`, how much it sends in
//! `congestion.rs`, how large in `path_mtu.rs`.
//!
//! A message that was sent again may be handed up twice: it is a new frame (section 6.6.2), and
//! known by its transaction id above. One frame never is.
//!
//! Bounds: as for [`FrameLink`](crate::FrameLink) the waiting messages and the ACKs; without ACK at
//! most 512 messages and 256 KiB. Events are bounded by the records put in.

mod arrivals;
mod congestion;
mod outstanding;
mod path_mtu;
mod sending;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_wire::{Decode, Dialect, FRAME_HEADER_SIZE, ForwardingHeader, FramedMessage};

use crate::error::SendError;
use crate::link::{FrameEvent, LinkOutput, LinkSettings, wide};
use crate::liveness::LinkState;
use crate::queue::SendQueue;
use crate::rtt::RoundTrip;
use crate::stats::{Counters, LinkStats};

use arrivals::{Arrival, Arrivals};
use congestion::Congestion;
use outstanding::Outstanding;
use path_mtu::PathMtu;

/// The most a DTLS record holds (RFC 6347 section 4.1).
const LARGEST_FRAME: usize = 1 << 14;

/// How the sender works (section 6.6.3 leaves it open).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Several messages on their way at once, as many as the path takes (RFC 8085).
    Window,
    /// One at a time, with a pause after each (section 6.6.3.1): for local networks.
    StopAndWait,
}

/// The state of one link; the caller owns the DTLS session and the clock.
#[derive(Debug)]
pub struct ReliableLink {
    dialect: Dialect,
    sender: Sender,
    read_limit: usize,
    queue: SendQueue,
    outstanding: Outstanding,
    arrivals: Arrivals,
    congestion: Congestion,
    path_mtu: PathMtu,
    round_trip: RoundTrip,
    state: LinkState,
    /// Timeouts in a row without an ACK of anything sent later.
    silence: u32,
    /// When the first of these frames was sent, or the last time since then that the peer was heard.
    quiet_since: Option<Instant>,
    last_timeout: Option<Instant>,
    /// When the last data frame came.
    heard: Option<Instant>,
    newest_acknowledged: Option<u64>,
    last_sent: Option<Instant>,
    /// Stop and wait: no new message before.
    pause: Option<Instant>,
    events: VecDeque<FrameEvent>,
    counters: Counters,
}

impl ReliableLink {
    /// A link on which nothing was sent; numbers begin at 0 (E49). `mtu`: bytes of one DTLS record,
    /// frame header included, that every path takes.
    #[must_use]
    pub fn new(settings: LinkSettings, mtu: usize) -> Self {
        let limit = message_limit(settings.max_message_size);
        Self {
            queue: SendQueue::new(&settings, limit),
            dialect: settings.dialect,
            sender: Sender::Window,
            read_limit: limit,
            outstanding: Outstanding::new(),
            arrivals: Arrivals::default(),
            congestion: Congestion::new(mtu),
            path_mtu: PathMtu::new(mtu),
            round_trip: RoundTrip::for_resending(),
            state: LinkState::Alive,
            silence: 0,
            quiet_since: None,
            last_timeout: None,
            heard: None,
            newest_acknowledged: None,
            last_sent: None,
            pause: None,
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// With another sender than [`Sender::Window`].
    #[must_use]
    pub const fn with_sender(mut self, sender: Sender) -> Self {
        self.sender = sender;
        self
    }

    /// With another RTO than [`INITIAL_RTO`](crate::INITIAL_RTO) until a round trip is measured
    /// (section 6.6.3.1: a larger one where the path is known to be long).
    #[must_use]
    pub const fn with_initial_rto(mut self, rto: Duration) -> Self {
        self.round_trip = self.round_trip.starting_at(rto);
        self
    }

    /// Takes the round trip of a STUN transaction from the ICE stage, or of the handshake, as the
    /// first measurement (section 6.6.3.1).
    pub fn measured(&mut self, round_trip: Duration) {
        self.round_trip.measure(round_trip);
    }

    /// As [`FrameLink::set_max_message_size`](crate::FrameLink::set_max_message_size).
    pub fn set_max_message_size(&mut self, size: u32) {
        let limit = message_limit(size);
        self.queue.set_limit(limit);
        self.read_limit = self.read_limit.max(limit);
    }

    /// The bytes of one record that the path is known to take, frame header included.
    #[must_use]
    pub const fn mtu(&self) -> usize {
        self.path_mtu.current()
    }

    /// Takes a message. One whose frame is above [`Self::mtu`] goes out too, in one datagram: a
    /// probe of the path, or a message that cannot be cut (section 6.7 leaves it to IP). It is sent
    /// three times at most, its loss is no sign of anything, its ACK raises the MTU.
    ///
    /// # Errors
    /// [`SendError`]; the message is not queued.
    pub fn send(&mut self, now: Instant, message: Bytes) -> Result<(), SendError> {
        if self.state == LinkState::Dead {
            return Err(SendError::Closed);
        }
        self.rest(now);
        self.queue.push(message)
    }

    /// Takes one record of the DTLS session: exactly one frame. Noise is counted.
    pub fn handle_record(&mut self, now: Instant, record: &[u8]) {
        self.counters.bytes_received += wide(record.len());
        match FramedMessage::decode_exact(&self.dialect, record) {
            _ if self.state == LinkState::Dead => {}
            Ok(FramedMessage::Data { sequence, message }) => {
                self.heard = Some(now);
                self.on_data(sequence, message);
            }
            Ok(FramedMessage::Ack { ack_sequence, received }) => {
                self.on_ack(now, ack_sequence, received);
            }
            Err(_) => self.counters.noise += 1,
        }
    }

    /// The next record for the DTLS session, ACKs first, or the next event for the node.
    pub fn poll(&mut self, now: Instant) -> Option<LinkOutput> {
        if let Some(record) = self.poll_record(now) {
            self.counters.bytes_sent += wide(record.len());
            return Some(LinkOutput::Transmit(record));
        }
        self.events.pop_front().map(LinkOutput::Event)
    }

    /// The messages without an ACK or still queued, oldest first, each handed out once; nothing is
    /// sent any more. For a link whose session has ended.
    pub fn take_unacknowledged(&mut self) -> Vec<Bytes> {
        let messages = self.hand_out();
        self.outstanding.clear();
        messages
    }

    /// What the link has counted.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            state: self.state,
            rtt: self.round_trip.rtt(),
            rto: self.round_trip.rto(),
            counters: Counters {
                acks_dropped: self.arrivals.acks_dropped(),
                messages_refused: self.queue.refused(),
                ..self.counters
            },
            unacknowledged: self.outstanding.len(),
            queued: self.queue.len(),
            mtu: Some(self.mtu()),
            window: Some(self.congestion.window()),
        }
    }

    fn poll_record(&mut self, now: Instant) -> Option<Bytes> {
        if self.state == LinkState::Dead {
            return None;
        }
        match self.arrivals.next_ack() {
            Some(ack) => Some(Bytes::copy_from_slice(&ack)),
            None => self.next_frame(now),
        }
    }

    fn on_data(&mut self, sequence: u32, message: Bytes) {
        self.counters.frames_received += 1;
        if message.len() > self.read_limit {
            match ForwardingHeader::split(&self.dialect, &message) {
                Ok((header, _)) => self.events.push_back(FrameEvent::TooLarge(Box::new(header))),
                Err(_) => self.counters.noise += 1,
            }
            return;
        }
        match self.arrivals.receive(sequence) {
            Arrival::New => self.events.push_back(FrameEvent::Message(message)),
            Arrival::Duplicate | Arrival::Stale => self.counters.duplicates += 1,
        }
    }
}

/// max-message-size, but no more than a record holds.
fn message_limit(max_message_size: u32) -> usize {
    let limit = usize::try_from(max_message_size).unwrap_or(usize::MAX);
    limit.min(LARGEST_FRAME - FRAME_HEADER_SIZE)
}

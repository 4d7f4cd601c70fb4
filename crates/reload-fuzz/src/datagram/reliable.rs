//! Simple Reliability on one link (section 6.6.3), with a good link at the other end and a script that
//! loses, repeats and forges records.
//!
//! Rules: no frame is handed up twice; no message is handed back twice; each frame sent has the next
//! number; queues keep their bounds; deadlines lie ahead; a dead link is quiet.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_link::{
    ACK_QUEUE, FrameEvent, LinkOutput, LinkSettings, LinkState, ReliableLink, SendError, Sender,
};
use reload_wire::{Decode, Dialect, Encode, FramedMessage};

use super::{Way, spoil};
use crate::link::beginning;
use crate::script::Script;

const STEPS: usize = 256;
/// max-message-size, above the MTU: larger messages are probes.
const LIMIT: u32 = 900;
const MTU: usize = 400;
const QUEUE: usize = 24;
/// Frames without ACK, at most (section 6.6.3 leaves it to us).
const OUTSTANDING: usize = 512;

/// Plays a script into a link.
pub fn reliable_link(data: &[u8]) {
    let mut script = Script(data);
    let mut play = Play::new(script.or_zero());
    for _ in 0..STEPS {
        let Some(step) = script.byte() else { break };
        play.step(step, &mut script);
    }
    play.rest();
}

struct Play {
    now: Instant,
    near: ReliableLink,
    far: ReliableLink,
    to_near: Way<Bytes>,
    to_far: Way<Bytes>,
    /// The newest number heard, and its place in an order without wrap.
    newest: Option<(u32, i64)>,
    heard: BTreeSet<i64>,
    /// Messages are numbered: those sent, and those handed back.
    number: u32,
    handed_back: BTreeSet<u32>,
    sequence: u32,
    dead: bool,
}

fn link(choice: u8) -> ReliableLink {
    let mut settings = LinkSettings::new(Dialect::default(), LIMIT);
    (settings.queue_messages, settings.queue_bytes) = (QUEUE, 16 << 10);
    let sender = if choice & 1 == 0 { Sender::Window } else { Sender::StopAndWait };
    ReliableLink::new(settings, MTU).with_sender(sender)
}

impl Play {
    fn new(choice: u8) -> Self {
        Self {
            now: beginning(),
            near: link(choice),
            far: link(choice >> 1),
            to_near: Way::default(),
            to_far: Way::default(),
            newest: None,
            heard: BTreeSet::new(),
            number: 0,
            handed_back: BTreeSet::new(),
            sequence: 0,
            dead: false,
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 14 {
            0 => self.hear(script.bytes()),
            1 => {
                let (sequence, length) = (script.uint32(), usize::from(script.uint16() % 1000));
                let message = Bytes::from(vec![7; length]);
                self.hear_frame(&FramedMessage::Data { sequence, message });
            }
            2 => {
                let base = self.newest.map_or(0, |(newest, _)| newest);
                let sequence = base.wrapping_add(u32::from(script.uint16())).wrapping_sub(0x7fff);
                let message = Bytes::from_static(b"near the newest");
                self.hear_frame(&FramedMessage::Data { sequence, message });
            }
            3 => {
                let ack_sequence = self.sequence.wrapping_sub(u32::from(script.or_zero()));
                self.hear_frame(&FramedMessage::Ack { ack_sequence, received: script.uint32() });
            }
            4 => self.to_near.next().iter().for_each(|it| self.hear(it)),
            5 => {
                let again = self.to_near.again(script.or_zero());
                again.iter().for_each(|it| self.hear(&spoil(it, script)));
            }
            6 => drop(self.to_near.next()),
            7 => drop(self.to_far.next()),
            8 => self.wait_for_deadline(),
            9 => self.wait(Duration::from_millis(u64::from(script.uint16()))),
            10 => (0..script.or_zero() % 32).for_each(|_| self.send(script)),
            11 => {
                let message = Bytes::from(vec![8; usize::from(script.uint16() % 900)]);
                let _ = self.far.send(self.now, message);
                self.drain(None);
            }
            12 => self.odd(script),
            _ => (0..4).for_each(|_| self.exchange()),
        }
    }

    /// What is rare in the life of a link.
    fn odd(&mut self, script: &mut Script<'_>) {
        match script.or_zero() % 4 {
            0 => self.near.measured(Duration::from_millis(u64::from(script.uint16()))),
            1 => self.near.set_max_message_size(u32::from(script.uint16() % 1200)),
            2 if script.or_zero() == 77 => {
                let back = self.near.take_unacknowledged();
                self.take_back(&back);
            }
            _ => self.near.handle_timeout(self.now),
        }
        self.drain(None);
    }

    fn send(&mut self, script: &mut Script<'_>) {
        self.number += 1;
        let mut message = self.number.to_be_bytes().to_vec();
        message.resize(4 + usize::from(script.uint16() % 1000), 9);
        let sent = self.near.send(self.now, Bytes::from(message));
        assert_eq!(sent == Err(SendError::Closed), self.dead, "{sent:?}");
        self.drain(None);
    }

    fn hear_frame(&mut self, frame: &FramedMessage) {
        let record = frame.to_bytes().expect("a small frame");
        self.hear(&record);
    }

    fn hear(&mut self, record: &[u8]) {
        let frame = FramedMessage::decode_exact(&Dialect::default(), record).ok();
        self.near.handle_record(self.now, record);
        self.drain(frame);
    }

    /// Where a number lies in an order without wrap.
    fn place(&mut self, sequence: u32) -> i64 {
        let (newest, place) = *self.newest.get_or_insert((sequence, 0));
        let ahead = sequence.wrapping_sub(newest);
        if ahead <= u32::MAX / 2 {
            let place = place + i64::from(ahead);
            self.newest = Some((sequence, place));
            place
        } else {
            place - i64::from(newest.wrapping_sub(sequence))
        }
    }

    /// Takes what both links say; the near one after this frame.
    fn drain(&mut self, mut frame: Option<FramedMessage>) {
        let mut count = 0;
        while let Some(output) = self.near.poll(self.now) {
            count += 1;
            assert!(count <= ACK_QUEUE + OUTSTANDING + 16, "no rest");
            match output {
                LinkOutput::Transmit(record) => self.on_record(record),
                LinkOutput::Event(event) => self.on_event(event, &mut frame),
            }
        }
        if let Some(FramedMessage::Data { sequence, message }) = frame
            && message.len() <= usize::try_from(LIMIT).unwrap_or(0)
            && !self.dead
        {
            self.place(sequence); // not handed up, but the newest number now
        }
        for _ in 0..ACK_QUEUE + OUTSTANDING {
            match self.far.poll(self.now) {
                Some(LinkOutput::Transmit(record)) => self.to_near.push(record),
                Some(LinkOutput::Event(_)) => {}
                None => break,
            }
        }
        let stats = self.near.stats();
        assert!(stats.unacknowledged <= OUTSTANDING && stats.queued <= QUEUE, "{stats:?}");
    }

    fn on_record(&mut self, record: Bytes) {
        assert!(!self.dead, "a dead link sends");
        let frame = FramedMessage::decode_exact(&Dialect::default(), &record);
        match frame.expect("what we send can be read") {
            FramedMessage::Data { sequence, .. } => {
                assert_eq!(sequence, self.sequence, "each frame has the next number");
                self.sequence = self.sequence.wrapping_add(1);
            }
            FramedMessage::Ack { .. } => {}
        }
        self.to_far.push(record);
    }

    fn on_event(&mut self, event: FrameEvent, frame: &mut Option<FramedMessage>) {
        assert!(!self.dead, "after its death: {event:?}");
        match event {
            FrameEvent::Message(handed) => match frame.take() {
                Some(FramedMessage::Data { sequence, message }) => {
                    assert_eq!(handed, message);
                    let place = self.place(sequence);
                    assert!(self.heard.insert(place), "handed up twice: {sequence}");
                }
                other => panic!("handed up with no frame: {other:?}"),
            },
            FrameEvent::TooLarge(_) => *frame = None,
            FrameEvent::Failing { unacknowledged } => self.take_back(&unacknowledged),
            FrameEvent::Dead { unacknowledged } => {
                self.take_back(&unacknowledged);
                self.dead = true;
                assert_eq!(self.near.stats().state, LinkState::Dead);
                assert_eq!(self.near.next_timeout(), None);
            }
            FrameEvent::Restored => {}
            FrameEvent::Mtu(mtu) => assert!(mtu >= MTU, "below what every path takes: {mtu}"),
        }
    }

    fn take_back(&mut self, messages: &[Bytes]) {
        for message in messages {
            let number = message.first_chunk().map(|it| u32::from_be_bytes(*it));
            let number = number.filter(|number| (1..=self.number).contains(number));
            let number = number.expect("it was never sent");
            assert!(self.handed_back.insert(number), "handed back twice: {number}");
        }
    }

    fn exchange(&mut self) {
        for _ in 0..self.to_far.queue.len() {
            let Some(record) = self.to_far.next() else { break };
            self.far.handle_record(self.now, &record);
        }
        self.drain(None);
        for _ in 0..self.to_near.queue.len() {
            let Some(record) = self.to_near.next() else { break };
            self.hear(&record);
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now += span;
        if self.near.next_timeout().is_some_and(|at| at <= self.now) {
            self.near.handle_timeout(self.now);
            self.drain(None);
            let next = self.near.next_timeout();
            assert!(next.is_none_or(|next| next > self.now), "woken for nothing");
        }
        self.far.handle_timeout(self.now);
        self.drain(None);
    }

    fn wait_for_deadline(&mut self) {
        if let Some(next) = self.near.next_timeout() {
            self.wait(next.saturating_duration_since(self.now));
        }
    }

    /// Alone, the link comes to an end of its resends.
    fn rest(&mut self) {
        for _ in 0..OUTSTANDING * 8 {
            if self.near.next_timeout().is_none() {
                return;
            }
            self.wait_for_deadline();
        }
        panic!("it resends for ever: {:?}", self.near.stats());
    }
}

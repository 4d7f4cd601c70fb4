//! Two reliable links, and a path between them that loses, delays and repeats, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_link::{FrameEvent, LinkOutput, LinkSettings, ReliableLink};
use reload_wire::{Decode, Dialect, FramedMessage};

pub(crate) const MS: Duration = Duration::from_millis(1);
/// The size of frame that every path of these tests takes.
pub(crate) const BASE: usize = 1100;

/// What the path does with a datagram: the delays of the copies that arrive.
pub(crate) type Fate = Vec<Duration>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A record that went out.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Duration,
    pub(crate) frame: FramedMessage,
    pub(crate) size: usize,
}

impl Sent {
    pub(crate) fn sequence(&self) -> Option<u32> {
        match self.frame {
            FramedMessage::Data { sequence, .. } => Some(sequence),
            FramedMessage::Ack { .. } => None,
        }
    }
}

pub(crate) struct Path<F> {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) left: ReliableLink,
    pub(crate) right: ReliableLink,
    fate: F,
    on_the_way: BTreeMap<(Instant, u64), (Side, Bytes)>,
    number: u64,
    pub(crate) left_sent: Vec<Sent>,
    pub(crate) right_sent: Vec<Sent>,
    pub(crate) left_events: VecDeque<(Duration, FrameEvent)>,
    pub(crate) right_events: VecDeque<(Duration, FrameEvent)>,
}

pub(crate) fn link() -> ReliableLink {
    ReliableLink::new(LinkSettings::new(Dialect::default(), 5000), BASE)
}

impl<F: FnMut(Side, &Sent) -> Fate> Path<F> {
    pub(crate) fn new(fate: F) -> Self {
        Self::between(link(), link(), fate)
    }

    pub(crate) fn between(left: ReliableLink, right: ReliableLink, fate: F) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            left,
            right,
            fate,
            on_the_way: BTreeMap::new(),
            number: 0,
            left_sent: Vec::new(),
            right_sent: Vec::new(),
            left_events: VecDeque::new(),
            right_events: VecDeque::new(),
        }
    }

    pub(crate) fn send(&mut self, message: impl Into<Bytes>) {
        self.left.send(self.now, message.into()).expect("it is taken");
        self.flush();
    }

    /// Lets everything happen until that time has passed, or until nothing is left to happen.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.flush();
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            while let Some(((at, number), _)) = self.on_the_way.first_key_value()
                && *at <= self.now
            {
                let key = (*at, *number);
                let (to, record) = self.on_the_way.remove(&key).expect("it is the first");
                match to {
                    Side::Left => self.left.handle_record(self.now, &record),
                    Side::Right => self.right.handle_record(self.now, &record),
                }
            }
            for link in [&mut self.left, &mut self.right] {
                if link.next_timeout().is_some_and(|at| at <= self.now) {
                    link.handle_timeout(self.now);
                    while_polled_deadlines_advance(link, self.now);
                }
            }
            self.flush();
        }
        self.now = self.now.max(end);
    }

    /// The messages that the right handed up, in order of arrival.
    pub(crate) fn delivered(&self) -> Vec<Bytes> {
        let messages = self.right_events.iter().filter_map(|(_, event)| match event {
            FrameEvent::Message(message) => Some(message.clone()),
            _ => None,
        });
        messages.collect()
    }

    pub(crate) fn data_sent(&self) -> Vec<&Sent> {
        self.left_sent.iter().filter(|sent| sent.sequence().is_some()).collect()
    }

    fn next_event(&self) -> Option<Instant> {
        let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        [arrival, self.left.next_timeout(), self.right.next_timeout()].into_iter().flatten().min()
    }

    fn flush(&mut self) {
        for side in [Side::Left, Side::Right] {
            loop {
                let output = match side {
                    Side::Left => self.left.poll(self.now),
                    Side::Right => self.right.poll(self.now),
                };
                match output {
                    Some(LinkOutput::Transmit(record)) => self.transmit(side, &record),
                    Some(LinkOutput::Event(event)) => {
                        let at = self.now - self.start;
                        match side {
                            Side::Left => self.left_events.push_back((at, event)),
                            Side::Right => self.right_events.push_back((at, event)),
                        }
                    }
                    None => break,
                }
            }
        }
    }

    fn transmit(&mut self, from: Side, record: &Bytes) {
        let frame = FramedMessage::decode_exact(&Dialect::default(), record).expect("one frame");
        let sent = Sent { at: self.now - self.start, frame, size: record.len() };
        for delay in (self.fate)(from, &sent) {
            self.number += 1;
            let to = if from == Side::Left { Side::Right } else { Side::Left };
            self.on_the_way.insert((self.now + delay, self.number), (to, record.clone()));
        }
        match from {
            Side::Left => self.left_sent.push(sent),
            Side::Right => self.right_sent.push(sent),
        }
    }
}

/// A timeout that was handled does not come again at once, or the loop of the driver spins.
fn while_polled_deadlines_advance(link: &ReliableLink, now: Instant) {
    assert!(link.next_timeout().is_none_or(|next| next > now), "deadlines advance");
}

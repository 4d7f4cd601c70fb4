//! The messages that wait for their ACK, and the frames they went out in (section 6.6.3.1). Each time
//! a message goes out it is a new frame with a new number; an ACK of any of them settles it.
//!
//! Frames are counted in 64 bits here, the lower half is what stands on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// How often a message goes out at most (section 6.6.3.1).
pub(crate) const TRIES: u32 = 5;
/// How often one goes out that is larger than the path is known to take.
pub(crate) const LARGE_TRIES: u32 = 3;
/// Where frames overtake each other a lot, they are waited for so much longer at most.
const MOST_PATIENCE: u32 = 8;
/// After so many frames a little less long.
const CALM: u64 = 256;
/// Frames of settled messages that are remembered, to see whether their ACKs were only late.
const REMEMBERED: usize = 64;
/// Messages that may wait for an ACK. Ours: a bound for small ones, the window is in bytes.
const MOST: usize = 512;

/// Names a message on its way.
pub(crate) type MessageNumber = u64;

/// A message that has no ACK.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) message: Bytes,
    /// Larger than the path is known to take: not a sign of anything if it is lost.
    pub(crate) large: bool,
    pub(crate) tries: u32,
    frames: Vec<u64>,
    flying: Option<Flying>,
    handed_out: bool,
}

#[derive(Clone, Copy, Debug)]
struct Flying {
    frame: u64,
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    message: MessageNumber,
    at: Instant,
    size: usize,
    /// A later ACK had its bit set: it arrived, its own ACK did not. For statistics only (E48).
    reported: bool,
}

/// A frame that is given up: the message waits to go out again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) message: MessageNumber,
    pub(crate) frame: u64,
    pub(crate) at: Instant,
    pub(crate) size: usize,
    pub(crate) large: bool,
    pub(crate) reported: bool,
}

/// A message that is settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) frame: u64,
    pub(crate) at: Instant,
    pub(crate) size: usize,
    /// The size that was counted as on its way, if it was.
    pub(crate) flying: Option<usize>,
}

/// Messages and frames without an ACK.
#[derive(Debug)]
pub(crate) struct Outstanding {
    messages: BTreeMap<MessageNumber, Pending>,
    frames: BTreeMap<u64, Sent>,
    next_message: MessageNumber,
    next_frame: u64,
    /// Grows with each frame that was held for lost and was only late.
    patience: u32,
    /// Held for lost, and their messages are settled.
    superseded: VecDeque<u64>,
}

impl Outstanding {
    pub(crate) const fn new() -> Self {
        Self {
            messages: BTreeMap::new(),
            frames: BTreeMap::new(),
            next_message: 0,
            next_frame: 0, // E49
            patience: 1,
            superseded: VecDeque::new(),
        }
    }

    /// Takes a message; it waits until [`Self::transmit`].
    pub(crate) fn add(&mut self, message: Bytes, large: bool) -> MessageNumber {
        let number = self.next_message;
        self.next_message += 1;
        let pending = Pending {
            message,
            large,
            tries: 0,
            frames: Vec::new(),
            flying: None,
            handed_out: false,
        };
        self.messages.insert(number, pending);
        number
    }

    /// The message goes out now, in a frame of `size` bytes; returns its number on the wire.
    pub(crate) fn transmit(
        &mut self,
        number: MessageNumber,
        now: Instant,
        wait: Duration,
        size: usize,
    ) -> u32 {
        let frame = self.next_frame;
        self.next_frame += 1;
        if let Some(pending) = self.messages.get_mut(&number) {
            pending.tries += 1;
            pending.frames.push(frame);
            pending.flying = Some(Flying { frame, due: now + wait });
        }
        self.frames.insert(frame, Sent { message: number, at: now, size, reported: false });
        on_wire(frame)
    }

    /// An ACK of `sequence`; its message is settled. `None` for numbers never sent or settled before.
    pub(crate) fn settle(&mut self, sequence: u32) -> Option<Settled> {
        let frame = self.frame_of(sequence)?;
        let Some(sent) = self.frames.get(&frame).copied() else {
            if self.superseded.contains(&frame) {
                self.on_late();
            }
            return None;
        };
        let pending = self.remove(sent.message)?;
        if pending.flying.is_none_or(|flying| flying.frame != frame) {
            self.on_late();
        } else if frame % CALM == 0 {
            self.patience = (self.patience / 2).max(1);
        }
        self.superseded.extend(pending.frames.iter().filter(|other| **other != frame));
        let surplus = self.superseded.len().saturating_sub(REMEMBERED);
        self.superseded.drain(..surplus);
        let flying = pending.flying.is_some().then_some(sent.size);
        Some(Settled { frame, at: sent.at, size: sent.size, flying })
    }

    /// A frame was held for lost, and was only late.
    fn on_late(&mut self) {
        self.patience = (self.patience * 2).min(MOST_PATIENCE);
    }

    /// Notes which frames the mask of an ACK reports (section 6.6.2); it settles nothing (E48).
    pub(crate) fn note_mask(&mut self, sequence: u32, mask: u32) {
        let Some(frame) = self.frame_of(sequence) else {
            return;
        };
        for distance in 1..32_u32 {
            let earlier = frame.checked_sub(u64::from(distance));
            if mask & (1 << distance) != 0
                && let Some(sent) = earlier.and_then(|earlier| self.frames.get_mut(&earlier))
            {
                sent.reported = true;
            }
        }
    }

    /// A frame was acknowledged: those that were sent before it are lost if they are not within the
    /// `usual` time, or a multiple of it where frames overtake each other (in the manner of RFC 8985).
    pub(crate) fn hasten_before(&mut self, frame: u64, usual: Duration) {
        let patience = usual * self.patience;
        for pending in self.messages.values_mut() {
            if let Some(flying) = &mut pending.flying
                && flying.frame < frame
                && let Some(sent) = self.frames.get(&flying.frame)
            {
                flying.due = flying.due.min(sent.at + patience);
            }
        }
    }

    /// The frames whose time is over.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Lost> {
        let mut lost = Vec::new();
        for (number, pending) in &mut self.messages {
            let Some(flying) = pending.flying.take_if(|flying| flying.due <= now) else {
                continue;
            };
            if let Some(sent) = self.frames.get(&flying.frame) {
                lost.push(Lost {
                    message: *number,
                    frame: flying.frame,
                    at: sent.at,
                    size: sent.size,
                    large: pending.large,
                    reported: sent.reported,
                });
            }
        }
        lost
    }

    /// When the first frame is overdue.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.messages.values().filter_map(|pending| Some(pending.flying?.due)).min()
    }

    /// The message to go out again: the one that had the fewest tries, so that one which cannot pass
    /// does not keep the others waiting; those for which `last` holds only when there is no other.
    pub(crate) fn waiting(
        &self,
        last: impl Fn(&Pending) -> bool,
    ) -> Option<(MessageNumber, &Pending)> {
        let waiting = self.messages.iter().filter(|(_, pending)| pending.flying.is_none());
        waiting
            .min_by_key(|(_, pending)| (last(pending), pending.tries))
            .map(|(number, pending)| (*number, pending))
    }

    pub(crate) fn get(&self, number: MessageNumber) -> Option<&Pending> {
        self.messages.get(&number)
    }

    /// Takes a message out, and its frames with it.
    pub(crate) fn remove(&mut self, number: MessageNumber) -> Option<Pending> {
        let pending = self.messages.remove(&number)?;
        for frame in &pending.frames {
            self.frames.remove(frame);
        }
        Some(pending)
    }

    /// The path takes less now: what is larger is on its own.
    pub(crate) fn mark_large(&mut self, is_large: impl Fn(&Bytes) -> bool) {
        for pending in self.messages.values_mut() {
            pending.large |= is_large(&pending.message);
        }
    }

    /// The messages, oldest first, each handed out once. They stay, as a late ACK is still life.
    pub(crate) fn hand_out(&mut self) -> Vec<Bytes> {
        let fresh = self.messages.values_mut().filter(|pending| !pending.handed_out);
        fresh
            .map(|pending| {
                pending.handed_out = true;
                pending.message.clone()
            })
            .collect()
    }

    /// Drops what was handed out and waits to go out again: it went another way.
    pub(crate) fn drop_handed_out(&mut self) {
        let gone: Vec<_> = (self.messages.iter())
            .filter(|(_, pending)| pending.handed_out && pending.flying.is_none())
            .map(|(number, _)| *number)
            .collect();
        for number in gone {
            self.remove(number);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.messages.clear();
        self.frames.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.messages.len() >= MOST
    }

    pub(crate) const fn next_frame(&self) -> u64 {
        self.next_frame
    }

    /// The newest frame with this number on the wire.
    fn frame_of(&self, sequence: u32) -> Option<u64> {
        let newest = self.next_frame.checked_sub(1)?;
        newest.checked_sub(u64::from(on_wire(newest).wrapping_sub(sequence)))
    }
}

/// The lower half of a frame's number: it wraps at 2^32 (E49).
fn on_wire(frame: u64) -> u32 {
    u32::try_from(frame & u64::from(u32::MAX)).expect("32 bits are left")
}

//! The receiver's side of Simple Reliability (section 6.6.3): an ACK for each data frame, and which
//! frames came before. It knows frames only: a message that was sent again is another frame, and is
//! recognised above by its transaction id.

use std::collections::VecDeque;

use reload_wire::FRAME_ACK_SIZE;

use crate::link::{ACK_QUEUE, ack_frame};
use crate::receipts::Receipts;

/// How far behind the newest frame a late one may be. Ours: more than a sender has on its way.
const HISTORY: u32 = 1024;
const WORDS: usize = 16; // HISTORY / 64

/// What to do with a data frame; all but `Stale` are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    Duplicate,
    /// Too old to tell. Without an ACK the sender sends the message again, in a new frame.
    Stale,
}

/// Which frames arrived, and the ACKs that wait to go out.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    receipts: Receipts,
    /// The newest number, and a bit for each of those before it.
    newest: Option<u32>,
    seen: [u64; WORDS],
    acks: VecDeque<[u8; FRAME_ACK_SIZE]>,
    acks_dropped: u64,
}

impl Arrivals {
    /// Takes note of a frame; its ACK is ready before the message is handed up (section 6.6.2).
    pub(crate) fn receive(&mut self, sequence: u32) -> Arrival {
        let arrival = self.place(sequence);
        if arrival != Arrival::Stale {
            let mask = self.receipts.receive(sequence);
            if self.acks.len() >= ACK_QUEUE {
                self.acks.pop_front();
                self.acks_dropped += 1;
            }
            self.acks.push_back(ack_frame(sequence, mask));
        }
        arrival
    }

    pub(crate) fn next_ack(&mut self) -> Option<[u8; FRAME_ACK_SIZE]> {
        self.acks.pop_front()
    }

    pub(crate) const fn acks_dropped(&self) -> u64 {
        self.acks_dropped
    }

    /// Any number may be the first; numbers wrap at 2^32 (E49).
    fn place(&mut self, sequence: u32) -> Arrival {
        let newest = *self.newest.get_or_insert(sequence.wrapping_sub(1));
        let ahead = sequence.wrapping_sub(newest);
        let behind = newest.wrapping_sub(sequence);
        if ahead != 0 && ahead <= u32::MAX / 2 {
            self.forget(newest, ahead);
            self.newest = Some(sequence);
        } else if behind >= HISTORY {
            return Arrival::Stale;
        }
        let (word, bit) = slot(sequence);
        let before = self.seen[word];
        self.seen[word] |= bit;
        if before & bit == 0 { Arrival::New } else { Arrival::Duplicate }
    }

    /// The numbers that come into the history have not been seen.
    fn forget(&mut self, newest: u32, ahead: u32) {
        if ahead >= HISTORY {
            self.seen = [0; WORDS];
            return;
        }
        for step in 1..=ahead {
            let (word, bit) = slot(newest.wrapping_add(step));
            self.seen[word] &= !bit;
        }
    }
}

/// Where a number has its bit; 2^32 is a multiple of [`HISTORY`], so the wrap changes nothing.
fn slot(sequence: u32) -> (usize, u64) {
    let place = sequence % HISTORY;
    (usize::try_from(place / 64).unwrap_or(0), 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-6.6.2-06
    #[test]
    fn each_frame_gets_an_ack_a_repeated_one_too() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.receive(7), Arrival::New);
        assert_eq!(arrivals.receive(7), Arrival::Duplicate);
        assert!(arrivals.next_ack().is_some() && arrivals.next_ack().is_some());
        assert_eq!(arrivals.next_ack(), None);
    }

    #[test]
    fn any_first_number_and_the_wrap_are_taken() {
        for first in [0, 1, 5000, u32::MAX - 2] {
            let mut arrivals = Arrivals::default();
            for step in [0, 2, 1, 5, 4, 3] {
                assert_eq!(arrivals.receive(first.wrapping_add(step)), Arrival::New, "{first}");
            }
            assert_eq!(arrivals.receive(first.wrapping_add(1)), Arrival::Duplicate, "{first}");
        }
    }

    #[test]
    fn what_came_before_the_first_number_is_new_too() {
        let mut arrivals = Arrivals::default();
        arrivals.receive(2);
        assert_eq!(arrivals.receive(0), Arrival::New);
        assert_eq!(arrivals.receive(1), Arrival::New);
        assert_eq!(arrivals.receive(0), Arrival::Duplicate);
    }

    #[test]
    fn a_frame_too_old_to_tell_gets_no_ack() {
        let mut arrivals = Arrivals::default();
        arrivals.receive(0);
        arrivals.receive(HISTORY);
        while arrivals.next_ack().is_some() {}
        assert_eq!(arrivals.receive(0), Arrival::Stale);
        assert_eq!(arrivals.next_ack(), None);
        assert_eq!(arrivals.receive(1), Arrival::New);
    }

    #[test]
    fn a_leap_forgets_the_bits_of_before() {
        let mut arrivals = Arrivals::default();
        arrivals.receive(3);
        arrivals.receive(3 + 700);
        assert_eq!(arrivals.receive(3 + HISTORY), Arrival::New, "it shares its bit with 3");
        arrivals.receive(1_000_000);
        assert_eq!(arrivals.receive(1_000_000 - 5), Arrival::New);
    }
}

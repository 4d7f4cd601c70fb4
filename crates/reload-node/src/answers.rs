//! Answers remembered for the maximum request lifetime, so that a repeated request gets an equal
//! answer and is not done twice (section 6.2.1).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_wire::{NodeId, TransactionId};

use crate::transactions::TRANSMISSIONS;

/// The maximum request lifetime: overlay-reliability-timer for each transmission (section 3).
pub(crate) fn request_lifetime(reliability_timer: Duration) -> Duration {
    reliability_timer * u32::from(TRANSMISSIONS)
}

/// The signer of a request and its transaction id.
pub(crate) type AnswerKey = (NodeId, TransactionId);

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum Remembered {
    /// It is being worked on: the answer goes out when it is there.
    Pending,
    /// It was answered with these bytes (contents and security block).
    Answered(Bytes),
}

/// The memory; bounded, the oldest goes first.
#[derive(Debug)]
pub(crate) struct Answers {
    known: BTreeMap<AnswerKey, Remembered>,
    order: VecDeque<(Instant, AnswerKey)>,
    bound: usize,
}

impl Answers {
    pub(crate) fn new(bound: usize) -> Self {
        Self { known: BTreeMap::new(), order: VecDeque::new(), bound }
    }

    pub(crate) fn get(&self, key: &AnswerKey) -> Option<&Remembered> {
        self.known.get(key)
    }

    /// Notes that a request is being worked on; it is remembered until then.
    pub(crate) fn begin(&mut self, until: Instant, key: AnswerKey) {
        if self.order.len() >= self.bound
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(key, Remembered::Pending);
        self.order.push_back((until, key));
    }

    /// Notes the answer to a request that is remembered.
    pub(crate) fn answer(&mut self, key: &AnswerKey, sealed: &Bytes) {
        if let Some(entry) = self.known.get_mut(key) {
            *entry = Remembered::Answered(sealed.clone());
        }
    }

    /// Forgets what is old; returns when to come again.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Instant> {
        while let Some((until, key)) = self.order.front().copied() {
            if until > now {
                return Some(until);
            }
            self.order.pop_front();
            self.known.remove(&key);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> AnswerKey {
        (NodeId::new(&[byte; 16]).expect("16 bytes"), TransactionId(7))
    }

    // R6940-3-02
    #[test]
    fn a_request_lives_for_five_reliability_timers() {
        assert_eq!(request_lifetime(Duration::from_millis(3000)), Duration::from_secs(15));
        assert_eq!(request_lifetime(Duration::from_millis(200)), Duration::from_secs(1));
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn an_answer_lives_for_the_request_lifetime_and_the_oldest_makes_room() {
        let start = Instant::now();
        let until = start + request_lifetime(Duration::from_secs(3));
        let mut answers = Answers::new(2);
        answers.begin(until, key(1));
        answers.begin(until, key(2));
        answers.answer(&key(1), &Bytes::from_static(b"yes"));
        assert!(matches!(answers.get(&key(1)), Some(Remembered::Answered(_))));
        answers.begin(until, key(3));
        assert!(answers.get(&key(1)).is_none());
        assert_eq!(answers.expire(start + Duration::from_secs(14)), Some(until));
        assert_eq!(answers.expire(start + Duration::from_secs(15)), None);
        assert!(answers.get(&key(2)).is_none());
    }
}

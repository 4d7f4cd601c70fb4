//! Answers remembered for the maximum request lifetime, so that a repeated request gets an equal
//! answer and is not done twice (section 6.2.1).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_wire::{
    Decode, Dialect, Encode, FetchAns, MessageCode, MessageContents, NodeId, StatAns, TransactionId,
};

use crate::transactions::TRANSMISSIONS;

/// The maximum request lifetime: overlay-reliability-timer for each transmission (section 3).
pub(crate) fn request_lifetime(reliability_timer: Duration) -> Duration {
    reliability_timer * u32::from(TRANSMISSIONS)
}

/// What an answer says, but for the lifetimes of its values: these run down meanwhile.
pub(crate) fn without_time(dialect: &Dialect, sealed: &[u8]) -> Option<MessageContents> {
    let (_, mut contents) = MessageContents::decode(dialect, sealed).ok()?;
    match contents.code {
        MessageCode::FETCH_ANSWER => {
            let mut answer = FetchAns::decode_exact(dialect, &contents.body).ok()?;
            let values = answer.kind_responses.iter_mut().flat_map(|kind| &mut kind.values);
            values.for_each(|value| value.lifetime = 0);
            contents.body = answer.to_bytes().ok()?;
        }
        MessageCode::STAT_ANSWER => {
            let mut answer = StatAns::decode_exact(dialect, &contents.body).ok()?;
            let values = answer.kind_responses.iter_mut().flat_map(|kind| &mut kind.values);
            values.for_each(|value| value.lifetime = 0);
            contents.body = answer.to_bytes().ok()?;
        }
        _ => {}
    }
    Some(contents)
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

    /// The bytes for an answer to a request that may have come before: those of the first answer if
    /// the new one says the same. Signatures and lifetimes differ, and fragments of two answers
    /// to one request meet at the node that asked (section 6.7).
    pub(crate) fn alike(
        &mut self,
        (now, until): (Instant, Instant),
        key: AnswerKey,
        sealed: Bytes,
        same: impl Fn(&Bytes, &Bytes) -> bool,
    ) -> Bytes {
        self.expire(now);
        match self.known.get(&key) {
            Some(Remembered::Answered(before)) if same(before, &sealed) => before.clone(),
            Some(_) => {
                self.answer(&key, &sealed);
                sealed
            }
            None => {
                self.begin(until, key);
                self.answer(&key, &sealed);
                sealed
            }
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

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn answers_that_say_the_same_have_the_same_bytes_for_the_request_lifetime() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let same = |before: &Bytes, sealed: &Bytes| before[0] == sealed[0];
        let mut answers = Answers::new(8);
        let mut give = |seconds, key, sealed: &'static [u8]| {
            let times = (at(seconds), at(seconds + 15));
            answers.alike(times, key, Bytes::from_static(sealed), same)
        };
        assert_eq!(give(0, key(1), b"a1"), "a1");
        assert_eq!(give(1, key(1), b"a2"), "a1", "another signature");
        assert_eq!(give(1, key(2), b"a3"), "a3", "another request");
        assert_eq!(give(2, key(1), b"b4"), "b4", "something changed");
        assert_eq!(give(3, key(1), b"b5"), "b4");
        assert_eq!(give(15, key(1), b"b6"), "b6", "it was forgotten");
    }
}

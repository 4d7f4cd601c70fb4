//! The messages that wait for the writer of a link, whichever it is (section 6.6): bounded, a new
//! message is refused when there is no room, what is queued stays in order.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::error::SendError;
use crate::link::LinkSettings;

/// Messages in order, and how many of them and of their bytes there may be.
#[derive(Debug)]
pub(crate) struct SendQueue {
    limit: usize,
    most_messages: usize,
    most_bytes: usize,
    messages: VecDeque<Bytes>,
    bytes: usize,
    refused: u64,
}

impl SendQueue {
    /// An empty one that takes messages of `limit` bytes at most.
    pub(crate) const fn new(settings: &LinkSettings, limit: usize) -> Self {
        Self {
            limit,
            most_messages: settings.queue_messages,
            most_bytes: settings.queue_bytes,
            messages: VecDeque::new(),
            bytes: 0,
            refused: 0,
        }
    }

    /// Another limit for the messages that come from now on.
    pub(crate) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// One message always has room, however many bytes it has.
    pub(crate) fn push(&mut self, message: Bytes) -> Result<(), SendError> {
        if message.len() > self.limit {
            return Err(SendError::TooLarge { size: message.len(), limit: self.limit });
        }
        let full = self.messages.len() >= self.most_messages
            || self.bytes + message.len() > self.most_bytes;
        if full && !self.messages.is_empty() {
            self.refused += 1;
            return Err(SendError::QueueFull);
        }
        self.bytes += message.len();
        self.messages.push_back(message);
        Ok(())
    }

    /// Takes out the message at this place.
    pub(crate) fn remove(&mut self, at: usize) -> Option<Bytes> {
        let message = self.messages.remove(at)?;
        self.bytes -= message.len();
        Some(message)
    }

    /// Takes out all, oldest first.
    pub(crate) fn take(&mut self) -> VecDeque<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.messages)
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Bytes> {
        self.messages.get(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.messages.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages had no room.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use reload_wire::Dialect;

    use super::*;

    fn queue(messages: usize, bytes: usize) -> SendQueue {
        let mut settings = LinkSettings::new(Dialect::default(), 100);
        (settings.queue_messages, settings.queue_bytes) = (messages, bytes);
        SendQueue::new(&settings, 100)
    }

    fn message(size: usize) -> Bytes {
        Bytes::from(vec![0; size])
    }

    #[test]
    fn what_has_no_room_is_refused_and_counted_and_what_was_there_stays() {
        let mut queue = queue(3, 100);
        assert_eq!(queue.push(message(60)), Ok(()));
        assert_eq!(queue.push(message(41)), Err(SendError::QueueFull), "bytes");
        assert_eq!(queue.push(message(1)), Ok(()));
        assert_eq!(queue.push(message(1)), Ok(()));
        assert_eq!(queue.push(message(1)), Err(SendError::QueueFull), "messages");
        assert_eq!((queue.len(), queue.refused()), (3, 2));
        assert_eq!(queue.take(), [message(60), message(1), message(1)]);
    }

    #[test]
    fn a_message_that_was_taken_out_makes_room() {
        let mut queue = queue(9, 100);
        for size in [50, 30, 20] {
            assert_eq!(queue.push(message(size)), Ok(()));
        }
        assert_eq!(queue.remove(1), Some(message(30)));
        assert_eq!(queue.push(message(31)), Err(SendError::QueueFull));
        assert_eq!(queue.push(message(30)), Ok(()));
        assert_eq!(queue.remove(9), None);
        queue.take();
        assert_eq!(queue.push(message(100)), Ok(()), "all its bytes are free");
    }

    #[test]
    fn one_message_always_has_room_but_none_above_the_limit() {
        let mut queue = queue(0, 10);
        let too_large = SendError::TooLarge { size: 101, limit: 100 };
        assert_eq!(queue.push(message(101)), Err(too_large));
        assert_eq!(queue.push(message(100)), Ok(()));
        queue.set_limit(50);
        assert!(matches!(queue.push(message(51)), Err(SendError::TooLarge { limit: 50, .. })));
        assert_eq!(queue.refused(), 0, "it will not have room later");
    }
}

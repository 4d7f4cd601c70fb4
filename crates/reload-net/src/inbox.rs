//! What links have for the node, a bounded queue each, taken in turns: one flooding link can delay
//! neither the others nor the timers. Messages beyond the bound are dropped and counted; the link has
//! acknowledged them already, end-to-end retransmission brings them back (section 6.2.1).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reload_node::{LinkEvent, LinkId};
use tokio::sync::Notify;

/// Messages of one link that wait for the node.
const MESSAGES: usize = 256;
/// Bytes of one link that wait for the node; one message always fits.
const BYTES: usize = 4 << 20;
/// Other events of one link that may wait besides; a link with more is closed.
const OTHER_EVENTS: usize = 32;

/// The queues of all links; cloned into their tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox(Arc<State>);

#[derive(Debug, Default)]
struct State {
    queues: Mutex<Queues>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Queues {
    links: BTreeMap<LinkId, Queue>,
    /// Links with something in their queue, in turn; each once.
    turns: VecDeque<LinkId>,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<LinkEvent>,
    messages: usize,
    bytes: usize,
    dropped: u64,
}

/// The queue takes nothing more: the link has to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overfull;

impl Inbox {
    pub(crate) fn open(&self, link: LinkId) {
        self.lock().links.insert(link, Queue::default());
    }

    /// Throws away what a link still has; what it pushes later goes nowhere.
    pub(crate) fn close(&self, link: LinkId) {
        let mut queues = self.lock();
        queues.links.remove(&link);
        queues.turns.retain(|other| *other != link);
    }

    /// Adds an event. A message beyond the bound is dropped and counted.
    pub(crate) fn push(&self, link: LinkId, event: LinkEvent) -> Result<(), Overfull> {
        let mut queues = self.lock();
        let Queues { links, turns } = &mut *queues;
        let Some(queue) = links.get_mut(&link) else { return Ok(()) };
        let was_empty = queue.events.is_empty();
        queue.push(event)?;
        if was_empty && !queue.events.is_empty() {
            turns.push_back(link);
            drop(queues);
            self.0.ready.notify_one();
        }
        Ok(())
    }

    /// Up to `budget` events of the link whose turn it is.
    pub(crate) fn take(&self, budget: usize) -> Option<(LinkId, Vec<LinkEvent>)> {
        let mut queues = self.lock();
        let link = queues.turns.pop_front()?;
        let queue = queues.links.get_mut(&link)?;
        let events = queue.take(budget);
        if !queue.events.is_empty() {
            queues.turns.push_back(link);
        }
        Some((link, events))
    }

    /// Waits until [`Inbox::take`] has something.
    pub(crate) async fn ready(&self) {
        while self.lock().turns.is_empty() {
            self.0.ready.notified().await;
        }
    }

    /// Messages of a link that were dropped.
    pub(crate) fn dropped(&self, link: LinkId) -> u64 {
        self.lock().links.get(&link).map_or(0, |queue| queue.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, event: LinkEvent) -> Result<(), Overfull> {
        let size = message_size(&event);
        match (size, &event) {
            (Some(size), _) => {
                let full = self.messages >= MESSAGES || self.bytes + size > BYTES;
                if full && self.messages > 0 {
                    self.dropped += 1;
                    return Ok(());
                }
                self.messages += 1;
                self.bytes += size;
            }
            // The last word of a link always has room.
            (None, LinkEvent::Down { .. }) => {}
            (None, _) if self.events.len() - self.messages >= OTHER_EVENTS => return Err(Overfull),
            (None, _) => {}
        }
        self.events.push_back(event);
        Ok(())
    }

    fn take(&mut self, budget: usize) -> Vec<LinkEvent> {
        let events: Vec<_> = self.events.drain(..budget.min(self.events.len())).collect();
        for size in events.iter().filter_map(message_size) {
            self.messages -= 1;
            self.bytes -= size;
        }
        events
    }
}

fn message_size(event: &LinkEvent) -> Option<usize> {
    match event {
        LinkEvent::Message(message) => Some(message.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(size: usize) -> LinkEvent {
        LinkEvent::Message(Bytes::from(vec![0; size]))
    }

    fn with_links(count: u64) -> (Inbox, Vec<LinkId>) {
        let inbox = Inbox::default();
        let links: Vec<_> = (0..count).map(LinkId::accepted).collect();
        links.iter().for_each(|link| inbox.open(*link));
        (inbox, links)
    }

    #[test]
    fn links_take_turns_within_their_budget() {
        let (inbox, links) = with_links(2);
        (0..100).for_each(|_| inbox.push(links[0], message(1)).unwrap());
        inbox.push(links[1], message(1)).unwrap();
        let turn = |inbox: &Inbox| inbox.take(8).map(|(link, events)| (link, events.len()));
        assert_eq!(turn(&inbox), Some((links[0], 8)));
        assert_eq!(turn(&inbox), Some((links[1], 1)), "the quiet link is not behind the flood");
        assert_eq!(turn(&inbox), Some((links[0], 8)));
    }

    #[test]
    fn messages_beyond_the_bound_are_dropped_and_counted_and_the_end_still_comes() {
        let (inbox, links) = with_links(1);
        (0..MESSAGES + 3).for_each(|_| inbox.push(links[0], message(1)).unwrap());
        let down = LinkEvent::Down { reason: String::new(), unacknowledged: Vec::new() };
        inbox.push(links[0], down).unwrap();
        assert_eq!(inbox.dropped(links[0]), 3);
        let (_, events) = inbox.take(usize::MAX).unwrap();
        assert_eq!(events.len(), MESSAGES + 1);
        assert!(matches!(events.last(), Some(LinkEvent::Down { .. })));
        inbox.push(links[0], message(BYTES + 1)).unwrap();
        assert!(inbox.take(1).is_some(), "one message fits whatever its size");
    }

    #[test]
    fn other_events_are_bounded_too() {
        let (inbox, links) = with_links(1);
        (0..OTHER_EVENTS).for_each(|_| inbox.push(links[0], LinkEvent::Restored).unwrap());
        assert_eq!(inbox.push(links[0], LinkEvent::Restored), Err(Overfull));
    }

    #[test]
    fn a_closed_link_says_nothing_more() {
        let (inbox, links) = with_links(1);
        inbox.push(links[0], message(1)).unwrap();
        inbox.close(links[0]);
        inbox.push(links[0], message(1)).unwrap();
        assert!(inbox.take(1).is_none());
    }
}

//! The sender of Simple Reliability (section 6.6.3.1): when a message goes out, when again, and when
//! the link is failing or dead. Retransmission is done by every node on its own links (E50).
//!
//! A message whose five transmissions all went without an ACK ends the link, unless frames sent later
//! were acknowledged: then the path works, and the message alone is given up, as the ACKs may be what
//! was lost. Its sender repeats it end to end.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use reload_wire::{FRAME_DATA, FRAME_HEADER_SIZE};

use super::outstanding::{LARGE_TRIES, Lost, MessageNumber, TRIES};
use super::{ReliableLink, Sender};
use crate::link::{FrameEvent, wide};
use crate::liveness::{DEAD_AFTER, LinkState};
use crate::rtt::MAX_RTO;

/// The retransmission at which a link without ACKs leaves the Routing Table (section 6.6.3.1).
const FAILING_AT: u32 = 3;
/// The retransmission without ACKs that takes the path for a narrower one, if larger frames are lost.
const NARROW_AT: u32 = 2;
/// Between an ACK and the next message of a stop-and-wait sender (section 6.6.3.1).
const PAUSE: Duration = Duration::from_millis(10);

impl ReliableLink {
    /// Sends again what is overdue; call it at [`ReliableLink::next_timeout`], then poll.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.pause = self.pause.filter(|until| *until > now);
        let (mut silent, mut wide_lost, mut exhausted) = (None, false, false);
        for lost in self.outstanding.overdue(now) {
            let passed = self.newest_acknowledged.is_some_and(|newest| newest > lost.frame);
            // frames that were out together are overdue together: one timeout
            let counted = self.last_timeout.is_some_and(|last| lost.at < last);
            if !lost.large && !passed && !counted {
                silent = Some(silent.map_or(lost.at, |since: Instant| since.min(lost.at)));
            }
            wide_lost |= self.path_mtu.is_above_base(lost.size);
            exhausted |= self.on_lost(&lost) && !lost.large;
        }
        if let Some(since) = silent {
            self.on_silence(now, since, wide_lost);
        }
        if let LinkState::Failing { since } = self.state
            && (self.silence >= TRIES || exhausted || now >= since + DEAD_AFTER)
        {
            self.die();
        }
    }

    /// When to call [`ReliableLink::handle_timeout`]; changes with each input and each record.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let dead = match self.state {
            LinkState::Alive => None,
            LinkState::Failing { since } => Some(since + DEAD_AFTER),
            LinkState::Dead => return None,
        };
        let pause = self.pause.filter(|_| !self.queue.is_empty());
        [self.outstanding.deadline(), dead, pause].into_iter().flatten().min()
    }

    /// The next data frame, if one may go: first what goes out again. While nothing is acknowledged
    /// frames that every path takes go first, to tell a narrow path from a dead one.
    pub(super) fn next_frame(&mut self, now: Instant) -> Option<Bytes> {
        let silent = self.silence > 0;
        let is_wide = |message: &Bytes| silent && self.path_mtu.is_above_base(frame_size(message));
        let small = self.queue.iter().position(|message| !is_wide(message));
        let again = self.outstanding.waiting(|pending| is_wide(&pending.message)).map(
            |(number, pending)| (number, is_wide(&pending.message), self.admits(&pending.message)),
        );
        let number = match again {
            None => self.next_message(now, small.unwrap_or(0))?,
            Some((number, false, admitted)) => admitted.then_some(number)?,
            Some((number, true, admitted)) => {
                small.and_then(|at| self.next_message(now, at)).or(admitted.then_some(number))?
            }
        };
        Some(self.transmit(now, number))
    }

    /// An ACK came. Its sequence number alone decides; the mask is for statistics (E48).
    pub(super) fn on_ack(&mut self, now: Instant, sequence: u32, mask: u32) {
        self.counters.acks_received += 1;
        self.outstanding.note_mask(sequence, mask);
        let Some(settled) = self.outstanding.settle(sequence) else {
            return;
        };
        self.measure(now.saturating_duration_since(settled.at));
        self.silence = 0;
        self.newest_acknowledged = self.newest_acknowledged.max(Some(settled.frame));
        if self.sender == Sender::StopAndWait {
            self.pause = Some(now + PAUSE);
        }
        if let Some(size) = settled.flying {
            self.congestion.on_ack(settled.frame, size);
        }
        if let Some(usual) = self.round_trip.usual() {
            self.outstanding.hasten_before(settled.frame, usual);
        }
        let mtu = self.path_mtu.on_ack(settled.size);
        self.on_mtu(mtu);
        self.restore();
    }

    /// All that has no ACK or is queued, each message once.
    pub(super) fn hand_out(&mut self) -> Vec<Bytes> {
        let mut messages = self.outstanding.hand_out();
        messages.extend(self.queue.take());
        messages
    }

    /// After an RTO without traffic the window is that of a new link.
    pub(super) fn rest(&mut self, now: Instant) {
        let idle = self.outstanding.len() == 0 && self.queue.is_empty();
        if idle && self.last_sent.is_some_and(|last| now >= last + self.round_trip.rto()) {
            self.congestion.on_idle();
        }
    }

    /// The message at this place of the queue, if one may go.
    fn next_message(&mut self, now: Instant, at: usize) -> Option<MessageNumber> {
        let open = match self.sender {
            Sender::Window => !self.outstanding.is_full(),
            Sender::StopAndWait => {
                self.outstanding.len() == 0 && self.pause.is_none_or(|until| until <= now)
            }
        };
        if !open || !self.admits(self.queue.get(at)?) {
            return None;
        }
        let message = self.queue.remove(at)?;
        let large = self.path_mtu.is_large(frame_size(&message));
        Some(self.outstanding.add(message, large))
    }

    fn admits(&self, message: &Bytes) -> bool {
        self.congestion.admits(frame_size(message))
    }

    fn transmit(&mut self, now: Instant, number: MessageNumber) -> Bytes {
        let (message, tries) = self
            .outstanding
            .get(number)
            .map(|pending| (pending.message.clone(), pending.tries))
            .expect("it was chosen from the messages that are there");
        let size = frame_size(&message);
        let frame = self.outstanding.next_frame();
        let sequence = self.outstanding.transmit(number, now, self.wait(tries), size);
        self.congestion.on_sent(frame, size);
        self.last_sent = Some(now);
        self.counters.frames_sent += 1;
        if tries > 0 {
            self.counters.frames_resent += 1;
        }
        data_frame(sequence, &message)
    }

    /// How long to wait for the ACK: twice as long after each retransmission of the message, and as
    /// long as nothing at all is acknowledged (RFC 6298 5.5).
    fn wait(&self, tries: u32) -> Duration {
        let doublings = tries.max(self.silence).min(16);
        (self.round_trip.rto() * (1 << doublings)).min(MAX_RTO)
    }

    /// A frame is lost: its message goes out again, or, if this says so, was sent often enough.
    fn on_lost(&mut self, lost: &Lost) -> bool {
        self.congestion.on_landed(lost.size);
        if lost.reported {
            self.counters.acks_missing += 1;
        } else {
            self.counters.frames_lost += 1;
        }
        if !lost.large {
            self.congestion.on_loss(lost.frame, self.outstanding.next_frame());
            let mtu = if lost.reported { None } else { self.path_mtu.on_loss(lost.size) };
            self.on_mtu(mtu);
        }
        let most = if lost.large { LARGE_TRIES } else { TRIES };
        let exhausted =
            self.outstanding.get(lost.message).is_some_and(|pending| pending.tries >= most);
        if exhausted {
            self.outstanding.remove(lost.message);
            self.counters.given_up += 1;
        }
        exhausted
    }

    /// A whole RTO without an ACK of what was sent at `since`.
    fn on_silence(&mut self, now: Instant, since: Instant, wide_lost: bool) {
        self.silence += 1;
        self.last_timeout = Some(now);
        if self.silence == 1 {
            self.quiet_since = Some(since);
        }
        self.congestion.on_timeout(self.outstanding.next_frame());
        let failing = self.silence >= FAILING_AT && self.state == LinkState::Alive;
        if failing && self.heard > self.quiet_since {
            // it lives, and the ACKs may be what is lost: if not, it is that side which gets none
            (self.silence, self.quiet_since) = (FAILING_AT - 1, self.heard);
            return;
        }
        if failing || (self.silence == NARROW_AT && wide_lost) {
            let mtu = self.path_mtu.reset();
            self.on_mtu(mtu);
        }
        if failing {
            self.state = LinkState::Failing { since: now };
            let unacknowledged = self.hand_out();
            self.events.push_back(FrameEvent::Failing { unacknowledged });
        }
    }

    fn on_mtu(&mut self, change: Option<usize>) {
        let Some(mtu) = change else {
            return;
        };
        self.outstanding.mark_large(|message| frame_size(message) > mtu);
        self.events.push_back(FrameEvent::Mtu(mtu));
    }

    /// As in `liveness.rs`: an ACK after a pause of the peer measures the pause.
    fn measure(&mut self, sample: Duration) {
        let failing = matches!(self.state, LinkState::Failing { .. });
        let limit = if failing { self.round_trip.rto() } else { sample };
        self.round_trip.measure(sample.min(limit));
    }

    fn restore(&mut self) {
        if let LinkState::Failing { .. } = self.state {
            self.state = LinkState::Alive;
            self.outstanding.drop_handed_out();
            self.events.push_back(FrameEvent::Restored);
        }
    }

    fn die(&mut self) {
        self.state = LinkState::Dead;
        let unacknowledged = self.take_unacknowledged();
        self.events.push_back(FrameEvent::Dead { unacknowledged });
    }
}

fn data_frame(sequence: u32, message: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(frame_size(message));
    frame.put_u8(FRAME_DATA);
    frame.put_u32(sequence);
    frame.put_uint(wide(message.len()), 3);
    frame.extend_from_slice(message);
    frame.freeze()
}

/// Bytes of the frame around a message.
fn frame_size(message: &Bytes) -> usize {
    FRAME_HEADER_SIZE + message.len()
}

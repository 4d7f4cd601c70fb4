//! Two links in memory under virtual time.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reload_link::{
    DEAD_AFTER, FrameEvent, FrameLink, INITIAL_RTO, LinkSettings, LinkState, MIN_RTO, SendError,
};
use reload_wire::Dialect;

const MS: Duration = Duration::from_millis(1);

struct Pair {
    now: Instant,
    left: FrameLink,
    right: FrameLink,
    delay: Duration,
}

impl Pair {
    fn new(delay: Duration) -> Self {
        let link = || FrameLink::new(LinkSettings::new(Dialect::default(), 5000));
        Self { now: Instant::now(), left: link(), right: link(), delay }
    }

    fn send(&mut self, message: &'static [u8]) {
        self.left.send(Bytes::from_static(message)).unwrap();
    }

    /// What the left writes; it stays in the kernel of the right until `deliver`.
    fn written(&mut self) -> BytesMut {
        let mut out = BytesMut::new();
        while self.left.poll_transmit(self.now, &mut out) {}
        out
    }

    /// The right reads and acknowledges; the ACKs arrive one delay later.
    fn deliver(&mut self, bytes: &[u8]) -> usize {
        self.now += self.delay;
        self.right.handle_bytes(self.now, bytes).unwrap();
        let mut acks = BytesMut::new();
        while self.right.poll_transmit(self.now, &mut acks) {}
        self.now += self.delay;
        self.left.handle_bytes(self.now, &acks).unwrap();
        std::iter::from_fn(|| self.right.poll_event()).count()
    }

    /// Moves time to the next timer of the left and fires it.
    fn next_timer(&mut self) -> Option<FrameEvent> {
        self.now = self.left.wakeup()?;
        self.left.handle_timeout(self.now);
        assert!(self.left.wakeup().is_none_or(|next| next > self.now), "deadlines advance");
        self.left.poll_event()
    }
}

// R6940-6.6.5-01
#[test]
fn the_round_trip_is_measured_and_the_rto_keeps_its_floor() {
    let mut pair = Pair::new(20 * MS);
    for _ in 0..10 {
        pair.send(b"ping");
        let bytes = pair.written();
        assert_eq!(pair.deliver(&bytes), 1);
    }
    let stats = pair.left.stats();
    assert_eq!(stats.rtt, Some(40 * MS));
    assert_eq!(stats.rto, MIN_RTO);
    assert_eq!((stats.counters.frames_sent, stats.counters.acks_received), (10, 10));
    assert_eq!(stats.unacknowledged, 0);
    assert_eq!(pair.left.wakeup(), None, "an idle link has no timer");
}

// R6940-6.6-03, R6940-6.6.5-02
#[test]
fn a_stopped_peer_is_failing_after_the_rto_then_restored_when_it_goes_on() {
    let mut pair = Pair::new(MS);
    pair.send(b"one");
    let bytes = pair.written();
    pair.deliver(&bytes);
    pair.send(b"two");
    let (sent_at, held) = (pair.now, pair.written());
    assert!(matches!(pair.next_timer(), Some(FrameEvent::Failing { .. })));
    assert_eq!(pair.now, sent_at + MIN_RTO);
    pair.now += 5000 * MS;
    assert_eq!(pair.deliver(&held), 1, "nothing is lost in a stream");
    assert!(matches!(pair.left.poll_event(), Some(FrameEvent::Restored)));
    assert_eq!(pair.left.stats().state, LinkState::Alive);
}

// R6940-6.6.5-03
#[test]
fn a_peer_that_stays_silent_is_dead_30_seconds_after_failing() {
    let mut pair = Pair::new(MS);
    pair.send(b"one");
    let sent_at = pair.now;
    let _lost = pair.written();
    assert!(matches!(pair.next_timer(), Some(FrameEvent::Failing { .. })));
    pair.send(b"still taken while it may come back");
    let Some(FrameEvent::Dead { unacknowledged }) = pair.next_timer() else { panic!("dead") };
    assert_eq!(unacknowledged, [&b"still taken while it may come back"[..]]);
    assert_eq!(pair.now, sent_at + INITIAL_RTO + DEAD_AFTER);
    assert_eq!(pair.left.wakeup(), None);
    assert_eq!(pair.left.send(Bytes::new()), Err(SendError::Closed));
    assert!(!pair.left.wants_transmit());
}

// R6940-6.6.5-02
#[test]
fn failing_hands_out_each_message_without_an_ack_once_and_in_order() {
    let mut pair = Pair::new(MS);
    pair.send(b"acknowledged");
    let bytes = pair.written();
    pair.deliver(&bytes);
    pair.send(b"written");
    pair.written();
    pair.send(b"queued");
    let Some(FrameEvent::Failing { unacknowledged }) = pair.next_timer() else { panic!("failing") };
    assert_eq!(unacknowledged, [&b"written"[..], &b"queued"[..]]);
    assert!(!pair.left.wants_transmit(), "it is not sent here too");
    assert!(pair.left.take_unacknowledged().is_empty());
}

#[test]
fn what_is_only_queued_starts_no_timer() {
    let mut pair = Pair::new(MS);
    pair.send(b"one");
    assert_eq!(pair.left.wakeup(), None, "the round trip counts from the write");
    pair.written();
    assert_eq!(pair.left.wakeup(), Some(pair.now + INITIAL_RTO));
}

// R6940-6.6.2-06
#[test]
fn acks_overtake_data_in_the_writer() {
    let mut pair = Pair::new(MS);
    pair.send(b"theirs");
    let bytes = pair.written();
    pair.right.send(Bytes::from_static(b"ours, queued first")).unwrap();
    pair.right.handle_bytes(pair.now, &bytes).unwrap();
    let mut out = BytesMut::new();
    pair.right.poll_transmit(pair.now, &mut out);
    assert_eq!(&out[..], [129, 0, 0, 0, 0, 0, 0, 0, 0]);
    pair.right.poll_transmit(pair.now, &mut out);
    assert_eq!(out[9], 128);
}

// R6940-6.6.2-04, R6940-6.6.2-05
#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    let settings =
        LinkSettings { queue_messages: 2, ..LinkSettings::new(Dialect::default(), 5000) };
    let mut link = FrameLink::new(settings);
    assert_eq!(link.send(Bytes::from_static(b"a")), Ok(()));
    assert_eq!(link.send(Bytes::from_static(b"b")), Ok(()));
    assert_eq!(link.send(Bytes::from_static(b"c")), Err(SendError::QueueFull));
    let mut out = BytesMut::new();
    while link.poll_transmit(Instant::now(), &mut out) {}
    assert_eq!(&out[..], b"\x80\0\0\0\0\0\0\x01a\x80\0\0\0\x01\0\0\x01b");
    assert_eq!(link.stats().counters.messages_refused, 1);
}

#[test]
fn a_message_above_the_limit_is_not_sent() {
    let mut link = FrameLink::new(LinkSettings::new(Dialect::default(), 10));
    let refused = link.send(Bytes::from_static(&[0; 11]));
    assert_eq!(refused, Err(SendError::TooLarge { size: 11, limit: 10 }));
    assert_eq!(link.send(Bytes::from_static(&[0; 10])), Ok(()));
}

#[test]
fn a_peer_that_reads_no_acks_costs_a_bounded_queue_and_the_newest_stay() {
    let mut link = FrameLink::new(LinkSettings::new(Dialect::default(), 5000));
    for sequence in 0..1000_u32 {
        let mut frame = vec![128];
        frame.extend_from_slice(&sequence.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0]);
        link.handle_bytes(Instant::now(), &frame).unwrap();
        while link.poll_event().is_some() {}
    }
    let mut out = BytesMut::new();
    while link.poll_transmit(Instant::now(), &mut out) {}
    assert_eq!(out.len(), reload_link::ACK_QUEUE * 9);
    assert_eq!(&out[out.len() - 9..], [129, 0, 0, 3, 231, 255, 255, 255, 254]);
    assert_eq!(link.stats().counters.acks_dropped, 1000 - 256);
}

#[test]
fn a_window_without_acks_holds_further_messages_back() {
    let settings =
        LinkSettings { queue_messages: 5000, ..LinkSettings::new(Dialect::default(), 5000) };
    let (mut link, now) = (FrameLink::new(settings), Instant::now());
    (0..2000).for_each(|_| link.send(Bytes::new()).unwrap());
    let mut out = BytesMut::new();
    while link.poll_transmit(now, &mut out) {}
    assert_eq!((link.stats().unacknowledged, link.stats().queued), (1024, 976));
    assert!(!link.wants_transmit());
    link.handle_bytes(now, &[129, 0, 0, 0, 99, 0, 0, 0, 0]).unwrap();
    while link.poll_transmit(now, &mut out) {}
    assert_eq!(link.stats().queued, 876);
}

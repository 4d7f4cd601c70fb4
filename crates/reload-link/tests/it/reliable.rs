//! The rules of Simple Reliability, one by one.

use std::time::Duration;

use bytes::Bytes;
use reload_link::{
    DEAD_AFTER, FrameEvent, INITIAL_RTO, LinkSettings, LinkState, MIN_RESEND_RTO, ReliableLink,
    RoundTrip, SendError, Sender,
};
use reload_wire::{Dialect, FramedMessage};

use crate::path::{BASE, MS, Path, Sent, Side, link};

/// A link that knows a short round trip: RTO 200 ms.
fn near() -> ReliableLink {
    let mut link = link();
    link.measured(20 * MS);
    link
}

fn lose_all(_: Side, _: &Sent) -> Vec<Duration> {
    Vec::new()
}

fn lose_none(_: Side, _: &Sent) -> Vec<Duration> {
    vec![10 * MS]
}

fn at_ms(sent: &[&Sent]) -> Vec<u128> {
    sent.iter().map(|sent| sent.at.as_millis()).collect()
}

fn message(size: usize) -> Bytes {
    vec![7; size].into()
}

// R6940-6.6.3.1-07, R6940-6.6.3.1-08, R6940-6.6.3.1-09, R6940-6.6.2-05
#[test]
fn without_acks_five_copies_leave_ever_later_each_with_the_next_number() {
    let half_a_second = (link().with_initial_rto(500 * MS), [0, 500, 1500, 3500, 7500]);
    for (left, times) in [half_a_second, (near(), [0, 200, 600, 1400, 3000])] {
        let mut path = Path::between(left, link(), lose_all);
        path.send(message(100));
        path.run(60_000 * MS);
        let sent = path.data_sent();
        assert_eq!(at_ms(&sent), times);
        let numbers: Vec<_> = sent.iter().filter_map(|sent| sent.sequence()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }
}

// R6940-6.6.3.1-10
#[test]
fn a_silent_far_end_is_dead_after_the_fifth() {
    let mut path = Path::between(near(), link(), lose_all);
    path.send(message(100));
    path.run(60_000 * MS);
    let (at, last) = path.left_events.back().expect("something was told");
    assert!(matches!(last, FrameEvent::Dead { .. }), "{last:?}");
    assert_eq!(*at, 6200 * MS, "3.2 s after the fifth at 3 s");
    assert_eq!(path.left.send(path.now, message(1)), Err(SendError::Closed));
    assert_eq!(path.left.next_timeout(), None);
    assert!(path.left.poll(path.now).is_none());
}

// R6940-6.6.3.1-11
#[test]
fn the_third_retransmission_without_an_ack_is_failing_and_hands_out_what_is_there() {
    let mut path = Path::between(near(), link(), lose_all);
    let messages: Vec<_> = (0..20_u8).map(|n| Bytes::from(vec![n; 1000])).collect();
    for message in &messages {
        path.send(message.clone());
    }
    path.run(60_000 * MS);
    let (at, first) = path.left_events.pop_front().expect("failing");
    let FrameEvent::Failing { unacknowledged } = first else { panic!("{first:?}") };
    assert_eq!(at, 1400 * MS);
    assert_eq!(unacknowledged, messages, "each once, oldest first");
    let (_, last) = path.left_events.pop_front().expect("dead");
    let FrameEvent::Dead { unacknowledged } = last else { panic!("{last:?}") };
    assert!(unacknowledged.is_empty(), "they were handed out before");
}

/// A peer whose ACKs are lost, and which says something every 100 ms for so long.
fn talking(span: Duration) -> Vec<(Duration, FrameEvent)> {
    let fate = |_: Side, sent: &Sent| match sent.frame {
        FramedMessage::Ack { .. } => Vec::new(),
        FramedMessage::Data { .. } => vec![10 * MS],
    };
    let mut path = Path::between(near(), near(), fate);
    path.send(message(100));
    while path.now - path.start < span {
        path.right = near(); // its own missing ACKs are not what this is about
        path.right.send(path.now, message(50)).expect("there is room");
        path.run(100 * MS);
    }
    path.right = near();
    path.run(60_000 * MS);
    let state = |(_, event): &(Duration, FrameEvent)| !matches!(event, FrameEvent::Message(_));
    path.left_events.into_iter().filter(state).collect()
}

#[test]
fn a_peer_that_is_heard_does_not_fail_for_want_of_acks() {
    assert!(matches!(talking(10_000 * MS)[..], []), "its one message is given up");
}

#[test]
fn a_peer_that_is_heard_no_more_fails_with_the_next_timeout() {
    let failing_at = |span: Duration| match &talking(span)[..] {
        [(failing, FrameEvent::Failing { .. }), (dead, FrameEvent::Dead { .. })] => {
            assert_eq!(dead.as_millis(), 6200);
            failing.as_millis()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(failing_at(Duration::ZERO), 1400, "it was not heard");
    assert_eq!(failing_at(1000 * MS), 3000, "it was heard before the third");
}

// R6940-6.6.3.1-12
#[test]
fn acks_that_resume_restore_the_link() {
    let blocked = |_: Side, sent: &Sent| {
        if sent.at < 2000 * MS { Vec::new() } else { vec![10 * MS] }
    };
    let mut path = Path::between(near(), link(), blocked);
    path.send(message(100));
    path.run(60_000 * MS);
    let told: Vec<_> = path.left_events.iter().map(|(at, event)| (at.as_millis(), event)).collect();
    assert!(matches!(told[..], [(1400, FrameEvent::Failing { .. }), (3020, FrameEvent::Restored)]));
    assert_eq!(path.left.stats().state, LinkState::Alive);
    path.send(message(50));
    path.run(1000 * MS);
    assert_eq!(path.delivered().len(), 2);
}

// R6940-6.6.3-01, R6940-6.6.3.1-06
#[test]
fn a_lost_message_and_a_lost_ack_are_repaired_with_a_new_number_after_the_rto() {
    for lost in [Side::Left, Side::Right] {
        let mut first = true;
        let fate = move |from: Side, _: &Sent| {
            let drop = from == lost && std::mem::take(&mut first);
            if drop { Vec::new() } else { vec![10 * MS] }
        };
        let mut path = Path::between(near(), link(), fate);
        path.send(message(100));
        path.run(30_000 * MS);
        assert_eq!(at_ms(&path.data_sent()), [0, 200]);
        assert_eq!(path.left.stats().unacknowledged, 0);
        // the receiver cannot know that the second frame holds the same message
        assert_eq!(path.delivered().len(), if lost == Side::Left { 1 } else { 2 });
    }
}

// R6940-6.6.2-06, R6940-6.6.3-01
#[test]
fn each_data_frame_has_its_ack_at_once_and_a_repeated_one_is_handed_up_once() {
    let twice = |from: Side, _: &Sent| match from {
        Side::Left => vec![10 * MS, 15 * MS],
        Side::Right => vec![10 * MS],
    };
    let mut path = Path::new(twice);
    for _ in 0..3 {
        path.send(message(300));
    }
    path.run(1000 * MS);
    assert_eq!(path.delivered().len(), 3);
    let acks: Vec<_> = (path.right_sent.iter())
        .map(|sent| match sent.frame {
            FramedMessage::Ack { ack_sequence, .. } => (sent.at.as_millis(), ack_sequence),
            FramedMessage::Data { .. } => panic!("nothing is sent there"),
        })
        .collect();
    assert_eq!(acks, [(10, 0), (10, 1), (10, 2), (15, 0), (15, 1), (15, 2)]);
    assert_eq!(path.right.stats().counters.duplicates, 3);
}

// R6940-6.6.3.1-01, R6940-6.6.3.1-13
#[test]
fn stop_and_wait_has_one_message_out_and_leaves_10_ms_after_its_ack() {
    let left = near().with_sender(Sender::StopAndWait);
    let mut first = true;
    let fate = move |from: Side, _: &Sent| {
        let drop = from == Side::Left && std::mem::take(&mut first);
        if drop { Vec::new() } else { vec![20 * MS] }
    };
    let mut path = Path::between(left, link(), fate);
    for _ in 0..3 {
        path.send(message(100));
    }
    path.run(10_000 * MS);
    // 0 is lost; its copy at 200 has its ACK at 240, the next goes at 250
    assert_eq!(at_ms(&path.data_sent()), [0, 200, 250, 300]);
    assert_eq!(path.delivered().len(), 3);
}

// R6940-6.6.3.1-03
#[test]
fn a_configured_rto_holds_until_a_round_trip_is_measured() {
    let mut path = Path::between(link().with_initial_rto(2000 * MS), link(), lose_all);
    path.send(message(100));
    path.run(3000 * MS);
    assert_eq!(at_ms(&path.data_sent()), [0, 2000]);
    assert_eq!(link().stats().rto, INITIAL_RTO, "RFC 6298 (2.1)");
}

// R6940-6.6.3.1-04, R6940-6.6.3.1-05
#[test]
fn the_rto_is_that_of_rfc_6298_and_begins_with_the_round_trip_of_the_ice_stage() {
    let mut reference = RoundTrip::new();
    reference.measure(Duration::from_micros(300_300));
    let mut left = link();
    left.measured(Duration::from_micros(300_300));
    assert_eq!(left.stats().rto, 901 * MS, "three times 300.3 ms, rounded up to the millisecond");
    let mut path = Path::between(left, link(), |_, _| vec![200 * MS]);
    for _ in 0..5 {
        path.send(message(100));
        path.run(3000 * MS);
        reference.measure(400 * MS);
    }
    let stats = path.left.stats();
    assert_eq!((stats.rtt, stats.rto), (reference.rtt(), reference.rto()));
    assert!(stats.rto > MIN_RESEND_RTO);
}

#[test]
fn each_link_has_its_own_rto() {
    let (mut far, other) = (link(), near());
    far.measured(900 * MS);
    assert!(far.stats().rto > 2 * other.stats().rto);
}

// R6940-6.6.2-09
#[test]
fn a_mask_without_bits_loses_nothing_and_one_with_all_bits_settles_nothing() {
    for mask in [0, u32::MAX] {
        let mut left = near();
        let now = std::time::Instant::now();
        for _ in 0..3 {
            left.send(now, message(100)).unwrap();
        }
        while left.poll(now).is_some() {}
        let ack = FramedMessage::Ack { ack_sequence: 2, received: mask };
        let record = reload_wire::Encode::to_bytes(&ack).unwrap();
        left.handle_record(now + 20 * MS, &record);
        let stats = left.stats();
        assert_eq!((stats.unacknowledged, stats.counters.frames_lost), (2, 0), "{mask:x}");
        assert!(left.poll(now + 20 * MS).is_none(), "nothing is sent again at once");
    }
}

/// A path that takes one frame in 50 ms, keeps five waiting, and drops what is more.
fn bottleneck() -> impl FnMut(Side, &Sent) -> Vec<Duration> {
    let mut free_at = Duration::ZERO;
    move |from, sent| {
        if from == Side::Right {
            return vec![10 * MS];
        }
        if free_at > sent.at + 250 * MS {
            return Vec::new();
        }
        free_at = free_at.max(sent.at) + 50 * MS;
        vec![free_at - sent.at + 10 * MS]
    }
}

// R6940-6.6.3-02
#[test]
fn a_bulk_transfer_backs_off_to_what_the_path_takes() {
    let mut path = Path::between(near(), link(), bottleneck());
    for _ in 0..200 {
        path.send(message(1000));
    }
    path.run(20_000 * MS);
    let (stats, frames) = (path.left.stats(), path.data_sent().len());
    assert_eq!(path.delivered().len(), 200, "at 20 a second they need 10 s");
    assert_eq!(stats.state, LinkState::Alive);
    assert!(stats.window.expect("it has one") <= 16 * BASE, "{stats:?}");
    assert!(frames < 250, "{frames} frames for 200 messages");
}

#[test]
fn a_message_that_others_overtook_goes_out_again_before_the_rto() {
    let fate = |from: Side, sent: &Sent| {
        let drop = from == Side::Left && sent.sequence() == Some(0);
        if drop { Vec::new() } else { vec![20 * MS] }
    };
    let mut left = near();
    left.measured(40 * MS);
    let mut path = Path::between(left, link(), fate);
    path.send(message(100));
    path.send(message(200));
    path.run(1000 * MS);
    let sent = path.data_sent();
    let again = sent.iter().find(|sent| sent.sequence() == Some(2)).expect("it goes out again");
    assert!(again.size == 108 && again.at >= 40 * MS && again.at < 80 * MS, "{:?}", again.at);
    assert_eq!(path.delivered().len(), 2);
}

// R6940-6.6.3-02
#[test]
fn a_good_path_is_filled_faster_than_one_message_a_round_trip() {
    let mut path = Path::between(near(), link(), lose_none);
    for _ in 0..200 {
        path.send(message(1000));
    }
    path.run(200 * MS);
    assert_eq!(path.delivered().len(), 200, "200 messages in ten round trips");
    assert_eq!(path.left.stats().counters.frames_resent, 0);
}

#[test]
fn frames_that_are_overtaken_are_not_held_for_lost_for_long() {
    let mut number = 0_u32;
    let fate = move |_: Side, _: &Sent| {
        number += 1;
        vec![if number.is_multiple_of(10) { 40 * MS } else { 10 * MS }]
    };
    let mut path = Path::between(near(), link(), fate);
    for _ in 0..2000 {
        path.left.send(path.now, message(100)).ok();
        path.run(MS);
    }
    path.run(5000 * MS);
    let stats = path.left.stats();
    assert!(stats.counters.frames_resent < 60, "{stats:?}");
}

#[test]
fn a_message_that_alone_has_no_ack_is_given_up_and_the_link_lives() {
    let fate = |from: Side, sent: &Sent| match (&sent.frame, from) {
        (FramedMessage::Data { message, .. }, Side::Left) if message[0] == 9 => Vec::new(),
        _ => vec![10 * MS],
    };
    let mut path = Path::between(near(), link(), fate);
    path.send(vec![9; 100]);
    for _ in 0..400 {
        path.send(message(50));
        path.run(100 * MS);
    }
    let stats = path.left.stats();
    assert_eq!((stats.state, stats.counters.given_up), (LinkState::Alive, 1));
    assert_eq!(path.delivered().len(), 400);
    let tries = path.data_sent().iter().filter(|sent| sent.size == 108).count();
    assert_eq!(tries, 5);
}

#[test]
fn the_queue_refuses_when_full_and_one_message_always_fits() {
    let mut settings = LinkSettings::new(Dialect::default(), 5000);
    settings.queue_messages = 2;
    settings.queue_bytes = 10;
    let mut link = ReliableLink::new(settings, BASE);
    let now = std::time::Instant::now();
    assert_eq!(link.send(now, message(100)), Ok(()));
    assert_eq!(link.send(now, message(1)), Err(SendError::QueueFull));
    assert_eq!(link.send(now, message(6000)), Err(SendError::TooLarge { size: 6000, limit: 5000 }));
    assert_eq!(link.stats().counters.messages_refused, 1);
}

#[test]
fn a_message_above_max_message_size_is_told_by_its_header() {
    let mut settings = LinkSettings::new(Dialect::default(), 5000);
    settings.max_message_size = 200;
    let right = ReliableLink::new(settings, BASE);
    let mut path = Path::between(link(), right, lose_none);
    path.send(message(300));
    path.run(100 * MS);
    assert_eq!(path.right.stats().counters.noise, 1, "no header can be read");
    assert!(path.delivered().is_empty());
    assert!(path.right_sent.is_empty(), "what is not taken has no ACK");
}

#[test]
fn records_that_are_not_exactly_one_frame_are_counted_and_dropped() {
    let mut link = link();
    let now = std::time::Instant::now();
    let ack = reload_wire::Encode::to_bytes(&FramedMessage::Ack { ack_sequence: 0, received: 0 });
    let mut two = ack.unwrap().to_vec();
    two.extend_from_slice(&two.clone());
    for record in [&b""[..], &[128], &[7, 0, 0, 0, 0], &[128, 0, 0, 0, 0, 0, 0, 5, 1], &two] {
        link.handle_record(now, record);
    }
    assert_eq!(link.stats().counters.noise, 5);
    assert!(link.poll(now).is_none());
}

#[test]
fn a_session_that_ended_gives_back_what_has_no_ack() {
    let mut path = Path::between(near(), link(), lose_all);
    for n in 0..10_u8 {
        path.send(vec![n; 1000]);
    }
    let messages = path.left.take_unacknowledged();
    assert_eq!(messages.len(), 10);
    assert!(messages.iter().zip(0..).all(|(message, n)| message[0] == n));
    assert_eq!(path.left.next_timeout(), None);
    assert!(path.left.take_unacknowledged().is_empty());
}

/// A path that takes datagrams up to a size, which may change at a time.
fn narrow(
    before: usize,
    change: Duration,
    after: usize,
) -> impl FnMut(Side, &Sent) -> Vec<Duration> {
    move |_, sent| {
        let limit = if sent.at < change { before } else { after };
        if sent.size <= limit { vec![10 * MS] } else { Vec::new() }
    }
}

#[test]
fn a_larger_message_that_passes_raises_the_mtu() {
    let mut path = Path::between(near(), link(), narrow(1400, DEAD_AFTER, 1400));
    path.send(message(1300));
    path.run(100 * MS);
    assert!(matches!(path.left_events.pop_front(), Some((_, FrameEvent::Mtu(1308)))));
    assert_eq!(path.left.mtu(), 1308);
    assert_eq!(path.left.stats().mtu, Some(1308));
    assert_eq!(path.delivered().len(), 1);
}

#[test]
fn a_larger_message_that_does_not_pass_is_sent_three_times_and_means_nothing() {
    let mut path = Path::between(near(), link(), narrow(BASE, DEAD_AFTER, BASE));
    path.send(message(1300));
    path.run(60_000 * MS);
    assert_eq!(path.data_sent().len(), 3);
    assert!(path.left_events.is_empty());
    let stats = path.left.stats();
    assert_eq!((stats.state, stats.mtu), (LinkState::Alive, Some(BASE)));
    assert_eq!(stats.unacknowledged, 0);
    assert_eq!(stats.window, Some(4380), "and the window is as before");
}

#[test]
fn a_path_that_takes_less_than_before_is_noticed_and_the_link_lives() {
    let mut path = Path::between(near(), link(), narrow(1400, 1000 * MS, BASE));
    path.send(message(1380));
    path.run(1000 * MS);
    assert_eq!(path.left.mtu(), 1388);
    path.left_events.clear();
    for _ in 0..4 {
        path.send(message(1380));
        path.send(message(100));
        path.run(500 * MS);
    }
    path.run(30_000 * MS);
    assert_eq!(path.left.mtu(), BASE);
    assert!(matches!(path.left_events.make_contiguous(), [(_, FrameEvent::Mtu(BASE))]));
    let small = path.delivered().iter().filter(|message| message.len() == 100).count();
    assert_eq!(small, 4);
}

#[test]
fn a_narrow_path_is_told_before_the_link_fails_and_a_small_frame_keeps_it_alive() {
    let mut path = Path::between(near(), link(), narrow(1400, 1000 * MS, BASE));
    path.send(message(1380));
    path.run(1000 * MS);
    path.left_events.clear();
    path.send(message(1380));
    path.run(2000 * MS);
    let told = path.left_events.pop_front();
    assert!(matches!(told, Some((at, FrameEvent::Mtu(BASE))) if at == 1600 * MS), "{told:?}");
    path.send(message(50));
    path.run(60_000 * MS);
    assert!(path.left_events.is_empty());
    assert_eq!(path.left.stats().state, LinkState::Alive);
}

#[test]
fn a_failing_link_goes_back_to_the_size_that_every_path_takes() {
    let fate = |_: Side, sent: &Sent| if sent.at < MS { vec![10 * MS] } else { Vec::new() };
    let both = move |from: Side, sent: &Sent| match from {
        Side::Right => vec![10 * MS],
        Side::Left => fate(from, sent),
    };
    let mut path = Path::between(near(), link(), both);
    path.send(message(1300));
    path.run(1000 * MS);
    assert_eq!(path.left.mtu(), 1308);
    path.send(message(100));
    path.run(5000 * MS);
    assert_eq!(path.left.mtu(), BASE);
}

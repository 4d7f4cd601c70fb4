//! Simple Reliability on any path: whatever is lost, late or repeated, nothing is lost for good on a
//! link that lives, and no frame is handed up twice.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use reload_link::{FrameEvent, LinkState, Sender};
use reload_wire::FramedMessage;

use crate::path::{MS, Path, Sent, Side, link};

/// A datagram's fate: how many copies arrive, and when.
fn fate(loss: u8) -> impl Strategy<Value = Vec<Duration>> {
    let delay = || (1_u64..300).prop_map(|ms| u32::try_from(ms).expect("it is small") * MS);
    let some = proptest::collection::vec(delay(), 1..=2);
    (0_u8..100, some).prop_map(move |(chance, some)| if chance < loss { Vec::new() } else { some })
}

fn messages() -> impl Strategy<Value = Vec<(u16, usize, u64)>> {
    let one = (any::<u16>(), 4_usize..1500, 0_u64..50);
    proptest::collection::vec(one, 1..60)
}

/// Each message begins with its own number, so that it can be told from the others.
fn numbered(number: usize, size: usize) -> Bytes {
    let mut bytes = u32::try_from(number).expect("it is small").to_be_bytes().to_vec();
    bytes.resize(size, 0);
    bytes.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    // R6940-6.6.3-01
    #[test]
    fn everything_is_delivered_or_the_link_is_dead(
        messages in messages(),
        fates in (0_u8..60).prop_flat_map(|loss| proptest::collection::vec(fate(loss), 50..400)),
        stop_and_wait in any::<bool>(),
    ) {
        let mut fates = fates.into_iter().cycle();
        let sender = if stop_and_wait { Sender::StopAndWait } else { Sender::Window };
        let mut path = Path::between(link().with_sender(sender), link(), move |_: Side, _: &Sent| {
            fates.next().expect("they go round")
        });
        let mut taken = Vec::new();
        for (number, (_, size, pause)) in messages.into_iter().enumerate() {
            let message = numbered(number, size);
            if path.left.send(path.now, message.clone()).is_ok() {
                taken.push(message);
            }
            path.run(u32::try_from(pause).expect("it is small") * MS);
        }
        path.run(Duration::from_secs(3600));

        let stats = path.left.stats();
        prop_assert_eq!(stats.unacknowledged + stats.queued, 0);
        prop_assert_eq!(path.left.next_timeout(), None);
        let mut handed_out: BTreeMap<Bytes, usize> = BTreeMap::new();
        for (_, event) in &path.left_events {
            if let FrameEvent::Failing { unacknowledged } | FrameEvent::Dead { unacknowledged } = event {
                for message in unacknowledged {
                    *handed_out.entry(message.clone()).or_default() += 1;
                }
            }
        }
        prop_assert!(handed_out.values().all(|times| *times == 1), "handed out once");
        let delivered = path.delivered();
        let missing = taken.iter().filter(|message| {
            !delivered.contains(message) && !handed_out.contains_key(*message)
        });
        let missing = u64::try_from(missing.count()).expect("it is small");
        prop_assert!(missing <= stats.counters.given_up, "{} {:?}", missing, stats);
        if stats.state == LinkState::Alive && stats.counters.given_up == 0 {
            prop_assert_eq!(missing, 0);
        }
    }

    // R6940-6.6.3.1-08, R6940-6.6.3.1-09, R6940-6.6.2-05
    #[test]
    fn no_frame_is_handed_up_twice_and_no_message_goes_out_more_than_five_times(
        messages in messages(),
        fates in proptest::collection::vec(fate(25), 50..200),
    ) {
        let mut fates = fates.into_iter().cycle();
        let mut path = Path::new(move |_: Side, _: &Sent| fates.next().expect("they go round"));
        for (number, (_, size, pause)) in messages.into_iter().enumerate() {
            path.left.send(path.now, numbered(number, size)).ok();
            path.run(u32::try_from(pause).expect("it is small") * MS);
        }
        path.run(Duration::from_secs(3600));
        let mut copies: BTreeMap<Bytes, usize> = BTreeMap::new();
        for (expected, sent) in (0_u32..).zip(path.data_sent()) {
            prop_assert_eq!(sent.sequence(), Some(expected), "one more for each frame");
            if let FramedMessage::Data { message, .. } = &sent.frame {
                *copies.entry(message.clone()).or_default() += 1;
            }
        }
        prop_assert!(copies.values().all(|times| *times <= 5));
        let mut delivered: BTreeMap<Bytes, usize> = BTreeMap::new();
        for message in path.delivered() {
            *delivered.entry(message).or_default() += 1;
        }
        for (message, times) in delivered {
            prop_assert!(times <= copies[&message], "more often than it was framed");
        }
    }

    #[test]
    fn any_records_leave_the_link_sound(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..40),
    ) {
        let mut path = Path::new(|_: Side, _: &Sent| vec![10 * MS]);
        for (number, record) in records.iter().enumerate() {
            path.left.handle_record(path.now, record);
            let mut record = record.clone();
            if let Some(first) = record.first_mut() {
                *first = 128 | (*first & 1);
            }
            path.left.handle_record(path.now, &record);
            path.left.send(path.now, numbered(number, 100)).ok();
            path.run(5 * MS);
        }
        path.run(Duration::from_secs(600));
        prop_assert_eq!(path.left.stats().state, LinkState::Alive);
        prop_assert_eq!(path.left.stats().unacknowledged, 0);
    }
}

/// A path as the homes of an overlay have it, for a long time: the link never ends.
#[test]
fn ten_percent_loss_each_way_does_not_end_a_link() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut draw = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let fate = move |_: Side, _: &Sent| {
        if draw(10) == 0 {
            return Vec::new();
        }
        vec![u32::try_from(20 + draw(20)).expect("it is small") * MS]
    };
    let mut path = Path::new(fate);
    for number in 0..5000 {
        path.left.send(path.now, numbered(number, 400)).expect("there is room");
        path.run(20 * MS);
    }
    path.run(Duration::from_secs(60));
    let stats = path.left.stats();
    assert_eq!(stats.state, LinkState::Alive);
    let mut taken = Vec::new();
    let mut delivered = Vec::new();
    for (at, event) in &path.right_events {
        let FrameEvent::Message(message) = event else { continue };
        if !delivered.contains(message) {
            let number = u32::from_be_bytes(message[..4].try_into().expect("four bytes"));
            taken.push(*at - number * 20 * MS);
        }
        delivered.push(message.clone());
    }
    taken.sort();
    let (half, most) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
    assert!(most < 1500 * MS, "half within {half:?}, most within {most:?} {stats:?}");
    delivered.sort();
    delivered.dedup();
    assert!(delivered.len() >= 4998, "{} {stats:?}", delivered.len());
}

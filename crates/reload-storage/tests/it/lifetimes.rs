//! Lifetimes run on local time from receipt (sections 7 and 7.4.1.1, E70).

use std::time::Duration;

use bytes::Bytes;
use reload_wire::{Now, UnixTime};

use crate::bed::*;

const SECOND: Duration = Duration::from_secs(1);

// R6940-7-05, R6940-7-07
#[test]
fn a_value_is_gone_at_the_end_of_its_lifetime_even_before_the_sweep() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    // A storage time of long ago or far ahead makes no difference.
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, u64::MAX, single(b"x"))).unwrap();
    bed.wait(Duration::from_secs(u64::from(LIFETIME)) - SECOND);
    assert_eq!(bed.single(&storage, &home), Some(Bytes::from_static(b"x")));
    bed.wait(SECOND);
    assert_eq!(bed.single(&storage, &home), None);
    assert_eq!(storage.value_count(), 1, "not swept yet");
    assert_eq!(storage.handle_timeout(bed.now), 1);
    assert_eq!(storage.usage(), reload_storage::Usage::default());
    assert_eq!(storage.counters().expired, 1);
}

#[test]
fn the_sweep_is_asked_for_when_the_first_value_ends() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    assert_eq!(storage.wakeup(), None);
    let start = bed.now.mono;
    let short = Request::new(&home).kind(SINGLE, 0, vec![(1, 10, single(b"x"))]);
    bed.store(&mut storage, &alice, &short).unwrap();
    bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 1, put(0, b"y"))).unwrap();
    assert_eq!(storage.wakeup(), Some(start + 10 * SECOND));
    bed.wait(10 * SECOND);
    assert_eq!(storage.handle_timeout(bed.now), 1);
    assert_eq!(storage.wakeup(), Some(start + Duration::from_secs(u64::from(LIFETIME))));
}

#[test]
fn a_value_without_lifetime_is_accepted_and_not_stored() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let request = Request::new(&home).kind(SINGLE, 0, vec![(1, 0, single(b"x"))]);
    let stored = bed.store(&mut storage, &alice, &request).unwrap();
    assert!(!stored.changed());
    assert_eq!(storage.usage(), reload_storage::Usage::default());
}

#[test]
fn an_expired_value_does_not_stand_in_the_way_of_an_older_one() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let short = Request::new(&home).kind(SINGLE, 0, vec![(9, 10, single(b"x"))]);
    bed.store(&mut storage, &alice, &short).unwrap();
    bed.wait(10 * SECOND);
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 3, single(b"y"))).unwrap();
    assert_eq!(bed.single(&storage, &home), Some(Bytes::from_static(b"y")));
}

/// Else a Store that expects the old state could pass at a state that only has the same number.
#[test]
fn a_generation_counter_goes_on_after_the_last_value_expired() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    for time in [1, 2, 3] {
        let short = Request::new(&home).kind(SINGLE, 0, vec![(time, 10, single(b"x"))]);
        bed.store(&mut storage, &alice, &short).unwrap();
    }
    bed.wait(10 * SECOND);
    assert_eq!(storage.handle_timeout(bed.now), 1);
    assert_eq!(storage.usage(), reload_storage::Usage::default());
    assert_eq!(bed.fetch_all(&storage, &home, SINGLE).0, 3);
    let expecting = |generation| {
        Request::new(&home).kind(SINGLE, generation, vec![(4, LIFETIME, single(b"y"))])
    };
    let refusal = bed.store(&mut storage, &alice, &expecting(1)).unwrap_err();
    assert_eq!(refusal.code(), reload_wire::ErrorCode::GENERATION_COUNTER_TOO_LOW);
    bed.store(&mut storage, &alice, &expecting(3)).unwrap();
    assert_eq!(storage.generation(&home, SINGLE), 4);
}

#[test]
fn a_clock_that_is_set_back_does_not_lengthen_a_lifetime() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 1, single(b"x"))).unwrap();
    bed.now = Now { wall: UnixTime(bed.now.wall.0 - 1_000_000), ..bed.now };
    let (_, values) = bed.fetch_all(&storage, &home, SINGLE);
    assert_eq!(values[0].lifetime, LIFETIME);
}

// R6940-7.1-03
#[test]
fn a_value_goes_with_the_certificate_of_its_writer() {
    let mut bed = Bed::with_authority();
    let alice = bed.real_writer("alice", &[node_id("a")], 60 * SECOND);
    let home = bed.user_resource("alice");
    let mut storage = bed.storage();
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 1, single(b"x"))).unwrap();
    bed.wait(59 * SECOND);
    assert_eq!(bed.single(&storage, &home), Some(Bytes::from_static(b"x")));
    bed.wait(2 * SECOND);
    assert_eq!(bed.single(&storage, &home), None);
    assert_eq!(storage.handle_timeout(bed.now), 1);
}

// R6940-7.4.1.3-04
#[test]
fn an_element_at_its_end_is_a_gap_before_the_sweep_too() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let values = vec![(1, 10, put(0, b"short")), (1, 99, put(1, b"long")), (1, 10, put(2, b"x"))];
    bed.store(&mut storage, &alice, &Request::new(&home).kind(ARRAY, 0, values)).unwrap();
    bed.wait(10 * SECOND);
    let (generation, values) = bed.fetch_all(&storage, &home, ARRAY);
    assert_eq!((generation, values.len()), (1, 2), "the last element that counts is 1");
    assert!(bed.is_synthetic(&values[0]));
    assert_eq!(values[1].value, put(1, b"long"));
    assert_eq!(storage.view(bed.now).count(), 1);
}

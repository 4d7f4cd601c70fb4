//! What this peer is willing to keep, beyond what the Kinds say.

use std::sync::Arc;

use reload_storage::{Limits, MemoryStore, Refusal, Storage, Store, StoredValue, Usage};
use reload_wire::ErrorCode;

use crate::bed::*;

fn limited(bed: &Bed, limits: Limits) -> Storage<MemoryStore> {
    bed.storage().with_limits(limits)
}

#[test]
fn the_limit_of_resources_stops_new_ones_only() {
    let bed = Bed::new();
    let mut storage = limited(&bed, Limits { resources: 1, ..Limits::default() });
    let alice = bed.writer("alice");
    let home = bed.user_resource("alice");
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 1, single(b"x"))).unwrap();
    let bob = Request::of(&bed.user_resource("bob"), SINGLE, 1, single(b"x"));
    let refusal = bed.store(&mut storage, &bed.writer("bob"), &bob).unwrap_err();
    assert_eq!(refusal, Refusal::ResourcesFull { limit: 1 });
    assert_eq!(refusal.to_string(), "this peer stores at most 1 resources for others");
    bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 1, put(0, b"x"))).unwrap();
}

#[test]
fn a_full_peer_takes_what_it_need_not_keep() {
    let bed = Bed::new();
    let mut storage = limited(&bed, Limits { resources: 0, ..Limits::default() });
    let ended = Request::new(&bed.user_resource("alice"));
    let ended = ended.kind(SINGLE, 0, vec![(1, 0, single(b"x"))]);
    bed.store(&mut storage, &bed.writer("alice"), &ended).expect("it has no lifetime");
    assert_eq!(storage.usage(), Usage::default());
}

#[test]
fn the_limit_of_bytes_refuses_what_adds_and_takes_what_shrinks() {
    let bed = Bed::new();
    let (alice, home) = (bed.writer("alice"), bed.user_resource("alice"));
    let large = Request::of(&home, SINGLE, 1, single(&[7; 90]));
    let mut measure = bed.storage();
    bed.store(&mut measure, &alice, &large).unwrap();
    let bytes = measure.stored_bytes();

    let mut storage = limited(&bed, Limits { bytes, ..Limits::default() });
    bed.store(&mut storage, &alice, &large).expect("fits to the byte");
    let larger = Request::of(&home, SINGLE, 2, single(&[7; 91]));
    let refusal = bed.store(&mut storage, &alice, &larger).unwrap_err();
    assert_eq!(refusal, Refusal::BytesFull { limit: bytes });
    assert_eq!(refusal.code(), ErrorCode::DATA_TOO_LARGE);
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 2, removed())).unwrap();
    let mut storage = limited(&bed, Limits { bytes: bytes - 1, ..Limits::default() });
    bed.store(&mut storage, &alice, &large).expect_err("one byte too much");
    let mut storage = limited(&bed, Limits { bytes: bytes + 1, ..Limits::default() });
    bed.store(&mut storage, &alice, &large).unwrap();
    bed.store(&mut storage, &alice, &larger).expect("what it replaces goes");
}

#[test]
fn the_limit_of_values_stands_beside_max_count() {
    let bed = Bed::new();
    let mut storage = limited(&bed, Limits { values_per_kind: 2, ..Limits::default() });
    let (alice, home) = (bed.writer("alice"), bed.user_resource("alice"));
    for _ in 0..2 {
        let at = storage.value_count();
        let request = Request::of(&home, ARRAY, 1, append(&[u8::try_from(at).unwrap()]));
        bed.store(&mut storage, &alice, &request).unwrap();
    }
    let refusal = bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 1, append(b"x")));
    let expected = Refusal::TooManyValues { kind: ARRAY, count: 3, max: 2 };
    assert_eq!(refusal.unwrap_err(), expected);
}

#[test]
fn one_certificate_is_kept_for_all_values_of_a_writer() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let values = (0..4).map(|index| (1, LIFETIME, put(index, b"x"))).collect();
    bed.store(&mut storage, &alice, &Request::new(&home).kind(ARRAY, 0, values)).unwrap();
    let one = storage.usage();
    assert_eq!((one.certificates, one.values, one.resources), (1, 4, 1));
    let twin = bed.writer("alice");
    bed.store(&mut storage, &twin, &Request::of(&home, ARRAY, 2, put(0, b"x"))).unwrap();
    assert_eq!(storage.usage(), one);
    assert!(!Arc::ptr_eq(alice.certificate(), twin.certificate()));
    let slot = storage.store_ref().slot(&home, ARRAY).unwrap();
    let same = |value: &StoredValue| Arc::ptr_eq(value.certificate(), alice.certificate());
    assert!(slot.values.values().all(same), "in memory once");
}

#[test]
fn the_view_shows_owner_size_and_lifetime() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 1, single(b"abc"))).unwrap();
    let view: Vec<_> = storage.view(bed.now).collect();
    assert_eq!(view.len(), 1);
    let shown = &view[0];
    assert_eq!((shown.owner, shown.size, shown.remaining), (alice.node_id(), 3, LIFETIME));
    assert_eq!((&shown.resource, shown.kind, shown.generation), (&home, SINGLE, 1));
    assert_eq!(shown.user.as_deref(), Some("alice@example.org"));
    assert_ne!(storage.usage(), Usage::default());
}

// R6940-11.1-51
#[test]
fn what_is_over_a_lowered_limit_may_still_be_replaced_and_shrink() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let values = (0..3).map(|index| (1, LIFETIME, put(index, &[7; 50]))).collect();
    bed.store(&mut storage, &alice, &Request::new(&home).kind(ARRAY, 0, values)).unwrap();
    let lower = Limits { bytes: 10, resources: 0, values_per_kind: 1 };
    let mut storage = storage.with_limits(lower);
    let shorter = Request::of(&home, ARRAY, 2, put(0, b"short"));
    bed.store(&mut storage, &alice, &shorter).expect("neither more values nor more bytes");
    let as_long = Request::of(&home, ARRAY, 3, put(0, b"other"));
    bed.store(&mut storage, &alice, &as_long).expect("as many bytes");
    let longer = Request::of(&home, ARRAY, 4, put(0, b"longer"));
    let refusal = bed.store(&mut storage, &alice, &longer).unwrap_err();
    assert_eq!(refusal, Refusal::BytesFull { limit: 10 });
    let more = Request::of(&home, ARRAY, 1, put(9, b""));
    let refusal = bed.store(&mut storage, &alice, &more).unwrap_err();
    assert_eq!(refusal, Refusal::TooManyValues { kind: ARRAY, count: 4, max: 1 });
    assert_eq!(storage.limits(), lower);
}

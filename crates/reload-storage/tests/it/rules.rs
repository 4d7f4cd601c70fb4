//! The checks of section 7.4.1.1: one wrong thing at a time, and nothing is stored.

use bytes::Bytes;
use reload_storage::{MemoryStore, Refusal, Storage};
use reload_wire::{Decode, Dialect, ErrorCode, ResourceId, StoreAns, UnknownKinds};

use crate::bed::*;

/// A storage in which alice has the single value "old" of time 10.
fn with_old() -> (Bed, Storage<MemoryStore>, ResourceId) {
    let bed = Bed::new();
    let mut storage = bed.storage();
    let resource = bed.user_resource("alice");
    let request = Request::of(&resource, SINGLE, 10, single(b"old"));
    bed.store(&mut storage, &bed.writer("alice"), &request).unwrap();
    (bed, storage, resource)
}

fn newer(resource: &ResourceId) -> Request {
    Request::of(resource, SINGLE, 11, single(b"new"))
}

#[track_caller]
fn assert_refused(
    bed: &Bed,
    storage: &Storage<MemoryStore>,
    result: Result<reload_storage::Stored, Refusal>,
    code: ErrorCode,
) {
    assert_eq!(result.expect_err("must be refused").code(), code);
    let resource = bed.user_resource("alice");
    assert_eq!(bed.single(storage, &resource), Some(Bytes::from_static(b"old")));
    assert_eq!(storage.generation(&resource, SINGLE), 1);
    assert_eq!(storage.usage().values, 1);
}

// R6940-7.2.1-01, R6940-7.4.1.1-14, R6940-7.4.1.1-21, R6940-7.4.1.1-22, R6940-7.4.1.1-23,
// R6940-7.4.1.1-24, R6940-7.4.1.1-29, R6940-7.4.1.2-02, R6940-10.4-01
#[test]
fn a_good_request_is_stored_and_counts_up() {
    let (bed, mut storage, resource) = with_old();
    let stored = bed.store(&mut storage, &bed.writer("alice"), &newer(&resource)).unwrap();
    assert!(stored.changed());
    assert_eq!(stored.kinds[0].generation, 2);
    assert_eq!(bed.single(&storage, &resource), Some(Bytes::from_static(b"new")));
    let replicas = [node_id("p"), node_id("q")];
    let answer = stored.answer(&replicas);
    assert_eq!(answer.kind_responses[0].generation_counter, 2);
    assert_eq!(answer.kind_responses[0].replicas, replicas);
}

// R6940-7.4.1.1-07
#[test]
fn an_original_store_needs_the_responsible_peer() {
    let (bed, mut storage, resource) = with_old();
    let request = bed.sign(&bed.writer("alice"), &newer(&resource));
    let result = storage.store(bed.now, &request, &TestPlace::replica());
    assert_refused(&bed, &storage, result, ErrorCode::NOT_FOUND);
}

// R6940-7.3-04, R6940-7.4.1.1-08, R6940-7.4.1.1-13
#[test]
fn a_copy_needs_a_plausible_sender() {
    let (bed, mut storage, resource) = with_old();
    let copy = newer(&resource).replica(1).generation(7);
    let request = bed.sign_by(&bed.writer("peer"), &bed.writer("alice"), &copy);
    let result = storage.store(bed.now, &request, &TestPlace::elsewhere());
    assert_refused(&bed, &storage, result, ErrorCode::FORBIDDEN);
    storage.store(bed.now, &request, &TestPlace::replica()).expect("this one is plausible");
}

// R6940-7.4.1.1-03
#[test]
fn a_kind_occurs_once() {
    let (bed, mut storage, resource) = with_old();
    let request = newer(&resource).kind(SINGLE, 0, vec![(12, LIFETIME, single(b"newest"))]);
    let result = bed.store(&mut storage, &bed.writer("alice"), &request);
    assert_refused(&bed, &storage, result, ErrorCode::INVALID_MESSAGE);
}

// R6940-7.4.1.1-09, R6940-7.4.1.2-07
#[test]
fn all_unknown_kinds_are_listed() {
    let (bed, mut storage, resource) = with_old();
    let other = reload_wire::KindId(UNKNOWN.0 + 1);
    let request = newer(&resource).kind(UNKNOWN, 0, vec![(1, LIFETIME, single(b"x"))]).kind(
        other,
        0,
        vec![(1, LIFETIME, single(b"x"))],
    );
    let result = bed.store(&mut storage, &bed.writer("alice"), &request);
    let response = result.clone().unwrap_err().error_response(&Dialect::default());
    let listed = UnknownKinds::decode_exact(&Dialect::default(), &response.info).unwrap();
    assert_eq!(listed, UnknownKinds(vec![UNKNOWN, other]));
    assert_refused(&bed, &storage, result, ErrorCode::UNKNOWN_KIND);
}

// R6940-7.3-02, R6940-7.4.1.1-11
#[test]
fn the_signer_of_a_value_must_be_authorised() {
    let (bed, mut storage, resource) = with_old();
    let by_bob = bed.sign_by(&bed.writer("alice"), &bed.writer("bob"), &newer(&resource));
    let result = storage.store(bed.now, &by_bob, &TestPlace::responsible());
    assert!(matches!(result, Err(Refusal::ValueForbidden { .. })));
    assert_refused(&bed, &storage, result, ErrorCode::FORBIDDEN);
}

// R6940-7.3-03
#[test]
fn the_signer_of_a_copied_value_must_be_authorised() {
    let (bed, mut storage, resource) = with_old();
    let copy = newer(&resource).replica(1).generation(7);
    let by_bob = bed.sign(&bed.writer("bob"), &copy);
    let result = storage.store(bed.now, &by_bob, &TestPlace::responsible());
    assert_refused(&bed, &storage, result, ErrorCode::FORBIDDEN);
}

// R6940-7.3-02, R6940-7.4.1.1-12
#[test]
fn the_sender_of_an_original_store_must_be_authorised() {
    let (bed, mut storage, resource) = with_old();
    let from_bob = bed.sign_by(&bed.writer("bob"), &bed.writer("alice"), &newer(&resource));
    let result = storage.store(bed.now, &from_bob, &TestPlace::responsible());
    assert!(matches!(result, Err(Refusal::SenderForbidden { .. })));
    assert_refused(&bed, &storage, result, ErrorCode::FORBIDDEN);
}

// R6940-10.4-04, R6940-10.4-06
#[test]
fn the_sender_of_a_copy_needs_no_right_of_its_own() {
    let (bed, mut storage, resource) = with_old();
    let copy = newer(&resource).replica(2).generation(7);
    let from_bob = bed.sign_by(&bed.writer("bob"), &bed.writer("alice"), &copy);
    storage.store(bed.now, &from_bob, &TestPlace::replica()).unwrap();
    assert_eq!(bed.single(&storage, &resource), Some(Bytes::from_static(b"new")));
}

// R6940-7.4.1.1-14, R6940-7.4.1.2-03, R6940-7.4.1.2-04
#[test]
fn a_generation_counter_too_low_or_too_high_is_answered_with_the_right_ones() {
    let (bed, mut storage, resource) = with_old();
    let alice = bed.writer("alice");
    bed.store(&mut storage, &alice, &Request::of(&resource, ARRAY, 1, put(0, b"a"))).unwrap();
    bed.store(&mut storage, &alice, &Request::of(&resource, ARRAY, 1, put(1, b"b"))).unwrap();
    for wrong in [1, 3] {
        let array = vec![(5, LIFETIME, put(0, b"z"))];
        let request = newer(&resource).generation(1).kind(ARRAY, wrong, array);
        let refusal = bed.store(&mut storage, &alice, &request).unwrap_err();
        let response = refusal.error_response(&Dialect::default());
        assert_eq!(response.code, ErrorCode::GENERATION_COUNTER_TOO_LOW);
        let present = StoreAns::decode_exact(&Dialect::default(), &response.info).unwrap();
        let counters: Vec<_> = present
            .kind_responses
            .iter()
            .map(|kind| (kind.kind, kind.generation_counter, kind.replicas.len()))
            .collect();
        assert_eq!(counters, [(SINGLE, 1, 0), (ARRAY, 2, 0)]);
        assert_eq!(bed.single(&storage, &resource), Some(Bytes::from_static(b"old")));
    }
}

// R6940-7.4.1.1-14
#[test]
fn the_present_generation_counter_is_accepted() {
    let (bed, mut storage, resource) = with_old();
    let request = newer(&resource).generation(1);
    let stored = bed.store(&mut storage, &bed.writer("alice"), &request).unwrap();
    assert_eq!(stored.kinds[0].generation, 2);
}

// R6940-7.4.1.1-15, R6940-7.4.1.1-16, R6940-10.4-06
#[test]
fn a_copy_sets_the_generation_counter_even_to_a_lower_one() {
    let (bed, mut storage, resource) = with_old();
    let alice = bed.writer("alice");
    bed.store(&mut storage, &alice, &newer(&resource)).unwrap();
    for (time, generation) in [(12, 9), (13, 1)] {
        let copy = Request::of(&resource, SINGLE, time, single(b"copy"));
        let copy = copy.replica(1).generation(generation);
        bed.store(&mut storage, &alice, &copy).unwrap();
        assert_eq!(storage.generation(&resource, SINGLE), generation);
    }
}

// R6940-7.4.1.1-17
#[test]
fn a_copy_with_generation_counter_0_is_refused() {
    let (bed, mut storage, resource) = with_old();
    let result = bed.store(&mut storage, &bed.writer("alice"), &newer(&resource).replica(1));
    assert_refused(&bed, &storage, result, ErrorCode::INVALID_MESSAGE);
}

// R6940-7-02, R6940-7.4.1.1-18, R6940-13.5.3-02
#[test]
fn an_equal_or_older_storage_time_is_refused() {
    let (bed, mut storage, resource) = with_old();
    let alice = bed.writer("alice");
    for time in [9, 10] {
        let request = Request::of(&resource, SINGLE, time, single(b"new"));
        for request in [request.clone(), request.replica(1).generation(5)] {
            let result = bed.store(&mut storage, &alice, &request);
            assert_refused(&bed, &storage, result, ErrorCode::DATA_TOO_OLD);
        }
    }
}

// R6940-13.5.3-02
#[test]
fn the_identical_value_is_accepted_without_effect() {
    let (mut bed, mut storage, resource) = with_old();
    bed.wait(std::time::Duration::from_secs(60));
    let request = Request::of(&resource, SINGLE, 10, single(b"old"));
    let stored = bed.store(&mut storage, &bed.writer("alice"), &request).unwrap();
    assert!(!stored.changed());
    assert_eq!(stored.kinds[0].generation, 1);
    let (_, values) = bed.fetch_all(&storage, &resource, SINGLE);
    assert_eq!(values[0].lifetime, LIFETIME - 60, "the lifetime is not prolonged");
    assert_eq!(storage.counters().unchanged, 1);
}

// R6940-7.4.1.1-19, R6940-7.4.1.2-06, R6940-13.5.2-01
#[test]
fn a_value_of_max_size_is_stored_and_one_byte_more_is_not() {
    let (bed, mut storage, resource) = with_old();
    let alice = bed.writer("alice");
    let large = Request::of(&resource, SINGLE, 11, single(&[7; MAX_SIZE + 1]));
    let result = bed.store(&mut storage, &alice, &large);
    assert_refused(&bed, &storage, result, ErrorCode::DATA_TOO_LARGE);
    let fits = Request::of(&resource, SINGLE, 11, single(&[7; MAX_SIZE]));
    bed.store(&mut storage, &alice, &fits).unwrap();
}

// R6940-7.4.1.1-19
#[test]
fn max_count_counts_entries_and_not_indices() {
    let (bed, mut storage, resource) = with_old();
    let alice = bed.writer("alice");
    for n in 0..MAX_COUNT {
        let index = u32::try_from(n * 1_000_000).unwrap();
        bed.store(&mut storage, &alice, &Request::of(&resource, ARRAY, 1, put(index, b"x")))
            .unwrap();
    }
    let one_more = Request::of(&resource, ARRAY, 1, put(5, b"x"));
    let refusal = bed.store(&mut storage, &alice, &one_more).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DATA_TOO_LARGE);
    let replace = Request::of(&resource, ARRAY, 2, put(0, b"y"));
    bed.store(&mut storage, &alice, &replace).expect("replacing needs no room");
}

// R6940-7.4.1.1-04, R6940-7.4.1.1-05
#[test]
fn when_the_second_kind_fails_the_first_is_unchanged() {
    let (bed, mut storage, resource) = with_old();
    let large = vec![(1, LIFETIME, put(0, b"fits")), (1, LIFETIME, put(1, &[0; MAX_SIZE + 1]))];
    let request = newer(&resource).kind(ARRAY, 0, large);
    let result = bed.store(&mut storage, &bed.writer("alice"), &request);
    assert_refused(&bed, &storage, result, ErrorCode::DATA_TOO_LARGE);
    assert_eq!(storage.generation(&resource, ARRAY), 0);
}

#[test]
fn a_refusal_is_counted_by_its_code_and_says_why() {
    let (bed, mut storage, resource) = with_old();
    let large = Request::of(&resource, SINGLE, 11, single(&[7; MAX_SIZE + 1]));
    let refusal = bed.store(&mut storage, &bed.writer("alice"), &large).unwrap_err();
    assert_eq!(storage.counters().refused[&ErrorCode::DATA_TOO_LARGE], 1);
    let response = refusal.error_response(&Dialect::default());
    let text = response.text().unwrap().to_owned();
    assert_eq!(text, "kind 0xf0000001: a value of 101 bytes, at most 100 are allowed");
}

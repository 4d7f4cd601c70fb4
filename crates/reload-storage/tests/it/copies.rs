//! Copies to other peers and what comes back from them (sections 7.4.1.1, 10.4 and 10.7.3).

use std::time::Duration;

use reload_identity::{KindModels, VerifiedValue, verify_fetch_answer, verify_message};
use reload_storage::{CopyBatch, Limits, MemoryStore, Refusal, Storage};
use reload_topology::Range;
use reload_wire::{
    Decode, Dialect, ErrorCode, KindId, MessageCode, ResourceId, StoreReq, StoredDataValue,
};

use crate::bed::*;

fn decode(batch: &CopyBatch) -> StoreReq {
    StoreReq::decode_exact(&Dialect::default(), &batch.body).unwrap()
}

fn whole_ring() -> Range {
    Range { after: ResourceId::from_u128(0), through: ResourceId::from_u128(0) }
}

fn all_copies(
    bed: &Bed,
    storage: &Storage<MemoryStore>,
    range: &Range,
    size: usize,
) -> Vec<CopyBatch> {
    let mut cursor = storage.copy_range(range, 1, size);
    std::iter::from_fn(|| cursor.next(storage, bed.now)).collect()
}

/// The values that `storage` gives for a Kind, verified as at the peer that fetched them.
fn fetched(
    bed: &Bed,
    storage: &Storage<MemoryStore>,
    resource: &ResourceId,
    kind: KindId,
) -> (u64, Vec<VerifiedValue>) {
    let request = storage.fetch_all_request(resource, &[kind]).unwrap();
    let answer = storage.fetch(bed.now, &request, None).unwrap();
    let peer = bed.writer("answering peer");
    let message = bed.message(&peer, MessageCode::FETCH_ANSWER, answer.body, &answer.certificates);
    let now = bed.now.wall;
    let message = verify_message(message, &bed.trust, &[], now).unwrap();
    let models = KindModels::new(&bed.configuration);
    let mut fetched =
        verify_fetch_answer(&message, resource, &bed.trust, &[], &models, now).unwrap();
    let kind = fetched.kinds.remove(0);
    assert_eq!(kind.discarded, 0);
    (kind.generation, kind.values)
}

// R6940-6.3.4-06, R6940-7.4.1.1-25, R6940-7.4.1.1-26
#[test]
fn a_replica_gets_what_changed_with_real_index_counter_and_the_lifetime_left() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 1, put(4, b"old"))).unwrap();
    let request = Request::of(&home, ARRAY, 1, append(b"new"));
    let stored = bed.store(&mut storage, &alice, &request).unwrap();
    bed.wait(Duration::from_millis(10_500));
    let batches = storage.replica_requests(bed.now, &stored, 2, 5000);
    assert_eq!(batches.len(), 1);
    let copy = decode(&batches[0]);
    assert_eq!((copy.replica_number, &copy.resource), (2, &home));
    let data = &copy.kind_data[0];
    assert_eq!((data.kind, data.generation_counter, data.values.len()), (ARRAY, 2, 1));
    assert_eq!(data.values[0].lifetime, LIFETIME - 11, "rounded down");
    let value = bed.sign_copy(&batches[0]).kinds[0].values[0].value().clone();
    assert!(matches!(value, StoredDataValue::Array { index: 5, .. }));
    assert_eq!(batches[0].certificates, [alice.certificate().der().clone()]);
    assert_eq!(batches[0].kinds, [ARRAY]);
}

#[test]
fn nothing_is_copied_when_nothing_changed() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let request = Request::of(&bed.user_resource("alice"), SINGLE, 1, single(b"x"));
    bed.store(&mut storage, &alice, &request).unwrap();
    let again = bed.store(&mut storage, &alice, &request).unwrap();
    assert_eq!(storage.replica_requests(bed.now, &again, 1, 5000), []);
}

#[test]
fn requests_are_split_by_size_and_none_is_empty() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let values = (0..6).map(|index| (1, LIFETIME, put(index, &[7; 90]))).collect();
    let stored =
        bed.store(&mut storage, &alice, &Request::new(&home).kind(ARRAY, 0, values)).unwrap();
    let whole = storage.replica_requests(bed.now, &stored, 1, 100_000);
    assert_eq!(whole.len(), 1);
    let size = whole[0].size();
    assert_eq!(storage.replica_requests(bed.now, &stored, 1, size), whole);
    assert_eq!(storage.replica_requests(bed.now, &stored, 1, size - 1).len(), 2);
    for max_size in [1, 300, 500, 700] {
        let batches = storage.replica_requests(bed.now, &stored, 1, max_size);
        let walked = all_copies(&bed, &storage, &whole_ring(), max_size);
        assert_eq!(batches, walked, "both ways pack alike");
        assert_eq!(batches.iter().map(|batch| batch.values).sum::<usize>(), 6);
        assert!(batches.iter().all(|batch| batch.values == 1 || batch.size() <= max_size));
    }
}

#[test]
fn a_walk_keeps_to_its_range_and_goes_over_zero() {
    let bed = Bed::new();
    let mut storage = bed.storage();
    let mut homes = Vec::new();
    for n in 0..8 {
        let name = format!("user{n}");
        let home = bed.user_resource(&name);
        let request = Request::of(&home, SINGLE, 1, single(b"x"));
        bed.store(&mut storage, &bed.writer(&name), &request).unwrap();
        homes.push(home);
    }
    homes.sort();
    let resources = |after: usize, through: usize| {
        let range = Range { after: homes[after].clone(), through: homes[through].clone() };
        let batches = all_copies(&bed, &storage, &range, 5000);
        batches.into_iter().map(|batch| batch.resource).collect::<Vec<_>>()
    };
    assert_eq!(resources(1, 4), homes[2..=4]);
    assert_eq!(resources(5, 1), [&homes[6..], &homes[..=1]].concat());
    assert_eq!(resources(3, 3), [&homes[4..], &homes[..=3]].concat());
}

#[test]
fn a_walk_begins_each_kind_at_its_first_key() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let own = alice.node_id().as_bytes().to_vec();
    let requests = [(DICTIONARY, vec![0xff; own.len() + 1]), (USER_NODE, own)];
    for (kind, key) in requests {
        bed.store(&mut storage, &alice, &Request::of(&home, kind, 1, entry(&key, b"x"))).unwrap();
    }
    let kinds = all_copies(&bed, &storage, &whole_ring(), 1).into_iter().flat_map(|b| b.kinds);
    assert_eq!(kinds.collect::<Vec<_>>(), [DICTIONARY, USER_NODE]);
}

#[test]
fn a_walk_goes_on_while_the_storage_changes() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    for index in [0, 2, 4] {
        bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 1, put(index, b"x"))).unwrap();
    }
    let mut cursor = storage.copy_range(&whole_ring(), 1, 1);
    let mut seen = Vec::new();
    while let Some(batch) = cursor.next(&storage, bed.now) {
        seen.push(decode(&batch).kind_data[0].values[0].value[..4].to_vec());
        if seen.len() == 1 {
            let request = Request::of(&home, ARRAY, 1, put(3, b"y"));
            bed.store(&mut storage, &alice, &request).unwrap();
        }
    }
    assert_eq!(seen, [[0, 0, 0, 0], [0, 0, 0, 2], [0, 0, 0, 3], [0, 0, 0, 4]]);
}

// R6940-7.4.1.3-04
#[test]
fn values_at_their_end_are_not_copied() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let short = Request::new(&home).kind(SINGLE, 0, vec![(1, 10, single(b"x"))]);
    let stored = bed.store(&mut storage, &alice, &short).unwrap();
    bed.wait(Duration::from_millis(9_500));
    assert_eq!(storage.replica_requests(bed.now, &stored, 1, 5000), []);
    assert_eq!(all_copies(&bed, &storage, &whole_ring(), 5000), []);
}

// R6940-7.4.1.3-03
#[test]
fn a_removal_is_copied_like_a_value() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 1, single(b"x"))).unwrap();
    let removal = Request::of(&home, SINGLE, 2, removed());
    let stored = bed.store(&mut storage, &alice, &removal).unwrap();
    let batches = storage.replica_requests(bed.now, &stored, 1, 5000);
    let mut replica = bed.storage();
    replica.store(bed.now, &bed.sign_copy(&batches[0]), &TestPlace::replica()).unwrap();
    assert_eq!(fetched(&bed, &replica, &home, SINGLE), fetched(&bed, &storage, &home, SINGLE));
    let (_, values) = fetched(&bed, &replica, &home, SINGLE);
    assert!(!values[0].value().data().exists);
}

#[test]
fn what_lies_outside_the_range_is_forgotten() {
    let bed = Bed::new();
    let mut storage = bed.storage();
    for name in ["alice", "bob"] {
        let request = Request::of(&bed.user_resource(name), SINGLE, 1, single(b"x"));
        bed.store(&mut storage, &bed.writer(name), &request).unwrap();
    }
    let bob = bed.user_resource("bob");
    let before = ResourceId::from_u128(bob.to_u128().unwrap() - 1);
    let keep = Range { after: before, through: bob.clone() };
    let outside = storage.resources_outside(&keep, usize::MAX);
    assert_eq!(outside, [bed.user_resource("alice")]);
    assert_eq!(storage.resources_outside(&keep, 0), []);
    assert_eq!(storage.forget(outside), 1);
    assert_eq!(storage.view(bed.now).map(|value| value.resource).collect::<Vec<_>>(), [bob]);
    assert_eq!(storage.usage().certificates, 1, "that of alice went with her value");
}

// R6940-7.4.1.1-27, R6940-7.4.1.1-28
#[test]
fn a_refused_copy_is_merged_by_storage_time_and_then_taken() {
    let bed = Bed::new();
    let (mut ours, mut theirs) = (bed.storage(), bed.storage());
    let (home, alice) = (bed.user_resource("alice"), bed.writer("alice"));
    let put_in = |storage: &mut _, values: Vec<(u64, u32, StoredDataValue)>| {
        bed.store(storage, &alice, &Request::new(&home).kind(ARRAY, 0, values)).unwrap();
    };
    put_in(&mut ours, vec![(5, LIFETIME, put(0, b"ours is newer")), (1, LIFETIME, put(1, b"old"))]);
    put_in(&mut theirs, vec![(4, LIFETIME, put(0, b"older")), (2, LIFETIME, put(1, b"newer"))]);
    put_in(&mut theirs, vec![(9, LIFETIME, put(7, b"only there"))]);
    let batch = all_copies(&bed, &ours, &whole_ring(), 5000).remove(0);
    let place = TestPlace::replica();
    let refusal = theirs.store(bed.now, &bed.sign_copy(&batch), &place).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DATA_TOO_OLD);

    let (generation, values) = fetched(&bed, &theirs, &home, ARRAY);
    let merged = ours.merge(bed.now, &home, ARRAY, &values, generation, &place).unwrap();
    assert!(merged.changed());
    let (counter, held) = bed.fetch_all(&ours, &home, ARRAY);
    assert!(counter > generation);
    let held: Vec<_> = held.into_iter().filter(|v| !bed.is_synthetic(v)).collect();
    let times: Vec<_> = held.iter().map(|value| value.storage_time.0).collect();
    assert_eq!(times, [5, 2, 9]);

    let batch = all_copies(&bed, &ours, &whole_ring(), 5000).remove(0);
    theirs.store(bed.now, &bed.sign_copy(&batch), &place).expect("nothing is older now");
    assert_eq!(fetched(&bed, &theirs, &home, ARRAY), fetched(&bed, &ours, &home, ARRAY));
    let again = ours.merge(bed.now, &home, ARRAY, &values, generation, &place).unwrap();
    assert!(!again.changed());
    assert_eq!(bed.fetch_all(&ours, &home, ARRAY).0, counter);
}

#[test]
fn a_merge_leaves_out_values_of_writers_without_a_right() {
    let bed = Bed::new();
    let (mut ours, mut theirs) = (bed.storage(), bed.storage());
    let bob = bed.user_resource("bob");
    let request = Request::of(&bob, SINGLE, 1, single(b"x"));
    bed.store(&mut theirs, &bed.writer("bob"), &request).unwrap();
    let (_, values) = fetched(&bed, &theirs, &bob, SINGLE);
    let alice = bed.user_resource("alice");
    let merged = ours.merge(bed.now, &alice, SINGLE, &values, 1, &TestPlace::responsible());
    assert!(!merged.unwrap().changed());
    assert_eq!(ours.value_count(), 0);
}

#[test]
fn a_merge_keeps_to_sizes_and_limits() {
    let bed = Bed::new();
    let mut theirs = bed.storage();
    let home = bed.user_resource("alice");
    let values = vec![(1, LIFETIME, put(0, b"short")), (1, LIFETIME, put(1, &[7; 90]))];
    let request = Request::new(&home).kind(ARRAY, 0, values);
    bed.store(&mut theirs, &bed.writer("alice"), &request).unwrap();
    let (generation, values) = fetched(&bed, &theirs, &home, ARRAY);
    let merge = |mut ours: Storage<MemoryStore>| {
        let place = TestPlace::responsible();
        let merged = ours.merge(bed.now, &home, ARRAY, &values, generation, &place);
        merged.map(|_| ours.value_count())
    };
    let mut configuration = bed.configuration.clone();
    configuration.settings.kinds.iter_mut().for_each(|block| block.definition.max_size = 10);
    assert_eq!(merge(Storage::new(MemoryStore::new(), &configuration)), Ok(1));
    let one = Limits { values_per_kind: 1, ..Limits::default() };
    let refusal = Refusal::TooManyValues { kind: ARRAY, count: 2, max: 1 };
    assert_eq!(merge(bed.storage().with_limits(one)), Err(refusal));
    let few = Limits { bytes: 100, ..Limits::default() };
    assert_eq!(merge(bed.storage().with_limits(few)), Err(Refusal::BytesFull { limit: 100 }));
    assert_eq!(merge(bed.storage()), Ok(2));
}

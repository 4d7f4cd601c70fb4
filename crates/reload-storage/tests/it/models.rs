//! Single values, arrays and dictionaries (sections 7.2, 7.4.1.1 and 7.4.1.3).

use std::time::Duration;

use bytes::Bytes;
use reload_storage::ValueKey;
use reload_wire::{ErrorCode, StoredDataValue};

use crate::bed::*;

fn array(
    bed: &Bed,
    storage: &reload_storage::Storage<reload_storage::MemoryStore>,
) -> Vec<(u32, bool, Bytes)> {
    let (_, values) = bed.fetch_all(storage, &bed.user_resource("alice"), ARRAY);
    let entry = |value: Fetched| match value.value {
        StoredDataValue::Array { index, value } => (index, value.exists, value.value),
        other => panic!("not an array entry: {other:?}"),
    };
    values.into_iter().map(entry).collect()
}

// R6940-7.2.2-02, R6940-7.4.1.1-30, R6940-7.4.1.1-32, R6940-8-03
#[test]
fn appends_get_the_index_behind_the_last_one_in_order() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let two = vec![(1, LIFETIME, append(b"a")), (1, LIFETIME, append(b"b"))];
    let stored = bed.store(&mut storage, &alice, &Request::new(&home).kind(ARRAY, 0, two)).unwrap();
    assert_eq!(stored.kinds[0].changed, [ValueKey::Index(0), ValueKey::Index(1)]);
    bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 1, put(3, b"d"))).unwrap();
    let stored =
        bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 1, append(b"e"))).unwrap();
    assert_eq!(stored.kinds[0].changed, [ValueKey::Index(4)]);
    let expected = [
        (0, true, Bytes::from_static(b"a")),
        (1, true, Bytes::from_static(b"b")),
        (2, false, Bytes::new()),
        (3, true, Bytes::from_static(b"d")),
        (4, true, Bytes::from_static(b"e")),
    ];
    assert_eq!(array(&bed, &storage), expected);
}

#[test]
fn the_same_append_again_has_no_effect() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let request = Request::of(&bed.user_resource("alice"), ARRAY, 1, append(b"a"));
    bed.store(&mut storage, &alice, &request).unwrap();
    let again = bed.store(&mut storage, &alice, &request).unwrap();
    assert!(!again.changed());
    assert_eq!(array(&bed, &storage).len(), 1);
    let twice = vec![(2, LIFETIME, append(b"b")), (2, LIFETIME, append(b"b"))];
    let request = Request::new(&bed.user_resource("alice")).kind(ARRAY, 0, twice);
    bed.store(&mut storage, &alice, &request).unwrap();
    assert_eq!(array(&bed, &storage).len(), 2);
}

#[test]
fn a_value_replaced_by_the_same_request_may_be_appended_again() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 5, put(0, b"a"))).unwrap();
    let moved = vec![(6, LIFETIME, put(0, b"b")), (5, LIFETIME, append(b"a"))];
    bed.store(&mut storage, &alice, &Request::new(&home).kind(ARRAY, 0, moved)).unwrap();
    assert_eq!(storage.value_count(), 2);
}

#[test]
fn the_same_bytes_of_a_later_time_are_appended_again() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    for time in [1, 2] {
        let request = Request::of(&bed.user_resource("alice"), ARRAY, time, append(b"a"));
        bed.store(&mut storage, &alice, &request).unwrap();
    }
    assert_eq!(array(&bed, &storage).len(), 2);
}

#[test]
fn nothing_is_appended_behind_the_last_index() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let last = u32::MAX - 1;
    bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 1, put(last, b"z"))).unwrap();
    let append = Request::of(&home, ARRAY, 1, append(b"more"));
    let refusal = bed.store(&mut storage, &alice, &append).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DATA_TOO_LARGE);
}

// R6940-7.2.3-02, R6940-7.4.1.1-23, R6940-7.4.1.1-31
#[test]
fn a_dictionary_keeps_one_value_a_key() {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    for (time, key, value) in [(1, b"k1", b"a"), (1, b"k2", b"b"), (2, b"k1", b"c")] {
        let request = Request::of(&home, DICTIONARY, time, entry(key, value));
        bed.store(&mut storage, &alice, &request).unwrap();
    }
    let (generation, values) = bed.fetch_all(&storage, &home, DICTIONARY);
    assert_eq!(generation, 3);
    let values: Vec<_> = values.into_iter().map(|value| value.value).collect();
    assert_eq!(values, [entry(b"k1", b"c"), entry(b"k2", b"b")]);
}

// R6940-7.2.1-01, R6940-7.4.1.3-01, R6940-7.4.1.3-03
#[test]
fn a_removed_value_stays_signed_until_its_lifetime_ends() {
    let mut bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 1, single(b"x"))).unwrap();
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 2, removed())).unwrap();
    let (generation, values) = bed.fetch_all(&storage, &home, SINGLE);
    assert_eq!((generation, values[0].storage_time.0), (2, 2));
    assert!(!values[0].value.data().exists);
    let old = Request::of(&home, SINGLE, 1, single(b"x"));
    let refusal = bed.store(&mut storage, &alice, &old).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DATA_TOO_OLD, "a removal guards against replay");
    bed.wait(Duration::from_secs(u64::from(LIFETIME)));
    let (_, values) = bed.fetch_all(&storage, &home, SINGLE);
    assert!(bed.is_synthetic(&values[0]));
}

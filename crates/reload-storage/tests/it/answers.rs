//! Fetch, Stat and Find (sections 7.4.2 to 7.4.4).

use bytes::Bytes;
use reload_storage::{MemoryStore, Refusal, Storage};
use reload_wire::{
    ArrayRange, DataModel, Decode, Dialect, Encode, ErrorCode, FetchAns, FetchReq, FindAns,
    FindReq, HashAlgorithm, KindId, MetaDataValue, ModelSpecifier, ResourceId, StatAns, StatReq,
    StoredDataSpecifier, StoredDataValue,
};
use ring::digest;

use crate::bed::*;

/// Alice's array 0, 1, 3 and dictionary a, b.
fn filled() -> (Bed, Storage<MemoryStore>, ResourceId) {
    let bed = Bed::new();
    let (mut storage, alice) = (bed.storage(), bed.writer("alice"));
    let home = bed.user_resource("alice");
    let array = [0_u32, 1, 3].map(|index| (1, LIFETIME, put(index, b"v")));
    let keys = [b"a", b"b"].map(|key| (1, LIFETIME, entry(key, b"v")));
    let request =
        Request::new(&home).kind(ARRAY, 0, array.to_vec()).kind(DICTIONARY, 0, keys.to_vec());
    bed.store(&mut storage, &alice, &request).unwrap();
    (bed, storage, home)
}

fn specifier(kind: KindId, model: &ModelSpecifier) -> StoredDataSpecifier {
    StoredDataSpecifier { kind, generation: 0, model_specifier: model.to_bytes().unwrap() }
}

fn ranges(ranges: &[(u32, u32)]) -> ModelSpecifier {
    ModelSpecifier::Array(
        ranges.iter().map(|(first, last)| ArrayRange { first: *first, last: *last }).collect(),
    )
}

/// The elements of an answer: array index and whether it exists.
fn indices(
    bed: &Bed,
    storage: &Storage<MemoryStore>,
    home: &ResourceId,
    asked: &[(u32, u32)],
) -> Result<Vec<(u32, bool)>, Refusal> {
    let specifiers = vec![specifier(ARRAY, &ranges(asked))];
    let request = FetchReq { resource: home.clone(), specifiers };
    let answer = storage.fetch(bed.now, &request, None)?;
    let (_, values) = values_of(&answer, DataModel::Array);
    Ok(values
        .into_iter()
        .map(|value| match value.value {
            StoredDataValue::Array { index, value } => (index, value.exists),
            other => panic!("not an array entry: {other:?}"),
        })
        .collect())
}

// R6940-7.2.2-02, R6940-7.4.2.1-07
#[test]
fn ranges_give_their_elements_and_synthetic_ones_for_gaps() {
    let (bed, storage, home) = filled();
    let got = indices(&bed, &storage, &home, &[(0, 0), (2, 4)]).unwrap();
    assert_eq!(got, [(0, true), (2, false), (3, true), (4, false)]);
}

#[test]
fn a_range_to_the_final_element_ends_at_the_highest_index_stored() {
    let (bed, storage, home) = filled();
    let got = indices(&bed, &storage, &home, &[(1, u32::MAX)]).unwrap();
    assert_eq!(got, [(1, true), (2, false), (3, true)]);
    assert_eq!(indices(&bed, &storage, &home, &[(4, u32::MAX)]).unwrap(), []);
}

#[test]
fn a_range_of_more_than_max_count_indices_gives_stored_elements_only() {
    let (bed, storage, home) = filled();
    let got = indices(&bed, &storage, &home, &[(0, 4_000_000_000)]).unwrap();
    assert_eq!(got, [(0, true), (1, true), (3, true)]);
}

// R6940-7.4.2.1-06, R6940-7.4.2.1-08
#[test]
fn ranges_that_overlap_or_end_before_they_start_are_refused() {
    let (bed, storage, home) = filled();
    for wrong in [&[(0, 4), (3, 6)][..], &[(3, 6), (0, 3)], &[(1, 1), (1, 1)]] {
        let refusal = indices(&bed, &storage, &home, wrong).unwrap_err();
        assert_eq!(refusal, Refusal::BadRanges(ARRAY), "{wrong:?}");
        assert_eq!(refusal.code(), ErrorCode::INVALID_MESSAGE);
    }
    // The encoder doesn't write the range 5 to 3.
    let backward = Bytes::from_static(&[0, 8, 0, 0, 0, 5, 0, 0, 0, 3]);
    let specifiers =
        vec![StoredDataSpecifier { kind: ARRAY, generation: 0, model_specifier: backward }];
    let refusal = storage.fetch(bed.now, &FetchReq { resource: home, specifiers }, None);
    assert_eq!(refusal.unwrap_err().code(), ErrorCode::INVALID_MESSAGE);
}

// R6940-7.4.2.1-09
#[test]
fn a_dictionary_fetch_without_keys_is_a_wildcard_and_missing_keys_are_synthetic() {
    let (bed, storage, home) = filled();
    let fetch = |keys: &[&'static [u8]]| {
        let keys = keys.iter().map(|key| Bytes::from_static(key)).collect();
        let specifiers = vec![specifier(DICTIONARY, &ModelSpecifier::Dictionary(keys))];
        let request = FetchReq { resource: home.clone(), specifiers };
        let answer = storage.fetch(bed.now, &request, None).unwrap();
        let (_, values) = values_of(&answer, DataModel::Dictionary);
        values.into_iter().map(|value| value.value).collect::<Vec<_>>()
    };
    assert_eq!(fetch(&[]), [entry(b"a", b"v"), entry(b"b", b"v")]);
    let got = fetch(&[b"b", b"zz"]);
    assert_eq!(got[0], entry(b"b", b"v"));
    let StoredDataValue::Dictionary { key, value } = &got[1] else { panic!("not an entry") };
    assert_eq!((&key[..], value.exists), (&b"zz"[..], false));
}

// R6940-7.4.2.2-04
#[test]
fn a_value_nobody_knows_is_synthetic_to_the_byte() {
    let bed = Bed::new();
    let storage = bed.storage();
    let request = storage.fetch_all_request(&bed.user_resource("alice"), &[SINGLE]).unwrap();
    let answer = storage.fetch(bed.now, &request, None).unwrap();
    let hex: String = answer.body.iter().map(|byte| format!("{byte:02x}")).collect();
    // kind_responses, kind, generation, values, StoredData: length, time, lifetime, exists, value,
    // algorithms, identity none, signature (section 7.4.2.2).
    let expected = "0000002c f0000001 0000000000000000 0000001c 00000018 0000000000000000 00000000 \
                    00 00000000 0000 03 0000 0000";
    assert_eq!(hex, expected.replace(' ', ""));
    assert!(answer.certificates.is_empty());
}

// R6940-7.4.2.1-05, R6940-7.4.2.1-10, R6940-7.4.2.2-03
#[test]
fn a_requester_that_knows_the_generation_gets_no_values() {
    let (bed, storage, home) = filled();
    let mut request = storage.fetch_all_request(&home, &[ARRAY]).unwrap();
    request.specifiers[0].generation = 1;
    let answer = storage.fetch(bed.now, &request, None).unwrap();
    assert_eq!(values_of(&answer, DataModel::Array), (1, Vec::new()));
    request.specifiers[0].generation = 2;
    let answer = storage.fetch(bed.now, &request, None).unwrap();
    assert_eq!(values_of(&answer, DataModel::Array).1.len(), 4);
}

// R6940-7-06, R6940-7.4.1.2-07, R6940-7.4.2.1-04, R6940-7.4.2.2-02
#[test]
fn there_is_one_response_a_kind_and_unknown_kinds_are_refused_together() {
    let (bed, storage, home) = filled();
    let request = storage.fetch_all_request(&home, &[ARRAY, SINGLE, DICTIONARY]).unwrap();
    let answer = storage.fetch(bed.now, &request, None).unwrap();
    let answer = FetchAns::decode_exact(&Dialect::default(), &answer.body).unwrap();
    let kinds: Vec<_> = answer.kind_responses.iter().map(|response| response.kind).collect();
    assert_eq!(kinds, [ARRAY, SINGLE, DICTIONARY]);
    let mut unknown = request;
    unknown.specifiers[1].kind = UNKNOWN;
    let refusal = storage.fetch(bed.now, &unknown, None).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownKinds(vec![UNKNOWN]));
    let stat = StatReq { resource: home, specifiers: unknown.specifiers };
    let refusal = storage.stat(bed.now, &stat, None).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::UNKNOWN_KIND);
}

#[test]
fn a_specifier_of_another_model_is_refused() {
    let (bed, storage, home) = filled();
    let specifiers = vec![specifier(SINGLE, &ranges(&[(0, 1)]))];
    let refusal = storage.fetch(bed.now, &FetchReq { resource: home, specifiers }, None);
    assert_eq!(refusal.unwrap_err().code(), ErrorCode::INVALID_MESSAGE);
}

#[test]
fn an_answer_fits_its_limit_to_the_byte_or_is_refused() {
    let (bed, storage, home) = filled();
    let request = storage.fetch_all_request(&home, &[ARRAY, DICTIONARY]).unwrap();
    let answer = storage.fetch(bed.now, &request, None).unwrap();
    let certificates: usize = answer.certificates.iter().map(|der| 3 + der.len()).sum();
    let size = answer.body.len() + certificates;
    assert_eq!(answer.certificates.len(), 1, "of the one writer");
    assert_eq!(storage.fetch(bed.now, &request, Some(size)).unwrap(), answer);
    let refusal = storage.fetch(bed.now, &request, Some(size - 1)).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::RESPONSE_TOO_LARGE);
}

// R6940-7.4.3.2-04, R6940-7.4.3.2-05
#[test]
fn stat_gives_the_digest_of_length_and_value() {
    let (bed, mut storage, home) = filled();
    let alice = bed.writer("alice");
    bed.store(&mut storage, &alice, &Request::of(&home, ARRAY, 2, put(1, b"abc"))).unwrap();
    let specifiers = vec![specifier(ARRAY, &ranges(&[(1, 2)]))];
    let request = StatReq { resource: home, specifiers };
    let answer = storage.stat(bed.now, &request, None).unwrap();
    let size = answer.body.len();
    assert_eq!(storage.stat(bed.now, &request, Some(size)).unwrap(), answer);
    assert!(storage.stat(bed.now, &request, Some(size - 1)).is_err());
    let answer = StatAns::decode_exact(&Dialect::default(), &answer.body).unwrap();
    let response = &answer.kind_responses[0];
    assert_eq!((response.kind, response.generation), (ARRAY, 2));
    let metadata: Vec<_> = response
        .values
        .iter()
        .map(|value| {
            let dialect = Dialect::default();
            MetaDataValue::decode_as(&dialect, DataModel::Array, &value.metadata).unwrap()
        })
        .collect();
    let (stored, absent) = (metadata[0].meta(), metadata[1].meta());
    let digest = digest::digest(&digest::SHA256, b"\0\0\0\x03abc");
    assert_eq!((stored.exists, stored.value_length), (true, 3));
    assert_eq!(stored.hash_algorithm, HashAlgorithm::SHA256);
    assert_eq!(stored.hash_value, digest.as_ref());
    assert_eq!((absent.exists, absent.value_length), (false, 0));
    assert_eq!(response.values[0].lifetime, LIFETIME);
}

// R6940-7.4.3.2-05
#[test]
fn stat_selects_the_elements_that_fetch_selects() {
    let (bed, storage, home) = filled();
    let asked = [(0, 0), (2, 4)];
    let specifiers =
        vec![specifier(ARRAY, &ranges(&asked)), specifier(SINGLE, &ModelSpecifier::Single)];
    let answer = storage.stat(bed.now, &StatReq { resource: home.clone(), specifiers }, None);
    let answer = StatAns::decode_exact(&Dialect::default(), &answer.unwrap().body).unwrap();
    let kinds: Vec<_> = answer.kind_responses.iter().map(|response| response.kind).collect();
    assert_eq!(kinds, [ARRAY, SINGLE]);
    let element = |metadata: &Bytes| {
        let value =
            MetaDataValue::decode_as(&Dialect::default(), DataModel::Array, metadata).unwrap();
        match value {
            MetaDataValue::Array { index, value } => (index, value.exists),
            other => panic!("not an array entry: {other:?}"),
        }
    };
    let values = answer.kind_responses[0].values.iter();
    let selected: Vec<_> = values.map(|value| element(&value.metadata)).collect();
    assert_eq!(selected, indices(&bed, &storage, &home, &asked).unwrap());
}

fn closest(
    bed: &Bed,
    storage: &Storage<MemoryStore>,
    from: &ResourceId,
    kinds: &[KindId],
) -> Vec<Option<ResourceId>> {
    let request = FindReq { resource: from.clone(), kinds: kinds.to_vec() };
    let answer = storage.find(bed.now, &request, &TestPlace::responsible(), None).unwrap();
    let answer = FindAns::decode_exact(&Dialect::default(), &answer.body).unwrap();
    assert!(answer.results.iter().zip(kinds).all(|(result, kind)| result.kind == *kind));
    answer.results.iter().map(|result| result.resource().cloned()).collect()
}

// R6940-7.4.4-01
#[test]
fn find_walks_over_all_resources_of_a_kind() {
    let bed = Bed::new();
    let mut storage = bed.storage();
    let names = ["alice", "bob", "carol", "dave"];
    for name in names {
        let request = Request::of(&bed.user_resource(name), SINGLE, 1, single(b"x"));
        bed.store(&mut storage, &bed.writer(name), &request).unwrap();
    }
    let mut expected: Vec<_> = names.iter().map(|name| bed.user_resource(name)).collect();
    expected.sort();
    let mut at = expected[0].clone();
    let mut walked = vec![at.clone()];
    for _ in 1..names.len() {
        let next = ResourceId::from_u128(at.to_u128().unwrap().wrapping_add(1));
        at = closest(&bed, &storage, &next, &[SINGLE])[0].clone().unwrap();
        walked.push(at.clone());
    }
    assert_eq!(walked, expected);
    let around = ResourceId::from_u128(at.to_u128().unwrap().wrapping_add(1));
    assert_eq!(closest(&bed, &storage, &around, &[SINGLE])[0].as_ref(), expected.first());
}

// R6940-7-06, R6940-7.4.4.2-03, R6940-7.4.4.2-05
#[test]
fn find_gives_zero_for_unknown_kinds_kinds_without_values_and_removed_ones() {
    let (bed, mut storage, home) = filled();
    let request = Request::of(&home, SINGLE, 1, removed());
    bed.store(&mut storage, &bed.writer("alice"), &request).unwrap();
    let found = closest(&bed, &storage, &home, &[UNKNOWN, NODE, SINGLE, ARRAY]);
    assert_eq!(found, [None, None, None, Some(home)]);
}

// R6940-7.4.4.1-03, R6940-7.4.4.2-02
#[test]
fn find_refuses_a_kind_asked_twice_and_resources_of_others() {
    let (bed, storage, home) = filled();
    let find = |kinds: &[KindId], place: &TestPlace| {
        let request = FindReq { resource: home.clone(), kinds: kinds.to_vec() };
        storage.find(bed.now, &request, place, None).map_err(|refusal| refusal.code())
    };
    let twice = find(&[ARRAY, SINGLE, ARRAY], &TestPlace::responsible());
    assert_eq!(twice, Err(ErrorCode::INVALID_MESSAGE));
    assert_eq!(find(&[ARRAY], &TestPlace::replica()), Err(ErrorCode::NOT_FOUND));
}

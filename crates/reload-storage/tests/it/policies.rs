//! The four access control policies of section 7.3.

use std::time::Duration;

use bytes::Bytes;
use reload_identity::Credentials;
use reload_wire::{ErrorCode, KindId, ResourceId, StoredDataValue};

use crate::bed::*;

const YEAR: Duration = Duration::from_secs(300 * 86_400);

/// Whether `writer` may store `value` at `resource`.
fn may(
    bed: &Bed,
    writer: &Credentials,
    kind: KindId,
    resource: &ResourceId,
    value: StoredDataValue,
) -> bool {
    let mut storage = bed.storage();
    match bed.store(&mut storage, writer, &Request::of(resource, kind, 1, value)) {
        Ok(_) => true,
        Err(refusal) => {
            assert_eq!(refusal.code(), ErrorCode::FORBIDDEN);
            false
        }
    }
}

// R6940-7.3.1-01, R6940-13.5.1-02
#[test]
fn user_match_wants_the_resource_of_the_user_name() {
    let bed = Bed::new();
    let alice = bed.writer("alice");
    assert!(may(&bed, &alice, SINGLE, &bed.user_resource("alice"), single(b"x")));
    assert!(!may(&bed, &alice, SINGLE, &bed.user_resource("bob"), single(b"x")));
    let own_node = resource_id(alice.node_id().as_bytes());
    assert!(!may(&bed, &alice, SINGLE, &own_node, single(b"x")));
}

// R6940-7.3.2-01, R6940-13.5.1-02
#[test]
fn node_match_wants_the_node_id_that_signed() {
    let bed = Bed::with_authority();
    let ids = [node_id("first"), node_id("second")];
    let both = bed.real_writer("alice", &ids, YEAR);
    let second = resource_id(ids[1].as_bytes());
    assert!(may(&bed, &both.acting_as(ids[1]).unwrap(), NODE, &second, single(b"x")));
    assert!(!may(&bed, &both, NODE, &second, single(b"x")), "it signed as the first");
    assert!(!may(&bed, &both, NODE, &bed.user_resource("alice"), single(b"x")));
}

// R6940-7.3.3-01, R6940-7.3.3-02, R6940-7.3.3-03, R6940-13.5.1-02
#[test]
fn user_node_match_wants_user_and_key_to_fit() {
    let bed = Bed::with_authority();
    let ids = [node_id("first"), node_id("second")];
    let alice = bed.real_writer("alice", &ids, YEAR);
    let home = bed.user_resource("alice");
    assert!(may(&bed, &alice, USER_NODE, &home, entry(ids[0].as_bytes(), b"x")));
    assert!(!may(&bed, &alice, USER_NODE, &home, entry(ids[1].as_bytes(), b"x")));
    assert!(!may(&bed, &alice, USER_NODE, &home, entry(b"", b"x")));
    let elsewhere = bed.user_resource("bob");
    assert!(!may(&bed, &alice, USER_NODE, &elsewhere, entry(ids[0].as_bytes(), b"x")));
}

// R6940-7.3.4-01, R6940-7.3.4-03, R6940-9-06, R6940-13.5.1-02
#[test]
fn node_multiple_wants_one_byte_from_1_to_the_maximum_behind_the_node_id() {
    let bed = Bed::new();
    let alice = bed.writer("alice");
    let at = |suffix: &[u8]| resource_id(&[alice.node_id().as_bytes(), suffix].concat());
    assert!(may(&bed, &alice, MULTIPLE, &at(&[1]), single(b"x")));
    assert!(may(&bed, &alice, MULTIPLE, &at(&[MAX_I]), single(b"x")));
    for wrong in [&[0][..], &[MAX_I + 1], &[], b"1", &[0, 0, 0, 1]] {
        assert!(!may(&bed, &alice, MULTIPLE, &at(wrong), single(b"x")), "{wrong:?}");
    }
    let bob = bed.writer("bob");
    assert!(!may(&bed, &bob, MULTIPLE, &at(&[1]), single(b"x")));
}

// R6940-7.3.3-02
#[test]
fn a_user_node_value_of_another_device_is_refused_though_the_sender_is_the_user() {
    let bed = Bed::with_authority();
    let phone = bed.real_writer("alice", &[node_id("phone")], YEAR);
    let laptop = bed.real_writer("alice", &[node_id("laptop")], YEAR);
    let home = bed.user_resource("alice");
    let value = entry(node_id("phone").as_bytes(), b"x");
    let request = Request::of(&home, USER_NODE, 1, value);
    let mut storage = bed.storage();
    let mixed = bed.sign_by(&laptop, &phone, &request);
    let refusal = storage.store(bed.now, &mixed, &TestPlace::responsible()).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::FORBIDDEN);
}

// R6940-6.3.4-09
#[test]
fn a_real_signature_is_stored_with_its_certificate() {
    let bed = Bed::with_authority();
    let alice = bed.real_writer("alice", &[node_id("a")], YEAR);
    let home = bed.user_resource("alice");
    let mut storage = bed.storage();
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 1, single(b"x"))).unwrap();
    let request = storage.fetch_all_request(&home, &[SINGLE]).unwrap();
    let answer = storage.fetch(bed.now, &request, None).unwrap();
    assert_eq!(answer.certificates, [alice.certificate().der().clone()]);
    assert_eq!(bed.single(&storage, &home), Some(Bytes::from_static(b"x")));
}

#[test]
fn a_value_is_refused_once_the_certificate_of_its_signer_has_expired() {
    let mut bed = Bed::with_authority();
    let alice = bed.real_writer("alice", &[node_id("a")], Duration::from_secs(60));
    let home = bed.user_resource("alice");
    let request = bed.sign(&alice, &Request::of(&home, SINGLE, 1, single(b"x")));
    bed.wait(Duration::from_secs(61));
    let mut storage = bed.storage();
    let refusal = storage.store(bed.now, &request, &TestPlace::responsible()).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::FORBIDDEN);
    assert_eq!(storage.usage().values, 0);
}

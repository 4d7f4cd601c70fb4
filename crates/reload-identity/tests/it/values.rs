//! Signatures over stored values (7.1) in Store requests and Fetch answers.

use crate::fixture::{DAY, NOW, ca, node, node_id, trust, trust_in};
use crate::message::arrive;
use bytes::Bytes;
use reload_config::Leniency;
use reload_identity::{
    CertificateCache, Checked, Credentials, KindModels, Trust, ValuesError, VerifyError, VerifyJob,
    sign_value, synthetic_signature, verify_fetch_answer, verify_message, verify_store,
    verify_value,
};
use reload_wire::{
    DataModel, DataValue, Dialect, Encode, FetchAns, FetchKindResponse, KindId, MessageCode,
    MessageParts, ResourceId, StoreKindData, StoreReq, StoredData, StoredDataValue, UnixTime,
};
use std::sync::Arc;

const SINGLE: KindId = KindId(0xf000_0001);
const ARRAY: KindId = KindId(0xf000_0002);
const DICTIONARY: KindId = KindId(0xf000_0003);
const UNKNOWN: KindId = KindId(0xf000_0009);

fn kinds() -> KindModels {
    [(SINGLE, DataModel::Single), (ARRAY, DataModel::Array), (DICTIONARY, DataModel::Dictionary)]
        .into_iter()
        .collect()
}

fn resource() -> ResourceId {
    ResourceId::new(&[7; 16]).unwrap()
}

fn value(kind: KindId) -> StoredDataValue {
    let value = DataValue::new("abc");
    match kind {
        ARRAY => StoredDataValue::Array { index: 5, value },
        DICTIONARY => StoredDataValue::Dictionary { key: Bytes::from_static(b"key"), value },
        _ => StoredDataValue::Single(value),
    }
}

fn signed(by: &Credentials, kind: KindId) -> StoredData {
    sign_value(by, &resource(), kind, NOW, 3600, &value(kind)).unwrap()
}

fn store(kind_data: Vec<(KindId, Vec<StoredData>)>) -> Bytes {
    let kind_data = kind_data
        .into_iter()
        .map(|(kind, values)| StoreKindData { kind, generation_counter: 3, values })
        .collect();
    StoreReq { resource: resource(), replica_number: 1, kind_data }.to_bytes().unwrap()
}

fn answer(kind: KindId, values: Vec<StoredData>) -> Bytes {
    let kind_responses = vec![FetchKindResponse { kind, generation: 4, values }];
    FetchAns { kind_responses }.to_bytes().unwrap()
}

fn run(parts: MessageParts, trust: &Trust, now: UnixTime) -> Checked {
    VerifyJob {
        parts,
        trust: Arc::new(trust.clone()),
        known: Vec::new(),
        kinds: Arc::new(kinds()),
        fetched: Some(resource()),
        now,
    }
    .run()
    .unwrap()
}

/// The one value of a Store request, changed after it was signed.
fn store_of(kind: KindId, change: impl FnOnce(&mut StoredData)) -> Result<(), ValuesError> {
    let ca = ca("CA");
    let alice = node(&ca, &[1], Some("alice@vectors.example"));
    let mut stored = signed(&alice, kind);
    change(&mut stored);
    let parts = arrive(&alice, MessageCode::STORE_REQUEST, store(vec![(kind, vec![stored])]), &[]);
    run(parts, &trust(&ca), NOW).store.unwrap().map(|_| ())
}

fn is_forbidden(result: Result<(), ValuesError>, kind: KindId) -> bool {
    result == Err(ValuesError::Forbidden { kind, index: 0, source: VerifyError::BadSignature })
}

// R6940-6.3.4-10
#[test]
fn store_of_three_models_by_others_than_the_sender_is_verified() {
    let ca = ca("CA");
    let (alice, bob) = (node(&ca, &[1], Some("alice@x")), node(&ca, &[2, 3], Some("bob@x")));
    let bob = bob.acting_as(node_id(3)).unwrap();
    let body = store(vec![
        (SINGLE, vec![signed(&bob, SINGLE)]),
        (ARRAY, vec![signed(&bob, ARRAY), signed(&alice, ARRAY)]),
        (DICTIONARY, vec![signed(&alice, DICTIONARY)]),
        (UNKNOWN, vec![signed(&alice, UNKNOWN)]),
    ]);
    let extra = [bob.certificate().der().clone()];
    let parts = arrive(&alice, MessageCode::STORE_REQUEST, body, &extra);
    let checked = run(parts, &trust(&ca), NOW);
    assert_eq!(checked.new_certificates.len(), 2);
    let store = checked.store.unwrap().unwrap();
    assert_eq!((&store.resource, store.replica_number), (&resource(), 1));
    assert_eq!(store.sender.node_id, node_id(1));
    assert_eq!(store.unknown_kinds, [UNKNOWN]);
    let signers: Vec<Vec<_>> = store
        .kinds
        .iter()
        .map(|kind| kind.values.iter().map(|value| value.signer().node_id).collect())
        .collect();
    let (one, three) = (node_id(1), node_id(3));
    assert_eq!(signers, [vec![three], vec![three, one], vec![one]]);
    assert_eq!(store.kinds[1].generation_counter, 3);
    assert_eq!(store.kinds[1].model, DataModel::Array);
    assert_eq!(store.kinds[1].values[0].value(), &value(ARRAY));
    assert_eq!(store.kinds[0].values[0].signer().user(), Some("bob@x"));
}

// R6940-7.1-01, R6940-7.4.1.1-10
#[test]
fn signature_covers_value_kind_time_and_identity_but_not_the_lifetime() {
    for kind in [SINGLE, ARRAY, DICTIONARY] {
        assert_eq!(store_of(kind, |_| ()), Ok(()));
        assert_eq!(store_of(kind, |stored| stored.lifetime = 1), Ok(()));
        let later = store_of(kind, |stored| stored.storage_time.0 += 1);
        assert!(is_forbidden(later, kind));
        let last = |stored: &mut StoredData| {
            let mut raw = stored.value.to_vec();
            *raw.last_mut().unwrap() ^= 1;
            stored.value = raw.into();
        };
        assert!(is_forbidden(store_of(kind, last), kind));
        let bad = |stored: &mut StoredData| {
            let mut value = stored.signature.value.to_vec();
            value[8] ^= 1;
            stored.signature.value = value.into();
        };
        assert!(is_forbidden(store_of(kind, bad), kind));
    }
}

// R6940-7.4.2.2-09
#[test]
fn every_changed_byte_of_a_value_is_refused_except_the_index() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], None);
    let (trust, bucket) = (trust(&ca), [bucket_entry(&alice)]);
    for (kind, model) in [
        (SINGLE, DataModel::Single),
        (ARRAY, DataModel::Array),
        (DICTIONARY, DataModel::Dictionary),
    ] {
        let stored = signed(&alice, kind);
        let check = |stored: &StoredData| {
            verify_value(stored, &resource(), (kind, model), &trust, &bucket, NOW)
        };
        assert!(check(&stored).is_ok());
        for index in 0..stored.value.len() {
            let mut raw = stored.value.to_vec();
            raw[index] ^= 1;
            let changed = StoredData { value: raw.into(), ..stored.clone() };
            let is_index = model == DataModel::Array && index < 4;
            assert_eq!(check(&changed).is_ok(), is_index, "{model} byte {index}");
        }
    }
}

fn bucket_entry(of: &Credentials) -> reload_wire::GenericCertificate {
    reload_wire::GenericCertificate::x509(of.certificate().der().clone())
}

#[test]
fn value_signed_for_another_resource_or_kind_is_refused() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], None);
    let (trust, bucket) = (trust(&ca), [bucket_entry(&alice)]);
    let stored = signed(&alice, SINGLE);
    let check = |resource: &ResourceId, kind| {
        verify_value(&stored, resource, (kind, DataModel::Single), &trust, &bucket, NOW).is_ok()
    };
    assert!(check(&resource(), SINGLE));
    assert!(!check(&ResourceId::new(&[8; 16]).unwrap(), SINGLE));
    assert!(!check(&resource(), KindId(SINGLE.0 + 16)));
}

// R6940-6.3.4-10, R6940-7.4.1.1-20, R6940-13.2-02
#[test]
fn values_without_signature_can_not_be_stored() {
    for exists in [true, false] {
        let result = store_of(SINGLE, |stored| {
            stored.signature = synthetic_signature();
            let value = DataValue { exists, value: Bytes::new() };
            stored.value = StoredDataValue::Single(value).to_bytes().unwrap();
        });
        let source = VerifyError::NotSigned;
        assert_eq!(result, Err(ValuesError::Forbidden { kind: SINGLE, index: 0, source }));
    }
    let result = store_of(SINGLE, |stored| {
        stored.signature.algorithm = reload_wire::SignatureAndHashAlgorithm::ANONYMOUS;
    });
    assert!(matches!(
        result,
        Err(ValuesError::Forbidden { source: VerifyError::UnsupportedAlgorithm(_), .. })
    ));
}

#[test]
fn malformed_store_leaves_the_message_verified() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], None);
    let body = Bytes::from_static(b"\x01\x02");
    let checked = run(arrive(&alice, MessageCode::STORE_REQUEST, body, &[]), &trust(&ca), NOW);
    assert!(matches!(checked.store, Some(Err(ValuesError::Malformed(_)))));
    assert_eq!(checked.message.signer().node_id, node_id(1));
    let mut stored = signed(&alice, DICTIONARY);
    stored.value = StoredDataValue::Single(DataValue::new("x")).to_bytes().unwrap();
    let body = store(vec![(DICTIONARY, vec![stored])]);
    let checked = run(arrive(&alice, MessageCode::STORE_REQUEST, body, &[]), &trust(&ca), NOW);
    assert!(matches!(checked.store, Some(Err(ValuesError::MalformedValue { index: 0, .. }))));
}

// R6940-7.4.1.1-10
#[test]
fn store_signed_by_a_revoked_expired_or_foreign_node_is_forbidden() {
    let (ours, theirs) = (ca("CA"), ca("Other"));
    let (alice, bob) = (node(&ours, &[1], None), node(&ours, &[2], None));
    let eve = node(&theirs, &[3], None);
    let source = |by: &Credentials, trust: &Trust| {
        let body = store(vec![(SINGLE, vec![signed(by, SINGLE)])]);
        let extra = [by.certificate().der().clone()];
        let parts = arrive(&alice, MessageCode::STORE_REQUEST, body, &extra);
        match run(parts, trust, NOW).store.unwrap() {
            Err(ValuesError::Forbidden { source, .. }) => source,
            other => panic!("{other:?}"),
        }
    };
    let roots = [ours.certificate_der().clone()];
    let bad = trust_in(&roots, Leniency::Strict, &[node_id(2)]);
    assert_eq!(source(&bob, &bad), VerifyError::BadNode(node_id(2)));
    assert!(matches!(source(&eve, &trust(&ours)), VerifyError::UnknownIssuer { .. }));
}

// R6940-7.4.2.2-05, R6940-7.4.2.2-06, R6940-7.4.2.2-07, R6940-7.4.2.2-08
#[test]
fn fetch_answer_keeps_the_good_the_synthetic_and_counts_the_rest() {
    let ca = ca("CA");
    let (alice, peer) = (node(&ca, &[1], Some("alice@x")), node(&ca, &[2], None));
    let good = signed(&alice, ARRAY);
    let removed = sign_value(
        &alice,
        &resource(),
        ARRAY,
        NOW,
        60,
        &StoredDataValue::Array { index: 1, value: DataValue::absent() },
    )
    .unwrap();
    let synthetic = StoredData {
        value: StoredDataValue::Array { index: 2, value: DataValue::absent() }.to_bytes().unwrap(),
        signature: synthetic_signature(),
        ..good.clone()
    };
    let forged = StoredData { signature: synthetic_signature(), ..good.clone() };
    let mut broken = good.clone();
    broken.storage_time.0 += 1;
    let body = answer(ARRAY, vec![good.clone(), removed, synthetic, forged, broken]);
    let extra = [alice.certificate().der().clone()];
    let parts = arrive(&peer, MessageCode::FETCH_ANSWER, body, &extra);
    let fetched = run(parts, &trust(&ca), NOW).fetched.unwrap().unwrap();
    assert_eq!(fetched.responder.node_id, node_id(2));
    let kind = &fetched.kinds[0];
    assert_eq!((kind.kind, kind.generation), (ARRAY, 4));
    assert_eq!(kind.values.len(), 2, "the removed value is signed by who removed it");
    assert_eq!(kind.values[0].data(), &good);
    let absent = StoredDataValue::Array { index: 2, value: DataValue::absent() };
    assert_eq!(kind.synthetic, [absent], "a value that exists is never synthetic");
    assert_eq!(kind.discarded, 2);
    assert_eq!(kind.first_error, Some(VerifyError::NotSigned));
}

// R6940-7.1-02, R6940-7.4.2.2-06
#[test]
fn fetched_values_of_an_expired_certificate_are_discarded() {
    let ca = ca("CA");
    let (alice, peer) = (node(&ca, &[1], None), node(&ca, &[2], None));
    let key = crate::fixture::key();
    let validity = reload_identity::Validity::starting(NOW, DAY);
    let short = ca
        .node_certificate(key.spki(), crate::fixture::OVERLAY, &[node_id(3)], None, validity)
        .unwrap();
    let certificate = trust(&ca).check(&short, &[], NOW).unwrap();
    let brief = Credentials::new(key, certificate).unwrap();
    let body = answer(SINGLE, vec![signed(&brief, SINGLE), signed(&alice, SINGLE)]);
    let extra = [short, alice.certificate().der().clone()];
    let later = NOW.saturating_add(DAY * 2);
    let parts = arrive(&peer, MessageCode::FETCH_ANSWER, body, &extra);
    let fetched = run(parts, &trust(&ca), later).fetched.unwrap().unwrap();
    assert_eq!((fetched.kinds[0].values.len(), fetched.kinds[0].discarded), (1, 1));
    assert!(matches!(fetched.kinds[0].first_error, Some(VerifyError::Expired { .. })));
}

#[test]
fn unknown_kind_in_a_fetch_answer_is_discarded() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], None);
    let body = answer(UNKNOWN, vec![signed(&alice, UNKNOWN)]);
    let parts = arrive(&alice, MessageCode::FETCH_ANSWER, body, &[]);
    let fetched = run(parts, &trust(&ca), NOW).fetched.unwrap().unwrap();
    assert_eq!(fetched.kinds[0].discarded, 1);
}

#[test]
fn signer_of_a_value_may_be_known_and_not_in_the_bucket() {
    let ca = ca("CA");
    let (alice, peer) = (node(&ca, &[1, 5], None), node(&ca, &[2], None));
    let trust = trust(&ca);
    let parts =
        arrive(&peer, MessageCode::FETCH_ANSWER, answer(SINGLE, vec![signed(&alice, SINGLE)]), &[]);
    let without = run(parts.clone(), &trust, NOW).fetched.unwrap().unwrap();
    assert_eq!(without.kinds[0].first_error, Some(VerifyError::UnknownSigner));
    let mut cache = CertificateCache::new(4);
    cache.insert(Arc::clone(alice.certificate()));
    let known = cache.lookup_message(&Dialect::default(), &parts);
    assert_eq!(known.len(), 1);
    let message = verify_message(parts, &trust, &known, NOW).unwrap();
    let fetched =
        verify_fetch_answer(&message, &resource(), &trust, &known, &kinds(), NOW).unwrap();
    assert_eq!(fetched.kinds[0].values.len(), 1);

    let parts = arrive(
        &peer,
        MessageCode::STORE_REQUEST,
        store(vec![(SINGLE, vec![signed(&alice, SINGLE)])]),
        &[],
    );
    let known = cache.lookup_message(&Dialect::default(), &parts);
    let message = verify_message(parts, &trust, &known, NOW).unwrap();
    let store = verify_store(&message, &trust, &known, &kinds(), NOW).unwrap();
    assert_eq!(store.kinds[0].values[0].signer().node_id, node_id(1));
}

#[test]
fn length_before_the_resource_id_is_taken_by_the_lenient_switch_only() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], None);
    let raw = value(SINGLE).to_bytes().unwrap();
    let identity = alice.identity().to_bytes().unwrap();
    let input = [
        &[16][..],
        resource().as_bytes(),
        &SINGLE.0.to_be_bytes(),
        &NOW.0.to_be_bytes(),
        &raw,
        &identity,
    ]
    .concat();
    let stored = StoredData {
        storage_time: NOW,
        lifetime: 1,
        value: raw,
        signature: alice.signature_over(&input).unwrap(),
    };
    let check = |leniency| {
        let trust = trust_in(&[ca.certificate_der().clone()], leniency, &[]);
        let model = (SINGLE, DataModel::Single);
        verify_value(&stored, &resource(), model, &trust, &[bucket_entry(&alice)], NOW).is_ok()
    };
    assert!(!check(Leniency::Strict));
    assert!(check(Leniency::Lenient));
}

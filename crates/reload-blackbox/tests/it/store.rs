//! Store (section 7.4.1.1): the checks in the order of the text, one fault each; nothing of a refused
//! request is kept.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reload_blackbox::Expect::{self, Error};
use reload_blackbox::{Answer, Draft, Row, Story, World, sign_raw, signed, wall};
use reload_identity::{Credentials, synthetic_signature};
use reload_wire::{
    DataValue, Decode, Dialect, Encode, ErrorCode, FetchAns, GenericCertificate, KindId,
    MessageCode, ResourceId, SignatureAndHashAlgorithm, SignerIdentity, StoreAns, StoreKindData,
    StoreReq, StoredData, StoredDataValue, UnixTime, UnknownKinds,
};
use sha1::Digest;

pub(crate) const SINGLE: KindId = KindId(0xf000_0001);
pub(crate) const ARRAY: KindId = KindId(0xf000_0002);
pub(crate) const DICTIONARY: KindId = KindId(0xf000_0003);
pub(crate) const MULTIPLE: KindId = KindId(0xf000_0004);
/// Two kinds that are in no configuration.
pub(crate) const UNKNOWN: [KindId; 2] = [KindId(0xf000_1234), KindId(0xf000_1235)];

const FORBIDDEN: Expect = Error(ErrorCode::FORBIDDEN);
const INVALID: Expect = Error(ErrorCode::INVALID_MESSAGE);
const UNKNOWN_KIND: Expect = Error(ErrorCode::UNKNOWN_KIND);
const TOO_LARGE: Expect = Error(ErrorCode::DATA_TOO_LARGE);
const TOO_OLD: Expect = Error(ErrorCode::DATA_TOO_OLD);
const GENERATION: Expect = Error(ErrorCode::GENERATION_COUNTER_TOO_LOW);

pub(crate) fn exists(value: &[u8]) -> DataValue {
    DataValue { exists: true, value: Bytes::copy_from_slice(value) }
}

pub(crate) fn single(value: &[u8]) -> StoredDataValue {
    StoredDataValue::Single(exists(value))
}

pub(crate) fn entry(index: u32, value: &[u8]) -> StoredDataValue {
    StoredDataValue::Array { index, value: exists(value) }
}

pub(crate) fn keyed(key: &[u8], value: &[u8]) -> StoredDataValue {
    StoredDataValue::Dictionary { key: Bytes::copy_from_slice(key), value: exists(value) }
}

pub(crate) fn kind_data(kind: KindId, values: Vec<StoredData>) -> StoreKindData {
    StoreKindData { kind, generation_counter: 0, values }
}

/// An original Store to the peer in charge.
pub(crate) fn store(world: &World, resource: &ResourceId, kind_data: Vec<StoreKindData>) -> Draft {
    let request = StoreReq { resource: resource.clone(), replica_number: 0, kind_data };
    let draft = world.request(MessageCode::STORE_REQUEST, &request);
    draft.to(&[resource.clone().into()], world.responsible(resource))
}

/// One value of carol at her own resource.
fn mine(world: &World, kind: KindId, value: &StoredDataValue) -> StoredData {
    let resource = world.resource_of(&world.carol);
    signed(&world.carol, &resource, kind, wall(), value).unwrap()
}

fn store_mine(world: &World, kind_data: Vec<StoreKindData>) -> Draft {
    store(world, &world.resource_of(&world.carol), kind_data)
}

/// A good Store.
pub(crate) fn good(world: &World) -> Draft {
    store_mine(world, vec![kind_data(SINGLE, vec![mine(world, SINGLE, &single(b"good"))])])
}

/// A good Store whose only value is changed after it was signed.
fn changed(world: &World, edit: impl FnOnce(&mut StoredData)) -> Draft {
    let mut value = mine(world, DICTIONARY, &keyed(b"changed", b"value"));
    edit(&mut value);
    store_mine(world, vec![kind_data(DICTIONARY, vec![value])])
}

/// A Store of bytes that are well signed and no value.
fn no_value(world: &World, kind: KindId, bytes: &[u8]) -> Draft {
    let resource = world.resource_of(&world.carol);
    let value = sign_raw(&world.carol, &resource, kind, wall(), bytes).unwrap();
    store_mine(world, vec![kind_data(kind, vec![value])])
}

/// A Store like the one that was answered, some time away from it.
fn beside(world: &World, step: i64) -> Draft {
    let stored = before(world);
    let time =
        UnixTime(stored.kind_data[0].values[0].storage_time.0.checked_add_signed(step).unwrap());
    let value = signed(&world.carol, &stored.resource, SINGLE, time, &single(b"beside")).unwrap();
    store_mine(world, vec![kind_data(SINGLE, vec![value])])
}

/// A good Store with the generation counter that many away from the present one.
fn generation(world: &World, step: i64) -> Draft {
    let now = before(world).kind_data[0].generation_counter;
    let mut data = kind_data(SINGLE, vec![mine(world, SINGLE, &single(b"generation"))]);
    data.generation_counter = now.checked_add_signed(step).unwrap();
    store_mine(world, vec![data])
}

fn before(world: &World) -> &StoreReq {
    world.stored.as_ref().expect("a value was stored before")
}

fn with_certificate(draft: Draft, who: &Credentials) -> Draft {
    let certificate = GenericCertificate::x509(who.certificate().der().clone());
    draft.block(move |block| block.certificates.push(certificate))
}

/// A value at carol's resource, signed by somebody else, whose certificate is there.
fn signed_by(world: &World, who: &Credentials) -> Draft {
    let resource = world.resource_of(&world.carol);
    let value = signed(who, &resource, SINGLE, wall(), &single(b"signed by another")).unwrap();
    with_certificate(store_mine(world, vec![kind_data(SINGLE, vec![value])]), who)
}

/// A value of carol, well signed under another name for her.
fn renamed(world: &World, identity: SignerIdentity) -> Draft {
    let (resource, time) = (world.resource_of(&world.carol), wall());
    let value = keyed(b"renamed", b"value").to_bytes().unwrap();
    let input = [
        resource.as_bytes(),
        &DICTIONARY.0.to_be_bytes(),
        &time.0.to_be_bytes(),
        &value,
        &identity.to_bytes().unwrap(),
    ];
    let mut signature = world.carol.signature_over(&input.concat()).unwrap();
    signature.identity = identity;
    let value = StoredData { storage_time: time, lifetime: 60, value, signature };
    store_mine(world, vec![kind_data(DICTIONARY, vec![value])])
}

fn of_size(world: &World, more: usize) -> Draft {
    let max = usize::try_from(world.configuration.kind(DICTIONARY).unwrap().max_size).unwrap();
    let value = mine(world, DICTIONARY, &keyed(b"large", &vec![1; max + more]));
    store_mine(world, vec![kind_data(DICTIONARY, vec![value])])
}

fn too_many(world: &World) -> Draft {
    let max = world.configuration.kind(ARRAY).unwrap().max_count;
    let values = (0..=max).map(|index| mine(world, ARRAY, &entry(index, b"one of many")));
    store_mine(world, vec![kind_data(ARRAY, values.collect())])
}

fn replica(world: &World, number: u8) -> Draft {
    let resource = world.resource_of(&world.carol);
    let mut data = kind_data(SINGLE, vec![mine(world, SINGLE, &single(b"a copy"))]);
    data.generation_counter = 7;
    let request = StoreReq { resource, replica_number: number, kind_data: vec![data] };
    world.request(MessageCode::STORE_REQUEST, &request)
}

/// The error says which counter is right (section 7.4.1.2).
fn present_counter(world: &World, answer: &Answer) -> Result<()> {
    let info = StoreAns::decode_exact(&Dialect::default(), &answer.error()?.info)?;
    let wanted = before(world).kind_data[0].generation_counter;
    let found = info.kind_responses.first().context("no kind in the error")?;
    ensure!(found.kind == SINGLE && found.generation_counter == wanted, "it says {info:?}");
    ensure!(found.replicas.is_empty(), "it lists replicas");
    Ok(())
}

pub(crate) fn kinds(answer: &Answer, wanted: &[KindId]) -> Result<()> {
    let found = UnknownKinds::decode_exact(&Dialect::default(), &answer.error()?.info)?;
    ensure!(found.0 == wanted, "it lists {found:?}");
    Ok(())
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // R6940-7.4.1.1-09, R6940-7.4.1.2-07
    Row::new("unknown kind", UNKNOWN_KIND, |w| {
        let value = mine(w, UNKNOWN[0], &single(b"what is this"));
        store_mine(w, vec![kind_data(UNKNOWN[0], vec![value])])
    }).check(|_, answer| kinds(answer, &UNKNOWN[..1])),
    Row::new("two unknown kinds and a known one", UNKNOWN_KIND, |w| {
        let data = |kind| kind_data(kind, vec![mine(w, kind, &single(b"what is this"))]);
        store_mine(w, vec![data(UNKNOWN[0]), data(SINGLE), data(UNKNOWN[1])])
    }).check(|_, answer| kinds(answer, &UNKNOWN)),
    // R6940-7.4.1.1-03
    Row::new("one kind twice", INVALID, |w| {
        let data = |key: &[u8]| kind_data(DICTIONARY, vec![mine(w, DICTIONARY, &keyed(key, b"twice"))]);
        store_mine(w, vec![data(b"one"), data(b"two")])
    }),
    // R6940-7.4.1.1-07
    Row::new("resource of bob at alice", Error(ErrorCode::NOT_FOUND), |w| {
        let resource = w.resource_of(&w.dave);
        let value = signed(&w.dave, &resource, SINGLE, wall(), &single(b"elsewhere")).unwrap();
        store(w, &resource, vec![kind_data(SINGLE, vec![value])]).to(&[w.alice.into()], w.alice).by(&w.dave)
    }),
    // R6940-7.4.1.1-10
    Row::new("bad signature of the value", FORBIDDEN, |w| changed(w, |value| {
        let mut bytes = value.signature.value.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        value.signature.value = bytes.into();
    })),
    Row::new("value changed after signing", FORBIDDEN, |w| changed(w, |value| {
        let mut bytes = value.value.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        value.value = bytes.into();
    })),
    Row::new("storage_time changed after signing", FORBIDDEN, |w| changed(w, |value| value.storage_time.0 += 1)),
    // R6940-7.1-01
    Row::new("lifetime changed after signing", Expect::Answer, |w| changed(w, |value| value.lifetime += 1)),
    Row::new("value signed for another kind", FORBIDDEN, |w| {
        store_mine(w, vec![kind_data(SINGLE, vec![mine(w, MULTIPLE, &single(b"other kind"))])])
    }),
    Row::new("value signed for another resource", FORBIDDEN, |w| {
        let value = signed(&w.carol, &w.resource_of(&w.dave), SINGLE, wall(), &single(b"!")).unwrap();
        store_mine(w, vec![kind_data(SINGLE, vec![value])])
    }),
    // R6940-7.4.2.2-09
    Row::new("index changed after signing", Expect::Answer, |w| {
        let mut value = mine(w, ARRAY, &entry(0, b"moved"));
        let mut bytes = value.value.to_vec();
        bytes[3] = 5;
        value.value = bytes.into();
        store_mine(w, vec![kind_data(ARRAY, vec![value])])
    }),
    // R6940-7.4.1.1-20
    Row::new("value with identity none", FORBIDDEN, |w| changed(w, |value| {
        value.signature.identity = SignerIdentity::None;
    })),
    Row::new("value with algorithm none", FORBIDDEN, |w| changed(w, |value| {
        value.signature.algorithm = SignatureAndHashAlgorithm::ANONYMOUS;
    })),
    Row::new("synthetic value", FORBIDDEN, |w| changed(w, |value| {
        value.signature.identity = SignerIdentity::None;
        value.signature.algorithm = SignatureAndHashAlgorithm::ANONYMOUS;
        value.signature.value = Bytes::new();
    })),
    Row::new("value signed by md5 and rsa", FORBIDDEN, |w| changed(w, |value| {
        value.signature.algorithm.hash = reload_wire::HashAlgorithm::MD5;
        value.signature.algorithm.signature = reload_wire::SignatureAlgorithm::RSA;
    })),
    // R6940-7.1-02
    Row::new("value signed with an expired certificate", FORBIDDEN, |w| signed_by(w, &w.people.expired)),
    Row::new("value signed with a certificate of another CA", FORBIDDEN, |w| signed_by(w, &w.people.other_ca)),
    Row::new("value signed with a certificate that is not there", FORBIDDEN, |w| {
        let resource = w.resource_of(&w.carol);
        let value = signed(&w.people.hidden, &resource, ARRAY, wall(), &entry(0, b"!")).unwrap();
        store_mine(w, vec![kind_data(ARRAY, vec![value])])
    }),
    // R6940-6.3.4-13
    Row::new("value of one Node-ID, named with it", FORBIDDEN, |w| {
        let hash = [w.carol.node_id().as_bytes(), w.carol.certificate().der()].concat();
        let hash = Bytes::copy_from_slice(&sha2::Sha256::digest(hash));
        let hash_alg = reload_wire::HashAlgorithm::SHA256;
        renamed(w, SignerIdentity::CertHashNodeId { hash_alg, hash })
    }),
    Row::new("value named by SHA-1", Expect::Answer, |w| {
        let hash = Bytes::copy_from_slice(&sha1::Sha1::digest(w.carol.certificate().der()));
        renamed(w, SignerIdentity::CertHash { hash_alg: reload_wire::HashAlgorithm::SHA1, hash })
    }),
    // R6940-7.4.1.1-11
    Row::new("value signed by another user", FORBIDDEN, |w| signed_by(w, &w.dave)),
    // R6940-7.4.1.1-12
    Row::new("right value, sent by another user", FORBIDDEN, |w| with_certificate(good(w), &w.carol).by(&w.dave)),
    // R6940-7.4.1.1-13
    Row::new("replica of a stranger", FORBIDDEN, |w| replica(w, 1)),
    Row::new("replica of a stranger, number 255", FORBIDDEN, |w| replica(w, 255)),
    // R6940-7.4.1.1-14, R6940-7.4.1.2-04
    Row::new("generation counter too high", GENERATION, |w| generation(w, 1)).check(present_counter),
    Row::new("generation counter too low", GENERATION, |w| generation(w, -1)).check(present_counter),
    Row::new("generation counter of all ones", GENERATION, |w| {
        generation(w, i64::MAX)
    }).check(present_counter),
    // R6940-7-02
    Row::new("storage_time one older", TOO_OLD, |w| beside(w, -1)),
    // R6940-7.4.1.1-18
    Row::new("equal storage_time, another value", TOO_OLD, |w| beside(w, 0)),
    Row::new("the very same value again", Expect::Answer, |w| {
        store_mine(w, before(w).kind_data.clone())
    }).check(|w, answer| {
        let answer: StoreAns = answer.decode()?;
        let wanted = before(w).kind_data[0].generation_counter;
        ensure!(answer.kind_responses[0].generation_counter == wanted, "it is {answer:?}");
        Ok(())
    }),
    // R6940-7.4.1.2-06, R6940-7.4.1.1-19
    Row::new("value one byte too large", TOO_LARGE, |w| of_size(w, 1)),
    Row::new("value as large as may be", Expect::Answer, |w| of_size(w, 0)),
    Row::new("one value too many", TOO_LARGE, too_many),
    Row::new("exists 2", INVALID, |w| no_value(w, SINGLE, b"\x02\x00\x00\x00\x01!")),
    Row::new("value shorter than its length", INVALID, |w| no_value(w, SINGLE, b"\x01\x00\x00\x00\x02!")),
    Row::new("bytes behind a value", INVALID, |w| no_value(w, SINGLE, b"\x01\x00\x00\x00\x01!?")),
    Row::new("single value for an array", INVALID, |w| no_value(w, ARRAY, b"\x01\x00\x00\x00\x00")),
    Row::new("dictionary value without its key", INVALID, |w| no_value(w, DICTIONARY, b"\x00\x09k\x01\x00\x00\x00\x00")),
];

pub(crate) const BEFORE: &[Story] = &[
    // R6940-7.4.1.1-22
    Story::new("two good Stores raise the counter", |w| Box::pin(twice(w))),
];

async fn twice(world: &mut World) -> Result<()> {
    let mut counters = Vec::new();
    for text in ["first", "second"] {
        let value = mine(world, SINGLE, &single(text.as_bytes()));
        let mut data = vec![kind_data(SINGLE, vec![value])];
        let answer = world.ask(store_mine(world, data.clone())).await?;
        ensure!(answer.code == MessageCode::STORE_ANSWER, "answered with {answer:?}");
        let answer: StoreAns = answer.decode()?;
        let response = answer.kind_responses.first().context("no kind in the answer")?;
        ensure!(response.replicas == [world.bob], "replicas at {:?}", response.replicas);
        counters.push(response.generation_counter);
        data[0].generation_counter = response.generation_counter;
        let resource = world.resource_of(&world.carol);
        world.stored = Some(StoreReq { resource, replica_number: 0, kind_data: data });
        // the next storage_time must be later
        let last = wall();
        while wall() == last {
            tokio::task::yield_now().await;
        }
    }
    ensure!(counters[0] >= 1 && counters[1] > counters[0], "the counters are {counters:?}");
    Ok(())
}

pub(crate) const STORIES: &[Story] = &[
    // R6940-7.4.1.1-05
    Story::new("nothing of a refused Store is kept", |w| Box::pin(all_or_nothing(w))),
    // R6940-6.2.1-09
    Story::new("a repeated Store gets an equal answer", |w| Box::pin(repeated(w))),
    Story::new("a value that lives for no time is not kept", |w| Box::pin(no_lifetime(w))),
    Story::new("what is there is what was stored", |w| Box::pin(still_there(w))),
];

async fn all_or_nothing(world: &mut World) -> Result<()> {
    let good = kind_data(SINGLE, vec![mine(world, SINGLE, &single(b"must not be there"))]);
    let mut value = mine(world, ARRAY, &entry(9, b"bad"));
    value.storage_time.0 += 1;
    let answer = world.ask(store_mine(world, vec![good, kind_data(ARRAY, vec![value])])).await?;
    ensure!(answer.error()?.code == ErrorCode::FORBIDDEN, "answered with {answer:?}");
    still_there(world).await
}

async fn still_there(world: &mut World) -> Result<()> {
    let answer = world.ask(crate::fetch::fetch(world)).await?;
    ensure!(answer.code == MessageCode::FETCH_ANSWER, "answered with {answer:?}");
    let answer: FetchAns = answer.decode()?;
    let found = &answer.kind_responses.first().context("no kind in the answer")?.values;
    let wanted = &before(world).kind_data[0].values;
    let same = found.len() == 1
        && found[0].value == wanted[0].value
        && found[0].signature == wanted[0].signature;
    ensure!(same, "{found:?} is there");
    Ok(())
}

/// Taken and over at once (E70).
async fn no_lifetime(world: &mut World) -> Result<()> {
    let mut value = mine(world, DICTIONARY, &keyed(b"over at once", b"value"));
    value.lifetime = 0;
    let answer = world.ask(store_mine(world, vec![kind_data(DICTIONARY, vec![value])])).await?;
    ensure!(answer.code == MessageCode::STORE_ANSWER, "answered with {answer:?}");
    let answer = world.ask(crate::fetch::fetch_key(world, b"over at once")).await?;
    let answer: FetchAns = answer.decode()?;
    let found = &answer.kind_responses.first().context("no kind in the answer")?.values;
    let synthetic = found.len() == 1 && found[0].signature == synthetic_signature();
    ensure!(synthetic, "{found:?} is there");
    Ok(())
}

async fn repeated(world: &mut World) -> Result<()> {
    let value = mine(world, DICTIONARY, &keyed(b"again", b"and again"));
    let draft = || store_mine(world, vec![kind_data(DICTIONARY, vec![value.clone()])]);
    let (first, mut second) = (draft(), draft());
    second.header.transaction_id = first.header.transaction_id;
    let first = world.ask(first).await?;
    let second = world.ask(second).await?;
    ensure!(first.code == MessageCode::STORE_ANSWER, "answered with {first:?}");
    ensure!(first.rest == second.rest, "the answers differ");
    Ok(())
}

//! Store at the responsible peer and at its replicas (sections 7.4.1, 10.4; E68, E72, E103).

use std::time::Duration;

use bytes::Bytes;
use reload_identity::sign_value;
use reload_wire::{
    DataValue, Destination, Encode, ErrorCode, FetchReq, KindId, MessageCode, MessageParts,
    ResourceId, StoreAns, StoreKindData, StoreReq, StoredDataSpecifier, StoredDataValue, UnixTime,
};

use crate::actor::{Actor, Draft};
use crate::bench::Bench;
use reload_topology::Topology;

/// Single values, USER-MATCH.
const KIND: KindId = KindId(0xf000_0001);

/// Where the values of this actor belong: the hash of its user name.
fn place(bench: &Bench, actor: &Actor) -> ResourceId {
    bench.desk.resource_id(actor.credentials.user().expect("it has one").as_bytes())
}

fn store(bench: &Bench, actor: &Actor, resource: &ResourceId, time: u64) -> StoreReq {
    let value = DataValue { exists: true, value: Bytes::from_static(b"value") };
    let value = StoredDataValue::Single(value);
    let time = UnixTime(bench.now.wall.0 + time);
    let stored = sign_value(&actor.credentials, resource, KIND, time, 600, &value);
    let values = vec![stored.expect("it can be signed")];
    let kind_data = vec![StoreKindData { kind: KIND, generation_counter: 0, values }];
    StoreReq { resource: resource.clone(), replica_number: 0, kind_data }
}

fn request(actor: &Actor, body: &StoreReq) -> Draft {
    let to = Destination::Resource(body.resource.clone());
    actor.request(to, MessageCode::STORE_REQUEST, body)
}

fn store_answer(actor: &Actor, to: &MessageParts) -> Draft {
    actor.answer(to, &StoreAns { kind_responses: Vec::new() })
}

fn codes(bench: &mut Bench, link: reload_node::LinkId) -> Vec<MessageCode> {
    bench.take(link).iter().map(|message| message.contents.code).collect()
}

#[test]
fn a_store_without_replicas_is_answered_at_once_and_kept() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let body = store(&bench, &from, &place(&bench, &from), 0);
    bench.hear(link, &from, &request(&from, &body));
    assert_eq!(codes(&mut bench, link), [MessageCode::STORE_ANSWER]);
    assert_eq!(bench.node.status(bench.now).values, 1);
}

// R6940-7.4.1.1-06, R6940-10.4-02
#[test]
fn a_store_is_answered_when_every_replica_has_answered() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (first, to_first) = bench.linked(2);
    let (second, to_second) = bench.linked(3);
    bench.desk.0.borrow_mut().replicas = vec![first.id, second.id];
    let body = store(&bench, &from, &place(&bench, &from), 0);
    bench.hear(link, &from, &request(&from, &body));
    let (one, two) = (bench.only(to_first), bench.only(to_second)); // E71
    for (number, copy) in [(1, &one), (2, &two)] {
        let copy: StoreReq =
            reload_wire::Decode::decode_exact(&bench.dialect(), &copy.contents.body)
                .expect("a Store");
        assert_eq!(copy.replica_number, number); // 10.4
        assert_eq!(copy.kind_data[0].values[0].signature, body.kind_data[0].values[0].signature);
    }
    assert!(bench.is_silent());
    bench.hear(to_first, &first, &store_answer(&first, &one));
    assert!(bench.is_silent());
    bench.hear(to_second, &second, &store_answer(&second, &two));
    assert_eq!(codes(&mut bench, link), [MessageCode::STORE_ANSWER]); // E103
}

#[test]
fn a_store_is_answered_after_half_a_second_without_its_replicas() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (replica, _) = bench.linked(2);
    bench.desk.0.borrow_mut().replicas = vec![replica.id];
    let body = store(&bench, &from, &place(&bench, &from), 0);
    bench.hear(link, &from, &request(&from, &body));
    bench.pass(Duration::from_millis(499));
    assert!(bench.take(link).is_empty());
    bench.pass(Duration::from_millis(2)); // E103
    assert_eq!(codes(&mut bench, link), [MessageCode::STORE_ANSWER]);
}

// R6940-6.2.1-09
#[test]
fn a_repeated_fetch_has_an_answer_of_the_same_bytes_until_there_is_something_new() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let resource = place(&bench, &from);
    let put = |bench: &mut Bench, time| {
        let body = store(bench, &from, &resource, time);
        bench.hear(link, &from, &request(&from, &body).number(time));
        assert_eq!(codes(bench, link), [MessageCode::STORE_ANSWER]);
    };
    let specifier =
        StoredDataSpecifier { kind: KIND, generation: 0, model_specifier: Bytes::new() };
    let body = FetchReq { resource: resource.clone(), specifiers: vec![specifier] };
    let to = Destination::Resource(resource.clone());
    let fetch = from.request(to, MessageCode::FETCH_REQUEST, &body).number(77);
    let answer = |bench: &mut Bench| {
        bench.hear(link, &from, &fetch);
        let message = bench.only(link);
        assert_eq!(message.contents.code, MessageCode::FETCH_ANSWER);
        (message.contents_raw, message.security)
    };
    put(&mut bench, 0);
    let first = answer(&mut bench);
    bench.pass(Duration::from_secs(3));
    assert_eq!(answer(&mut bench), first, "its lifetime has run down by 3 s");
    put(&mut bench, 1);
    assert_ne!(answer(&mut bench), first);
}

// R6940-6.2.1-09
#[test]
fn a_repeated_store_is_not_done_twice() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (replica, copies) = bench.linked(2);
    bench.desk.0.borrow_mut().replicas = vec![replica.id];
    let body = store(&bench, &from, &place(&bench, &from), 0);
    let draft = request(&from, &body);
    bench.hear(link, &from, &draft);
    bench.hear(link, &from, &draft); // 6.2.1, E77
    assert_eq!(bench.take(copies).len(), 1);
    bench.pass(Duration::from_secs(1));
    assert_eq!(codes(&mut bench, link), [MessageCode::STORE_ANSWER]);
    bench.hear(link, &from, &draft);
    assert_eq!(codes(&mut bench, link), [MessageCode::STORE_ANSWER]);
    assert_eq!(bench.node.status(bench.now).counters.repeated, 2);
}

#[test]
fn a_replica_refused_as_forbidden_is_sent_again_after_the_next_update() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (replica, copies) = bench.linked(2);
    bench.desk.0.borrow_mut().replicas = vec![replica.id];
    let body = store(&bench, &from, &place(&bench, &from), 0);
    bench.hear(link, &from, &request(&from, &body));
    let copy = bench.only(copies);
    bench.hear(copies, &replica, &replica.error(&copy, ErrorCode::FORBIDDEN));
    assert!(bench.take(copies).is_empty());
    let nothing = reload_wire::ConfigUpdateAns;
    let update = replica.request(bench.here(), MessageCode::UPDATE_REQUEST, &nothing);
    bench.hear(copies, &replica, &update); // E103
    assert_eq!(codes(&mut bench, copies), [MessageCode::STORE_REQUEST]);
    bench.hear(copies, &replica, &update.number(2));
    assert!(bench.take(copies).is_empty(), "once");
}

#[test]
fn a_store_elsewhere_is_not_found_and_a_strange_replica_forbidden() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    bench.desk.0.borrow_mut().mine = false;
    let mut body = store(&bench, &from, &place(&bench, &from), 0);
    let here = [bench.here()];
    bench.hear(link, &from, &request(&from, &body).to(&here));
    assert_eq!(bench.refusal(link), ErrorCode::NOT_FOUND); // E68
    body.replica_number = 1;
    body.kind_data[0].generation_counter = 1;
    bench.hear(link, &from, &request(&from, &body).to(&here).number(2));
    assert_eq!(bench.refusal(link), ErrorCode::FORBIDDEN); // E68
    bench.desk.0.borrow_mut().admits_replica = true;
    bench.hear(link, &from, &request(&from, &body).to(&here).number(3));
    assert_eq!(codes(&mut bench, link), [MessageCode::STORE_ANSWER]);
}

// R6940-7.4.1.1-10
#[test]
fn a_value_with_a_bad_signature_and_one_in_a_foreign_place_are_forbidden() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let other = bench.actor(2);
    let foreign = store(&bench, &from, &place(&bench, &other), 0);
    bench.hear(link, &from, &request(&from, &foreign));
    assert_eq!(bench.refusal(link), ErrorCode::FORBIDDEN); // 7.3.1
    let mut damaged = store(&bench, &from, &place(&bench, &from), 0);
    damaged.kind_data[0].values[0].storage_time.0 += 1;
    bench.hear(link, &from, &request(&from, &damaged).number(2));
    assert_eq!(bench.refusal(link), ErrorCode::FORBIDDEN); // 7.1
    assert_eq!(bench.node.status(bench.now).values, 0);
}

#[test]
fn an_unknown_kind_is_named_in_the_error() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut body = store(&bench, &from, &place(&bench, &from), 0);
    body.kind_data[0].kind = KindId(0xf000_00ee);
    bench.hear(link, &from, &request(&from, &body));
    let sent = bench.only(link);
    let dialect = bench.dialect();
    let error: reload_wire::ErrorResponse =
        reload_wire::Decode::decode_exact(&dialect, &sent.contents.body).expect("an error");
    assert_eq!(error.code, ErrorCode::UNKNOWN_KIND); // 7.4.1.2, E78
    let kinds = reload_wire::UnknownKinds(vec![KindId(0xf000_00ee)]);
    assert_eq!(error.info, kinds.to_bytes().expect("it fits"));
}

// R6940-7.4.1.1-27
#[test]
fn a_replica_with_something_newer_is_fetched_from() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (replica, copies) = bench.linked(2);
    bench.desk.0.borrow_mut().replicas = vec![replica.id];
    let body = store(&bench, &from, &place(&bench, &from), 0);
    bench.hear(link, &from, &request(&from, &body));
    let copy = bench.only(copies);
    bench.hear(copies, &replica, &replica.error(&copy, ErrorCode::DATA_TOO_OLD));
    assert_eq!(codes(&mut bench, copies), [MessageCode::FETCH_REQUEST]); // 7.4.1.1
}

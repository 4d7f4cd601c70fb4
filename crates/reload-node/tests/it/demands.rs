//! What a node puts into its messages and what it keeps apart, one demand of the RFC a test (6.3.2,
//! 6.3.3, 7, 10.4 and 13.5).

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use reload_config::KindBlock;
use reload_identity::{sign_value, verify_value};
use reload_node::{NewValue, Place, Request, RequestError};
use reload_topology::Topology;
use reload_wire::{
    ConfigUpdateReq, DataModel, DataValue, Decode, Destination, ErrorCode, ErrorResponse, FetchReq,
    FindReq, KindId, MessageCode, NodeId, ProbeAns, ProbeInformation, ProbeInformationType,
    ProbeReq, ResourceId, StatReq, StoreKindData, StoreReq, StoredDataValue, UnixTime,
};

use crate::actor::Actor;
use crate::bench::Bench;

const SINGLE: KindId = KindId(0xf000_0001);
const ARRAY: KindId = KindId(0xf000_0002);

/// Where the values of a user belong.
fn home(bench: &Bench, actor: &Actor) -> ResourceId {
    bench.desk.resource_id(actor.credentials.user().expect("it has one").as_bytes())
}

fn kind_data(bench: &Bench, actor: &Actor, kind: KindId, counter: u64) -> StoreKindData {
    let value = DataValue { exists: true, value: Bytes::from_static(b"value") };
    let value = match kind {
        ARRAY => StoredDataValue::Array { index: 0, value },
        _ => StoredDataValue::Single(value),
    };
    let stored =
        sign_value(&actor.credentials, &home(bench, actor), kind, bench.now.wall, 600, &value);
    let values = vec![stored.expect("it can be signed")];
    StoreKindData { kind, generation_counter: counter, values }
}

fn own_store(bench: &mut Bench, storage_time: Option<UnixTime>) -> StoreReq {
    let value = NewValue {
        kind: SINGLE,
        generation: 0,
        place: Place::Single,
        value: DataValue { exists: true, value: Bytes::from_static(b"own") },
        lifetime: 600,
        storage_time,
    };
    let resource = bench.desk.resource_id(b"own@x");
    bench.ask(Request::Store { resource, values: vec![value] });
    let (_, message) = bench.sent.pop_back().expect("it goes to the next peer");
    let parts = reload_wire::MessageParts::decode(&bench.dialect(), &message).expect("good");
    assert_eq!(parts.contents.code, MessageCode::STORE_REQUEST);
    StoreReq::decode_exact(&bench.dialect(), &parts.contents.body).expect("a Store")
}

/// A bench whose resources are the business of the next peer.
fn beside() -> Bench {
    let mut bench = Bench::new();
    let (next, _) = bench.linked(1);
    bench.desk.0.borrow_mut().mine = false;
    bench.desk.0.borrow_mut().next = Some(next.id);
    bench
}

// R6940-6.3.2-09, R6940-6.3.2-10, R6940-6.3.2-15, R6940-6.3.2-18
#[test]
fn transaction_ids_differ_and_requests_start_with_the_initial_ttl() {
    for (ttl, configured) in [(100, None), (77, Some(77))] {
        let mut bench = Bench::configured(|c| c.initial_ttl = configured.unwrap_or(c.initial_ttl));
        let (to, link) = bench.linked(1);
        let mut ids = BTreeSet::new();
        for _ in 0..1000 {
            bench.ask(Request::Ping { to: vec![Destination::Node(to.id)], padding: 0 });
            let sent = bench.only(link);
            assert_eq!((sent.header.ttl, sent.header.via_list.len()), (ttl, 0));
            ids.insert(sent.header.transaction_id);
        }
        assert_eq!(ids.len(), 1000);
        let high = ids.iter().filter(|id| id.0 >> 63 == 1).count();
        assert!((350..650).contains(&high), "64 bits by chance, {high} with the first one set");
    }
}

// R6940-6.3.2-17
#[test]
fn every_answer_has_no_length_wish_and_no_via_list() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let resource = home(&bench, &from);
    let at = Destination::Resource(resource.clone());
    let kinds = vec![SINGLE];
    let fetch = FetchReq { resource: resource.clone(), specifiers: Vec::new() };
    let stat = StatReq { resource: resource.clone(), specifiers: Vec::new() };
    let find = FindReq { resource, kinds };
    let probe = ProbeReq { requested_info: Vec::new() };
    let mut drafts = vec![
        from.ping(bench.here()),
        from.request(bench.here(), MessageCode::PROBE_REQUEST, &probe),
        from.request(at.clone(), MessageCode::FETCH_REQUEST, &fetch),
        from.request(at.clone(), MessageCode::STAT_REQUEST, &stat),
        from.request(at, MessageCode::FIND_REQUEST, &find),
    ];
    let mut unknown = from.ping(bench.here());
    unknown.contents.code = MessageCode(0x7001);
    drafts.push(unknown);
    for (number, draft) in (1..).zip(drafts) {
        let asked = draft.contents.code;
        let mut draft = draft.number(number).through(&[NodeId::from_u128(77)]);
        draft.header.max_response_length = 4000;
        bench.hear(link, &from, &draft);
        let sent = bench.only(link);
        assert_eq!((sent.header.max_response_length, sent.header.via_list.len()), (0, 0));
        assert_eq!(sent.header.transaction_id, draft.header.transaction_id);
        let expected = if asked.0 == 0x7001 { MessageCode::ERROR } else { asked.answer() };
        assert_eq!(sent.contents.code, expected);
    }
}

// R6940-6.3.3.1-05
#[test]
fn an_invalid_message_is_answered_with_a_text() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, _) = bench.linked(2);
    let twice = [Destination::Node(to.id), Destination::Node(to.id)];
    bench.hear(link, &from, &from.ping(bench.here()).to(&twice));
    let body = bench.only(link).contents.body;
    let error = ErrorResponse::decode_exact(&bench.dialect(), &body).expect("an error");
    assert_eq!(error.code, ErrorCode::INVALID_MESSAGE);
    assert!(error.text().is_some_and(|text| text.len() > 5), "{error:?}");
}

// R6940-6.3.3.1-08
#[test]
fn an_unknown_error_code_fails_the_request_with_its_number() {
    for code in [ErrorCode(0x7001), ErrorCode(0xfffe), ErrorCode::NOT_FOUND] {
        let mut bench = Bench::new();
        let (to, link) = bench.linked(1);
        let id = bench.ask(Request::Ping { to: vec![Destination::Node(to.id)], padding: 0 });
        let request = bench.only(link);
        bench.hear(link, &to, &to.error(&request, code));
        let ended = bench.ending(id).expect("it has ended");
        assert!(matches!(ended, Err(RequestError::Refused { code: told, .. }) if told == code));
    }
}

// R6940-14.8-02
#[test]
fn methods_for_experiments_are_neither_handled_nor_sent() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    for code in [MessageCode::EXP_A_REQUEST, MessageCode::EXP_B_REQUEST] {
        let mut draft = from.ping(bench.here()).number(u64::from(code.0));
        draft.contents.code = code;
        bench.hear(link, &from, &draft);
        assert_eq!(bench.refusal(link), ErrorCode::INVALID_MESSAGE);
    }
    for code in [MessageCode::EXP_A_ANSWER, MessageCode::INVALID, MessageCode(0x8001)] {
        let mut draft = from.ping(bench.here());
        draft.contents.code = code;
        bench.hear(link, &from, &draft);
        assert!(bench.is_silent(), "{code}");
    }
}

// R6940-6.2.1-01
#[test]
fn a_message_without_a_destination_goes_nowhere() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    bench.hear(link, &from, &from.ping(bench.here()).to(&[]));
    assert!(bench.is_silent());
    let id = bench.ask(Request::Ping { to: Vec::new(), padding: 0 });
    bench.pass(Duration::from_secs(16));
    assert!(bench.take(link).iter().all(|sent| !sent.header.destination_list.is_empty()));
    assert!(bench.ending(id).expect("it has ended").is_err());
}

// R6940-6.4.2.5.1-02
#[test]
fn a_resource_with_two_kinds_is_one_resource() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let data = vec![kind_data(&bench, &from, SINGLE, 0), kind_data(&bench, &from, ARRAY, 0)];
    let resource = home(&bench, &from);
    let body = StoreReq { resource: resource.clone(), replica_number: 0, kind_data: data };
    let to = Destination::Resource(resource);
    bench.hear(link, &from, &from.request(to, MessageCode::STORE_REQUEST, &body));
    assert_eq!(bench.only(link).contents.code, MessageCode::STORE_ANSWER);
    let probe = ProbeReq { requested_info: vec![ProbeInformationType::NUM_RESOURCES] };
    let probe = from.request(bench.here(), MessageCode::PROBE_REQUEST, &probe).number(2);
    bench.hear(link, &from, &probe);
    let body = bench.only(link).contents.body;
    let answer = ProbeAns::decode_exact(&bench.dialect(), &body).expect("a ProbeAns");
    assert_eq!(answer.probe_info, [ProbeInformation::NumResources(1)]);
    assert_eq!(bench.node.status(bench.now).values, 2);
}

// R6940-10.4-05
#[test]
fn a_copy_makes_no_further_copies() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (other, copies) = bench.linked(2);
    bench.desk.0.borrow_mut().replicas = vec![other.id];
    bench.desk.0.borrow_mut().admits_replica = true;
    let resource = home(&bench, &from);
    for (number, copies_made) in [(0, 1), (1, 0), (2, 0), (255, 0)] {
        bench.pass(Duration::from_secs(2));
        bench.sent.clear();
        let counter = u64::from(number);
        let data = vec![kind_data(&bench, &from, SINGLE, counter * 100)];
        let body = StoreReq { resource: resource.clone(), replica_number: number, kind_data: data };
        let draft = from.request(bench.here(), MessageCode::STORE_REQUEST, &body);
        bench.now.wall = bench.now.wall.saturating_add(Duration::from_secs(5));
        bench.hear(link, &from, &draft.number(u64::from(number) + 9));
        let stores = bench.take(copies);
        let stores = stores.iter().filter(|m| m.contents.code == MessageCode::STORE_REQUEST);
        assert_eq!(stores.count(), copies_made, "replica number {number}");
    }
}

// R6940-7-03, R6940-7.4.1.1-06, R6940-13.5.1-01
#[test]
fn an_own_value_is_signed_has_replica_number_0_and_the_time_of_the_clock() {
    let mut bench = beside();
    let store = own_store(&mut bench, None);
    assert_eq!(store.replica_number, 0);
    let stored = &store.kind_data[0].values[0];
    assert_eq!(stored.storage_time, bench.now.wall);
    let own = bench.overlay.credentials(bench.id(), "own@x");
    let certificate = own.certificate().der().clone();
    let bucket = [reload_wire::GenericCertificate::x509(certificate)];
    let model = (SINGLE, DataModel::Single);
    let (trust, now) = (bench.overlay.trust.clone(), bench.now.wall);
    assert!(verify_value(stored, &store.resource, model, &trust, &bucket, now).is_ok());
    let mut changed = stored.clone();
    changed.storage_time.0 += 1;
    assert!(verify_value(&changed, &store.resource, model, &trust, &bucket, now).is_err());
}

// R6940-13.5.3-01
#[test]
fn storage_times_of_own_values_rise_even_within_a_millisecond() {
    let mut bench = beside();
    let mut last = UnixTime(0);
    for _ in 0..5 {
        let time = own_store(&mut bench, None).kind_data[0].values[0].storage_time;
        assert!(time > last, "{time:?} after {last:?}");
        last = time;
    }
    assert_eq!(last.0, bench.now.wall.0 + 4);
    bench.now.wall = UnixTime(bench.now.wall.0 - 60_000); // a clock that is set back
    let time = own_store(&mut bench, None).kind_data[0].values[0].storage_time;
    assert!(time > last);
    let chosen = UnixTime(7);
    assert_eq!(own_store(&mut bench, Some(chosen)).kind_data[0].values[0].storage_time, chosen);
}

// R6940-3-02
#[test]
fn answers_are_remembered_for_five_of_the_timers_of_the_configuration() {
    let quick = Duration::from_millis(200);
    let mut bench = Bench::configured(|c| c.overlay_reliability_timer = quick);
    let (from, link) = bench.linked(1);
    let body =
        reload_wire::JoinReq { joining_peer_id: from.id, overlay_specific_data: Bytes::new() };
    let draft = from.request(bench.here(), MessageCode::JOIN_REQUEST, &body);
    bench.hear(link, &from, &draft);
    bench.pass(Duration::from_millis(990));
    bench.hear(link, &from, &draft);
    assert_eq!(bench.desk.requests().len(), 1); // section 3: 5 times 200 ms
    bench.pass(Duration::from_millis(20));
    bench.hear(link, &from, &draft);
    assert_eq!(bench.desk.requests().len(), 2);
}

// R6940-11.1-52
#[test]
fn a_kind_whose_signer_is_no_longer_listed_is_gone_with_its_values() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut definition = bench.node.configuration().kind(SINGLE).expect("it is there").clone();
    definition.id = KindId(0xf000_0077);
    let mut block = KindBlock::new(definition.clone());
    block.signature = Some(bench.overlay.sign_kind(&block.raw));
    let update = ConfigUpdateReq::Kinds(vec![block.to_xml().into()]);
    bench.hear(
        link,
        &from,
        &from.request(bench.here(), MessageCode::CONFIG_UPDATE_REQUEST, &update),
    );
    assert_eq!(bench.only(link).contents.code, MessageCode::CONFIG_UPDATE_ANSWER);
    let data = vec![kind_data(&bench, &from, definition.id, 0)];
    let resource = home(&bench, &from);
    let body = StoreReq { resource: resource.clone(), replica_number: 0, kind_data: data };
    let to = Destination::Resource(resource);
    let store = from.request(to, MessageCode::STORE_REQUEST, &body).number(2);
    bench.hear(link, &from, &store);
    assert_eq!(bench.only(link).contents.code, MessageCode::STORE_ANSWER);
    assert_eq!(bench.node.status(bench.now).values, 1);
    let document = bench.overlay.document(|c| c.sequence = 2);
    let now = bench.now;
    bench.node.offer_configuration(now, &document).expect("it is newer and signed");
    bench.drain();
    assert!(bench.node.configuration().kind(definition.id).is_none());
    assert_eq!(bench.node.status(bench.now).values, 0);
}

// R6940-6.5.4.1-03
#[test]
fn a_config_update_of_an_unknown_type_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let document = bench.overlay.document(|c| c.sequence = 2);
    let update = ConfigUpdateReq::Unknown { kind: 9, data: document };
    let to = bench.here();
    bench.hear(link, &from, &from.request(to, MessageCode::CONFIG_UPDATE_REQUEST, &update));
    assert_eq!(bench.refusal(link), ErrorCode::INVALID_MESSAGE);
    assert_eq!(bench.node.configuration().sequence, 1);
    bench.hear(link, &from, &from.ping(bench.here()).number(2));
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
}

//! What others can take of a node is bounded: each limit on its own, with its own counter. Those of
//! fragments, of links and of checks are in `fragmenting.rs`, `linking.rs` and `responding.rs`; those
//! of handshakes and addresses are the driver's.

use std::time::Duration;

use bytes::Bytes;
use reload_identity::sign_value;
use reload_node::{Counters, Limits, LinkId, Request, RequestError};
use reload_topology::Topology;
use reload_wire::{
    DataValue, Destination, Encode, ErrorCode, KindId, MessageCode, PingAns, PingReq,
    StoreKindData, StoreReq, StoredDataValue, UnixTime,
};

use crate::actor::{Actor, Draft};
use crate::bench::{Bench, Making};

/// Arrays, USER-MATCH.
const ARRAY: KindId = KindId(0xf000_0002);

fn limited(limits: Limits) -> Bench {
    Bench::make(Making { limits, ..Making::default() })
}

fn counters(bench: &Bench) -> Counters {
    bench.node.status(bench.now).counters
}

/// Nothing was refused or dropped by another limit than the one with this count.
fn is_alone(bench: &Bench, count: u64) -> bool {
    count > 0 && counters(bench).overload() == count
}

/// Pings of `from` until one is refused: how many were answered, and the error of that one.
fn flood(bench: &mut Bench, from: &Actor, link: LinkId) -> (u64, ErrorCode) {
    for number in 1.. {
        bench.hear(link, from, &from.ping(bench.here()).number(number));
        let answer = bench.only(link);
        if answer.contents.code == MessageCode::ERROR {
            let dialect = bench.dialect();
            let error = reload_wire::Decode::decode_exact(&dialect, &answer.contents.body);
            let error: reload_wire::ErrorResponse = error.expect("an error");
            return (number - 1, error.code);
        }
    }
    unreachable!("a range without end")
}

#[test]
fn a_node_that_asks_too_much_in_a_second_is_refused_until_the_next() {
    let mut bench = limited(Limits { requests_per_second: 20, ..Limits::default() });
    let (from, link) = bench.linked(1);
    assert_eq!(flood(&mut bench, &from, link), (20, ErrorCode::REQUEST_TIMEOUT));
    assert!(is_alone(&bench, counters(&bench).requests_throttled));
    bench.pass(Duration::from_millis(500));
    assert_eq!(flood(&mut bench, &from, link), (10, ErrorCode::REQUEST_TIMEOUT));
    assert_eq!(counters(&bench).requests_throttled, 2);
}

#[test]
fn a_thousand_requests_in_a_second_are_answered_by_default() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    assert_eq!(flood(&mut bench, &from, link), (1000, ErrorCode::REQUEST_TIMEOUT));
}

#[test]
fn the_rate_is_that_of_the_signer_and_not_of_the_peer_that_passes_on() {
    let mut bench = limited(Limits { requests_per_second: 5, ..Limits::default() });
    let (_, link) = bench.linked(1);
    let (greedy, modest) = (bench.actor(3), bench.actor(4));
    assert_eq!(flood(&mut bench, &greedy, link).0, 5);
    bench.hear(link, &modest, &modest.ping(bench.here()).through(&[modest.id]));
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
}

#[test]
fn answers_and_what_is_passed_on_are_free() {
    let mut bench = limited(Limits { requests_per_second: 5, ..Limits::default() });
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    for number in 0..50 {
        bench.hear(link, &from, &from.ping(Destination::Node(to.id)).number(number));
    }
    assert_eq!(bench.take(onward).len(), 50);
    for _ in 0..50 {
        let id = bench.ask(Request::Ping { to: vec![Destination::Node(from.id)], padding: 0 });
        let request = bench.only(link);
        let answer = PingAns { response_id: 1, time: bench.now.wall };
        bench.hear(link, &from, &from.answer(&request, &answer));
        assert!(bench.ending(id).expect("it has ended").is_ok());
    }
    assert_eq!(counters(&bench).overload(), 0);
}

// the other side of the limit
#[test]
fn a_request_that_was_too_much_goes_out_again_with_the_timer() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let id = bench.ask(Request::Ping { to: vec![Destination::Node(from.id)], padding: 0 });
    let timer = bench.node.configuration().overlay_reliability_timer;
    for _ in 0..5 {
        let request = bench.only(link);
        bench.hear(link, &from, &from.error(&request, ErrorCode::REQUEST_TIMEOUT));
        assert!(bench.ending(id).is_none() && bench.is_silent());
        bench.pass(timer);
    }
    let Some(Err(RequestError::Refused { code, .. })) = bench.ending(id) else {
        panic!("{:?}", bench.ending(id))
    };
    assert_eq!(code, ErrorCode::REQUEST_TIMEOUT);
}

#[test]
fn requests_under_way_are_bounded_and_the_application_is_told() {
    let mut bench = limited(Limits { transactions: 3, ..Limits::default() });
    let (from, _) = bench.linked(1);
    let ping = Request::Ping { to: vec![Destination::Node(from.id)], padding: 0 };
    for _ in 0..3 {
        bench.ask(ping.clone());
    }
    assert!(bench.node.request(bench.now, ping.clone()).is_err());
    assert!(bench.node.request(bench.now, ping.clone()).is_err());
    assert_eq!(bench.node.status(bench.now).transactions, 3);
    assert_eq!(counters(&bench).transactions_refused, 2);
    assert!(is_alone(&bench, 2));
    bench.pass(Duration::from_secs(20)); // they end, and there is room
    bench.ask(ping);
}

#[test]
fn answers_that_wait_for_their_signature_are_bounded() {
    let mut bench =
        limited(Limits { requests_per_second: 0, checks_per_link: 100_000, ..Limits::default() });
    let (from, link) = bench.linked(1);
    let mut seals = Vec::new();
    let mut number = 0;
    while counters(&bench).answers_dropped == 0 {
        number += 1;
        assert!(number < 10_000, "nothing bounds them");
        let message = from.sign(&from.ping(bench.here()).number(number));
        bench.node.handle_link(bench.now, link, reload_node::LinkEvent::Message(message));
        while let reload_node::Output::Crypto(id, job) = bench.node.poll_output() {
            // checks are done at once, signatures never
            let result = job.run();
            if result.is_check() {
                bench.node.handle_crypto(bench.now, id, result);
            } else {
                seals.push((id, result));
            }
        }
    }
    assert_eq!(seals.len(), 4096);
    assert!(is_alone(&bench, 1));
    for (id, result) in seals {
        bench.node.handle_crypto(bench.now, id, result);
    }
    bench.drain();
    assert_eq!(bench.take(link).len(), 4096);
}

/// A Store of array entries of `size` bytes at these indices, where the user name of `from` belongs.
fn store(bench: &Bench, from: &Actor, indices: std::ops::Range<u32>, size: usize) -> Draft {
    let user = from.credentials.user().expect("it has one");
    let resource = bench.desk.resource_id(user.as_bytes());
    let sign = |index| {
        let value = DataValue { exists: true, value: Bytes::from(vec![7; size]) };
        let value = StoredDataValue::Array { index, value };
        let time = UnixTime(bench.now.wall.0 + u64::from(index) + 1);
        sign_value(&from.credentials, &resource, ARRAY, time, 600, &value)
            .expect("it can be signed")
    };
    let values = indices.map(sign).collect();
    let kind_data = vec![StoreKindData { kind: ARRAY, generation_counter: 0, values }];
    let body = StoreReq { resource: resource.clone(), replica_number: 0, kind_data };
    from.request(Destination::Resource(resource), MessageCode::STORE_REQUEST, &body)
}

#[test]
fn values_of_a_kind_at_one_resource_are_bounded() {
    let storage = reload_storage::Limits { values_per_kind: 3, ..Default::default() };
    let mut bench = limited(Limits { storage, ..Limits::default() });
    let (from, link) = bench.linked(1);
    bench.hear(link, &from, &store(&bench, &from, 0..3, 10).number(1));
    assert_eq!(bench.only(link).contents.code, MessageCode::STORE_ANSWER);
    bench.hear(link, &from, &store(&bench, &from, 3..4, 10).number(2));
    assert_eq!(bench.refusal(link), ErrorCode::DATA_TOO_LARGE);
    assert_eq!((bench.node.status(bench.now).values, counters(&bench).values_refused), (3, 1));
    assert!(is_alone(&bench, 1));
}

#[test]
fn the_size_of_all_values_is_bounded() {
    let storage = reload_storage::Limits { bytes: 20_000, ..Default::default() };
    let mut bench = limited(Limits { storage, ..Limits::default() });
    let (from, link) = bench.linked(1);
    let mut stored = 0;
    for number in 0..40 {
        let draft = store(&bench, &from, number..number + 1, 1000);
        bench.hear(link, &from, &draft.number(u64::from(number) + 1));
        let answer = bench.only(link).contents.code;
        stored += usize::from(answer == MessageCode::STORE_ANSWER);
    }
    let status = bench.node.status(bench.now);
    assert!(stored > 5 && status.values == stored && status.stored_bytes <= 20_000);
    assert_eq!(status.counters.store_full, 40 - u64::try_from(stored).expect("few"));
    assert!(is_alone(&bench, status.counters.store_full));
}

#[test]
fn the_number_of_resources_is_bounded() {
    let storage = reload_storage::Limits { resources: 1, ..Default::default() };
    let mut bench = limited(Limits { storage, ..Limits::default() });
    let (first, link) = bench.linked(1);
    let (second, other) = bench.linked(2);
    bench.hear(link, &first, &store(&bench, &first, 0..1, 10));
    assert_eq!(bench.only(link).contents.code, MessageCode::STORE_ANSWER);
    bench.hear(other, &second, &store(&bench, &second, 0..1, 10));
    bench.refusal(other);
    assert_eq!(counters(&bench).store_full, 1);
    assert!(is_alone(&bench, 1));
}

// R6940-6.7-09
#[test]
fn fragments_held_are_bounded_and_counted_apart() {
    let mut bench = limited(Limits { fragment_bytes: 1000, ..Limits::default() });
    let (from, link) = bench.linked(1);
    let body = PingReq { padding: Bytes::from(vec![0; 2000]) };
    let draft = from.request(bench.here(), MessageCode::PING_REQUEST, &body);
    assert!(body.to_bytes().is_ok());
    let message = from.sign(&draft);
    let dialect = bench.dialect();
    let (mut header, rest) =
        reload_wire::ForwardingHeader::split(&dialect, &message).expect("it is good");
    header.fragment = reload_wire::Fragment { last: false, offset: 0 };
    bench.receive(link, header.join(&rest.slice(..1500), u32::MAX).expect("it fits"));
    assert_eq!(counters(&bench).fragments_dropped, 1);
    assert!(is_alone(&bench, 1));
}

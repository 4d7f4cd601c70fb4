//! Requests of this node: end-to-end reliability and the checks of answers (6.2.1, 6.3.2.1, 6.3.4).

use std::time::Duration;

use bytes::Bytes;
use reload_node::{Limits, Reply, Request, RequestError};
use reload_wire::{
    ConfigUpdateReq, Decode, Destination, ErrorCode, KindId, MessageCode, NodeId, PingAns,
    ResourceId, UnixTime, UnknownKinds,
};

use crate::bench::{Bench, Making};

fn ping(to: NodeId) -> Request {
    Request::Ping { to: vec![Destination::Node(to)], padding: 0 }
}

fn pong() -> PingAns {
    PingAns { response_id: 5, time: UnixTime(9) }
}

fn resource() -> ResourceId {
    ResourceId::new(&[9; 16]).expect("16 bytes fit")
}

/// A request for a resource that lies beyond this node.
fn ping_resource(bench: &mut Bench, next: NodeId) -> Request {
    bench.desk.0.borrow_mut().mine = false;
    bench.desk.0.borrow_mut().next = Some(next);
    Request::Ping { to: vec![Destination::Resource(resource())], padding: 0 }
}

// R6940-1.2.2-01, R6940-6.2.1-05, R6940-6.2.1-06, R6940-6.2.1-07
#[test]
fn a_request_is_sent_five_times_with_one_transaction_id_and_then_has_failed() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let id = bench.ask(ping(to.id));
    let mut numbers = Vec::new();
    for sent in 1..=5 {
        numbers.push(bench.only(link).header.transaction_id); // 6.2.1
        assert!(bench.ending(id).is_none(), "after {sent}");
        bench.pass(Duration::from_secs(3));
    }
    assert!(numbers.iter().all(|number| *number == numbers[0]));
    assert!(bench.is_silent());
    let ended = bench.ending(id).expect("it has ended").expect_err("nobody answered");
    assert_eq!(ended, RequestError::Timeout(Duration::from_secs(15)));
}

#[test]
fn an_answer_ends_the_request_and_later_copies_are_stray() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let id = bench.ask(ping(to.id));
    let request = bench.only(link);
    let mut answer = to.answer(&request, &pong());
    answer.header.ttl = 98;
    bench.hear(link, &to, &answer);
    bench.hear(link, &to, &answer);
    let response = bench.ending(id).expect("it has ended").expect("it was answered");
    assert_eq!((response.from, response.hops), (to.id, 3));
    assert!(matches!(response.reply, Reply::Pong { response_id: 5, .. }));
    assert_eq!(bench.node.status(bench.now).counters.stray, 1);
    bench.pass(Duration::from_secs(4));
    assert!(bench.is_silent());
}

// R6940-6.2.1-03, R6940-6.3.4-19
#[test]
fn an_answer_to_a_node_id_must_be_signed_by_that_node() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let (other, other_link) = bench.linked(2);
    let id = bench.ask(ping(to.id));
    let request = bench.only(link);
    bench.hear(other_link, &other, &other.answer(&request, &pong())); // 6.3.4 item 1
    assert!(bench.ending(id).is_none());
    bench.hear(other_link, &to, &to.answer(&request, &pong()));
    assert!(bench.ending(id).expect("it has ended").is_ok());
}

// R6940-6.3.4-19
#[test]
fn an_answer_to_the_wildcard_may_come_from_anybody() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let id = bench.ask(ping(NodeId::wildcard(bench.dialect().node_id_length)));
    let request = bench.only(link);
    bench.hear(link, &to, &to.answer(&request, &pong())); // 6.3.4 item 1
    assert!(bench.ending(id).expect("it has ended").is_ok());
}

// R6940-6.3.4-20
#[test]
fn an_answer_for_a_resource_from_an_unlikely_node_makes_the_request_go_out_again_at_once() {
    let mut bench = Bench::new();
    let (next, link) = bench.linked(1);
    let request = ping_resource(&mut bench, next.id);
    let id = bench.ask(request);
    let request = bench.only(link);
    bench.desk.0.borrow_mut().admits_answer = false;
    bench.hear(link, &next, &next.answer(&request, &pong())); // 6.3.4 item 2, E106
    assert!(bench.ending(id).is_none());
    assert_eq!(bench.only(link).header.transaction_id, request.header.transaction_id);
    bench.desk.0.borrow_mut().admits_answer = true;
    bench.hear(link, &next, &next.answer(&request, &pong()));
    assert!(bench.ending(id).expect("it has ended").is_ok());
}

// R6940-6.2.1-06
#[test]
fn no_number_of_unlikely_answers_makes_more_than_five_transmissions() {
    let mut bench = Bench::new();
    let (next, link) = bench.linked(1);
    let request = ping_resource(&mut bench, next.id);
    let id = bench.ask(request);
    bench.desk.0.borrow_mut().admits_answer = false;
    let mut sent = 0;
    for _ in 0..40 {
        for request in bench.take(link) {
            if request.header.destination_list == [Destination::Resource(resource())] {
                sent += 1;
                bench.hear(link, &next, &next.answer(&request, &pong()));
            }
        }
        bench.pass(Duration::from_millis(500));
    }
    assert_eq!(sent, 5); // 6.2.1
    assert!(bench.ending(id).expect("it has ended").is_err());
}

// R6940-6.3.3.1-01, R6940-6.3.3.1-02
#[test]
fn an_answer_of_another_method_is_no_answer() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let id = bench.ask(ping(to.id));
    let request = bench.only(link);
    let mut answer = to.answer(&request, &pong());
    answer.contents.code = MessageCode::PROBE_ANSWER;
    bench.hear(link, &to, &answer); // 6.3.3.1
    assert!(bench.ending(id).is_none());
}

#[test]
fn an_answer_that_is_damaged_inside_is_told_as_such() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let id = bench.ask(ping(to.id));
    let request = bench.only(link);
    let mut answer = to.answer(&request, &pong());
    answer.contents.body = Bytes::from_static(b"short");
    bench.hear(link, &to, &answer);
    let ended = bench.ending(id).expect("it has ended");
    assert!(matches!(ended, Err(RequestError::BadAnswer(_))), "{ended:?}");
}

// R6940-6.3.3-04
#[test]
fn an_answer_with_a_critical_extension_is_not_understood() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    for (critical, good) in [(true, false), (false, true)] {
        let id = bench.ask(ping(to.id));
        let request = bench.only(link);
        let answer = to.answer(&request, &pong()).with_extension(critical);
        bench.hear(link, &to, &answer); // 6.3.3
        assert_eq!(bench.ending(id).expect("it has ended").is_ok(), good);
    }
}

#[test]
fn an_error_of_the_destination_ends_the_request() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let id = bench.ask(ping(to.id));
    let request = bench.only(link);
    bench.hear(link, &to, &to.error(&request, ErrorCode::NOT_FOUND));
    let ended = bench.ending(id).expect("it has ended");
    assert!(matches!(ended, Err(RequestError::Refused { code: ErrorCode::NOT_FOUND, .. })));
}

#[test]
fn an_error_from_the_way_fails_a_transmission_and_not_the_request() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let (middle, side) = bench.linked(2);
    let id = bench.ask(ping(to.id));
    let request = bench.only(link);
    bench.hear(side, &middle, &middle.error(&request, ErrorCode::TTL_EXCEEDED)); // E13
    assert!(bench.ending(id).is_none());
    bench.pass(Duration::from_secs(16));
    let ended = bench.ending(id).expect("it has ended");
    assert!(matches!(ended, Err(RequestError::Refused { code: ErrorCode::TTL_EXCEEDED, .. })));
}

#[test]
fn an_error_that_only_the_destination_may_raise_is_not_believed_from_others() {
    let codes = [ErrorCode::NOT_FOUND, ErrorCode::CONFIG_TOO_OLD, ErrorCode::CONFIG_TOO_NEW];
    for code in codes {
        let mut bench = Bench::new();
        let (to, link) = bench.linked(1);
        let (middle, side) = bench.linked(2);
        let id = bench.ask(ping(to.id));
        let request = bench.only(link);
        bench.hear(side, &middle, &middle.error(&request, code)); // E13
        assert!(bench.take(side).is_empty(), "{code:?}: nothing is sent to a liar");
        bench.hear(link, &to, &to.answer(&request, &pong()));
        assert!(bench.ending(id).expect("it has ended").is_ok(), "{code:?}");
    }
}

// R6940-6.2.1-03
#[test]
fn a_request_on_a_failed_link_goes_another_way_at_once_and_still_ends_in_time() {
    let mut bench = Bench::new();
    let (first, dead) = bench.linked(1);
    let (second, alive) = bench.linked(2);
    let request = ping_resource(&mut bench, first.id);
    let id = bench.ask(request);
    let before = bench.only(dead);
    bench.pass(Duration::from_secs(1));
    bench.desk.0.borrow_mut().next = Some(second.id);
    bench.fail(dead, Vec::new());
    let after = bench.only(alive); // 6.6.5
    assert_eq!(after.header.transaction_id, before.header.transaction_id);
    bench.pass(Duration::from_secs(14));
    let ended = bench.ending(id).expect("it has ended");
    assert_eq!(ended.expect_err("nobody answered"), RequestError::Timeout(Duration::from_secs(15)));
}

// R6940-6.5.4-02
#[test]
fn an_older_node_is_updated_and_the_request_sent_again_once_with_a_new_transaction_id() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let id = bench.ask(ping(to.id));
    let request = bench.only(link);
    bench.hear(link, &to, &to.error(&request, ErrorCode::CONFIG_TOO_NEW));
    let update = bench.only(link); // 6.3.2.1, E46
    assert_eq!(update.contents.code, MessageCode::CONFIG_UPDATE_REQUEST);
    assert_eq!(update.header.configuration_sequence, 65535);
    let body = ConfigUpdateReq::decode_exact(&bench.dialect(), &update.contents.body);
    let document = bench.overlay.configuration.document.bytes().clone();
    assert_eq!(body.expect("it can be read"), ConfigUpdateReq::Config(document));
    bench.hear(link, &to, &to.answer(&update, &reload_wire::ConfigUpdateAns));
    let renewed = bench.only(link);
    assert_eq!(renewed.contents.code, MessageCode::PING_REQUEST);
    assert_ne!(renewed.header.transaction_id, request.header.transaction_id);
    bench.hear(link, &to, &to.error(&renewed, ErrorCode::CONFIG_TOO_NEW));
    let ended = bench.ending(id).expect("it is not sent a third time");
    assert!(matches!(ended, Err(RequestError::Refused { code: ErrorCode::CONFIG_TOO_NEW, .. })));
}

#[test]
fn a_request_refused_as_too_old_is_sent_again_when_the_newer_document_is_here() {
    let mut bench = Bench::new();
    let (to, link) = bench.linked(1);
    let id = bench.ask(ping(to.id));
    let request = bench.only(link);
    bench.hear(link, &to, &to.error(&request, ErrorCode::CONFIG_TOO_OLD));
    assert!(bench.is_silent()); // it is the other that has something to send
    let document = bench.overlay.document(|configuration| configuration.sequence = 2);
    let now = bench.now;
    bench.node.offer_configuration(now, &document).expect("it is newer and signed");
    bench.drain();
    let sent = bench.take(link);
    let renewed = sent.iter().find(|message| {
        message.header.transaction_id != request.header.transaction_id
            && message.header.configuration_sequence == 2
    });
    let renewed = renewed.expect("it goes out under the new sequence").clone(); // E46
    bench.hear(link, &to, &{
        let mut answer = to.answer(&renewed, &pong());
        answer.header.configuration_sequence = 2;
        answer
    });
    let pings = sent.len();
    assert_eq!(pings, 2, "the request, and the Ping that shows our sequence");
    assert!(bench.ending(id).is_some() || bench.take(link).is_empty());
}

// R6940-6.5.3.1-02
#[test]
fn a_request_that_does_not_fit_is_refused_here() {
    let mut bench = Bench::configured(|configuration| configuration.max_message_size = 5000);
    let (to, link) = bench.linked(1);
    let to = vec![Destination::Node(to.id)];
    let id = bench.ask(Request::Ping { to, padding: 5000 });
    assert!(bench.take(link).is_empty());
    let ended = bench.ending(id).expect("it has ended");
    assert!(matches!(ended, Err(RequestError::TooLarge { limit: 5000, .. })), "{ended:?}");
}

#[test]
fn too_many_requests_are_busy() {
    let limits = Limits { transactions: 2, ..Limits::default() };
    let mut bench = Bench::make(Making { limits, ..Making::default() });
    let (to, _) = bench.linked(1);
    bench.ask(ping(to.id));
    bench.ask(ping(to.id));
    assert!(bench.node.request(bench.now, ping(to.id)).is_err());
}

#[test]
fn a_leaving_node_takes_no_requests() {
    let mut bench = Bench::new();
    let (to, _) = bench.linked(1);
    bench.node.leave(bench.now);
    let id = bench.ask(ping(to.id));
    assert_eq!(bench.ending(id).expect("it has ended").expect_err("no"), RequestError::Leaving);
}

// R6940-7.4.1.2-08
#[test]
fn a_peer_that_does_not_know_a_kind_is_sent_its_definition() {
    let mut bench = Bench::new();
    let (next, link) = bench.linked(1);
    bench.desk.0.borrow_mut().mine = false;
    bench.desk.0.borrow_mut().next = Some(next.id);
    let kind = KindId(0xf000_0001);
    bench.ask(Request::Find { resource: resource(), kinds: vec![kind] });
    let request = bench.only(link);
    let mut error = next.error(&request, ErrorCode::UNKNOWN_KIND);
    let info = reload_wire::Encode::to_bytes(&UnknownKinds(vec![kind])).expect("one kind fits");
    let body = reload_wire::ErrorResponse { code: ErrorCode::UNKNOWN_KIND, info };
    error.contents.body = reload_wire::Encode::to_bytes(&body).expect("it fits");
    bench.hear(link, &next, &error);
    let update = bench.only(link); // 7.4.1.2
    assert_eq!(update.contents.code, MessageCode::CONFIG_UPDATE_REQUEST);
    let body = ConfigUpdateReq::decode_exact(&bench.dialect(), &update.contents.body);
    assert!(matches!(body, Ok(ConfigUpdateReq::Kinds(kinds)) if kinds.len() == 1));
}

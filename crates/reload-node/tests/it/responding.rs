//! Requests of others: what each must pass, and how it is answered (6.2.1, 6.3.2, 6.3.3, 6.4.2).

use bytes::Bytes;
use reload_topology::{Input, TopologyRequest};
use reload_wire::{
    AppAttachReqAns, Decode, Destination, Encode, ErrorCode, JoinAns, JoinReq, LeaveReq,
    MessageCode, MessageParts, OverlayLinkType, PingReq, ProbeAns, ProbeInformation,
    ProbeInformationType, ProbeReq, RouteQueryReq,
};

use crate::actor::{Actor, Draft, attach_body, candidate};
use crate::bench::Bench;

fn join(actor: &Actor, here: Destination) -> Draft {
    let body = JoinReq { joining_peer_id: actor.id, overlay_specific_data: Bytes::new() };
    actor.request(here, MessageCode::JOIN_REQUEST, &body)
}

// R6940-6.3.2.1-03, R6940-6.3.2.1-04, R6940-6.5.4-01
#[test]
fn an_older_sequence_is_refused_and_its_sender_updated() {
    let mut bench = Bench::configured(|configuration| configuration.sequence = 5);
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.header.configuration_sequence = 4;
    bench.hear(link, &from, &draft); // 6.3.2.1
    let sent = bench.take(link);
    assert_eq!(codes(&sent), [MessageCode::ERROR, MessageCode::CONFIG_UPDATE_REQUEST]);
    assert_eq!(error_of(&bench, &sent[0]), ErrorCode::CONFIG_TOO_OLD);
    assert_eq!(sent[1].header.configuration_sequence, 65535);
    bench.hear(link, &from, &draft.number(2)); // one ConfigUpdate at a time (E46)
    assert_eq!(bench.refusal(link), ErrorCode::CONFIG_TOO_OLD);
}

// R6940-6.3.2.1-03
#[test]
fn a_newer_sequence_is_refused() {
    let mut bench = Bench::configured(|configuration| configuration.sequence = 5);
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.header.configuration_sequence = 6;
    bench.hear(link, &from, &draft); // 6.3.2.1
    assert_eq!(bench.refusal(link), ErrorCode::CONFIG_TOO_NEW);
}

// R6940-6.3.2.1-03
#[test]
fn sequences_are_compared_modulo_65535() {
    let mut bench = Bench::configured(|configuration| configuration.sequence = 65534);
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.header.configuration_sequence = 0;
    bench.hear(link, &from, &draft); // E45
    assert_eq!(bench.refusal(link), ErrorCode::CONFIG_TOO_NEW);
}

// R6940-6.3.2.1-05
#[test]
fn the_escape_sequence_is_for_config_updates_only() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.header.configuration_sequence = 65535;
    bench.hear(link, &from, &draft); // 6.3.2.1
    assert_eq!(bench.take(link)[0].contents.code, MessageCode::ERROR);
    draft.contents.code = MessageCode::CONFIG_UPDATE_REQUEST;
    draft.contents.body = Bytes::from_static(b"no body");
    bench.hear(link, &from, &draft);
    assert_eq!(bench.refusal(link), ErrorCode::INVALID_MESSAGE, "its body is looked at");
}

// R6940-6.3.2.1-03
#[test]
fn the_sequence_is_not_checked_in_transit() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let mut draft = from.ping(Destination::Node(to.id));
    draft.header.configuration_sequence = 77;
    bench.hear(link, &from, &draft); // E45
    assert_eq!(bench.only(onward).header.configuration_sequence, 77);
}

// R6940-6.3.3-04, R6940-6.3.3-05
#[test]
fn a_critical_extension_is_unknown_and_another_is_ignored() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    bench.hear(link, &from, &from.ping(bench.here()).with_extension(true)); // 6.3.3
    assert_eq!(bench.refusal(link), ErrorCode::UNKNOWN_EXTENSION);
    bench.hear(link, &from, &from.ping(bench.here()).with_extension(false));
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
}

// R6940-6.3.1.1-08, R6940-6.3.3.1-01, R6940-6.3.3.1-03
#[test]
fn an_unknown_method_and_a_damaged_body_are_invalid_messages() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.contents.code = MessageCode(0x7001);
    bench.hear(link, &from, &draft); // 6.3.3.1
    assert_eq!(bench.refusal(link), ErrorCode::INVALID_MESSAGE);
    let mut draft = from.ping(bench.here());
    draft.contents.body = Bytes::from_static(&[0, 9, 1]);
    bench.hear(link, &from, &draft);
    assert_eq!(bench.refusal(link), ErrorCode::INVALID_MESSAGE);
}

// R6940-6.4.2.5-01, R6940-6.4.2.5.2-02, R6940-6.4.2.5.2-03, R6940-6.4.2.5.2-04,
// R6940-6.4.2.5.2-05
#[test]
fn a_probe_is_answered_in_the_order_asked_and_without_what_is_unknown() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let requested_info = vec![
        ProbeInformationType::UPTIME,
        ProbeInformationType(200),
        ProbeInformationType::RESPONSIBLE_SET,
    ];
    let request = ProbeReq { requested_info };
    bench.hear(link, &from, &from.request(bench.here(), MessageCode::PROBE_REQUEST, &request));
    let body = bench.only(link).contents.body;
    let answer = ProbeAns::decode_exact(&bench.dialect(), &body).expect("a ProbeAns"); // 6.4.2.5
    let expected = [ProbeInformation::Uptime(0), ProbeInformation::ResponsibleSet(1_000_000_000)];
    assert_eq!(answer.probe_info, expected);
}

// R6940-6.3.2-16
#[test]
fn an_answer_larger_than_asked_is_an_error_that_goes_out_whatever_was_asked() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    bench.hear(link, &from, &draft);
    let size = bench.sent[0].1.len();
    bench.sent.clear();
    for (limit, fits) in [(0, true), (size, true), (size - 1, false), (1, false)] {
        draft.header.max_response_length = u32::try_from(limit).expect("it is small");
        bench.hear(link, &from, &draft); // 6.3.2, E31
        let sent = bench.only(link);
        let expected = if fits { MessageCode::PING_ANSWER } else { MessageCode::ERROR };
        assert_eq!(sent.contents.code, expected, "{limit}");
        if !fits {
            assert_eq!(error_of(&bench, &sent), ErrorCode::RESPONSE_TOO_LARGE);
        }
    }
}

// R6940-6.5.2.2-03
#[test]
fn an_application_is_not_offered_here() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let body = AppAttachReqAns {
        ufrag: Bytes::new(),
        password: Bytes::new(),
        application: 5060,
        role: Bytes::from_static(b"passive"),
        candidates: vec![candidate(OverlayLinkType::TLS_TCP_FH_NO_ICE, 1)],
    };
    bench.hear(link, &from, &from.request(bench.here(), MessageCode::APP_ATTACH_REQUEST, &body));
    assert_eq!(bench.refusal(link), ErrorCode::NOT_FOUND); // 6.5.2.2
}

// R6940-6.2.1-09
#[test]
fn a_repeated_join_meets_its_pending_twin_and_then_gets_its_answer() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let draft = join(&from, bench.here());
    bench.hear(link, &from, &draft);
    bench.hear(link, &from, &draft); // 6.2.1, E77
    let asked = bench.desk.requests();
    assert_eq!(asked.len(), 1);
    assert!(bench.is_silent());
    let body = JoinAns { overlay_specific_data: Bytes::new() }.to_bytes().expect("it fits");
    bench.desk.answer(asked[0].0, Ok(body));
    bench.act();
    let first = bench.only(link);
    bench.hear(link, &from, &draft);
    let second = bench.only(link);
    assert_eq!((first.contents_raw, first.security), (second.contents_raw, second.security));
    assert_eq!(bench.desk.requests().len(), 1);
}

// R6940-6.2.1-09
#[test]
fn an_answer_is_remembered_for_the_request_lifetime_only() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let draft = join(&from, bench.here());
    bench.hear(link, &from, &draft);
    bench.desk.answer(bench.desk.requests()[0].0, Err(ErrorCode::FORBIDDEN));
    bench.act();
    bench.pass(std::time::Duration::from_millis(14_900));
    bench.hear(link, &from, &draft);
    assert_eq!(bench.desk.requests().len(), 1); // 6.2.1: 15 s
    bench.pass(std::time::Duration::from_millis(200));
    bench.hear(link, &from, &draft);
    assert_eq!(bench.desk.requests().len(), 2);
}

#[test]
fn the_same_transaction_id_of_another_signer_is_another_request() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (other, side) = bench.linked(2);
    bench.hear(link, &from, &join(&from, bench.here()));
    bench.hear(side, &other, &join(&other, bench.here()));
    assert_eq!(bench.desk.requests().len(), 2);
}

#[test]
fn a_join_is_direct_over_the_link_of_its_signer_only() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (_, side) = bench.linked(2);
    bench.hear(link, &from, &join(&from, bench.here()).number(1)); // 6.4.2.1
    bench.hear(side, &from, &join(&from, bench.here()).number(2));
    let direct: Vec<bool> = bench.desk.requests().iter().map(|asked| asked.2).collect();
    assert_eq!(direct, [true, false]);
}

#[test]
fn a_join_that_its_signer_passed_on_for_another_is_a_replay_and_not_direct() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let other = bench.actor(2);
    bench.hear(link, &from, &join(&from, bench.here()).through(&[other.id])); // 6.4.2.1
    assert!(!bench.desk.requests()[0].2);
}

#[test]
fn a_leave_is_handed_to_the_plug_in_like_a_join() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let body = LeaveReq { leaving_peer_id: from.id, overlay_specific_data: Bytes::new() };
    bench.hear(link, &from, &from.request(bench.here(), MessageCode::LEAVE_REQUEST, &body));
    let leave = |input: &Input| {
        matches!(input, Input::Request { request: TopologyRequest::Leave(_), direct: true, .. })
    };
    assert_eq!(bench.desk.told(leave), 1); // 6.4.2.2
}

// R6940-6.4.2.4.1-02
#[test]
fn a_route_query_with_send_update_is_answered_and_followed_by_an_update() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let body = |send_update| RouteQueryReq {
        send_update,
        destination: Destination::Node(from.id),
        overlay_specific_data: Bytes::new(),
    };
    for (number, send_update) in [(1, false), (2, true)] {
        let draft =
            from.request(bench.here(), MessageCode::ROUTE_QUERY_REQUEST, &body(send_update));
        bench.hear(link, &from, &draft.number(number)); // 6.4.2.4
        let token = bench.desk.requests().last().expect("it was asked").0;
        bench.desk.answer(token, Ok(Bytes::from_static(&[7; 16])));
        bench.act();
        assert_eq!(bench.only(link).contents.code, MessageCode::ROUTE_QUERY_ANSWER);
        let wanted = |input: &Input| matches!(input, Input::UpdateWanted(id) if *id == from.id);
        assert_eq!(bench.desk.told(wanted), usize::from(send_update));
    }
}

// R6940-6.3.3.1-03
#[test]
fn an_error_of_the_plug_in_goes_to_the_caller() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    bench.hear(link, &from, &join(&from, bench.here()));
    bench.desk.answer(bench.desk.requests()[0].0, Err(ErrorCode::FORBIDDEN));
    bench.act();
    assert_eq!(bench.refusal(link), ErrorCode::FORBIDDEN);
}

#[test]
fn a_request_to_a_resource_that_moved_away_meanwhile_is_not_answered() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let resource = reload_wire::ResourceId::new(&[9; 16]).expect("16 bytes fit");
    let message = from.sign(&from.ping(Destination::Resource(resource)));
    bench.node.handle_link(bench.now, link, reload_node::LinkEvent::Message(message));
    bench.desk.0.borrow_mut().mine = false; // while the signature is checked
    bench.drain();
    assert!(bench.is_silent());
}

#[test]
fn checks_of_one_link_are_handed_on_in_the_order_of_arrival() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut jobs = Vec::new();
    for number in 1..=3 {
        let padding = Bytes::from(vec![0; 10]);
        let body = PingReq { padding };
        let draft = from.request(bench.here(), MessageCode::PING_REQUEST, &body).number(number);
        let message = from.sign(&draft);
        bench.node.handle_link(bench.now, link, reload_node::LinkEvent::Message(message));
        while let reload_node::Output::Crypto(id, job) = bench.node.poll_output() {
            jobs.push((id, job));
        }
    }
    for (id, job) in jobs.into_iter().rev() {
        bench.node.handle_crypto(bench.now, id, job.run());
        bench.drain();
    }
    let order: Vec<u64> = bench.take(link).iter().map(|m| m.header.transaction_id.0).collect();
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn what_comes_on_top_of_the_checks_of_a_link_is_dropped_and_counted() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    for number in 0..300 {
        let message = from.sign(&from.ping(bench.here()).number(number));
        bench.node.handle_link(bench.now, link, reload_node::LinkEvent::Message(message));
    }
    bench.drain();
    assert_eq!(bench.take(link).len(), 256);
    assert_eq!(bench.node.status(bench.now).counters.checks_dropped, 44);
}

#[test]
fn a_request_with_effects_waits_outside_while_the_node_is_full() {
    let limits = reload_node::Limits { transactions: 1, ..reload_node::Limits::default() };
    let mut bench = Bench::make(crate::bench::Making { limits, ..Default::default() });
    let (from, link) = bench.linked(1);
    let to = vec![Destination::Node(from.id)];
    bench.ask(reload_node::Request::Ping { to, padding: 0 });
    bench.sent.clear();
    let body = attach_body(b"passive", vec![candidate(OverlayLinkType::TLS_TCP_FH_NO_ICE, 1)]);
    let draft = from.request(bench.here(), MessageCode::ATTACH_REQUEST, &body);
    bench.hear(link, &from, &draft);
    assert!(bench.gathering.is_empty() && bench.is_silent());
    bench.pass(std::time::Duration::from_secs(20));
    bench.hear(link, &from, &draft); // a repetition finds room
    assert_eq!(bench.gathering.len(), 1);
}

fn codes(sent: &[MessageParts]) -> Vec<MessageCode> {
    sent.iter().map(|message| message.contents.code).collect()
}

fn error_of(bench: &Bench, message: &MessageParts) -> ErrorCode {
    let dialect = bench.dialect();
    let error = reload_wire::ErrorResponse::decode_exact(&dialect, &message.contents.body);
    error.expect("an error").code
}

//! Receipt and forwarding (sections 6.1 and 6.3.2).

use bytes::Bytes;
use reload_node::{LinkEvent, Role};
use reload_wire::{
    Destination, ErrorCode, ForwardingOption, MessageCode, NodeId, ProbeReq, ResourceId,
};

use crate::bench::{Bench, Making};

fn resource() -> Destination {
    Destination::Resource(ResourceId::new(&[9; 16]).expect("16 bytes fit"))
}

fn node(id: NodeId) -> Destination {
    Destination::Node(id)
}

// R6940-6.1.2-03, R6940-6.1.2-04, R6940-6.2-01, R6940-6.3.2-06
#[test]
fn a_request_goes_on_with_its_previous_hop_in_the_via_list() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let far = NodeId::from_u128(77);
    let draft = from.ping(node(to.id)).through(&[far]);
    bench.hear(link, &from, &draft);
    let sent = bench.only(onward);
    assert_eq!(sent.header.via_list, [node(far), node(from.id)]); // 6.1.2
    assert_eq!(sent.header.destination_list, [node(to.id)]);
    assert_eq!(sent.header.ttl, 99);
    assert_eq!(sent.header.transaction_id, draft.header.transaction_id);
    assert!(bench.is_silent());
}

// R6940-6.1-03, R6940-6.3-04
#[test]
fn a_forwarder_changes_neither_contents_nor_signature() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let message = from.sign(&from.ping(node(to.id)));
    let before = reload_wire::MessageParts::decode(&bench.dialect(), &message).expect("good");
    bench.receive(link, message);
    let after = bench.only(onward);
    assert_eq!((before.contents_raw, before.security), (after.contents_raw, after.security));
}

// R6940-6.1-04, R6940-6.1.1-03, R6940-6.1.2-08, R6940-6.2.1-02
#[test]
fn an_answer_goes_on_without_a_via_entry() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let mut draft = from.ping(node(to.id)).to(&[bench.here(), node(to.id)]);
    draft.contents.code = MessageCode::PING_ANSWER;
    bench.hear(link, &from, &draft);
    let sent = bench.only(onward);
    assert!(sent.header.via_list.is_empty());
    assert_eq!(sent.header.destination_list, [node(to.id)]); // our own entry is gone (6.1.1)
}

// R6940-6.1.1-03, R6940-6.1.2-09, R6940-6.2-01, R6940-6.2.2-01,
// R6940-6.3.2-15, R6940-6.3.3.1-02, R6940-6.5.3-01
#[test]
fn an_answer_goes_back_by_the_previous_hop_and_the_reversed_via_list() {
    let mut bench = Bench::new();
    let (previous, link) = bench.linked(1);
    let asker = bench.actor(3);
    let middle = bench.actor(4);
    let draft = asker.ping(bench.here()).through(&[asker.id, middle.id]);
    bench.hear(link, &asker, &draft);
    let sent = bench.only(link);
    let back = [node(previous.id), node(middle.id), node(asker.id)]; // 6.1.2, 6.2.2, E39
    assert_eq!(sent.header.destination_list, back);
    assert_eq!(sent.contents.code, MessageCode::PING_ANSWER);
    assert_eq!(sent.header.transaction_id, draft.header.transaction_id);
    assert!(sent.header.via_list.is_empty());
}

// R6940-4.2.1-02, R6940-6.1.2-10
#[test]
fn a_node_with_one_node_id_needs_no_attach_for_any_request() {
    let mut bench = Bench::new();
    let (client, link) = bench.linked(1); // it has dialled, and no more
    let (to, onward) = bench.linked(2);
    let probe = ProbeReq { requested_info: Vec::new() };
    let draft = client.request(bench.here(), MessageCode::PROBE_REQUEST, &probe);
    bench.hear(link, &client, &draft);
    let answer = bench.only(link);
    assert_eq!(answer.contents.code, MessageCode::PROBE_ANSWER);
    assert_eq!(answer.header.destination_list, [node(client.id)]); // that of its certificate
    bench.hear(link, &client, &draft.to(&[node(to.id)]));
    assert_eq!(bench.only(onward).header.via_list, [node(client.id)]);
    // only an explicit list leads to it: nothing else is routed over that link
    let asker = to.ping(resource()).to(&[bench.here(), node(client.id)]);
    bench.hear(onward, &to, &asker);
    assert_eq!(bench.only(link).header.destination_list, [node(client.id)]);
}

// R6940-6.1-04, R6940-6.1.1-05, R6940-6.5.3-01
#[test]
fn a_wildcard_is_consumed_here_and_never_forwarded() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let wildcard = node(NodeId::wildcard(bench.dialect().node_id_length));
    bench.hear(link, &from, &from.ping(wildcard.clone()).to(&[wildcard, node(to.id)]));
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER); // 6.1.1
    assert!(bench.take(onward).is_empty());
}

// R6940-6.1.1-01, R6940-6.3.2.2-06
#[test]
fn a_resource_before_the_end_of_the_list_is_dropped_without_a_word() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, _) = bench.linked(2);
    bench.hear(link, &from, &from.ping(resource()).to(&[resource(), node(to.id)])); // 6.1.1
    assert!(bench.is_silent());
}

// R6940-6.1.1-06
#[test]
fn a_node_that_is_neither_here_nor_linked_is_dropped_without_a_word() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    bench.hear(link, &from, &from.ping(node(NodeId::from_u128(99)))); // 6.1.1
    assert!(bench.is_silent());
}

// R6940-4.3-01, R6940-6.1-04, R6940-6.1.2-01
#[test]
fn what_the_plug_in_routes_goes_to_the_next_peer() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (next, onward) = bench.linked(2);
    bench.desk.0.borrow_mut().mine = false;
    bench.desk.0.borrow_mut().next = Some(next.id);
    bench.hear(link, &from, &from.ping(resource()));
    assert_eq!(bench.only(onward).header.destination_list, [resource()]);
}

// R6940-4.4-01, R6940-6.1.1-07, R6940-6.1.2-02, R6940-6.2.1-03, R6940-6.5.1-02
#[test]
fn a_linked_node_is_reached_directly_whatever_the_plug_in_says() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let (other, _) = bench.linked(3);
    bench.desk.0.borrow_mut().next = Some(other.id);
    bench.hear(link, &from, &from.ping(node(to.id))); // 6.1.2: Connection Table first
    assert_eq!(bench.take(onward).len(), 1);
    assert!(bench.is_silent());
}

#[test]
fn an_unknown_destination_type_in_front_is_an_invalid_message() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let unknown = Destination::Unknown { kind: 9, data: Bytes::from_static(b"?") };
    bench.hear(link, &from, &from.ping(unknown)); // E40
    assert_eq!(bench.refusal(link), ErrorCode::INVALID_MESSAGE);
}

#[test]
fn an_unknown_destination_type_behind_is_carried_unchanged() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let unknown = Destination::Unknown { kind: 9, data: Bytes::from_static(b"?") };
    let list = [node(to.id), unknown];
    bench.hear(link, &from, &from.ping(node(to.id)).to(&list)); // E40
    assert_eq!(bench.only(onward).header.destination_list, list);
}

// R6940-6.1-04, R6940-6.3.2.2-13
#[test]
fn an_opaque_id_that_was_never_given_out_is_dropped() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    bench.hear(link, &from, &from.ping(Destination::Opaque(Bytes::from_static(b"x")))); // 6.1.3
    assert!(bench.is_silent());
}

// R6940-13.6.5-02
#[test]
fn a_node_twice_in_the_destination_list_is_an_invalid_message() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let list = [node(to.id), node(from.id), node(to.id)];
    bench.hear(link, &from, &from.ping(node(to.id)).to(&list)); // 13.6.5, E41
    assert_eq!(bench.refusal(link), ErrorCode::INVALID_MESSAGE);
    assert!(bench.take(onward).is_empty());
}

#[test]
fn equal_opaque_ids_are_no_duplicates() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let opaque = Destination::Opaque(Bytes::from_static(b"x"));
    let list = [node(to.id), opaque.clone(), opaque];
    bench.hear(link, &from, &from.ping(node(to.id)).to(&list)); // E41
    assert_eq!(bench.only(onward).header.destination_list, list);
}

// R6940-6.1-01, R6940-6.3.2.2-07
#[test]
fn a_resource_in_the_via_list_makes_a_message_noise() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.header.via_list = vec![resource()]; // 6.3.2.2
    bench.hear(link, &from, &draft);
    assert!(bench.is_silent());
    assert_eq!(bench.node.status(bench.now).counters.noise, 1);
}

// R6940-6.1-01
#[test]
fn a_message_of_another_overlay_is_dropped() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.header.overlay ^= 1;
    bench.hear(link, &from, &draft); // 6.1
    assert!(bench.is_silent());
}

// R6940-6.3.2-07, R6940-6.3.2-08
#[test]
fn a_ttl_of_zero_ends_in_transit_with_an_error() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let mut draft = from.ping(node(to.id));
    draft.header.ttl = 0;
    bench.hear(link, &from, &draft); // 6.3.2
    assert_eq!(bench.refusal(link), ErrorCode::TTL_EXCEEDED);
    assert!(bench.take(onward).is_empty());
}

// R6940-6.3.2-07
#[test]
fn a_ttl_of_zero_is_taken_at_the_destination() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.header.ttl = 0;
    bench.hear(link, &from, &draft); // 6.3.2, E29
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
}

// R6940-6.3.2-06
#[test]
fn a_ttl_of_one_is_forwarded_as_zero() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let mut draft = from.ping(node(to.id));
    draft.header.ttl = 1;
    bench.hear(link, &from, &draft); // E29
    assert_eq!(bench.only(onward).header.ttl, 0);
}

// R6940-6.3.2-11
#[test]
fn a_ttl_above_the_initial_one_is_refused_even_at_the_destination() {
    let mut bench = Bench::configured(|configuration| configuration.initial_ttl = 20);
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    draft.header.ttl = 21;
    bench.hear(link, &from, &draft); // 6.3.2
    assert_eq!(bench.refusal(link), ErrorCode::TTL_EXCEEDED);
    draft.header.ttl = 20;
    bench.hear(link, &from, &draft);
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
}

#[test]
fn a_node_that_is_to_follow_a_lower_initial_ttl_is_heard_until_it_does() {
    let mut bench = Bench::configured(|configuration| {
        configuration.initial_ttl = 20;
        configuration.sequence = 2;
    });
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    (draft.header.ttl, draft.header.configuration_sequence) = (100, 1);
    bench.hear(link, &from, &draft);
    let sent = bench.take(link);
    assert!(sent.iter().any(|m| m.contents.code == MessageCode::CONFIG_UPDATE_REQUEST)); // 6.5.4
    let mut draft = from.ping(bench.here());
    (draft.header.ttl, draft.header.configuration_sequence) = (101, 1);
    bench.hear(link, &from, &draft);
    assert_eq!(bench.refusal(link), ErrorCode::TTL_EXCEEDED);
}

#[test]
fn answers_never_raise_errors() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, _) = bench.linked(2);
    let mut draft = from.ping(node(to.id));
    draft.header.ttl = 0;
    for code in [MessageCode::PING_ANSWER, MessageCode::ERROR] {
        draft.contents.code = code;
        bench.hear(link, &from, &draft); // E47
        assert!(bench.is_silent(), "{code:?}");
    }
}

fn option(flags: u8) -> ForwardingOption {
    ForwardingOption { kind: 200, flags, data: Bytes::from_static(b"opt") }
}

// R6940-6.3.2.3-03
#[test]
fn a_forward_critical_option_stops_a_request_in_transit_only() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let mut draft = from.ping(node(to.id));
    draft.header.options = vec![option(ForwardingOption::FORWARD_CRITICAL)];
    bench.hear(link, &from, &draft); // 6.3.2.3
    assert_eq!(bench.refusal(link), ErrorCode::UNSUPPORTED_FORWARDING_OPTION);
    assert!(bench.take(onward).is_empty());
    bench.hear(link, &from, &draft.to(&[bench.here()]));
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
}

// R6940-6.3.2.3-04, R6940-6.3.2.3-06
#[test]
fn a_destination_critical_option_is_carried_and_refused_at_its_end() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let mut draft = from.ping(node(to.id));
    draft.header.options = vec![option(ForwardingOption::DESTINATION_CRITICAL)];
    bench.hear(link, &from, &draft); // 6.3.2.3
    assert_eq!(bench.only(onward).header.options, draft.header.options);
    bench.hear(link, &from, &draft.to(&[bench.here()]));
    assert_eq!(bench.refusal(link), ErrorCode::UNSUPPORTED_FORWARDING_OPTION);
}

// R6940-6.3.2.3-02, R6940-6.3.2.3-05
#[test]
fn a_response_copy_option_comes_back_with_the_base_flags_cleared() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut draft = from.ping(bench.here());
    let kept = ForwardingOption::IGNORE_STATE_KEEPING;
    draft.header.options = vec![option(ForwardingOption::RESPONSE_COPY | kept), option(0)];
    bench.hear(link, &from, &draft); // 6.3.2.3, E42
    assert_eq!(bench.only(link).header.options, [option(kept)]);
}

#[test]
fn a_client_answers_and_never_forwards() {
    let mut bench = Bench::make(Making { role: Role::Client, ..Making::default() });
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    bench.hear(link, &from, &from.ping(node(to.id))); // 4.2
    assert!(bench.take(onward).is_empty() && bench.is_silent());
    bench.hear(link, &from, &from.ping(bench.here()));
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
}

#[test]
fn a_message_that_would_grow_too_large_is_refused() {
    let mut bench = Bench::configured(|configuration| configuration.max_message_size = 5000);
    let (from, link) = bench.linked(1);
    let (to, _) = bench.linked(2);
    let mut draft = from.ping(node(to.id));
    let overhead = from.sign(&draft).len();
    draft.contents.body = vec![0; 5000 - overhead + draft.contents.body.len()].into();
    let message = from.sign(&draft);
    assert_eq!(message.len(), 5000);
    bench.receive(link, message); // E57: the via entry no longer fits
    assert_eq!(bench.refusal(link), ErrorCode::MESSAGE_TOO_LARGE);
}

#[test]
fn the_sender_of_a_message_that_is_too_large_is_told_before_its_link_closes() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let header = from.ping(bench.here()).header;
    bench.tell(link, reload_node::LinkEvent::TooLarge(header)); // 6.6
    assert_eq!(bench.refusal(link), ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(bench.closed, [link]);
}

// R6940-6.1.1-02, R6940-6.3.4-17, R6940-6.3.4-18
#[test]
fn an_unsigned_or_wrongly_signed_message_is_dropped() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let mut message = from.sign(&from.ping(bench.here())).to_vec();
    *message.last_mut().expect("it has bytes") ^= 1;
    bench.receive(link, message.into()); // 6.3.4
    assert!(bench.is_silent());
    assert_eq!(bench.node.status(bench.now).counters.unverified, 1);
}

#[test]
fn an_answer_leaves_out_the_circles_of_its_request() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let [a, b, c] = [11, 12, 13].map(|number| bench.actor(number).id);
    bench.hear(link, &from, &from.ping(bench.here()).through(&[c, b, a, b, from.id, b]));
    assert_eq!(bench.only(link).header.destination_list, [node(from.id), node(b), node(c)]);
}

#[test]
fn opaque_ids_that_are_alike_are_no_circle() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let alike = || Destination::compact(7); // of two nodes
    let mut draft = from.ping(bench.here());
    draft.header.via_list = vec![alike(), node(bench.actor(11).id), alike()];
    bench.hear(link, &from, &draft);
    let back = bench.only(link).header.destination_list;
    assert_eq!(back, [node(from.id), alike(), node(bench.actor(11).id), alike()]);
}

// R6940-6.2.1-08
#[test]
fn what_waited_on_a_failed_link_goes_another_way_once() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (first, dead) = bench.linked(2);
    let (second, alive) = bench.linked(3);
    bench.desk.0.borrow_mut().mine = false;
    bench.desk.0.borrow_mut().next = Some(first.id);
    bench.hear(link, &from, &from.ping(resource()));
    let (_, message) = bench.sent.pop_front().expect("it went to the first");
    bench.desk.0.borrow_mut().next = Some(second.id);
    bench.fail(dead, vec![message]);
    let sent = bench.only(alive); // 6.6.5
    assert_eq!(sent.header.via_list, [node(from.id)]);
    bench.down(dead);
    assert!(bench.is_silent());
}

#[test]
fn what_waited_on_a_link_that_fails_and_has_no_other_way_stays_there() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    bench.hear(link, &from, &from.ping(bench.here()));
    let (_, answer) = bench.sent.pop_front().expect("it was answered");
    bench.fail(link, vec![answer.clone()]);
    assert_eq!(bench.sent.pop_front(), Some((link, answer.clone())), "the link may work again");
    bench.tell(link, LinkEvent::Down { reason: "gone".to_owned(), unacknowledged: vec![answer] });
    assert!(bench.is_silent());
}

#[test]
fn what_waited_on_a_failed_link_is_answered_here_when_it_fell_to_this_peer() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (first, dead) = bench.linked(2);
    bench.desk.0.borrow_mut().mine = false;
    bench.desk.0.borrow_mut().next = Some(first.id);
    bench.hear(link, &from, &from.ping(resource()));
    let (_, message) = bench.sent.pop_front().expect("it went to the first");
    bench.desk.0.borrow_mut().next = None;
    bench.desk.0.borrow_mut().mine = true;
    bench.fail(dead, vec![message]);
    let answer = bench.only(link);
    assert_eq!(answer.contents.code, MessageCode::PING_ANSWER);
    assert_eq!(answer.header.destination_list, [node(from.id)]);
}

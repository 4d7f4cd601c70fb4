//! Attach in its No-ICE form (sections 6.5.1.1, 6.5.1.2, 6.5.1.11 and 6.5.1.13).

use std::net::SocketAddr;
use std::time::Duration;

use reload_node::{LinkEvent, LinkId};
use reload_topology::{Action, Failure, Input, TaskAnswer, TaskId};
use reload_wire::{
    AttachReqAns, Decode, Destination, ErrorCode, MessageCode, MessageParts, NodeId,
    OverlayLinkType, ResourceId,
};

use crate::actor::{Actor, Draft, attach_body, candidate};
use crate::bench::{Bench, dialled};

const TLS: OverlayLinkType = OverlayLinkType::TLS_TCP_FH_NO_ICE;

/// The way by which all that is not linked is reached.
fn with_way() -> (Bench, LinkId) {
    let mut bench = Bench::new();
    let (next, way) = bench.linked(200);
    bench.desk.0.borrow_mut().next = Some(next.id);
    (bench, way)
}

/// The plug-in wants a link to this destination; the node gathers and sends its Attach.
fn attach(bench: &mut Bench, way: LinkId, to: Destination, send_update: bool) -> MessageParts {
    bench.desk.ask(Action::Attach { task: TaskId(1), to: vec![to], send_update });
    bench.act();
    let link = bench.gathering.pop().expect("it asks for its addresses");
    bench.tell(link, LinkEvent::Candidates(vec![candidate(TLS, 6084)]));
    bench.only(way)
}

fn theirs(actor: &Actor, bench: &Bench, change: impl FnOnce(&mut AttachReqAns)) -> Draft {
    let mut body = attach_body(b"passive", vec![candidate(TLS, 7)]);
    change(&mut body);
    actor.request(bench.here(), MessageCode::ATTACH_REQUEST, &body)
}

/// An Attach of an actor arrives; our candidates are told if they are asked for.
fn hear(bench: &mut Bench, way: LinkId, actor: &Actor, draft: &Draft) {
    bench.hear(way, actor, draft);
    if let Some(link) = bench.gathering.pop() {
        bench.tell(link, LinkEvent::Candidates(vec![candidate(TLS, 6084)]));
    }
}

fn ended(bench: &Bench) -> Vec<Result<NodeId, Failure>> {
    let done = |input: &Input| match input {
        Input::Done { result: Ok(TaskAnswer::Attached(node)), .. } => Some(Ok(*node)),
        Input::Done { result: Err(failure), .. } => Some(Err(*failure)),
        _ => None,
    };
    bench.desk.0.borrow().inputs.iter().filter_map(done).collect()
}

fn updates(bench: &Bench) -> usize {
    bench.desk.told(|input| matches!(input, Input::UpdateWanted(_)))
}

fn body(bench: &Bench, message: &MessageParts) -> AttachReqAns {
    AttachReqAns::decode_exact(&bench.dialect(), &message.contents.body).expect("an Attach")
}

// R6940-6.5.1-01, R6940-6.5.1.1-06, R6940-6.5.1.13-01, R6940-6.6.5-04
#[test]
fn the_sender_of_an_attach_is_passive_and_waits_for_the_link_of_the_answerer() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let request = attach(&mut bench, way, Destination::Node(peer.id), true);
    let sent = body(&bench, &request);
    assert_eq!(sent.role, b"passive"[..]); // 6.5.1.1
    assert_eq!((sent.send_update, sent.candidates.len()), (true, 1));
    let answer = attach_body(b"active", vec![candidate(TLS, 9)]);
    bench.hear(way, &peer, &peer.answer(&request, &answer));
    assert!(ended(&bench).is_empty() && bench.connecting.is_empty()); // 6.5.1.13
    bench.accept(&peer);
    assert_eq!(ended(&bench), [Ok(peer.id)]);
}

// R6940-6.5.1.11-01, R6940-6.5.1.13-04
#[test]
fn the_link_of_another_node_does_not_complete_an_attach() {
    let (mut bench, way) = with_way();
    let (peer, other) = (bench.actor(1), bench.actor(2));
    let request = attach(&mut bench, way, Destination::Node(peer.id), false);
    bench.hear(way, &peer, &peer.answer(&request, &attach_body(b"active", Vec::new())));
    bench.accept(&other);
    assert!(ended(&bench).is_empty()); // 6.5.1.11
    bench.pass(Duration::from_secs(11));
    assert_eq!(ended(&bench), [Err(Failure::Unreachable)]);
}

// R6940-6.5.1-01
#[test]
fn an_attach_to_a_resource_leads_to_whoever_answers() {
    let (mut bench, way) = with_way();
    bench.desk.0.borrow_mut().mine = false;
    let peer = bench.actor(1);
    let resource = ResourceId::new(&[9; 16]).expect("16 bytes fit");
    let request = attach(&mut bench, way, Destination::Resource(resource), false);
    bench.accept(&peer); // the link may overtake the answer
    assert!(ended(&bench).is_empty());
    bench.hear(way, &peer, &peer.answer(&request, &attach_body(b"active", Vec::new())));
    assert_eq!(ended(&bench), [Ok(peer.id)]);
}

// R6940-6.5.1.1-06
#[test]
fn an_answer_that_is_not_active_fails_the_attach() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let request = attach(&mut bench, way, Destination::Node(peer.id), false);
    bench.hear(way, &peer, &peer.answer(&request, &attach_body(b"passive", Vec::new())));
    assert_eq!(ended(&bench), [Err(Failure::Refused(ErrorCode::INVALID_MESSAGE))]); // 6.5.1.1
}

// R6940-6.4.2.3-01
#[test]
fn send_update_in_an_answer_is_honoured_when_the_link_is_up() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let request = attach(&mut bench, way, Destination::Node(peer.id), false);
    let mut answer = attach_body(b"active", Vec::new());
    answer.send_update = true;
    bench.hear(way, &peer, &peer.answer(&request, &answer)); // E55
    assert_eq!(updates(&bench), 0);
    bench.accept(&peer);
    assert_eq!(updates(&bench), 1);
}

// R6940-6.5.1.1-10, R6940-6.6.5-04
#[test]
fn a_node_that_cannot_be_dialled_sends_no_attach() {
    let (mut bench, _) = with_way();
    let to = vec![Destination::Node(bench.actor(1).id)];
    bench.desk.ask(Action::Attach { task: TaskId(1), to, send_update: false });
    bench.act();
    let link = bench.gathering.pop().expect("it asks for its addresses");
    bench.tell(link, LinkEvent::Candidates(Vec::new())); // 4.2.1
    assert_eq!(ended(&bench), [Err(Failure::Unreachable)]);
    assert!(bench.is_silent());
}

// R6940-6.4.2.4.1-02
#[test]
fn no_attach_is_sent_to_a_node_that_is_linked() {
    let (mut bench, _) = with_way();
    let (peer, link) = bench.linked(1);
    let to = vec![Destination::Node(peer.id)];
    bench.desk.ask(Action::Attach { task: TaskId(1), to, send_update: true });
    bench.act();
    assert!(bench.gathering.is_empty()); // E102
    assert_eq!(ended(&bench), [Ok(peer.id)]);
    assert_eq!(bench.only(link).contents.code, MessageCode::ROUTE_QUERY_REQUEST); // 6.4.2.4
}

#[test]
fn a_link_that_comes_up_meanwhile_saves_the_attach() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let to = vec![Destination::Node(peer.id)];
    bench.desk.ask(Action::Attach { task: TaskId(1), to, send_update: false });
    bench.act();
    let link = bench.gathering.pop().expect("it asks for its addresses");
    bench.accept(&peer);
    bench.tell(link, LinkEvent::Candidates(vec![candidate(TLS, 6084)]));
    assert_eq!(ended(&bench), [Ok(peer.id)]);
    assert!(bench.take(way).is_empty());
}

// R6940-6.4.2.3-01, R6940-6.5.1.1-06, R6940-6.5.1.2-01, R6940-6.5.1.2-02, R6940-6.5.1.13-02,
// R6940-12-01
#[test]
fn the_receiver_of_an_attach_is_active_and_dials_its_sender() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.send_update = true);
    hear(&mut bench, way, &peer, &draft);
    let answer = bench.only(way);
    assert_eq!(answer.contents.code, MessageCode::ATTACH_ANSWER);
    assert_eq!(body(&bench, &answer).role, b"active"[..]); // 6.5.1.2
    let (link, plan) = bench.connecting.pop().expect("it dials");
    assert_eq!(dialled(&plan), [SocketAddr::from(([127, 0, 0, 1], 7))]);
    assert_eq!(plan.expected(), Some(peer.id));
    assert_eq!(updates(&bench), 0);
    bench.up(link, &peer);
    assert_eq!(updates(&bench), 1); // 6.4.2.3
}

// R6940-6.5.1.11-01, R6940-6.5.1.13-04
#[test]
fn a_dialled_link_with_another_certificate_is_closed() {
    let (mut bench, way) = with_way();
    let (peer, other) = (bench.actor(1), bench.actor(2));
    let draft = theirs(&peer, &bench, |_| ());
    hear(&mut bench, way, &peer, &draft);
    let (link, _) = bench.connecting.pop().expect("it dials");
    bench.up(link, &other);
    assert_eq!(bench.closed, [link]); // 6.5.1.11
}

#[test]
fn an_attach_of_a_linked_node_is_answered_all_the_same() {
    let (mut bench, _) = with_way();
    let (peer, link) = bench.linked(1);
    let draft = theirs(&peer, &bench, |_| ());
    hear(&mut bench, link, &peer, &draft); // E102
    assert_eq!(bench.only(link).contents.code, MessageCode::ATTACH_ANSWER);
    assert_eq!(bench.connecting.len(), 1);
}

// R6940-6.3.3.1-09, R6940-6.5.1.1-06, R6940-6.5.1.1-09, R6940-6.5.1.1-10
#[test]
fn an_attach_request_is_refused_for_each_thing_that_is_wrong_with_it() {
    type Wrong = fn(&mut AttachReqAns);
    let cases: [(Wrong, ErrorCode); 5] = [
        (|body| body.role = b"active"[..].into(), ErrorCode::INVALID_MESSAGE), // 6.5.1.1
        (|body| body.candidates.clear(), ErrorCode::INCOMPATIBLE_WITH_OVERLAY),
        (
            |body| body.candidates = vec![candidate(OverlayLinkType(2), 7)], // E53
            ErrorCode::INCOMPATIBLE_WITH_OVERLAY,
        ),
        (
            |body| body.candidates.push(candidate(OverlayLinkType::DTLS_UDP_SR, 8)), // 6.5.1.1
            ErrorCode::INVALID_MESSAGE,
        ),
        (
            |body| body.candidates = vec![candidate(TLS, 0)], // nothing listens on port 0
            ErrorCode::INCOMPATIBLE_WITH_OVERLAY,
        ),
    ];
    for (number, (wrong, code)) in cases.into_iter().enumerate() {
        let (mut bench, way) = with_way();
        let peer = bench.actor(1);
        let draft = theirs(&peer, &bench, wrong);
        hear(&mut bench, way, &peer, &draft);
        assert_eq!(bench.refusal(way), code, "case {number}");
        assert!(bench.connecting.is_empty());
    }
}

#[test]
fn candidates_of_unknown_types_are_skipped_and_the_best_comes_first() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let candidates = vec![candidate(OverlayLinkType(2), 1), candidate(TLS, 2), candidate(TLS, 3)];
    let draft = theirs(&peer, &bench, |body| body.candidates = candidates);
    hear(&mut bench, way, &peer, &draft); // E53
    let ports: Vec<u16> = dialled(&bench.connecting[0].1).iter().map(SocketAddr::port).collect();
    assert_eq!(ports, [3, 2]);
}

#[test]
fn no_attach_makes_this_node_dial_a_whole_network() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let many = (1..500).map(|port| candidate(TLS, port)).collect();
    let draft = theirs(&peer, &bench, |body| body.candidates = many);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(dialled(&bench.connecting[0].1).len(), 8);
}

// R6940-6.5.1.2-07
#[test]
fn attaches_of_one_node_at_a_time_are_few() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    for number in 1..=4 {
        let draft = theirs(&peer, &bench, |_| ()).number(number);
        hear(&mut bench, way, &peer, &draft);
    }
    assert_eq!(bench.connecting.len(), 3);
    let last = bench.take(way).pop().expect("each is answered");
    assert_eq!(last.contents.code, MessageCode::ERROR);
}

// R6940-6.5.1.2-04, R6940-6.5.1.2-05
#[test]
fn the_smaller_node_gives_way_when_both_have_sent_an_attach() {
    let (mut bench, way) = with_way();
    let larger = bench.actor(0xf0);
    attach(&mut bench, way, Destination::Node(larger.id), false);
    let draft = theirs(&larger, &bench, |_| ());
    hear(&mut bench, way, &larger, &draft); // 6.5.1.2
    assert_eq!(bench.only(way).contents.code, MessageCode::ATTACH_ANSWER);
    let (link, _) = bench.connecting.pop().expect("it dials");
    bench.pass(Duration::from_secs(4));
    assert!(bench.take(way).is_empty(), "its own is not sent again");
    bench.up(link, &larger);
    assert_eq!(ended(&bench), [Ok(larger.id)]);
}

// R6940-6.5.1.2-04, R6940-6.5.1.2-06
#[test]
fn the_larger_node_insists_when_both_have_sent_an_attach() {
    let (mut bench, way) = with_way();
    let smaller = bench.actor(1);
    attach(&mut bench, way, Destination::Node(smaller.id), false);
    let draft = theirs(&smaller, &bench, |_| ());
    hear(&mut bench, way, &smaller, &draft); // 6.5.1.2
    assert_eq!(bench.refusal(way), ErrorCode::IN_PROGRESS);
    assert!(bench.connecting.is_empty());
}

// R6940-6.5.1.2-03
#[test]
fn an_attach_is_in_progress_once_ours_was_answered() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(0xf0);
    let request = attach(&mut bench, way, Destination::Node(peer.id), false);
    bench.hear(way, &peer, &peer.answer(&request, &attach_body(b"active", Vec::new())));
    let draft = theirs(&peer, &bench, |_| ());
    hear(&mut bench, way, &peer, &draft); // 6.5.1.2
    assert_eq!(bench.refusal(way), ErrorCode::IN_PROGRESS);
}

#[test]
fn the_attach_for_which_ours_was_refused_is_taken_when_it_arrives_later() {
    let (mut bench, way) = with_way();
    let larger = bench.actor(0xf0);
    let request = attach(&mut bench, way, Destination::Node(larger.id), false);
    bench.hear(way, &larger, &larger.error(&request, ErrorCode::IN_PROGRESS));
    let draft = theirs(&larger, &bench, |_| ());
    hear(&mut bench, way, &larger, &draft); // else nobody would dial
    assert_eq!(bench.only(way).contents.code, MessageCode::ATTACH_ANSWER);
    let (link, _) = bench.connecting.pop().expect("it dials");
    bench.up(link, &larger);
    assert_eq!(ended(&bench), [Ok(larger.id)]);
}

#[test]
fn an_attach_that_nobody_answers_ends_with_its_request() {
    let (mut bench, way) = with_way();
    let to = Destination::Node(bench.actor(1).id);
    attach(&mut bench, way, to, false);
    bench.pass(Duration::from_secs(14));
    assert!(ended(&bench).is_empty());
    bench.pass(Duration::from_secs(2));
    assert_eq!(ended(&bench), [Err(Failure::Timeout)]);
}

#[test]
fn a_dial_that_takes_too_long_is_given_up() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.send_update = true);
    hear(&mut bench, way, &peer, &draft);
    let (link, plan) = bench.connecting.pop().expect("it dials");
    assert_eq!(plan.deadline, bench.now.mono + Duration::from_secs(10));
    bench.pass(Duration::from_secs(11));
    assert_eq!(bench.closed, [link]);
    bench.accept(&peer);
    assert_eq!(updates(&bench), 0, "the wish went with the Attach");
}

#[test]
fn an_attach_to_itself_is_refused() {
    let mut bench = Bench::new();
    let (_, link) = bench.linked(1);
    let own = Actor {
        id: bench.id(),
        credentials: bench.overlay.credentials(bench.id(), "own@x"),
        overlay: bench.node.configuration().overlay_hash(),
    };
    let draft = theirs(&own, &bench, |_| ());
    hear(&mut bench, link, &own, &draft);
    assert_eq!(bench.refusal(link), ErrorCode::INVALID_MESSAGE);
}

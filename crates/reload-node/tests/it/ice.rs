//! Attach with ICE (sections 6.5.1.2 to 6.5.1.13): what the node asks of its driver, and what it says.

use std::time::Duration;

use bytes::Bytes;
use reload_node::{
    Event, Gathering, IceGathering, LinkEvent, LinkId, LinkPurpose, Plan, Reply, Request,
    RequestError, Way,
};
use reload_topology::{Action, Failure, Input, TaskAnswer, TaskId};
use reload_wire::{
    AttachReqAns, Decode, Destination, ErrorCode, IceCandidate, MessageCode, MessageParts, NodeId,
    OverlayLinkType,
};

use crate::actor::{Actor, Draft, attach_body, candidate};
use crate::bench::Bench;

const SR: OverlayLinkType = OverlayLinkType::DTLS_UDP_SR;
const TLS: OverlayLinkType = OverlayLinkType::TLS_TCP_FH_NO_ICE;
const PASSWORD: Bytes = Bytes::from_static(b"a password of 22 chars");

/// An overlay with ICE, and the way by which all that is not linked is reached.
fn with_way() -> (Bench, LinkId) {
    let mut bench = Bench::configured(|settings| settings.no_ice = false);
    let way = bench.route();
    (bench, way)
}

fn ours() -> Vec<IceCandidate> {
    vec![candidate(SR, 6084), candidate(TLS, 6084)]
}

/// The plug-in wants a link to this node; the node gathers and sends its Attach.
fn attach(bench: &mut Bench, way: LinkId, to: NodeId) -> (LinkId, MessageParts) {
    let to = vec![Destination::Node(to)];
    bench.desk.ask(Action::Attach { task: TaskId(1), to, send_update: false });
    bench.act();
    let link = bench.gathering.pop().expect("it gathers");
    bench.tell(link, LinkEvent::Candidates(ours()));
    (link, bench.only(way))
}

fn theirs(actor: &Actor, bench: &Bench, change: impl FnOnce(&mut AttachReqAns)) -> Draft {
    let mut body = attach_body(b"passive", vec![candidate(SR, 7)]);
    change(&mut body);
    actor.request(bench.here(), MessageCode::ATTACH_REQUEST, &body)
}

/// An Attach of an actor arrives; our candidates are told if they are asked for.
fn hear(bench: &mut Bench, way: LinkId, actor: &Actor, draft: &Draft) {
    bench.hear(way, actor, draft);
    if let Some(link) = bench.gathering.pop() {
        bench.tell(link, LinkEvent::Candidates(ours()));
    }
}

/// Our Attach is answered.
fn answered(bench: &mut Bench, way: LinkId, peer: &Actor, request: &MessageParts) {
    let answer = attach_body(b"active", vec![candidate(SR, 9)]);
    bench.hear(way, peer, &peer.answer(request, &answer));
}

fn said(bench: &Bench, message: &MessageParts) -> AttachReqAns {
    AttachReqAns::decode_exact(&bench.dialect(), &message.contents.body).expect("an Attach")
}

fn ended(bench: &Bench) -> Vec<Result<NodeId, Failure>> {
    let done = |input: &Input| match input {
        Input::Done { result: Ok(TaskAnswer::Attached(node)), .. } => Some(Ok(*node)),
        Input::Done { result: Err(failure), .. } => Some(Err(*failure)),
        _ => None,
    };
    bench.desk.0.borrow().inputs.iter().filter_map(done).collect()
}

fn failures(bench: &Bench) -> Vec<(Option<NodeId>, String)> {
    let failed = |event: &Event| match event {
        Event::LinkFailed { node, purpose: LinkPurpose::Overlay, reason } => {
            Some((*node, reason.clone()))
        }
        _ => None,
    };
    bench.events.iter().filter_map(failed).collect()
}

fn gathering(bench: &Bench, link: LinkId) -> Gathering {
    let of = |(at, gathering): &(LinkId, Gathering)| (*at == link).then(|| gathering.clone());
    bench.gathered.iter().find_map(of).expect("it has gathered for it")
}

fn is_ice_to(plan: &Plan, port: u16) -> bool {
    let wanted = Way::Ice {
        ufrag: Bytes::from_static(b"ufrag678"),
        password: PASSWORD,
        candidates: vec![candidate(SR, port)],
    };
    plan.way == wanted
}

// R6940-6.5.1.1-06, R6940-6.5.1.2-08, R6940-6.5.1.7-01, R6940-6.5.1.9-01, R6940-6.5.1.13-01
#[test]
fn the_sender_of_an_attach_controls_and_begins_its_checks_with_the_answer() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let (link, request) = attach(&mut bench, way, peer.id);
    let said = said(&bench, &request);
    let (ufrag, password) = (said.ufrag, said.password);
    let ice = Some(IceGathering { ufrag, password, controlling: true }); // 6.5.1.9
    let (purpose, own_socket) = (LinkPurpose::Overlay, false);
    assert_eq!(gathering(&bench, link), Gathering { purpose, ice, own_socket });
    assert_eq!(said.role, b"passive"[..]);
    assert!(bench.connecting.is_empty(), "there is nothing to check yet");
    answered(&mut bench, way, &peer, &request);
    let (at, plan) = bench.connecting.pop().expect("6.5.1.2");
    assert_eq!((at, plan.expected()), (link, Some(peer.id)));
    assert!(is_ice_to(&plan, 9));
    bench.up(link, &peer);
    assert_eq!(ended(&bench), [Ok(peer.id)]);
}

// R6940-6.5.1.1-06, R6940-6.5.1.2-02, R6940-6.5.1.9-01, R6940-6.5.1.13-02
#[test]
fn the_receiver_of_an_attach_answers_and_then_begins_its_checks() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.send_update = true);
    hear(&mut bench, way, &peer, &draft);
    let answer = bench.only(way);
    assert_eq!(answer.contents.code, MessageCode::ATTACH_ANSWER);
    let said = said(&bench, &answer);
    let (link, plan) = bench.connecting.pop().expect("6.5.1.2");
    assert!(is_ice_to(&plan, 7) && plan.expected() == Some(peer.id));
    let ice = gathering(&bench, link).ice.expect("it is one of ICE");
    assert_eq!((ice.ufrag, ice.password), (said.ufrag, said.password));
    assert!(!ice.controlling && said.role == b"active"[..]);
    bench.up(link, &peer);
    assert_eq!(bench.desk.told(|input| matches!(input, Input::UpdateWanted(_))), 1);
}

// R6940-6.5.1.1-06
#[test]
fn a_request_that_is_active_and_an_answer_that_is_passive_are_refused() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.role = Bytes::from_static(b"active"));
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::INVALID_MESSAGE);
    let (link, request) = attach(&mut bench, way, peer.id);
    let reversed = attach_body(b"passive", vec![candidate(SR, 9)]);
    bench.hear(way, &peer, &peer.answer(&request, &reversed));
    assert_eq!(ended(&bench), [Err(Failure::Refused(ErrorCode::INVALID_MESSAGE))]);
    assert_eq!(bench.closed, [link], "what was gathered is given up");
}

// R6940-6.5.1.1-09, R6940-6.5.1.1-10
#[test]
fn candidates_of_both_families_or_none_at_all_are_refused() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let mixed = vec![candidate(SR, 7), candidate(TLS, 8)];
    let draft = theirs(&peer, &bench, |body| body.candidates = mixed);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::INVALID_MESSAGE);
    let draft = theirs(&peer, &bench, |body| body.candidates.clear()).number(2);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::INCOMPATIBLE_WITH_OVERLAY);
}

// R6940-6.5.1.5-02, R6940-11.1-23
#[test]
fn an_overlay_with_ice_refuses_links_without_it_and_the_other_way_round() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    for (number, link) in [(1, TLS), (2, OverlayLinkType::DTLS_UDP_SR_NO_ICE)] {
        let draft = theirs(&peer, &bench, |body| body.candidates = vec![candidate(link, 7)]);
        hear(&mut bench, way, &peer, &draft.number(number));
        assert_eq!(bench.refusal(way), ErrorCode::INCOMPATIBLE_WITH_OVERLAY);
    }
    let mut bench = Bench::new();
    let way = bench.route();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |_| ());
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::INCOMPATIBLE_WITH_OVERLAY);
    assert!(bench.connecting.is_empty());
}

// R6940-6.5.1.5-02
#[test]
fn an_answer_of_the_other_family_fails_the_attach_and_the_application_hears_why() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let (link, request) = attach(&mut bench, way, peer.id);
    let answer = attach_body(b"active", vec![candidate(TLS, 9)]);
    bench.hear(way, &peer, &peer.answer(&request, &answer));
    let refused = Failure::Refused(ErrorCode::INCOMPATIBLE_WITH_OVERLAY);
    assert_eq!(ended(&bench), [Err(refused)]);
    assert_eq!(bench.closed, [link]);
    let (node, reason) = failures(&bench).pop().expect("it is told");
    assert!(node == Some(peer.id) && reason.contains("this overlay uses ICE"), "{reason}");
}

// R6940-6.5.1.1-09, R6940-6.5.1.5-02, R6940-11.1-23
#[test]
fn what_this_node_says_is_of_the_family_of_its_overlay() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let (_, request) = attach(&mut bench, way, peer.id);
    assert_eq!(said(&bench, &request).candidates, [candidate(SR, 6084)]);
    let other = bench.actor(2);
    let draft = theirs(&other, &bench, |_| ());
    hear(&mut bench, way, &other, &draft);
    let answer = bench.only(way);
    assert_eq!(said(&bench, &answer).candidates, [candidate(SR, 6084)]);

    let mut bench = Bench::new();
    let way = bench.route();
    let (link, request) = attach(&mut bench, way, peer.id);
    assert_eq!(said(&bench, &request).candidates, [candidate(TLS, 6084)]);
    assert_eq!(gathering(&bench, link).ice, None);
}

// R6940-6.5.1.1-10, R6940-6.5.1.2-07
#[test]
fn a_node_without_candidates_for_ice_says_so_here_and_there() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let to = vec![Destination::Node(peer.id)];
    bench.desk.ask(Action::Attach { task: TaskId(1), to, send_update: false });
    bench.act();
    let link = bench.gathering.pop().expect("it gathers");
    bench.tell(link, LinkEvent::Candidates(vec![candidate(TLS, 6084)]));
    assert_eq!(ended(&bench), [Err(Failure::Unreachable)]);
    let (node, reason) = failures(&bench).pop().expect("it is told");
    assert!(node == Some(peer.id) && reason.contains("no candidate"), "{reason}");
    assert!(bench.is_silent());

    bench.hear(way, &peer, &theirs(&peer, &bench, |_| ()));
    let link = bench.gathering.pop().expect("it gathers");
    bench.tell(link, LinkEvent::Candidates(Vec::new()));
    assert_eq!(bench.refusal(way), ErrorCode::INCOMPATIBLE_WITH_OVERLAY);
    assert!(bench.connecting.is_empty());
}

// R6940-6.5.1.2-04, R6940-6.5.1.2-05
#[test]
fn the_smaller_node_gives_its_session_up_when_both_have_sent_an_attach() {
    let (mut bench, way) = with_way();
    let larger = bench.actor(0xf0);
    let (given_up, _) = attach(&mut bench, way, larger.id);
    let draft = theirs(&larger, &bench, |_| ());
    hear(&mut bench, way, &larger, &draft);
    assert_eq!(bench.only(way).contents.code, MessageCode::ATTACH_ANSWER);
    assert_eq!(bench.closed, [given_up]);
    let (link, _) = bench.connecting.pop().expect("it checks");
    bench.pass(Duration::from_secs(4));
    assert!(bench.take(way).is_empty(), "its own is not sent again");
    bench.up(link, &larger);
    assert_eq!(ended(&bench), [Ok(larger.id)]);
}

// R6940-6.5.1.2-04, R6940-6.5.1.2-06
#[test]
fn the_larger_node_insists_and_completes_its_own_attach() {
    let (mut bench, way) = with_way();
    let smaller = bench.actor(1);
    let (link, request) = attach(&mut bench, way, smaller.id);
    let draft = theirs(&smaller, &bench, |_| ());
    hear(&mut bench, way, &smaller, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::IN_PROGRESS);
    answered(&mut bench, way, &smaller, &request);
    bench.up(link, &smaller);
    assert_eq!(ended(&bench), [Ok(smaller.id)]);
    assert_eq!(bench.connecting.len(), 1);
}

// R6940-6.5.1.2-03
#[test]
fn an_attach_is_in_progress_while_ice_runs_for_ours() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(0xf0);
    let (_, request) = attach(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    let draft = theirs(&peer, &bench, |_| ());
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::IN_PROGRESS);
}

#[test]
fn a_failure_of_ice_is_told_with_the_pairs_that_were_tried() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let (link, request) = attach(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    bench.pass(Duration::from_secs(15)); // the driver speaks at the deadline
    let reason = "ICE failed; tried 127.0.0.1:6084 to 127.0.0.1:9".to_owned();
    bench.tell(link, LinkEvent::Down { reason: reason.clone(), unacknowledged: Vec::new() });
    assert_eq!(ended(&bench), [Err(Failure::Unreachable)]);
    assert_eq!(failures(&bench), [(Some(peer.id), reason)]);
}

#[test]
fn a_link_that_comes_up_after_its_deadline_is_closed() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let (link, request) = attach(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    let (_, plan) = bench.connecting.pop().expect("it checks");
    assert_eq!(plan.deadline, bench.now.mono + Duration::from_secs(15));
    bench.pass(Duration::from_secs(16));
    assert_eq!(ended(&bench), [Err(Failure::Unreachable)]);
    assert_eq!(bench.closed, [link]);
    bench.up(link, &peer);
    assert_eq!(bench.closed, [link, link]);
    let linked = bench.node.status(bench.now).links.iter().any(|it| it.node == Some(peer.id));
    assert!(!linked);
}

// R6940-6.5.1.13-04
#[test]
fn a_link_that_leads_to_another_node_is_closed() {
    let (mut bench, way) = with_way();
    let (peer, other) = (bench.actor(1), bench.actor(2));
    let (link, request) = attach(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    bench.up(link, &other);
    assert_eq!(bench.closed, [link]);
    assert_eq!(ended(&bench), [Err(Failure::Unreachable)]);
    assert!(failures(&bench)[0].1.contains("another node"));
}

#[test]
fn any_link_to_the_node_completes_the_attach_and_the_second_may_still_come() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let (link, request) = attach(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    bench.accept(&peer); // E102
    assert_eq!(ended(&bench), [Ok(peer.id)]);
    assert!(bench.closed.is_empty());
    bench.up(link, &peer);
    let links = bench.node.status(bench.now).links;
    let to_peer: Vec<_> = links.iter().filter(|it| it.node == Some(peer.id)).collect();
    assert_eq!(to_peer.len(), 2);
    assert!(to_peer.iter().any(|it| it.link == link && it.ice && it.state == "up"));
    assert!(failures(&bench).is_empty());
}

#[test]
fn an_attach_of_a_node_that_is_linked_gets_a_socket_of_its_own() {
    let (mut bench, way) = with_way();
    let (peer, _) = bench.linked(1);
    bench.hear(way, &peer, &theirs(&peer, &bench, |_| ()));
    let link = bench.gathering.pop().expect("E102: it is answered all the same");
    assert!(gathering(&bench, link).own_socket);
}

#[test]
fn credentials_that_are_too_short_for_ice_are_refused() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let short = Bytes::from_static(b"21 characters are few");
    let draft = theirs(&peer, &bench, |body| body.password = short);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::INVALID_MESSAGE);
}

#[test]
fn no_attach_makes_this_node_check_a_whole_network() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let many = (1..500).map(|port| candidate(SR, port)).collect();
    let draft = theirs(&peer, &bench, |body| body.candidates = many);
    hear(&mut bench, way, &peer, &draft);
    let Way::Ice { candidates, .. } = &bench.connecting[0].1.way else { panic!("no ICE") };
    let priorities: Vec<u32> = candidates.iter().map(|it| it.priority).collect();
    assert_eq!(priorities, (484..500).rev().collect::<Vec<_>>());
}

// R6940-6.5.1.10.2-01, R6940-6.5.1.12-01
#[test]
fn one_attach_and_one_answer_is_all_that_is_said_for_a_link() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let (link, request) = attach(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    bench.up(link, &peer);
    bench.pass(Duration::from_secs(60));
    let all = [bench.take(way), bench.take(link)].concat();
    let attaches = [MessageCode::ATTACH_REQUEST, MessageCode::ATTACH_ANSWER];
    assert!(!all.iter().any(|message| attaches.contains(&message.contents.code)));
}

#[test]
fn the_address_of_a_link_by_ice_is_none_to_dial_again() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let (link, request) = attach(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    bench.up(link, &peer);
    assert_eq!(bench.node.connected_peers(), []);
}

// R6940-6.5.1-01
#[test]
fn the_application_gets_a_link_by_attach() {
    let (mut bench, way) = with_way();
    let peer = bench.actor(1);
    let id = bench.ask(Request::Attach { to: vec![Destination::Node(peer.id)] });
    let link = bench.gathering.pop().expect("it gathers");
    bench.tell(link, LinkEvent::Candidates(ours()));
    let request = bench.only(way);
    answered(&mut bench, way, &peer, &request);
    assert!(bench.ending(id).is_none());
    bench.up(link, &peer);
    let response = bench.ending(id).expect("it has ended").expect("it is linked");
    assert!(matches!(response.reply, Reply::Attached(node) if node == peer.id));

    let other = bench.actor(2);
    let id = bench.ask(Request::Attach { to: vec![Destination::Node(other.id)] });
    let link = bench.gathering.pop().expect("it gathers");
    bench.tell(link, LinkEvent::Candidates(Vec::new()));
    let error = bench.ending(id).expect("it has ended").expect_err("it has no candidate");
    assert!(matches!(error, RequestError::NotConnected(_)), "{error}");
}

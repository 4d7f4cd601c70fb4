//! AppAttach (section 6.5.2): connections of applications, with ICE and without.

use std::time::Duration;

use bytes::Bytes;
use reload_node::{
    ApplicationAnswer, AskingId, Event, Gathering, LinkEvent, LinkId, LinkPurpose, Offer, Reply,
    Request, RequestError, RequestId, SIP, SIPS, Security, Way,
};
use reload_topology::Input;
use reload_wire::{
    AppAttachReqAns, Decode, Destination, ErrorCode, IceCandidate, MessageCode, MessageParts,
    NodeId, OverlayLinkType,
};

use crate::actor::{Actor, Draft, candidate};
use crate::bench::{Bench, dialled};

const SR: OverlayLinkType = OverlayLinkType::DTLS_UDP_SR;
const TLS: OverlayLinkType = OverlayLinkType::TLS_TCP_FH_NO_ICE;
const PIPE: u16 = 61_443;
const TURN: u16 = 61_441;

/// An overlay with ICE in which this node takes pipes.
fn with_ice() -> (Bench, LinkId) {
    let mut bench = Bench::configured(|settings| settings.no_ice = false);
    let way = bench.route();
    bench.node.offer(PIPE, Offer::Connect);
    (bench, way)
}

/// The same without ICE.
fn without_ice() -> (Bench, LinkId) {
    let mut bench = Bench::new();
    let way = bench.route();
    bench.node.offer(PIPE, Offer::Connect);
    (bench, way)
}

fn body(role: &'static [u8], candidates: Vec<IceCandidate>) -> AppAttachReqAns {
    AppAttachReqAns {
        ufrag: Bytes::from_static(b"ufrag678"),
        password: Bytes::from_static(b"a password of 22 chars"),
        application: PIPE,
        role: Bytes::from_static(role),
        candidates,
    }
}

fn theirs(actor: &Actor, bench: &Bench, change: impl FnOnce(&mut AppAttachReqAns)) -> Draft {
    let mut body = body(b"passive", vec![candidate(SR, 7)]);
    change(&mut body);
    actor.request(bench.here(), MessageCode::APP_ATTACH_REQUEST, &body)
}

fn ours() -> Vec<IceCandidate> {
    vec![candidate(SR, 6084), candidate(TLS, 6084)]
}

/// An AppAttach of an actor arrives; our candidates are told if they are asked for.
fn hear(bench: &mut Bench, way: LinkId, actor: &Actor, draft: &Draft) {
    bench.hear(way, actor, draft);
    if let Some(link) = bench.gathering.pop() {
        bench.tell(link, LinkEvent::Candidates(ours()));
    }
}

/// Our application wants a pipe to this node.
fn ask(bench: &mut Bench, way: LinkId, to: NodeId) -> (RequestId, LinkId, MessageParts) {
    let to = vec![Destination::Node(to)];
    let id = bench.ask(Request::AppAttach { to, application: PIPE, connect: true });
    let link = bench.gathering.pop().expect("it gathers");
    bench.tell(link, LinkEvent::Candidates(ours()));
    (id, link, bench.only(way))
}

fn answered(bench: &mut Bench, way: LinkId, peer: &Actor, request: &MessageParts) {
    let link = if bench.node.configuration().no_ice { TLS } else { SR };
    let answer = body(b"active", vec![candidate(link, 9)]);
    bench.hear(way, peer, &peer.answer(request, &answer));
}

fn said(bench: &Bench, message: &MessageParts) -> AppAttachReqAns {
    AppAttachReqAns::decode_exact(&bench.dialect(), &message.contents.body).expect("an AppAttach")
}

fn gathering(bench: &Bench, link: LinkId) -> Gathering {
    let of = |(at, gathering): &(LinkId, Gathering)| (*at == link).then(|| gathering.clone());
    bench.gathered.iter().find_map(of).expect("it has gathered for it")
}

fn pipes(bench: &Bench) -> Vec<(LinkId, NodeId, u16)> {
    let pipe = |event: &Event| match event {
        Event::Pipe { link, node, application } => Some((*link, *node, *application)),
        _ => None,
    };
    bench.events.iter().filter_map(pipe).collect()
}

fn asked(bench: &Bench) -> Vec<(AskingId, NodeId, u16)> {
    let asked = |event: &Event| match event {
        Event::Asked { asking, node, application } => Some((*asking, *node, *application)),
        _ => None,
    };
    bench.events.iter().filter_map(asked).collect()
}

/// The link of our request, if it has come to one.
fn attached(bench: &mut Bench, id: RequestId) -> Option<Result<(LinkId, NodeId), RequestError>> {
    let result = bench.ending(id)?;
    Some(result.map(|response| match response.reply {
        Reply::AppAttached { link, node } => (link, node),
        other => panic!("another reply: {other:?}"),
    }))
}

/// Whether the tables of the overlay know a node.
fn is_linked(bench: &Bench, node: NodeId) -> bool {
    let up = |input: &Input| matches!(input, Input::LinkUp(up) if *up == node);
    bench.node.status(bench.now).links.iter().any(|it| it.node == Some(node))
        || bench.desk.told(up) > 0
}

// R6940-6.5.2.2-03
#[test]
fn an_application_that_is_not_offered_is_not_found() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.application = 9999);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::NOT_FOUND);
    bench.node.withdraw(PIPE);
    let draft = theirs(&peer, &bench, |_| ()).number(2);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::NOT_FOUND);
    assert!(bench.gathering.is_empty());
}

// R6940-6.5.2-01, R6940-6.5.2.2-02
#[test]
fn an_app_attach_of_others_is_answered_and_gives_a_pipe_that_is_no_link_of_the_overlay() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |_| ());
    hear(&mut bench, way, &peer, &draft);
    let answer = bench.only(way);
    assert_eq!(answer.contents.code, MessageCode::APP_ATTACH_ANSWER);
    let said = said(&bench, &answer);
    assert_eq!((said.role, said.application), (Bytes::from_static(b"active"), PIPE)); // E56
    assert_eq!(said.candidates, [candidate(SR, 6084)]);
    let (link, plan) = bench.connecting.pop().expect("it checks");
    assert!(matches!(plan.way, Way::Ice { .. }) && plan.expected() == Some(peer.id));
    let gathered = gathering(&bench, link);
    assert_eq!(gathered.purpose, LinkPurpose::Application(PIPE));
    assert!(gathered.own_socket && gathered.ice.is_some_and(|ice| !ice.controlling));
    assert!(pipes(&bench).is_empty());
    bench.up(link, &peer);
    assert_eq!(pipes(&bench), [(link, peer.id, PIPE)]);
    assert!(!is_linked(&bench, peer.id));
    bench.receive(link, peer.sign(&peer.ping(bench.here())));
    assert!(bench.take(link).is_empty(), "no message of the overlay is read there");
}

// R6940-6.5.2-01, R6940-6.5.2.1-02, R6940-6.5.2.2-02
#[test]
fn an_app_attach_of_ours_gives_a_pipe_and_no_keepalive_is_sent_on_it() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let (id, link, request) = ask(&mut bench, way, peer.id);
    let said = said(&bench, &request);
    assert_eq!((said.role, said.application), (Bytes::from_static(b"passive"), PIPE)); // E56
    let gathered = gathering(&bench, link);
    assert!(gathered.own_socket && gathered.ice.is_some_and(|ice| ice.controlling));
    answered(&mut bench, way, &peer, &request);
    assert_eq!(bench.connecting.pop().expect("it checks").0, link);
    bench.up(link, &peer);
    assert_eq!(attached(&mut bench, id), Some(Ok((link, peer.id))));
    assert!(!is_linked(&bench, peer.id));
    bench.pass(Duration::from_secs(60));
    assert!(bench.take(link).is_empty());
    assert!(bench.closed.is_empty(), "it belongs to the driver");
}

#[test]
fn without_ice_the_asker_listens_on_a_socket_of_its_own_and_the_dial_may_overtake_the_answer() {
    for early in [true, false] {
        let (mut bench, way) = without_ice();
        let peer = bench.actor(1);
        let (id, link, request) = ask(&mut bench, way, peer.id);
        let gathered = gathering(&bench, link);
        assert!(gathered.own_socket && gathered.ice.is_none());
        assert_eq!(said(&bench, &request).candidates, [candidate(TLS, 6084)]);
        if early {
            bench.up(link, &peer);
            assert_eq!(attached(&mut bench, id), None, "who it is to be is not known yet");
        }
        answered(&mut bench, way, &peer, &request);
        if !early {
            bench.up(link, &peer);
        }
        assert_eq!(attached(&mut bench, id), Some(Ok((link, peer.id))));
        assert!(bench.connecting.is_empty() && !is_linked(&bench, peer.id));
    }
}

#[test]
fn without_ice_the_asked_node_dials() {
    let (mut bench, way) = without_ice();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.candidates = vec![candidate(TLS, 7)]);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.only(way).contents.code, MessageCode::APP_ATTACH_ANSWER);
    let (link, plan) = bench.connecting.pop().expect("it dials");
    assert_eq!(dialled(&plan)[0].port(), 7);
    assert!(!gathering(&bench, link).own_socket);
    bench.up(link, &peer);
    assert_eq!(pipes(&bench), [(link, peer.id, PIPE)]);
}

#[test]
fn roles_and_families_count_as_with_attach() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.role = Bytes::from_static(b"active"));
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::INVALID_MESSAGE); // E56
    let draft = theirs(&peer, &bench, |body| body.candidates.push(candidate(TLS, 8)));
    hear(&mut bench, way, &peer, &draft.number(2));
    assert_eq!(bench.refusal(way), ErrorCode::INVALID_MESSAGE); // 6.5.1.1
    let draft = theirs(&peer, &bench, |body| body.candidates = vec![candidate(TLS, 8)]);
    hear(&mut bench, way, &peer, &draft.number(3));
    assert_eq!(bench.refusal(way), ErrorCode::INCOMPATIBLE_WITH_OVERLAY); // 6.5.1.5
}

#[test]
fn an_answer_for_another_application_or_role_is_refused() {
    let changes: [fn(&mut AppAttachReqAns); 3] = [
        |body| body.application = 5060,
        |body| body.role = Bytes::from_static(b"passive"),
        |body| body.candidates = vec![candidate(TLS, 9)],
    ];
    for change in changes {
        let (mut bench, way) = with_ice();
        let peer = bench.actor(1);
        let (id, link, request) = ask(&mut bench, way, peer.id);
        let mut answer = body(b"active", vec![candidate(SR, 9)]);
        change(&mut answer);
        bench.hear(way, &peer, &peer.answer(&request, &answer));
        assert!(matches!(attached(&mut bench, id), Some(Err(RequestError::Refused { .. }))));
        assert_eq!(bench.closed, [link]);
    }
}

#[test]
fn when_both_ask_at_once_the_smaller_takes_the_connection_of_the_larger_for_its_own() {
    let (mut bench, way) = with_ice();
    bench.node.withdraw(PIPE); // having asked for it, this node supports it
    let larger = bench.actor(0xf0);
    let (id, given_up, _) = ask(&mut bench, way, larger.id);
    let draft = theirs(&larger, &bench, |_| ());
    hear(&mut bench, way, &larger, &draft);
    assert_eq!(bench.only(way).contents.code, MessageCode::APP_ATTACH_ANSWER);
    assert_eq!(bench.closed, [given_up]);
    let (link, _) = bench.connecting.pop().expect("it checks");
    bench.up(link, &larger);
    assert_eq!(attached(&mut bench, id), Some(Ok((link, larger.id))));
    assert!(pipes(&bench).is_empty(), "one connection, one user");
    bench.pass(Duration::from_secs(4));
    assert!(bench.take(way).is_empty(), "its own is not sent again");
}

#[test]
fn when_both_ask_at_once_the_larger_insists() {
    let (mut bench, way) = with_ice();
    let smaller = bench.actor(1);
    let (id, link, request) = ask(&mut bench, way, smaller.id);
    let draft = theirs(&smaller, &bench, |_| ());
    hear(&mut bench, way, &smaller, &draft);
    assert_eq!(bench.refusal(way), ErrorCode::IN_PROGRESS);
    answered(&mut bench, way, &smaller, &request);
    hear(&mut bench, way, &smaller, &draft.number(2));
    assert_eq!(bench.refusal(way), ErrorCode::IN_PROGRESS);
    bench.up(link, &smaller);
    assert_eq!(attached(&mut bench, id), Some(Ok((link, smaller.id))));
}

#[test]
fn a_refused_app_attach_waits_for_the_one_of_the_other_side() {
    let (mut bench, way) = with_ice();
    let larger = bench.actor(0xf0);
    let (id, _, request) = ask(&mut bench, way, larger.id);
    bench.hear(way, &larger, &larger.error(&request, ErrorCode::IN_PROGRESS));
    assert_eq!(attached(&mut bench, id), None);
    let draft = theirs(&larger, &bench, |_| ());
    hear(&mut bench, way, &larger, &draft);
    bench.take(way);
    let (link, _) = bench.connecting.pop().expect("it checks");
    bench.up(link, &larger);
    assert_eq!(attached(&mut bench, id), Some(Ok((link, larger.id))));

    let (id, _, request) = ask(&mut bench, way, larger.id);
    bench.hear(way, &larger, &larger.error(&request, ErrorCode::IN_PROGRESS));
    bench.pass(Duration::from_secs(11));
    let Some(Err(RequestError::Refused { code, .. })) = attached(&mut bench, id) else {
        panic!("nothing came")
    };
    assert_eq!(code, ErrorCode::IN_PROGRESS);
}

#[test]
fn two_pipes_to_one_node_are_two_connections() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let (first, first_link, request) = ask(&mut bench, way, peer.id);
    let (second, second_link, again) = ask(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &again);
    answered(&mut bench, way, &peer, &request);
    bench.up(second_link, &peer);
    bench.up(first_link, &peer);
    assert_eq!(attached(&mut bench, first), Some(Ok((first_link, peer.id))));
    assert_eq!(attached(&mut bench, second), Some(Ok((second_link, peer.id))));
}

#[test]
fn connections_of_one_node_at_a_time_are_few() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    for number in 1..=4 {
        let draft = theirs(&peer, &bench, |_| ()).number(number);
        hear(&mut bench, way, &peer, &draft);
    }
    assert_eq!(bench.connecting.len(), 3);
    assert_eq!(bench.take(way).pop().expect("it is answered").contents.code, MessageCode::ERROR);
    for (link, _) in std::mem::take(&mut bench.connecting) {
        bench.up(link, &peer);
    }
    let draft = theirs(&peer, &bench, |_| ()).number(5);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.connecting.len(), 1, "those that are up do not count");
}

#[test]
fn connections_that_are_asked_for_at_a_time_are_bounded() {
    let (mut bench, _) = with_ice();
    let to = vec![Destination::Node(bench.actor(1).id)];
    let request = Request::AppAttach { to, application: PIPE, connect: true };
    let all: Vec<_> = (0..65).map(|_| bench.ask(request.clone())).collect();
    assert!(bench.ending(all[63]).is_none());
    let error = bench.ending(all[64]).expect("it has ended").expect_err("it is one too many");
    assert!(matches!(error, RequestError::NotConnected(_)));
}

// R6940-6.5.1.13-04
#[test]
fn a_connection_with_another_node_is_closed() {
    let (mut bench, way) = with_ice();
    let (peer, other) = (bench.actor(1), bench.actor(2));
    let (id, link, request) = ask(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    bench.up(link, &other);
    assert_eq!(bench.closed, [link]);
    assert!(matches!(attached(&mut bench, id), Some(Err(RequestError::NotConnected(_)))));
    let draft = theirs(&peer, &bench, |_| ());
    hear(&mut bench, way, &peer, &draft);
    let (theirs, _) = bench.connecting.pop().expect("it checks");
    bench.up(theirs, &other);
    assert_eq!(bench.closed, [link, theirs]);
    assert!(pipes(&bench).is_empty());
}

#[test]
fn a_connection_that_does_not_come_up_is_told_with_the_pairs_that_were_tried() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let (id, link, request) = ask(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    let reason = "ICE failed; tried 127.0.0.1:6084 to 127.0.0.1:9".to_owned();
    bench.tell(link, LinkEvent::Down { reason: reason.clone(), unacknowledged: Vec::new() });
    let wanted = RequestError::NotConnected(reason.clone());
    assert_eq!(attached(&mut bench, id), Some(Err(wanted)));

    let draft = theirs(&peer, &bench, |_| ());
    hear(&mut bench, way, &peer, &draft);
    let (link, _) = bench.connecting.pop().expect("it checks");
    bench.tell(link, LinkEvent::Down { reason: reason.clone(), unacknowledged: Vec::new() });
    let told = |event: &Event| {
        let purpose = LinkPurpose::Application(PIPE);
        matches!(event, Event::LinkFailed { node, purpose: for_what, reason: why }
            if *node == Some(peer.id) && *for_what == purpose && why.contains(&reason))
    };
    assert!(bench.events.iter().any(told));
}

#[test]
fn a_connection_that_takes_too_long_is_given_up() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let (id, link, request) = ask(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    bench.pass(Duration::from_secs(16));
    assert_eq!(bench.closed, [link]);
    assert!(matches!(attached(&mut bench, id), Some(Err(RequestError::NotConnected(_)))));
}

#[test]
fn an_app_attach_that_nobody_answers_gives_up_what_was_gathered() {
    let (mut bench, way) = with_ice();
    let to = bench.actor(1).id;
    let (id, link, _) = ask(&mut bench, way, to);
    bench.pass(Duration::from_secs(16));
    assert!(matches!(attached(&mut bench, id), Some(Err(RequestError::Timeout(_)))));
    assert_eq!(bench.closed, [link]);
}

// R6940-6.5.2-01
#[test]
fn an_application_that_answers_by_itself_is_asked_and_no_connection_is_formed() {
    let (mut bench, way) = with_ice();
    bench.node.offer(TURN, Offer::Ask);
    let peer = bench.actor(1);
    let question = |body: &mut AppAttachReqAns| {
        body.application = TURN;
        body.candidates.clear();
    };
    let draft = theirs(&peer, &bench, question);
    hear(&mut bench, way, &peer, &draft); // E104
    let [(asking, node, TURN)] = asked(&bench)[..] else { panic!("the application is asked") };
    assert_eq!(node, peer.id);
    let answer = ApplicationAnswer {
        ufrag: Bytes::from_static(b"user"),
        password: Bytes::from_static(b"secret"),
        candidates: vec![candidate(SR, 3478)],
    };
    bench.node.answer_application(bench.now, asking, Ok(answer.clone()));
    bench.drain();
    let message = bench.only(way);
    let said = said(&bench, &message);
    assert_eq!((said.ufrag, said.password), (answer.ufrag, answer.password));
    assert_eq!((said.application, said.role), (TURN, Bytes::from_static(b"active")));
    assert_eq!(said.candidates, answer.candidates);
    assert!(bench.gathering.is_empty() && bench.connecting.is_empty());
}

#[test]
fn an_application_that_does_not_answer_or_refuses_is_an_error_to_the_caller() {
    let (mut bench, way) = with_ice();
    bench.node.offer(TURN, Offer::Ask);
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.application = TURN);
    hear(&mut bench, way, &peer, &draft);
    bench.pass(Duration::from_secs(7));
    assert_eq!(bench.refusal(way), ErrorCode::REQUEST_TIMEOUT);
    hear(&mut bench, way, &peer, &draft.number(2));
    let (asking, ..) = asked(&bench)[1];
    bench.node.answer_application(bench.now, asking, Err(ErrorCode::FORBIDDEN));
    bench.node.answer_application(bench.now, asking, Err(ErrorCode::FORBIDDEN));
    bench.drain();
    assert_eq!(bench.refusal(way), ErrorCode::FORBIDDEN);
}

#[test]
fn questions_that_wait_for_an_application_are_bounded() {
    let (mut bench, way) = with_ice();
    bench.node.offer(TURN, Offer::Ask);
    let peer = bench.actor(1);
    for number in 1..=129 {
        let draft = theirs(&peer, &bench, |body| body.application = TURN).number(number);
        hear(&mut bench, way, &peer, &draft);
    }
    assert_eq!(asked(&bench).len(), 128);
    assert_eq!(bench.refusal(way), ErrorCode::IN_PROGRESS);
}

#[test]
fn a_question_of_ours_gathers_nothing_and_brings_the_answer_as_it_came() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let to = vec![Destination::Node(peer.id)];
    let id = bench.ask(Request::AppAttach { to, application: TURN, connect: false });
    assert!(bench.gathering.is_empty());
    let request = bench.only(way);
    assert_eq!(said(&bench, &request).application, TURN);
    let mut answer = body(b"active", vec![candidate(SR, 3478)]);
    answer.application = TURN;
    bench.hear(way, &peer, &peer.answer(&request, &answer));
    let response = bench.ending(id).expect("it has ended").expect("it is answered");
    assert!(matches!(response.reply, Reply::AppAnswered(got) if got == answer));
    assert!(bench.connecting.is_empty());
}

#[test]
fn a_node_that_leaves_takes_no_connection() {
    let (mut bench, way) = with_ice();
    let peer = bench.actor(1);
    let (id, link, request) = ask(&mut bench, way, peer.id);
    answered(&mut bench, way, &peer, &request);
    bench.node.leave(bench.now);
    bench.drain();
    bench.up(link, &peer);
    assert_eq!(bench.closed, [link]);
    assert!(matches!(attached(&mut bench, id), Some(Err(RequestError::NotConnected(_)))));
}

/// Our application wants a connection for this application along a list; theirs is named in what follows.
fn ask_for(
    bench: &mut Bench,
    way: LinkId,
    to: Vec<Destination>,
    application: u16,
) -> (RequestId, LinkId, MessageParts) {
    let id = bench.ask(Request::AppAttach { to, application, connect: true });
    let link = bench.gathering.pop().expect("it gathers");
    bench.tell(link, LinkEvent::Candidates(ours()));
    (id, link, bench.only(way))
}

fn answer_for(application: u16) -> AppAttachReqAns {
    AppAttachReqAns { application, ..body(b"active", vec![candidate(SR, 9)]) }
}

// R7904-5.1-01, R7904-5.1-02, R7904-2-02
#[test]
fn sip_is_attached_along_the_list_and_plain_sip_is_bound_to_the_signer_of_the_answer() {
    for application in [SIP, SIPS] {
        let (mut bench, way) = with_ice();
        let (between, peer) = (bench.actor(1), bench.actor(2));
        let list = vec![Destination::Node(between.id), Destination::Node(peer.id)];
        let (id, link, request) = ask_for(&mut bench, way, list.clone(), application);
        assert_eq!(request.header.destination_list, list);
        assert_eq!(said(&bench, &request).application, application);
        bench.hear(way, &peer, &peer.answer(&request, &answer_for(application)));
        let (at, plan) = bench.connecting.pop().expect("it checks");
        assert_eq!((at, plan.expected()), (link, Some(peer.id)));
        match plan.security {
            Security::Path(signer) => {
                assert_eq!(application, SIP);
                assert!(signer.certificate.names(&peer.id));
            }
            Security::Handshake(_) => assert_eq!(application, SIPS),
        }
        bench.up(link, &peer);
        assert_eq!(attached(&mut bench, id), Some(Ok((link, peer.id))));
    }
}

// R7904-5.1-03, R7904-5.1-04
#[test]
fn a_node_that_the_list_does_not_end_in_gets_no_connection() {
    for application in [SIP, SIPS] {
        let (mut bench, way) = with_ice();
        let (other, peer) = (bench.actor(1), bench.actor(2));
        let list = vec![Destination::Node(peer.id)];
        let (id, link, request) = ask_for(&mut bench, way, list, application);
        bench.hear(way, &other, &other.answer(&request, &answer_for(application)));
        assert!(bench.connecting.is_empty(), "its answer counts for nothing");
        bench.hear(way, &peer, &peer.answer(&request, &answer_for(application)));
        bench.up(link, &other);
        let result = attached(&mut bench, id);
        assert_eq!(result, Some(Err(RequestError::NotConnected("another node is there".into()))));
        assert_eq!(bench.closed, [link]);
    }
}

#[test]
fn plain_sip_of_others_is_bound_to_the_signer_of_the_request() {
    let (mut bench, way) = with_ice();
    bench.node.offer(SIP, Offer::Connect);
    let peer = bench.actor(1);
    let draft = theirs(&peer, &bench, |body| body.application = SIP);
    hear(&mut bench, way, &peer, &draft);
    assert_eq!(bench.only(way).contents.code, MessageCode::APP_ATTACH_ANSWER);
    let (link, plan) = bench.connecting.pop().expect("it checks");
    let Security::Path(signer) = plan.security else { panic!("a handshake: {plan:?}") };
    assert!(signer.node_id == peer.id && signer.certificate.names(&peer.id));
    bench.up(link, &peer);
    assert_eq!(pipes(&bench), [(link, peer.id, SIP)]);
}

#[test]
fn without_ice_plain_sip_is_neither_taken_nor_asked_for() {
    let (mut bench, way) = without_ice();
    bench.node.offer(SIP, Offer::Connect);
    bench.node.offer(SIPS, Offer::Connect);
    let peer = bench.actor(1);
    for (number, application, answered) in [(1, SIP, false), (2, SIPS, true)] {
        let draft = theirs(&peer, &bench, |body| {
            (body.application, body.candidates) = (application, vec![candidate(TLS, 7)]);
        });
        hear(&mut bench, way, &peer, &draft.number(number));
        match answered {
            true => assert_eq!(bench.only(way).contents.code, MessageCode::APP_ATTACH_ANSWER),
            false => assert_eq!(bench.refusal(way), ErrorCode::NOT_FOUND),
        }
    }
    let to = vec![Destination::Node(peer.id)];
    let id = bench.ask(Request::AppAttach { to, application: SIP, connect: true });
    let Some(Err(RequestError::NotConnected(why))) = attached(&mut bench, id) else {
        panic!("it is refused at once")
    };
    assert!(why.contains("SIPS"), "{why}");
    assert!(bench.gathering.is_empty());
}

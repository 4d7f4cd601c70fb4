//! Certificates with several Node-IDs (section 6.1.2).

use std::sync::Arc;

use reload_node::{LinkId, Start};
use reload_topology::Input;
use reload_wire::{
    Destination, ErrorCode, MessageCode, NodeId, OverlayLinkType, PingAns, ProbeReq, UnixTime,
};

use crate::actor::{Actor, attach_body, candidate};
use crate::bench::{Bench, Making, dialled};

fn ids() -> [NodeId; 2] {
    [NodeId::from_u128(0x1111), NodeId::from_u128(0x2222)]
}

/// A node with two Node-IDs in its certificate that acts as the second.
fn two(bench: &Bench) -> Actor {
    let credentials = bench.overlay.several(&ids(), "two@x");
    let credentials = Arc::new(credentials.acting_as(ids()[1]).expect("it is in there"));
    let overlay = bench.node.configuration().overlay_hash();
    Actor { id: ids()[1], credentials, overlay }
}

fn linked(bench: &mut Bench) -> (Actor, LinkId) {
    let actor = two(bench);
    let link = bench.accept(&actor);
    (actor, link)
}

fn bound_to(bench: &Bench, link: LinkId) -> Option<NodeId> {
    let status = bench.node.status(bench.now);
    status.links.iter().find(|entry| entry.link == link).and_then(|entry| entry.node)
}

// R6940-4.2.1-03, R6940-6.1.2-11, R6940-6.1.2-12
#[test]
fn what_is_neither_ping_nor_attach_is_forbidden_before_the_attach() {
    let mut bench = Bench::new();
    let (from, link) = linked(&mut bench);
    let body = ProbeReq { requested_info: Vec::new() };
    let draft = from.request(bench.here(), MessageCode::PROBE_REQUEST, &body);
    bench.hear(link, &from, &draft); // 6.1.2
    assert_eq!(bench.refusal(link), ErrorCode::FORBIDDEN);
    bench.hear(link, &from, &from.ping(bench.here()));
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
    bench.hear(link, &from, &draft.clone().number(2));
    assert_eq!(bench.refusal(link), ErrorCode::FORBIDDEN);
    let body = attach_body(b"passive", vec![candidate(OverlayLinkType::TLS_TCP_FH_NO_ICE, 7)]);
    let attach = from.request(bench.here(), MessageCode::ATTACH_REQUEST, &body);
    bench.hear(link, &from, &attach.number(3));
    bench.take(link);
    bench.hear(link, &from, &draft.number(4));
    assert_eq!(bench.only(link).contents.code, MessageCode::PROBE_ANSWER);
}

// R6940-6.1.2-12
#[test]
fn a_link_is_bound_to_the_node_id_that_signs_over_it() {
    let mut bench = Bench::new();
    let (from, link) = linked(&mut bench);
    assert_eq!(bound_to(&bench, link), None);
    assert_eq!(bench.desk.told(|input| matches!(input, Input::LinkUp(_))), 0);
    bench.hear(link, &from, &from.ping(bench.here()));
    assert_eq!(bound_to(&bench, link), Some(ids()[1]));
    let up = |input: &Input| matches!(input, Input::LinkUp(id) if *id == ids()[1]);
    assert_eq!(bench.desk.told(up), 1);
    let answer = bench.only(link);
    assert_eq!(answer.header.destination_list, [Destination::Node(ids()[1])]); // 6.1.2
}

#[test]
fn a_message_that_was_passed_on_binds_no_link() {
    let mut bench = Bench::new();
    let (from, link) = linked(&mut bench);
    let other = NodeId::from_u128(77);
    bench.hear(link, &from, &from.ping(bench.here()).through(&[other]));
    assert_eq!(bound_to(&bench, link), None);
}

#[test]
fn a_dialled_link_is_bound_to_the_node_that_sent_the_attach() {
    let mut bench = Bench::new();
    let (_, way) = bench.linked(1);
    let from = two(&bench);
    let body = attach_body(b"passive", vec![candidate(OverlayLinkType::TLS_TCP_FH_NO_ICE, 7)]);
    let draft = from.request(bench.here(), MessageCode::ATTACH_REQUEST, &body);
    bench.hear(way, &from, &draft);
    let gather = bench.gathering.pop().expect("it asks for its addresses");
    bench.tell(gather, reload_node::LinkEvent::Candidates(Vec::new()));
    let (link, _) = bench.connecting.pop().expect("it dials");
    bench.up(link, &from);
    assert_eq!(bound_to(&bench, link), Some(ids()[1])); // 6.5.1.13
}

#[test]
fn a_bootstrap_node_is_asked_which_of_its_node_ids_it_uses() {
    let mut bench = Bench::new();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    bench.start(Start { bootstrap: vec![address], first: false });
    let (link, _) = bench.connecting.pop().expect("it dials");
    let peer = two(&bench);
    bench.up(link, &peer);
    let ping = bench.only(link);
    let join = |input: &Input| matches!(input, Input::Join { bootstrap } if *bootstrap == ids()[1]);
    assert_eq!(bench.desk.told(join), 0);
    let pong = PingAns { response_id: 1, time: UnixTime(1) };
    bench.hear(link, &peer, &peer.answer(&ping, &pong));
    assert_eq!(bench.desk.told(join), 1);
}

#[test]
fn a_bootstrap_node_that_does_not_tell_its_node_id_is_passed_over() {
    let mut bench = Bench::new();
    let address = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    bench.start(Start { bootstrap: vec![address(1), address(2)], first: false });
    let (link, _) = bench.connecting.pop().expect("it dials");
    let peer = two(&bench);
    bench.up(link, &peer);
    bench.pass(std::time::Duration::from_secs(4));
    assert_eq!(bench.closed, [link]);
    let (_, plan) = bench.connecting.pop().expect("it dials the next");
    assert_eq!(dialled(&plan), [address(2)]);
}

#[test]
fn a_node_with_two_node_ids_shows_which_it_uses_and_hears_answers_to_both() {
    let overlay = crate::overlay::Overlay::new();
    let credentials = overlay.several(&ids(), "two@x").acting_as(ids()[1]);
    let credentials = Some(credentials.expect("it is in there"));
    let mut bench = Bench::make(Making { overlay, credentials, ..Making::default() });
    let (peer, link) = bench.linked(1);
    let ping = bench.only(link);
    assert_eq!(ping.contents.code, MessageCode::PING_REQUEST);
    let id =
        bench.ask(reload_node::Request::Ping { to: vec![Destination::Node(peer.id)], padding: 0 });
    let request = bench.only(link);
    let answer = peer.answer(&request, &PingAns { response_id: 1, time: UnixTime(1) });
    bench.hear(link, &peer, &answer.to(&[Destination::Node(ids()[0])]));
    assert!(bench.ending(id).is_some());
}

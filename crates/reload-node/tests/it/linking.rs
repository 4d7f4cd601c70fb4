//! Links: the connection table, two links to one node, failing and draining (6.5.1, 6.6.5, E102).

use std::time::Duration;

use reload_node::{Event, Limits, LinkEvent, LinkId, Start};
use reload_topology::Input;
use reload_wire::{Destination, MessageCode, NodeId};

use crate::actor::Actor;
use crate::bench::{Bench, Making};

fn ups(bench: &Bench) -> usize {
    bench.desk.told(|input| matches!(input, Input::LinkUp(_)))
}

fn downs(bench: &Bench) -> usize {
    // 200 is the one that asks for the way
    bench.desk.told(|input| matches!(input, Input::LinkDown(id) if id.as_bytes()[0] != 200))
}

fn failings(bench: &Bench) -> usize {
    bench.desk.told(|input| matches!(input, Input::LinkFailing(_)))
}

fn restoreds(bench: &Bench) -> usize {
    bench.desk.told(|input| matches!(input, Input::LinkRestored(_)))
}

/// The link over which a message for this node goes now.
fn way_to(bench: &mut Bench, to: &Actor) -> Option<LinkId> {
    bench.sent.clear();
    let (from, link) = bench.linked(200);
    bench.hear(link, &from, &from.ping(Destination::Node(to.id)));
    let over = bench.sent.pop_front().map(|(over, _)| over);
    bench.down(link);
    over
}

#[test]
fn the_plug_in_hears_of_the_first_link_and_of_the_end_of_the_last() {
    let mut bench = Bench::new();
    let (node, first) = bench.linked(1);
    let second = bench.accept(&node);
    assert_eq!(ups(&bench), 1);
    bench.down(first);
    assert_eq!(downs(&bench), 0);
    bench.down(second);
    bench.down(second);
    assert_eq!(downs(&bench), 1);
    let told = |event: &&Event| matches!(event, Event::LinkUp { .. } | Event::LinkDown { .. });
    assert_eq!(bench.events.iter().filter(told).count(), 2);
}

#[test]
fn the_newest_link_carries_the_traffic_and_the_older_drains_for_15_s() {
    let mut bench = Bench::new();
    let (node, first) = bench.linked(1);
    let second = bench.accept(&node);
    assert_eq!(way_to(&mut bench, &node), Some(second)); // E102
    bench.pass(Duration::from_millis(14_900));
    assert!(bench.closed.is_empty());
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.closed, [first]);
    assert_eq!(downs(&bench), 0);
    assert_eq!(way_to(&mut bench, &node), Some(second));
}

#[test]
fn a_draining_link_takes_over_again_when_the_newer_one_fails() {
    let mut bench = Bench::new();
    let (node, first) = bench.linked(1);
    let second = bench.accept(&node);
    bench.fail(second, Vec::new());
    assert_eq!(failings(&bench), 0, "there is a way to it");
    assert_eq!(way_to(&mut bench, &node), Some(first));
    bench.pass(Duration::from_secs(20));
    assert!(!bench.closed.contains(&first), "it carries the traffic");
    bench.tell(second, LinkEvent::Restored);
    assert_eq!(way_to(&mut bench, &node), Some(second));
    bench.pass(Duration::from_secs(16));
    assert!(bench.closed.contains(&first));
}

#[test]
fn the_plug_in_hears_when_only_a_failing_link_is_left() {
    let mut bench = Bench::new();
    let (node, first) = bench.linked(1);
    let second = bench.accept(&node);
    bench.fail(first, Vec::new());
    assert_eq!(failings(&bench), 0);
    bench.down(second);
    assert_eq!((failings(&bench), downs(&bench)), (1, 0));
    assert_eq!(way_to(&mut bench, &node), None); // 6.6.5
    bench.tell(first, LinkEvent::Restored);
    assert_eq!(restoreds(&bench), 1);
    assert_eq!(way_to(&mut bench, &node), Some(first));
}

#[test]
fn a_failing_link_leaves_the_routing_table_at_once_and_comes_back() {
    let mut bench = Bench::new();
    let (node, link) = bench.linked(1);
    bench.fail(link, Vec::new());
    bench.fail(link, Vec::new());
    assert_eq!(failings(&bench), 1); // 6.6.5
    assert_eq!(way_to(&mut bench, &node), None);
    bench.tell(link, LinkEvent::Restored);
    bench.tell(link, LinkEvent::Restored);
    assert_eq!(restoreds(&bench), 1);
    assert_eq!(way_to(&mut bench, &node), Some(link));
}

#[test]
fn an_answer_goes_another_way_when_the_link_of_its_request_fails() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let message = from.sign(&from.ping(bench.here()));
    bench.node.handle_link(bench.now, link, LinkEvent::Message(message));
    let second = bench.accept(&from);
    bench.node.handle_link(bench.now, link, LinkEvent::Failing { unacknowledged: Vec::new() });
    bench.drain();
    let over: Vec<LinkId> = bench.sent.iter().map(|(over, _)| *over).collect();
    assert!(over.iter().all(|over| *over == second) || over == [link], "{over:?}");
}

#[test]
fn an_idle_link_is_pinged_and_a_busy_one_is_not() {
    let mut bench = Bench::new();
    let (node, link) = bench.linked(1);
    bench.pass(Duration::from_secs(10));
    bench.hear(link, &node, &node.ping(bench.here()));
    bench.sent.clear();
    bench.pass(Duration::from_secs(14));
    assert!(bench.is_silent());
    bench.pass(Duration::from_secs(2));
    let ping = bench.only(link);
    assert_eq!(ping.contents.code, MessageCode::PING_REQUEST);
    assert_eq!(ping.header.destination_list, [Destination::Node(node.id)]);
    bench.pass(Duration::from_secs(10));
    assert!(bench.is_silent(), "a keepalive is not sent again");
}

#[test]
fn a_fifth_link_of_one_node_closes_its_oldest() {
    let mut bench = Bench::new();
    let (node, first) = bench.linked(1);
    for _ in 0..3 {
        bench.accept(&node);
    }
    assert!(bench.closed.is_empty());
    bench.accept(&node);
    assert_eq!(bench.closed, [first]);
    assert_eq!((ups(&bench), downs(&bench)), (1, 0));
}

#[test]
fn links_above_the_limit_are_closed_and_counted() {
    let limits = Limits { links: 2, ..Limits::default() };
    let mut bench = Bench::make(Making { limits, ..Making::default() });
    bench.linked(1);
    bench.linked(2);
    let (_, third) = bench.linked(3);
    assert_eq!(bench.closed, [third]);
    assert_eq!(bench.node.status(bench.now).links.len(), 2);
    assert_eq!(bench.node.status(bench.now).counters.links_refused, 1);
}

#[test]
fn a_link_to_the_node_itself_is_closed() {
    let mut bench = Bench::new();
    let own = Actor {
        id: bench.id(),
        credentials: bench.overlay.credentials(bench.id(), "own@x"),
        overlay: 0,
    };
    let link = bench.accept(&own);
    assert_eq!(bench.closed, [link]);
    assert_eq!(ups(&bench), 0);
}

#[test]
fn a_leaving_node_takes_no_links() {
    let mut bench = Bench::new();
    bench.node.leave(bench.now);
    let (_, link) = bench.linked(1);
    assert_eq!(bench.closed, [link]);
}

#[test]
fn a_link_whose_certificate_expires_is_closed() {
    let mut bench = Bench::new();
    let id = NodeId::from_u128(5);
    let credentials = bench.overlay.several(&[id], "alice@x").into();
    let overlay = bench.node.configuration().overlay_hash();
    let link = bench.accept(&Actor { id, credentials, overlay });
    let year = Duration::from_secs(366 * 86_400);
    bench.now.wall = bench.now.wall.saturating_add(year);
    bench.pass(Duration::from_secs(16));
    assert_eq!(bench.closed, [link]);
    assert_eq!(downs(&bench), 1);
}

#[test]
fn a_released_link_is_closed_if_this_node_planned_it() {
    let mut bench = Bench::new();
    let (accepted, _) = bench.linked(1);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 7));
    bench.start(Start { bootstrap: vec![address], first: false });
    let (planned, _) = bench.connecting[0].clone();
    let dialled = bench.actor(2);
    bench.up(planned, &dialled);
    bench.desk.ask(reload_topology::Action::Release(accepted.id));
    bench.desk.ask(reload_topology::Action::Release(dialled.id));
    bench.act();
    assert_eq!(bench.closed, [planned]);
}

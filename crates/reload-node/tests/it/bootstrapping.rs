//! The way into the overlay (sections 11.4 and 6.4.2.1).

use std::net::SocketAddr;
use std::time::Duration;

use reload_node::{Event, LinkId, Start};
use reload_topology::{Action, Input, TopologyEvent};

use crate::actor::Actor;
use crate::bench::Bench;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn start(ports: &[u16], first: bool) -> Start {
    Start { bootstrap: ports.iter().map(|port| address(*port)).collect(), first }
}

fn founded(bench: &Bench) -> usize {
    bench.desk.told(|input| matches!(input, Input::Found))
}

fn dialled(bench: &mut Bench) -> (LinkId, SocketAddr) {
    let (link, plan) = bench.connecting.pop().expect("it dials");
    assert!(bench.connecting.is_empty() && plan.expected().is_none());
    (link, crate::bench::dialled(&plan)[0])
}

// R6940-10.5-01, R6940-11.4-01, R6940-11.4-02
#[test]
fn addresses_are_tried_one_after_the_other_and_the_first_link_is_joined() {
    let mut bench = Bench::new();
    bench.start(start(&[1, 2], false));
    let (link, to) = dialled(&mut bench);
    assert_eq!(to, address(1));
    bench.down(link);
    let (link, to) = dialled(&mut bench);
    assert_eq!(to, address(2));
    let peer = bench.actor(1);
    bench.up(link, &peer);
    let join = |input: &Input| matches!(input, Input::Join { bootstrap } if *bootstrap == peer.id);
    assert_eq!(bench.desk.told(join), 1);
}

// R6940-6.4.2.1-10
#[test]
fn the_overlay_is_founded_only_when_no_address_answers() {
    let mut bench = Bench::new();
    bench.start(start(&[1], true));
    assert_eq!(founded(&bench), 0);
    let (link, _) = dialled(&mut bench);
    bench.down(link);
    assert_eq!(founded(&bench), 1); // 6.4.2.1
    assert!(bench.connecting.is_empty());
}

// R6940-4.5.2-01
#[test]
fn a_node_that_is_not_the_first_founds_nothing_and_tries_again_with_growing_pauses() {
    let mut bench = Bench::new();
    bench.start(start(&[1], false));
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let (link, _) = dialled(&mut bench);
        bench.down(link);
        let pause = bench.events.iter().rev().find_map(|event| match event {
            Event::NoBootstrap { again_in, .. } => Some(*again_in),
            _ => None,
        });
        let pause = pause.expect("the round is over");
        pauses.push(pause);
        bench.pass(Duration::from_secs(pause));
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(founded(&bench), 0);
}

#[test]
fn a_bootstrap_peer_that_meets_itself_goes_on_to_the_next_address() {
    let mut bench = Bench::new();
    bench.start(start(&[1, 2], false));
    let (link, _) = dialled(&mut bench);
    let credentials = bench.overlay.credentials(bench.id(), "own@x");
    let own = Actor { id: bench.id(), credentials, overlay: 0 };
    bench.up(link, &own);
    assert_eq!(bench.closed, [link]);
    assert_eq!(dialled(&mut bench).1, address(2));
}

#[test]
fn a_bootstrap_link_that_may_not_stay_does_not_end_the_search() {
    let limits = reload_node::Limits { links: 0, ..reload_node::Limits::default() };
    let mut bench = Bench::make(crate::bench::Making { limits, ..Default::default() });
    bench.start(start(&[1, 2], false));
    let (link, _) = dialled(&mut bench);
    let peer = bench.actor(1);
    bench.up(link, &peer);
    assert_eq!(bench.closed, [link]);
    assert_eq!(dialled(&mut bench).1, address(2));
}

// R6940-10.7.1-08
#[test]
fn a_peer_that_lost_its_place_looks_for_a_way_in_again() {
    let mut bench = Bench::new();
    bench.start(start(&[1], false));
    let (link, _) = dialled(&mut bench);
    let peer = bench.actor(1);
    bench.up(link, &peer);
    bench.desk.ask(Action::Event(TopologyEvent::Isolated));
    bench.act();
    bench.pass(Duration::from_secs(2));
    assert_eq!(dialled(&mut bench).1, address(1));
}

#[test]
fn a_peer_that_has_joined_once_never_founds_another_overlay() {
    let mut bench = Bench::new();
    bench.start(start(&[1], true));
    let (link, _) = dialled(&mut bench);
    let peer = bench.actor(1);
    bench.up(link, &peer);
    bench.desk.ask(Action::Event(TopologyEvent::Joined));
    bench.desk.ask(Action::Event(TopologyEvent::Isolated));
    bench.act();
    let mut dials = 0;
    for _ in 0..4 {
        bench.pass(Duration::from_secs(40));
        for (link, _) in std::mem::take(&mut bench.connecting) {
            dials += 1;
            bench.down(link);
        }
    }
    assert!(dials >= 3, "it goes on looking");
    assert_eq!(founded(&bench), 0);
}

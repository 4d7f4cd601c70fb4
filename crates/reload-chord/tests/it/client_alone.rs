//! One client, its search for the responsible peer and the loss of its links (section 4.2.1).

use reload_chord::Role;
use reload_topology::{Action, Input, Phase, Route, Target, TaskId, Topology, TopologyEvent};
use reload_wire::ResourceId;

use crate::duties::{attached, attaches, events, failed, resource};
use crate::requests::{Rig, node};

fn client(dialable: bool) -> (Rig, Vec<Action>) {
    let mut rig = Rig::with_role(100, Role::Client { dialable });
    rig.input(Input::LinkUp(node(5)));
    let actions = rig.input(Input::Join { bootstrap: node(5) });
    (rig, actions)
}

/// A client that has found its peer, 150.
fn at_home() -> Rig {
    let (mut rig, actions) = client(true);
    let (task, to) = attaches(&actions)[0].clone();
    assert_eq!(to, [resource(100)]);
    let actions = attached(&mut rig, task, 150);
    assert!(events(&actions).contains(&TopologyEvent::Joined));
    rig
}

fn gateway(rig: &Rig) -> Route {
    rig.chord.route(&Target::Resource(ResourceId::from_u128(7)))
}

#[test]
fn the_search_is_repeated_six_times_with_growing_pauses() {
    let (mut rig, actions) = client(true);
    let mut task: TaskId = attaches(&actions)[0].0;
    for shift in [1, 2, 3, 4, 5, 6] {
        let actions = failed(&mut rig, task);
        assert!(attaches(&actions).is_empty() && events(&actions).is_empty());
        assert_eq!(gateway(&rig), Route::Next(node(5)), "it works meanwhile");
        let pause = 500 << shift;
        assert!(attaches(&rig.pass_ms(pause * 3 / 4 - 1)).is_empty(), "less than {pause} ms");
        task = attaches(&rig.pass_ms(pause / 2 + 2))[0].0;
    }
    let events = events(&failed(&mut rig, task));
    assert!(matches!(&events[..], [TopologyEvent::JoinFailed { .. }]), "{events:?}");
    assert_eq!(rig.chord.view().phase, Phase::Idle);
}

// R6940-4.2.1-01
#[test]
fn a_nearer_peer_that_the_home_peer_names_is_searched_for_once() {
    let mut rig = at_home();
    assert!(attaches(&rig.update(150, &[90, 80], &[160])).is_empty(), "nobody is nearer");
    assert!(attaches(&rig.update(160, &[120], &[170])).is_empty(), "not its peer");
    let actions = rig.update(150, &[120, 90], &[160]);
    let (task, to) = attaches(&actions)[0].clone();
    assert_eq!(to, [resource(100)]);
    assert!(attaches(&rig.update(150, &[120, 90], &[160])).is_empty(), "it runs");
    attached(&mut rig, task, 120);
    assert_eq!(gateway(&rig), Route::Next(node(120)));
}

#[test]
fn a_client_that_cannot_be_dialled_stays_where_it_is() {
    let (mut rig, actions) = client(false);
    assert!(attaches(&actions).is_empty());
    assert!(attaches(&rig.update(5, &[120, 90], &[160])).is_empty());
    assert_eq!(gateway(&rig), Route::Next(node(5)));
    rig.input(Input::LinkUp(node(6)));
    assert!(attaches(&rig.input(Input::LinkDown(node(5)))).is_empty(), "nor does it search");
    assert_eq!(gateway(&rig), Route::Next(node(6)));
}

#[test]
fn the_loss_of_the_home_peer_makes_a_client_search_again() {
    let mut rig = at_home();
    rig.input(Input::LinkUp(node(6)));
    assert!(attaches(&rig.input(Input::LinkDown(node(6)))).is_empty(), "another link");
    let actions = rig.input(Input::LinkDown(node(150)));
    assert_eq!(attaches(&actions)[0].1, [resource(100)]);
    assert_eq!(gateway(&rig), Route::Next(node(5)));
}

#[test]
fn a_client_without_any_link_is_isolated() {
    let (mut rig, _) = client(false);
    rig.input(Input::LinkFailing(node(5)));
    assert_eq!(rig.chord.view().phase, Phase::Client, "the link may come back");
    let actions = rig.input(Input::LinkDown(node(5)));
    assert_eq!(events(&actions), [TopologyEvent::Isolated]);
    assert_eq!(gateway(&rig), Route::Nowhere);
}

#[test]
fn a_client_needs_a_link_to_its_bootstrap_peer() {
    let mut rig = Rig::with_role(100, Role::Client { dialable: false });
    let events = events(&rig.input(Input::Join { bootstrap: node(5) }));
    assert!(matches!(&events[..], [TopologyEvent::JoinFailed { .. }]), "{events:?}");
}

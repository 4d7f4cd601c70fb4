//! One joining node and what goes wrong on its way (section 10.5), with the pauses between its tries.

use bytes::Bytes;
use reload_topology::{Action, Failure, Input, Phase, TaskAnswer, TaskId, Topology, TopologyEvent};
use reload_wire::{Destination, ErrorCode};

use crate::duties::{attached, attaches, events, failed, full, heard, joins, pings, resource};
use crate::requests::{Rig, node};

fn joining() -> (Rig, TaskId) {
    let mut rig = Rig::new(100);
    rig.input(Input::LinkUp(node(5)));
    let actions = rig.input(Input::Join { bootstrap: node(5) });
    let task = attaches(&actions)[0].0;
    (rig, task)
}

fn reached(actions: &[Action]) -> Vec<u128> {
    let step = |event: TopologyEvent| match event {
        TopologyEvent::Joining { node: Some(node), .. } => node.to_u128(),
        _ => None,
    };
    events(actions).into_iter().filter_map(step).collect()
}

fn reaches(actions: &[Action]) -> Vec<(TaskId, u128)> {
    let peer = |(task, to): (TaskId, Vec<Destination>)| match to.last() {
        Some(Destination::Node(peer)) => Some((task, peer.to_u128()?)),
        _ => None,
    };
    attaches(actions).into_iter().filter_map(peer).collect()
}

/// A node whose Join was answered by 150, with its neighbors 60 to 90 and 160 to 180.
fn admitted() -> Rig {
    let (mut rig, actions) = heard();
    let mut asked = Vec::new();
    for (task, peer) in reaches(&actions) {
        attached(&mut rig, task, peer);
        asked = rig.update(peer, &[], &[]);
    }
    let task = asked.iter().find_map(|action| match action {
        Action::Join { task, .. } => Some(*task),
        _ => None,
    });
    let answer = TaskAnswer::Answered { by: node(150), body: Bytes::from_static(&[0, 0]) };
    rig.input(Input::Done { task: task.expect("a Join"), result: Ok(answer) });
    rig
}

fn named(rig: &mut Rig) -> Vec<Action> {
    full(rig, 150, &[100, 95, 90, 80], &[160, 170, 180], &[])
}

fn is_peer(rig: &Rig) -> bool {
    rig.chord.view().phase == Phase::Peer
}

// R6940-10.5-05
#[test]
fn the_join_waits_for_the_updates_that_were_asked_for_but_not_for_ever() {
    let (mut rig, actions) = heard();
    let wanted = reaches(&actions);
    for (task, peer) in &wanted {
        assert!(joins(&attached(&mut rig, *task, *peer)).is_empty(), "{peer} owes an Update");
    }
    for (_, peer) in &wanted[1..] {
        assert!(joins(&rig.update(*peer, &[], &[])).is_empty());
    }
    assert!(joins(&rig.pass_ms(4999)).is_empty());
    assert_eq!(joins(&rig.pass_ms(1)), [node(150)]);
}

#[test]
fn a_nearer_predecessor_that_the_naming_update_shows_is_attached_to_first() {
    let mut rig = admitted();
    let reach = reaches(&named(&mut rig));
    assert_eq!(reach.iter().map(|(_, peer)| *peer).collect::<Vec<_>>(), [95]);
    assert!(!is_peer(&rig), "it waits for the Attach");
    attached(&mut rig, reach[0].0, 95);
    assert!(!is_peer(&rig), "and for the Update");
    rig.pass(1);
    rig.update(95, &[90], &[150]);
    assert!(is_peer(&rig));
    assert_eq!(rig.chord.view().predecessors[0], node(95));
}

#[test]
fn a_predecessor_that_cannot_be_reached_does_not_hold_up_the_join() {
    let mut rig = admitted();
    let mut open = reaches(&named(&mut rig));
    for _ in 0..2 {
        assert!(!is_peer(&rig));
        open = reaches(&failed(&mut rig, open[0].0));
    }
    assert!(is_peer(&rig) && open.is_empty());
    let mut rig = admitted();
    named(&mut rig);
    rig.pass_ms(4999);
    assert!(!is_peer(&rig));
    rig.pass_ms(1);
    assert!(is_peer(&rig), "nor one that does not answer");
}

#[test]
fn the_patience_for_an_update_ends_after_five_seconds() {
    let mut rig = admitted();
    let reach = reaches(&rig.update(90, &[80], &[95]));
    attached(&mut rig, reach[0].0, 95);
    rig.pass(2);
    named(&mut rig);
    rig.pass_ms(2999);
    rig.input(Input::LinkUp(node(7)));
    assert!(!is_peer(&rig));
    rig.pass_ms(1);
    rig.input(Input::LinkUp(node(8)));
    assert!(is_peer(&rig));
}

#[test]
fn the_loss_of_the_peer_that_was_found_makes_it_look_for_another_soon() {
    let (mut rig, task) = joining();
    attached(&mut rig, task, 150);
    assert!(attaches(&rig.input(Input::LinkDown(node(150)))).is_empty());
    let again = attaches(&rig.pass(1));
    assert_eq!(again[0].1, [resource(101)]);
}

#[test]
fn a_peer_that_sends_no_update_is_not_waited_for_longer_than_five_seconds() {
    let (mut rig, task) = joining();
    attached(&mut rig, task, 150);
    assert!(attaches(&rig.pass_ms(4999)).is_empty());
    assert_eq!(attaches(&rig.pass(1)).len(), 1);
}

#[test]
fn a_hand_over_is_waited_for_a_minute() {
    let mut rig = admitted();
    assert!(joins(&rig.pass_ms(59_999)).is_empty());
    assert_eq!(joins(&rig.pass(1)), [node(150)]);
}

// R6940-10.5-01
#[test]
fn a_failing_step_is_repeated_twelve_times_with_growing_pauses() {
    let (mut rig, mut task) = joining();
    for shift in [1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5] {
        let actions = failed(&mut rig, task);
        assert!(attaches(&actions).is_empty() && events(&actions).is_empty(), "{actions:?}");
        let pause = 100 << shift;
        assert!(attaches(&rig.pass_ms(pause * 3 / 4 - 1)).is_empty(), "less than {pause} ms");
        let (next, to) = attaches(&rig.pass_ms(pause / 2 + 2))[0].clone();
        assert_eq!(to, [resource(101)]);
        task = next;
    }
    let events = events(&failed(&mut rig, task));
    assert!(matches!(&events[..], [TopologyEvent::JoinFailed { .. }]), "{events:?}");
    assert_eq!(rig.chord.view().phase, Phase::Idle);
}

#[test]
fn a_join_that_is_refused_is_repeated_at_the_nearer_peer_that_has_come() {
    let mut rig = admitted();
    rig.pass(61); // the Join again
    let mut rig2 = rig;
    rig2.input(Input::LinkUp(node(130)));
    let asked = rig2.update(130, &[90], &[150]);
    assert!(joins(&asked).is_empty(), "one Join at a time");
    let refused = Err(Failure::Refused(ErrorCode::NOT_FOUND));
    for task in 0..40 {
        rig2.input(Input::Done { task: TaskId(task), result: refused.clone() });
    }
    assert_eq!(joins(&rig2.pass(10)).first(), Some(&node(130)));
}

#[test]
fn a_join_that_begins_anew_forgets_what_the_old_one_asked_for() {
    let (mut rig, old) = joining();
    rig.input(Input::LinkUp(node(6)));
    let actions = rig.input(Input::Join { bootstrap: node(6) });
    let task = attaches(&actions)[0].0;
    assert!(failed(&mut rig, old).is_empty());
    assert_eq!(rig.chord.wakeup(), None, "nothing is to be repeated");
    assert!(reached(&attached(&mut rig, task, 150)).contains(&150));
}

#[test]
fn only_a_peer_founds_an_overlay_and_only_once() {
    let mut rig = Rig::with_role(100, reload_chord::Role::Client { dialable: true });
    assert!(rig.input(Input::Found).is_empty());
    assert_eq!(rig.chord.view().phase, Phase::Idle);
    let mut rig = Rig::founded(100);
    assert!(rig.input(Input::Found).is_empty());
}

#[test]
fn a_founder_that_is_alone_joins_and_one_with_neighbors_looks_for_another_ring() {
    let mut rig = Rig::founded(100);
    rig.input(Input::LinkUp(node(5)));
    let actions = rig.input(Input::Join { bootstrap: node(5) });
    assert!(pings(&actions).is_empty());
    assert_eq!(attaches(&actions)[0].1, [resource(101)]);
    assert_eq!(rig.chord.view().phase, Phase::Joining);
    let mut rig = Rig::founded(100);
    rig.with_peer(50);
    rig.input(Input::LinkUp(node(5)));
    let actions = rig.input(Input::Join { bootstrap: node(5) });
    assert_eq!(pings(&actions), [vec![node(5).into(), resource(100)]]);
    assert!(is_peer(&rig));
}

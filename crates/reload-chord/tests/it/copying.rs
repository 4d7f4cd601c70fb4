//! When copies are made, repeated and dropped (sections 10.4, 10.7.1, 10.7.3 and 10.9).

use reload_topology::{Action, CopyReason, Input, Phase, Range, TaskId, Topology, TopologyRequest};
use reload_wire::LeaveReq;

use crate::duties::{attached, attaches, copied, events, failed};
use crate::requests::{Rig, copies, node, range};

/// A peer among eight neighbors that has made every copy, minutes ago.
pub(crate) fn calm() -> Rig {
    let mut rig = Rig::founded(100);
    let mut made = Vec::new();
    for peer in [60, 70, 80, 90, 110, 120, 130, 140] {
        made.extend(copies(&rig.with_peer(peer)));
    }
    for _ in 0..6 {
        made.drain(..).for_each(|(task, ..)| drop(copied(&mut rig, task)));
        made = copies(&rig.pass(20));
    }
    rig
}

fn kept(actions: &[Action]) -> Vec<Range> {
    let keep = |action: &Action| match action {
        Action::Forget { keep } => Some(keep.clone()),
        _ => None,
    };
    actions.iter().filter_map(keep).collect()
}

fn leave_of(rig: &mut Rig, peer: u128) -> Vec<Action> {
    let overlay_specific_data = bytes::Bytes::new();
    let leave = LeaveReq { leaving_peer_id: node(peer), overlay_specific_data };
    rig.request(peer, true, TopologyRequest::Leave(leave))
}

fn answered(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Answer { result: Ok(_), .. }))
}

fn told_to_leave(actions: &[Action]) -> Vec<TaskId> {
    let leave = |action: &Action| match action {
        Action::Leave { task, .. } => Some(*task),
        _ => None,
    };
    actions.iter().filter_map(leave).collect()
}

/// The one copy among the actions of the next `millis`.
fn copy_within(rig: &mut Rig, millis: u64) -> Option<(TaskId, u128, Range, CopyReason)> {
    let made = copies(&rig.pass_ms(millis));
    assert!(made.len() < 2, "{made:?}");
    made.first().cloned()
}

#[test]
fn what_the_replica_set_has_is_not_copied_again() {
    let mut rig = calm();
    assert_eq!(copies(&rig.pass(300)), []);
}

// R6940-10.7.3-05
#[test]
fn a_range_that_widens_twice_within_half_a_second_is_copied_once_to_both_members() {
    let mut rig = calm();
    let mut early = rig.input(Input::LinkDown(node(90)));
    early.extend(rig.pass_ms(400));
    early.extend(rig.input(Input::LinkDown(node(80))));
    early.extend(rig.pass_ms(99));
    assert_eq!(copies(&early), []);
    let made = copies(&rig.pass_ms(1));
    let made: Vec<_> = made.into_iter().map(|(_, to, stretch, why)| (to, stretch, why)).collect();
    let expected = |to| (to, range(70, 90), CopyReason::Replica);
    assert_eq!(made, [expected(110), expected(120)]);
}

#[test]
fn a_range_that_widens_by_a_leave_is_copied_at_once() {
    let mut rig = calm();
    let made = copies(&leave_of(&mut rig, 90));
    let made: Vec<_> = made.into_iter().map(|(_, to, stretch, _)| (to, stretch)).collect();
    assert_eq!(made, [(110, range(80, 90)), (120, range(80, 90))]); // E108
}

// R6940-6.4.2.3-02
#[test]
fn a_nearer_predecessor_gets_the_values_that_are_its_own() {
    let mut rig = calm();
    rig.input(Input::LinkUp(node(95)));
    let actions = rig.update(95, &[90], &[100]);
    let (_, to, stretch, why) = copies(&actions)[0].clone();
    assert_eq!((to, stretch, why), (95, range(90, 95), CopyReason::HandOver));
}

#[test]
fn an_admitted_peer_has_its_values_and_gets_them_once() {
    let mut rig = calm();
    rig.input(Input::LinkUp(node(95)));
    let (task, ..) = copies(&rig.join(95, true, 95))[0].clone();
    let mut actions = copied(&mut rig, task);
    actions.extend(rig.pass(20));
    assert!(copies(&actions).iter().all(|(_, to, ..)| *to != 95), "{actions:?}");
}

#[test]
fn a_hand_over_that_fails_is_repeated_ever_later_ten_times_in_all() {
    let mut rig = calm();
    rig.input(Input::LinkUp(node(95)));
    let mut task = copies(&rig.update(95, &[90], &[100]))[0].0;
    for pause in [2, 4, 8, 16, 16, 16, 16, 16, 16] {
        failed(&mut rig, task);
        assert_eq!(copy_within(&mut rig, 1000 * pause - 1), None, "{pause} s");
        let (next, to, stretch, _) = copy_within(&mut rig, 1).expect("it is repeated");
        assert_eq!((to, stretch), (95, range(90, 95)));
        task = next;
    }
    failed(&mut rig, task);
    assert_eq!(copies(&rig.pass(60)), []);
}

#[test]
fn a_copy_to_the_replica_set_that_fails_is_repeated_ever_later_for_ever() {
    let mut rig = calm();
    let mut actions = rig.input(Input::LinkDown(node(90)));
    actions.extend(rig.pass(1));
    let made = copies(&actions);
    copied(&mut rig, made[0].0);
    let mut task = made[1].0;
    for pause in [2, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16, 16] {
        failed(&mut rig, task);
        assert_eq!(copy_within(&mut rig, 1000 * pause - 1), None, "{pause} s");
        let (next, to, stretch, _) = copy_within(&mut rig, 1).expect("it is repeated");
        assert_eq!((to, stretch), (120, range(80, 90)));
        task = next;
    }
    copied(&mut rig, task);
    assert_eq!(copies(&rig.pass(60)), []);
}

// R6940-6.4.2.2-06
#[test]
fn a_leave_is_answered_at_the_latest_after_two_and_a_half_seconds() {
    let mut rig = calm();
    let actions = leave_of(&mut rig, 110);
    assert_eq!(copies(&actions).len(), 1, "a copy runs");
    assert!(!answered(&actions) && !answered(&rig.pass_ms(2499)));
    assert!(answered(&rig.pass_ms(1)));
}

#[test]
fn a_leave_does_not_wait_for_the_repetition_of_a_copy() {
    let mut rig = calm();
    let actions = leave_of(&mut rig, 110);
    let task = copies(&actions)[0].0;
    assert!(answered(&failed(&mut rig, task)));
}

#[test]
fn a_leaver_copies_only_what_its_successors_lack() {
    let mut rig = calm();
    let actions = rig.input(Input::Leave);
    assert_eq!(copies(&actions), []);
    assert_eq!(told_to_leave(&actions).len(), 8);
    let mut rig = Rig::founded(100);
    for peer in [90, 110, 120] {
        rig.with_peer(peer);
    }
    let actions = rig.input(Input::Leave);
    let mut made = copies(&actions);
    made.retain(|(_, to, stretch, _)| [110, 120].contains(to) && *stretch == range(90, 100));
    assert_eq!(made.len(), 2, "{actions:?}");
    assert_eq!(told_to_leave(&actions), []);
    copied(&mut rig, made[0].0);
    let actions = copied(&mut rig, made[1].0);
    assert_eq!(told_to_leave(&actions).len(), 3);
}

// R6940-6.4.2.2-03
#[test]
fn a_leaver_waits_five_seconds_for_answers_and_not_longer_for_copies_than_two() {
    let mut rig = calm();
    assert_eq!(told_to_leave(&rig.input(Input::Leave)).len(), 8);
    rig.pass_ms(4999);
    assert_eq!(rig.chord.view().phase, Phase::Leaving);
    let left = rig.pass_ms(1);
    assert!(events(&left).contains(&reload_topology::TopologyEvent::Left));
    let mut rig = Rig::founded(100);
    rig.with_peer(90);
    assert_eq!(told_to_leave(&rig.input(Input::Leave)), [], "the copy runs");
    assert_eq!(told_to_leave(&rig.pass_ms(1999)), []);
    assert_eq!(told_to_leave(&rig.pass_ms(1)).len(), 1);
}

#[test]
fn a_leaver_whose_neighbors_have_answered_is_gone_at_once() {
    let mut rig = calm();
    let mut actions = rig.input(Input::Leave);
    for task in told_to_leave(&actions.clone()) {
        assert!(!events(&actions).contains(&reload_topology::TopologyEvent::Left));
        actions = failed(&mut rig, task);
    }
    assert!(events(&actions).contains(&reload_topology::TopologyEvent::Left));
}

// R6940-10.7.3-07
#[test]
fn what_lies_before_the_third_predecessor_is_dropped_a_minute_after_the_last_change() {
    let mut rig = calm();
    rig.input(Input::LinkDown(node(140)));
    assert_eq!(kept(&rig.pass_ms(59_999)), []);
    assert_eq!(kept(&rig.pass_ms(1)), [range(70, 100)]);
}

#[test]
fn nothing_is_dropped_while_a_hand_over_has_not_succeeded() {
    let mut rig = calm();
    rig.input(Input::LinkUp(node(95)));
    let mut task = copies(&rig.update(95, &[90], &[100]))[0].0;
    let mut dropped = Vec::new();
    for pause in [2, 4, 8, 16, 16, 16] {
        dropped.extend(kept(&failed(&mut rig, task)));
        let actions = rig.pass(pause);
        dropped.extend(kept(&actions));
        task = copies(&actions)[0].0;
    }
    assert_eq!(dropped, []);
    copied(&mut rig, task);
    assert_eq!(kept(&rig.pass(61)), [range(80, 100)]);
}

#[test]
fn nothing_is_dropped_while_a_copy_to_the_replica_set_runs() {
    let mut rig = calm();
    let mut actions = rig.input(Input::LinkDown(node(90)));
    actions.extend(rig.pass(1));
    let made = copies(&actions);
    assert_eq!(kept(&rig.pass(130)), []);
    made.into_iter().for_each(|(task, ..)| drop(copied(&mut rig, task)));
    assert_eq!(kept(&rig.pass(61)), [range(60, 100)]);
}

#[test]
fn nothing_is_dropped_while_a_joining_node_gets_its_values() {
    let mut rig = calm();
    rig.input(Input::LinkDown(node(140)));
    rig.input(Input::LinkUp(node(95)));
    let (task, ..) = copies(&rig.join(95, true, 95))[0].clone();
    assert_eq!(kept(&rig.pass(130)), []);
    copied(&mut rig, task);
    assert_eq!(kept(&rig.pass(61)), [range(80, 100)]);
}

// R6940-10.7.1-05, R6940-10.7.1-06
#[test]
fn a_link_that_works_again_brings_its_peer_back_at_once() {
    let mut rig = calm();
    rig.input(Input::LinkFailing(node(110)));
    assert_eq!(rig.chord.view().successors[0], node(120));
    let actions = rig.input(Input::LinkRestored(node(110)));
    assert_eq!(rig.chord.view().successors[0], node(110));
    assert!(crate::duties::told(&actions).contains(&110));
    assert!(attaches(&rig.pass(120)).iter().all(|(_, to)| to.last() != Some(&node(110).into())));
}

#[test]
fn a_peer_that_is_linked_again_after_its_loss_is_asked_no_more() {
    let mut rig = calm();
    rig.input(Input::LinkDown(node(110)));
    let (task, to) = attaches(&rig.pass(6))[0].clone();
    assert_eq!(to, [node(120).into(), node(110).into()], "through the neighbor nearest to it");
    attached(&mut rig, task, 110);
    rig.update(110, &[100], &[120]);
    assert!(attaches(&rig.pass(120)).iter().all(|(_, to)| to.last() != Some(&node(110).into())));
}

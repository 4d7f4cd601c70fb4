//! Who is told what and when (sections 10.7.1, 10.7.3 and 10.7.4): repeated Updates, rounds, doubts,
//! losses, and the attempts at peers that were named.

use bytes::Bytes;
use reload_topology::{
    Action, Failure, Input, Phase, TaskAnswer, TaskId, Topology, TopologyEvent, TopologyRequest,
};
use reload_wire::{ChordUpdateKind, Destination, ErrorCode, LeaveReq};

use crate::copying::calm;
use crate::duties::{attaches, events, failed, pings, told};
use crate::requests::{Rig, node, updates};

fn update_to(actions: &[Action], peer: u128) -> Option<TaskId> {
    actions.iter().find_map(|action| match action {
        Action::Update { task, to, .. } if *to == node(peer) => Some(*task),
        _ => None,
    })
}

fn attaches_to(actions: &[Action], peer: u128) -> Vec<TaskId> {
    let attaches = attaches(actions).into_iter();
    let to_peer = attaches.filter(|(_, to)| to.last() == Some(&Destination::Node(node(peer))));
    to_peer.map(|(task, _)| task).collect()
}

/// The searches that run, to be answered.
fn searches(actions: &[Action]) -> Vec<(TaskId, u128)> {
    let search = |action: &Action| match action {
        Action::Ping { task, to } => match &to[..] {
            [Destination::Resource(id)] => Some((*task, id.to_u128()?)),
            _ => None,
        },
        _ => None,
    };
    actions.iter().filter_map(search).collect()
}

// R6940-10.7.3-03
#[test]
fn an_update_that_shows_nothing_new_is_not_answered_by_another() {
    let mut rig = calm();
    assert_eq!(told(&rig.update(110, &[100, 90, 80, 70], &[120, 130, 140, 60])), [0; 0]);
    assert_eq!(told(&rig.update(110, &[100, 90, 80], &[120, 130, 140])), [0; 0]);
}

#[test]
fn a_peer_that_does_not_list_this_one_gets_its_update() {
    let mut rig = calm();
    assert_eq!(told(&rig.update(110, &[90, 80, 70], &[120, 130, 140])), [110]);
    assert_eq!(told(&rig.update(60, &[140, 130, 120], &[70, 80, 90])), [0; 0], "100 is too far");
}

#[test]
fn a_peer_that_was_none_before_gets_an_update_even_if_it_lists_this_one() {
    let mut rig = calm();
    rig.input(Input::LinkUp(node(1 << 127)));
    assert_eq!(told(&rig.update(1 << 127, &[140, 130, 120], &[60, 70, 80])), [1 << 127]);
}

// R6940-10.7.1-01
#[test]
fn a_neighbor_that_another_one_no_longer_lists_is_asked_by_an_update() {
    let mut rig = calm();
    assert_eq!(told(&rig.update(110, &[100, 90, 80, 70], &[130, 140, 60, 70])), [120]);
}

#[test]
fn a_node_that_is_named_as_a_peer_and_is_linked_is_asked_by_an_update() {
    let mut rig = calm();
    rig.input(Input::LinkUp(node(105)));
    let actions = rig.update(110, &[105, 100, 90, 80], &[120, 130, 140]);
    assert_eq!(told(&actions), [105]);
    assert_eq!(told(&rig.update(110, &[105, 100, 90, 80], &[120, 130, 140])), [0; 0], "once");
}

#[test]
fn nobody_becomes_a_peer_by_its_own_word() {
    let mut rig = Rig::founded(100);
    let actions = rig.update(50, &[50], &[50]);
    assert!(attaches(&actions).is_empty(), "{actions:?}");
}

// R6940-6.4.1-02
#[test]
fn a_change_of_the_neighbors_is_an_event() {
    let mut rig = calm();
    assert_eq!(events(&rig.with_peer(105)), [TopologyEvent::Changed]);
    assert_eq!(events(&rig.update(105, &[], &[])), []);
}

// R6940-10.7.4.1-01
#[test]
fn a_change_is_followed_by_three_quick_rounds() {
    let mut rig = calm();
    rig.with_peer(105);
    let mut at = Vec::new();
    for tenth in 1..=200 {
        if told(&rig.pass_ms(100)).contains(&110) {
            at.push(tenth);
        }
    }
    assert_eq!(at.len(), 3, "{at:?}");
    assert!((8..=13).contains(&at[0]), "{at:?}");
    assert!((15..=26).contains(&(at[1] - at[0])), "{at:?}");
    assert!((52..=88).contains(&(at[2] - at[1])), "{at:?}");
}

// R6940-10.7.4.1-01, R6940-10.7.4.2-01
#[test]
fn rounds_and_searches_begin_with_being_a_peer() {
    let mut rig = calm();
    assert_eq!(told(&rig.pass(1600)), [60, 70, 80, 90, 110, 120, 130, 140]);
    let searched = pings(&rig.pass(4600)).len();
    assert!((1..=3).contains(&searched), "{searched} searches in an hour and a quarter");
}

// R6940-10.7.3-03
#[test]
fn an_update_without_an_answer_is_repeated_after_a_second_and_then_the_peer_is_lost() {
    let mut rig = calm();
    rig.silent = true;
    let actions = rig.input(Input::UpdateWanted(node(110)));
    failed(&mut rig, update_to(&actions, 110).unwrap());
    assert_eq!(rig.chord.view().successors[0], node(110), "once is no loss");
    assert_eq!(update_to(&rig.pass_ms(999), 110), None);
    let again = update_to(&rig.pass_ms(1), 110).expect("it is repeated");
    failed(&mut rig, again);
    assert_eq!(rig.chord.view().successors[0], node(120));
}

#[test]
fn a_refused_update_is_an_answer() {
    let mut rig = calm();
    rig.silent = true;
    for _ in 0..3 {
        let actions = rig.input(Input::UpdateWanted(node(110)));
        let task = update_to(&actions, 110).unwrap();
        let result = Err(Failure::Refused(ErrorCode::FORBIDDEN));
        rig.input(Input::Done { task, result });
        assert_eq!(update_to(&rig.pass(3), 110), None, "it is not repeated");
    }
    assert_eq!(rig.chord.view().successors[0], node(110));
}

#[test]
fn a_newer_update_waits_half_a_second_for_the_answer_to_the_one_before() {
    let mut rig = calm();
    rig.silent = true;
    assert!(update_to(&rig.input(Input::UpdateWanted(node(110))), 110).is_some());
    assert_eq!(update_to(&rig.input(Input::UpdateWanted(node(110))), 110), None);
    assert_eq!(update_to(&rig.pass_ms(499), 110), None);
    assert!(update_to(&rig.pass_ms(1), 110).is_some());
}

// R6940-10.7.1-05
#[test]
fn a_lost_neighbor_is_tried_after_5_25_and_85_seconds() {
    let mut rig = calm();
    rig.input(Input::LinkDown(node(110)));
    let mut at = Vec::new();
    for second in 1..=300 {
        for task in attaches_to(&rig.pass(1), 110) {
            at.push(second);
            assert_eq!(attaches_to(&failed(&mut rig, task), 110), []);
        }
    }
    assert_eq!(at, [5, 25, 85]);
}

// R6940-10.7.1-05
#[test]
fn a_lost_neighbor_is_not_tried_sooner_because_others_name_it() {
    let mut rig = calm();
    rig.input(Input::LinkDown(node(110)));
    for _ in 0..4 {
        let mut actions = rig.update(120, &[110, 100, 90], &[130, 140]);
        actions.extend(rig.pass(1));
        assert_eq!(attaches_to(&actions, 110), []);
    }
    assert_eq!(attaches_to(&rig.pass(1), 110).len(), 1);
}

// R6940-10.7.2-01
#[test]
fn a_lost_finger_is_not_attached_to_again() {
    let mut rig = calm();
    rig.with_peer(1 << 127);
    rig.pass(20);
    let mut actions = rig.input(Input::LinkDown(node(1 << 127)));
    actions.extend(rig.pass(120));
    assert_eq!(attaches_to(&actions, 1 << 127), []);
}

// R6940-10.7.1-07, R6940-10.7.1-08
#[test]
fn a_peer_whose_one_neighbor_left_and_the_other_failed_goes_on_alone() {
    for (in_order, phase) in [(true, Phase::Peer), (false, Phase::Idle)] {
        let mut rig = Rig::founded(100);
        rig.with_peer(50);
        rig.with_peer(110);
        rig.pass(100);
        if in_order {
            let overlay_specific_data = Bytes::new();
            let leave = LeaveReq { leaving_peer_id: node(110), overlay_specific_data };
            rig.request(110, true, TopologyRequest::Leave(leave));
        } else {
            rig.input(Input::LinkDown(node(110)));
        }
        let actions = rig.input(Input::LinkDown(node(50)));
        assert!(events(&actions).contains(&TopologyEvent::Isolated));
        assert_eq!(rig.chord.view().phase, phase);
    }
}

#[test]
fn a_named_peer_that_cannot_be_reached_is_tried_twice_and_again_after_ten_seconds() {
    let mut rig = calm();
    let mut actions = rig.update(110, &[105, 100, 90], &[120, 130, 140]);
    for _ in 0..2 {
        let tasks = attaches_to(&actions, 105);
        assert_eq!(tasks.len(), 1);
        actions = failed(&mut rig, tasks[0]);
    }
    assert_eq!(attaches_to(&actions, 105), []);
    assert_eq!(attaches_to(&rig.pass_ms(9_999), 105), []);
    assert_eq!(attaches_to(&rig.pass_ms(1), 105).len(), 1);
}

// R6940-6.5.1.2-01
#[test]
fn an_attach_that_crosses_another_is_repeated_after_three_seconds_if_no_link_came() {
    let mut rig = calm();
    let actions = rig.update(110, &[105, 100, 90], &[120, 130, 140]);
    let task = attaches_to(&actions, 105)[0];
    let result = Err(Failure::Refused(ErrorCode::IN_PROGRESS));
    assert_eq!(attaches_to(&rig.input(Input::Done { task, result }), 105), []);
    assert_eq!(attaches_to(&rig.pass_ms(2_999), 105), []);
    assert_eq!(attaches_to(&rig.pass_ms(1), 105).len(), 1);
}

#[test]
fn two_searches_that_find_the_same_peer_lead_to_one_attach() {
    let mut rig = calm();
    let me = 100_u128;
    rig.input(Input::Configure { update_interval: 600, ping_interval: 20, reactive: true });
    let mut found = Vec::new();
    for _ in 0..50 {
        // entry 2 is the one that is searched most often
        let far = |(_, target): &(TaskId, u128)| target.wrapping_sub(me).leading_zeros() == 1;
        found.extend(searches(&rig.pass(20)).into_iter().filter(far));
    }
    assert!(found.len() > 2, "{found:?}");
    let by = node(me + (1 << 126) + 5);
    let answer = || Ok(TaskAnswer::Answered { by, body: Bytes::new() });
    let peer = by.to_u128().unwrap();
    let mut actions = rig.input(Input::Done { task: found[0].0, result: answer() });
    actions.extend(rig.input(Input::Done { task: found[1].0, result: answer() }));
    assert_eq!(attaches_to(&actions, peer).len(), 1);
}

// R6940-10.5-16
#[test]
fn fingers_are_attached_two_seconds_after_a_change_and_sixteen_at_once() {
    let mut rig = Rig::founded(100);
    for peer in [60, 70, 80, 90, 110, 120, 130, 140] {
        rig.with_peer(peer);
    }
    assert!(attaches(&rig.pass_ms(1_999)).is_empty());
    let first = attaches(&rig.pass_ms(1));
    assert_eq!(first.len(), 16);
    failed(&mut rig, first[0].0);
    failed(&mut rig, first[1].0);
    rig.with_peer(105);
    assert_eq!(attaches(&rig.pass(3)).len(), 2, "as many as have ended");
}

#[test]
fn entries_that_had_nobody_are_tried_again_when_the_ring_has_doubled() {
    let mut rig = Rig::founded(0);
    let far = |step: u128| step << 110;
    let ring = |rig: &mut Rig, peers: [u128; 8]| {
        peers.into_iter().for_each(|peer| drop(rig.with_peer(peer)));
        let mut tried = Vec::new();
        for _ in 0..12 {
            let open = attaches(&rig.pass(3));
            tried.extend(open.iter().map(|(_, to)| to.clone()));
            open.into_iter().for_each(|(task, _)| drop(failed(rig, task)));
            rig.input(Input::LinkFailing(node(peers[0])));
            rig.input(Input::LinkRestored(node(peers[0])));
        }
        tried
    };
    let minus = |step: u128| 0_u128.wrapping_sub(far(step));
    let wide = [8, 16, 24, 32];
    let sides = |by: [u128; 4]| {
        let [a, b, c, d] = by;
        [far(a), far(b), far(c), far(d), minus(a), minus(b), minus(c), minus(d)]
    };
    let first = ring(&mut rig, sides(wide));
    assert!(!first.is_empty());
    assert!(ring(&mut rig, sides(wide)).is_empty(), "nothing has changed");
    let again = ring(&mut rig, sides([1, 2, 3, 4]));
    assert!(again.contains(&first[0]), "{first:?} {again:?}");
}

// R6940-10.5-16
#[test]
fn a_finger_that_is_attached_gets_an_update() {
    let mut rig = Rig::founded(100);
    for peer in [60, 70, 80, 90, 110, 120, 130, 140] {
        rig.with_peer(peer);
    }
    let (task, _) = attaches(&rig.pass_ms(2_000))[0].clone();
    let finger = 1 << 126;
    let result = Ok(TaskAnswer::Attached(node(finger)));
    let actions = rig.input(Input::Done { task, result });
    assert_eq!(updates(&actions), [(finger, ChordUpdateKind::PeerReady)]);
}

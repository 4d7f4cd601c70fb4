//! The admitting peer when more than one node joins, or a hand-over does not succeed (section 10.5).

use reload_topology::Input;
use reload_wire::ErrorCode;

use crate::duties::{copied, failed};
use crate::requests::{Rig, copies, node, range, refusal};

/// A peer in whose range (50, 100] two nodes want to join: 60 gets its values, 80 waits.
fn with_two() -> (Rig, reload_topology::TaskId) {
    let mut rig = Rig::founded(100);
    rig.with_peer(50);
    for jn in [60, 80] {
        rig.input(Input::LinkUp(node(jn)));
    }
    let first = rig.join(60, true, 60);
    assert!(rig.join(80, true, 80).is_empty(), "80 waits");
    (rig, copies(&first)[0].0)
}

#[test]
fn a_hand_over_is_tried_three_times_before_the_next_node_has_its_turn() {
    let (mut rig, mut task) = with_two();
    for _ in 0..2 {
        let again = copies(&failed(&mut rig, task));
        let (next, to, stretch, _) = again[0].clone();
        assert_eq!((to, stretch), (60, range(50, 60)));
        task = next;
    }
    let next = copies(&failed(&mut rig, task));
    let (_, to, stretch, _) = next[0].clone();
    assert_eq!((to, stretch), (80, range(50, 80)));
    assert_eq!(next.len(), 1);
}

#[test]
fn a_hand_over_to_a_node_that_is_no_longer_linked_is_not_repeated() {
    let (mut rig, task) = with_two();
    rig.input(Input::LinkFailing(node(60)));
    let next = copies(&failed(&mut rig, task));
    assert!(next.iter().all(|(_, to, ..)| *to == 80), "{next:?}");
}

#[test]
fn no_more_nodes_wait_for_their_turn_than_there_are_places() {
    let mut rig = Rig::founded(1000);
    rig.with_peer(100);
    for jn in 200..=329 {
        rig.input(Input::LinkUp(node(jn)));
    }
    assert_eq!(copies(&rig.join(200, true, 200)).len(), 1);
    for jn in 201..=328 {
        assert_eq!(refusal(&rig.join(jn, true, jn)), None, "{jn}");
    }
    assert_eq!(refusal(&rig.join(329, true, 329)), Some(ErrorCode::NOT_FOUND));
}

#[test]
fn a_peer_that_leaves_refuses_those_that_wait_to_join() {
    let (mut rig, task) = with_two();
    let actions = rig.input(Input::Leave);
    assert_eq!(refusal(&actions), Some(ErrorCode::NOT_FOUND));
    assert!(copies(&copied(&mut rig, task)).is_empty(), "nobody is admitted any more");
}

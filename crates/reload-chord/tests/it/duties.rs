//! What one instance owes to others, and when: joining, Updates, fingers, leaving (sections 10.3 to
//! 10.9).

use bytes::Bytes;
use reload_chord::{Chord, ChordConfig, Role};
use reload_topology::{
    Action, Failure, Input, Phase, Route, Target, TaskAnswer, TaskId, Topology, TopologyEvent,
    TopologyRequest,
};
use reload_wire::{
    ChordLeaveData, ChordUpdate, ChordUpdateKind, Decode, Destination, Dialect, Encode, NodeId,
    ResourceId, RouteQueryReq,
};

use crate::requests::{Rig, node, updates};

pub(crate) fn resource(id: u128) -> Destination {
    Destination::Resource(ResourceId::from_u128(id))
}

pub(crate) fn attaches(actions: &[Action]) -> Vec<(TaskId, Vec<Destination>)> {
    let attach = |action: &Action| match action {
        Action::Attach { task, to, .. } => Some((*task, to.clone())),
        _ => None,
    };
    actions.iter().filter_map(attach).collect()
}

pub(crate) fn pings(actions: &[Action]) -> Vec<Vec<Destination>> {
    let ping = |action: &Action| match action {
        Action::Ping { to, .. } => Some(to.clone()),
        _ => None,
    };
    actions.iter().filter_map(ping).collect()
}

pub(crate) fn joins(actions: &[Action]) -> Vec<NodeId> {
    let join = |action: &Action| match action {
        Action::Join { to, .. } => Some(*to),
        _ => None,
    };
    actions.iter().filter_map(join).collect()
}

pub(crate) fn told(actions: &[Action]) -> Vec<u128> {
    let mut to: Vec<u128> = updates(actions).into_iter().map(|(to, _)| to).collect();
    to.sort_unstable();
    to.dedup();
    to
}

pub(crate) fn full(
    rig: &mut Rig,
    from: u128,
    before: &[u128],
    after: &[u128],
    fingers: &[u128],
) -> Vec<Action> {
    let list = |ids: &[u128]| ids.iter().copied().map(node).collect();
    let (predecessors, successors, fingers) = (list(before), list(after), list(fingers));
    let kind = ChordUpdateKind::Full { predecessors, successors, fingers };
    let body = ChordUpdate { uptime: 1, kind }.to_bytes().expect("it fits");
    rig.request(from, true, TopologyRequest::Update(body))
}

pub(crate) fn attached(rig: &mut Rig, task: TaskId, to: u128) -> Vec<Action> {
    rig.input(Input::LinkUp(node(to)));
    rig.input(Input::Done { task, result: Ok(TaskAnswer::Attached(node(to))) })
}

pub(crate) fn copied(rig: &mut Rig, task: TaskId) -> Vec<Action> {
    rig.input(Input::Done { task, result: Ok(TaskAnswer::Copied) })
}

pub(crate) fn failed(rig: &mut Rig, task: TaskId) -> Vec<Action> {
    rig.input(Input::Done { task, result: Err(Failure::Timeout) })
}

pub(crate) fn events(actions: &[Action]) -> Vec<TopologyEvent> {
    let event = |action: &Action| match action {
        Action::Event(event) => Some(event.clone()),
        _ => None,
    };
    actions.iter().filter_map(event).collect()
}

/// A peer among eight neighbors, with all copies made.
pub(crate) fn settled() -> Rig {
    let mut rig = Rig::founded(100);
    for peer in [60, 70, 80, 90, 110, 120, 130, 140] {
        rig.with_peer(peer);
    }
    let actions = rig.pass(40);
    for action in &actions {
        if let Action::Copy { task, .. } = action {
            rig.input(Input::Done { task: *task, result: Ok(TaskAnswer::Copied) });
        }
    }
    rig.pass(40);
    rig
}

/// A joining node that has heard its admitting peer: the actions that follow, by the Attaches.
pub(crate) fn heard() -> (Rig, Vec<Action>) {
    let mut rig = Rig::new(100);
    rig.input(Input::LinkUp(node(5)));
    let actions = rig.input(Input::Join { bootstrap: node(5) });
    let (task, to) = attaches(&actions)[0].clone();
    assert_eq!(to, [resource(101)]);
    attached(&mut rig, task, 150);
    let actions = full(&mut rig, 150, &[90, 80, 70, 60], &[160, 170, 180], &[]);
    (rig, actions)
}

// R6940-10.5-03, R6940-10.5-04, R6940-10.5-05, R6940-10.5-13, R6940-10.5-17, R6940-11.4-04,
// R6940-12-01, R6940-12-02
#[test]
fn a_joining_node_attaches_to_its_neighbors_before_it_joins() {
    let (mut rig, actions) = heard();
    let mut wanted: Vec<u128> = Vec::new();
    let mut asked = joins(&actions);
    for (task, to) in attaches(&actions) {
        let [Destination::Node(via), Destination::Node(peer)] = &to[..] else { continue };
        assert_eq!(*via, node(150), "through the peer that named it (10.6)");
        assert!(asked.is_empty(), "the Join waits for the Attaches");
        let peer = peer.to_u128().unwrap();
        wanted.push(peer);
        asked.extend(joins(&attached(&mut rig, task, peer)));
        let actions = rig.update(peer, &[], &[]);
        assert!(updates(&actions).is_empty(), "no Update before the Join");
        assert_eq!(rig.chord.route(&Target::Node(node(peer))), Route::Next(node(peer)));
        asked.extend(joins(&actions));
    }
    wanted.sort_unstable();
    assert_eq!(wanted, [60, 70, 80, 90, 160, 170, 180]);
    assert_eq!(asked, [node(150)], "the first successor admits");
    // All that were contacted are next hops of its own messages.
    let hop = |key: u128| rig.chord.route(&Target::Resource(ResourceId::from_u128(key)));
    assert_eq!(hop(155), Route::Next(node(150)));
    assert_eq!(hop(165), Route::Next(node(160)));
    assert_eq!(hop(85), Route::Next(node(80)));
}

// R6940-10.5-16, R6940-10.6-02, R6940-10.7.4.2-04, R6940-12-02
#[test]
fn a_new_peer_attaches_to_the_start_of_each_finger_range() {
    let mut rig = Rig::founded(100);
    for peer in [60, 70, 80, 90, 110, 120, 130, 140] {
        rig.with_peer(peer);
    }
    let target = |i: u32| vec![resource(100 + (1 << (128 - i)))];
    let mut next = 2; // the predecessors are in the range of entry 1
    for _ in 0..9 {
        for (task, to) in attaches(&rig.pass(3)) {
            assert_eq!(to, target(next), "entry {next}");
            next += 1;
            rig.input(Input::Done { task, result: Err(Failure::Timeout) });
        }
        // A change of the neighbors makes it go on.
        rig.input(Input::LinkFailing(node(140)));
        rig.input(Input::LinkRestored(node(140)));
    }
    assert!(next > 100, "only {next} entries");
}

// R6940-6.4.2.1-08, R6940-10.5-12, R6940-12-04
#[test]
fn an_answer_to_a_join_by_another_node_is_no_admission() {
    for (by, admitted) in [(150, true), (80, false)] {
        let (mut rig, actions) = heard();
        let mut actions = actions;
        let mut asked = Vec::new();
        for (task, to) in attaches(&actions.clone()) {
            let [Destination::Node(_), Destination::Node(peer)] = &to[..] else { continue };
            let peer = peer.to_u128().unwrap();
            attached(&mut rig, task, peer);
            actions = rig.update(peer, &[], &[]);
            asked.extend(actions.iter().find_map(|action| match action {
                Action::Join { task, .. } => Some(*task),
                _ => None,
            }));
        }
        let answer = TaskAnswer::Answered { by: node(by), body: Bytes::from_static(&[0, 0]) };
        rig.input(Input::Done { task: asked[0], result: Ok(answer) });
        let actions = full(&mut rig, 150, &[100, 90, 80, 70], &[160, 170, 180], &[]);
        let joined = rig.chord.view().phase == Phase::Peer;
        assert_eq!(joined, admitted, "JoinAns by {by}");
        let told = told(&actions);
        let all = [60, 70, 80, 90, 150, 160, 170, 180];
        assert_eq!(all.iter().all(|peer| told.contains(peer)), admitted, "step 9");
        assert_eq!(told.is_empty(), !admitted);
    }
}

// R6940-3-03, R6940-6.5.1-03, R6940-10.3-01
#[test]
fn the_link_to_a_node_is_taken_even_if_it_is_no_peer_but_not_for_a_resource() {
    let mut rig = settled();
    rig.input(Input::LinkUp(node(1000)));
    assert_eq!(rig.chord.route(&Target::Node(node(1000))), Route::Next(node(1000)));
    let same = Target::Resource(ResourceId::from_u128(1000));
    assert_eq!(rig.chord.route(&same), Route::Next(node(140)));
    rig.update(1000, &[], &[]);
    assert_eq!(rig.chord.route(&same), Route::Next(node(1000)));
}

// R6940-6.1.1-06, R6940-6.1.1-08
#[test]
fn a_node_of_the_own_range_that_is_not_connected_is_nowhere() {
    let rig = settled();
    assert_eq!(rig.chord.route(&Target::Node(node(95))), Route::Nowhere);
    assert_eq!(rig.chord.route(&Target::Resource(ResourceId::from_u128(95))), Route::Here);
}

// R6940-10.2-03
#[test]
fn resource_ids_of_another_length_lead_nowhere() {
    let rig = Rig::founded(100);
    for length in [0, 15, 17, 20] {
        let id = ResourceId::new(&vec![1; length]).unwrap();
        assert!(!rig.chord.is_responsible(&id), "{length}");
        assert_eq!(rig.chord.route(&Target::Resource(id)), Route::Nowhere, "{length}");
    }
}

// R6940-4.4-02, R6940-10.3-04, R6940-10.7-02
#[test]
fn peer_ready_makes_a_node_a_peer() {
    let mut rig = settled();
    rig.input(Input::LinkUp(node(1 << 127)));
    let target = Target::Resource(ResourceId::from_u128((1 << 127) + 5));
    assert_eq!(rig.chord.route(&target), Route::Next(node(140)));
    let body = ChordUpdate { uptime: 1, kind: ChordUpdateKind::PeerReady }.to_bytes().unwrap();
    rig.request(1 << 127, true, TopologyRequest::Update(body));
    assert_eq!(rig.chord.route(&target), Route::Next(node(1 << 127)));
}

// R6940-10.7-03, R6940-10.7-04
#[test]
fn a_full_update_goes_to_who_asked_with_fingers_in_ascending_order() {
    let mut rig = settled();
    for peer in [1 << 127, 1 << 126, 1 << 125, 3 << 126] {
        rig.with_peer(peer);
    }
    rig.input(Input::LinkUp(node(7777)));
    let actions = rig.input(Input::UpdateWanted(node(7777)));
    let (_, kind) = updates(&actions).into_iter().find(|(to, _)| *to == 7777).unwrap();
    let ChordUpdateKind::Full { predecessors, successors, fingers } = kind else {
        panic!("{kind:?}")
    };
    assert!(!predecessors.contains(&node(100)) && !successors.contains(&node(100)));
    assert_eq!(predecessors.iter().max(), Some(&node(90)));
    assert_eq!(successors.iter().min(), Some(&node(110)));
    assert!(fingers.len() > 3 && fingers.is_sorted(), "{fingers:?}");
    assert!([1_u128 << 127, 1 << 126, 1 << 125].iter().all(|f| fingers.contains(&node(*f))));
    // A neighbor gets its neighbors only.
    let actions = rig.update(110, &[90], &[120]);
    let kinds = updates(&actions);
    assert!(kinds.iter().all(|(_, kind)| matches!(kind, ChordUpdateKind::Neighbors { .. })));
}

// R6940-10.8-03
#[test]
fn a_route_query_with_send_update_is_followed_by_a_full_update() {
    let mut rig = settled();
    rig.input(Input::LinkUp(node(7777)));
    let (destination, overlay_specific_data) = (resource(95), Bytes::new());
    let query = RouteQueryReq { send_update: true, destination, overlay_specific_data };
    let mut actions = rig.request(7777, true, TopologyRequest::RouteQuery(query));
    assert!(matches!(&actions[0], Action::Answer { result: Ok(_), .. }));
    actions.extend(rig.input(Input::UpdateWanted(node(7777)))); // as the node does for the flag
    let found = updates(&actions);
    assert!(matches!(&found[..], [(7777, ChordUpdateKind::Full { .. })]), "{found:?}");
}

// R6940-6.4.2.3-04, R6940-10.7-06, R6940-10.7.1-01, R6940-10.7.1-02
#[test]
fn the_loss_of_a_successor_is_told_to_all_neighbors_at_once() {
    let mut rig = settled();
    rig.input(Input::LinkUp(node(7777)));
    let actions = rig.input(Input::LinkDown(node(110)));
    assert_eq!(told(&actions), [60, 70, 80, 90, 120, 130, 140]);
    assert_eq!(rig.chord.view().successors, [node(120), node(130), node(140), node(60)]);
    for (_, kind) in updates(&actions) {
        let ChordUpdateKind::Neighbors { successors, .. } = kind else { panic!("{kind:?}") };
        assert!(!successors.contains(&node(110)));
    }
}

// R6940-10.7.1-02, R6940-11.1-25
#[test]
fn without_reactive_recovery_nothing_is_told_at_once() {
    let mut rig = settled();
    rig.input(Input::Configure { update_interval: 600, ping_interval: 3600, reactive: false });
    let actions = rig.input(Input::LinkDown(node(110)));
    assert_eq!(told(&actions), [0; 0]);
}

// R6940-10.7.1-04, R6940-10.7.3-08
#[test]
fn the_loss_of_the_predecessor_is_told_to_every_connection() {
    let mut rig = settled();
    rig.input(Input::LinkUp(node(7777)));
    let actions = rig.input(Input::LinkDown(node(90)));
    assert_eq!(told(&actions), [60, 70, 80, 110, 120, 130, 140, 7777]);
}

// R6940-6.4.1-02, R6940-6.4.1-03, R6940-10.7.3-08
#[test]
fn a_nearer_predecessor_is_told_to_every_connection() {
    let mut rig = settled();
    rig.input(Input::LinkUp(node(7777)));
    rig.input(Input::LinkUp(node(95)));
    let actions = rig.update(95, &[], &[]);
    assert_eq!(told(&actions), [60, 70, 80, 90, 95, 110, 120, 130, 140, 7777]);
    assert_eq!(rig.chord.view().predecessors[0], node(95));
}

// R6940-6.4.2.3-04, R6940-10.7.3-03
#[test]
fn a_change_of_the_neighbors_is_told_to_every_connection_soon() {
    let mut rig = settled();
    rig.input(Input::LinkUp(node(7777)));
    rig.input(Input::LinkUp(node(105)));
    let mut actions = rig.update(105, &[], &[]);
    assert!(!told(&actions).contains(&7777));
    actions.extend(rig.pass(15));
    assert_eq!(told(&actions), [60, 70, 80, 90, 105, 110, 120, 130, 140, 7777]);
}

// R6940-10.7-05, R6940-10.7.3-01, R6940-10.7.3-02
#[test]
fn a_closer_peer_that_an_update_names_is_remembered_beside_the_others() {
    let mut rig = settled();
    let actions = rig.update(110, &[105, 90], &[120]);
    let (task, to) = attaches(&actions)[0].clone();
    assert_eq!(to, [Destination::Node(node(110)), Destination::Node(node(105))]);
    attached(&mut rig, task, 105);
    rig.update(105, &[], &[]);
    assert_eq!(rig.chord.view().successors[..2], [node(105), node(110)]);
}

// R6940-10.7.1-05, R6940-10.7.1-06
#[test]
fn a_lost_neighbor_is_out_of_the_table_until_it_is_back() {
    let mut rig = settled();
    rig.input(Input::LinkDown(node(110)));
    let actions = rig.pass(60);
    let tried = attaches(&actions).into_iter().find(|(_, to)| to.last() == Some(&node(110).into()));
    assert!(!rig.chord.view().successors.contains(&node(110)));
    let (task, _) = tried.expect("it is attached to again");
    attached(&mut rig, task, 110);
    assert!(!rig.chord.view().successors.contains(&node(110)), "not before its Update");
    rig.update(110, &[], &[]);
    assert_eq!(rig.chord.view().successors[0], node(110));
}

// R6940-10.7.2-01, R6940-10.7.2-02
#[test]
fn a_lost_finger_is_gone_and_another_is_searched_at_once() {
    let mut rig = settled();
    rig.with_peer(1 << 127);
    rig.pass(20);
    let target = Target::Resource(ResourceId::from_u128((1 << 127) + 5));
    assert_eq!(rig.chord.route(&target), Route::Next(node(1 << 127)));
    let actions = rig.input(Input::LinkDown(node(1 << 127)));
    assert_eq!(rig.chord.route(&target), Route::Next(node(140)), "the closest preceding peer");
    assert!(rig.chord.view().fingers.iter().all(|(_, peer)| *peer != node(1 << 127)));
    let [Destination::Resource(id)] = &pings(&actions)[0][..] else { panic!("{actions:?}") };
    let distance = id.to_u128().unwrap().wrapping_sub(100);
    assert!(distance >= 1 << 126, "in the range of the entry");
}

// R6940-10.7.4.1-01, R6940-10.7.4.1-03, R6940-11.1-24
#[test]
fn neighbors_get_their_updates_within_the_interval_and_not_all_together() {
    let mut rig = settled();
    rig.input(Input::Configure { update_interval: 80, ping_interval: 3600, reactive: true });
    let mut rounds = Vec::new();
    let mut all = Vec::new();
    for _ in 0..110 {
        let actions = rig.pass(1);
        let found = told(&actions);
        rounds.push(found.len());
        all.extend(found);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, [60, 70, 80, 90, 110, 120, 130, 140]);
    assert!(rounds.iter().all(|count| *count <= 2), "{rounds:?}");
}

// R6940-10.7.4.2-01, R6940-10.7.4.2-02, R6940-10.7.4.2-03, R6940-10.7.4.2-05, R6940-10.7.4.3-01,
// R6940-11.1-24
#[test]
fn fingers_are_searched_by_pings_no_more_often_than_the_interval_and_mostly_far_away() {
    let mut rig = settled();
    rig.input(Input::Configure { update_interval: 600, ping_interval: 20, reactive: true });
    let mut far = 0; // entry 1 is valid: the predecessors are in its range
    let mut count = 0;
    let mut targets = Vec::new();
    for _ in 0..400 {
        for to in pings(&rig.pass(20)) {
            let [Destination::Resource(id)] = &to[..] else { panic!("{to:?}") };
            let distance = id.to_u128().unwrap().wrapping_sub(100);
            far += u32::from(distance.leading_zeros() == 1);
            count += 1;
            targets.push(distance);
        }
    }
    assert!((300..=540).contains(&count), "{count} searches in 400 intervals");
    assert!(far * 3 > count && far * 3 < count * 2, "entry 2 in {far} of {count}");
    targets.sort_unstable();
    targets.dedup();
    assert!(targets.len() > 300, "the targets are random");
}

// R6940-10.6-02, R6940-10.7.4.2-01
#[test]
fn the_answer_to_a_search_becomes_a_finger() {
    let mut rig = settled();
    rig.input(Input::Configure { update_interval: 600, ping_interval: 20, reactive: true });
    let actions = rig.pass(40);
    let (task, to) = actions
        .iter()
        .find_map(|action| match action {
            Action::Ping { task, to } => Some((*task, to.clone())),
            _ => None,
        })
        .expect("a search");
    let [Destination::Resource(id)] = &to[..] else { panic!("{to:?}") };
    let found = id.to_u128().unwrap();
    let by = node(found);
    let answer = TaskAnswer::Answered { by, body: Bytes::new() };
    let actions = rig.input(Input::Done { task, result: Ok(answer) });
    // Not a new neighbor: routed normally, by one entry (10.6).
    assert_eq!(attaches(&actions)[0].1, [Destination::Node(by)]);
}

// R6940-6.4.2.2-02, R6940-6.4.2.2-03, R6940-10.9-01, R6940-10.9-03
#[test]
fn a_leaver_tells_each_neighbor_who_comes_in_its_place() {
    let mut rig = settled();
    let actions = rig.input(Input::Leave);
    let done: Vec<TaskId> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Copy { task, .. } => Some(*task),
            _ => None,
        })
        .collect();
    let mut actions = actions;
    for task in done {
        actions.extend(rig.input(Input::Done { task, result: Ok(TaskAnswer::Copied) }));
    }
    let mut leaves = std::collections::BTreeMap::new();
    for action in &actions {
        if let Action::Leave { to, data, .. } = action {
            let data = ChordLeaveData::decode_exact(&Dialect::default(), data).unwrap();
            assert!(leaves.insert(to.to_u128().unwrap(), data).is_none());
        }
    }
    assert_eq!(leaves.keys().copied().collect::<Vec<_>>(), [60, 70, 80, 90, 110, 120, 130, 140]);
    let list = |ids: [u128; 4]| ids.map(node).to_vec();
    assert_eq!(leaves[&90], ChordLeaveData::FromSucc(list([110, 120, 130, 140])));
    assert_eq!(leaves[&110], ChordLeaveData::FromPred(list([90, 80, 70, 60])));
}

// R6940-6.4.2.2-06, R6940-10.9-04
#[test]
fn a_leave_is_handled_like_a_failure() {
    let mut rig = settled();
    let leave = reload_wire::LeaveReq {
        leaving_peer_id: node(110),
        overlay_specific_data: ChordLeaveData::FromSucc(vec![node(115)]).to_bytes().unwrap(),
    };
    let actions = rig.request(110, true, TopologyRequest::Leave(leave));
    assert_eq!(rig.chord.view().successors[0], node(120));
    assert!(attaches(&actions).iter().any(|(_, to)| to.last() == Some(&node(115).into())));
    assert!(told(&actions).contains(&120));
}

// R6940-10.7.4.4-02, R6940-10.7.4.4-03
#[test]
fn a_ping_through_a_bootstrap_peer_finds_another_ring() {
    let mut rig = settled();
    rig.input(Input::LinkUp(node(7777)));
    let actions = rig.input(Input::Join { bootstrap: node(7777) });
    let (task, to) = actions
        .iter()
        .find_map(|action| match action {
            Action::Ping { task, to } => Some((*task, to.clone())),
            _ => None,
        })
        .expect("a Ping");
    assert_eq!(to, [Destination::Node(node(7777)), resource(100)]);
    let answer = TaskAnswer::Answered { by: node(102), body: Bytes::new() };
    let actions = rig.input(Input::Done { task, result: Ok(answer) });
    let (task, to) = attaches(&actions)[0].clone();
    assert_eq!(to, [Destination::Node(node(7777)), Destination::Node(node(102))]);
    let actions = attached(&mut rig, task, 102);
    assert!(told(&actions).contains(&102), "an Update follows the Attach");
}

// R6940-6.4.2.1-09, R6940-10.5-01
#[test]
fn a_node_that_reaches_nobody_says_that_its_join_failed() {
    let mut rig = Rig::new(100);
    let actions = rig.input(Input::Join { bootstrap: node(5) });
    let failed = |actions: &[Action]| {
        actions
            .iter()
            .any(|action| matches!(action, Action::Event(TopologyEvent::JoinFailed { .. })))
    };
    assert!(failed(&actions), "there is no link");
    assert!(!rig.chord.is_responsible(&ResourceId::from_u128(100)));
    rig.input(Input::LinkUp(node(5)));
    let mut actions = rig.input(Input::Join { bootstrap: node(5) });
    for _ in 0..40 {
        if failed(&actions) {
            return;
        }
        let open = attaches(&actions);
        actions.clear();
        for (task, _) in open {
            actions.extend(rig.input(Input::Done { task, result: Err(Failure::Timeout) }));
        }
        actions.extend(rig.pass(5));
    }
    panic!("it goes on for ever");
}

// R6940-6.5.1-03, R6940-6.5.1-04
#[test]
fn a_client_enters_no_table() {
    let mut config = ChordConfig::new(node(100), Role::Client { dialable: false }, 1);
    config.update_interval = 10;
    let mut rig = Rig::new(100);
    rig.chord = Chord::new(&config).unwrap();
    rig.input(Input::LinkUp(node(50)));
    let mut actions = rig.input(Input::Join { bootstrap: node(50) });
    actions.extend(rig.update(50, &[40], &[60]));
    actions.extend(rig.pass(100));
    assert!(updates(&actions).is_empty() && joins(&actions).is_empty(), "{actions:?}");
    let mut peer = settled();
    peer.input(Input::LinkUp(node(105)));
    peer.pass(60);
    assert!(!peer.chord.view().successors.contains(&node(105)));
    let key = Target::Resource(ResourceId::from_u128(105));
    assert_eq!(peer.chord.route(&key), Route::Next(node(110)));
}

//! Leaving in good order (section 10.9, E108).

use std::collections::BTreeMap;

use crate::joining::ring_in_turn;
use crate::network::{Id, Network, seeds};

fn fill(net: &mut Network, count: u64) -> BTreeMap<Id, u64> {
    let from = net.peers()[0];
    let mut model = BTreeMap::new();
    for value in 0..count {
        let key = net.random_id();
        assert!(net.store(from, key, value));
        model.insert(key, value);
    }
    net.run_secs(1);
    model
}

#[test]
fn a_peer_that_leaves_is_gone_in_less_than_five_seconds() {
    let (mut net, ids) = ring_in_turn(1, 10);
    net.leave(ids[4]);
    net.run_secs(4);
    assert!(!net.nodes.contains_key(&ids[4]));
    net.check_ring(9);
    net.check_routes(10);
}

#[test]
fn three_neighbors_that_leave_one_after_the_other_lose_nothing() {
    for seed in 0..seeds(5) {
        let (mut net, mut ids) = ring_in_turn(seed, 5);
        ids.sort_unstable();
        let model = fill(&mut net, 200);
        for leaver in &ids[1..4] {
            net.leave(*leaver);
            while net.nodes.contains_key(leaver) {
                net.run(std::time::Duration::from_millis(20));
            }
        }
        net.run_secs(5);
        net.check_ring(2);
        for (key, value) in &model {
            assert_eq!(net.fetch(ids[0], *key), Some(*value));
        }
    }
}

// R6940-6.4.2.2-06
#[test]
fn a_crash_right_after_a_leave_loses_nothing() {
    for seed in 20..20 + seeds(5) {
        let (mut net, mut ids) = ring_in_turn(seed, 12);
        ids.sort_unstable();
        let model = fill(&mut net, 200);
        net.leave(ids[3]);
        while net.nodes.contains_key(&ids[3]) {
            net.run(std::time::Duration::from_millis(20));
        }
        net.crash(ids[4]);
        net.crash(ids[5]);
        net.run_secs(20);
        net.check_ring(9);
        for (key, value) in &model {
            assert_eq!(net.fetch(ids[0], *key), Some(*value));
        }
    }
}

#[test]
fn the_last_peer_leaves_at_once() {
    let (mut net, ids) = ring_in_turn(2, 1);
    net.leave(ids[0]);
    assert!(net.nodes.is_empty());
}

#[test]
fn a_peer_whose_only_neighbor_leaves_stays_the_whole_ring() {
    let (mut net, ids) = ring_in_turn(3, 2);
    net.leave(ids[0]);
    net.run_secs(10);
    net.check_ring(1);
    assert_eq!(net.failed_joins, 0);
}

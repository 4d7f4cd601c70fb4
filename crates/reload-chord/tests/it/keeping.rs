//! Values through joins, crashes and leaves (sections 10.4, 10.5 and 10.7.3).

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;

use crate::joining::ring_in_turn;
use crate::network::{Id, Network, seeds};

fn fill(net: &mut Network, from: Id, count: u64) -> BTreeMap<Id, u64> {
    let mut model = BTreeMap::new();
    for value in 0..count {
        let key = net.random_id();
        assert!(net.store(from, key, value));
        model.insert(key, value);
    }
    net.run_secs(1);
    model
}

fn check(net: &Network, model: &BTreeMap<Id, u64>) {
    for from in net.nodes.keys() {
        for (key, value) in model {
            assert_eq!(net.fetch(*from, *key), Some(*value), "{key:x} from {from:x}");
        }
    }
}

fn check_copies(net: &Network, model: &BTreeMap<Id, u64>) {
    let peers = net.peers();
    for key in model.keys() {
        let owner = net.owner(*key);
        let at = peers.iter().position(|peer| *peer == owner).expect("a peer");
        for by in 0..3.min(peers.len()) {
            let holder = peers[(at + by) % peers.len()];
            assert!(net.nodes[&holder].values.contains_key(key), "{key:x} at {holder:x}, {by}");
        }
    }
}

// R6940-6.4.2.1-07, R6940-10.5-07, R6940-10.5-10, R6940-10.7.3-05
#[test]
fn a_joining_peer_gets_its_share_and_replicas() {
    let (mut net, ids) = ring_in_turn(1, 4);
    let model = fill(&mut net, ids[0], 200);
    for _ in 0..12 {
        let id = net.random_id();
        net.join(id, ids[0]);
        net.run_secs(8);
        check(&net, &model);
        check_copies(&net, &model);
    }
    net.check_ring(16);
}

// R6940-10.5-09, R6940-10.7.3-07
#[test]
fn values_outside_the_replica_range_are_dropped_late() {
    let (mut net, ids) = ring_in_turn(2, 4);
    let model = fill(&mut net, ids[0], 200);
    for _ in 0..12 {
        let id = net.random_id();
        net.join(id, ids[0]);
        net.run_secs(3);
    }
    net.run_secs(200);
    check(&net, &model);
    let held: usize = net.nodes.values().map(|node| node.values.len()).sum();
    assert_eq!(held, 3 * model.len());
}

#[test]
fn stores_during_a_join_are_not_lost() {
    for seed in 300..300 + seeds(10) {
        let (mut net, ids) = ring_in_turn(seed, 5);
        let mut model = fill(&mut net, ids[0], 50);
        for _ in 0..5 {
            let id = net.random_id();
            net.join(id, ids[0]);
            for _ in 0..60 {
                let (key, value) = (net.random_id(), net.rng.random());
                if net.store(ids[1], key, value) {
                    model.insert(key, value);
                }
                net.run(Duration::from_millis(25));
            }
        }
        net.run_secs(20);
        check(&net, &model);
    }
}

#[test]
fn two_adjacent_crashes_a_minute_lose_nothing() {
    for seed in 400..400 + seeds(4) {
        let (mut net, _) = ring_in_turn(seed, 20);
        let from = net.peers()[0];
        let model = fill(&mut net, from, 200);
        for _ in 0..7 {
            let peers = net.peers();
            let at = net.rng.random_range(0..peers.len());
            net.crash(peers[at]);
            let apart = net.rng.random_range(0..3);
            net.run_secs(apart);
            net.crash(peers[(at + 1) % peers.len()]);
            net.run_secs(60);
            check(&net, &model);
        }
        net.check_ring(6);
    }
}

#[test]
fn the_values_of_a_crashed_peer_are_readable_within_five_seconds() {
    for seed in 420..420 + seeds(5) {
        let (mut net, ids) = ring_in_turn(seed, 5);
        let model = fill(&mut net, ids[0], 100);
        net.crash(ids[2]);
        net.run_secs(5);
        check(&net, &model);
        net.run_secs(40);
        check_copies(&net, &model);
        net.join(ids[2], ids[0]);
        net.run_secs(10);
        check(&net, &model);
        check_copies(&net, &model);
    }
}

// R6940-6.4.2.3-02
#[test]
fn what_was_stored_while_a_link_failed_comes_back_to_its_owner() {
    for seed in 430..430 + seeds(5) {
        let (mut net, mut ids) = ring_in_turn(seed, 6);
        ids.sort_unstable();
        for other in [0, 1, 3, 4, 5] {
            net.disturb(ids[2], ids[other], Duration::from_secs(4));
        }
        net.run_secs(2);
        let model = fill(&mut net, ids[4], 200);
        net.run_secs(30);
        net.check_ring(6);
        check(&net, &model);
    }
}

//! Crashes and links that stop for a while (section 10.7.1).

use std::time::Duration;

use rand::Rng;
use reload_topology::{Phase, Topology, TopologyEvent};

use crate::joining::ring_in_turn;
use crate::network::seeds;

// R6940-10.7-06, R6940-10.7.1-01
#[test]
fn a_crash_is_repaired_within_seconds() {
    for seed in 0..5 {
        let (mut net, mut ids) = ring_in_turn(seed, 16);
        ids.sort_unstable();
        net.crash(ids[5]);
        net.run_secs(4);
        net.check_ring(15);
        net.check_routes(20);
    }
}

#[test]
fn two_adjacent_crashes_at_once_are_repaired() {
    for seed in 10..10 + seeds(4) {
        let (mut net, mut ids) = ring_in_turn(seed, 24);
        ids.sort_unstable();
        let at = net.rng.random_range(0..24);
        net.crash(ids[at]);
        net.crash(ids[(at + 1) % 24]);
        net.run_secs(15);
        net.check_ring(22);
        net.check_routes(20);
    }
}

#[test]
fn three_adjacent_crashes_leave_a_whole_ring() {
    for seed in 20..20 + seeds(4) {
        let (mut net, mut ids) = ring_in_turn(seed, 24);
        ids.sort_unstable();
        for id in &ids[3..6] {
            net.crash(*id);
        }
        net.run_secs(30);
        net.check_ring(21);
        net.check_routes(20);
    }
}

// R6940-6.6-04, R6940-10.7.1-05
#[test]
fn a_link_that_comes_back_restores_the_old_ring() {
    let (mut net, mut ids) = ring_in_turn(31, 12);
    ids.sort_unstable();
    net.disturb(ids[4], ids[5], Duration::from_secs(3));
    net.run_secs(1);
    let view = net.nodes[&ids[4]].chord.view();
    assert_ne!(view.successors[0].to_u128(), Some(ids[5]));
    net.run_secs(20);
    net.check_ring(12);
}

#[test]
fn a_crashed_peer_can_come_back_with_the_same_node_id() {
    let (mut net, mut ids) = ring_in_turn(32, 8);
    ids.sort_unstable();
    net.crash(ids[3]);
    net.run_secs(1);
    net.join(ids[3], ids[6]);
    net.run_secs(40);
    net.check_ring(8);
    net.check_routes(10);
}

#[test]
fn the_survivor_of_two_goes_on_alone() {
    let (mut net, ids) = ring_in_turn(33, 2);
    net.run_secs(120);
    net.crash(ids[0]);
    net.run_secs(3);
    assert_eq!(net.nodes[&ids[1]].chord.view().phase, Phase::Peer);
    net.check_ring(1);
    assert!(net.nodes[&ids[1]].events.contains(&TopologyEvent::Isolated));
}

// R6940-10.7.1-07, R6940-10.7.1-08
#[test]
fn a_peer_that_loses_every_link_at_once_is_isolated_and_joins_again() {
    let (mut net, mut ids) = ring_in_turn(34, 8);
    ids.sort_unstable();
    for other in [0, 1, 2, 3, 5, 6, 7] {
        net.cut(ids[4], ids[other]);
    }
    let events = &net.nodes[&ids[4]].events;
    assert!(events.contains(&TopologyEvent::Isolated));
    assert_eq!(net.nodes[&ids[4]].chord.view().phase, Phase::Idle);
    net.run_secs(60);
    net.check_ring(8);
    net.check_routes(10);
}

// R6940-10.7.4.4-03
#[test]
fn two_rings_that_meet_become_one() {
    for seed in 40..40 + seeds(3) {
        let mut net = crate::network::Network::new(seed);
        let mut ids = Vec::new();
        for ring in 0..2 {
            for at in 0..8 {
                let id = net.random_id();
                ids.push(id);
                if at == 0 {
                    net.found(id)
                } else {
                    net.join(id, ids[ring * 8])
                }
                net.run_secs(2);
            }
        }
        net.run_secs(20);
        net.join_again(ids[3], ids[10]);
        net.run_secs(120);
        net.check_ring(16);
        net.check_routes(10);
    }
}

#[test]
fn without_reactive_recovery_the_ring_is_repaired_too() {
    let mut net = crate::network::Network::new(50);
    net.reactive = false;
    let mut ids: Vec<_> = (0..20).map(|_| net.random_id()).collect();
    net.found(ids[0]);
    for id in &ids[1..] {
        net.join(*id, ids[0]);
        net.run_secs(5);
    }
    net.run_secs(60);
    net.check_ring(20);
    ids.sort_unstable();
    net.crash(ids[5]);
    net.crash(ids[6]);
    net.run_secs(60);
    net.check_ring(18);
    net.check_routes(20);
}

#[test]
fn rings_with_churn_are_right_at_rest() {
    for seed in 200..200 + seeds(4) {
        let (mut net, ids) = ring_in_turn(seed, 30);
        net.loss = 0.05;
        let mut alive = ids.clone();
        for round in 0..12 {
            let victim = alive.remove(net.rng.random_range(0..alive.len()));
            net.crash(victim);
            if round % 2 == 0 {
                let (id, via) = (net.random_id(), alive[0]);
                net.join(id, via);
                alive.push(id);
            }
            let pause = net.rng.random_range(1..20);
            net.run_secs(pause);
        }
        net.run_secs(240);
        net.check_ring(alive.len());
        net.check_routes(20);
    }
}

//! Joins, stores, crashes and link failures together, over some seeds; a failure names its seed.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;

use crate::network::{Id, Network, seeds};

fn ring(net: &mut Network, count: usize) -> Vec<Id> {
    let ids: Vec<Id> = (0..count).map(|_| net.random_id()).collect();
    net.found(ids[0]);
    for id in &ids[1..] {
        net.join(*id, ids[0]);
        net.run(Duration::from_millis(700));
    }
    net.run_secs(20);
    ids
}

fn store(net: &mut Network, model: &mut BTreeMap<Id, u64>) {
    let peers = net.peers();
    let from = peers[net.rng.random_range(0..peers.len())];
    let (key, value) = (net.random_id(), net.rng.random());
    if net.store(from, key, value) {
        model.insert(key, value);
    }
}

/// Peers whose crash would make three adjacent ones within a minute are spared.
fn victim(net: &mut Network, recent: &[(Id, u64)], now: u64) -> Id {
    let peers = net.peers();
    let mut ring: Vec<Id> = peers.clone();
    let fresh = |entry: &&(Id, u64)| entry.1 + 65 > now;
    ring.extend(recent.iter().filter(fresh).map(|(id, _)| *id));
    ring.sort_unstable();
    let gone = |id: Id| !peers.contains(&id);
    loop {
        let at = net.rng.random_range(0..ring.len());
        let near = |by: usize| gone(ring[(at + by) % ring.len()]);
        let last = ring.len();
        let (b2, b1, a1, a2) = (near(last - 2), near(last - 1), near(1), near(2));
        let third = [b2 && b1, b1 && a1, a1 && a2].contains(&true);
        if !third && !gone(ring[at]) {
            return ring[at];
        }
    }
}

#[test]
fn nothing_is_lost_without_three_adjacent_crashes_a_minute() {
    for seed in 0..seeds(2) {
        eprintln!("seed {seed}");
        let mut net = Network::new(seed);
        net.loss = 0.05;
        ring(&mut net, 60);
        let mut model = BTreeMap::new();
        (0..100).for_each(|_| store(&mut net, &mut model));
        net.run_secs(2);
        let (mut recent, mut now) = (Vec::new(), 0);
        for _ in 0..12 {
            let victim = victim(&mut net, &recent, now);
            net.crash(victim);
            recent.push((victim, now));
            let pause = net.rng.random_range(0..30);
            now += pause;
            net.run_secs(pause);
        }
        net.run_secs(120);
        net.check_ring(48);
        for (key, value) in &model {
            for from in net.nodes.keys() {
                assert_eq!(net.fetch(*from, *key), Some(*value), "{key:x} from {from:x}");
            }
        }
    }
}

#[test]
fn everything_at_once_ends_in_the_right_ring() {
    for seed in 0..seeds(2) {
        eprintln!("seed {seed}");
        let mut net = Network::new(5000 + seed);
        net.loss = 0.05;
        ring(&mut net, 20);
        for _ in 0..60 {
            let peers = net.peers();
            let pick = |net: &mut Network| peers[net.rng.random_range(0..peers.len())];
            let (one, other) = (pick(&mut net), pick(&mut net));
            match net.rng.random_range(0..6) {
                0 if peers.len() > 8 => net.crash(one),
                1 if peers.len() > 8 => net.leave(one),
                2 if one != other => {
                    let span = Duration::from_millis(net.rng.random_range(100..20_000));
                    if net.linked(one).iter().any(|(peer, _)| *peer == other) {
                        net.disturb(one, other, span);
                    }
                }
                _ => {
                    let id = net.random_id();
                    net.join(id, one);
                }
            }
            let pause = net.rng.random_range(0..3000);
            net.run(Duration::from_millis(pause));
        }
        net.run_secs(300);
        net.check_ring(net.nodes.len());
        net.check_routes(20);
    }
}

#[test]
fn sixty_four_at_once_with_loss_form_the_ring() {
    for seed in 0..seeds(1) {
        eprintln!("seed {seed}");
        let mut net = Network::new(9000 + seed);
        net.loss = 0.05;
        let first = net.random_id();
        net.found(first);
        for _ in 0..63 {
            let id = net.random_id();
            net.join(id, first);
        }
        net.run_secs(180);
        net.check_ring(64);
        net.check_routes(10);
    }
}

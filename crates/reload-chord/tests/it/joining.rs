//! Rings that grow (section 10.5).

use crate::network::{Id, Network, seeds};

/// A ring in which `count` nodes join one after the other, at rest.
pub(crate) fn ring_in_turn(seed: u64, count: usize) -> (Network, Vec<Id>) {
    let mut net = Network::new(seed);
    let ids: Vec<Id> = (0..count).map(|_| net.random_id()).collect();
    net.found(ids[0]);
    for id in &ids[1..] {
        net.join(*id, ids[0]);
        net.run_secs(2);
    }
    net.run_secs(30);
    (net, ids)
}

// R6940-6.4.2.1-10, R6940-10.1-03
#[test]
fn a_founder_is_responsible_for_everything() {
    let (mut net, ids) = ring_in_turn(1, 1);
    net.check_ring(1);
    net.check_routes(10);
    assert_eq!(net.owner(7), ids[0]);
}

// R6940-6.4.1-01, R6940-10.1-02, R6940-11.4-07
#[test]
fn nodes_that_join_one_after_the_other_form_the_ring() {
    for (seed, count) in [(2, 2), (3, 3), (4, 5), (5, 9), (6, 20), (7, 64)] {
        let (mut net, _) = ring_in_turn(seed, count);
        net.check_ring(count);
        net.check_routes(50);
        assert_eq!(net.failed_joins, 0);
    }
}

#[test]
fn sixty_four_nodes_that_join_at_once_form_the_ring() {
    for seed in 100..100 + seeds(1) {
        let mut net = Network::new(seed);
        net.loss = 0.02;
        let first = net.random_id();
        net.found(first);
        for _ in 0..63 {
            let id = net.random_id();
            net.join(id, first);
        }
        net.run_secs(120);
        net.check_ring(64);
        net.check_routes(20);
    }
}

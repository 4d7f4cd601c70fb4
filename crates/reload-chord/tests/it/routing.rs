//! Hops in a large ring (section 10.3).

use std::time::Duration;

use rand::Rng;

use crate::network::Network;

/// The mean number of hops to random resources in a ring of `count` peers that was built through
/// the protocol.
fn mean_hops(count: u32) -> f64 {
    let mut net = Network::new(1);
    net.ping_interval = 20;
    net.update_interval = 10_000;
    let first = net.random_id();
    net.found(first);
    for _ in 1..count {
        let id = net.random_id();
        net.join(id, first);
        net.run(Duration::from_millis(500));
    }
    net.run_secs(120);
    net.check_ring(usize::try_from(count).expect("a small number"));
    let peers = net.peers();
    let mut hops = 0;
    for _ in 0..5000 {
        let key = net.random_id();
        let from = peers[net.rng.random_range(0..peers.len())];
        let (end, way) = net.walk(from, key).expect("a way");
        assert_eq!(end, net.owner(key));
        hops += way;
    }
    let links: usize = peers.iter().map(|peer| net.linked(*peer).len()).sum();
    eprintln!(
        "{count} peers: {} hops, {links} link ends, {:?}",
        f64::from(hops) / 5000.0,
        net.sent
    );
    f64::from(hops) / 5000.0
}

fn check(count: u32) {
    let mean = mean_hops(count);
    assert!(mean <= 0.5 * f64::from(count).log2() + 1.0, "mean hops {mean}");
}

// R6940-6.1.2-01, R6940-10.3-04
#[test]
fn peers_are_reached_in_few_hops() {
    check(100);
}

#[test]
#[ignore = "takes minutes without optimisation"]
fn a_thousand_peers_are_reached_in_few_hops() {
    check(1000);
}

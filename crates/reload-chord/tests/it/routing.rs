//! Hops in a large ring (section 10.3).

use std::time::Duration;

use rand::Rng;

use crate::network::Network;

#[test]
fn a_thousand_peers_are_reached_in_few_hops() {
    let mut net = Network::new(1);
    net.ping_interval = 20;
    net.update_interval = 10_000;
    let first = net.random_id();
    net.found(first);
    for _ in 1..1000 {
        let id = net.random_id();
        net.join(id, first);
        net.run(Duration::from_millis(500));
    }
    net.run_secs(120);
    net.check_ring(1000);
    let peers = net.peers();
    let mut hops = 0;
    for _ in 0..5000 {
        let key = net.random_id();
        let from = peers[net.rng.random_range(0..peers.len())];
        let (end, way) = net.walk(from, key).unwrap();
        assert_eq!(end, net.owner(key));
        hops += way;
    }
    let mean = f64::from(hops) / 5000.0;
    eprintln!("mean hops {mean}, sent {:?}", net.sent);
    assert!(mean <= 0.5 * 1000f64.log2() + 1.0, "mean hops {mean}");
}

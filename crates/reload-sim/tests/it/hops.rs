//! Routing takes few hops: section 10 promises O(log N).

use std::time::Duration;

use rand::Rng;
use reload_node::{Request, Role};
use reload_sim::{HostId, Overlay, Weather, World, ring_faults};
use reload_wire::{Destination, ResourceId};

/// Peers in the ring: a hundred, or as many as `RELOAD_SIM_PEERS` says.
fn peers() -> usize {
    let count = std::env::var("RELOAD_SIM_PEERS").ok();
    count.map_or(100, |count| count.parse().expect("RELOAD_SIM_PEERS is a number"))
}

#[test]
fn the_mean_way_is_half_the_logarithm_and_one() {
    let overlay = Overlay::new();
    let mut world = World::new(9, Weather::default(), &overlay);
    form(&mut world, peers());
    assert_eq!(ring_faults(&world), Vec::<String>::new());

    let asked = 1000;
    let mut hops = 0_u32;
    for _ in 0..asked {
        let from: HostId = world.rng().random_range(0..peers());
        let target = ResourceId::from_u128(world.rng().random());
        let ping = Request::Ping { to: vec![Destination::Resource(target)], padding: 0 };
        let response = world.ask(from, ping).expect("a quiet overlay answers");
        if response.from != world.hosts[from].node_id {
            hops += u32::from(response.hops);
        }
    }
    let mean = f64::from(hops) / f64::from(asked);
    let count = f64::from(u32::try_from(peers()).expect("not so many"));
    let allowed = 0.5 * count.log2() + 1.0;
    println!("{count} peers: mean of {mean:.2} hops, {allowed:.2} allowed");
    assert!(mean <= allowed, "mean of {mean:.2} hops, {allowed:.2} allowed");
}

/// A ring in batches of ten joins.
fn form(world: &mut World, count: usize) {
    let first = world.add(Role::Peer);
    world.start(first, &[], true);
    world.run_for(Duration::from_secs(1));
    while world.hosts.len() < count {
        let there = world.hosts.len();
        for _ in 0..10.min(count - there) {
            let peer = world.add(Role::Peer);
            let through = world.rng().random_range(0..there);
            world.start(peer, &[through], false);
        }
        world.run_for(Duration::from_secs(5));
    }
    let joined = |world: &World| world.hosts.iter().all(|host| host.joined);
    assert!(world.run_until(Duration::from_secs(300), joined), "some peers have not joined");
    world.run_for(Duration::from_secs(120));
}

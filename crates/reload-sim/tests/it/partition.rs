//! Two rings that were cut apart become one again, and keep what was stored on either side
//! (sections 10.7.4.4 and 7.4.1.1).

use std::time::Duration;

use reload_node::Role;
use reload_sim::{
    Assignment, HostId, Overlay, Weather, World, fetched, holders, owner, ring, ring_faults,
    ring_faults_among,
};

use crate::scenarios::seeds;

const PEERS: usize = 16;

/// Forms a ring, cuts it in two for ten minutes, lets both sides store, and heals it.
fn play(seed: u64, overlay: &Overlay) -> Vec<String> {
    let mut world = World::new(seed, Weather::default(), overlay);
    form(&mut world);
    let halves = cut(&mut world);
    let mut faults: Vec<String> = halves
        .iter()
        .flat_map(|half| ring_faults_among(&world, half))
        .map(|fault| format!("cut: {fault}"))
        .collect();
    let stored = store(&mut world);
    world.heal();
    let healed = (0..90).any(|_| {
        world.run_for(Duration::from_secs(10));
        ring_faults(&world).is_empty()
    });
    world.run_for(Duration::from_secs(60));
    if !healed {
        faults.extend(ring_faults(&world).into_iter().map(|fault| format!("healed: {fault}")));
    }
    faults.extend(read(&mut world, &stored));
    faults
}

/// The first two peers are the bootstrap peers, one for each half.
fn form(world: &mut World) {
    for number in 0..PEERS {
        let peer = world.add(Role::Peer);
        let through: Vec<HostId> = (0..2).filter(|other| *other != peer).collect();
        let known = if number == 0 { Vec::new() } else { through };
        world.start(peer, &known, number == 0);
        world.run_until(Duration::from_secs(60), |world| world.hosts[peer].joined);
    }
    world.run_for(Duration::from_secs(60));
}

fn cut(world: &mut World) -> [Vec<HostId>; 2] {
    let halves = [0, 1].map(|odd| (0..PEERS).filter(|host| host % 2 == odd).collect::<Vec<_>>());
    world.cut(halves[1].clone());
    world.run_for(Duration::from_secs(600));
    halves
}

/// Every peer stores a value while the overlay is in two.
fn store(world: &mut World) -> Vec<Assignment> {
    let mut stored = Vec::new();
    for host in 0..PEERS {
        let assignment = Assignment::new(world, host, 1 + u8::try_from(host % 4).unwrap_or(0));
        if world.ask(host, assignment.store()).is_ok() {
            stored.push(assignment);
        }
    }
    stored
}

fn read(world: &mut World, stored: &[Assignment]) -> Vec<String> {
    let mut faults = Vec::new();
    if stored.len() < PEERS {
        faults.push(format!("only {} of {PEERS} values were stored", stored.len()));
    }
    for assignment in stored {
        for reader in [0, 1, PEERS / 2, PEERS - 1] {
            let result = world.ask(reader, assignment.address.fetch());
            let found = result.as_ref().ok().and_then(|response| fetched(&response.reply));
            if found.as_ref() != Some(&assignment.value) {
                let (address, ring) = (&assignment.address, ring(world));
                let (held, owner) = (holders(world, address), owner(world, &address.resource));
                faults.push(format!(
                    "host {reader} does not find {address:?} of {}: held by {held:?}, owner \
                     {owner:?}, ring {ring:?}",
                    assignment.host
                ));
            }
        }
    }
    faults
}

// R6940-10.7.4.4-01, R6940-10.7.4.4-03
#[test]
fn two_halves_become_one_ring_and_keep_the_values_of_both() {
    let overlay = Overlay::new();
    let mut failed = 0;
    let one = std::env::var("RELOAD_SIM_SEED").ok();
    let one = one.map(|seed| seed.parse().expect("RELOAD_SIM_SEED is a number"));
    for seed in one.map_or(seeds(300), |seed: u64| seed..seed + 1) {
        let faults = play(seed, &overlay);
        if !faults.is_empty() {
            failed += 1;
            println!("seed {seed}: {} faults", faults.len());
            faults.iter().take(6).for_each(|fault| println!("  {fault}"));
        }
    }
    assert_eq!(failed, 0, "{failed} seeds went wrong");
}

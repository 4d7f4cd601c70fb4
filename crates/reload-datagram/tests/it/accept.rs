//! Strangers and their handshakes: cookies, bounds, a second handshake beside a live one, forged datagrams.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_node::LinkId;

use crate::no_ice::linked;
use crate::world::{MS, SECOND, World, message};

const DIALLED: LinkId = LinkId::planned(1);
const ACCEPTED: LinkId = LinkId::accepted(0);

/// The first ClientHello of a host that dials.
pub(crate) fn hello(world: &mut World, from: usize, to: usize) -> Bytes {
    let address = world.hosts[to].address();
    let number = LinkId::planned(1000);
    world.dial(from, number, &[address], None);
    let hello = world.hosts[from].out.pop_front().unwrap().data;
    let now = world.now;
    world.hosts[from].endpoint.close(now, number);
    world.hosts[from].drain(now);
    world.hosts[from].out.clear();
    hello
}

#[test]
fn a_first_client_hello_costs_a_cookie_and_no_state() {
    let mut world = World::new(20);
    let (ours, theirs) = (world.host(), world.host());
    let hello = hello(&mut world, ours, theirs);
    let to = world.hosts[theirs].address();
    for number in 0..1000_u16 {
        world.inject(([203, 0, 113, 1], 1000 + number).into(), to, hello.clone());
    }
    world.run(SECOND);
    assert_eq!(world.hosts[theirs].endpoint.half_open(), 0);
    assert_eq!(world.hosts[theirs].endpoint.counters().cookies, 1000);
    world.dial(ours, DIALLED, &[to], None);
    world.run_until(2 * SECOND, |world| world.hosts[ours].up.contains(&DIALLED));
}

#[test]
fn one_address_holds_few_handshakes_and_each_ends_in_time() {
    let mut world = World::new(21);
    // What comes back after the cookie is lost, so that no handshake completes.
    let ours = world.host();
    let theirs = world.host_with(|it| it.limits.half_open_per_address = 3);
    let (us, them) = (world.hosts[ours].ip, world.hosts[theirs].ip);
    let address = world.hosts[theirs].address();
    for number in 0..6 {
        world.cut = None;
        world.dial(ours, LinkId::planned(100 + number), &[address], None);
        world.run(35 * MS); // hello, cookie, hello again
        world.cut = Some((us, them));
        world.run(MS);
    }
    let (open, counters) =
        (world.hosts[theirs].endpoint.half_open(), world.hosts[theirs].endpoint.counters());
    assert!((1..=3).contains(&open), "{open} are open");
    assert!(counters.refused >= 1, "{counters:?}");
    world.run(11 * SECOND);
    assert_eq!(world.hosts[theirs].endpoint.half_open(), 0);
}

#[test]
fn a_handshake_that_sends_too_much_is_dropped() {
    let mut world = World::new(22);
    let ours = world.host();
    let theirs = world.host_with(|it| it.limits.handshake_bytes = 500);
    let address = world.hosts[theirs].address();
    world.dial(ours, DIALLED, &[address], None);
    world.run(5 * SECOND);
    assert!(!world.hosts[ours].up.contains(&DIALLED));
    assert!(world.hosts[theirs].endpoint.counters().refused >= 1);
    assert_eq!(world.hosts[theirs].endpoint.half_open(), 0);
}

#[test]
fn a_new_client_hello_replaces_the_association_only_when_it_completes() {
    let mut world = World::new(23);
    let (ours, theirs) = linked(&mut world);
    // A stranger who forges the address of the peer gets no farther than the cookie.
    let stranger = world.host();
    let hello = hello(&mut world, stranger, theirs);
    let (from, to) = (world.hosts[ours].address(), world.hosts[theirs].address());
    world.inject(from, to, hello);
    world.run(SECOND);
    let now = world.now;
    world.hosts[ours].send(now, DIALLED, message(1));
    world.hosts[theirs].send(now, ACCEPTED, message(2));
    world.run(SECOND);
    assert_eq!(world.hosts[theirs].messages[&ACCEPTED], [message(1)], "the old one lives");
    assert_eq!(world.hosts[ours].messages[&DIALLED], [message(2)]);

    // The peer itself, which has lost its state, gets through.
    let credentials = world.overlay.node();
    let ip = world.hosts[ours].ip;
    let again = world.host_as(credentials, |_| {});
    world.hosts[ours].ip = [192, 0, 2, 200].into(); // the old process hears nothing any more
    let now = world.now;
    world.hosts[again].move_to(now, ip);
    world.dial(again, DIALLED, &[to], None);
    world.run_until(5 * SECOND, |world| world.hosts[again].up.contains(&DIALLED));
    assert!(world.hosts[theirs].down[&ACCEPTED].contains("replaced"));
    let now = world.now;
    world.hosts[again].send(now, DIALLED, message(3));
    world.run(SECOND);
    assert_eq!(world.hosts[theirs].messages[&LinkId::accepted(1)], [message(3)]);
}

// R6940-6.6.1-02
#[test]
fn forged_datagrams_from_the_live_addresses_harm_nothing() {
    let mut world = World::new(24);
    world.capture = Some(Vec::new());
    let (ours, theirs) = linked(&mut world);
    let now = world.now;
    world.hosts[ours].send(now, DIALLED, message(2000));
    world.run(SECOND);
    let seen = world.capture.take().unwrap();
    let ends = [ours, theirs].map(|host| world.hosts[host].address());
    let mut random = StdRng::seed_from_u64(24);
    // A ChangeCipherSpec of epoch 1.
    let forged = Bytes::from_static(&[0x14, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0xc8, 0, 1, 1]);
    world.inject(ends[0], ends[1], forged.clone());
    world.inject(ends[1], ends[0], forged);
    for number in 0..20_000_u32 {
        let (from, to, real) = &seen[random.random_range(0..seen.len())];
        let mut forged = real.to_vec();
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..forged.len());
            forged[at] = random.random();
        }
        world.inject(*from, *to, Bytes::from(forged));
        if number % 20 == 0 {
            let now = world.now;
            world.hosts[ours].send(now, DIALLED, message(number / 20));
            world.hosts[theirs].send(now, ACCEPTED, message(number / 20));
            world.run(20 * MS);
        }
    }
    world.run(10 * SECOND);
    for (from, to) in [((ours, DIALLED), (theirs, ACCEPTED)), ((theirs, ACCEPTED), (ours, DIALLED))]
    {
        assert_eq!(world.lost(from, to, 1000), [0_u32; 0]);
        assert!(world.hosts[from.0].unacknowledged.is_empty());
        assert!(world.hosts[from.0].up.contains(&from.1));
        assert!(world.hosts[from.0].down.is_empty());
        assert_eq!(world.hosts[from.0].endpoint.links(world.now).len(), 1);
        assert_eq!(world.hosts[from.0].endpoint.half_open(), 0);
    }
}

#[test]
fn no_more_links_are_accepted_than_the_bound_says() {
    let mut world = World::new(25);
    let hosts = [world.host(), world.host()];
    let theirs = world.host_with(|it| it.limits.links = 1);
    let address = world.hosts[theirs].address();
    for host in hosts {
        world.dial(host, DIALLED, &[address], None);
        world.run(2 * SECOND);
    }
    assert!(world.hosts[hosts[0]].up.contains(&DIALLED));
    assert_eq!(world.hosts[theirs].up.len(), 1);
    assert!(world.hosts[theirs].endpoint.counters().refused >= 1);
}

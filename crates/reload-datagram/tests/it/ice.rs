//! Links with ICE, through NATs, and when the path changes under them.

use bytes::Bytes;
use reload_node::{LinkId, LinkPurpose};
use reload_wire::{CandType, OverlayLinkType};

use crate::accept::hello;
use crate::nat::Kind;
use crate::world::{MS, SECOND, World, message};

fn is_up(world: &World, hosts: [usize; 2], link: LinkId) -> bool {
    hosts.iter().all(|host| world.hosts[*host].up.contains(&link))
}

/// Two hosts with an ICE link, the first having sent the Attach.
fn linked(world: &mut World, hosts: [usize; 2]) -> LinkId {
    let link = world.attach(hosts[0], hosts[1], 7);
    world.run_until(15 * SECOND, |world| is_up(world, hosts, link));
    link
}

// R6940-6.6.4-01 R6940-6.5.1.13-01 R6940-6.5.1.13-02
#[test]
fn the_side_that_answered_the_attach_says_hello_and_messages_pass() {
    let mut world = World::new(50);
    let hosts = [world.host(), world.host()];
    world.capture = Some(Vec::new());
    let link = linked(&mut world, hosts);
    let answerer = world.hosts[hosts[1]].address();
    let capture = world.capture.take().unwrap();
    let hellos: Vec<_> = capture.iter().filter(|it| reload_link::is_client_hello(&it.2)).collect();
    assert!(!hellos.is_empty() && hellos.iter().all(|it| it.0 == answerer));
    let now = world.now;
    world.hosts[hosts[0]].send(now, link, message(1));
    world.hosts[hosts[1]].send(now, link, message(2));
    world.run(SECOND);
    assert_eq!(world.hosts[hosts[1]].messages[&link], [message(1)]);
    assert_eq!(world.hosts[hosts[0]].messages[&link], [message(2)]);
    let status = &world.hosts[hosts[0]].endpoint.links(world.now)[0];
    assert_eq!(status.link_type, OverlayLinkType::DTLS_UDP_SR);
    assert_eq!(status.kinds, Some((CandType::Host, CandType::Host)));
    assert_eq!(status.remote, Some(answerer));
}

// R6940-6.5.1.3-01
#[test]
fn homes_behind_nats_reach_each_other() {
    let kinds = [Kind::FullCone, Kind::AddressRestricted, Kind::PortRestricted];
    for (ours, theirs) in kinds.iter().flat_map(|ours| kinds.iter().map(move |it| (*ours, *it))) {
        let mut world = World::new(51);
        let server = world.host();
        let stun = [world.hosts[server].address()];
        let hosts = [world.home(ours, &stun), world.home(theirs, &stun)];
        let link = linked(&mut world, hosts);
        let now = world.now;
        world.hosts[hosts[0]].send(now, link, message(1));
        world.run(SECOND);
        assert_eq!(world.hosts[hosts[1]].messages[&link], [message(1)], "{ours:?} {theirs:?}");
    }
}

#[test]
fn homes_behind_symmetric_nats_without_a_relay_are_told_what_was_tried() {
    let mut world = World::new(52);
    let server = world.host();
    let stun = [world.hosts[server].address()];
    let hosts = [world.home(Kind::Symmetric, &stun), world.home(Kind::Symmetric, &stun)];
    let link = world.attach(hosts[0], hosts[1], 7);
    world.run(60 * SECOND);
    for host in hosts {
        let reason = &world.hosts[host].down[&link];
        assert!(reason.contains("198.51.100."), "{reason}");
        assert!(world.hosts[host].endpoint.links(world.now).is_empty());
    }
}

// R6940-6.6.3-01
#[test]
fn a_thousand_messages_each_way_arrive_over_a_bad_path() {
    let mut world = World::new(53);
    (world.loss, world.delay, world.jitter) = (10, 30 * MS, 20 * MS);
    let server = world.host();
    let stun = [world.hosts[server].address()];
    let hosts =
        [world.home(Kind::PortRestricted, &stun), world.home(Kind::AddressRestricted, &stun)];
    let link = linked(&mut world, hosts);
    for number in 0..1000 {
        let now = world.now;
        for host in hosts {
            world.hosts[host].send(now, link, message(number));
        }
        world.run(20 * MS);
    }
    world.run(30 * SECOND);
    for (from, to) in [(hosts[0], hosts[1]), (hosts[1], hosts[0])] {
        assert!(world.hosts[from].down.is_empty());
        assert_eq!(world.lost((from, link), (to, link), 1000), [0_u32; 0]);
    }
}

/// Sends a message a side each 100 ms for 40 s while `change` happens after 5 s; all must arrive, and
/// from 10 s after the change on without delay.
fn survives(mut world: World, hosts: [usize; 2], change: impl FnOnce(&mut World)) {
    let link = linked(&mut world, hosts);
    let mut change = Some(change);
    for number in 0..400 {
        if number == 50 {
            change.take().unwrap()(&mut world);
        }
        let now = world.now;
        for host in hosts {
            world.hosts[host].send(now, link, message(number));
        }
        world.run(100 * MS);
        if number == 150 {
            for host in hosts {
                let came = &world.hosts[host].messages[&link];
                assert!(came.contains(&message(148)), "10 s later: {} came", came.len());
            }
        }
    }
    world.run(10 * SECOND);
    let moves = |host: usize| world.hosts[host].endpoint.links(world.now)[0].moves;
    assert!(hosts.iter().any(|host| moves(*host) > 0), "the path has moved");
    for (from, to) in [(hosts[0], hosts[1]), (hosts[1], hosts[0])] {
        assert_eq!(world.lost((from, link), (to, link), 400), [0_u32; 0]);
        assert!(world.hosts[from].down.is_empty(), "{:?}", world.hosts[from].down);
        assert!(!world.hosts[from].failing.contains(&link));
    }
}

#[test]
fn a_nat_that_changes_its_mapping_costs_ten_seconds_at_most_and_no_message() {
    for flushed in [0, 1] {
        let mut world = World::new(54);
        let server = world.host();
        let stun = [world.hosts[server].address()];
        let hosts = [world.home(Kind::PortRestricted, &stun), world.host()];
        let hosts = if flushed == 0 { hosts } else { [hosts[1], hosts[0]] };
        survives(world, hosts, |world| world.nats[0].flush());
    }
}

#[test]
fn a_host_that_changes_its_address_costs_ten_seconds_at_most_and_no_message() {
    for moving in [0, 1] {
        let mut world = World::new(55);
        let hosts = [world.host(), world.host()];
        survives(world, hosts, |world| {
            let now = world.now;
            world.hosts[hosts[moving]].move_to(now, [192, 0, 2, 77].into());
        });
    }
}

#[test]
fn a_peer_that_is_gone_is_noticed_within_ten_seconds_on_an_idle_link_too() {
    let mut world = World::new(56);
    let hosts = [world.host(), world.host()];
    let link = linked(&mut world, hosts);
    world.run(30 * SECOND);
    world.cut = Some((world.hosts[hosts[0]].ip, world.hosts[hosts[1]].ip));
    world.run_until(10 * SECOND, |world| {
        hosts.iter().all(|host| world.hosts[*host].down.contains_key(&link))
    });
}

#[test]
fn a_path_that_cannot_come_back_is_given_up_within_ten_seconds_and_all_handed_back() {
    let mut world = World::new(61);
    let server = world.host();
    let stun = [world.hosts[server].address()];
    let hosts = [world.home(Kind::PortRestricted, &stun), world.home(Kind::PortRestricted, &stun)];
    let link = linked(&mut world, hosts);
    world.run(5 * SECOND);
    world.nats[0].flush(); // neither side gets through to the other from now on
    let now = world.now;
    world.hosts[hosts[0]].send(now, link, message(0));
    world.run_until(10 * SECOND, |world| world.hosts[hosts[0]].down.contains_key(&link));
    assert_eq!(world.hosts[hosts[0]].unacknowledged, [message(0)]);
    let again = world.attach(hosts[0], hosts[1], 8);
    world.run_until(15 * SECOND, |world| is_up(world, hosts, again));
}

// R6940-6.5.1.10.3-01
#[test]
fn an_idle_link_is_kept_alive_by_stun() {
    let mut world = World::new(57);
    let hosts = [world.host(), world.host()];
    let link = linked(&mut world, hosts);
    world.capture = Some(Vec::new());
    world.run(300 * SECOND);
    assert!(is_up(&world, hosts, link));
    let capture = world.capture.take().unwrap();
    assert!(capture.len() >= 20);
    assert!(capture.iter().all(|it| it.2[0] < 4), "STUN only");
}

// R6940-6.5.2-01
#[test]
fn an_application_link_has_its_own_socket_and_carries_datagrams_as_they_are() {
    let mut world = World::new(58);
    let hosts = [world.host(), world.host()];
    let overlay = linked(&mut world, hosts);
    let pipe = world.attach_for(hosts[0], hosts[1], 8, LinkPurpose::Application(61_443));
    world.run_until(15 * SECOND, |world| is_up(world, hosts, pipe));
    assert_eq!(world.hosts[hosts[0]].sockets.len(), 2);
    let now = world.now;
    world.hosts[hosts[0]].send(now, pipe, Bytes::from_static(b"a datagram"));
    world.hosts[hosts[1]].send(now, overlay, message(1));
    world.run(SECOND);
    assert_eq!(world.hosts[hosts[1]].datagrams[&pipe], ["a datagram"]);
    assert_eq!(world.hosts[hosts[0]].messages[&overlay], [message(1)]);
    let now = world.now;
    world.hosts[hosts[0]].endpoint.close(now, pipe);
    world.hosts[hosts[0]].drain(now);
    world.run(SECOND);
    assert!(world.hosts[hosts[1]].down.contains_key(&pipe));
    assert!(hosts.iter().all(|host| world.hosts[*host].sockets.len() == 1));
    assert!(is_up(&world, hosts, overlay));
}

#[test]
fn many_links_share_the_overlay_socket() {
    let mut world = World::new(59);
    let ours = world.host();
    let others: Vec<usize> = (0..8).map(|_| world.host()).collect();
    for (number, other) in (0..).zip(&others) {
        let link = world.attach(ours, *other, number);
        world.run_until(15 * SECOND, |world| is_up(world, [ours, *other], link));
    }
    assert_eq!(world.hosts[ours].up.len(), 8);
    assert_eq!(world.hosts[ours].sockets.len(), 1);
    let now = world.now;
    for (number, other) in (0..).zip(&others) {
        world.hosts[*other].send(now, LinkId::planned(number), message(1));
    }
    world.run(SECOND);
    assert!((0..8).all(|it| world.hosts[ours].messages[&LinkId::planned(it)] == [message(1)]));
}

// R6940-6.5.1.14-01
#[test]
fn a_client_hello_is_answered_before_our_own_checks_are_done() {
    let mut world = World::new(70);
    let (ours, theirs, other) = (world.host(), world.host(), world.host());
    let (us, them) = (world.hosts[ours].address(), world.hosts[theirs].address());
    let hello = hello(&mut world, other, ours);
    // The checks of the other side come; none of ours is answered.
    world.lose = Some(Box::new(move |_, to, data| to == us && data[0] == 1));
    world.attach(ours, theirs, 7);
    world.run(15 * MS); // their first check has come, and nothing else can have
    assert_eq!(world.hosts[ours].endpoint.links(world.now)[0].kinds, None, "no pair is selected");
    world.capture = Some(Vec::new());
    world.inject(them, us, hello);
    world.run(25 * MS);
    let capture = world.capture.take().unwrap();
    let answer = capture.iter().find(|it| it.0 == us && it.1 == them && it.2[0] == 22);
    assert!(answer.is_some(), "a HelloVerifyRequest");
    assert_eq!(world.hosts[ours].endpoint.counters().cookies, 0, "by the link's own engine");
}

#[test]
fn a_dialled_link_to_a_node_linked_by_ice_takes_the_place_of_that_link() {
    let mut world = World::new(71);
    let hosts = [world.host(), world.host()];
    let link = linked(&mut world, hosts);
    let (dialled, address) = (LinkId::planned(9), world.hosts[hosts[1]].address());
    world.dial(hosts[0], dialled, &[address], None);
    world.run_until(5 * SECOND, |world| world.hosts[hosts[0]].up.contains(&dialled));
    world.run(SECOND);
    for host in hosts {
        assert!(world.hosts[host].down[&link].contains("replaced"));
        assert_eq!(world.hosts[host].up.len(), 1);
    }
    let now = world.now;
    world.hosts[hosts[0]].send(now, dialled, message(1));
    world.run(SECOND);
    assert_eq!(world.hosts[hosts[1]].messages[&LinkId::accepted(0)], [message(1)]);
}

//! Links without ICE: dial, accept, messages over a bad path, the end.

use bytes::Bytes;
use reload_datagram::SendError;
use reload_node::{DialAddress, Gathering, LinkId, LinkPurpose, Plan, Security, Way};
use reload_wire::OverlayLinkType;

use crate::world::{MS, SECOND, World, message};

pub(crate) const DIALLED: LinkId = LinkId::planned(1);
const ACCEPTED: LinkId = LinkId::accepted(0);

/// Two hosts with a link that the first has dialled.
pub(crate) fn linked(world: &mut World) -> (usize, usize) {
    let [ours, theirs] = [(); 2].map(|()| world.host_with(|it| it.no_ice = true));
    let (address, expected) = (world.hosts[theirs].address(), world.node_id(theirs));
    world.dial(ours, DIALLED, &[address], Some(expected));
    world.run_until(2 * SECOND, |world| {
        world.hosts[ours].up.contains(&DIALLED) && world.hosts[theirs].up.contains(&ACCEPTED)
    });
    (ours, theirs)
}

// R6940-6.5.1.11-01 R6940-6.6.6-01
#[test]
fn a_dialled_link_comes_up_on_both_sides_and_carries_messages_without_stun() {
    let mut world = World::new(1);
    world.capture = Some(Vec::new());
    let (ours, theirs) = linked(&mut world);
    let now = world.now;
    world.hosts[ours].send(now, DIALLED, message(1));
    world.hosts[theirs].send(now, ACCEPTED, message(2));
    world.run(SECOND);
    assert_eq!(world.hosts[theirs].messages[&ACCEPTED], [message(1)]);
    assert_eq!(world.hosts[ours].messages[&DIALLED], [message(2)]);
    world.run(200 * SECOND);
    let capture = world.capture.take().unwrap();
    assert!(capture.iter().all(|(_, _, data)| data[0] >= 20), "busy or idle, no STUN");
    let status = &world.hosts[ours].endpoint.links(world.now)[0];
    assert_eq!(status.link_type, OverlayLinkType::DTLS_UDP_SR_NO_ICE);
    assert_eq!(status.node, Some(world.node_id(theirs)));
    assert!(status.stats.unwrap().rtt.unwrap() >= 20 * MS);
}

#[test]
fn a_link_whose_node_has_an_rsa_certificate_comes_up() {
    let mut world = World::new(2);
    let ours = world.host();
    let credentials = world.overlay.rsa_node();
    let theirs = world.host_as(credentials, |_| {});
    let address = world.hosts[theirs].address();
    world.dial(ours, DIALLED, &[address], None);
    world.run_until(2 * SECOND, |world| world.hosts[ours].up.contains(&DIALLED));
}

// R6940-6.6.3-01
#[test]
fn a_thousand_messages_each_way_arrive_over_a_path_that_loses_and_reorders() {
    let mut world = World::new(3);
    let (ours, theirs) = linked(&mut world);
    (world.loss, world.delay, world.jitter) = (10, 30 * MS, 20 * MS);
    for number in 0..1000 {
        let now = world.now;
        world.hosts[ours].send(now, DIALLED, message(number));
        world.hosts[theirs].send(now, ACCEPTED, message(number));
        world.run(20 * MS);
    }
    world.run(30 * SECOND);
    assert_eq!(world.lost((theirs, ACCEPTED), (ours, DIALLED), 1000), [0_u32; 0]);
    assert_eq!(world.lost((ours, DIALLED), (theirs, ACCEPTED), 1000), [0_u32; 0]);
    assert!(world.hosts[ours].up.contains(&DIALLED));
}

#[test]
fn a_handshake_comes_through_a_path_that_loses_a_fifth() {
    for seed in 0..10 {
        let mut world = World::new(100 + seed);
        (world.loss, world.jitter) = (20, 20 * MS);
        let (ours, theirs) = (world.host(), world.host());
        let address = world.hosts[theirs].address();
        world.dial(ours, DIALLED, &[address], None);
        world.run_until(15 * SECOND, |world| world.hosts[ours].up.contains(&DIALLED));
    }
}

#[test]
fn the_next_address_is_dialled_when_one_does_not_answer() {
    let mut world = World::new(4);
    let (ours, theirs) = (world.host(), world.host());
    let (dead, alive) = (([203, 0, 113, 9], 6084).into(), world.hosts[theirs].address());
    world.dial(ours, DIALLED, &[dead, alive], None);
    world.run_until(10 * SECOND, |world| world.hosts[ours].up.contains(&DIALLED));
}

#[test]
fn a_plan_that_leads_nowhere_ends_at_its_deadline_and_says_what_was_tried() {
    let mut world = World::new(5);
    let ours = world.host();
    let dead = [1, 2].map(|port| ([203, 0, 113, 9], port).into());
    world.dial(ours, DIALLED, &dead, None);
    world.run(16 * SECOND);
    let reason = &world.hosts[ours].down[&DIALLED];
    assert!(reason.contains("203.0.113.9:1:") && reason.contains("203.0.113.9:2:"), "{reason}");
    assert!(world.hosts[ours].endpoint.links(world.now).is_empty());
    assert_eq!(world.hosts[ours].deadline, None);
}

#[test]
fn addresses_of_tcp_are_not_dialled_by_udp() {
    let mut world = World::new(6);
    let ours = world.host();
    let link = OverlayLinkType::TLS_TCP_FH_NO_ICE;
    let way = Way::Dial(vec![DialAddress { address: ([192, 0, 2, 9], 1).into(), link }]);
    let plan = Plan { way, security: Security::Handshake(None), deadline: world.now.mono + SECOND };
    let now = world.now;
    world.hosts[ours].endpoint.connect(now, DIALLED, plan);
    world.hosts[ours].drain(now);
    assert!(world.hosts[ours].down.contains_key(&DIALLED));
    assert!(world.hosts[ours].out.is_empty());
}

#[test]
fn closing_tells_the_other_side_at_once_and_ours_nothing() {
    let mut world = World::new(7);
    let (ours, theirs) = linked(&mut world);
    let now = world.now;
    world.hosts[ours].send(now, DIALLED, message(1));
    world.hosts[ours].endpoint.close(now, DIALLED);
    world.hosts[ours].drain(now);
    world.run(SECOND);
    assert!(world.hosts[theirs].down.contains_key(&ACCEPTED));
    assert_eq!(world.hosts[theirs].messages[&ACCEPTED], [message(1)], "sent before the close");
    assert!(world.hosts[ours].down.is_empty());
    assert!(world.hosts[ours].endpoint.links(world.now).is_empty());
    let refused = world.hosts[ours].endpoint.send(world.now, DIALLED, message(1));
    assert_eq!(refused, Err(SendError::NotUp));
}

// R6940-6.6.3.1-10 R6940-6.6.3.1-11 R6940-6.6-03
#[test]
fn a_silent_peer_is_told_as_failing_then_as_down_with_what_it_did_not_get() {
    let mut world = World::new(8);
    let (ours, theirs) = linked(&mut world);
    world.cut = Some((world.hosts[ours].ip, world.hosts[theirs].ip));
    let now = world.now;
    world.hosts[ours].send(now, DIALLED, message(1));
    world.run_until(10 * SECOND, |world| world.hosts[ours].failing.contains(&DIALLED));
    world.run_until(60 * SECOND, |world| world.hosts[ours].down.contains_key(&DIALLED));
    assert_eq!(world.hosts[ours].unacknowledged, [message(1)]);
}

// R6940-6.6.3.1-12
#[test]
fn a_peer_that_comes_back_in_time_is_restored() {
    let mut world = World::new(9);
    let (ours, theirs) = linked(&mut world);
    world.cut = Some((world.hosts[ours].ip, world.hosts[theirs].ip));
    let now = world.now;
    world.hosts[ours].send(now, DIALLED, message(1));
    world.run_until(10 * SECOND, |world| world.hosts[ours].failing.contains(&DIALLED));
    world.cut = None;
    world.run_until(20 * SECOND, |world| !world.hosts[ours].failing.contains(&DIALLED));
    assert!(world.hosts[ours].up.contains(&DIALLED));
}

#[test]
fn an_application_link_listens_on_its_own_socket_for_15_seconds() {
    let mut world = World::new(10);
    let (ours, theirs) = (world.host_with(|it| it.no_ice = true), world.host());
    let purpose = LinkPurpose::Application(61_443);
    for (host, own_socket) in [(ours, true), (theirs, false)] {
        let now = world.now;
        let gathering = Gathering { purpose, ice: None, own_socket };
        world.hosts[host].endpoint.gather(now, DIALLED, gathering);
        world.hosts[host].drain(now);
    }
    let candidate = world.hosts[ours].candidates[&DIALLED][0].clone();
    assert_eq!(candidate.overlay_link, OverlayLinkType::DTLS_UDP_SR_NO_ICE);
    let address = candidate.addr_port.socket_addr().unwrap();
    assert_ne!(address, world.hosts[ours].address());
    world.dial(theirs, DIALLED, &[address], None);
    world.run_until(2 * SECOND, |world| {
        world.hosts[ours].up.contains(&DIALLED) && world.hosts[theirs].up.contains(&DIALLED)
    });
    assert!(world.hosts[ours].accepted.is_empty(), "it has the name that was gathered for");
    let now = world.now;
    world.hosts[ours].send(now, DIALLED, Bytes::from_static(b"ours"));
    world.hosts[theirs].send(now, DIALLED, Bytes::from_static(b"theirs"));
    world.run(SECOND);
    assert_eq!(world.hosts[ours].datagrams[&DIALLED], ["theirs"]);
    assert_eq!(world.hosts[theirs].datagrams[&DIALLED], ["ours"]);

    let unused = LinkId::planned(2);
    let (now, gathering) = (world.now, Gathering { purpose, ice: None, own_socket: true });
    world.hosts[ours].endpoint.gather(now, unused, gathering);
    world.hosts[ours].drain(now);
    world.run(15 * SECOND - MS);
    assert_eq!(world.hosts[ours].sockets.len(), 3);
    world.run(2 * MS);
    assert!(world.hosts[ours].down.contains_key(&unused));
    assert_eq!(world.hosts[ours].sockets.len(), 2);
}

#[test]
fn a_link_whose_own_address_is_gone_is_down_at_once() {
    let mut world = World::new(11);
    let (ours, theirs) = linked(&mut world);
    let now = world.now;
    world.hosts[theirs].move_to(now, [192, 0, 2, 77].into());
    assert!(world.hosts[theirs].down.contains_key(&ACCEPTED));
    let _ = ours;
}

#[test]
fn two_nodes_that_dial_each_other_at_once_end_with_one_link() {
    for seed in 0..20 {
        let mut world = World::new(200 + seed);
        let hosts = [world.host(), world.host()];
        let addresses = hosts.map(|host| world.hosts[host].address());
        world.dial(hosts[0], DIALLED, &[addresses[1]], None);
        world.dial(hosts[1], DIALLED, &[addresses[0]], None);
        world.run(20 * SECOND);
        for host in hosts {
            assert_eq!(world.hosts[host].up.len(), 1, "{:?}", world.hosts[host].down);
        }
    }
}

#[test]
fn links_over_ipv6_come_up_with_ice_and_without() {
    let mut world = World::new(12);
    let hosts = ["2001:db8::1", "2001:db8::2"].map(|ip| world.host_at(ip.parse().unwrap()));
    let address = world.hosts[hosts[1]].address();
    world.dial(hosts[0], DIALLED, &[address], None);
    world.run_until(2 * SECOND, |world| world.hosts[hosts[0]].up.contains(&DIALLED));
    let link = world.attach(hosts[1], hosts[0], 5);
    world.run_until(5 * SECOND, |world| hosts.iter().all(|it| world.hosts[*it].up.contains(&link)));
    let now = world.now;
    world.hosts[hosts[0]].send(now, link, message(1));
    world.run(SECOND);
    assert_eq!(world.hosts[hosts[1]].messages[&link], [message(1)]);
}

#[test]
fn an_endpoint_can_live_on_any_thread() {
    fn lives<T: Send>() {}
    lives::<reload_datagram::Endpoint>();
}

#[test]
fn the_socket_of_one_link_takes_the_first_who_completes_and_sends_others_away() {
    let mut world = World::new(13);
    let ours = world.host_with(|it| it.no_ice = true);
    let others = [world.host(), world.host()];
    let (now, purpose) = (world.now, LinkPurpose::Application(61_443));
    let gathering = Gathering { purpose, ice: None, own_socket: true };
    world.hosts[ours].endpoint.gather(now, DIALLED, gathering);
    world.hosts[ours].drain(now);
    let address = world.hosts[ours].candidates[&DIALLED][0].addr_port.socket_addr().unwrap();
    for other in others {
        world.dial(other, LinkId::planned(2), &[address], None);
    }
    world.run(5 * SECOND);
    assert!(world.hosts[ours].up.contains(&DIALLED));
    let up = |other: &&usize| !world.hosts[**other].up.is_empty();
    assert_eq!(others.iter().filter(up).count(), 1);
    assert_eq!(others.iter().filter(|other| !world.hosts[**other].down.is_empty()).count(), 1);
    assert_eq!(world.hosts[ours].endpoint.half_open(), 0);
}

#[test]
fn handshakes_end_with_the_socket_they_came_to() {
    let mut world = World::new(14);
    let (ours, theirs) = (world.host_with(|it| it.no_ice = true), world.host());
    let (now, purpose) = (world.now, LinkPurpose::Application(61_443));
    let gathering = Gathering { purpose, ice: None, own_socket: true };
    world.hosts[ours].endpoint.gather(now, DIALLED, gathering);
    world.hosts[ours].drain(now);
    let address = world.hosts[ours].candidates[&DIALLED][0].addr_port.socket_addr().unwrap();
    world.dial(theirs, DIALLED, &[address], None);
    world.run(35 * MS); // hello, cookie, hello again
    assert_eq!(world.hosts[ours].endpoint.half_open(), 1);
    let now = world.now;
    world.hosts[ours].endpoint.close(now, DIALLED);
    world.hosts[ours].drain(now);
    assert_eq!(world.hosts[ours].endpoint.half_open(), 0);
    assert_eq!(world.hosts[ours].sockets.len(), 1);
}

#[test]
fn what_a_peer_that_closes_did_not_take_is_handed_back() {
    let mut world = World::new(15);
    let (ours, theirs) = linked(&mut world);
    let now = world.now;
    world.hosts[theirs].endpoint.close(now, ACCEPTED);
    world.hosts[theirs].drain(now);
    world.hosts[ours].send(now, DIALLED, message(1));
    world.run(SECOND);
    assert!(world.hosts[ours].down.contains_key(&DIALLED));
    assert_eq!(world.hosts[ours].unacknowledged, [message(1)]);
}

//! Links of SIP (RFC 7904 section 5.1): plain datagrams on a path that ICE has bound to a node, DTLS for
//! SIPS, messages larger than the path takes in one piece for both.

use std::net::SocketAddr;

use bytes::Bytes;
use reload_datagram::{LinkPath, SocketId};
use reload_ice::{DatagramKind, kind_of};
use reload_node::{DialAddress, LinkId, LinkPurpose, MEDIA, SIP, SIPS, Security, Way};
use reload_wire::{CandType, OverlayLinkType};

use crate::nat::Kind;
use crate::turn::{homes, link};
use crate::world::{SECOND, World};

const PLAIN: LinkPurpose = LinkPurpose::Application(SIP);
const PROTECTED: LinkPurpose = LinkPurpose::Application(SIPS);
const PHONES: LinkPurpose = LinkPurpose::Application(MEDIA);
const PRIVATE: LinkPurpose = LinkPurpose::Application(61_443);

/// Requests and answers begin with letters that RFC 7983 has for TURN, for nobody, and with what keeps a
/// binding of a NAT alive (RFC 5626 section 3.5.1).
const MESSAGES: [&str; 6] = [
    "INVITE sip:bob@o.example SIP/2.0\r\n\r\n",
    "ACK sip:bob@o.example SIP/2.0\r\n\r\n",
    "SIP/2.0 200 OK\r\n\r\n",
    "\r\n\r\n",
    "?",
    "\u{1}",
];

fn send(world: &mut World, host: usize, link: LinkId, datagram: &Bytes) {
    let now = world.now;
    world.hosts[host].send(now, link, datagram.clone());
}

fn came(world: &World, host: usize, link: LinkId) -> Vec<Bytes> {
    world.hosts[host].datagrams.get(&link).cloned().unwrap_or_default()
}

/// The address of the socket that a host has for its application link.
fn own(world: &World, host: usize) -> SocketAddr {
    let sockets = &world.hosts[host].sockets;
    let port = sockets.iter().find(|(socket, _)| **socket != SocketId::OVERLAY).unwrap().1;
    SocketAddr::new(world.hosts[host].ip, *port)
}

// R7904-5.1-07
#[test]
fn plain_sip_goes_as_it_is_in_both_directions_once_a_pair_is_selected() {
    let mut world = World::new(70);
    let hosts = [world.host(), world.host()];
    world.capture = Some(Vec::new());
    let pipe = link(&mut world, hosts, 8, PLAIN);
    let messages = MESSAGES.map(|text| Bytes::from_static(text.as_bytes()));
    for message in &messages {
        send(&mut world, hosts[0], pipe, message);
        send(&mut world, hosts[1], pipe, message);
    }
    world.run(SECOND);
    assert_eq!(came(&world, hosts[1], pipe), messages);
    assert_eq!(came(&world, hosts[0], pipe), messages);
    let capture = world.capture.take().unwrap();
    let other = |it: &&(_, _, Bytes)| kind_of(&it.2) != DatagramKind::Stun;
    let others: Vec<_> = capture.iter().filter(other).map(|it| &it.2).collect();
    assert_eq!(others.len(), 2 * messages.len(), "no handshake");
    assert!(others.iter().all(|datagram| messages.contains(datagram)));
    let status = world.hosts[hosts[0]].endpoint.links(world.now);
    assert_eq!(status[0].node, Some(world.node_id(hosts[1])));
}

#[test]
fn who_did_not_take_part_in_ice_says_nothing_on_a_plain_link() {
    let mut world = World::new(71);
    let hosts = [world.host(), world.host(), world.host()];
    let pipe = link(&mut world, [hosts[0], hosts[1]], 8, PLAIN);
    let (target, friend) = (own(&world, hosts[0]), own(&world, hosts[1]));
    let invite = Bytes::from_static(b"INVITE sip:alice@o.example SIP/2.0\r\n\r\n");
    let before = world.hosts[hosts[0]].endpoint.counters().strays;
    let same_host = SocketAddr::new(friend.ip(), friend.port() + 1);
    for stranger in [world.hosts[hosts[2]].address(), world.hosts[hosts[1]].address(), same_host] {
        world.inject(stranger, target, invite.clone());
    }
    world.run(SECOND);
    assert!(came(&world, hosts[0], pipe).is_empty());
    assert_eq!(world.hosts[hosts[0]].endpoint.counters().strays, before + 3);
    send(&mut world, hosts[1], pipe, &invite);
    world.run(SECOND);
    assert_eq!(came(&world, hosts[0], pipe), [invite]);
}

/// Before the checks have shown who is there, nothing is heard and nothing is sent.
#[test]
fn a_plain_link_is_not_up_before_ice_has_selected_a_pair() {
    let mut world = World::new(72);
    let hosts = [world.host(), world.host()];
    world.lose = Some(Box::new(|_, _, data| kind_of(data) == DatagramKind::Stun));
    let pipe = world.attach_for(hosts[0], hosts[1], 8, PLAIN);
    world.run(5 * SECOND);
    let target = own(&world, hosts[0]);
    world.inject(own(&world, hosts[1]), target, Bytes::from_static(b"INVITE"));
    world.run(SECOND);
    assert!(came(&world, hosts[0], pipe).is_empty());
    let now = world.now;
    let refused = world.hosts[hosts[0]].endpoint.send(now, pipe, Bytes::from_static(b"INVITE"));
    assert!(refused.is_err());
    world.run(60 * SECOND);
    assert!(world.hosts[hosts[0]].down[&pipe].contains("no candidate pair"));
}

// R7904-5.2-01
#[test]
fn checks_keep_an_idle_plain_link_alive_and_end_it_when_nobody_answers_them() {
    let mut world = World::new(73);
    let server = world.host();
    let stun = [world.hosts[server].address()];
    let hosts =
        [world.home(Kind::PortRestricted, &stun), world.home(Kind::AddressRestricted, &stun)];
    let pipe = link(&mut world, hosts, 8, PLAIN);
    world.run(180 * SECOND);
    let invite = Bytes::from_static(b"INVITE sip:bob@o.example SIP/2.0\r\n\r\n");
    send(&mut world, hosts[0], pipe, &invite);
    world.run(SECOND);
    assert_eq!(came(&world, hosts[1], pipe), [invite], "three minutes later");
    let path = world.hosts[hosts[0]].endpoint.path(pipe).unwrap();
    assert!(!path.is_direct, "a NAT is between them");
    let now = world.now;
    world.hosts[hosts[1]].endpoint.close(now, pipe);
    world.hosts[hosts[1]].drain(now);
    world.run(40 * SECOND);
    assert!(world.hosts[hosts[0]].down[&pipe].contains("answers no checks"));
    assert_eq!(world.hosts[hosts[0]].sockets.len(), 1);
}

/// 6 KB: an INVITE with many header fields, of which the path carries 1,500 bytes at once.
#[test]
fn datagrams_of_sip_and_of_phones_may_be_larger_than_the_path_takes_in_one_piece() {
    for purpose in [PLAIN, PROTECTED, PHONES] {
        let mut world = World::new(74);
        let hosts = [world.host(), world.host()];
        let pipe = link(&mut world, hosts, 8, purpose);
        let mtu = world.hosts[hosts[0]].endpoint.links(world.now)[0].mtu.unwrap();
        for size in [6000, mtu] {
            let datagram = Bytes::from(vec![b'I'; size]);
            send(&mut world, hosts[0], pipe, &datagram);
            world.run(SECOND);
            assert_eq!(came(&world, hosts[1], pipe).last(), Some(&datagram), "{purpose:?}");
        }
        let now = world.now;
        let larger = Bytes::from(vec![b'I'; mtu + 1]);
        assert!(world.hosts[hosts[0]].endpoint.send(now, pipe, larger).is_err());
    }
}

#[test]
fn other_applications_keep_to_what_the_path_takes() {
    let mut world = World::new(75);
    let hosts = [world.host(), world.host()];
    link(&mut world, hosts, 8, PRIVATE);
    let mtu = world.hosts[hosts[0]].endpoint.links(world.now)[0].mtu.unwrap();
    assert!((1000..1200).contains(&mtu), "{mtu}");
}

#[test]
fn large_datagrams_go_through_a_relay_too() {
    for purpose in [PLAIN, PROTECTED] {
        let mut world = World::new(76);
        let homes = homes(&mut world, 2);
        let hosts = [homes[0], homes[1]];
        let pipe = link(&mut world, hosts, 8, purpose);
        let status = &world.hosts[hosts[0]].endpoint.links(world.now)[0];
        let kinds = status.kinds.unwrap();
        assert!([kinds.0, kinds.1].contains(&CandType::Relay));
        let datagram = Bytes::from([b"INVITE ".to_vec(), vec![b'x'; 6000]].concat());
        for (from, to) in [(hosts[0], hosts[1]), (hosts[1], hosts[0])] {
            send(&mut world, from, pipe, &datagram);
            world.run(SECOND);
            assert_eq!(came(&world, to, pipe), [&datagram[..]], "{purpose:?}");
        }
        assert!(!world.hosts[hosts[0]].endpoint.path(pipe).unwrap().is_direct);
    }
}

#[test]
fn the_path_of_a_link_is_known_and_a_change_is_told() {
    let mut world = World::new(77);
    let hosts = [world.host(), world.host()];
    let pipe = link(&mut world, hosts, 8, PLAIN);
    let (local, remote) = (own(&world, hosts[0]), own(&world, hosts[1]));
    let direct = LinkPath { local, remote, is_direct: true };
    assert_eq!(world.hosts[hosts[0]].endpoint.path(pipe), Some(direct));
    let moved = std::net::IpAddr::from([192, 0, 2, 77]);
    let now = world.now;
    world.hosts[hosts[1]].move_to(now, moved);
    world.run(20 * SECOND);
    let told = world.hosts[hosts[0]].moved.last().expect("it is told");
    assert_eq!((told.0, told.1.remote.ip()), (pipe, moved));
    assert_eq!(world.hosts[hosts[0]].endpoint.path(pipe), Some(told.1));
    let invite = Bytes::from_static(b"INVITE sip:bob@o.example SIP/2.0\r\n\r\n");
    send(&mut world, hosts[1], pipe, &invite);
    world.run(SECOND);
    assert_eq!(came(&world, hosts[0], pipe), [invite]);
}

#[test]
fn nothing_but_ice_on_a_socket_of_its_own_makes_a_plain_link() {
    let mut world = World::new(78);
    let hosts = [world.host(), world.host()];
    let security = Security::Path(world.hosts[hosts[1]].credentials.signer());
    let link = OverlayLinkType::DTLS_UDP_SR_NO_ICE;
    let address = world.hosts[hosts[1]].address();
    let dial = Way::Dial(vec![DialAddress { address, link }]);
    let dialled = LinkId::planned(1);
    world.connect(hosts[0], dialled, dial, security.clone());
    assert!(world.hosts[hosts[0]].down[&dialled].contains("without ICE"));
    let shared = LinkId::planned(2);
    world.gather(hosts[0], shared, LinkPurpose::Overlay, true);
    world.run(SECOND);
    let way = world.offer(hosts[0], shared, true);
    world.connect(hosts[0], shared, way, security);
    assert!(world.hosts[hosts[0]].down.contains_key(&shared));
}

/// The caller may speak first, or the callee: neither has to wait for the first resend of SIP.
#[test]
fn what_is_said_as_soon_as_one_end_is_up_is_heard_at_the_other() {
    for (speaker, seed) in [(0, 79), (1, 80)] {
        let mut world = World::new(seed);
        let server = world.host();
        let stun = [world.hosts[server].address()];
        let nats = [Kind::PortRestricted, Kind::AddressRestricted];
        let hosts = nats.map(|kind| world.home(kind, &stun));
        let pipe = world.attach_for(hosts[0], hosts[1], 8, PLAIN);
        world.run_until(20 * SECOND, |world| world.hosts[hosts[speaker]].up.contains(&pipe));
        let invite = Bytes::from_static(b"INVITE sip:bob@o.example SIP/2.0\r\n\r\n");
        send(&mut world, hosts[speaker], pipe, &invite);
        world.run(SECOND);
        assert_eq!(came(&world, hosts[1 - speaker], pipe), [invite], "speaker {speaker}");
    }
}

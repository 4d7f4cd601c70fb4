//! The TURN service: quotas, users for a time, addresses that are not relayed to; asked by our own client
//! and by hand-made requests.

mod client;
mod rig;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use reload_ice::TurnQuotas;
use stun_types::attribute::{ErrorCode, Nonce, RawAttribute, Realm};
use stun_types::message::{
    Message, MessageClass, MessageType, MessageWrite, MessageWriteVec, Method,
};

use rig::{
    ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, PEER, REFRESH, Rig, channel, client, lifetime, peer,
    udp,
};

#[test]
fn nothing_is_given_without_credentials_and_nothing_is_remembered() {
    let mut rig = Rig::new(TurnQuotas::default());
    let kind = MessageType::from_class_method(MessageClass::Request, ALLOCATE);
    let bare = Message::builder(kind, 9.into(), MessageWriteVec::new()).finish();
    let answer = rig.hand(client(1), &bare).unwrap();
    let answer = Message::from_bytes(&answer).unwrap();
    assert_eq!(answer.attribute::<ErrorCode>().unwrap().code(), ErrorCode::UNAUTHORIZED);
    assert_eq!(answer.attribute::<Realm>().unwrap().realm(), "example.org");
    assert!(answer.attribute::<Nonce>().is_ok());
    assert_eq!(rig.ask_as("stranger", client(1), ALLOCATE, &[udp()]), ErrorCode::UNAUTHORIZED);
    assert!(rig.sockets.is_empty());
    assert_eq!(rig.service.allocations(), 0);
}

// R6940-9-08
#[test]
fn an_allocation_relays_both_ways_with_permission_only() {
    let mut rig = Rig::new(TurnQuotas::default());
    assert_eq!(rig.allocate(client(1)), 0);
    let (socket, from) = (rig.sockets[0], SocketAddr::from((PEER, 9)));
    rig.service.handle_relay_datagram(rig.now, socket, from, b"too early");
    rig.drain();
    assert!(rig.to_clients.is_empty());
    assert_eq!(rig.ask(client(1), CREATE_PERMISSION, &[peer(PEER, 0)]), 0);
    rig.service.handle_relay_datagram(rig.now, socket, from, b"in");
    rig.drain();
    let (to, data) = rig.to_clients.pop().unwrap();
    assert_eq!(to, client(1));
    let data = Message::from_bytes(&data).unwrap();
    assert_eq!(
        data.get_type(),
        MessageType::from_class_method(MessageClass::Indication, Method::new(7))
    );
    assert_eq!(rig.ask(client(1), CHANNEL_BIND, &[channel(0x4000), peer(PEER, 9)]), 0);
    rig.service.handle_relay_datagram(rig.now, socket, from, b"in");
    rig.drain();
    assert_eq!(&rig.to_clients.pop().unwrap().1[..], b"\x40\x00\x00\x02in");
    assert_eq!(rig.hand(client(1), b"\x40\x00\x00\x03out\0"), None);
    assert_eq!(rig.to_peers.pop().unwrap(), (socket, from, Bytes::from_static(b"out")));
    let late = rig.now + Duration::from_secs(301);
    rig.service.handle_relay_datagram(late, socket, from, b"in");
    rig.drain();
    assert!(rig.to_clients.is_empty(), "permissions last five minutes");
}

#[test]
fn a_repeated_request_gets_the_same_answer_and_another_one_a_mismatch() {
    let mut rig = Rig::new(TurnQuotas::default());
    assert_eq!(rig.ask(client(1), REFRESH, &[]), ErrorCode::ALLOCATION_MISMATCH); // tells the nonce
    let request = rig.build(ALLOCATE, "user", &[udp()]);
    let first = rig.hand(client(1), &request).unwrap();
    assert_eq!(rig.hand(client(1), &request), Some(first));
    assert_eq!(rig.sockets.len(), 1);
    assert_eq!(rig.allocate(client(1)), ErrorCode::ALLOCATION_MISMATCH);
}

#[test]
fn allocations_are_bounded_a_user_and_in_all() {
    let mut rig = Rig::new(TurnQuotas { allocations: 3, ..TurnQuotas::default() });
    assert_eq!(rig.allocate(client(1)), 0);
    assert_eq!(rig.allocate(client(2)), 0);
    assert_eq!(rig.allocate(client(3)), ErrorCode::ALLOCATION_QUOTA_REACHED);
    rig.service.add_user(rig.now, "other", "secret", Duration::from_secs(60));
    assert_eq!(rig.ask_as("other", client(4), ALLOCATE, &[udp()]), 0);
    assert_eq!(
        rig.ask_as("other", client(5), ALLOCATE, &[udp()]),
        ErrorCode::INSUFFICIENT_CAPACITY
    );
    assert_eq!(rig.ask(client(1), REFRESH, &[lifetime(0)]), 0);
    assert_eq!(rig.closed, [rig.sockets[0]]);
    assert_eq!(rig.allocate(client(3)), 0);
}

#[test]
fn a_socket_that_cannot_be_opened_is_told_and_leaves_nothing() {
    let mut rig = Rig::new(TurnQuotas::default());
    rig.full = true;
    assert_eq!(rig.allocate(client(1)), ErrorCode::INSUFFICIENT_CAPACITY);
    rig.full = false;
    assert_eq!(rig.allocate(client(1)), 0);
}

#[test]
fn users_are_bounded_and_end_with_all_they_have() {
    let mut rig = Rig::new(TurnQuotas { users: 2, ..TurnQuotas::default() });
    let minute = Duration::from_secs(60);
    assert!(rig.service.add_user(rig.now, "brief", "secret", minute));
    assert!(!rig.service.add_user(rig.now, "one more", "secret", minute));
    assert!(rig.service.add_user(rig.now, "brief", "secret", minute), "known already");
    assert_eq!(rig.ask_as("brief", client(1), ALLOCATE, &[udp()]), 0);
    assert_eq!(rig.service.next_timeout(), Some(rig.now + minute));
    rig.now += minute;
    rig.service.handle_timeout(rig.now);
    rig.drain();
    assert_eq!((rig.service.allocations(), rig.closed.len()), (0, 1));
    assert_eq!(rig.ask_as("brief", client(1), ALLOCATE, &[udp()]), ErrorCode::UNAUTHORIZED);
    assert!(rig.service.add_user(rig.now, "one more", "secret", minute), "there is room again");
}

#[test]
fn an_allocation_lasts_ten_minutes_whatever_is_asked() {
    let mut rig = Rig::new(TurnQuotas::default());
    assert_eq!(rig.ask(client(1), ALLOCATE, &[udp(), lifetime(3600)]), 0);
    assert_eq!(rig.service.next_timeout(), Some(rig.now + Duration::from_secs(600)));
    rig.now += Duration::from_secs(500);
    assert_eq!(rig.ask(client(1), REFRESH, &[lifetime(3600)]), 0);
    rig.now += Duration::from_secs(599);
    rig.service.handle_timeout(rig.now);
    assert_eq!(rig.service.allocations(), 1);
    rig.now += Duration::from_secs(1);
    rig.service.handle_timeout(rig.now);
    assert_eq!(rig.service.allocations(), 0);
    assert_eq!(rig.ask(client(1), REFRESH, &[]), ErrorCode::ALLOCATION_MISMATCH);
}

#[test]
fn peers_of_no_business_are_forbidden() {
    let mut rig = Rig::new(TurnQuotas::default());
    rig.allocate(client(1));
    for ip in [[127, 0, 0, 1], [10, 0, 0, 1], [169, 254, 169, 254], [224, 0, 0, 1], [0, 0, 0, 0]] {
        let both = [peer(PEER, 1), peer(ip, 1)];
        assert_eq!(rig.ask(client(1), CREATE_PERMISSION, &both), ErrorCode::FORBIDDEN, "{ip:?}");
        let bind = [channel(0x4001), peer(ip, 1)];
        assert_eq!(rig.ask(client(1), CHANNEL_BIND, &bind), ErrorCode::FORBIDDEN, "{ip:?}");
    }
    let from = SocketAddr::from((PEER, 1));
    rig.service.handle_relay_datagram(rig.now, rig.sockets[0], from, b"in");
    rig.drain();
    assert!(rig.to_clients.is_empty(), "all or none of one request");
    // Relayed to relayed is how two clients of one server meet; the server itself is not a peer.
    assert_eq!(
        rig.ask(client(1), CHANNEL_BIND, &[channel(0x4002), peer([203, 0, 113, 2], 3478)]),
        0
    );
    rig.hand(client(1), b"\x40\x02\x00\x01!");
    assert!(rig.to_peers.is_empty());
}

#[test]
fn permissions_and_channels_are_bounded_and_well_formed() {
    let mut rig = Rig::new(TurnQuotas { permissions: 3, channels: 2, ..TurnQuotas::default() });
    rig.allocate(client(1));
    let bind = |n: u16, last: u8| [channel(n), peer([192, 0, 2, last], 1)];
    assert_eq!(rig.ask(client(1), CHANNEL_BIND, &bind(0x4000, 1)), 0);
    assert_eq!(rig.ask(client(1), CHANNEL_BIND, &bind(0x4000, 2)), ErrorCode::BAD_REQUEST);
    assert_eq!(rig.ask(client(1), CHANNEL_BIND, &bind(0x5000, 2)), ErrorCode::BAD_REQUEST);
    assert_eq!(rig.ask(client(1), CHANNEL_BIND, &bind(0x4001, 2)), 0);
    assert_eq!(
        rig.ask(client(1), CHANNEL_BIND, &bind(0x4002, 3)),
        ErrorCode::INSUFFICIENT_CAPACITY
    );
    let three = [peer([192, 0, 2, 3], 1)];
    assert_eq!(rig.ask(client(1), CREATE_PERMISSION, &three), 0);
    let four = [peer([192, 0, 2, 4], 1)];
    assert_eq!(rig.ask(client(1), CREATE_PERMISSION, &four), ErrorCode::INSUFFICIENT_CAPACITY);
    assert_eq!(rig.ask(client(1), CREATE_PERMISSION, &[]), ErrorCode::BAD_REQUEST);
}

#[test]
fn requests_that_are_not_served_are_told_why() {
    let mut rig = Rig::new(TurnQuotas::default());
    let tcp = RawAttribute::new(0x0019.into(), &[6, 0, 0, 0]);
    let six = RawAttribute::new(0x0017.into(), &[2, 0, 0, 0]);
    let even = RawAttribute::new(0x0018.into(), &[0x80]);
    let whole = RawAttribute::new(0x001a.into(), &[]);
    for (attributes, code) in [
        (vec![], ErrorCode::BAD_REQUEST),
        (vec![tcp], ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL),
        (vec![udp(), six], ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED),
        (vec![udp(), even], ErrorCode::INSUFFICIENT_CAPACITY),
        (vec![udp(), whole], ErrorCode::UNKNOWN_ATTRIBUTE),
    ] {
        assert_eq!(rig.ask(client(1), ALLOCATE, &attributes), code);
    }
    assert_eq!(rig.ask(client(1), REFRESH, &[]), ErrorCode::ALLOCATION_MISMATCH);
    rig.allocate(client(1));
    rig.service.add_user(rig.now, "other", "secret", Duration::from_secs(60));
    assert_eq!(rig.ask_as("other", client(1), REFRESH, &[]), ErrorCode::WRONG_CREDENTIALS);
}

#[test]
fn bytes_of_a_user_are_bounded_over_all_allocations() {
    let mut rig = Rig::new(TurnQuotas { bytes_per_second: 1000, ..TurnQuotas::default() });
    for n in 1..=2 {
        rig.allocate(client(n));
        rig.ask(client(n), CHANNEL_BIND, &[channel(0x4000), peer(PEER, 9)]);
    }
    let mut datagram = vec![0x40, 0, 0, 100];
    datagram.extend([7; 100]);
    for _ in 0..30 {
        rig.hand(client(1), &datagram);
        rig.hand(client(2), &datagram);
    }
    assert_eq!(rig.to_peers.len(), 20, "two seconds' worth at once");
    rig.now += Duration::from_secs(1);
    for _ in 0..30 {
        rig.hand(client(1), &datagram);
    }
    assert_eq!(rig.to_peers.len(), 30);
}

#[test]
fn noise_at_the_service_does_nothing() {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::from_seed([9; 32]);
    let mut rig = Rig::new(TurnQuotas::default());
    rig.allocate(client(1));
    let request = rig.build(ALLOCATE, "user", &[udp(), lifetime(100)]);
    for _ in 0..20_000 {
        let mut data = request.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..data.len());
            data[at] ^= 1 << random.random_range(0..8);
        }
        if random.random_bool(0.3) {
            data.truncate(random.random_range(0..data.len()));
        }
        if rig.service.accepts(client(7), &data) {
            rig.service.handle_datagram(rig.now, client(7), &data);
        }
        rig.service.handle_datagram(rig.now, client(1), &data);
        rig.drain();
        rig.to_clients.clear();
    }
    assert_eq!(rig.sockets.len(), 1);
}

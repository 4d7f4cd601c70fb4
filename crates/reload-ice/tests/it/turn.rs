//! The TURN service: quotas, users for a time, addresses that are not relayed to; asked by our own client
//! and by hand-made requests.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_ice::{RelaySocket, Relays, TurnLogin, TurnOutput, TurnQuotas, TurnService};
use stun_types::attribute::{ErrorCode, Nonce, RawAttribute, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method,
};

const SERVER: &str = "203.0.113.2:3478";
const ALLOCATE: Method = Method::new(3);
const REFRESH: Method = Method::new(4);
const CREATE_PERMISSION: Method = Method::new(8);
const CHANNEL_BIND: Method = Method::new(9);

struct Rig {
    now: Instant,
    service: TurnService,
    sockets: Vec<RelaySocket>,
    closed: Vec<RelaySocket>,
    to_peers: Vec<(RelaySocket, SocketAddr, Bytes)>,
    to_clients: Vec<(SocketAddr, Bytes)>,
    nonce: String,
    count: u128,
    full: bool,
}

impl Rig {
    fn new(quotas: TurnQuotas) -> Self {
        let now = Instant::now();
        let mut service =
            TurnService::new(now, SERVER.parse().unwrap(), "example.org", quotas, [5; 32]);
        service.add_user(now, "user", "secret", Duration::from_secs(3600));
        Self {
            now,
            service,
            sockets: Vec::new(),
            closed: Vec::new(),
            to_peers: Vec::new(),
            to_clients: Vec::new(),
            nonce: String::new(),
            count: 0,
            full: false,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.service.poll_output() {
            match output {
                TurnOutput::AllocateSocket(socket) => {
                    self.sockets.push(socket);
                    let port = 50_000 + u16::try_from(self.sockets.len()).unwrap();
                    let address = SocketAddr::from(([203, 0, 113, 2], port));
                    let address = Some(address).filter(|_| !self.full);
                    self.service.handle_allocated(self.now, socket, address);
                }
                TurnOutput::CloseSocket(socket) => self.closed.push(socket),
                TurnOutput::ToClient { remote, data } => self.to_clients.push((remote, data)),
                TurnOutput::ToPeer { socket, remote, data } => {
                    self.to_peers.push((socket, remote, data));
                }
            }
        }
    }

    fn hand(&mut self, client: SocketAddr, datagram: &[u8]) -> Option<Bytes> {
        assert!(self.service.accepts(client, datagram));
        self.service.handle_datagram(self.now, client, datagram);
        self.drain();
        self.to_clients.pop().map(|it| it.1)
    }

    fn build(&mut self, method: Method, user: &str, attributes: &[RawAttribute<'_>]) -> Vec<u8> {
        self.count += 1;
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut it = Message::builder(kind, self.count.into(), MessageWriteVec::new());
        attributes.iter().for_each(|attribute| it.add_attribute(attribute).unwrap());
        it.add_attribute(&Username::new(user).unwrap()).unwrap();
        it.add_attribute(&Realm::new("example.org").unwrap()).unwrap();
        it.add_attribute(&Nonce::new(&self.nonce).unwrap()).unwrap();
        let (user, password, realm) = (user.to_owned(), "secret".to_owned(), "example.org".into());
        let key = LongTermKeyCredentials::new(user, password, realm);
        it.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1).unwrap();
        it.finish()
    }

    /// The code of the answer, 0 for success. Learns the nonce where it is told one.
    fn ask_as(
        &mut self,
        user: &str,
        client: SocketAddr,
        method: Method,
        attributes: &[RawAttribute<'_>],
    ) -> u16 {
        for _ in 0..2 {
            let request = self.build(method, user, attributes);
            let answer = self.hand(client, &request).expect("an answer");
            let answer = Message::from_bytes(&answer).unwrap();
            let code = answer.attribute::<ErrorCode>().map_or(0, |it| it.code());
            if code != ErrorCode::STALE_NONCE {
                return code;
            }
            self.nonce = answer.attribute::<Nonce>().unwrap().nonce().to_owned();
        }
        ErrorCode::STALE_NONCE
    }

    fn ask(&mut self, client: SocketAddr, method: Method, attributes: &[RawAttribute<'_>]) -> u16 {
        self.ask_as("user", client, method, attributes)
    }

    fn allocate(&mut self, client: SocketAddr) -> u16 {
        self.ask(client, ALLOCATE, &[udp()])
    }
}

fn client(n: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, n], 4000))
}

fn udp() -> RawAttribute<'static> {
    RawAttribute::new(0x0019.into(), &[17, 0, 0, 0])
}

fn lifetime(seconds: u32) -> RawAttribute<'static> {
    RawAttribute::new_owned(0x000d.into(), Box::new(seconds.to_be_bytes()))
}

/// XOR-PEER-ADDRESS by hand (RFC 8489 section 14.2).
fn peer(ip: [u8; 4], port: u16) -> RawAttribute<'static> {
    let port = (port ^ 0x2112).to_be_bytes();
    let x = [0x21, 0x12, 0xa4, 0x42];
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| ip[i] ^ x[i]);
    RawAttribute::new_owned(0x0012.into(), Box::new([0, 1, port[0], port[1], a, b, c, d]))
}

fn channel(number: u16) -> RawAttribute<'static> {
    let [a, b] = number.to_be_bytes();
    RawAttribute::new_owned(0x000c.into(), Box::new([a, b, 0, 0]))
}

const PEER: [u8; 4] = [192, 0, 2, 7];

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

/// Our own client, with its library, against our own server: over hours of virtual time.
#[test]
fn a_client_keeps_its_allocation_permission_and_channel_for_hours() {
    let mut rig = Rig::new(TurnQuotas::default());
    rig.service.add_user(rig.now, "user", "secret", Duration::from_secs(100_000));
    let (base, peer) = (client(1), SocketAddr::from((PEER, 9)));
    let (username, password) = ("user".to_owned(), "secret".to_owned());
    let login = TurnLogin { server: SERVER.parse().unwrap(), username, password };
    let mut relays = Relays::new(rig.now);
    assert!(relays.allocate(rig.now, &login, base));
    let end = rig.now + Duration::from_secs(4 * 3600);
    let (mut next_data, mut sent, mut received) = (rig.now, 0, 0);
    while rig.now < end {
        while let Some(it) = relays.poll_transmit() {
            if rig.service.accepts(it.local, &it.data) {
                rig.service.handle_datagram(rig.now, it.local, &it.data);
            }
            rig.drain();
            for (_, data) in std::mem::take(&mut rig.to_clients) {
                relays.handle_datagram(rig.now, base, login.server, &data);
            }
        }
        rig.drain();
        for (socket, to, data) in std::mem::take(&mut rig.to_peers) {
            assert_eq!((to, &data[..]), (peer, &b"out"[..]));
            rig.service.handle_relay_datagram(rig.now, socket, peer, b"in");
            rig.drain();
            for (_, data) in std::mem::take(&mut rig.to_clients) {
                let arrived = relays.handle_datagram(rig.now, base, login.server, &data).unwrap();
                assert_eq!((arrived.remote, &arrived.data[..]), (peer, &b"in"[..]));
                received += 1;
            }
        }
        if rig.now >= next_data
            && let Some(relayed) = relays.relayed().first()
        {
            relays.send(rig.now, relayed.address, peer, Bytes::from_static(b"out"));
            (next_data, sent) = (rig.now + Duration::from_secs(60), sent + 1);
            continue;
        }
        let timers = [relays.next_timeout(), rig.service.next_timeout()];
        let next = timers.into_iter().flatten().min().unwrap().min(next_data.max(rig.now));
        rig.now = next.max(rig.now + Duration::from_millis(1));
        relays.handle_timeout(rig.now);
        rig.service.handle_timeout(rig.now);
    }
    assert!(sent > 230, "{sent}");
    assert!(received >= sent - 1, "{received} of {sent}");
    assert_eq!(rig.sockets.len(), 1, "one allocation all the time");
    relays.release(rig.now, None);
    while let Some(it) = relays.poll_transmit() {
        rig.service.handle_datagram(rig.now, it.local, &it.data);
    }
    assert_eq!(rig.service.allocations(), 0);
}

#[test]
fn wrong_credentials_end_the_allocation_and_do_not_loop() {
    let mut rig = Rig::new(TurnQuotas::default());
    let (username, password) = ("user".to_owned(), "wrong".to_owned());
    let login = TurnLogin { server: SERVER.parse().unwrap(), username, password };
    let mut relays = Relays::new(rig.now);
    relays.allocate(rig.now, &login, client(1));
    let mut requests = 0;
    while relays.pending() {
        while let Some(it) = relays.poll_transmit() {
            requests += 1;
            rig.service.handle_datagram(rig.now, it.local, &it.data);
            rig.drain();
            for (_, data) in std::mem::take(&mut rig.to_clients) {
                relays.handle_datagram(rig.now, client(1), login.server, &data);
            }
        }
        rig.now += Duration::from_millis(50);
        relays.handle_timeout(rig.now);
        assert!(requests < 40);
    }
    assert!(relays.relayed().is_empty() && rig.sockets.is_empty());
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

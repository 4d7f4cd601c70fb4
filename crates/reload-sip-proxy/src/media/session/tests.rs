//! One relayed call, with times passed in.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::Path;

/// Where the places were aimed at last, by number.
type Aims = Rc<RefCell<BTreeMap<usize, Option<SocketAddr>>>>;

#[derive(Debug)]
struct Fake {
    number: usize,
    aims: Aims,
}

impl Place for Fake {
    fn ports(&self) -> Ports {
        let port = u16::try_from(40_000 + 2 * self.number).unwrap();
        (port, port + 1)
    }

    fn aim(&self, _: IpAddr, media: Option<&MediaAddress>) {
        self.aims.borrow_mut().insert(self.number, media.and_then(|media| media.rtp));
    }
}

/// One side of a call.
struct Side {
    mode: MediaMode,
    leg: Leg,
    session: Session<Fake>,
    aims: Aims,
}

impl Side {
    fn new(mode: MediaMode, role: Role, token: u32, phone: &str, path: Option<Path>) -> Self {
        let leg = Leg {
            call_id: "1@here".into(),
            peer: NodeId::new(&[7; 16]).unwrap(),
            path,
            role,
            line: "1".into(),
            phone: phone.parse().unwrap(),
            local_ip: IpAddr::from([127, 0, 0, 1]),
        };
        let session = Session::new(&leg, Token(token), Instant::now());
        Self { mode, leg, session, aims: Aims::default() }
    }

    fn outward(&mut self, sdp: &str) -> String {
        let read = Sdp::read(sdp.as_bytes()).unwrap();
        let relay = self.session.outward(self.mode, &self.leg, &read);
        String::from_utf8(read.for_peer(relay)).unwrap()
    }

    fn inward(&mut self, sdp: &str) -> Option<Vec<(usize, Ports)>> {
        let read = Sdp::read(sdp.as_bytes()).unwrap();
        let aims = &self.aims;
        let open = |_, _| {
            let number = aims.borrow().len();
            aims.borrow_mut().insert(number, None);
            Ok(Fake { number, aims: aims.clone() })
        };
        let places = self.session.inward(self.mode, &self.leg, &read, open).unwrap();
        places.map(|places| places.ports.into_iter().collect())
    }
}

fn sdp(ip: &str, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    )
}

fn path(local: &str, remote: &str, is_direct: bool) -> Option<Path> {
    Some(Path { local: local.parse().unwrap(), remote: remote.parse().unwrap(), is_direct })
}

fn through_nats() -> Option<Path> {
    path("192.168.1.5:6084", "198.51.100.6:6084", false)
}

fn on_one_lan() -> Option<Path> {
    path("192.168.1.5:6084", "192.168.1.6:6084", true)
}

/// A caller and a callee with these modes, phones and paths.
fn sides(modes: [MediaMode; 2], phones: [&str; 2], path: Option<Path>) -> [Side; 2] {
    let back = path.map(|path| Path { local: path.remote, remote: path.local, ..path });
    [
        Side::new(modes[0], Role::Caller, 0xa, phones[0], path),
        Side::new(modes[1], Role::Callee, 0xb, phones[1], back),
    ]
}

#[test]
fn behind_nats_both_proxies_carry_the_media() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, through_nats());
    let offer = caller.outward(&sdp("192.168.1.9", 4000));
    assert!(offer.contains("c=IN IP4 192.168.1.9\r\n"), "the phone's own address stays: {offer}");
    assert!(offer.contains("a=reload-relay:1 0000000a needed\r\nm=audio 4000"), "{offer}");
    assert_eq!(callee.inward(&offer), Some(vec![(0, (40_000, 40_001))]));
    let answer = callee.outward(&sdp("10.0.0.9", 5000));
    assert!(answer.contains("a=reload-relay:1 0000000b needed\r\nm=audio 5000"), "{answer}");
    assert_eq!(caller.inward(&answer), Some(vec![(0, (40_000, 40_001))]));
    assert_eq!(callee.aims.borrow()[&0], Some("10.0.0.9:5000".parse().unwrap()));
    assert_eq!(caller.aims.borrow()[&0], Some("192.168.1.9:4000".parse().unwrap()));
    assert_eq!((caller.session.pipe(), callee.session.pipe()), (Some(true), Some(false)));
    assert!(caller.session.find(Token(0xb), 0).is_some());
    assert!(callee.session.find(Token(0xa), 0).is_some());
    assert!(callee.session.find(Token(0xb), 0).is_none());
}

#[test]
fn on_one_network_the_media_goes_between_the_phones() {
    let phones = ["192.168.1.9:5060", "192.168.1.10:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, on_one_lan());
    let offer = caller.outward(&sdp("192.168.1.9", 4000));
    assert!(offer.contains("a=reload-relay:1 0000000a possible\r\n"), "{offer}");
    assert_eq!(caller.session.pipe(), None);
    assert_eq!(callee.inward(&offer), None);
    let answer = sdp("192.168.1.10", 5000);
    assert_eq!(callee.outward(&answer), answer);
    assert_eq!(caller.inward(&answer), None);
    assert_eq!((caller.session.way(), callee.session.way()), (MediaWay::Direct, MediaWay::Direct));
}

#[test]
fn a_loopback_phone_is_carried_to_another_machine() {
    let phones = ["127.0.0.1:5062", "192.168.1.10:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, on_one_lan());
    let offer = caller.outward(&sdp("127.0.0.1", 4000));
    assert!(offer.contains(" needed\r\n"), "{offer}");
    assert!(callee.inward(&offer).is_some());
}

#[test]
fn the_called_side_asks_for_the_relay_if_its_own_phone_needs_it() {
    let phones = ["192.168.1.9:5060", "127.0.0.1:5062"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, on_one_lan());
    let offer = caller.outward(&sdp("192.168.1.9", 4000));
    assert!(offer.contains(" possible\r\n"), "{offer}");
    assert!(callee.inward(&offer).is_some());
    let answer = callee.outward(&sdp("127.0.0.1", 5000));
    assert!(caller.inward(&answer).is_some());
    assert_eq!((caller.session.pipe(), callee.session.pipe()), (Some(false), Some(true)));
}

#[test]
fn two_loopback_phones_of_one_machine_need_no_relay() {
    let loopback = path("127.0.0.1:6084", "127.0.0.1:6085", true);
    let phones = ["127.0.0.1:5062", "127.0.0.1:5063"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, loopback);
    assert_eq!(callee.inward(&caller.outward(&sdp("127.0.0.1", 4000))), None);
}

#[test]
fn a_loopback_phone_is_carried_to_one_outside_of_the_machine_that_both_proxies_are_on() {
    let loopback = path("127.0.0.1:6084", "127.0.0.1:6085", true);
    let phones = ["127.0.0.1:5062", "192.168.1.10:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, loopback);
    let offer = caller.outward(&sdp("127.0.0.1", 4000));
    assert!(offer.contains(" possible\r\n"), "{offer}");
    assert!(callee.inward(&offer).is_some());
}

#[test]
fn what_was_direct_stays_so_whatever_the_other_side_offers_later() {
    let phones = ["192.168.1.9:5060", "192.168.1.10:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, on_one_lan());
    callee.inward(&caller.outward(&sdp("192.168.1.9", 4000)));
    caller.inward(&callee.outward(&sdp("192.168.1.10", 5000)));
    let line = "a=reload-relay:1 0000000a needed\r\nm=audio";
    let later = sdp("192.168.1.9", 4000).replace("m=audio", line);
    assert_eq!(callee.inward(&later), None);
    let answer = sdp("192.168.1.10", 5000);
    assert_eq!(callee.outward(&answer), answer);
}

#[test]
fn mode_relay_carries_what_could_go_directly() {
    for modes in [[MediaMode::Relay, MediaMode::Auto], [MediaMode::Auto, MediaMode::Relay]] {
        let phones = ["192.168.1.9:5060", "192.168.1.10:5060"];
        let [mut caller, mut callee] = sides(modes, phones, on_one_lan());
        assert!(callee.inward(&caller.outward(&sdp("192.168.1.9", 4000))).is_some(), "{modes:?}");
        let answer = callee.outward(&sdp("192.168.1.10", 5000));
        assert!(caller.inward(&answer).is_some(), "{modes:?}");
    }
}

#[test]
fn mode_direct_carries_nothing() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, mut callee] =
        sides([MediaMode::Relay, MediaMode::Direct], phones, through_nats());
    assert_eq!(callee.inward(&caller.outward(&sdp("192.168.1.9", 4000))), None);
    let answer = sdp("10.0.0.9", 5000);
    assert_eq!(callee.outward(&answer), answer);
    assert_eq!(caller.inward(&answer), None);
    assert_eq!(caller.session.pipe(), None);
}

#[test]
fn a_foreign_proxy_leaves_the_media_to_the_phones_for_the_whole_call() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, _] = sides([MediaMode::Relay; 2], phones, through_nats());
    assert!(caller.outward(&sdp("192.168.1.9", 4000)).contains("reload-relay"));
    assert_eq!(caller.inward(&sdp("10.0.0.9", 5000)), None);
    let again = sdp("192.168.1.9", 4002);
    assert_eq!(caller.outward(&again), again);
}

#[test]
fn the_answer_to_a_foreign_offer_has_no_attribute() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [_, mut callee] = sides([MediaMode::Relay; 2], phones, through_nats());
    assert_eq!(callee.inward(&sdp("192.168.1.9", 4000)), None);
    let answer = sdp("10.0.0.9", 5000);
    assert_eq!(callee.outward(&answer), answer);
}

#[test]
fn a_phone_with_ice_of_its_own_is_left_alone_unless_told_otherwise() {
    let offer = sdp("192.168.1.9", 4000) + "a=candidate:1 1 UDP 1 192.168.1.9 4000 typ host\r\n";
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, _] = sides([MediaMode::Auto; 2], phones, through_nats());
    assert_eq!(caller.outward(&offer), offer);
    let [mut caller, _] = sides([MediaMode::Relay; 2], phones, through_nats());
    assert!(caller.outward(&offer).contains(" needed\r\n"));
}

#[test]
fn an_offer_in_the_answer_to_an_invite_without_one_is_the_same() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, through_nats());
    let offer = callee.outward(&sdp("10.0.0.9", 5000));
    assert!(caller.inward(&offer).is_some());
    let answer = caller.outward(&sdp("192.168.1.9", 4000));
    assert!(callee.inward(&answer).is_some());
    assert_eq!((caller.session.pipe(), callee.session.pipe()), (Some(false), Some(true)));
}

#[test]
fn a_new_offer_keeps_the_ports_of_the_phone_and_follows_the_other() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, through_nats());
    let first = callee.inward(&caller.outward(&sdp("192.168.1.9", 4000)));
    caller.inward(&callee.outward(&sdp("10.0.0.9", 5000)));
    let moved = caller.outward(&sdp("192.168.1.9", 4444));
    assert_eq!(callee.inward(&moved), first);
    assert_eq!(caller.aims.borrow()[&0], Some("192.168.1.9:4444".parse().unwrap()));

    let with_video = sdp("192.168.1.9", 4444) + "m=video 6000 RTP/AVP 96\r\n";
    let places = callee.inward(&caller.outward(&with_video)).unwrap();
    assert_eq!(places, [(0, (40_000, 40_001)), (1, (40_002, 40_003))]);
}

#[test]
fn the_same_answer_twice_changes_nothing() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, through_nats());
    callee.inward(&caller.outward(&sdp("192.168.1.9", 4000)));
    let answer = callee.outward(&sdp("10.0.0.9", 5000));
    assert_eq!(callee.outward(&sdp("10.0.0.9", 5000)), answer);
    assert_eq!(caller.inward(&answer), caller.inward(&answer));
}

#[test]
fn a_hold_keeps_the_ports_and_stops_the_media() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, mut callee] = sides([MediaMode::Auto; 2], phones, through_nats());
    let first = callee.inward(&caller.outward(&sdp("192.168.1.9", 4000)));
    caller.inward(&callee.outward(&sdp("10.0.0.9", 5000)));
    assert_eq!(callee.inward(&caller.outward(&sdp("0.0.0.0", 4000))), first);
    assert_eq!(caller.aims.borrow()[&0], None);
    assert_eq!(callee.inward(&caller.outward(&sdp("192.168.1.9", 4000))), first);
    assert_eq!(caller.aims.borrow()[&0], Some("192.168.1.9:4000".parse().unwrap()));
}

#[test]
fn early_media_of_two_forks_has_ports_for_each() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, mut first] = sides([MediaMode::Auto; 2], phones, through_nats());
    let [_, mut second] = sides([MediaMode::Auto; 2], phones, through_nats());
    second.session.token = Token(0xc);
    let offer = caller.outward(&sdp("192.168.1.9", 4000));
    first.inward(&offer);
    second.inward(&offer);
    let one = caller.inward(&first.outward(&sdp("10.0.0.9", 5000))).unwrap();
    let two = caller.inward(&second.outward(&sdp("10.0.0.8", 5000))).unwrap();
    assert_ne!(one, two);
    assert_eq!(caller.inward(&first.outward(&sdp("10.0.0.9", 5000))).unwrap(), one);
}

#[test]
fn the_forks_of_one_node_are_bounded() {
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, _] = sides([MediaMode::Auto; 2], phones, through_nats());
    caller.outward(&sdp("192.168.1.9", 4000));
    let answer = |token: usize| {
        let line = format!("a=reload-relay:1 {token:08x} needed\r\nm=audio");
        sdp("10.0.0.9", 5000).replace("m=audio", &line)
    };
    for token in 0..MAX_ENDS {
        assert!(caller.inward(&answer(token)).is_some());
    }
    let last = answer(MAX_ENDS);
    let read = Sdp::read(last.as_bytes()).unwrap();
    let refused = |_, _| panic!("no port is opened");
    let error = caller.session.inward(caller.mode, &caller.leg, &read, refused).unwrap_err();
    assert!(matches!(error, MediaError::Full));
}

#[test]
fn media_that_cannot_be_carried_is_not_spoken_of() {
    let chat = "v=0\r\nc=IN IP4 192.168.1.9\r\nm=message 2855 TCP/MSRP *\r\n";
    let phones = ["192.168.1.9:5060", "10.0.0.9:5060"];
    let [mut caller, _] = sides([MediaMode::Relay; 2], phones, through_nats());
    assert_eq!(caller.outward(chat), chat);
    assert!(caller.session.is_new());
}

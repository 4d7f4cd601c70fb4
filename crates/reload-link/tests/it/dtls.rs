//! Two engines of our own: handshake, data, refusals, the end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reload_link::{
    DTLS_OVERHEAD, DtlsError, DtlsEvent, DtlsRole, DtlsSettings, Hello, HelloGate, MAX_PLAINTEXT,
    is_client_hello,
};

use crate::dtls_rig::{
    Authority, CLIENT, KINDS, Kind, Pair, SERVER, engine, engine_with, settings,
};

// R6940-4.1-03
// R6940-6.6.1-02
#[test]
fn both_ends_connect_with_every_mix_of_keys_and_see_the_other_certificates() {
    for (client, server) in KINDS.into_iter().flat_map(|a| KINDS.map(|b| (a, b))) {
        let (authority, now) = (Authority::new(), Instant::now());
        let identities = [authority.identity(client), authority.identity(server)];
        let make = |role, at: usize| engine(role, &identities[at], authority.check(), now);
        let mut pair = Pair::of(make(DtlsRole::Client, 0), make(DtlsRole::Server, 1), now);
        pair.settle();
        for (end, other) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
            let Some(DtlsEvent::Connected { chain, cipher }) = pair.ends[end].events.first() else {
                panic!("{client:?} {server:?}: {:?}", pair.ends[end].events);
            };
            assert_eq!(chain, identities[other].chain());
            let kind = if server == Kind::Rsa { "RSA" } else { "ECDSA" };
            assert_eq!(*cipher, format!("TLS_ECDHE_{kind}_WITH_AES_128_GCM_SHA256"));
        }
        pair.send(CLIENT, b"from the client");
        pair.send(SERVER, b"");
        pair.send(SERVER, &[7; MAX_PLAINTEXT]);
        assert_eq!(pair.ends[SERVER].data(), [b"from the client"]);
        assert_eq!(pair.ends[CLIENT].data(), [&b""[..], &[7; MAX_PLAINTEXT]]);
    }
}

#[test]
fn a_record_adds_no_more_than_it_says_and_none_is_sent_before_the_handshake() {
    let mut pair = Pair::new(Kind::Ecdsa, Kind::Ecdsa);
    let now = pair.now;
    assert_eq!(pair.ends[CLIENT].engine.send(now, b"x"), Err(DtlsError::NotConnected));
    pair.settle();
    let large = pair.ends[CLIENT].engine.send(now, &[0; MAX_PLAINTEXT + 1]);
    assert!(matches!(large, Err(DtlsError::TooLarge { .. })));
    let before = pair.ends[CLIENT].sent.len();
    pair.send(CLIENT, &[0; 1000]);
    assert_eq!(pair.ends[CLIENT].sent[before].len(), 1000 + DTLS_OVERHEAD);
}

// R6940-6.5.1.13-03
#[test]
fn the_server_asks_for_a_certificate_and_the_client_names_no_server() {
    let pair = Pair::connected(Kind::Rsa, Kind::Ecdsa);
    let client: Vec<u8> = pair.ends[CLIENT].sent.concat();
    let server: Vec<u8> = pair.ends[SERVER].sent.concat();
    let has = |bytes: &[u8], kind: u8| messages(bytes).any(|message| message[0] == kind);
    assert!(has(&server, 13), "CertificateRequest");
    assert!(has(&client, 15), "CertificateVerify");
    assert!(has(&server, 3), "HelloVerifyRequest");
    for hello in messages(&client).filter(|message| message[0] == 1) {
        assert!(!extensions(hello).contains(&0), "server_name");
    }
}

// R6940-6.6.1-03
#[test]
fn only_suites_with_encryption_and_forward_secrecy_are_offered() {
    let pair = Pair::new(Kind::Rsa, Kind::Ecdsa);
    let mut pair = pair;
    pair.settle();
    let sent = pair.ends[CLIENT].sent.concat();
    let hello = messages(&sent).next().unwrap();
    let suites: Vec<_> = hello[12 + 38..][..8].chunks(2).map(|two| [two[0], two[1]]).collect();
    assert_eq!(hello[12 + 36..][..2], [0, 8]);
    // ECDHE with ECDSA or RSA, AES-128-GCM or ChaCha20-Poly1305.
    assert_eq!(suites, [[0xc0, 0x2b], [0xc0, 0x2f], [0xcc, 0xa9], [0xcc, 0xa8]]);
}

#[test]
fn certificates_of_another_authority_close_both_ends_and_each_says_why() {
    let (ours, theirs, now) = (Authority::new(), Authority::new(), Instant::now());
    for wrong in [CLIENT, SERVER] {
        let check = |end| if end == wrong { theirs.check() } else { ours.check() };
        let client = engine(DtlsRole::Client, &ours.identity(Kind::Ecdsa), check(CLIENT), now);
        let server = engine(DtlsRole::Server, &ours.identity(Kind::Ecdsa), check(SERVER), now);
        let mut pair = Pair::of(client, server, now);
        pair.settle();
        let why = "the peer's certificate was refused: another authority has signed it";
        assert_eq!(pair.ends[wrong].closed(), Some(why));
        assert_eq!(pair.ends[1 - wrong].closed(), Some("the peer sent bad_certificate (42)"));
        assert!(pair.ends.iter().all(|end| end.engine.next_timeout().is_none()));
    }
}

#[test]
fn a_check_is_asked_once_a_handshake() {
    let (authority, now) = (Authority::new(), Instant::now());
    let asked = Arc::new(Mutex::new(0));
    let (count, inner) = (asked.clone(), authority.check());
    let check: reload_link::CertificateCheck = Arc::new(move |chain| {
        *count.lock().unwrap() += 1;
        inner(chain)
    });
    let make = |role| engine(role, &authority.identity(Kind::Ecdsa), check.clone(), now);
    let mut pair = Pair::of(make(DtlsRole::Client), make(DtlsRole::Server), now);
    pair.settle();
    assert!(pair.is_connected());
    assert_eq!(*asked.lock().unwrap(), 2);
}

#[test]
fn a_peer_that_closes_is_told_of_and_the_closing_end_tells_nothing() {
    for closing in [CLIENT, SERVER] {
        let mut pair = Pair::connected(Kind::Ecdsa, Kind::Rsa);
        let now = pair.now;
        pair.ends[closing].engine.close(now);
        pair.settle();
        assert_eq!(pair.ends[1 - closing].closed(), Some("the peer closed the link"));
        assert_eq!(pair.ends[closing].events.len(), 1);
        for end in &mut pair.ends {
            assert_eq!(end.engine.send(now, b"late"), Err(DtlsError::NotConnected));
        }
    }
}

#[test]
fn a_handshake_that_nobody_answers_ends_in_time() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let mut pair = Pair::new(Kind::Ecdsa, Kind::Ecdsa);
        let silent = if role == DtlsRole::Client { SERVER } else { CLIENT };
        pair.lose = Box::new(|_, _| true);
        pair.run();
        assert_eq!(pair.elapsed(), settings().handshake_timeout);
        let waiting = &pair.ends[1 - silent];
        assert!(waiting.closed().unwrap().starts_with("the handshake was not done in time"));
    }
}

#[test]
fn a_flight_is_sent_again_after_one_second_and_then_at_doubled_intervals() {
    let mut pair = Pair::new(Kind::Ecdsa, Kind::Ecdsa);
    pair.lose = Box::new(|_, _| true);
    let mut sent = Vec::new();
    for _ in 0..4 {
        pair.step();
        sent.push((pair.elapsed().as_secs(), pair.ends[CLIENT].sent.len()));
    }
    assert_eq!(sent, [(1, 2), (3, 3), (7, 4), (15, 5)]);
}

// R6940-6.6.1-03
#[test]
fn a_client_that_wants_no_encryption_or_no_forward_secrecy_is_refused() {
    let mut pair = Pair::new(Kind::Ecdsa, Kind::Ecdsa);
    let mut hello = pair.ends[CLIENT].engine.poll_transmit().unwrap().to_vec();
    // NULL with RSA and with ECDHE, CBC, and GCM without ECDHE.
    let weak = [0x00, 0x3b, 0xc0, 0x06, 0xc0, 0x0a, 0x00, 0x9c];
    hello[13 + 12 + 38..][..8].copy_from_slice(&weak);
    let now = pair.now;
    pair.ends[SERVER].engine.handle_datagram(now, &hello);
    pair.settle();
    let closed = pair.ends[SERVER].closed().unwrap();
    assert!(closed.contains("insufficient_security"), "{closed}");
}

#[test]
fn no_datagram_of_a_handshake_is_larger_than_the_mtu() {
    let (authority, now) = (Authority::new(), Instant::now());
    for mtu in [256, 300, 1200] {
        let small = DtlsSettings { mtu, ..settings() };
        let make = |role, kind| {
            engine_with(role, &authority.identity(kind), authority.check(), &small, now)
        };
        let ends = (make(DtlsRole::Client, Kind::Rsa), make(DtlsRole::Server, Kind::Rsa));
        let mut pair = Pair::of(ends.0, ends.1, now);
        pair.settle();
        assert!(pair.is_connected(), "{mtu}");
        let largest = pair.ends.iter().flat_map(|end| &end.sent).map(|sent| sent.len()).max();
        assert!(largest.is_some_and(|largest| largest <= mtu), "{largest:?} of {mtu}");
    }
}

// R6940-6.4.2.1-06
// R6940-6.6.1-02
#[test]
fn a_record_that_comes_again_is_dropped() {
    let mut pair = Pair::connected(Kind::Ecdsa, Kind::Ecdsa);
    pair.send(CLIENT, b"once");
    let (now, record) = (pair.now, pair.ends[CLIENT].sent.last().unwrap().clone());
    let before = pair.ends[SERVER].engine.dropped();
    pair.ends[SERVER].engine.handle_datagram(now, &record);
    pair.settle();
    assert_eq!(pair.ends[SERVER].data(), [b"once"]);
    assert_eq!(pair.ends[SERVER].engine.dropped(), before + 1);
}

#[test]
fn a_new_hello_leaves_the_live_association_alone_while_a_second_engine_answers_it() {
    let (authority, now) = (Authority::new(), Instant::now());
    let make = |role| engine(role, &authority.identity(Kind::Ecdsa), authority.check(), now);
    let mut live = Pair::of(make(DtlsRole::Client), make(DtlsRole::Server), now);
    live.settle();
    // The client has restarted: all it sends reaches both engines of the server.
    let mut second = Pair::of(make(DtlsRole::Client), make(DtlsRole::Server), now);
    second.settle();
    assert!(second.is_connected());
    assert!(is_client_hello(&second.ends[CLIENT].sent[0]));
    for datagram in &second.ends[CLIENT].sent {
        live.ends[SERVER].engine.handle_datagram(now, datagram);
    }
    assert_eq!(live.ends[SERVER].engine.poll_transmit(), None);
    live.send(CLIENT, b"still here");
    assert_eq!(live.ends[SERVER].data(), [b"still here"]);
}

#[test]
fn the_key_log_has_the_same_line_at_both_ends() {
    let (authority, now) = (Authority::new(), Instant::now());
    let lines = Arc::new(Mutex::new(Vec::new()));
    let make = |role| {
        let sink = lines.clone();
        let log = Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned()));
        let identity = authority.identity(Kind::Ecdsa).with_key_log(log);
        engine(role, &identity, authority.check(), now)
    };
    let mut pair = Pair::of(make(DtlsRole::Client), make(DtlsRole::Server), now);
    pair.settle();
    let lines = lines.lock().unwrap();
    assert!(lines.len() == 2 && lines[0] == lines[1], "{lines:?}");
    let random: String =
        pair.ends[CLIENT].sent[0][27..59].iter().map(|b| format!("{b:02x}")).collect();
    assert!(lines[0].starts_with(&format!("CLIENT_RANDOM {random} ")), "{lines:?}");
}

#[test]
fn a_gate_keeps_nothing_until_the_cookie_has_come_back_from_the_same_address() {
    let (authority, now) = (Authority::new(), Instant::now());
    let gate = HelloGate::new(&[3; 32], now);
    let (here, there) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 4000).into());
    let mut client =
        engine(DtlsRole::Client, &authority.identity(Kind::Ecdsa), authority.check(), now);
    let first = client.poll_transmit().unwrap();
    let Hello::Challenge(challenge) = gate.judge(now, here, &first) else { panic!("a challenge") };
    assert!(challenge.len() <= first.len(), "the answer must not amplify");
    client.handle_datagram(now, &challenge);
    let second = client.poll_transmit().unwrap();
    assert!(matches!(gate.judge(now, there, &second), Hello::Noise));
    let late = now + Duration::from_secs(150);
    assert!(matches!(gate.judge(late, here, &second), Hello::Noise));
    let other = HelloGate::new(&[4; 32], now);
    assert!(matches!(other.judge(now, here, &second), Hello::Noise));
    assert!(matches!(gate.judge(now, here, &second[..40]), Hello::Noise));

    let Hello::Proven(proven) = gate.judge(now, here, &second) else { panic!("a proof") };
    let server =
        proven.accept(&authority.identity(Kind::Rsa), authority.check(), &settings(), now).unwrap();
    let mut pair = Pair::of(client, server, now);
    pair.settle();
    assert!(pair.is_connected(), "{:?} {:?}", pair.ends[0].events, pair.ends[1].events);
    pair.send(CLIENT, b"through the gate");
    assert_eq!(pair.ends[SERVER].data(), [b"through the gate"]);
}

/// Handshake messages of epoch 0 in a row of records.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while bytes.len() > 13 {
            let length = usize::from(u16::from_be_bytes([bytes[11], bytes[12]]));
            let record = &bytes[..13 + length];
            bytes = &bytes[13 + length..];
            if record[0] == 22 && record[4] == 0 {
                return Some(&record[13..]);
            }
        }
        None
    })
}

/// The types of the extensions of a ClientHello.
fn extensions(hello: &[u8]) -> Vec<u16> {
    let word = |at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
    let mut at = 12 + 34;
    at += 1 + usize::from(hello[at]);
    at += 1 + usize::from(hello[at]);
    at += 2 + usize::from(word(at));
    at += 1 + usize::from(hello[at]) + 2;
    let mut found = Vec::new();
    while at < hello.len() {
        found.push(word(at));
        at += 4 + usize::from(word(at + 2));
    }
    found
}

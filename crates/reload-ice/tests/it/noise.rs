//! Forged and mutated datagrams, and a peer that does its worst.

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use reload_ice::kind_of;

use crate::nat::NatKind::Open;
use crate::net::{Net, Plan, STUN};

/// Datagrams seen on the way between two sessions.
fn capture() -> Vec<(usize, SocketAddr, SocketAddr, Vec<u8>)> {
    let mut net = Net::new(&Plan::new(Open, Open));
    net.gather();
    let mut seen = Vec::new();
    for (from, to) in [(0, 1), (1, 0)] {
        let (now, credentials) = (net.now, net.sites[from].credentials.clone());
        let candidates = net.sites[from].candidates.clone();
        net.sites[to].session.set_remote(now, credentials, &candidates);
    }
    for _ in 0..200 {
        net.now += Duration::from_millis(50);
        for i in 0..2 {
            let now = net.now;
            net.sites[i].session.handle_timeout(now);
            while let Some(it) = net.sites[i].session.poll_transmit() {
                let other = &mut net.sites[1 - i].session;
                other.handle_datagram(now, it.remote, it.local, &it.data);
                seen.push((i, it.local, it.remote, it.data.to_vec()));
            }
        }
    }
    assert!(seen.len() > 8);
    seen
}

fn mutate(random: &mut impl Rng, data: &mut Vec<u8>) {
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..data.len().max(1));
        match random.random_range(0..6) {
            0 if !data.is_empty() => data.truncate(at),
            1 => data.insert(at.min(data.len()), random.random()),
            2 if data.len() > 3 => {
                let length = u16::try_from(random.random_range(0..data.len())).unwrap();
                data[2..4].copy_from_slice(&length.to_be_bytes());
            }
            _ if !data.is_empty() => data[at] ^= 1 << random.random_range(0..8),
            _ => (),
        }
    }
}

#[test]
fn twenty_thousand_mutated_datagrams_neither_stop_the_checks_nor_move_the_pair() {
    let seen = capture();
    let mut net = Net::new(&Plan::new(Open, Open));
    net.gather();
    net.exchange();
    for round in 0..20_000_u32 {
        let at = net.random.random_range(0..seen.len());
        let (from, local, remote, data) = &seen[at];
        let (to, mut data) = (1 - from, data.clone());
        mutate(&mut net.random, &mut data);
        let source = match round % 3 {
            0 => *local,
            1 => STUN.parse().unwrap(),
            _ => SocketAddr::from(([192, 0, 2, 66], net.random.random())),
        };
        let now = net.now;
        let _ = kind_of(&data);
        if *data != *seen[at].3 {
            let known = net.sites[to].session.accepts(*remote, source, &data);
            let arrived = net.sites[to].session.handle_datagram(now, *remote, source, &data);
            assert!(arrived.is_none() || known);
        }
        if round % 100 == 0 {
            net.run_for(Duration::from_millis(20));
        }
    }
    net.run_until(Duration::from_secs(5), |net| {
        net.sites.iter().all(|it| it.session.selected().is_some())
    });
    for i in 0..2 {
        let pair = net.sites[i].session.selected().unwrap();
        assert_eq!(pair.remote, net.sites[1 - i].hosts[0]);
        let remote = net.sites[i].session.report().remote;
        assert_eq!(remote.len(), 2, "host and relayed, none forged");
    }
    net.exchange_data(b"\x16 after the noise");
}

#[test]
fn checks_with_a_wrong_password_and_answers_off_their_way_are_not_accepted() {
    let seen = capture();
    let mut net = Net::new(&Plan::new(Open, Open));
    net.connect();
    let (_, local, remote, request) =
        seen.iter().find(|it| it.0 == 0 && it.3.starts_with(&[0, 1])).unwrap();
    let session = &net.sites[1].session;
    assert!(session.accepts(*remote, *local, request), "the right password");
    let mut wrong = request.clone();
    let last = wrong.len() - 12; // inside of MESSAGE-INTEGRITY, before FINGERPRINT
    wrong[last] ^= 1;
    assert!(!session.accepts(*remote, *local, &wrong));
    let answer = seen.iter().find(|it| it.0 == 1 && it.3.starts_with(&[1, 1])).unwrap();
    assert!(!net.sites[0].session.accepts(answer.2, answer.1, &answer.3), "not its own check");
}

#[test]
fn an_answer_counts_only_when_it_comes_back_on_the_way_of_its_check() {
    let mut net = Net::new(&Plan::new(Open, Open));
    net.connect();
    net.run_for(Duration::from_secs(10));
    let (now, local) = (net.now + Duration::from_secs(2), net.sites[0].hosts[0]);
    net.sites[0].session.handle_timeout(now);
    let check = net.sites[0].session.poll_transmit().unwrap();
    net.sites[1].session.handle_datagram(now, check.remote, local, &check.data);
    let answer = net.sites[1].session.poll_transmit().unwrap();
    assert!(answer.data.starts_with(&[1, 1]));
    let (session, elsewhere) = (&mut net.sites[0].session, "192.0.2.66:1".parse().unwrap());
    assert!(!session.accepts(local, elsewhere, &answer.data));
    let before = session.report().pairs[0].answered;
    session.handle_datagram(now, local, elsewhere, &answer.data);
    assert_eq!(session.report().pairs[0].answered, before);
    assert!(session.accepts(local, check.remote, &answer.data));
    session.handle_datagram(now, local, check.remote, &answer.data);
    assert_eq!(session.report().pairs[0].answered, before + 1);
    assert!(!session.accepts(local, check.remote, &answer.data), "once");
}

#[test]
fn a_peer_that_sends_checks_from_a_thousand_addresses_is_bounded() {
    let seen = capture();
    let (_, _, remote, request) =
        seen.iter().find(|it| it.0 == 0 && it.3.starts_with(&[0, 1])).unwrap();
    let mut net = Net::new(&Plan::new(Open, Open));
    net.connect();
    for port in 1..=1000 {
        let (now, source) = (net.now, SocketAddr::from(([192, 0, 2, 66], port)));
        net.sites[1].session.handle_datagram(now, *remote, source, request);
    }
    net.run_for(Duration::from_secs(3));
    let report = net.sites[1].session.report();
    assert!(report.remote.len() <= 30, "{}", report.remote.len());
    assert!(report.pairs.len() <= 30);
    net.exchange_data(b"\x16 through the flood");
}

// R6940-6.5.1.14-01
#[test]
fn bytes_are_taken_before_the_own_checks_are_through_but_not_from_anywhere() {
    let seen = capture();
    let (_, local, remote, request) =
        seen.iter().find(|it| it.0 == 0 && it.3.starts_with(&[0, 1])).unwrap();
    let mut net = Net::new(&Plan::new(Open, Open));
    net.gather();
    let (now, session) = (net.now, &mut net.sites[1].session);
    let hello = b"\x16\xfe\xfd the first flight";
    assert!(!session.accepts(*remote, *local, hello), "no check has come yet");
    session.handle_datagram(now, *remote, *local, request);
    assert!(session.accepts(*remote, *local, hello));
    let arrived = session.handle_datagram(now, *remote, *local, hello).unwrap();
    assert_eq!((arrived.remote, &arrived.data[..]), (*local, &hello[..]));
    let stranger = "192.0.2.66:1".parse().unwrap();
    assert_eq!(session.handle_datagram(now, *remote, stranger, hello), None);
}

//! Handshakes over a network that loses, repeats and reorders, in virtual time.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::dtls_rig::{CLIENT, KINDS, Kind, Pair, SERVER};

#[test]
fn a_handshake_gets_through_when_every_third_and_fourth_datagram_is_lost() {
    for (client, server) in KINDS.into_iter().flat_map(|a| KINDS.map(|b| (a, b))) {
        for phase in 0..12 {
            let mut pair = Pair::new(client, server);
            pair.lose = Box::new(move |from, number| match from {
                CLIENT => (number + phase) % 4 == 3,
                _ => (number + phase) % 3 == 2,
            });
            pair.run();
            assert!(
                pair.is_connected(),
                "{client:?} {server:?} {phase}: {:?}",
                pair.ends[0].events
            );
            assert!(pair.elapsed() <= Duration::from_secs(15), "{phase}: {:?}", pair.elapsed());
        }
    }
}

#[test]
fn any_single_datagram_of_a_handshake_may_be_lost() {
    for (from, lost) in [CLIENT, SERVER].into_iter().flat_map(|from| (0..8).map(move |n| (from, n)))
    {
        let mut pair = Pair::new(Kind::Rsa, Kind::Rsa);
        pair.lose = Box::new(move |sender, number| (sender, number) == (from, lost));
        pair.run();
        // The server's last flight alone has no timer at its end: the client's asks for it.
        assert!(pair.is_connected(), "datagram {lost} of {from}: {:?}", pair.ends[0].events);
        assert!(pair.elapsed() <= Duration::from_secs(1), "{:?}", pair.elapsed());
    }
}

#[test]
fn random_loss_of_three_in_ten_still_lets_most_handshakes_through() {
    let mut through = 0;
    for seed in 0..100 {
        let mut pair = Pair::new(Kind::Ecdsa, Kind::Ecdsa);
        let mut random = StdRng::seed_from_u64(seed);
        pair.lose = Box::new(move |_, _| random.random_bool(0.3));
        pair.run();
        let closed = pair.ends.iter().filter(|end| end.closed().is_some()).count();
        through += u32::from(pair.is_connected());
        assert!(pair.is_connected() || closed > 0, "seed {seed}: neither connected nor closed");
    }
    assert!(through >= 90, "{through} of 100");
}

/// Carries the datagrams of a handshake with a delay longer than the resend timer, so that flights
/// cross their own repetitions.
#[test]
fn a_round_trip_longer_than_the_resend_timer_does_not_stop_a_handshake() {
    let mut pair = Pair::new(Kind::Ecdsa, Kind::Ecdsa);
    let delay = Duration::from_millis(1300);
    let mut wire = Vec::new();
    while !pair.is_connected() {
        for from in [CLIENT, SERVER] {
            while let Some(datagram) = pair.ends[from].engine.poll_transmit() {
                wire.push((pair.now + delay, 1 - from, datagram));
            }
        }
        for end in &mut pair.ends {
            end.events.extend(std::iter::from_fn(|| end.engine.poll_event()));
        }
        wire.sort_by_key(|(at, _, _)| *at);
        let timers = pair.ends.iter().filter_map(|end| end.engine.next_timeout());
        let next = wire.first().map(|(at, _, _)| *at).into_iter().chain(timers).min();
        let Some(next) = next else { break };
        pair.now = next;
        while wire.first().is_some_and(|(at, _, _)| *at <= next) {
            let (_, to, datagram) = wire.remove(0);
            pair.ends[to].engine.handle_datagram(next, &datagram);
        }
        for end in &mut pair.ends {
            end.engine.handle_timeout(next);
        }
        assert!(pair.elapsed() < Duration::from_secs(30), "{:?}", pair.ends[0].events);
    }
    assert!(pair.elapsed() < Duration::from_secs(10), "{:?}", pair.elapsed());
}

//! The default engine with the one on OpenSSL at the other end, in one process.

use std::time::Instant;

use reload_link::{DtlsEvent, DtlsRole, openssl_dtls};

use crate::dtls_rig::{Authority, CLIENT, KINDS, Pair, SERVER, engine, settings};

#[test]
fn the_default_engine_and_openssl_connect_in_both_roles_with_every_mix_of_keys() {
    let kinds = KINDS.into_iter().flat_map(|a| KINDS.map(|b| (a, b)));
    for ((client, server), theirs) in kinds.flat_map(|mix| [CLIENT, SERVER].map(|end| (mix, end))) {
        let (authority, now) = (Authority::new(), Instant::now());
        let make = |end| {
            let (role, kind) = match end {
                CLIENT => (DtlsRole::Client, client),
                _ => (DtlsRole::Server, server),
            };
            let identity = authority.identity(kind);
            match end == theirs {
                true => openssl_dtls(role, &identity, authority.check(), &settings(), now).unwrap(),
                false => engine(role, &identity, authority.check(), now),
            }
        };
        let mut pair = Pair::of(make(CLIENT), make(SERVER), now);
        pair.settle();
        let ciphers: Vec<_> = pair.ends.iter().map(|end| end.events.first()).collect();
        let [
            Some(DtlsEvent::Connected { cipher: a, .. }),
            Some(DtlsEvent::Connected { cipher: b, .. }),
        ] = ciphers[..]
        else {
            panic!("{client:?} {server:?} {theirs}: {ciphers:?}");
        };
        assert_eq!(a, b);
        for number in 0..100u32 {
            pair.send(CLIENT, &number.to_be_bytes());
            pair.send(SERVER, &[9; 1200]);
        }
        assert_eq!(
            pair.ends[SERVER].data().concat(),
            (0..100u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>()
        );
        assert_eq!(pair.ends[CLIENT].data(), vec![&[9; 1200][..]; 100]);
        pair.ends[theirs].engine.close(now);
        pair.settle();
        assert_eq!(pair.ends[1 - theirs].closed(), Some("the peer closed the link"));
    }
}

#[test]
fn each_engine_refuses_what_the_check_refuses_and_tells_the_other() {
    for (wrong, theirs) in
        [CLIENT, SERVER].into_iter().flat_map(|a| [CLIENT, SERVER].map(|b| (a, b)))
    {
        let (ours, other, now) = (Authority::new(), Authority::new(), Instant::now());
        let make = |end| {
            let role = if end == CLIENT { DtlsRole::Client } else { DtlsRole::Server };
            let check = if end == wrong { other.check() } else { ours.check() };
            let identity = ours.identity(KINDS[0]);
            match end == theirs {
                true => openssl_dtls(role, &identity, check, &settings(), now).unwrap(),
                false => engine(role, &identity, check, now),
            }
        };
        let mut pair = Pair::of(make(CLIENT), make(SERVER), now);
        pair.settle();
        let why = "the peer's certificate was refused: another authority has signed it";
        assert_eq!(pair.ends[wrong].closed(), Some(why), "{wrong} {theirs}");
        assert!(pair.ends[1 - wrong].closed().is_some(), "{wrong} {theirs}");
    }
}

//! Our own client, with its library, against our own service: over hours of virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use reload_ice::{DatagramKind, Relays, TurnLogin, TurnQuotas, kind_of};

use super::rig::{PEER, Rig, SERVER, client};

fn login(password: &str) -> TurnLogin {
    let (username, password) = ("user".to_owned(), password.to_owned());
    TurnLogin { server: SERVER.parse().unwrap(), username, password }
}

/// Lets client and service talk until both rest; answers with what came back to the client.
fn talk(rig: &mut Rig, relays: &mut Relays, base: SocketAddr) -> Vec<Bytes> {
    let mut arrived = Vec::new();
    loop {
        let Some(it) = relays.poll_transmit() else { break };
        assert_eq!(it.local, base);
        if rig.service.accepts(it.local, &it.data) {
            rig.service.handle_datagram(rig.now, it.local, &it.data);
        }
        rig.drain();
        for (_, data) in std::mem::take(&mut rig.to_clients) {
            let it = relays.handle_datagram(rig.now, base, SERVER.parse().unwrap(), &data);
            arrived.extend(it.map(|it| it.data));
        }
    }
    arrived
}

/// An idle permission is not refreshed for ever: the service allows 64 at a time.
#[test]
fn two_hundred_peers_one_after_another_do_not_fill_the_quota() {
    let mut rig = Rig::new(TurnQuotas::default());
    rig.service.add_user(rig.now, "user", "secret", Duration::from_secs(100_000));
    let base = client(1);
    let mut relays = Relays::new(rig.now);
    relays.allocate(rig.now, &login("secret"), base);
    let mut reached = 0;
    for n in 0..200_u8 {
        let peer = SocketAddr::from(([192, 0, 2, n], 9));
        for second in 0..30 {
            talk(&mut rig, &mut relays, base);
            if let (5..=16, Some(it)) = (second, relays.relayed().first()) {
                relays.send(rig.now, it.address, peer, Bytes::from_static(b"out"));
            }
            rig.now += Duration::from_secs(1);
            relays.handle_timeout(rig.now);
            rig.service.handle_timeout(rig.now);
        }
        reached += usize::from(rig.to_peers.drain(..).filter(|it| it.1 == peer).count() >= 10);
    }
    assert_eq!(reached, 200);
    assert_eq!(rig.sockets.len(), 1, "one allocation all the time");
}

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
    let (mut next_data, mut sent, mut received, mut channels) = (rig.now, 0, 0, 0);
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
                channels += usize::from(kind_of(&data) == DatagramKind::ChannelData);
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
    assert!(channels > 200, "a channel after the first few: {channels}");
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

/// Asks for an allocation and waits for what comes of it.
fn ask(rig: &mut Rig, relays: &mut Relays, base: SocketAddr) {
    relays.allocate(rig.now, &login("secret"), base);
    while relays.pending() {
        talk(rig, relays, base);
        rig.now += Duration::from_millis(50);
        relays.handle_timeout(rig.now);
    }
}

#[test]
fn a_server_that_refuses_has_failed_until_it_allocates_or_is_released() {
    let mut rig = Rig::new(TurnQuotas { allocations_per_user: 1, ..TurnQuotas::default() });
    let server: SocketAddr = SERVER.parse().unwrap();
    let (mut first, mut second) = (Relays::new(rig.now), Relays::new(rig.now));
    ask(&mut rig, &mut first, client(1));
    assert_eq!(first.failed().count(), 0);
    ask(&mut rig, &mut second, client(2));
    assert!(second.failed().eq([server]), "the quota of the user is reached");
    second.release(rig.now, Some(server));
    assert_eq!(second.failed().count(), 0, "nobody wants it any more");
    ask(&mut rig, &mut second, client(2));
    assert!(second.failed().eq([server]));
    first.release(rig.now, Some(server));
    talk(&mut rig, &mut first, client(1));
    ask(&mut rig, &mut second, client(2));
    assert_eq!(second.failed().count(), 0, "it has changed its mind");
    assert_eq!(second.relayed().len(), 1);
}

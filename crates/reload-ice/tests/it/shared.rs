//! Many sessions on one socket, with the relays they share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reload_ice::{
    IceCredentials, IceEvent, IceSession, IceSettings, Relays, SelectedPair, TurnLogin, TurnOutput,
    TurnQuotas, TurnService,
};
use reload_wire::{CandType, IceCandidate};

const SERVER: &str = "203.0.113.2:3478";

/// Node 0 has one socket, and a session on it to each of the others; the others relay only.
#[test]
fn sessions_of_one_socket_share_one_allocation_and_find_their_datagrams() {
    let mut now = Instant::now();
    let server: SocketAddr = SERVER.parse().unwrap();
    let mut turn = TurnService::new(now, server, "example.org", TurnQuotas::default(), [1; 32]);
    turn.add_user(now, "user", "secret", Duration::from_secs(3600));
    let (username, password) = ("user".to_owned(), "secret".to_owned());
    let login = TurnLogin { server, username, password };
    let hub: SocketAddr = "10.0.0.2:6084".parse().unwrap();
    let mut relays = Relays::new(now);
    relays.allocate(now, &login, hub);
    let name =
        |n: usize| IceCredentials::new(&format!("name{n}"), &format!("password-number-{n}-long"));
    let others: Vec<SocketAddr> =
        (0..3_u8).map(|n| SocketAddr::from(([198, 51, 100, n + 1], 6084))).collect();
    let mut hubs = Vec::new();
    let mut leaves = Vec::new();
    for (n, leaf) in others.iter().enumerate() {
        let mut settings = IceSettings::new(name(n), true, vec![hub]);
        settings.shared_relays = true;
        hubs.push(IceSession::new(now, settings, [2; 32]));
        let settings = IceSettings::new(name(n + 10), false, vec![*leaf]);
        leaves.push(IceSession::new(now, settings, [3; 32]));
    }
    let mut told = false;
    let mut candidates: [Vec<Vec<IceCandidate>>; 2] = [vec![Vec::new(); 3], vec![Vec::new(); 3]];
    let mut selected: Vec<Vec<SelectedPair>> = vec![Vec::new(); 3];
    let mut socket = None;
    for _ in 0..2000 {
        now += Duration::from_millis(5);
        relays.handle_timeout(now);
        if !told && !relays.pending() {
            told = true;
            hubs.iter_mut().for_each(|it| it.set_relayed(now, &relays.relayed()));
        }
        for n in 0..3 {
            hubs[n].handle_timeout(now);
            leaves[n].handle_timeout(now);
            for (side, session) in [(0, &mut hubs[n]), (1, &mut leaves[n])] {
                while let Some(event) = session.poll_event() {
                    match event {
                        IceEvent::Gathered(it) => candidates[side][n] = it,
                        IceEvent::Selected(it) if side == 0 => selected[n].push(it),
                        IceEvent::Selected(_) => (),
                        other => panic!("{other:?}"),
                    }
                }
            }
            if !candidates[0][n].is_empty() && !candidates[1][n].is_empty() {
                let theirs = std::mem::take(&mut candidates[1][n]);
                // The host address of the hub is hidden: relayed is the only way.
                let ours: Vec<_> = std::mem::take(&mut candidates[0][n])
                    .into_iter()
                    .filter(|it| it.kind == CandType::Relay)
                    .collect();
                assert_eq!(ours.len(), 1);
                hubs[n].set_remote(now, name(n + 10), &theirs);
                leaves[n].set_remote(now, name(n), &ours);
            }
            while let Some(it) = hubs[n].poll_transmit() {
                if relays.owns(it.local) {
                    relays.send(now, it.local, it.remote, it.data);
                }
            }
            while let Some(it) = leaves[n].poll_transmit() {
                if let Some(socket) = socket.filter(|_| it.remote.ip() == server.ip()) {
                    turn.handle_relay_datagram(now, socket, it.local, &it.data);
                }
            }
        }
        while let Some(it) = relays.poll_transmit() {
            assert_eq!((it.local, it.remote), (hub, server));
            turn.handle_datagram(now, it.local, &it.data);
        }
        while let Some(output) = turn.poll_output() {
            match output {
                TurnOutput::AllocateSocket(it) => {
                    assert_eq!(socket.replace(it), None, "one allocation");
                    let relayed = SocketAddr::new(server.ip(), 50_000);
                    turn.handle_allocated(now, it, Some(relayed));
                }
                TurnOutput::CloseSocket(_) => panic!("it is in use"),
                TurnOutput::ToClient { remote, data } => {
                    assert_eq!(remote, hub);
                    assert!(relays.accepts(hub, server, &data));
                    let Some(it) = relays.handle_datagram(now, hub, server, &data) else {
                        continue;
                    };
                    let owners: Vec<_> = (0..3)
                        .filter(|n| hubs[*n].accepts(it.local, it.remote, &it.data))
                        .collect();
                    assert_eq!(owners.len(), 1, "one session knows it");
                    hubs[owners[0]].handle_datagram(now, it.local, it.remote, &it.data);
                }
                TurnOutput::ToPeer { remote, data, .. } => {
                    let n = others.iter().position(|it| *it == remote).unwrap();
                    let relayed = SocketAddr::new(server.ip(), 50_000);
                    leaves[n].handle_datagram(now, remote, relayed, &data);
                }
            }
        }
        if hubs.iter().chain(&leaves).all(|it| it.selected().is_some()) {
            break;
        }
    }
    for (n, leaf) in others.iter().enumerate() {
        let pair = hubs[n].selected().expect("it came through");
        assert_eq!((pair.local_kind, pair.remote), (CandType::Relay, *leaf));
        assert!(!selected[n].is_empty());
    }
}

#[test]
fn gathering_waits_for_shared_relays_only_up_to_its_limit() {
    let now = Instant::now();
    let credentials = IceCredentials::new("name", "a password that is long enough");
    let mut settings = IceSettings::new(credentials, true, vec!["192.0.2.1:1".parse().unwrap()]);
    settings.shared_relays = true;
    let mut session = IceSession::new(now, settings, [1; 32]);
    assert_eq!(session.poll_event(), None);
    let limit = session.next_timeout().unwrap();
    assert!(limit <= now + Duration::from_secs(2));
    session.handle_timeout(limit);
    assert!(matches!(session.poll_event(), Some(IceEvent::Gathered(it)) if it.len() == 1));
}

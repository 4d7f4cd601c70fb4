//! What gets through which NATs, and what candidates say.

use std::net::SocketAddr;
use std::time::Duration;

use reload_ice::{IceCredentials, IceEvent, IceSession, IceSettings, PairState};
use reload_wire::{CandType, OverlayLinkType};

use crate::nat::NatKind::{self, AddressRestricted, FullCone, Open, PortRestricted, Symmetric};
use crate::net::{Net, Plan, STUN, TURN};

const KINDS: [NatKind; 5] = [Open, FullCone, AddressRestricted, PortRestricted, Symmetric];

/// A symmetric NAT shows the other side an address that no server has seen: a NAT that lets in only
/// what was written to, by port, stays shut.
fn needs_relay(left: NatKind, right: NatKind) -> bool {
    matches!((left, right), (Symmetric, Symmetric | PortRestricted) | (PortRestricted, Symmetric))
}

// R6940-6.5.1.3-01 R6940-6.5.1.10.1-01 R6940-6.5.1.9-02
#[test]
fn each_pair_of_nats_gets_through_as_theory_says() {
    for left in KINDS {
        for right in KINDS {
            let mut net = Net::new(&Plan::new(left, right));
            net.connect();
            net.run_for(Duration::from_secs(3));
            let (mine, theirs) = (net.kinds(0), net.kinds(1));
            let relayed = mine.contains("Relay") || theirs.contains("Relay");
            assert_eq!(relayed, needs_relay(left, right), "{left:?} {right:?}: {mine} {theirs}");
            if (left, right) == (Open, Open) {
                assert_eq!((mine.as_str(), theirs.as_str()), ("Host-Host", "Host-Host"));
            }
            net.exchange_data(b"\x16 a record of DTLS");
        }
    }
}

// R6940-6.5.1.9-01 R6940-6.5.1.9-02 R6940-6.5.1.8-01
#[test]
fn the_offerer_controls_and_nominates_and_each_check_says_its_role() {
    let mut net = Net::new(&Plan::new(PortRestricted, Open));
    net.connect();
    net.run_for(Duration::from_secs(10));
    let has = |data: &[u8], kind: u16| {
        let message = stun_types::message::Message::from_bytes(data).unwrap();
        message.has_attribute(kind.into())
    };
    let (controlled, controlling, use_candidate) = (0x8029, 0x802a, 0x25); // RFC 8445 section 16.1
    for (i, [role, other]) in
        [[controlling, controlled], [controlled, controlling]].iter().enumerate()
    {
        let checks: Vec<_> =
            net.sites[i].sent.iter().filter(|it| it.starts_with(&[0, 1])).collect();
        let checks: Vec<_> = checks.into_iter().filter(|it| has(it, 6)).collect(); // USERNAME
        assert!(checks.len() > 3);
        assert!(checks.iter().all(|it| has(it, *role) && !has(it, *other) && has(it, 0x24)));
        assert_eq!(checks.iter().any(|it| has(it, use_candidate)), i == 0);
    }
}

#[test]
fn symmetric_nats_without_a_relay_fail_and_tell_what_was_tried() {
    let mut plan = Plan::new(Symmetric, Symmetric);
    plan.turn = [false; 2];
    let mut net = Net::new(&plan);
    net.connect();
    for site in &net.sites {
        let tried = site.failed.as_ref().expect("it failed");
        assert!(tried.iter().any(|it| it.contains("198.51.100")), "{tried:?}");
        assert!(site.selected.is_empty());
        assert!(site.session.next_timeout().is_none());
    }
    assert!(net.now - net.start < Duration::from_secs(16));
}

#[test]
fn an_answerer_waits_for_an_offerer_that_hears_of_the_answer_late() {
    for late in [3, 8, 12] {
        let mut net = Net::new(&Plan::new(PortRestricted, PortRestricted));
        net.gather();
        for (from, to) in [(0, 1), (1, 0)] {
            let (now, credentials) = (net.now, net.sites[from].credentials.clone());
            let candidates = net.sites[from].candidates.clone();
            net.sites[to].session.set_remote(now, credentials, &candidates);
            net.run_for(Duration::from_secs(late));
        }
        net.run_until(Duration::from_secs(2), |net| {
            net.sites.iter().all(|it| it.session.selected().is_some())
        });
        net.exchange_data(b"\x16 late");
    }
}

#[test]
fn one_relay_is_enough_for_two_symmetric_nats() {
    for turn in [[true, false], [false, true]] {
        let mut plan = Plan::new(Symmetric, Symmetric);
        plan.turn = turn;
        let mut net = Net::new(&plan);
        net.connect();
        net.exchange_data(b"\x16 over one relay");
    }
}

// R6940-6.5.1.7-01 R6940-6.5.1.5-02
#[test]
fn candidates_carry_all_that_ice_needs() {
    let mut net = Net::new(&Plan::new(PortRestricted, Open));
    net.gather();
    let all = &net.sites[0].candidates;
    let kinds: Vec<_> = all.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [CandType::Host, CandType::Srflx, CandType::Relay]);
    let address = |i: usize| all[i].addr_port.socket_addr().unwrap();
    let related = |i: usize| all[i].related.as_ref().map(|it| it.socket_addr().unwrap());
    let host: SocketAddr = net.sites[0].hosts[0];
    assert_eq!((address(0), related(0)), (host, None));
    assert_eq!(address(1).ip(), net.sites[0].nat.outside);
    assert_eq!(related(1), Some(host), "the base");
    assert_eq!(address(2).ip(), TURN.parse::<SocketAddr>().unwrap().ip());
    assert_eq!(related(2), Some(address(1)), "how the server sees us");
    for it in all {
        assert_eq!(it.overlay_link, OverlayLinkType::DTLS_UDP_SR);
        assert!((1..=32).contains(&it.foundation.len()));
    }
    let preference = |i: usize| all[i].priority >> 24; // RFC 8445 section 5.1.2.1
    assert_eq!((preference(0), preference(1)), (126, 100));
    assert!(preference(2) < 100);
    assert!(all.iter().all(|it| it.priority & 0xff == 255), "component 1");
    let mut foundations: Vec<_> = all.iter().map(|it| &it.foundation).collect();
    foundations.dedup();
    assert_eq!(foundations.len(), 3);
}

// R6940-6.5.1.5-01
#[test]
fn without_a_turn_server_there_is_no_relayed_candidate() {
    let mut plan = Plan::new(FullCone, Open);
    plan.turn = [false; 2];
    let mut net = Net::new(&plan);
    net.gather();
    for site in &net.sites {
        assert!(site.candidates.iter().all(|it| it.kind != CandType::Relay));
    }
    let open = &net.sites[1].candidates;
    assert_eq!(open.len(), 1, "a reflexive address that equals the host's is redundant");
}

#[test]
fn dead_servers_end_gathering_within_two_seconds() {
    let mut net = Net::new(&Plan::new(FullCone, FullCone));
    net.sites.iter_mut().for_each(|it| it.cut = true);
    net.gather();
    assert!(net.now - net.start <= Duration::from_secs(2));
    assert_eq!(net.sites[0].candidates.len(), 1);
}

#[test]
fn ipv6_and_ipv4_addresses_are_paired_each_with_its_kind() {
    let hosts = |last: u8| -> Vec<SocketAddr> {
        let six = format!("[2001:db8::{last}]:6084");
        vec![six.parse().unwrap(), format!("198.51.100.{last}:6084").parse().unwrap()]
    };
    let plan = Plan::new(Open, Open);
    let mut net = Net::new(&plan);
    for i in 0..2 {
        let last = u8::try_from(i).unwrap() + 1;
        let credentials = net.sites[i].credentials.clone();
        let mut settings = IceSettings::new(credentials, i == 0, hosts(last));
        settings.stun_servers = vec![STUN.parse().unwrap()];
        net.sites[i].session = IceSession::new(net.now, settings, [last; 32]);
        net.sites[i].hosts = hosts(last);
    }
    net.connect();
    net.run_for(Duration::from_secs(3));
    assert!(net.sites[0].session.selected().unwrap().local.is_ipv6(), "IPv6 first (RFC 8421)");
    assert_eq!(net.sites[0].session.report().pairs.len(), 2);
    net.exchange_data(b"\x16 over IPv6");
}

#[test]
fn candidates_that_do_not_fit_fail_at_once() {
    let now = std::time::Instant::now();
    let make = |host: &str, name: &str| {
        let credentials = IceCredentials::new(name, "a password that is long enough");
        let hosts = vec![host.parse().unwrap()];
        let settings = IceSettings::new(credentials.clone(), true, hosts);
        (IceSession::new(now, settings, [1; 32]), credentials)
    };
    let (mut left, _) = make("192.0.2.1:1", "left");
    let (mut right, credentials) = make("127.0.0.1:1", "right");
    let Some(IceEvent::Gathered(candidates)) = right.poll_event() else { panic!() };
    assert!(matches!(left.poll_event(), Some(IceEvent::Gathered(_))));
    left.set_remote(now, credentials, &candidates);
    assert!(matches!(left.poll_event(), Some(IceEvent::Failed { tried }) if tried.len() == 1));
    assert_eq!(left.poll_transmit(), None, "nothing goes to loopback");
}

#[test]
fn credentials_that_checks_cannot_carry_fail_and_do_not_panic() {
    let long = "u".repeat(255);
    for ufrag in ["", "a:b", long.as_str()] {
        let mut net = Net::new(&Plan::new(Open, Open));
        net.gather();
        let (now, candidates) = (net.now, net.sites[1].candidates.clone());
        let remote = IceCredentials::new(ufrag, "a password that is long enough");
        net.sites[0].session.set_remote(now, remote, &candidates);
        net.run_for(Duration::from_secs(1));
        assert!(net.sites[0].failed.is_some(), "{ufrag}");
    }
}

#[test]
fn the_report_names_candidates_pairs_and_how_others_see_us() {
    let mut net = Net::new(&Plan::new(PortRestricted, Open));
    net.connect();
    let report = net.sites[0].session.report();
    assert_eq!(report.reflexive, [net.sites[0].candidates[1].addr_port.socket_addr().unwrap()]);
    assert_eq!(report.local.len(), 3);
    assert_eq!(report.remote.len(), 2);
    assert_eq!(report.selected, net.sites[0].session.selected());
    let used = report.selected.unwrap();
    assert_eq!((used.local_kind, used.remote_kind), (CandType::Srflx, CandType::Host));
    let pair = report.pairs.iter().find(|it| (it.local, it.remote) == (used.local, used.remote));
    let pair = pair.unwrap();
    assert_eq!(pair.state, PairState::Succeeded);
    assert_eq!(pair.round_trip, Some(Duration::from_millis(40)));
    assert!(pair.to_string().contains("(reflexive) to 198.51.100.2:6084 (host): Succeeded"));
}

//! What happens when the network changes under a pair in use.

use std::time::Duration;

use reload_wire::CandType;

use crate::nat::NatKind::{AddressRestricted, FullCone, Open, PortRestricted, Symmetric};
use crate::net::{Net, Plan};

#[test]
fn a_new_mapping_of_a_nat_is_followed_within_five_seconds_whoever_controls() {
    for (nats, behind) in [
        ([FullCone, Open], 0),
        ([Open, FullCone], 1),
        ([PortRestricted, FullCone], 0),
        ([FullCone, PortRestricted], 1),
        ([AddressRestricted, AddressRestricted], 0),
        ([Symmetric, Open], 0),
        ([Open, Symmetric], 1),
    ] {
        let mut net = Net::new(&Plan::new(nats[0], nats[1]));
        net.connect();
        net.run_for(Duration::from_secs(30));
        net.exchange_data(b"\x16 before");
        let other = 1 - behind;
        let old = net.sites[other].session.selected().unwrap().remote;
        net.sites[behind].nat.flush();
        let changed = net.now;
        net.run_until(Duration::from_secs(5), |net| {
            net.sites[other].session.selected().is_some_and(|it| it.remote != old)
        });
        assert!(net.now > changed);
        net.exchange_data(b"\x16 after");
        net.run_for(Duration::from_secs(60));
        assert!(net.sites.iter().all(|it| it.lost.is_none()), "{nats:?}");
        net.exchange_data(b"\x16 much later");
    }
}

#[test]
fn a_host_that_changes_its_address_keeps_its_pair() {
    for mover in [0, 1] {
        let mut net = Net::new(&Plan::new(Open, Open));
        net.connect();
        net.run_for(Duration::from_secs(20));
        let new = format!("198.51.100.{}:6084", 101 + mover).parse().unwrap();
        net.sites[mover].hosts = vec![new];
        let now = net.now;
        net.sites[mover].session.set_hosts(now, &[new]);
        net.run_until(Duration::from_secs(5), |net| {
            let selected = |i: usize| net.sites[i].session.selected();
            selected(mover).is_some_and(|it| it.local == new)
                && selected(1 - mover).is_some_and(|it| it.remote == new)
        });
        net.exchange_data(b"\x16 from the new address");
        net.run_for(Duration::from_secs(60));
        assert!(net.sites.iter().all(|it| it.lost.is_none()), "{mover}");
        net.exchange_data(b"\x16 much later");
    }
}

// R6940-6.5.1.10.3-01
#[test]
fn an_idle_pair_stays_by_stun_alone_and_is_selected_once() {
    let mut net = Net::new(&Plan::new(PortRestricted, PortRestricted));
    net.connect();
    net.run_for(Duration::from_secs(3));
    let told = net.sites[0].selected.len();
    net.run_for(Duration::from_secs(3600));
    assert!(net.sites.iter().all(|it| it.lost.is_none()));
    assert_eq!(net.sites[0].selected.len(), told, "no change without a reason");
    net.exchange_data(b"\x16 an hour later");
}

#[test]
fn consent_is_lost_five_to_ten_seconds_after_the_other_side_is_gone() {
    for gone in [0, 1] {
        let mut net = Net::new(&Plan::new(PortRestricted, Open));
        net.connect();
        net.run_for(Duration::from_secs(20));
        net.sites[gone].cut = true;
        let cut = net.now;
        net.run_until(Duration::from_secs(11), |net| net.sites[1 - gone].lost.is_some());
        let after = net.now - cut;
        assert!(after >= Duration::from_secs(5) && after <= Duration::from_secs(10), "{after:?}");
        net.run_for(Duration::from_secs(30));
        let session = &mut net.sites[1 - gone].session;
        assert_eq!((session.poll_transmit(), session.selected()), (None, None), "silence");
    }
}

#[test]
fn a_break_of_four_seconds_is_survived() {
    let mut net = Net::new(&Plan::new(PortRestricted, PortRestricted));
    net.connect();
    net.run_for(Duration::from_secs(20));
    net.sites[0].cut = true;
    net.run_for(Duration::from_secs(4));
    net.sites[0].cut = false;
    net.run_for(Duration::from_secs(10));
    assert!(net.sites.iter().all(|it| it.lost.is_none()));
    net.exchange_data(b"\x16 after the break");
}

// R6940-6.5.1.10.2-02
#[test]
fn relays_that_are_not_needed_are_given_back_and_needed_ones_are_kept() {
    let mut net = Net::new(&Plan::new(FullCone, FullCone));
    net.connect();
    assert_eq!(net.turn.allocations(), 2);
    net.run_for(Duration::from_secs(15));
    assert_eq!(net.turn.allocations(), 0);
    net.exchange_data(b"\x16 without relays");

    let mut net = Net::new(&Plan::new(Symmetric, Symmetric));
    net.connect();
    net.run_for(Duration::from_secs(1800));
    assert!(net.turn.allocations() > 0, "refreshed for half an hour");
    assert!(net.sites.iter().all(|it| it.lost.is_none()));
    net.exchange_data(b"\x16 over the relay still");
    let relayed = |i: usize| net.sites[i].session.selected().unwrap();
    assert!((0..2).any(|i| relayed(i).local_kind == CandType::Relay));
}

#[test]
fn a_closed_session_gives_its_allocation_back() {
    let mut net = Net::new(&Plan::new(Symmetric, Symmetric));
    net.connect();
    let now = net.now;
    net.sites.iter_mut().for_each(|it| it.session.close(now));
    net.run_for(Duration::from_secs(3));
    assert_eq!(net.turn.allocations(), 0);
}

#[test]
fn a_fifth_of_all_packets_lost_hinders_neither_checks_nor_consent() {
    for seed in 1..=8 {
        let mut plan = Plan::new(PortRestricted, FullCone);
        plan.seed = seed;
        let mut net = Net::new(&plan);
        net.gather();
        net.loss = 0.2;
        net.connect();
        assert!(net.sites.iter().all(|it| it.failed.is_none()), "seed {seed}");
        net.run_for(Duration::from_secs(300));
        assert!(net.sites.iter().all(|it| it.lost.is_none()), "seed {seed}");
        net.loss = 0.0;
        net.run_for(Duration::from_secs(5));
        net.exchange_data(b"\x16 after the loss");
    }
}

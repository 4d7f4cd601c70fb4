//! The NAT boxes of these tests are what they are called. None of our protocols takes part.

use std::net::Ipv4Addr;

use reload_e2e::netns::{Filtering, Found, Lab, Landmarks, Mapping, Nat};

const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 2);

#[test]
fn each_kind_of_nat_maps_and_filters_as_its_name_says() {
    let Some(lab) = Lab::open().unwrap() else { return };
    let public = lab.switch("public").unwrap();
    let one = lab.host("one", &public, Ipv4Addr::new(198, 18, 0, 1)).unwrap();
    let other = lab.host("other", &public, Ipv4Addr::new(198, 18, 0, 2)).unwrap();
    let landmarks = Landmarks::on(&one, &other).unwrap();
    for (number, nat) in (0..).zip(Nat::ALL) {
        let outside = Ipv4Addr::new(198, 18, 0, 10 + number);
        let inside = Ipv4Addr::new(192, 168, 7, 1);
        let router = lab.router(&format!("router{number}"), &public, outside, inside).unwrap();
        let home = lab.host(&format!("home{number}"), router.lan(), HOME).unwrap();
        router.set_nat(nat, HOME).unwrap();
        let found = landmarks.look_at(&home).unwrap();
        println!("  {nat}: {found:?}");
        assert_eq!(found.kind().unwrap(), nat);
    }
}

#[test]
fn of_two_levels_of_nat_the_stricter_one_is_seen() {
    let Some(lab) = Lab::open().unwrap() else { return };
    let public = lab.switch("public").unwrap();
    let one = lab.host("one", &public, Ipv4Addr::new(198, 18, 0, 1)).unwrap();
    let other = lab.host("other", &public, Ipv4Addr::new(198, 18, 0, 2)).unwrap();
    let landmarks = Landmarks::on(&one, &other).unwrap();
    let provider = Ipv4Addr::new(198, 18, 0, 10);
    let outer = lab.router("outer", &public, provider, Ipv4Addr::new(10, 7, 0, 1)).unwrap();
    let between = Ipv4Addr::new(10, 7, 0, 2);
    let inner = lab.router("inner", outer.lan(), between, Ipv4Addr::new(192, 168, 7, 1)).unwrap();
    let home = lab.host("home", inner.lan(), HOME).unwrap();
    for (first, second, seen) in [
        (Nat::FullCone, Nat::FullCone, Nat::FullCone),
        (Nat::PortRestricted, Nat::FullCone, Nat::PortRestricted),
        (Nat::FullCone, Nat::AddressRestricted, Nat::AddressRestricted),
        (Nat::PortRestricted, Nat::Symmetric, Nat::Symmetric),
    ] {
        inner.set_nat(first, HOME).unwrap();
        outer.set_nat(second, between).unwrap();
        let found = landmarks.look_at(&home).unwrap();
        println!("  {first} behind {second}: {found:?}");
        assert_eq!(found.kind().unwrap(), seen);
    }
}

#[test]
fn without_a_nat_everybody_gets_in_and_a_flushed_mapping_is_a_new_one() {
    let Some(lab) = Lab::open().unwrap() else { return };
    let public = lab.switch("public").unwrap();
    let one = lab.host("one", &public, Ipv4Addr::new(198, 18, 0, 1)).unwrap();
    let other = lab.host("other", &public, Ipv4Addr::new(198, 18, 0, 2)).unwrap();
    let open = lab.host("open", &public, Ipv4Addr::new(198, 18, 0, 3)).unwrap();
    let found = Landmarks::on(&one, &other).unwrap().look_at(&open).unwrap();
    let everything =
        Found { mapping: Mapping::EndpointIndependent, filtering: Filtering::EndpointIndependent };
    assert_eq!(found, everything);

    let outside = Ipv4Addr::new(198, 18, 0, 10);
    let router = lab.router("router", &public, outside, Ipv4Addr::new(192, 168, 7, 1)).unwrap();
    let home = lab.host("home", router.lan(), HOME).unwrap();
    router.set_nat(Nat::Symmetric, HOME).unwrap();
    let (inner, server) = (home.udp(HOME, 0).unwrap(), one.udp(one.address(), 0).unwrap());
    let seen = || {
        inner.send_to(b"where?", server.local_addr().unwrap()).unwrap();
        server.recv_from(&mut [0; 16]).unwrap().1
    };
    let before = seen();
    assert_eq!(seen(), before);
    router.forget().unwrap();
    assert_ne!(seen(), before);
}

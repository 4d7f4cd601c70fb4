//! Plans that come where none is awaited: for a link that has its plan already, and for one that cannot be
//! formed so.

use reload_node::{DialAddress, Gathering, LinkId, LinkPurpose, Security, Way};
use reload_wire::OverlayLinkType;

use crate::no_ice;
use crate::world::{SECOND, World, message};

fn dial(world: &World, host: usize) -> Way {
    let (address, link) = (world.hosts[host].address(), OverlayLinkType::DTLS_UDP_SR_NO_ICE);
    Way::Dial(vec![DialAddress { address, link }])
}

/// Gives our end of a link these plans, and sees that it lives on as if none had come.
fn lives_on(world: &mut World, [ours, theirs]: [usize; 2], link: LinkId, plans: Vec<Way>) {
    for plan in plans {
        world.connect(ours, link, plan, Security::Handshake(None));
        world.run(60 * SECOND);
        assert!(world.hosts[ours].down.is_empty(), "{:?}", world.hosts[ours].down);
    }
    let now = world.now;
    world.hosts[ours].send(now, link, message(1));
    world.run(SECOND);
    let came: Vec<_> = world.hosts[theirs].messages.values().flatten().collect();
    assert_eq!(came, [&message(1)]);
}

#[test]
fn a_link_that_is_up_by_ice_takes_no_other_plan() {
    let mut world = World::new(80);
    let hosts = [world.host(), world.host()];
    let link = world.attach(hosts[0], hosts[1], 7);
    world
        .run_until(15 * SECOND, |world| hosts.iter().all(|it| world.hosts[*it].up.contains(&link)));
    let plans = vec![world.offer(hosts[1], link, false), dial(&world, hosts[1])];
    lives_on(&mut world, hosts, link, plans);
}

#[test]
fn a_link_that_is_up_without_ice_takes_no_other_plan() {
    let mut world = World::new(81);
    let (ours, theirs) = no_ice::linked(&mut world);
    let ice = Way::Ice { ufrag: "name".into(), password: "password".into(), candidates: vec![] };
    let plans = vec![dial(&world, theirs), ice];
    lives_on(&mut world, [ours, theirs], no_ice::DIALLED, plans);
}

#[test]
fn a_plan_that_does_not_fit_what_was_gathered_ends_the_link_once_and_for_all() {
    let mut world = World::new(82);
    let ours = world.host();
    let ice = Way::Ice { ufrag: "name".into(), password: "password".into(), candidates: vec![] };
    for (number, way) in (1..).zip([ice, Way::Dial(Vec::new())]) {
        let link = LinkId::planned(number);
        let purpose = LinkPurpose::Application(61_443);
        let host = &mut world.hosts[ours];
        host.endpoint.gather(world.now, link, Gathering { purpose, ice: None, own_socket: true });
        host.drain(world.now);
        assert_eq!(host.sockets.len(), 2);
        world.connect(ours, link, way, Security::Handshake(None));
        assert!(world.hosts[ours].down.contains_key(&link));
        assert!(world.hosts[ours].endpoint.links(world.now).is_empty());
        assert_eq!(world.hosts[ours].sockets.len(), 1, "its socket is closed");
        world.run(60 * SECOND); // it is not told again
    }
}

#[test]
fn an_address_to_dial_does_not_fit_a_link_gathered_for_ice() {
    let mut world = World::new(83);
    let [ours, theirs] = [world.host(), world.host()];
    let link = LinkId::planned(1);
    world.gather(ours, link, LinkPurpose::Overlay, true);
    let way = dial(&world, theirs);
    world.connect(ours, link, way, Security::Handshake(None));
    assert!(world.hosts[ours].down.contains_key(&link));
    assert!(world.hosts[ours].endpoint.links(world.now).is_empty());
}

//! Certificates that are not accepted.

use reload_node::{LinkId, Security};

use crate::certificates::Overlay;
use crate::world::{SECOND, World};

const DIALLED: LinkId = LinkId::planned(1);

// R6940-6.6.1-01
#[test]
fn a_node_of_another_overlay_is_refused_on_both_sides() {
    let mut world = World::new(30);
    let ours = world.host();
    let stranger = Overlay::new().node();
    let theirs = world.host_as(stranger, |_| {});
    let address = world.hosts[theirs].address();
    world.dial(ours, DIALLED, &[address], None);
    world.run(16 * SECOND);
    let reason = &world.hosts[ours].down[&DIALLED];
    assert!(reason.contains("certificate"), "{reason}");
    assert!(world.hosts[theirs].up.is_empty() && world.hosts[theirs].accepted.is_empty());
}

#[test]
fn an_expired_certificate_is_refused() {
    let mut world = World::new(31);
    let expired = world.overlay.expired_node();
    let (ours, theirs) = (world.host_as(expired, |_| {}), world.host());
    let address = world.hosts[theirs].address();
    world.dial(ours, DIALLED, &[address], None);
    world.run(16 * SECOND);
    assert!(world.hosts[ours].down.contains_key(&DIALLED));
    assert!(world.hosts[theirs].accepted.is_empty());
    assert_eq!(world.hosts[theirs].endpoint.half_open(), 0);
}

// R6940-6.5.1.11-01
#[test]
fn another_node_than_the_one_that_answered_is_refused() {
    let mut world = World::new(32);
    let (ours, theirs) = (world.host(), world.host());
    let (address, wrong) = (world.hosts[theirs].address(), world.node_id(ours));
    world.dial(ours, DIALLED, &[address], Some(wrong));
    world.run(2 * SECOND);
    let reason = &world.hosts[ours].down[&DIALLED];
    assert!(reason.contains("certificate"), "{reason}");
    assert!(world.hosts[theirs].up.is_empty());
}

// R6940-6.5.1.13-04
#[test]
fn ice_to_another_node_than_that_of_the_attach_gives_no_link() {
    let mut world = World::new(33);
    let (ours, theirs) = (world.host(), world.host());
    let link = LinkId::planned(5);
    let wrong = world.node_id(ours);
    for (host, controlling) in [(ours, true), (theirs, false)] {
        world.gather(host, link, reload_node::LinkPurpose::Overlay, controlling);
    }
    world.run(SECOND);
    let (of_ours, of_theirs) = (world.offer(ours, link, true), world.offer(theirs, link, false));
    world.connect(ours, link, of_theirs, Security::Handshake(Some(wrong)));
    let right = world.node_id(ours);
    world.connect(theirs, link, of_ours, Security::Handshake(Some(right)));
    world.run(31 * SECOND);
    let reason = &world.hosts[ours].down[&link];
    assert!(reason.contains("certificate"), "{reason}");
    assert!(world.hosts[ours].up.is_empty() && world.hosts[theirs].up.is_empty());
}

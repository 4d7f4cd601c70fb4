//! Plain STUN: everybody is answered, and connected peers serve as servers.

use bytes::Bytes;
use reload_node::LinkId;

use crate::world::{SECOND, World};

/// A plain Binding request.
fn binding() -> Bytes {
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend_from_slice(&[9; 12]);
    Bytes::from(request)
}

// R6940-6.5.1.4-06
#[test]
fn a_plain_binding_request_of_anybody_is_answered() {
    let mut world = World::new(40);
    let (ours, theirs) = (world.host(), world.host());
    let (from, to) = (world.hosts[ours].address(), world.hosts[theirs].address());
    world.capture = Some(Vec::new());
    world.inject(from, to, binding());
    world.run(SECOND);
    let capture = world.capture.take().unwrap();
    let answers = capture.iter().filter(|(source, _, data)| *source == to && data[..2] == [1, 1]);
    assert_eq!(answers.count(), 1);
    assert_eq!(world.hosts[theirs].endpoint.counters().bindings_answered, 1);
}

// R6940-6.5.1.4-01 R6940-6.5.1.4-02 R6940-6.5.1.4-03 R6940-6.5.1.4-04 R6940-6.5.1.4-06
#[test]
fn one_of_the_peers_that_see_us_alike_serves_and_another_when_its_link_is_lost() {
    let mut world = World::new(41);
    let (ours, first, second) = (world.host(), world.host(), world.host());
    let addresses = [first, second].map(|host| world.hosts[host].address());
    for (number, address) in [1, 2].into_iter().zip(addresses) {
        world.dial(ours, LinkId::planned(number), &[address], None);
    }
    world.run(3 * SECOND);
    assert_eq!(world.hosts[ours].up.len(), 2);
    assert_eq!(world.hosts[ours].endpoint.stun_servers(), [addresses[0]]);
    let now = world.now;
    world.hosts[first].endpoint.close(now, LinkId::accepted(0));
    world.hosts[first].drain(now);
    world.run(SECOND);
    assert_eq!(world.hosts[ours].endpoint.stun_servers(), [addresses[1]]);
}

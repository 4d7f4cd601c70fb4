//! Rings form, and values stored at one node are read from every other.

use std::time::Duration;

use bytes::Bytes;
use reload_node::{NewValue, Place, Request, Role};
use reload_sim::{Address, Overlay, Weather, World, fetched, ring_faults};
use reload_wire::{DataValue, KindId};

// R6940-6.4.2.1-10, R6940-10.4-01
#[test]
fn eight_peers_form_a_ring_and_keep_a_value() {
    let overlay = Overlay::new();
    let mut world = World::new(1, Weather::default(), &overlay);
    let first = world.add(Role::Peer);
    world.start(first, &[], true);
    for _ in 0..7 {
        let peer = world.add(Role::Peer);
        world.start(peer, &[first], false);
        let joined = world.run_until(Duration::from_secs(60), |world| world.hosts[peer].joined);
        assert!(
            joined,
            "host {peer} did not join: {:?}",
            world.hosts[peer].node().status(world.now)
        );
    }
    world.run_for(Duration::from_secs(30));
    assert_eq!(ring_faults(&world), Vec::<String>::new());

    let resource = world.hosts[3].node().resource_id(world.hosts[3].user.as_bytes());
    let kind = KindId(0xF000_0001);
    let value = NewValue {
        kind,
        generation: 0,
        place: Place::Single,
        value: DataValue { exists: true, value: Bytes::from_static(b"hello") },
        lifetime: 3600,
        storage_time: None,
    };
    let request = Request::Store { resource: resource.clone(), values: vec![value] };
    let stored = world.ask(3, request).expect("the owner may store");
    println!("{stored:?}");
    let address = Address::new(&resource, kind, &Place::Single);
    for host in 0..8 {
        let response = world.ask(host, address.fetch()).expect("everybody may fetch");
        assert_eq!(fetched(&response.reply), Some(Bytes::from_static(b"hello")));
    }
}

//! Two and three real nodes: they join, talk, keep values and leave (sections 6, 7 and 10).

use std::time::Duration;

use bytes::Bytes;
use reload_node::{NewValue, Offer, Place, Reply, Request, Role, Specifier};
use reload_wire::{DataValue, Destination, KindId, ModelSpecifier, NodeId, ResourceId};

use crate::network::Network;

const KIND: KindId = KindId(0xf000_0001);

/// Three peers, evenly spread.
fn three() -> Network {
    let mut network = Network::new();
    for id in [0x1000_u128, 0x6000, 0xb000] {
        network.add(id << 112, Role::Peer, true);
        network.pass(Duration::from_secs(20));
    }
    assert!(network.places.iter().all(|place| place.joined));
    network
}

fn store(network: &mut Network, at: usize) -> ResourceId {
    let resource = network.places[at].node.resource_id(format!("user{at}@x").as_bytes());
    let value = NewValue {
        kind: KIND,
        generation: 0,
        place: Place::Single,
        value: DataValue { exists: true, value: Bytes::from_static(b"hello") },
        lifetime: 3600,
        storage_time: None,
    };
    let request = Request::Store { resource: resource.clone(), values: vec![value] };
    network.ask(at, request).expect("the owner may store");
    resource
}

fn fetch(network: &mut Network, at: usize, resource: &ResourceId) -> Option<Bytes> {
    let specifiers = vec![Specifier { kind: KIND, generation: 0, which: ModelSpecifier::Single }];
    let request = Request::Fetch { resource: resource.clone(), specifiers };
    match network.ask(at, request).ok()?.reply {
        Reply::Fetched(kinds) => Some(kinds[0].values.first()?.value().data().value.clone()),
        _ => None,
    }
}

#[test]
fn every_peer_pings_every_other_over_one_hop() {
    let mut network = three();
    for from in 0..3 {
        for to in 0..3 {
            let id = network.places[to].node.node_id();
            let request = Request::Ping { to: vec![Destination::Node(id)], padding: 0 };
            let response = network.ask(from, request).expect("it is there");
            assert_eq!(response.from, id);
        }
    }
}

#[test]
fn a_ping_to_a_node_that_is_not_there_ends_without_an_answer() {
    let mut network = three();
    let to = vec![Destination::Node(NodeId::from_u128(77))];
    assert!(network.ask(1, Request::Ping { to, padding: 0 }).is_err());
}

#[test]
fn a_value_stored_anywhere_is_read_everywhere_and_held_three_times() {
    let mut network = three();
    for at in 0..3 {
        let resource = store(&mut network, at);
        for reader in 0..3 {
            assert_eq!(fetch(&mut network, reader, &resource).as_deref(), Some(&b"hello"[..]));
        }
    }
    for place in &network.places {
        assert_eq!(place.node.status(network.now).values, 3); // 10.4: two replicas
    }
}

#[test]
fn a_value_survives_the_death_of_any_peer() {
    for victim in 1..3 {
        let mut network = three();
        let resource = store(&mut network, 0);
        network.kill(victim);
        network.pass(Duration::from_secs(5));
        assert_eq!(fetch(&mut network, 0, &resource).as_deref(), Some(&b"hello"[..]), "{victim}");
    }
}

#[test]
fn peers_that_leave_one_after_the_other_lose_nothing() {
    let mut network = three();
    let resource = store(&mut network, 0);
    for leaver in [2, 1] {
        network.leave(leaver);
        network.pass(Duration::from_secs(10));
        assert!(network.places[leaver].left);
        network.kill(leaver);
        network.pass(Duration::from_secs(5));
        assert_eq!(fetch(&mut network, 0, &resource).as_deref(), Some(&b"hello"[..]));
    }
}

#[test]
fn a_client_stores_and_reads_whether_it_can_be_dialled_or_not() {
    for dialable in [true, false] {
        let mut network = three();
        let client = network.add(0x8000 << 112, Role::Client, dialable);
        network.pass(Duration::from_secs(20));
        assert!(network.places[client].joined, "dialable: {dialable}"); // 4.2.1
        let resource = store(&mut network, client);
        assert_eq!(fetch(&mut network, 1, &resource).as_deref(), Some(&b"hello"[..]));
        assert_eq!(network.places[client].node.status(network.now).values, 0);
        let id = network.places[client].node.node_id();
        let request = Request::Ping { to: vec![Destination::Node(id)], padding: 0 };
        let pinged = network.ask(1, request);
        // else it stays at its bootstrap peer, and no way leads there by its Node-ID
        assert_eq!(pinged.is_ok(), dialable);
    }
}

// R6940-6.5.1.5-02, R6940-6.5.2-01
#[test]
fn an_overlay_with_ice_forms_keeps_values_and_gives_pipes() {
    let mut network = Network::with_ice();
    for id in [0x1000_u128, 0x6000, 0xb000, 0xe000] {
        network.add(id << 112, Role::Peer, true);
        network.pass(Duration::from_secs(20));
    }
    assert!(network.places.iter().all(|place| place.joined));
    let by_ice = |at: usize| network.places[at].node.status(network.now).links;
    assert!((1..4).all(|at| by_ice(at).iter().any(|link| link.ice)));
    let resource = store(&mut network, 2);
    assert!((0..4).all(|at| fetch(&mut network, at, &resource).is_some()));
    let (asker, asked) = (1, 3);
    let (from, to) = (network.places[asker].node.node_id(), network.places[asked].node.node_id());
    let request =
        Request::AppAttach { to: vec![Destination::Node(to)], application: 61_443, connect: true };
    assert!(network.ask(asker, request.clone()).is_err(), "nothing is offered there");
    network.places[asked].node.offer(61_443, Offer::Connect);
    let response = network.ask(asker, request).expect("it is offered now");
    assert!(matches!(response.reply, Reply::AppAttached { node, .. } if node == to));
    assert_eq!(network.places[asked].pipes, [(from, 61_443)]);
}

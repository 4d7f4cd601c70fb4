//! Clients (section 4.2.1).

use reload_chord::Role;
use reload_topology::{Phase, Topology};
use reload_wire::ResourceId;

use crate::joining::ring_in_turn;
use crate::network::{Id, Network};

fn with_client(seed: u64, dialable: bool) -> (Network, Vec<Id>, Id) {
    let (mut net, ids) = ring_in_turn(seed, 12);
    let client = net.random_id();
    net.add(client, Role::Client { dialable });
    net.join_again(client, ids[0]);
    net.run_secs(5);
    (net, ids, client)
}

// R6940-6.5.1-04
#[test]
fn a_client_is_never_responsible_and_no_peer() {
    for dialable in [true, false] {
        let (net, _, client) = with_client(1, dialable);
        let chord = &net.nodes[&client].chord;
        assert_eq!(chord.view().phase, Phase::Client);
        assert!(!chord.is_responsible(&ResourceId::from_u128(client)));
        assert_eq!(chord.responsible_ppb(), 0);
        net.check_ring(12);
    }
}

// R6940-4.2.2-01
#[test]
fn a_client_reaches_every_resource() {
    for dialable in [true, false] {
        let (mut net, _, _) = with_client(2, dialable);
        net.check_routes(30);
    }
}

// R6940-B.1-01
#[test]
fn a_client_that_can_be_dialled_is_linked_to_the_peer_responsible_for_it() {
    let (net, _, client) = with_client(3, true);
    let owner = net.owner(client);
    assert!(net.linked(client).iter().any(|(peer, _)| *peer == owner));
}

// R6940-4.2.1-01, R6940-6.4.1-02
#[test]
fn it_follows_when_another_peer_becomes_responsible() {
    let (mut net, ids, client) = with_client(4, true);
    let newcomer = client.wrapping_add(1 << 90);
    net.join(newcomer, ids[0]);
    net.run_secs(10);
    assert_eq!(net.owner(client), newcomer);
    assert!(net.linked(client).iter().any(|(peer, _)| *peer == newcomer));
    net.crash(newcomer);
    net.run_secs(10);
    let owner = net.owner(client);
    assert!(net.linked(client).iter().any(|(peer, _)| *peer == owner));
    net.check_routes(10);
}

//! Real nodes over TLS: they find each other, ping, keep a value, and leave.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use reload_chord::{Chord, ChordConfig};
use reload_config::{ConfigurationBuilder, Leniency, OverlayDocument, assemble};
use reload_identity::{
    OverlayConfig, Signers, Verified, sign_configuration, sign_kind, verify_configuration,
};
use reload_net::{Bound, CryptoPool, NodeHandle, Settings};
use reload_node::{
    Event, Limits, NewValue, Node, Place, Reply, Request, Role, Setup, Specifier, Start,
};
use reload_storage::MemoryStore;
use reload_topology::{Topology, TopologyEvent};
use reload_wire::{DataValue, Destination, KindId, ModelSpecifier, NodeId};

use crate::kit::{OVERLAY, Overlay, loopback, soon, wall};

pub(crate) type Handle = NodeHandle<Node<Chord, MemoryStore>>;

/// A kind of the default set: single value, NODE-MULTIPLE.
const NODE_MULTIPLE: KindId = KindId(0xf000_0004);

pub(crate) fn configuration(overlay: &Overlay, no_ice: bool) -> Verified<OverlayConfig> {
    let signer = overlay.node();
    let mut builder = ConfigurationBuilder::new_overlay(OVERLAY);
    builder.root_certs = vec![overlay.issuer.certificate_der().clone()];
    builder.configuration_signers = vec![signer.node_id()];
    builder.kind_signers = vec![signer.node_id()];
    builder.sequence = 1;
    builder.no_ice = no_ice;
    builder.sign_kinds(|kind| sign_kind(&signer, kind)).unwrap();
    let element = builder.build().unwrap();
    let bytes = assemble(&element, &sign_configuration(&signer, &element).unwrap());
    let document = OverlayDocument::parse(&bytes).unwrap();
    verify_configuration(&document, OVERLAY, Signers::FirstUse, Leniency::Strict, wall()).unwrap()
}

/// Starts a peer and waits until it has joined.
pub(crate) async fn peer(
    overlay: &Overlay,
    configuration: &Verified<OverlayConfig>,
    pool: &CryptoPool,
    number: u8,
    bootstrap: Option<SocketAddr>,
) -> Handle {
    let credentials = Arc::new(overlay.node());
    let settings = Settings { listen: vec![loopback()], ..Settings::default() };
    let bound = Bound::new(settings, overlay.identity(&credentials), pool.clone()).await.unwrap();
    let role = reload_chord::Role::Peer;
    let chord = ChordConfig::new(credentials.node_id(), role, u64::from(number));
    let setup = Setup {
        credentials,
        configuration: configuration.clone(),
        trust: overlay.trust(),
        role: Role::Peer,
        seed: [number; 32],
        lists: reload_node::ListCompression::Off,
        limits: Limits::default(),
    };
    let node = Node::new(reload_net::now(), setup, Chord::new(&chord).unwrap(), MemoryStore::new());
    let start = Start { bootstrap: bootstrap.into_iter().collect(), first: bootstrap.is_none() };
    let handle = bound.run(node, start);
    // The task of the node has not run yet: this is a runtime of one thread.
    let mut events = handle.events().unwrap();
    let joined = async {
        loop {
            if let Event::Topology(TopologyEvent::Joined) = events.recv().await.unwrap() {
                return;
            }
        }
    };
    soon(joined).await;
    handle
}

async fn ping(from: &Handle, to: NodeId) -> NodeId {
    let request = Request::Ping { to: vec![Destination::Node(to)], padding: 0 };
    let response = soon(from.request(request)).await.unwrap();
    assert!(matches!(response.reply, Reply::Pong { .. }));
    response.from
}

// R6940-4.4-03, R6940-11.4-07
#[tokio::test]
async fn peers_join_ping_store_fetch_and_leave_over_tls() {
    let overlay = Overlay::new();
    let configuration = configuration(&overlay, true);
    let pool = CryptoPool::new(2).unwrap();
    let mut peers = vec![peer(&overlay, &configuration, &pool, 1, None).await];
    for number in 2..=4 {
        let bootstrap = Some(peers[0].listening()[0]);
        peers.push(peer(&overlay, &configuration, &pool, number, bootstrap).await);
    }
    for from in &peers {
        for to in &peers {
            assert_eq!(ping(from, to.node_id()).await, to.node_id());
        }
    }
    store_and_fetch(&peers[1], &peers[3]).await;
    let snapshot = soon(peers[2].snapshot()).await.unwrap();
    assert!(snapshot.links.iter().all(|link| link.protocol == "TLSv1.3"));
    assert!(snapshot.links.iter().any(|link| link.stats.rtt.is_some()));
    for peer in peers.drain(..).rev() {
        soon(peer.shutdown()).await;
    }
}

/// A value under a name that only the writer may use (7.3.4).
async fn store_and_fetch(writer: &Handle, reader: &Handle) {
    let mut name = writer.node_id().as_bytes().to_vec();
    name.push(3); // E73: one byte, from 1
    let hash = move |node: &mut Node<Chord, MemoryStore>, _| node.topology().resource_id(&name);
    let resource = soon(writer.with(hash)).await.unwrap();
    let value = NewValue {
        kind: NODE_MULTIPLE,
        generation: 0,
        place: Place::Single,
        value: DataValue { exists: true, value: Bytes::from_static(b"kept") },
        lifetime: 600,
        storage_time: None,
    };
    let store = Request::Store { resource: resource.clone(), values: vec![value] };
    soon(writer.request(store)).await.unwrap();
    let which = ModelSpecifier::Single;
    let specifiers = vec![Specifier { kind: NODE_MULTIPLE, generation: 0, which }];
    let fetch = Request::Fetch { resource, specifiers };
    let response = soon(reader.request(fetch)).await.unwrap();
    let Reply::Fetched(kinds) = response.reply else { panic!("fetched") };
    assert_eq!((kinds.len(), kinds[0].values.len(), kinds[0].discarded), (1, 1, 0));
}

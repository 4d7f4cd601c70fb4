//! Peers with ICE as processes, and what `links` and `status` show of their links.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Overlay, Peer, assert_one_line, reload, stdout, text, user};

const SINGLE: &str = "0xF0000001";

/// Peers of an overlay with ICE.
pub(crate) fn with_ice(names: &[&str]) -> (Overlay, Vec<Peer>) {
    let overlay = Overlay::start_with_ice();
    let mut peers: Vec<Peer> = Vec::new();
    for name in names {
        let home = overlay.home(name);
        let peer = match peers.first() {
            None => Peer::start(&home, &["--first"]),
            Some(first) => Peer::start(&home, &["--bootstrap", &first.address]),
        };
        peers.push(peer);
    }
    (overlay, peers)
}

/// Waits for a link of this node that is as wanted.
fn wait_for_link(peer: &Peer, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = peer.json("links", &[]);
        let links = reply["links"].as_array().unwrap();
        if let Some(link) = links.iter().find(|link| wanted(link)) {
            return link.clone();
        }
        assert!(Instant::now() < end, "no such link: {reply:#}\n{}", peer.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn peers_with_ice_find_each_other_and_keep_values() {
    let (_overlay, peers) = with_ice(&["alice", "bob", "carol"]);
    peers[1].json("store", &["--kind", SINGLE, &user("bob"), "over datagrams"]);
    let fetched = peers[2].ask("fetch", &["--kind", SINGLE, &user("bob")]);
    assert_eq!(fetched.stdout, b"over datagrams");
    let (bob, carol) = (&peers[1], &peers[2]);
    let link = wait_for_link(bob, |link| {
        link["node"] == carol.node_id.as_str()
            && link["state"] == "up"
            && !link["rtt_milliseconds"].is_null()
    });
    assert_eq!(link["kind"], "DTLS-UDP-SR");
    assert_eq!(
        (&link["local_candidate"], &link["remote_candidate"]),
        (&"host".into(), &"host".into())
    );
    assert_eq!(link["local"], bob.address.as_str());
    assert_eq!(link["remote"], carol.address.as_str());
    assert_eq!(link["user"], user("carol").as_str());
    assert!(link["mtu"].as_u64().unwrap() > 1000, "{link}");
    assert!(link["frames_sent"].as_u64().unwrap() > 0, "{link}");
    assert_eq!(link["frames_lost"], 0);
    let table = stdout(&bob.ask("links", &[]));
    assert!(table.contains("host-host") && table.contains("DTLS-UDP-SR"), "{table}");
    assert!(stdout(&bob.ask("status", &[])).contains("host-host"));
}

#[test]
fn links_over_tls_are_shown_too() {
    let overlay = Overlay::start();
    let (alice, bob) = (overlay.home("alice"), overlay.home("bob"));
    let alice = Peer::start(&alice, &["--first", "--no-udp"]);
    let bob = Peer::start(&bob, &["--bootstrap", &alice.address, "--no-udp"]);
    let link = wait_for_link(&bob, |link| link["direction"] == "out" && !link["tls"].is_null());
    assert_eq!(link["kind"], "TLS-TCP-FH-NO-ICE");
    assert_eq!(link["tls"], "TLSv1.3");
    assert!(link["mtu"].is_null() && link["local_candidate"].is_null());
    let reply = bob.json("links", &[]);
    assert_eq!(reply["hosts"].as_array().unwrap().len(), 0, "there is no UDP socket");
}

#[test]
fn an_overlay_with_ice_needs_udp() {
    let overlay = Overlay::start_with_ice();
    let home = overlay.home("alice");
    let output = reload(&["peer", "--home", text(&home), "--first", "--no-udp"]);
    assert_one_line(&output, &["ICE", "UDP", "without --no-udp"]);
}

#[test]
fn a_client_with_ice_needs_no_address_to_listen_on() {
    let (overlay, peers) = with_ice(&["alice", "bob"]);
    let home = overlay.home("carol");
    let carol = Peer::start(&home, &["--client", "--bootstrap", &peers[0].address]);
    carol.json("store", &["--kind", SINGLE, &user("carol"), "from a client"]);
    let fetched = peers[1].ask("fetch", &["--kind", SINGLE, &user("carol")]);
    assert_eq!(fetched.stdout, b"from a client");
}

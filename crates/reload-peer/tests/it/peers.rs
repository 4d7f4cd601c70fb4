//! Peers as processes: they find each other over TLS, keep values, leave and come back.

use crate::support::{Overlay, Peer, assert_one_line, stderr, stdout, user};

const SINGLE: &str = "0xF0000001";
const ARRAY: &str = "0xF0000002";
const DICTIONARY: &str = "0xF0000003";
const MULTIPLE: &str = "0xF0000004";

/// Two peers of one overlay.
fn two() -> (Overlay, Peer, Peer) {
    let overlay = Overlay::start();
    let (alice, bob) = (overlay.home("alice"), overlay.home("bob"));
    let alice = Peer::start(&alice, &["--first"]);
    let bob = Peer::start(&bob, &["--bootstrap", &alice.address]);
    (overlay, alice, bob)
}

#[test]
fn two_peers_look_at_each_other() {
    let (_overlay, alice, bob) = two();
    let target = format!("node:{}", bob.node_id);
    let pong = alice.json("ping", &[&target]);
    assert_eq!(pong["node"], bob.node_id.as_str());
    assert!(stdout(&alice.ask("ping", &[&target])).contains("answered in"));

    let ring = alice.json("ring", &[]);
    let mut nodes: Vec<_> = ring["peers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| peer["node"].as_str().unwrap())
        .collect();
    nodes.sort_unstable();
    let mut wanted = [alice.node_id.as_str(), bob.node_id.as_str()];
    wanted.sort_unstable();
    assert_eq!(nodes, wanted);

    let here = alice.json("locate", &["somebody"]);
    let there = bob.json("locate", &["somebody"]);
    assert_eq!(here["resource"], there["resource"]);
    assert_eq!(here["responsible"], there["responsible"]);
    assert_eq!(here["replicas"].as_array().unwrap().len(), 1, "a ring of two has one other peer");

    let path = bob.json("route", &["somebody"]);
    let last = path["path"].as_array().unwrap().last().unwrap();
    assert_eq!(last["node"], here["responsible"]);
    assert_eq!(alice.json("probe", &[&target])["node"], bob.node_id.as_str());

    let status = bob.json("status", &[]);
    assert_eq!(status["phase"], "peer");
    assert_eq!(status["user"], user("bob").as_str());
    assert_eq!(status["successors"][0], alice.node_id.as_str());
    assert_eq!(status["admitting_peer"], alice.node_id.as_str());
    assert_eq!(status["links"][0]["kind"], "TLS-TCP-FH-NO-ICE");
    assert_eq!(status["links"][0]["tls"], "TLSv1.3");
    assert!(stdout(&bob.ask("status", &[])).contains("predecessors"));
}

#[test]
fn values_of_the_three_models_are_stored_fetched_and_removed() {
    let (_overlay, alice, bob) = two();
    let name = user("alice");
    let stored = alice.json("store", &["--kind", SINGLE, &name, "hello"]);
    assert_eq!(stored["replicas"].as_array().unwrap().len(), 1);
    let fetched = bob.ask("fetch", &["--kind", SINGLE, &name]);
    assert_eq!(fetched.stdout, b"hello", "{}", stderr(&fetched));

    alice.json("store", &["--kind", ARRAY, "--append", &name, "one"]);
    alice.json("store", &["--kind", ARRAY, "--append", &name, "two"]);
    assert_eq!(stdout(&bob.ask("fetch", &["--kind", ARRAY, &name])), "[0]: one\n[1]: two\n");
    let second = bob.ask("fetch", &["--kind", ARRAY, "--index", "1", &name]);
    assert_eq!(second.stdout, b"two");

    alice.json("store", &["--kind", DICTIONARY, "--key", "home", &name, "1"]);
    let fetched = bob.json("fetch", &["--kind", DICTIONARY, "--key", "home", &name]);
    assert_eq!(fetched["values"][0]["value"]["text"], "1");
    assert_eq!(fetched["values"][0]["owner"], name.as_str());

    let multiple = format!("node:{}/3", alice.node_id);
    alice.json("store", &["--kind", MULTIPLE, &multiple, "third"]);
    assert_eq!(bob.ask("fetch", &["--kind", MULTIPLE, &multiple]).stdout, b"third");

    let stat = bob.json("stat", &["--kind", SINGLE, &name]);
    assert_eq!(stat["values"][0]["exists"], true);
    assert_eq!(stat["values"][0]["size"], 5);
    let found = bob
        .json("find", &["--kind", SINGLE, &format!("id:{}", stored["resource"].as_str().unwrap())]);
    assert_eq!(found["results"][0]["closest"], stored["resource"]);

    alice.json("remove", &["--kind", SINGLE, &name]);
    let gone = bob.ask("fetch", &["--kind", SINGLE, &name]);
    assert_one_line(&gone, &["nothing is stored"]);
    alice.json("store", &["--kind", SINGLE, &name, "again"]);
    assert_eq!(bob.ask("fetch", &["--kind", SINGLE, &name]).stdout, b"again");
}

#[test]
fn a_store_under_the_name_of_another_is_refused_with_the_rule() {
    let (_overlay, alice, _bob) = two();
    let output = alice.ask("store", &["--kind", SINGLE, &user("bob"), "mine"]);
    assert_one_line(
        &output,
        &["Error_Forbidden", "only under its user name alice@test.example.org"],
    );
    let output = alice.ask("store", &["--kind", "SHOES", "x", "y"]);
    assert_one_line(&output, &["no kind SHOES", "SIP-REGISTRATION"]);
}

// R6940-8-01, R6940-8-02
#[test]
fn each_node_stores_its_certificate_under_both_names() {
    let (_overlay, alice, bob) = two();
    let names = [
        ("CERTIFICATE_BY_USER", user("alice")),
        ("CERTIFICATE_BY_NODE", format!("node:{}", alice.node_id)),
    ];
    for (kind, name) in names {
        // The node does it by itself after it has joined.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let fetched = bob.json("fetch", &["--kind", kind, &name]);
            match fetched["values"].as_array().unwrap().len() {
                1 => break,
                0 if std::time::Instant::now() < end => {}
                number => panic!("{number} certificates of {kind}\n{}", alice.log()),
            }
        }
    }
}

// R6940-4.2.2-01, R6940-B.1-01
#[test]
fn a_client_uses_the_overlay_and_is_no_part_of_the_ring() {
    let (overlay, alice, _bob) = two();
    let home = overlay.home("carol");
    let carol = Peer::start(&home, &["--client", "--bootstrap", &alice.address]);
    assert_eq!(carol.json("status", &[])["phase"], "client");
    carol.json("store", &["--kind", SINGLE, &user("carol"), "from a client"]);
    assert_eq!(alice.ask("fetch", &["--kind", SINGLE, &user("carol")]).stdout, b"from a client");
    assert_eq!(carol.json("ring", &[])["peers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_peer_that_is_told_to_stop_leaves_and_comes_back_by_its_cache() {
    let (_overlay, alice, bob) = two();
    bob.json("store", &["--kind", SINGLE, &user("bob"), "stays"]);
    let (home, node_id) = (bob.home.clone(), bob.node_id.clone());
    assert_eq!(bob.terminate(), Some(0));
    assert!(!home.join("control.sock").exists());
    assert_eq!(alice.ask("fetch", &["--kind", SINGLE, &user("bob")]).stdout, b"stays");
    assert_eq!(alice.json("ring", &[])["peers"].as_array().unwrap().len(), 1);
    // Without --bootstrap: the address of alice is in the cache of the home.
    let bob = Peer::start(&home, &[]);
    assert_eq!(bob.node_id, node_id);
    assert_eq!(bob.json("ring", &[])["peers"].as_array().unwrap().len(), 2);
}

// R6940-11.4-02
#[test]
fn a_founder_that_is_killed_finds_its_overlay_again_by_its_cache() {
    let (overlay, alice, bob) = two();
    let carol = Peer::start(&overlay.home("carol"), &["--bootstrap", &alice.address]);
    let cache = alice.home.join("peers");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !cache.exists() {
        assert!(std::time::Instant::now() < end, "no cache is written\n{}", alice.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (home, node_id) = (alice.home.clone(), alice.node_id.clone());
    alice.kill();
    let alice = Peer::start(&home, &["--first"]);
    assert_eq!(alice.node_id, node_id);
    let log = alice.log();
    assert!(log.contains("joining: "), "it must join, not found an overlay of its own\n{log}");
    for peer in [&alice, &bob, &carol] {
        assert_eq!(peer.json("ring", &[])["peers"].as_array().unwrap().len(), 3);
    }
}

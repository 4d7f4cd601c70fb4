//! The life of the configuration in an overlay of real processes: new documents spread, change what
//! they say, and lose no value (sections 6.5.4 and 11.1).

use std::time::{Duration, Instant};

use enrollment_server::{Home, InitOptions, PasswordCost, PublishOptions, init, publish};

use crate::support::{Overlay, PATIENCE, Peer, assert_one_line, stderr, stdout, user};

const SINGLE: &str = "0xF0000001";
const ARRAY: &str = "0xF0000002";
const DICTIONARY: &str = "0xF0000003";
const NEW: &str = "0xF0000009";

/// Nobody asks the server but Alice, so that the others can only have it from their neighbours.
fn three(overlay: &Overlay) -> [Peer; 3] {
    let homes = ["alice", "bob", "carol"].map(|name| overlay.home(name));
    let alice = Peer::start(&homes[0], &["--first", "--config-interval", "1"]);
    let later = ["--bootstrap", &alice.address, "--config-interval", "0"];
    let (bob, carol) = (Peer::start(&homes[1], &later), Peer::start(&homes[2], &later));
    [alice, bob, carol]
}

/// Changes one setting at the server; the sequence of the new document.
fn set(overlay: &Overlay, name: &str, values: &[&str]) -> u64 {
    let home = Home::new(overlay.path("server"));
    enrollment_server::set(&home, name, values).unwrap().sequence.into()
}

fn sequence(peer: &Peer) -> u64 {
    peer.json("status", &[])["configuration_sequence"].as_u64().unwrap()
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    until_or(what, holds, String::new);
}

/// Waits; tells more if it is in vain.
#[track_caller]
fn until_or(what: &str, holds: impl Fn() -> bool, more: impl Fn() -> String) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come about\n{}", more());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn all_have(peers: &[Peer], wanted: u64) {
    until_or(
        "the new configuration",
        || peers.iter().all(|peer| sequence(peer) == wanted),
        || {
            let told = |peer: &Peer| format!("{}\n{}", peer.json("status", &[]), peer.log());
            peers.iter().map(told).collect::<Vec<_>>().join("\n")
        },
    );
}

fn fetched(peer: &Peer, kind: &str, more: &[&str]) -> String {
    stdout(&peer.ask("fetch", &[&["--kind", kind][..], more, &[&user("bob")]].concat()))
}

// R6940-11.1-49
// R6940-11.1-51
// R6940-11.2-10
#[test]
fn new_documents_spread_in_seconds_and_lose_no_value() {
    let overlay = Overlay::start();
    let peers = three(&overlay);
    let [alice, bob, carol] = &peers;
    let name = user("bob");
    bob.json("store", &["--kind", SINGLE, &name, "kept"]);
    bob.json("store", &["--kind", ARRAY, "--append", &name, "dropped"]);
    bob.json("store", &["--kind", DICTIONARY, "--key", "k", &name, "too"]);
    let unknown = bob.ask("store", &["--kind", NEW, &name, "early"]);
    assert_eq!(unknown.status.code(), Some(1));

    let begin = Instant::now();
    all_have(&peers, set(&overlay, "initial-ttl", &["50"]));
    println!("taken up by all after {:?}", begin.elapsed());
    set(&overlay, "overlay-reliability-timer", &["2000"]);
    set(&overlay, "max-message-size", &["120000"]);
    set(&overlay, "kind", &[SINGLE, "max-size=90000"]);
    set(&overlay, "kind", &[ARRAY, "none"]);
    let kind = [NEW, "model=single", "access=USER-MATCH", "max-count=1", "max-size=100"];
    all_have(&peers, set(&overlay, "kind", &kind));

    for peer in &peers {
        assert_eq!(fetched(peer, SINGLE, &[]), "kept");
        assert!(fetched(peer, DICTIONARY, &["--key", "k"]).contains("too"));
    }
    bob.json("store", &["--kind", NEW, &name, "late"]);
    assert_eq!(fetched(carol, NEW, &[]), "late");
    let gone = bob.ask("store", &["--kind", ARRAY, "--append", &name, "again"]);
    assert_one_line(&gone, &[]);
    let long = bob.ask("store", &["--kind", NEW, &name, &"x".repeat(101)]);
    assert_one_line(&long, &[]);
    // More than a message could have before, over links that were there before.
    let large = "y".repeat(80_000);
    let stored = bob.ask("store", &["--kind", SINGLE, &name, &large]);
    assert!(stored.status.success(), "{}\n{}", stderr(&stored), alice.log());
    for peer in &peers {
        assert!(fetched(peer, SINGLE, &[]) == large, "the large value is read everywhere");
    }
    // A kind that comes back begins empty; a node that starts again starts with the new document.
    let kind = [ARRAY, "model=array", "access=USER-MATCH", "max-count=9", "max-size=100"];
    let last = set(&overlay, "kind", &kind);
    all_have(&peers, last);
    assert!(!fetched(alice, ARRAY, &[]).contains("dropped"));
    let kept = std::fs::read_to_string(carol.home.join("overlay.xml")).unwrap();
    assert!(kept.contains(&format!("sequence=\"{last}\"")));
}

// R6940-11.1-32
#[test]
fn a_bad_node_loses_its_links_and_leaves() {
    let overlay = Overlay::start();
    let [alice, bob, carol] = three(&overlay);
    bob.json("store", &["--kind", SINGLE, &user("bob"), "kept"]);
    let linked = |peer: &Peer, node: &str| {
        let status = peer.json("status", &[]);
        status["links"].as_array().unwrap().iter().any(|link| link["node"] == node)
    };
    assert!(linked(&alice, &carol.node_id) || linked(&bob, &carol.node_id));
    set(&overlay, "bad-node", &[&carol.node_id]);
    until("the end of the links", || {
        !linked(&alice, &carol.node_id) && !linked(&bob, &carol.node_id)
    });
    let log = alice.log();
    until("a ring of two", || {
        let ring = alice.json("ring", &[]);
        ring["peers"].as_array().unwrap().len() == 2
    });
    assert_eq!(fetched(&alice, SINGLE, &[]), "kept", "{log}");
    let home = carol.home.clone();
    carol.kill();
    let again = ["peer", "--home", home.to_str().unwrap(), "--bootstrap", &alice.address];
    let again = crate::support::reload(&[&again[..], &["--listen", "127.0.0.1:0"]].concat());
    assert_one_line(&again, &[]);
}

// R6940-11.1-47
// R6940-11.1-48
#[test]
fn a_document_signed_by_a_stranger_is_not_taken() {
    let overlay = Overlay::start();
    let peers = three(&overlay);
    let before = sequence(&peers[0]);
    let document = overlay.path("server/overlay.xml");
    let own = std::fs::read(&document).unwrap();
    std::fs::write(&document, strangers(&overlay)).unwrap();
    until("the refusal", || peers[0].log().contains("is not taken, the old one stays"));
    assert!(peers.iter().all(|peer| sequence(peer) == before));
    let kept = std::fs::read(peers[0].home.join("overlay.xml")).unwrap();
    assert_ne!(kept, std::fs::read(&document).unwrap());
    std::fs::write(&document, own).unwrap();
    all_have(&peers, set(&overlay, "initial-ttl", &["50"]));
}

/// A newer document for an overlay of the same name, from another authority.
fn strangers(overlay: &Overlay) -> Vec<u8> {
    let home = Home::new(overlay.path("stranger"));
    let cost = PasswordCost::InsecureForTests;
    let options = InitOptions { password_cost: cost, ..InitOptions::new(crate::support::OVERLAY) };
    overlay.block_on(async { init(&home, options).await.unwrap().close().await });
    for _ in 0..9 {
        publish(&home, PublishOptions::default()).unwrap();
    }
    std::fs::read(overlay.path("stranger/overlay.xml")).unwrap()
}

// R6940-11.1-08
#[test]
fn a_new_copy_is_fetched_before_the_expiration_and_at_the_start_after_it() {
    let overlay = Overlay::start();
    let short = set(&overlay, "expiration", &["+25s"]);
    let (running, late) = (overlay.home("alice"), overlay.home("bob"));
    let alice = Peer::start(&running, &["--first", "--config-interval", "0"]);
    assert_eq!(sequence(&alice), short);
    until("the renewed configuration", || sequence(&alice) > short);
    assert!(!alice.log().contains("expired"), "{}", alice.log());
    let expired = || {
        let kept = std::fs::read(late.join("overlay.xml")).unwrap();
        let kept = reload_config::OverlayDocument::parse(&kept).unwrap();
        kept.configurations()[0].check_expiration(reload_net::now().wall).is_err()
    };
    until("the expiration", expired);
    let bob = Peer::start(&late, &["--bootstrap", &alice.address, "--config-interval", "0"]);
    assert_eq!(sequence(&bob), sequence(&alice));
}

#[test]
fn an_expired_document_without_a_new_one_is_told_and_the_node_runs_on() {
    let overlay = Overlay::start();
    let home = overlay.home("alice");
    let source = home.join("source");
    let text = std::fs::read_to_string(&source).unwrap();
    // A server that does not answer: nothing listens on the port of a socket that is only bound.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("url https://{}/x", held.local_addr().unwrap());
    drop(held);
    let (_, ca) = text.split_once('\n').unwrap();
    set(&overlay, "expiration", &["+12s"]);
    std::fs::copy(overlay.path("server/overlay.xml"), home.join("overlay.xml")).unwrap();
    std::fs::write(&source, format!("{dead}\n{ca}")).unwrap();
    let alice = Peer::start(&home, &["--first", "--config-interval", "1"]);
    until("the warning", || alice.log().contains("the node runs on with it"));
    assert!(alice.log().contains("no new configuration can be had: "), "{}", alice.log());
    alice.json("store", &["--kind", SINGLE, &user("alice"), "still"]);
    assert_eq!(alice.terminate(), Some(0));
    let again = ["peer", "--home", home.to_str().unwrap(), "--first", "--listen", "127.0.0.1:0"];
    assert_one_line(&crate::support::reload(&again), &["expired"]);
}

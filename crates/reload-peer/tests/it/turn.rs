//! The TURN usage with peers as processes: one serves, another finds it, gets a login and a relayed
//! address, and does without when the server is gone.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Overlay, Peer, assert_one_line, reload, stdout, text};

const HERE: &str = "127.0.0.1:0";

/// Asks until the answer is as wanted.
#[track_caller]
fn wait_for(peer: &Peer, command: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(80);
    loop {
        let reply = peer.json(command, &[]);
        if wanted(&reply) {
            return reply;
        }
        assert!(Instant::now() < end, "not so: {reply:#}\n{}", peer.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn list<'a>(reply: &'a Value, name: &str) -> &'a [Value] {
    reply[name].as_array().unwrap()
}

/// One that serves, and one that has a login of it.
fn server_and_user(overlay: &Overlay) -> (Peer, Peer) {
    let (alice, bob) = (overlay.home("alice"), overlay.home("bob"));
    let alice = Peer::start(&alice, &["--first", "--turn-server", HERE]);
    let bob = Peer::start(&bob, &["--bootstrap", &alice.address]);
    wait_for(&bob, "status", |status| !list(status, "relayed_by").is_empty());
    (alice, bob)
}

// R6940-9-04 R6940-9-07 R6940-9-08
#[test]
fn a_peer_finds_the_turn_server_of_another_and_is_reached_through_it() {
    let overlay = Overlay::start_with_ice();
    let (alice, bob) = server_and_user(&overlay);
    let status = wait_for(&alice, "status", |it| it["turn_server"]["records"].as_u64() > Some(0));
    let server = &status["turn_server"];
    assert_eq!(server["users"], 1);
    let used = bob.json("status", &[]);
    let used = &list(&used, "relayed_by")[0];
    assert_eq!(used["node"], alice.node_id.as_str());
    assert_eq!(used["server"], server["address"]);
    // The next Attach gathers relayed candidates too.
    let carol = overlay.home("carol");
    let carol = Peer::start(&carol, &["--bootstrap", &alice.address]);
    let links = wait_for(&bob, "links", |links| !list(links, "relayed").is_empty());
    let relayed = list(&links, "relayed")[0].as_str().unwrap().to_owned();
    assert!(relayed.starts_with("127.0.0.1:") && relayed != bob.address, "{relayed}");
    wait_for(&alice, "status", |it| it["turn_server"]["allocations"].as_u64() > Some(0));
    wait_for(&carol, "status", |status| !list(status, "relayed_by").is_empty());
    let page = stdout(&alice.ask("status", &[]));
    assert!(page.contains("TURN server at 127.0.0.1:") && page.contains("2 users"), "{page}");
    let page = stdout(&bob.ask("status", &[]));
    assert!(page.contains("relayed by") && page.contains(&alice.node_id), "{page}");
}

#[test]
fn a_server_that_leaves_removes_its_records_and_is_used_no_more() {
    let overlay = Overlay::start_with_ice();
    let (alice, bob) = server_and_user(&overlay);
    let records = |status: &Value| status["turn_server"]["records"].as_u64();
    wait_for(&alice, "status", |status| records(status) > Some(0));
    let ask = ["--kind", "TURN-SERVICE", "anywhere"];
    let closest =
        |reply: &Value| list(reply, "results").iter().any(|result| !result["closest"].is_null());
    let found = |peer: &Peer| closest(&peer.json("find", &ask));
    // The peer that is asked may have its copy a little later than the first record is there.
    let end = Instant::now() + Duration::from_secs(80);
    while !found(&bob) {
        assert!(Instant::now() < end, "no record is found\n{}", bob.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(alice.terminate(), Some(0));
    assert!(!found(&bob), "the record is removed");
    wait_for(&bob, "status", |status| list(status, "relayed_by").is_empty());
}

// R6940-9-02
#[test]
fn a_peer_without_a_public_address_does_not_serve_by_itself() {
    let overlay = Overlay::start_with_ice();
    let alice = overlay.home("alice");
    let alice = Peer::start(&alice, &["--first"]);
    let status = alice.json("status", &[]);
    assert!(status["turn_server"].is_null(), "{status:#}");
    assert!(!alice.log().contains("serving TURN"), "{}", alice.log());
}

#[test]
fn a_turn_server_needs_an_overlay_with_ice_and_a_free_address() {
    let overlay = Overlay::start();
    let home = overlay.home("alice");
    let arguments = ["peer", "--home", text(&home), "--first", "--turn-server", HERE];
    assert_one_line(&reload(&arguments), &["ICE", "without --turn-server"]);
    let overlay = Overlay::start_with_ice();
    let home = overlay.home("alice");
    let arguments = ["peer", "--home", text(&home), "--first", "--turn-server", "0.0.0.0:0"];
    assert_one_line(&reload(&arguments), &["can't listen on 0.0.0.0:0"]);
}

//! The registration of a user: stored by a phone, found elsewhere, kept over a crash, removed at the end.

use super::{list, peers, phone, registered, wait_for};
use crate::support::{Peer, stdout, user};

// R7904-3.1-01, R7904-3.1-02, R7904-8.2.4-01
#[test]
fn a_phone_that_registers_is_found_at_another_peer() {
    let (_overlay, peers) = peers(&["alice", "bob"]);
    let (alice, bob) = (&peers[0], &peers[1]);
    let before = alice.json("sip", &["register"]);
    assert_eq!((&before["stored"], list(&before, "phones").len()), (&false.into(), 0));
    let phone = registered(bob, "bob");
    let found = alice.json("sip", &["lookup", &user("bob")]);
    let entry = &list(&found, "registrations")[0];
    assert_eq!(entry["node"], bob.node_id.as_str());
    assert_eq!(entry["owner"], user("bob").as_str());
    assert_eq!(entry["route"][0], bob.node_id.as_str());
    let lifetime = entry["lifetime"].as_u64().unwrap();
    assert!((590..=600).contains(&lifetime), "{lifetime}");
    assert_eq!(list(&found, "devices")[0]["node"], bob.node_id.as_str());
    let page = stdout(&alice.ask("sip", &["lookup", &format!("sip:{};x=y", user("bob"))]));
    assert!(page.contains(&bob.node_id) && page.contains("that node"), "{page}");
    let state = bob.json("sip", &["register"]);
    assert_eq!((&state["stored"], list(&state, "phones").len()), (&true.into(), 1));
    let status = bob.json("status", &[]);
    assert_eq!((&status["sip"]["aor"], &status["sip"]["calls"]), (&user("bob").into(), &0.into()));
    assert_eq!(list(&status["sip"], "phones").len(), 1);
    assert_eq!(phone.register(0).status(), 200);
    let found = alice.json("sip", &["lookup", &user("bob")]);
    assert!(list(&found, "registrations").is_empty(), "{found:#}");
    let page = stdout(&alice.ask("sip", &["lookup", &user("bob")]));
    assert!(page.contains("nobody is registered") && page.contains("goes nowhere"), "{page}");
}

#[test]
fn a_registration_is_kept_over_a_crash_and_removed_by_a_good_end() {
    let (_overlay, mut peers) = peers(&["alice", "bob"]);
    let bob = peers.pop().unwrap();
    let alice = &peers[0];
    let first = registered(&bob, "bob");
    let (home, address) = (bob.home.clone(), alice.address.clone());
    bob.kill();
    let again = ["--sip", "127.0.0.1:0", "--media", "direct", "--bootstrap", &address];
    let bob = Peer::start(&home, &again);
    let state = wait_for(&bob, &["register"], |state| state["stored"] == true);
    assert_eq!(list(&state, "phones").len(), 1, "the phone is still known: {state:#}");
    let found = alice.json("sip", &["lookup", &user("bob")]);
    assert_eq!(list(&found, "registrations")[0]["node"], bob.node_id.as_str());
    drop(first);
    assert_eq!(registered(&bob, "bob").register(300).status(), 200, "later times are taken");
    assert_eq!(bob.terminate(), Some(0));
    let found = alice.json("sip", &["lookup", &user("bob")]);
    assert!(list(&found, "registrations").is_empty(), "{found:#}");
}

// R7904-A-01
#[test]
fn nobody_registers_or_calls_under_another_name() {
    let (_overlay, peers) = peers(&["alice", "bob"]);
    let phone = phone(&peers[1], "bob");
    let refused = phone.register_as(&user("alice"), 600);
    assert_eq!(refused.status(), 403, "{}", refused.text);
    assert!(refused.first_line().contains(&user("bob")), "{}", refused.first_line());
    phone.request_as(&format!("<sip:{}>", user("carol")), "MESSAGE", &user("alice"), "hello");
    assert_eq!(phone.final_answer("MESSAGE").status(), 403);
    let found = peers[0].json("sip", &["lookup", &user("alice")]);
    assert!(list(&found, "registrations").is_empty(), "{found:#}");
}

#[test]
fn a_lookup_tells_what_is_no_address_and_what_is_elsewhere() {
    let (_overlay, peers) = peers(&["alice"]);
    let alice = &peers[0];
    let output = alice.ask("sip", &["lookup", "not an address"]);
    crate::support::assert_one_line(&output, &["not an address", "must be escaped"]);
    let gruu = alice.json("sip", &["register"])["gruu"].as_str().unwrap().to_owned();
    let found = alice.json("sip", &["lookup", &gruu]);
    assert_eq!(
        (&found["way"], &list(&found, "devices")[0]["node"]),
        (&"gruu".into(), &alice.node_id.as_str().into())
    );
}

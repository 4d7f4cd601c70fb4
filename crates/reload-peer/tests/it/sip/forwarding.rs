//! Forwards: stored by the user's own node, followed by the caller's, kept until they are taken back.

use std::time::Duration;

use super::{list, peers, registered};
use crate::support::{Peer, assert_one_line, stdout, user};

// R7904-3.3-08 R7904-4.2-03
#[test]
fn a_forward_sends_calls_on_until_it_is_taken_back() {
    let (_overlay, peers) = peers(&["alice", "bob", "carol"]);
    let (alice, bob, carol) = (&peers[0], &peers[1], &peers[2]);
    let own = registered(alice, "alice");
    let (others, caller) = (registered(bob, "bob"), registered(carol, "carol"));
    let said = stdout(&alice.ask("sip", &["forward", &user("alice"), &user("bob")]));
    assert!(said.contains("do not ring") && said.contains("--off"), "{said}");
    let found = carol.json("sip", &["lookup", &user("alice")]);
    assert_eq!(list(&found, "registrations")[0]["forward"], user("bob").as_str());
    assert_eq!(list(&found, "devices")[0]["node"], bob.node_id.as_str());
    assert_eq!(list(&found, "forwards")[0]["to"], user("bob").as_str());
    assert_eq!(own.register(300).status(), 200, "phones go on registering");
    let found = carol.json("sip", &["lookup", &user("alice")]);
    assert_eq!(list(&found, "registrations")[0]["forward"], user("bob").as_str(), "{found:#}");
    caller.invite(&user("alice"), "");
    let invite = others.request("INVITE");
    others.answer(&invite, "486 Busy Here", Some("bob1"));
    assert_eq!(caller.final_answer("INVITE").status(), 486);
    assert!(own.is_silent("INVITE", Duration::from_millis(500)), "her phone does not ring");
    let said = stdout(&alice.ask("sip", &["forward", &user("alice"), "--off"]));
    assert!(said.contains("ring at the phones of this node again"), "{said}");
    let found = carol.json("sip", &["lookup", &user("alice")]);
    assert_eq!(list(&found, "devices")[0]["node"], alice.node_id.as_str());
}

#[test]
fn a_forward_stands_while_its_node_is_off_and_after_a_restart() {
    let (_overlay, mut peers) = peers(&["bob", "alice"]);
    let alice = peers.pop().unwrap();
    let bob = &peers[0];
    let (home, address) = (alice.home.clone(), bob.address.clone());
    alice.json("sip", &["forward", &user("alice"), "sip:alice@elsewhere.example"]);
    assert_eq!(alice.terminate(), Some(0));
    let lookup = |bob: &Peer| bob.json("sip", &["lookup", &user("alice")]);
    assert_eq!(lookup(bob)["outside"][0], "alice@elsewhere.example");
    let again = ["--sip", "127.0.0.1:0", "--bootstrap", &address];
    let alice = Peer::start(&home, &again);
    let state = alice.json("sip", &["register"]);
    assert_eq!(state["forward"], "sip:alice@elsewhere.example");
    alice.json("sip", &["forward", &user("alice"), "--off"]);
    assert!(list(&lookup(bob), "registrations").is_empty());
}

#[test]
fn a_node_forwards_its_own_user_and_to_somebody_else() {
    let (_overlay, peers) = peers(&["alice"]);
    let output = peers[0].ask("sip", &["forward", &user("bob"), &user("carol")]);
    assert_one_line(&output, &["one of alice@", "bob@"]);
    let output = peers[0].ask("sip", &["forward", &user("alice"), &user("alice")]);
    assert_one_line(&output, &["to itself"]);
}

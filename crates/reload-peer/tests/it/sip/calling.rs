//! A call between the phones of two peers, and what the commands show of it.

use super::{list, peers, peers_in, registered, wait_for};
use crate::support::{Overlay, Peer, assert_one_line, stdout, user};

// R7904-5.1-07 R7904-5.1-12
#[test]
fn a_call_goes_through_two_peers_and_is_seen_at_both() {
    let (_overlay, peers) = peers(&["alice", "bob"]);
    let (alice, bob) = (&peers[0], &peers[1]);
    let (caller, callee) = (registered(alice, "alice"), registered(bob, "bob"));
    let call_id = caller.invite(&user("bob"), "hello");
    let invite = callee.request("INVITE");
    assert_eq!(invite.body(), "hello");
    callee.answer(&invite, "180 Ringing", Some("bob1"));
    caller.status("INVITE", 180);
    let calls = wait_for(alice, &["calls"], |reply| !list(reply, "calls").is_empty());
    let call = &list(&calls, "calls")[0];
    assert_eq!((&call["call_id"], &call["state"]), (&call_id.as_str().into(), &"ringing".into()));
    assert_eq!(call["peers"][0], bob.node_id.as_str());
    callee.answer(&invite, "200 OK", Some("bob1"));
    let answered = caller.status("INVITE", 200);
    let number = answered.one("CSeq").split(' ').next().unwrap().parse().unwrap();
    let dialog = answered.as_caller();
    caller.within(&dialog, "ACK", Some(number));
    callee.request("ACK");
    let calls = wait_for(bob, &["calls"], |it| list(it, "calls")[0]["state"] == "answered");
    assert_eq!(list(&calls, "calls")[0]["peers"][0], alice.node_id.as_str());
    let page = stdout(&bob.ask("sip", &["calls"]));
    assert!(page.contains(&call_id) && page.contains("answered"), "{page}");
    callee.within(&invite.as_callee("bob1"), "BYE", None);
    let bye = caller.request("BYE");
    caller.answer(&bye, "200 OK", None);
    callee.status("BYE", 200);
    for peer in [alice, bob] {
        wait_for(peer, &["calls"], |reply| list(reply, "calls").is_empty());
        let trace = peer.json("sip", &["trace", &call_id]);
        let lines: Vec<_> = list(&trace, "messages").iter().map(first_line).collect();
        for wanted in ["INVITE ", "SIP/2.0 180", "SIP/2.0 200", "ACK ", "BYE "] {
            assert!(lines.iter().any(|line| line.starts_with(wanted)), "{wanted}: {lines:?}");
        }
    }
    let page = stdout(&alice.ask("sip", &["trace", &call_id]));
    assert!(page.contains(&format!("to peer {}", bob.node_id)), "{page}");
    assert!(page.contains("from phone 127.0.0.1:"), "{page}");
    let short = stdout(&alice.ask("sip", &["trace", "--short"]));
    assert!(
        short.lines().all(|line| line.contains(" phone ") || line.contains(" peer ")),
        "{short}"
    );
    assert_one_line(&alice.ask("sip", &["trace", "nothing"]), &["no message of the call nothing"]);
}

fn first_line(message: &serde_json::Value) -> String {
    message["message"].as_str().unwrap().lines().next().unwrap_or_default().to_owned()
}

// R7904-4.1-05
#[test]
fn a_user_who_is_not_registered_is_not_found() {
    let (_overlay, peers) = peers(&["alice"]);
    let caller = registered(&peers[0], "alice");
    caller.invite(&user("nobody"), "");
    let answer = caller.final_answer("INVITE");
    assert_eq!(answer.status(), 404, "{}", answer.text);
    caller.invite("someone@elsewhere.example", "");
    let answer = caller.expect("an answer for the other domain", |it| {
        it.status() >= 200 && it.one("To").contains("elsewhere")
    });
    assert_eq!(answer.status(), 404, "{}", answer.text);
    assert!(answer.first_line().contains("--sip-route"), "{}", answer.first_line());
}

// R7904-5.1-09 R7904-5.1-11
#[test]
fn a_call_is_encrypted_where_nothing_binds_a_plain_one_to_its_node() {
    let overlay = Overlay::start();
    let peers = peers_in(&overlay, &["alice", "bob"]);
    let (alice, bob) = (&peers[0], &peers[1]);
    let (caller, callee) = (registered(alice, "alice"), registered(bob, "bob"));
    let found = alice.json("sip", &["lookup", &user("bob")]);
    assert_eq!(list(&found, "registrations")[0]["preferences"], "(sip.schemes=SIPS)");
    assert_eq!(list(&found, "devices")[0]["schemes"], "sips");
    let from = format!("<sip:{}>", user("alice"));
    caller.request_as(&from, "MESSAGE", &user("bob"), "hello bob");
    let message = callee.request("MESSAGE");
    assert_eq!(message.body(), "hello bob");
    callee.answer(&message, "200 OK", None);
    assert_eq!(caller.final_answer("MESSAGE").status(), 200);
    let links = alice.json("links", &[]);
    let of = |application: u64| {
        list(&links, "links").iter().any(|link| link["application"] == application)
    };
    assert!(of(5061) && !of(5060), "{links:#}");
}

// R7904-5.1-06
#[test]
fn a_connection_for_sip_is_used_again() {
    let (_overlay, peers) = peers(&["alice", "bob"]);
    let (alice, bob) = (&peers[0], &peers[1]);
    let (caller, callee) = (registered(alice, "alice"), registered(bob, "bob"));
    let from = format!("<sip:{}>", user("alice"));
    for text in ["one", "two"] {
        let call_id = caller.request_as(&from, "MESSAGE", &user("bob"), text);
        let of_it = |message: &super::phone::Message| message.one("Call-ID") == call_id;
        let message =
            callee.expect(text, |it| it.first_line().starts_with("MESSAGE ") && of_it(it));
        callee.answer(&message, "200 OK", None);
        assert_eq!(caller.expect("200", |it| it.status() >= 200 && of_it(it)).status(), 200);
    }
    let links = alice.json("links", &[]);
    let sip = list(&links, "links").iter().filter(|link| link["application"] == 5060);
    let sip: Vec<_> = sip.map(|link| link["node"].as_str().unwrap()).collect();
    assert_eq!(sip, [bob.node_id.as_str()], "{links:#}");
}

#[test]
fn the_phones_of_a_client_are_called_too() {
    let (overlay, peers) = peers(&["alice"]);
    let arguments = ["--client", "--sip", "127.0.0.1:0", "--bootstrap", &peers[0].address];
    let bob = Peer::start(&overlay.home("bob"), &arguments);
    let (caller, callee) = (registered(&peers[0], "alice"), registered(&bob, "bob"));
    let from = format!("<sip:{}>", user("alice"));
    caller.request_as(&from, "MESSAGE", &user("bob"), "hello client");
    let message = callee.request("MESSAGE");
    callee.answer(&message, "200 OK", None);
    assert_eq!(caller.final_answer("MESSAGE").status(), 200);
    let from = format!("<sip:{}>", user("bob"));
    callee.request_as(&from, "MESSAGE", &user("alice"), "hello peer");
    assert_eq!(caller.request("MESSAGE").body(), "hello peer");
}

//! Calls to users with several devices, and to users who forward theirs.

use crate::bed::{Pair, phone, proxy, stranger, uri};
use crate::overlay::Net;
use crate::phone::Message;

// R7904-4.2-05
#[tokio::test(flavor = "multi_thread")]
async fn all_devices_ring_and_the_others_stop_when_one_answers() {
    let pair = Pair::new().await;
    let office_proxy = proxy(&pair.net, "bob", 3).await;
    let office = phone(&office_proxy, "bob").await;
    let invite = pair.alice.invite(&uri("bob")).await;
    let (at_home, at_office) = (pair.bob.request("INVITE").await, office.request("INVITE").await);
    pair.bob.respond(&at_home, "180 Ringing", "", "").await;
    office.respond(&at_office, "180 Ringing", "", "").await;
    pair.alice.answer(180).await;
    pair.alice.answer(180).await;
    office.respond(&at_office, "200 OK", "", "").await;
    let answer = pair.alice.answer(200).await;
    pair.alice.ack(&invite, &answer).await;
    office.request("ACK").await;
    let cancel = pair.bob.request("CANCEL").await;
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    assert_eq!(cancel.get("reason"), reason, "no missed call");
    pair.bob.respond(&cancel, "200 OK", "", "").await;
    pair.bob.respond(&at_home, "487 Request Terminated", "", "").await;
    pair.bob.request("ACK").await;
    // the call is with the office
    pair.alice.send(&pair.alice.inside("BYE", &invite, &answer, 2, "", "")).await;
    office.request("BYE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_at_one_peer_ring() {
    let pair = Pair::new().await;
    let second = phone(&pair.bob_proxy, "bob").await;
    assert_eq!(pair.bob_proxy.phones().len(), 2);
    pair.alice.invite(&uri("bob")).await;
    pair.bob.request("INVITE").await;
    second.request("INVITE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_calls_the_other_phones_of_its_user_and_not_itself() {
    let pair = Pair::new().await;
    let second = phone(&pair.alice_proxy, "alice").await;
    let invite = pair.alice.invite(&uri("alice")).await;
    let heard = second.request("INVITE").await;
    second.respond(&heard, "200 OK", "", "").await;
    let answer = pair.alice.answer(200).await;
    pair.alice.ack(&invite, &answer).await;
    second.request("ACK").await;
    second.send(&second.back("BYE", &heard, 1, "", "")).await;
    let bye = pair.alice.request("BYE").await;
    pair.alice.respond(&bye, "200 OK", "", "").await;
    second.last_answer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_of_several_refusals_is_told() {
    let pair = Pair::new().await;
    let second = phone(&pair.bob_proxy, "bob").await;
    pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "500 Broken", "", "").await;
    let heard = second.request("INVITE").await;
    second.respond(&heard, "486 Busy Here", "", "").await;
    assert_eq!(pair.alice.last_answer().await.code(), 486);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_everywhere_stops_the_others() {
    let pair = Pair::new().await;
    let second = phone(&pair.bob_proxy, "bob").await;
    pair.alice.invite(&uri("bob")).await;
    let rings = second.request("INVITE").await;
    second.respond(&rings, "180 Ringing", "", "").await;
    pair.alice.answer(180).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "603 Decline", "", "").await;
    let cancel = second.request("CANCEL").await;
    second.respond(&cancel, "200 OK", "", "").await;
    second.respond(&rings, "487 Request Terminated", "", "").await;
    assert_eq!(pair.alice.last_answer().await.code(), 603);
}

// R7904-4.2-03
#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_user_who_forwards_rings_the_third() {
    let pair = Pair::new().await;
    let carol_proxy = proxy(&pair.net, "carol", 3).await;
    let carol = phone(&carol_proxy, "carol").await;
    pair.net.forget("bob");
    pair.net.forward("bob", "carol@dht.example");
    pair.alice.invite(&uri("bob")).await;
    let heard = carol.request("INVITE").await;
    assert_eq!(heard.uri(), carol.contact());
    assert_eq!(heard.address("to"), uri("bob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn forwards_in_a_circle_are_a_loop() {
    let pair = Pair::new().await;
    pair.net.forward("carol", "dave@dht.example");
    pair.net.forward("dave", "carol@dht.example");
    pair.alice.invite(&uri("carol")).await;
    assert_eq!(pair.alice.last_answer().await.code(), 482);
}

// R7904-5.1-13
#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_the_caller_follows_a_redirection() {
    let pair = Pair::new().await;
    let carol_proxy = proxy(&pair.net, "carol", 3).await;
    let carol = phone(&carol_proxy, "carol").await;
    let invite = pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    redirect(&pair.bob, &heard, &uri("carol")).await;
    let heard = carol.request("INVITE").await;
    assert_eq!(heard.address("from"), uri("alice"));
    carol.respond(&heard, "200 OK", "", "").await;
    let answer = pair.alice.answer(200).await;
    pair.alice.ack(&invite, &answer).await;
    carol.request("ACK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirections_end_at_their_bound() {
    let pair = Pair::new().await;
    pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    redirect(&pair.bob, &heard, &uri("bob")).await;
    let answer = pair.alice.last_answer().await;
    assert_eq!(answer.code(), 302, "bob has been tried: {answer:?}");
    assert_eq!(answer.address("contact"), uri("bob"));
}

async fn redirect(phone: &crate::phone::Phone, request: &Message, to: &str) {
    let text = phone.response(request, "302 Moved Temporarily", "", "", ";tag=");
    let mine = format!("Contact: <{}>", phone.contact());
    phone.send(&text.replace(&mine, &format!("Contact: <{to}>"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_yes_of_another_device_still_goes_through() {
    let pair = Pair::new().await;
    let second = phone(&pair.bob_proxy, "bob").await;
    pair.alice.invite(&uri("bob")).await;
    let (first, other) = (pair.bob.request("INVITE").await, second.request("INVITE").await);
    pair.bob.respond(&first, "200 OK", "", "").await;
    pair.alice.answer(200).await;
    second.respond(&other, "200 OK", "", "").await;
    let answer =
        pair.alice.until(|it| !it.is_request() && it.get("to").contains(&second.tag)).await;
    assert_eq!(answer.code(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn vias_that_a_phone_has_joined_do_not_harm_the_way_back() {
    let net = Net::new();
    let alice_proxy = proxy(&net, "alice", 1).await;
    let bob_proxy = proxy(&net, "bob", 2).await;
    let (alice, bob) = (stranger(&alice_proxy, "alice").await, phone(&bob_proxy, "bob").await);
    let invite = alice.invite(&uri("bob")).await;
    let heard = bob.request("INVITE").await;
    assert_eq!(heard.all("via").len(), 3);
    let joined = heard.all("via").join(", ");
    let text = bob.response(&heard, "486 Busy Here", "", "", ";tag=");
    let mut lines: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with("via: "));
    lines.insert(1, format!("Via: {joined}"));
    bob.send(&lines.join("\r\n")).await;
    let answer = alice.last_answer().await;
    assert_eq!(answer.code(), 486);
    assert_eq!(answer.all("via").len(), 1, "{answer:?}");
    let branch = invite.get("via").split("branch=").nth(1).unwrap();
    assert!(answer.get("via").contains(branch));
}

//! The ordinary SIP world.

use std::sync::atomic::Ordering;

use crate::bed::{phone, proxy, proxy_with, uri};
use crate::overlay::Net;
use crate::phone::Phone;

// R7904-4.1-04
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_domain_goes_to_the_route() {
    let net = Net::new();
    // a phone without a proxy is a server elsewhere
    let mut elsewhere = Phone::new("dave@sip.example", "127.0.0.1:9".parse().unwrap()).await;
    let route = elsewhere.at();
    let alice_proxy = proxy_with(&net, "alice", 1, |it| it.route = Some(route)).await;
    elsewhere.proxy = alice_proxy.listening().udp;
    let alice = phone(&alice_proxy, "alice").await;
    let invite = alice.invite("sip:dave@sip.example").await;
    let heard = elsewhere.request("INVITE").await;
    assert_eq!(heard.uri(), "sip:dave@sip.example");
    elsewhere.respond(&heard, "200 OK", "", "").await;
    let answer = alice.answer(200).await;
    alice.ack(&invite, &answer).await;
    elsewhere.request("ACK").await;
    elsewhere.send(&elsewhere.back("BYE", &heard, 1, "", "")).await;
    let bye = alice.request("BYE").await;
    alice.respond(&bye, "200 OK", "", "").await;
    elsewhere.last_answer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_route_the_reason_says_so() {
    let net = Net::new();
    let alice_proxy = proxy(&net, "alice", 1).await;
    let alice = phone(&alice_proxy, "alice").await;
    alice.invite("sip:dave@sip.example").await;
    let answer = alice.last_answer().await;
    let reason = "no SIP route to sip.example is configured (--sip-route)";
    assert_eq!((answer.code(), answer.reason()), (404, reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_route_may_call_in_but_not_as_somebody_of_the_overlay() {
    let net = Net::new();
    let mut elsewhere = Phone::new("dave@sip.example", "127.0.0.1:9".parse().unwrap()).await;
    let route = elsewhere.at();
    let alice_proxy = proxy_with(&net, "alice", 1, |it| it.route = Some(route)).await;
    elsewhere.proxy = alice_proxy.listening().udp;
    let alice = phone(&alice_proxy, "alice").await;
    let invite = elsewhere.invite(&uri("alice")).await;
    let heard = alice.request("INVITE").await;
    alice.respond(&heard, "200 OK", "", "").await;
    let answer = elsewhere.answer(200).await;
    elsewhere.ack(&invite, &answer).await;
    alice.request("ACK").await;

    let text = elsewhere.outside("INVITE", &uri("alice"), "forged", "", "");
    elsewhere
        .send(&text.replace("From: <sip:dave@sip.example>", "From: <sip:bob@dht.example>"))
        .await;
    assert_eq!(elsewhere.last_answer().await.code(), 403);
    elsewhere.invite(&uri("bob")).await;
    assert_eq!(elsewhere.last_answer().await.code(), 404);
}

// R7904-4.2-06
#[tokio::test(flavor = "multi_thread")]
async fn a_forward_to_elsewhere_leaves_by_the_route() {
    let net = Net::new();
    let mut elsewhere = Phone::new("dave@sip.example", "127.0.0.1:9".parse().unwrap()).await;
    let route = elsewhere.at();
    let alice_proxy = proxy_with(&net, "alice", 1, |it| it.route = Some(route)).await;
    elsewhere.proxy = alice_proxy.listening().udp;
    let alice = phone(&alice_proxy, "alice").await;
    net.forward("bob", "dave@sip.example");
    alice.invite(&uri("bob")).await;
    assert_eq!(elsewhere.request("INVITE").await.uri(), "sip:dave@sip.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_overlay_that_serves_all_domains_the_route_is_for_those_whom_it_does_not_know() {
    let net = Net::new();
    net.serves_all.store(true, Ordering::Relaxed);
    let mut elsewhere = Phone::new("dave@sip.example", "127.0.0.1:9".parse().unwrap()).await;
    let route = elsewhere.at();
    let alice_proxy = proxy_with(&net, "alice", 1, |it| it.route = Some(route)).await;
    elsewhere.proxy = alice_proxy.listening().udp;
    let alice = phone(&alice_proxy, "alice").await;
    net.forward("carol", "dave@sip.example");
    for to in ["sip:dave@sip.example", "sip:carol@dht.example"] {
        alice.invite(to).await;
        let heard = elsewhere.request("INVITE").await;
        assert_eq!(heard.uri(), "sip:dave@sip.example");
        elsewhere.respond(&heard, "486 Busy Here", "", "").await;
        assert_eq!(alice.last_answer().await.code(), 486);
        elsewhere.request("ACK").await;
    }
    // nobody of the overlay's own domain is looked for there
    alice.invite("sip:erin@dht.example").await;
    assert_eq!(alice.answer(404).await.reason(), "nobody is registered as erin@dht.example");
    elsewhere.invite(&uri("alice")).await;
    alice.request("INVITE").await;
}

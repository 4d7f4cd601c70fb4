//! Calls between two users, and what goes on in them.

use std::sync::atomic::Ordering;

use reload_sip_proxy::{CallState, Settings};
use reload_usages::sip::Scheme;

use crate::bed::{Pair, phone, proxy, proxy_with, stranger, uri};
use crate::phone::Message;

/// An answer to the request with this CSeq.
fn answers(cseq: &str) -> impl Fn(&Message) -> bool + '_ {
    move |it| !it.is_request() && it.get("cseq") == cseq && it.code() >= 200
}

// R7904-5.1-07
#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_through_two_proxies_and_ends() {
    let pair = Pair::new().await;
    let (alice, bob) = (&pair.alice, &pair.bob);
    let invite = alice.invite(&uri("bob")).await;
    let heard = bob.request("INVITE").await;
    assert_eq!(heard.body, "hello");
    bob.respond(&heard, "180 Ringing", "", "").await;
    alice.answer(180).await;
    assert_eq!(pair.alice_proxy.calls()[0].state, CallState::Ringing);
    bob.respond(&heard, "200 OK", "", "welcome").await;
    let answer = alice.answer(200).await;
    assert_eq!(answer.body, "welcome");
    alice.ack(&invite, &answer).await;
    bob.request("ACK").await;
    assert_eq!(pair.bob_proxy.calls()[0].state, CallState::Answered);

    alice.send(&alice.inside("BYE", &invite, &answer, 2, "", "")).await;
    let bye = bob.request("BYE").await;
    bob.respond(&bye, "200 OK", "", "").await;
    alice.until(answers("2 BYE")).await;
    assert!(pair.alice_proxy.calls().is_empty());
    assert!(pair.bob_proxy.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callee_hangs_up() {
    let pair = Pair::new().await;
    let call = pair.call().await;
    pair.bob.send(&pair.bob.back("BYE", &call.heard, 1, "", "")).await;
    let bye = pair.alice.request("BYE").await;
    assert_eq!(bye.uri(), pair.alice.contact());
    assert!(bye.all("route").is_empty(), "{bye:?}");
    pair.alice.respond(&bye, "200 OK", "", "").await;
    pair.bob.until(answers("1 BYE")).await;
    assert!(pair.alice_proxy.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_a_call_go_both_ways() {
    let pair = Pair::new().await;
    let call = pair.call().await;
    for (number, method) in
        ["INVITE", "UPDATE", "INFO", "MESSAGE", "REFER", "NOTIFY", "ODD"].iter().enumerate()
    {
        let sequence = u32::try_from(number).unwrap() + 10;
        let cseq = format!("{sequence} {method}");
        let forth = pair.alice.inside(
            method,
            &call.invite,
            &call.answer,
            sequence,
            "X-Odd: 1\r\n",
            "forth",
        );
        pair.alice.send(&forth).await;
        let heard = pair.bob.request(method).await;
        assert_eq!((heard.body.as_str(), heard.get("x-odd")), ("forth", "1"));
        assert_eq!(heard.uri(), pair.bob.contact());
        pair.bob.respond(&heard, "200 Fine", "", "yes").await;
        let answer = pair.alice.until(answers(&cseq)).await;
        assert_eq!(answer.body, "yes");
        if *method == "INVITE" {
            pair.alice.ack(&Message::parse(&forth), &answer).await;
            pair.bob.request("ACK").await;
        }
        pair.bob.send(&pair.bob.back(method, &call.heard, sequence, "", "back")).await;
        let heard = pair.alice.request(method).await;
        assert_eq!(heard.body, "back");
        pair.alice.respond(&heard, "200 OK", "", "").await;
        let answer = pair.bob.until(answers(&cseq)).await;
        if *method == "INVITE" {
            let ack = pair.bob.back("ACK", &call.heard, sequence, "", "");
            pair.bob.send(&ack).await;
            pair.alice.request("ACK").await;
        }
        assert_eq!(answer.code(), 200);
    }
    // a transfer inside of a call has a subscription of its own, whose end is not that of the call
    let last = "Subscription-State: terminated\r\n";
    pair.bob.send(&pair.bob.back("NOTIFY", &call.heard, 30, last, "")).await;
    let heard = pair.alice.request("NOTIFY").await;
    pair.alice.respond(&heard, "200 OK", "", "").await;
    pair.bob.until(answers("30 NOTIFY")).await;
    assert_eq!(pair.alice_proxy.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ack_of_a_refused_request_in_a_call_stays_on_its_hop() {
    let pair = Pair::new().await;
    let call = pair.call().await;
    let again = pair.alice.inside("INVITE", &call.invite, &call.answer, 2, "", "");
    pair.alice.send(&again).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "488 Not Acceptable Here", "", "").await;
    let refusal = pair.alice.last_answer().await;
    assert_eq!(refusal.code(), 488);
    // by the proxy, on its own way
    let ack = pair.bob.request("ACK").await;
    assert_eq!(ack.all("via").len(), 1, "{ack:?}");
    let branch = |it: &Message| it.get("via").split("branch=").nth(1).unwrap().to_owned();
    let mine = pair.alice.inside("ACK", &call.invite, &call.answer, 2, "", "");
    let mine = mine.replace(&branch(&Message::parse(&mine)), &branch(&Message::parse(&again)));
    pair.alice.send(&mine).await;
    let quiet = std::time::Duration::from_millis(300);
    pair.bob.quiet(|it| it.is_request() && it.method() == "ACK", quiet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn early_media_and_reliable_provisional_answers_go_through() {
    let pair = Pair::new().await;
    let (alice, bob) = (&pair.alice, &pair.bob);
    let invite = alice.invite(&uri("bob")).await;
    let heard = bob.request("INVITE").await;
    bob.respond(&heard, "183 Session Progress", "Require: 100rel\r\nRSeq: 1\r\n", "early").await;
    let early = alice.answer(183).await;
    assert_eq!((early.body.as_str(), early.get("rseq")), ("early", "1"));
    alice.send(&alice.inside("PRACK", &invite, &early, 2, "RAck: 1 1 INVITE\r\n", "")).await;
    let prack = bob.request("PRACK").await;
    assert_eq!(prack.get("rack"), "1 1 INVITE");
    bob.respond(&prack, "200 OK", "", "").await;
    alice.until(answers("2 PRACK")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_200_that_is_repeated_after_its_ack_gets_the_ack_again() {
    let pair = Pair::new().await;
    let (alice, bob) = (&pair.alice, &pair.bob);
    let invite = alice.invite(&uri("bob")).await;
    let heard = bob.request("INVITE").await;
    let answer = bob.response(&heard, "200 OK", "", "", ";tag=");
    bob.send(&answer).await;
    let first = alice.answer(200).await;
    alice.ack(&invite, &first).await;
    bob.request("ACK").await;
    // as if that ACK had been lost
    bob.send(&answer).await;
    let again = bob.request("ACK").await;
    assert_eq!(again.uri(), bob.contact());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_outside_of_calls_is_delivered() {
    let pair = Pair::new().await;
    let text = pair.alice.outside(
        "MESSAGE",
        &uri("bob"),
        "message1",
        "Content-Type: text/plain\r\n",
        "hi",
    );
    pair.alice.send(&text).await;
    let heard = pair.bob.request("MESSAGE").await;
    assert_eq!(heard.body, "hi");
    assert!(heard.all("record-route").is_empty());
    pair.bob.respond(&heard, "202 Accepted", "", "").await;
    assert_eq!(pair.alice.last_answer().await.code(), 202);
}

// R7904-5.1-06
#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_takes_the_same_connection() {
    let pair = Pair::new().await;
    pair.call().await;
    pair.call().await;
    assert_eq!(pair.net.connects.load(Ordering::Relaxed), 1);
    assert_eq!(pair.alice_proxy.pipes(), 1);
}

// R7904-6-02
#[tokio::test(flavor = "multi_thread")]
async fn a_gruu_rings_its_device_though_nothing_is_registered() {
    let pair = Pair::new().await;
    let call = pair.call().await;
    let gruu = call.answer.address("contact").split(";line=").next().unwrap().to_owned();
    assert!(gruu.starts_with("sip:bob@dht.example;gr="), "{gruu}");
    pair.net.forget("bob");
    pair.alice.invite(&gruu).await;
    let heard = pair.bob.request("INVITE").await;
    assert_eq!(heard.uri(), pair.bob.contact());
}

// R7904-5.1-12
#[tokio::test(flavor = "multi_thread")]
async fn between_peers_contact_and_via_name_overlay_endpoints() {
    let pair = Pair::new().await;
    pair.call().await;
    let seen = pair.net.seen.lock().unwrap().clone();
    let invite = seen.iter().find(|it| it.starts_with("INVITE ")).unwrap();
    let invite = Message::parse(invite);
    assert!(invite.get("contact").starts_with("<sip:alice@dht.example;gr="), "{invite:?}");
    let node = "01".repeat(16);
    assert!(
        invite.get("via").starts_with(&format!("SIP/2.0/UDP {node}.dht.example;")),
        "{invite:?}"
    );
    assert!(invite.all("via").iter().all(|via| !via.contains("127.0.0.1")), "{invite:?}");
    let answer = seen.iter().find(|it| it.starts_with("SIP/2.0 200 ")).unwrap();
    let answer = Message::parse(answer);
    assert!(answer.get("contact").starts_with("<sip:bob@dht.example;gr="), "{answer:?}");
    assert!(!answer.get("contact").contains("127.0.0.1"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_has_not_registered_calls_too() {
    let net = crate::overlay::Net::new();
    let alice_proxy = proxy(&net, "alice", 1).await;
    let bob_proxy = proxy(&net, "bob", 2).await;
    let alice = stranger(&alice_proxy, "alice").await;
    let bob = phone(&bob_proxy, "bob").await;
    let invite = alice.invite(&uri("bob")).await;
    let heard = bob.request("INVITE").await;
    bob.respond(&heard, "200 OK", "", "").await;
    let answer = alice.answer(200).await;
    alice.ack(&invite, &answer).await;
    bob.send(&bob.back("BYE", &heard, 1, "", "")).await;
    alice.request("BYE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_nobody_knows_goes_through_like_any_other() {
    let pair = Pair::new().await;
    let text = pair.alice.outside("FROBNICATE", &uri("bob"), "odd1", "", "as it is");
    pair.alice.send(&text).await;
    let heard = pair.bob.request("FROBNICATE").await;
    assert_eq!((heard.get("cseq"), heard.body.as_str()), ("1 FROBNICATE", "as it is"));
    assert!(heard.all("x-reload-method").is_empty());
    pair.bob.respond(&heard, "501 Not Implemented", "", "").await;
    let answer = pair.alice.last_answer().await;
    assert_eq!((answer.code(), answer.get("cseq")), (501, "1 FROBNICATE"));
    assert!(answer.all("x-reload-method").is_empty());
    // so does an answer of the proxy itself
    pair.alice.send(&pair.alice.outside("FROBNICATE", &uri("nobody"), "odd2", "", "")).await;
    let answer = pair.alice.last_answer().await;
    assert_eq!((answer.code(), answer.get("cseq")), (404, "1 FROBNICATE"));
}

// R7904-5.1-07, R7904-5.1-08
#[tokio::test(flavor = "multi_thread")]
async fn a_sips_call_takes_a_connection_of_its_own() {
    let pair = Pair::new().await;
    pair.call().await;
    let to = uri("bob").replace("sip:", "sips:");
    let invite = pair.alice.invite(&to).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "200 OK", "", "").await;
    let answer = pair.alice.answer(200).await;
    pair.alice.ack(&invite, &answer).await;
    pair.bob.request("ACK").await;
    pair.bob.send(&pair.bob.back("BYE", &heard, 1, "", "")).await;
    let bye = pair.alice.request("BYE").await;
    pair.alice.respond(&bye, "200 OK", "", "").await;
    pair.bob.until(answers("1 BYE")).await;
    assert_eq!(pair.net.connects.load(Ordering::Relaxed), 2);
    let seen = pair.net.seen.lock().unwrap().clone();
    let secure = seen.iter().find(|it| it.starts_with("INVITE sips:bob@dht.example ")).unwrap();
    assert!(Message::parse(secure).get("via").starts_with("SIP/2.0/TLS "), "{secure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_has_a_dialog_of_its_own() {
    let pair = Pair::new().await;
    let more = "Event: presence\r\nExpires: 600\r\n";
    let text = pair.alice.outside("SUBSCRIBE", &uri("bob"), "subscribe1", more, "");
    pair.alice.send(&text).await;
    let heard = pair.bob.request("SUBSCRIBE").await;
    // it may overtake the answer
    let active = "Subscription-State: active\r\n";
    pair.bob.send(&pair.bob.back("NOTIFY", &heard, 1, active, "")).await;
    let notify = pair.alice.request("NOTIFY").await;
    pair.alice.respond(&notify, "200 OK", "", "").await;
    pair.bob.until(answers("1 NOTIFY")).await;
    pair.bob.respond(&heard, "200 OK", "Expires: 600\r\n", "").await;
    let answer = pair.alice.last_answer().await;
    assert_eq!(answer.code(), 200);
    let again = pair.alice.inside("SUBSCRIBE", &Message::parse(&text), &answer, 2, more, "");
    pair.alice.send(&again).await;
    let heard_again = pair.bob.request("SUBSCRIBE").await;
    pair.bob.respond(&heard_again, "200 OK", "Expires: 600\r\n", "").await;
    pair.alice.until(answers("2 SUBSCRIBE")).await;
    assert!(pair.alice_proxy.calls().is_empty());
}

// R7904-5.1-09, R7904-5.1-11
#[tokio::test(flavor = "multi_thread")]
async fn a_callee_that_wants_sips_is_called_by_sips() {
    let net = crate::overlay::Net::new();
    let alice_proxy = proxy(&net, "alice", 1).await;
    let wants = |settings: &mut Settings| settings.wants = Some(Scheme::Sips);
    let bob_proxy = proxy_with(&net, "bob", 2, wants).await;
    let (alice, bob) = (phone(&alice_proxy, "alice").await, phone(&bob_proxy, "bob").await);
    alice.invite(&uri("bob")).await;
    bob.request("INVITE").await;
    let seen = net.seen.lock().unwrap().clone();
    let invite = seen.iter().find(|it| it.starts_with("INVITE ")).unwrap();
    assert!(Message::parse(invite).get("via").starts_with("SIP/2.0/TLS "), "{invite}");
}

/// RFC 3261 section 21.5.6, found by a fuzzer: the answer was in the version of the request.
#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_sip_is_refused_in_ours() {
    let net = crate::overlay::Net::new();
    let proxy = proxy(&net, "alice", 1).await;
    let phone = stranger(&proxy, "alice").await;
    for version in ["SIP/0.0", "SIP/3.0"] {
        let options = phone.outside("OPTIONS", &uri("alice"), version, "", "");
        phone.send(&options.replacen("SIP/2.0", version, 1)).await;
        assert_eq!(phone.last_answer().await.line, "SIP/2.0 505 Version Not Supported");
    }
}

//! Calls that come to nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::bed::{Pair, phone, proxy, proxy_with, uri};
use crate::overlay::Net;
use crate::phone::{Message, Phone, unique};

#[tokio::test(flavor = "multi_thread")]
async fn busy_is_told_with_the_reason_of_the_callee() {
    let pair = Pair::new().await;
    pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "486 At Dinner", "Retry-After: 60\r\n", "").await;
    let answer = pair.alice.last_answer().await;
    assert_eq!((answer.code(), answer.reason()), (486, "At Dinner"));
    assert_eq!(answer.get("retry-after"), "60");
    pair.bob.request("ACK").await;
    assert!(pair.alice_proxy.calls().is_empty());
    assert_eq!(pair.alice_proxy.dialogs(), 0);
}

// R7904-4.1-05
#[tokio::test(flavor = "multi_thread")]
async fn somebody_unknown_is_not_found() {
    let pair = Pair::new().await;
    pair.alice.invite(&uri("carol")).await;
    let answer = pair.alice.last_answer().await;
    let reason = "nobody is registered as carol@dht.example";
    assert_eq!((answer.code(), answer.reason()), (404, reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_gives_up_while_it_rings() {
    let pair = Pair::new().await;
    let invite = pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "180 Ringing", "", "").await;
    pair.alice.answer(180).await;
    pair.alice.send(&cancel(&invite)).await;
    pair.alice
        .until(|it| !it.is_request() && it.get("cseq") == "1 CANCEL" && it.code() == 200)
        .await;
    let cancelled = pair.bob.request("CANCEL").await;
    assert_eq!(cancelled.get("via"), heard.get("via"), "a CANCEL shares the branch");
    pair.bob.respond(&cancelled, "200 OK", "", "").await;
    pair.bob.respond(&heard, "487 Request Terminated", "", "").await;
    let answer = pair
        .alice
        .until(|it| !it.is_request() && it.get("cseq") == "1 INVITE" && it.code() >= 200)
        .await;
    assert_eq!(answer.code(), 487);
    pair.bob.request("ACK").await;
    assert!(pair.alice_proxy.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_waits_for_the_first_answer() {
    let pair = Pair::new().await;
    let invite = pair.alice.invite(&uri("bob")).await;
    // bob's proxy says 100 for him, so that its branch to the silent phone is the one that waits
    let heard = pair.bob.request("INVITE").await;
    pair.alice.send(&cancel(&invite)).await;
    pair.bob
        .quiet(|it| it.is_request() && it.method() == "CANCEL", Duration::from_millis(300))
        .await;
    pair.bob.respond(&heard, "180 Ringing", "", "").await;
    pair.bob.request("CANCEL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_lost_while_it_rings_ends_the_call_at_once() {
    let pair = Pair::new().await;
    pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "180 Ringing", "", "").await;
    pair.alice.answer(180).await;
    pair.net.kill(2);
    let answer = tokio::time::timeout(Duration::from_secs(2), pair.alice.last_answer()).await;
    let answer = answer.expect("silence");
    assert_eq!(answer.code(), 480, "{answer:?}");
    assert!(answer.get("to").contains(";tag="));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_cannot_be_reached_is_unavailable() {
    let pair = Pair::new().await;
    pair.net.kill(2);
    pair.alice.invite(&uri("bob")).await;
    assert_eq!(pair.alice.last_answer().await.code(), 480);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_phone_is_unavailable() {
    let net = Net::new();
    let alice_proxy = proxy(&net, "alice", 1).await;
    let _bob_proxy = proxy(&net, "bob", 2).await;
    let alice = phone(&alice_proxy, "alice").await;
    net.register("bob", 2);
    alice.invite(&uri("bob")).await;
    let answer = alice.last_answer().await;
    assert_eq!(
        (answer.code(), answer.reason()),
        (480, "no phone of bob@dht.example is registered")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_may_go_no_further_is_refused() {
    let pair = Pair::new().await;
    let text = pair.alice.outside("INVITE", &uri("bob"), "hops0", "", "");
    pair.alice.send(&text.replace("Max-Forwards: 70", "Max-Forwards: 0")).await;
    assert_eq!(pair.alice.last_answer().await.code(), 483);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_proxy_lowers_max_forwards() {
    let pair = Pair::new().await;
    pair.alice.invite(&uri("bob")).await;
    assert_eq!(pair.bob.request("INVITE").await.get("max-forwards"), "68");
    let text = pair.alice.outside("MESSAGE", &uri("bob"), "hopsnone", "", "");
    pair.alice.send(&text.replace("Max-Forwards: 70\r\n", "")).await;
    assert_eq!(pair.bob.request("MESSAGE").await.get("max-forwards"), "69");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_back_is_a_loop() {
    let pair = Pair::new().await;
    pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    // as alice's proxy would get it again: all that decides its way is the same
    let vias: String = heard.all("via").iter().map(|it| format!("Via: {it}\r\n")).collect();
    let sender = pair.alice.outside("INVITE", &uri("bob"), heard.get("call-id"), &vias, "");
    pair.alice.send(&sender).await;
    assert_eq!(pair.alice.last_answer().await.code(), 482);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_that_no_proxy_knows_is_refused() {
    let pair = Pair::new().await;
    let text = pair.alice.outside("INVITE", &uri("bob"), "odd1", "Proxy-Require: odd\r\n", "");
    pair.alice.send(&text).await;
    let answer = pair.alice.last_answer().await;
    assert_eq!((answer.code(), answer.get("unsupported")), (420, "odd"));
}

/// The CANCEL of an INVITE.
fn cancel(invite: &Message) -> String {
    let copied = ["via", "from", "to", "call-id", "max-forwards"];
    let copied = invite.headers.iter().filter(|(name, _)| copied.contains(&name.as_str()));
    let copied: String = copied.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "CANCEL {} SIP/2.0\r\n{copied}CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
        invite.uri()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_bound_are_turned_away() {
    let net = Net::new();
    let alice_proxy = proxy_with(&net, "alice", 1, |it| it.limits.transactions = 1).await;
    let bob_proxy = proxy(&net, "bob", 2).await;
    let (alice, bob) = (phone(&alice_proxy, "alice").await, phone(&bob_proxy, "bob").await);
    let heard = let_in(&alice, &bob, "INVITE").await;
    let text = alice.outside("MESSAGE", &uri("bob"), "toomany", "", "");
    alice.send(&text).await;
    assert_eq!(alice.last_answer().await.code(), 503);
    // and served again when there is room
    bob.respond(&heard, "486 Busy Here", "", "").await;
    assert_eq!(alice.last_answer().await.code(), 486);
    let heard = let_in(&alice, &bob, "MESSAGE").await;
    bob.respond(&heard, "200 OK", "", "").await;
    assert_eq!(alice.last_answer().await.code(), 200);
}

/// A request that gets through as soon as the one before has left its place.
async fn let_in(alice: &Phone, bob: &Phone, method: &str) -> Message {
    loop {
        let call = format!("again{}", unique());
        alice.send(&alice.outside(method, &uri("bob"), &call, "", "")).await;
        tokio::select! {
            heard = bob.request(method) => return heard,
            answer = alice.last_answer() => assert_eq!(answer.code(), 503),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_has_ended_gives_its_port_back() {
    let net = Net::new();
    let first = proxy(&net, "alice", 1).await;
    let address = first.listening().udp;
    first.shutdown().await;
    let overlay = net.node("alice", 1);
    let mut attempts = 0;
    loop {
        let settings = reload_sip_proxy::Settings::new(address);
        let overlay: Arc<dyn reload_sip_proxy::Overlay> = overlay.clone();
        match reload_sip_proxy::Proxy::start(settings, overlay).await {
            Ok(second) => return assert_eq!(second.listening().udp, address),
            Err(error) => assert!(attempts < 50, "{error}"),
        }
        attempts += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_elsewhere_need_a_password() {
    let net = Net::new();
    let overlay: Arc<dyn reload_sip_proxy::Overlay> = net.node("alice", 1);
    let settings = reload_sip_proxy::Settings::new("0.0.0.0:0".parse().unwrap());
    let started = reload_sip_proxy::Proxy::start(settings, overlay).await;
    assert!(matches!(started, Err(reload_sip_proxy::StartError::NeedsPassword(_))));
}

#[tokio::test(start_paused = true)]
async fn what_rings_for_three_minutes_without_news_is_given_up() {
    let pair = Pair::new().await;
    pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "180 Ringing", "", "").await;
    pair.alice.answer(180).await;
    let rang = tokio::time::Instant::now();
    let cancel = loop {
        // a phone waits for ten seconds
        tokio::time::sleep(Duration::from_secs(9)).await;
        let mut buffer = vec![0; 65_535];
        if let Ok(length) = pair.bob.socket.try_recv(&mut buffer) {
            break Message::parse(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        assert!(rang.elapsed() < Duration::from_secs(200), "it rings for ever");
    };
    assert_eq!(cancel.method(), "CANCEL");
    assert!(rang.elapsed() >= Duration::from_secs(180), "{:?}", rang.elapsed());
    pair.bob.respond(&cancel, "200 OK", "", "").await;
    pair.bob.respond(&heard, "487 Request Terminated", "", "").await;
    assert_eq!(pair.alice.last_answer().await.code(), 487);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_call_a_minute_after_its_end() {
    let pair = Pair::new().await;
    let call = pair.call().await;
    assert_eq!((pair.alice_proxy.dialogs(), pair.bob_proxy.dialogs()), (1, 1));
    pair.alice.send(&pair.alice.inside("BYE", &call.invite, &call.answer, 2, "", "")).await;
    let bye = pair.bob.request("BYE").await;
    pair.bob.respond(&bye, "200 OK", "", "").await;
    pair.alice.until(|it| !it.is_request() && it.get("cseq") == "2 BYE").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((pair.alice_proxy.dialogs(), pair.bob_proxy.dialogs()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_gone_and_come_back_is_called_on_a_new_connection() {
    let pair = Pair::new().await;
    pair.call().await;
    pair.net.mute(true);
    let invite = pair.alice.invite(&uri("bob")).await;
    let is_out = || {
        let trace = pair.alice_proxy.trace(Some(invite.get("call-id")));
        trace.iter().any(|entry| matches!(entry.via, reload_sip_proxy::Hop::Node(_)))
    };
    while !is_out() {
        tokio::task::yield_now().await;
    }
    pair.net.mute(false);
    pair.net.cut(2);
    let heard = pair.bob.request("INVITE").await;
    assert_eq!(heard.get("call-id"), invite.get("call-id"));
    pair.bob.respond(&heard, "200 OK", "", "").await;
    assert_eq!(pair.alice.last_answer().await.code(), 200);
}

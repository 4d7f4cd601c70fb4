//! Calls whose media the proxies carry: what the phones read in the SDP, and their sound.

use reload_sip_proxy::MediaMode;
use tokio::net::UdpSocket;

use crate::bed::{Pair, phone, proxy_with, uri};
use crate::media::{above, reaches, rtp_phone, sdp, target};
use crate::overlay::Net;
use crate::phone::{Message, Phone};

const SDP: &str = "Content-Type: application/sdp\r\n";

/// Two users behind proxies that carry all media.
async fn relayed() -> Pair {
    let net = Net::new();
    let carry = |settings: &mut reload_sip_proxy::Settings| settings.media = MediaMode::Relay;
    let alice_proxy = proxy_with(&net, "alice", 1, carry).await;
    let bob_proxy = proxy_with(&net, "bob", 2, carry).await;
    let (alice, bob) = (phone(&alice_proxy, "alice").await, phone(&bob_proxy, "bob").await);
    Pair { net, alice_proxy, bob_proxy, alice, bob }
}

/// An INVITE of a phone with an SDP of a socket.
async fn invite(phone: &Phone, to: &str, rtp: &UdpSocket) -> Message {
    let text = phone.outside("INVITE", to, "media@phone", SDP, &sdp("127.0.0.1", rtp));
    phone.send(&text).await;
    Message::parse(&text)
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_talk_through_their_proxies_until_one_hangs_up() {
    let pair = relayed().await;
    let (alice, bob) = (&pair.alice, &pair.bob);
    let ((alice_rtp, alice_rtcp), (bob_rtp, bob_rtcp)) = (rtp_phone().await, rtp_phone().await);
    let offer = invite(alice, &uri("bob"), &alice_rtp).await;
    let heard = bob.request("INVITE").await;
    let to_alice = target(&heard.body);
    assert_ne!(to_alice, alice_rtp.local_addr().unwrap());
    assert!(!heard.body.contains("reload-relay"), "{heard:?}");
    assert_eq!(heard.get("content-length"), heard.body.len().to_string());
    bob.respond(&heard, "183 Session Progress", SDP, &sdp("127.0.0.1", &bob_rtp)).await;
    let to_bob = target(&alice.answer(183).await.body);
    assert_ne!(to_bob, bob_rtp.local_addr().unwrap());
    reaches(&bob_rtp, to_alice, &alice_rtp, b"early media").await;

    bob.respond(&heard, "200 OK", SDP, &sdp("127.0.0.1", &bob_rtp)).await;
    let answer = alice.answer(200).await;
    assert_eq!(target(&answer.body), to_bob, "the same ports as in the 183");
    alice.ack(&offer, &answer).await;
    bob.request("ACK").await;
    reaches(&alice_rtp, to_bob, &bob_rtp, b"hello").await;
    reaches(&bob_rtp, to_alice, &alice_rtp, b"hi").await;
    reaches(&alice_rtcp, above(to_bob), &bob_rtcp, b"report").await;
    let shown = pair.alice_proxy.calls()[0].media.clone().unwrap();
    assert!(shown.starts_with("relayed"), "{shown}");

    // bob's phone moves to another port
    let (moved, _) = rtp_phone().await;
    bob.send(&bob.back("INVITE", &heard, 7, SDP, &sdp("127.0.0.1", &moved))).await;
    let again = alice.until(|it| it.is_request() && it.get("cseq") == "7 INVITE").await;
    assert_eq!(target(&again.body), to_bob, "alice keeps hers");
    alice.respond(&again, "200 OK", SDP, &sdp("127.0.0.1", &alice_rtp)).await;
    let fine = bob.until(|it| !it.is_request() && it.code() == 200).await;
    assert_eq!(target(&fine.body), to_alice);
    bob.send(&bob.back("ACK", &heard, 7, "", "")).await;
    reaches(&alice_rtp, to_bob, &moved, b"still there").await;

    bob.send(&bob.back("BYE", &heard, 8, "", "")).await;
    let bye = alice.request("BYE").await;
    alice.respond(&bye, "200 OK", "", "").await;
    bob.until(|it| !it.is_request() && it.get("cseq") == "8 BYE").await;
    crate::media::is_free(to_bob).await;
    crate::media::is_free(to_alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_may_come_in_the_ack() {
    let pair = relayed().await;
    let (alice, bob) = (&pair.alice, &pair.bob);
    let ((alice_rtp, _alice_rtcp), (bob_rtp, _bob_rtcp)) = (rtp_phone().await, rtp_phone().await);
    let text = alice.outside("INVITE", &uri("bob"), "late@phone", "", "");
    alice.send(&text).await;
    let heard = bob.request("INVITE").await;
    bob.respond(&heard, "200 OK", SDP, &sdp("127.0.0.1", &bob_rtp)).await;
    let answer = alice.answer(200).await;
    let to_bob = target(&answer.body);
    let body = sdp("127.0.0.1", &alice_rtp);
    alice.send(&alice.inside("ACK", &Message::parse(&text), &answer, 1, SDP, &body)).await;
    let to_alice = target(&bob.request("ACK").await.body);
    reaches(&alice_rtp, to_bob, &bob_rtp, b"hello").await;
    reaches(&bob_rtp, to_alice, &alice_rtp, b"hi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_phones_that_ring_the_one_that_answers_is_heard() {
    let pair = relayed().await;
    let (alice, bob) = (&pair.alice, &pair.bob);
    let second = phone(&pair.bob_proxy, "bob").await;
    let (alice_rtp, _alice_rtcp) = rtp_phone().await;
    let (second_rtp, _second_rtcp) = rtp_phone().await;
    let offer = invite(alice, &uri("bob"), &alice_rtp).await;
    let (first_heard, heard) = (bob.request("INVITE").await, second.request("INVITE").await);
    assert_ne!(target(&first_heard.body), target(&heard.body), "each has ports of its own");
    bob.respond(&first_heard, "180 Ringing", "", "").await;
    alice.answer(180).await;
    second.respond(&heard, "200 OK", SDP, &sdp("127.0.0.1", &second_rtp)).await;
    let answer = alice.answer(200).await;
    alice.ack(&offer, &answer).await;
    let cancel = bob.request("CANCEL").await;
    bob.respond(&cancel, "200 OK", "", "").await;
    bob.respond(&first_heard, "487 Request Terminated", "", "").await;
    bob.request("ACK").await;
    crate::media::is_free(target(&first_heard.body)).await;
    reaches(&alice_rtp, target(&answer.body), &second_rtp, b"hello").await;
    reaches(&second_rtp, target(&heard.body), &alice_rtp, b"hi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_leaves_no_port_behind() {
    let pair = relayed().await;
    let (rtp, _rtcp) = rtp_phone().await;
    invite(&pair.alice, &uri("bob"), &rtp).await;
    let heard = pair.bob.request("INVITE").await;
    pair.bob.respond(&heard, "486 Busy Here", "", "").await;
    pair.alice.answer(486).await;
    crate::media::is_free(target(&heard.body)).await;
}

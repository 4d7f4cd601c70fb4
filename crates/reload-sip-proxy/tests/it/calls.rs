//! Calls between two users.

use crate::bed::{phone, proxy, uri};
use crate::overlay::Net;

// R7904-5.1-07
#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_through_two_proxies_and_ends() {
    let net = Net::new();
    let (alice_proxy, bob_proxy) = (proxy(&net, "alice", 1).await, proxy(&net, "bob", 2).await);
    let (alice, bob) = (phone(&alice_proxy, "alice").await, phone(&bob_proxy, "bob").await);

    let invite = alice.invite(&uri("bob")).await;
    let heard = bob.request("INVITE").await;
    assert_eq!(heard.body, "hello");
    bob.respond(&heard, "180 Ringing", "", "").await;
    alice.answer(180).await;
    bob.respond(&heard, "200 OK", "", "welcome").await;
    let answer = alice.answer(200).await;
    assert_eq!(answer.body, "welcome");
    alice.ack(&invite, &answer).await;
    bob.request("ACK").await;

    alice.send(&alice.inside("BYE", &invite, &answer, 2, "", "")).await;
    let bye = bob.request("BYE").await;
    bob.respond(&bye, "200 OK", "", "").await;
    alice.until(|it| !it.is_request() && it.get("cseq") == "2 BYE").await;
    assert!(alice_proxy.calls().is_empty());
    assert!(bob_proxy.calls().is_empty());
}

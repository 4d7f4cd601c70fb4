//! Nobody calls under another's name, and nobody takes part in another's call.

use reload_sip_proxy::{Pipe, Purpose};
use reload_usages::sip::Scheme;
use reload_wire::NodeId;

use crate::bed::{Pair, stranger, uri};
use crate::phone::Message;

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_cannot_call_as_somebody_else() {
    let pair = Pair::new().await;
    let text = pair.alice.outside("INVITE", &uri("bob"), "forged1", "", "");
    pair.alice.send(&text.replace("From: <sip:alice@", "From: <sip:carol@")).await;
    let answer = pair.alice.last_answer().await;
    assert_eq!((answer.code(), answer.reason()), (403, "From must be alice@dht.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_call_as_somebody_else() {
    let pair = Pair::new().await;
    let mallory = pair.net.node("mallory", 9);
    let node = NodeId::new(&[2; 16]).unwrap();
    let pipe = mallory.pipe_to(node, Purpose::Sip(Scheme::Sip)).unwrap();
    for (from, code) in [("alice", 403), ("mallory", 480)] {
        let text = request(from, &format!("forged-{from}"), "INVITE");
        // all phones of bob are silent, and then gone
        if code == 480 {
            unregister(&pair).await;
        }
        pipe.send(text.into()).await.unwrap();
        let answer = last_answer(&pipe).await;
        assert_eq!(answer.code(), code, "{answer:?}");
    }
}

async fn unregister(pair: &Pair) {
    let to = format!("<{}>", uri("bob"));
    let text = pair.bob.text("REGISTER", "sip:dht.example", "un1", 9, &to, "Expires: 0\r\n", "");
    pair.bob.send(&text).await;
    assert_eq!(pair.bob.last_answer().await.code(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_have_others_called() {
    let pair = Pair::new().await;
    let mallory = pair.net.node("mallory", 9);
    let node = NodeId::new(&[2; 16]).unwrap();
    let pipe = mallory.pipe_to(node, Purpose::Sip(Scheme::Sip)).unwrap();
    let text = request("mallory", "relay1", "INVITE").replace("sip:bob@", "sip:alice@");
    pipe.send(text.into()).await.unwrap();
    assert_eq!(last_answer(&pipe).await.code(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_register() {
    let pair = Pair::new().await;
    let mallory = pair.net.node("mallory", 9);
    let node = NodeId::new(&[2; 16]).unwrap();
    let pipe = mallory.pipe_to(node, Purpose::Sip(Scheme::Sip)).unwrap();
    pipe.send(request("bob", "reg1", "REGISTER").into()).await.unwrap();
    assert_eq!(last_answer(&pipe).await.code(), 403);
    assert_eq!(pair.bob_proxy.phones().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_end_the_call_of_others() {
    let pair = Pair::new().await;
    let call = pair.call().await;
    let mallory = pair.net.node("mallory", 9);
    let node = NodeId::new(&[2; 16]).unwrap();
    let pipe = mallory.pipe_to(node, Purpose::Sip(Scheme::Sip)).unwrap();
    // it has seen all of the call
    let bye = pair.alice.inside("BYE", &call.invite, &call.answer, 7, "", "");
    pipe.send(bye.into()).await.unwrap();
    assert_eq!(last_answer(&pipe).await.code(), 481);
    assert_eq!(pair.bob_proxy.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_no_dialog_is_refused() {
    let pair = Pair::new().await;
    let to = format!("<{}>;tag=unknown", uri("bob"));
    pair.alice.send(&pair.alice.text("BYE", &uri("bob"), "none", 3, &to, "", "")).await;
    assert_eq!(pair.alice.last_answer().await.code(), 481);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_identity_go_no_further() {
    let pair = Pair::new().await;
    let claims = "P-Asserted-Identity: <sip:boss@dht.example>\r\nRemote-Party-ID: <sip:boss@dht.example>\r\n\
                  P-Preferred-Identity: <sip:boss@dht.example>\r\nIdentity: x\r\nX-Kept: yes\r\n";
    pair.alice.send(&pair.alice.outside("INVITE", &uri("bob"), "claims1", claims, "")).await;
    let heard = pair.bob.request("INVITE").await;
    for name in ["p-asserted-identity", "remote-party-id", "p-preferred-identity", "identity"] {
        assert!(heard.all(name).is_empty(), "{name}");
    }
    assert_eq!(heard.get("x-kept"), "yes");
    let answer =
        pair.bob.respond(&heard, "180 Ringing", "P-Asserted-Identity: <sip:boss@x>\r\n", "").await;
    assert_eq!(answer.code(), 180);
    assert!(pair.alice.answer(180).await.all("p-asserted-identity").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_shows_the_way_of_a_call_and_no_credentials() {
    let pair = Pair::new().await;
    let secret = "Authorization: Digest response=\"secret\"\r\n";
    let sdp = "v=0\r\na=crypto:1 AES inline:secret\r\na=ice-pwd:secret\r\nm=audio 1 RTP/AVP 0\r\n";
    let text = pair.alice.outside("INVITE", &uri("bob"), "traced1", secret, sdp);
    pair.alice.send(&text).await;
    pair.bob.request("INVITE").await;
    let trace = pair.alice_proxy.trace(Some("traced1"));
    assert!(trace.iter().all(|entry| !entry.message.contains("secret")));
    let node = NodeId::new(&[2; 16]).unwrap();
    let out = trace.iter().find(|entry| entry.via == reload_sip_proxy::Hop::Node(node)).unwrap();
    assert!(out.message.starts_with("INVITE "));
    assert!(out.message.contains("m=audio 1"));
    assert!(pair.alice_proxy.trace(Some("other")).is_empty());
    assert!(!pair.alice_proxy.trace(None).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_password_a_phone_has_to_know_it() {
    let net = crate::overlay::Net::new();
    let set =
        |settings: &mut reload_sip_proxy::Settings| settings.password = Some("secret".to_owned());
    let alice_proxy = crate::bed::proxy_with(&net, "alice", 1, set).await;
    let alice = stranger(&alice_proxy, "alice").await;
    alice.invite(&uri("bob")).await;
    let answer = alice.last_answer().await;
    assert_eq!(answer.code(), 407);
    assert!(answer.get("proxy-authenticate").starts_with("Digest realm=\"dht.example\""));
}

/// A request to bob, in the words of the bare protocol.
fn request(from: &str, call: &str, method: &str) -> String {
    format!(
        "{method} sip:bob@dht.example SIP/2.0\r\nVia: SIP/2.0/UDP x.dht.example;branch=z9hG4bK{call}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{from}@dht.example>;tag=m1\r\nTo: <sip:bob@dht.example>\r\n\
         Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:{from}@dht.example>\r\nContent-Length: 0\r\n\r\n"
    )
}

async fn last_answer(pipe: &impl Pipe) -> Message {
    let wait = std::time::Duration::from_secs(5);
    loop {
        let datagram = tokio::time::timeout(wait, pipe.recv()).await.expect("silence").unwrap();
        let message = Message::parse(std::str::from_utf8(&datagram).unwrap());
        if !message.is_request() && message.code() >= 200 {
            return message;
        }
    }
}

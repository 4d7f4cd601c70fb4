//! Messages that mean one thing to the proxy and another to the phone behind it: none of them goes through.

use std::time::Duration;

use reload_sip_proxy::{Pipe, Proxy, Purpose};
use reload_usages::sip::Scheme;
use reload_wire::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bed::{Pair, phone, proxy_with, uri};
use crate::overlay::{Net, TestPipe};
use crate::phone::{Message, Phone, unique};

/// Long enough for what should not come.
const WHILE: Duration = Duration::from_millis(300);

fn mallory(net: &std::sync::Arc<Net>) -> TestPipe {
    let node = NodeId::new(&[2; 16]).unwrap();
    net.node("mallory", 9).pipe_to(node, Purpose::Sip(Scheme::Sip)).unwrap()
}

/// A request to bob with these header fields in place of From.
fn request(method: &str, from: &str, call: &str, more: &str) -> String {
    format!(
        "{method} sip:bob@dht.example SIP/2.0\r\nVia: SIP/2.0/UDP x.dht.example;branch=z9hG4bK{}\r\n\
         Max-Forwards: 70\r\n{from}\r\nTo: <sip:bob@dht.example>\r\nCall-ID: {call}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:mallory@dht.example>\r\n{more}Content-Length: 0\r\n\r\n",
        unique()
    )
}

/// The last answer; none if the request is dropped.
async fn last_answer(pipe: &TestPipe) -> Option<u16> {
    loop {
        let datagram = tokio::time::timeout(2 * WHILE, pipe.recv()).await.ok()?.unwrap();
        let message = Message::parse(std::str::from_utf8(&datagram).unwrap());
        if !message.is_request() && message.code() >= 200 {
            return Some(message.code());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_from_that_can_be_read_in_two_ways_is_refused() {
    let pair = Pair::new().await;
    let pipe = mallory(&pair.net);
    for (at, from) in [
        "From: \"<sip:mallory@dht.example>\" <sip:alice@dht.example>;tag=1",
        "From: \"<sip:alice@dht.example>\" <sip:mallory@dht.example>;tag=1",
        "From: sip:mallory@dht.example;tag=1;x=\"<sip:alice@dht.example>\"",
        "From: <sip:mallory@dht.example>;tag=1, <sip:alice@dht.example>",
        "From: <sip:alice@dht.example>, <sip:mallory@dht.example>;tag=1",
        "From: <sip:mallory@dht.example>;tag=1\r\nFrom: <sip:alice@dht.example>;tag=1",
        "From: <sip:mallory@dht.example>;tag=1\r\nf: <sip:alice@dht.example>;tag=1",
        "f: <sip:mallory@dht.example>;tag=1\r\nFROM : <sip:alice@dht.example>;tag=1",
        "From: <sip:mallory@dht.example>;tag=1\r\nX-A: b\rFrom: <sip:alice@dht.example>;tag=1",
        "From: <sip:mallory@dht.example>;tag=1\r\nX-A\rFrom: <sip:alice@dht.example>;tag=1",
        "From: <sip:mallory@dht.example>;tag=1\r\nX-A: \0",
        "From: <sip:mallory@dht.example>;tag=1;tag=2",
        "From: tel:+4930",
        "From: <sip:mallory@dht.example>;tag=1\r\nTo: <sip:bob@dht.example>;tag=2",
        "From: <sip:mallory@dht.example>;tag=1\r\ni: another",
    ]
    .into_iter()
    .enumerate()
    {
        let text = request("MESSAGE", from, &format!("double{at}"), "");
        pipe.send(text.into()).await.unwrap();
        let code = last_answer(&pipe).await;
        assert!(matches!(code, None | Some(400 | 403)), "{from}: {code:?}");
    }
    pair.bob.quiet(|it| it.is_request(), WHILE).await;
    // the name of a person is no trick
    let from = "From: \"Mallory, M\" <sip:mallory@dht.example>;tag=1";
    pipe.send(request("MESSAGE", from, "single", "").into()).await.unwrap();
    let heard = pair.bob.request("MESSAGE").await;
    assert_eq!(heard.get("from"), from.strip_prefix("From: ").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ordinary_world_speaks_for_no_user_of_the_overlay_however_it_is_written() {
    let net = Net::new();
    let mut elsewhere = Phone::new("dave@sip.example", "127.0.0.1:9".parse().unwrap()).await;
    let route = elsewhere.at();
    let bob_proxy = proxy_with(&net, "bob", 2, |it| it.route = Some(route)).await;
    elsewhere.proxy = bob_proxy.listening().udp;
    let bob = phone(&bob_proxy, "bob").await;
    for from in ["sip:dht.example", "sip:alice:pw@dht.example", "sip:alice@dht.example.", "alice"] {
        let text = elsewhere.outside("MESSAGE", &uri("bob"), &format!("w{}", unique()), "", "");
        elsewhere.send(&text.replace("<sip:dave@sip.example>", &format!("<{from}>"))).await;
        bob.quiet(|it| it.method() == "MESSAGE", WHILE).await;
    }
    for from in ["tel:+4930", "sip:anonymous@anonymous.invalid", "sip:192.0.2.7:5060"] {
        let call = format!("w{}", unique());
        let text = elsewhere.outside("MESSAGE", &uri("bob"), &call, "", "");
        elsewhere.send(&text.replace("<sip:dave@sip.example>", &format!("<{from}>"))).await;
        let heard = bob.request("MESSAGE").await;
        bob.respond(&heard, "200 OK", "", "").await;
        let answer = elsewhere.until(|it| !it.is_request() && it.get("call-id") == call).await;
        assert_eq!(answer.code(), 200, "{from}");
    }
}

/// A phone that speaks TCP: gives what the proxy sends.
async fn registered_by_tcp(proxy: &Proxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.listening().tcp).await.unwrap();
    let at = stream.local_addr().unwrap();
    let text = format!(
        "REGISTER sip:dht.example SIP/2.0\r\nVia: SIP/2.0/TCP {at};branch=z9hG4bKtcp\r\n\
         From: <sip:alice@dht.example>;tag=1\r\nTo: <sip:alice@dht.example>\r\nCall-ID: tcp\r\n\
         CSeq: 1 REGISTER\r\nContact: <sip:a@{at};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("SIP/2.0 200"));
    stream
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.ends_with(end) {
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer)).await;
        let length = read.unwrap_or_else(|_| panic!("no {end:?} in {text:?}")).unwrap();
        assert!(length > 0, "closed");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_two_lengths_brings_no_second_message_onto_a_stream() {
    let pair = Pair::new().await;
    let mut stream = registered_by_tcp(&pair.alice_proxy).await;
    let at = stream.local_addr().unwrap();
    let text = format!(
        "INVITE {} SIP/2.0\r\nVia: SIP/2.0/TCP {at};branch=z9hG4bKinvite\r\n\
         From: <sip:alice@dht.example>;tag=1\r\nTo: <{}>\r\nCall-ID: smuggled\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@{at};transport=tcp>\r\nContent-Length: 0\r\n\r\n",
        uri("bob"),
        uri("bob")
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let heard = pair.bob.request("INVITE").await;
    let body = "INVITE sip:a@x SIP/2.0\r\nFrom: <sip:boss@dht.example>;tag=1\r\n\r\n";
    let answer = pair.bob.response(&heard, "486 Busy Here", "Content-Length: 0\r\n", body, ";tag=");
    pair.bob.send(&answer).await;
    let seen = read_until(&mut stream, body).await;
    let last = seen.rsplit_once("SIP/2.0 486").unwrap().1;
    let answer = Message::parse(&format!("SIP/2.0 486{last}"));
    assert_eq!(answer.all("content-length"), [body.len().to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_seen_the_call_id_of_others_has_no_hold_on_their_call() {
    let pair = Pair::new().await;
    let call = pair.call().await;
    let pipe = mallory(&pair.net);
    // another branch of the same INVITE has seen this much
    let from = format!("From: <sip:mallory@dht.example>;tag={}", pair.alice.tag);
    for (method, from) in [
        ("INVITE", from.as_str()),
        ("INVITE", "From: <sip:mallory@dht.example>;tag=other"),
        ("SUBSCRIBE", &from),
        ("REFER", &from),
    ] {
        let text = request(method, from, call.invite.get("call-id"), "Expires: 60\r\n");
        pipe.send(text.into()).await.unwrap();
        assert_eq!(last_answer(&pipe).await, Some(482), "{method} {from}");
    }
    assert_eq!(pair.bob_proxy.calls().len(), 1);
    let bye = pair.alice.inside("BYE", &call.invite, &call.answer, 2, "", "");
    pair.alice.send(&bye).await;
    let heard = pair.bob.request("BYE").await;
    pair.bob.respond(&heard, "200 OK", "", "").await;
    assert_eq!(pair.alice.answer(200).await.get("cseq"), "2 BYE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_takes_no_part_of_the_media() {
    let net = Net::new();
    let relay = |it: &mut reload_sip_proxy::Settings| it.media = reload_sip_proxy::MediaMode::Relay;
    let bob_proxy = proxy_with(&net, "bob", 2, relay).await;
    let bob = phone(&bob_proxy, "bob").await;
    let pipe = mallory(&net);
    let from = "From: <sip:mallory@dht.example>;tag=1";
    pipe.send(request("OPTIONS", from, "no-call", "").into()).await.unwrap();
    let heard = bob.request("OPTIONS").await;
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0\r\n";
    bob.respond(&heard, "200 OK", "Content-Type: application/sdp\r\n", sdp).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), pipe.recv()).await.unwrap().unwrap();
    let answer = Message::parse(std::str::from_utf8(&answer).unwrap());
    assert_eq!((answer.code(), answer.body.as_str()), (200, sdp));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_callee_makes_no_more_dialogs_than_a_call_has_branches() {
    let pair = Pair::new().await;
    let invite = pair.alice.invite(&uri("bob")).await;
    let heard = pair.bob.request("INVITE").await;
    let mut early = Vec::new();
    for number in 0..70 {
        // the SIP stack passes on what differs from the last one
        let code = 180 + 3 * (number % 2);
        let tag = format!(";tag=n{number}x");
        let answer = pair.bob.response(&heard, &format!("{code} Ringing"), "", "", &tag);
        pair.bob.send(&answer).await;
        early.push(pair.alice.answer(code).await);
    }
    for (number, code) in [(0, 200), (69, 481)] {
        let update = pair.alice.inside("UPDATE", &invite, &early[number], 2, "", "");
        pair.alice.send(&update).await;
        if code == 200 {
            let heard = pair.bob.request("UPDATE").await;
            pair.bob.respond(&heard, "200 OK", "", "").await;
        }
        assert_eq!(pair.alice.last_answer().await.code(), code, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_dropped_before_its_refusals_fill_the_memory() {
    let net = Net::new();
    let few = |it: &mut reload_sip_proxy::Settings| it.limits.transactions = 1;
    let alice_proxy = proxy_with(&net, "alice", 1, few).await;
    let alice = crate::bed::stranger(&alice_proxy, "alice").await;
    for _ in 0..40 {
        // refused, and no ACK comes
        alice.invite("sip:nobody@dht.example").await;
    }
    let mut refused = std::collections::BTreeSet::new();
    let mut buffer = vec![0; 65_535];
    while let Ok(Ok((length, _))) =
        tokio::time::timeout(2 * WHILE, alice.socket.recv_from(&mut buffer)).await
    {
        let message = Message::parse(std::str::from_utf8(&buffer[..length]).unwrap());
        if message.code() >= 200 {
            refused.insert(message.get("call-id").to_owned());
        }
    }
    assert!((1..=9).contains(&refused.len()), "{}", refused.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callee_cannot_have_the_requests_of_a_phone_pass_its_proxy_by() {
    let pair = Pair::new().await;
    for elsewhere in ["", "Record-Route: <sip:192.0.2.7;lr>\r\n"] {
        pair.alice.invite(&uri("bob")).await;
        let heard = pair.bob.request("INVITE").await;
        let honest = crate::phone::routes(&heard).pop().unwrap();
        let answer = pair.bob.response(&heard, "486 Busy Here", elsewhere, "", ";tag=");
        let lines = answer.split_inclusive("\r\n").filter(|it| !it.starts_with("record-route"));
        pair.bob.send(&lines.collect::<String>()).await;
        let answer = pair.alice.until(|it| !it.is_request() && it.code() == 486).await;
        assert_eq!(crate::phone::routes(&answer).last(), Some(&honest));
    }
    let call = pair.call().await;
    let (heard, answer) = (crate::phone::routes(&call.heard), crate::phone::routes(&call.answer));
    assert_eq!(heard, answer, "an honest one is left alone");
}

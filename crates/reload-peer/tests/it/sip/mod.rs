//! Peers with phones: the phones are a few lines of SIP over UDP.

mod calling;
mod forwarding;
mod phone;
mod registering;
mod starting;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Overlay, PATIENCE, Peer, user};
use phone::Phone;

/// Peers with phones in an overlay with ICE, the first of which has founded it.
fn peers(names: &[&str]) -> (Overlay, Vec<Peer>) {
    let overlay = Overlay::start_with_ice();
    let peers = peers_in(&overlay, names);
    (overlay, peers)
}

fn peers_in(overlay: &Overlay, names: &[&str]) -> Vec<Peer> {
    let mut peers: Vec<Peer> = Vec::new();
    for name in names {
        let home = overlay.home(name);
        let sip = ["--sip", "127.0.0.1:0", "--media", "direct"];
        let join = peers.first().map(|first| ["--bootstrap", first.address.as_str()]);
        let arguments = match &join {
            None => [&sip[..], &["--first"]].concat(),
            Some(join) => [&sip[..], join].concat(),
        };
        let peer = Peer::start(&home, &arguments);
        peers.push(peer);
    }
    peers
}

/// A phone of this user at its peer.
fn phone(peer: &Peer, name: &str) -> Phone {
    let status = peer.json("status", &[]);
    let proxy = status["sip"]["listening"]["udp"].as_str().unwrap().parse().unwrap();
    Phone::new(proxy, &user(name))
}

/// A phone that is registered.
#[track_caller]
fn registered(peer: &Peer, name: &str) -> Phone {
    let phone = phone(peer, name);
    let answer = phone.register(600);
    assert_eq!(answer.status(), 200, "{}\n{}", answer.text, peer.log());
    phone
}

/// Asks `reload sip ...` until the answer is as wanted.
#[track_caller]
fn wait_for(peer: &Peer, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let reply = peer.json("sip", arguments);
        if wanted(&reply) {
            return reply;
        }
        assert!(Instant::now() < end, "not so: {reply:#}\n{}", peer.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn list<'a>(reply: &'a Value, name: &str) -> &'a [Value] {
    reply[name].as_array().unwrap()
}

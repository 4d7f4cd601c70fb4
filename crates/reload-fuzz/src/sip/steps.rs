//! Scripts of messages. Steps stand between NUL bytes; a step is a message as it is, or begins with a word:
//!
//! - `@p` and `@n`: the rest is a message of the phone, or of carol's node; `@c`: bytes on a stream of the phone;
//! - `@ap200`, `@an486`: the phone, or the node, answers the last request it has got; the rest are header fields
//!   and a body, if there is an empty line in it;
//! - `@dpBYE `, `@dnINVITE `: it sends a request in the call whose message it has got last;
//! - `@t7`: so much time passes; `!` before all: the phone needs a password.

use std::time::Duration;

use super::alone;
use super::bench::{Bench, Who};

/// Steps of one script.
const STEPS: usize = 16;
/// Steps of time: 0 is a moment, 9 more than any timer of a call.
const SPANS: [u64; 10] = [1, 10, 100, 500, 2_000, 10_000, 32_000, 65_000, 200_000, 4_000_000];

/// What a phone says.
pub fn sip_phone(data: &[u8]) {
    run(data, Who::Phone);
}

/// What another peer says.
pub fn sip_peer(data: &[u8]) {
    run(data, Who::Peer);
}

/// Plays a script; what the two have received.
pub(super) fn run(data: &[u8], usual: Who) -> [usize; 2] {
    alone::run(play(data, usual))
}

async fn play(data: &[u8], usual: Who) -> [usize; 2] {
    let (password, script) = match data.split_first() {
        Some((b'!', rest)) => (Some("secret".to_owned()), rest),
        _ => (None, data),
    };
    let mut bench = Bench::new(password).await;
    for part in script.split(|byte| *byte == 0).take(STEPS) {
        step(&mut bench, part, usual).await;
    }
    assert!(bench.calls() <= STEPS, "more calls than messages");
    bench.received
}

async fn step(bench: &mut Bench, part: &[u8], usual: Who) {
    let Some((word, rest)) = part.split_at_checked(2) else { return bench.say(usual, part).await };
    match word {
        b"@p" => bench.say(Who::Phone, rest).await,
        b"@n" => bench.say(Who::Peer, rest).await,
        b"@c" => bench.stream(rest).await,
        b"@a" => answer(bench, rest).await,
        b"@d" => follow(bench, rest).await,
        b"@t" => {
            let digit = rest.first().map_or(0, |digit| usize::from(digit % 10));
            bench.pass(Duration::from_millis(SPANS[digit])).await;
        }
        _ => bench.say(usual, part).await,
    }
}

async fn answer(bench: &mut Bench, rest: &[u8]) {
    let text = String::from_utf8_lossy(rest).into_owned();
    let Some((who, rest)) = speaker(&text) else { return };
    let (code, rest) = rest.split_at_checked(3).unwrap_or(("200", ""));
    if let Some(request) = bench.request(who) {
        let answer = request.answer(code, rest);
        bench.say(who, answer.as_bytes()).await;
    }
}

async fn follow(bench: &mut Bench, rest: &[u8]) {
    let text = String::from_utf8_lossy(rest).into_owned();
    let Some((who, rest)) = speaker(&text) else { return };
    let (method, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    if let Some(message) = bench.call(who) {
        let request = message.follow(method, rest);
        bench.say(who, request.as_bytes()).await;
    }
}

fn speaker(text: &str) -> Option<(Who, &str)> {
    match text.split_at_checked(1)? {
        ("p", rest) => Some((Who::Phone, rest)),
        ("n", rest) => Some((Who::Peer, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::seeds::{CALL, CALLED};

    #[test]
    fn a_call_of_the_seeds_goes_through_in_both_directions() {
        let [phone, peer] = run(&CALL.join(&b"\0"[..]), Who::Phone);
        assert!(phone >= 5 && peer >= 3, "the phone got {phone}, the peer {peer}");
        let [phone, peer] = run(&CALLED.join(&b"\0"[..]), Who::Peer);
        assert!(phone >= 4 && peer >= 4, "the phone got {phone}, the peer {peer}");
    }
}

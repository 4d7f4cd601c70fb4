//! The stream of a link (section 6.6.2) in pieces of any size: a length byte before each piece. The
//! link must hand up the same whether it gets the pieces or all of them at once.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reload_link::{FrameLink, LinkSettings, LinkState};
use reload_wire::Dialect;

use crate::script::Script;

/// max-message-size of the link: small, so that large messages are cheap.
const LIMIT: u32 = 600;

/// Bytes of a stream, cut anywhere.
pub fn link_stream(data: &[u8]) {
    let now = beginning();
    let mut script = Script(data);
    let sent = script.or_zero() % 4;
    let pieces = pieces(script);
    let cut = heard(now, sent, pieces.iter().copied());
    let whole = pieces.concat();
    assert_eq!(cut, heard(now, sent, [whole.as_slice()]), "the cuts are seen above");
    late(now, sent, &pieces);
}

/// A length byte and the piece; what is behind the last length byte is one more piece.
fn pieces(mut script: Script<'_>) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some(length) = script.byte() {
        let (piece, rest) = script.0.split_at(usize::from(length).min(script.0.len()));
        script.0 = rest;
        pieces.push(piece);
    }
    pieces
}

fn link(now: Instant, sent: u8) -> FrameLink {
    let mut link = FrameLink::new(LinkSettings::new(Dialect::default(), LIMIT));
    for number in 0..sent {
        link.send(Bytes::copy_from_slice(&[number; 9])).expect("there is room for a few");
    }
    let mut out = BytesMut::new();
    while link.poll_transmit(now, &mut out) {}
    link
}

/// What a link says of these pieces: its events, whether it broke, and what it sends.
fn heard<'a>(
    now: Instant,
    sent: u8,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<String>, Option<String>, Bytes) {
    let mut link = link(now, sent);
    let (mut events, mut out, mut broken) = (Vec::new(), BytesMut::new(), None);
    for piece in pieces {
        let result = link.handle_bytes(now, piece);
        while let Some(event) = link.poll_event() {
            events.push(format!("{event:?}"));
        }
        if let Err(error) = result {
            broken = Some(error.to_string());
            break;
        }
    }
    // ACKs above the bound of their queue are dropped, so they are taken at the end both ways.
    while link.poll_transmit(now, &mut out) {}
    (events, broken, out.freeze())
}

/// With time between the pieces the link says when it has to be woken, and ends at most once.
fn late(mut now: Instant, sent: u8, pieces: &[&[u8]]) {
    let mut link = link(now, sent);
    for piece in pieces.iter().take(64) {
        if link.handle_bytes(now, piece).is_err() {
            return;
        }
        now += Duration::from_millis(u64::try_from(piece.len()).unwrap_or(0) * 40);
        if link.wakeup().is_some_and(|at| at <= now) {
            link.handle_timeout(now);
            assert!(link.wakeup().is_none_or(|at| at > now), "woken for nothing");
        }
        while link.poll_event().is_some() {}
        if link.stats().state == LinkState::Dead {
            assert!(link.take_unacknowledged().is_empty(), "messages are kept by a dead link");
        }
    }
}

/// A moment to count from: an `Instant` cannot be made otherwise.
#[allow(clippy::disallowed_methods)]
pub(crate) fn beginning() -> Instant {
    Instant::now()
}

//! The stream of frames: cut anywhere it gives the same, and what is too large is seen in time.

use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use reload_link::{FrameEvent, FrameLink, LinkError, LinkSettings};
use reload_wire::Dialect;

fn link(limit: u32) -> FrameLink {
    FrameLink::new(LinkSettings::new(Dialect::default(), limit))
}

fn data(sequence: u32, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![128];
    frame.extend_from_slice(&sequence.to_be_bytes());
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes()[1..]);
    frame.extend_from_slice(message);
    frame
}

fn messages(link: &mut FrameLink) -> Vec<Bytes> {
    std::iter::from_fn(|| link.poll_event())
        .map(|event| match event {
            FrameEvent::Message(message) => message,
            other => panic!("no message: {other:?}"),
        })
        .collect()
}

/// A forwarding header of 56 bytes, written by hand from section 6.3.2: one destination, a node.
fn forwarding_header(length: u32) -> Vec<u8> {
    let mut header = hex("d2454c4f 00000001 0001 0a 64 c0000000");
    header.extend_from_slice(&length.to_be_bytes());
    header.extend(hex("1122334455667788 00000000 0000 0012 0000"));
    header.extend(hex("0110 000102030405060708090a0b0c0d0e0f"));
    header
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

proptest! {
    #[test]
    fn bytes_cut_anywhere_give_the_same_messages(
        wanted in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
        cuts in prop::collection::vec(1_usize..40, 1..50),
    ) {
        let mut stream = Vec::new();
        for (sequence, message) in (0..).zip(&wanted) {
            stream.extend(data(sequence, message));
            stream.extend([129, 0, 0, 0, 7, 0, 0, 0, 0]);
        }
        let (mut link, mut got, mut rest) = (link(300), Vec::new(), &stream[..]);
        for cut in cuts.iter().cycle() {
            let (part, after) = rest.split_at((*cut).min(rest.len()));
            link.handle_bytes(Instant::now(), part).unwrap();
            got.extend(messages(&mut link));
            rest = after;
            if rest.is_empty() { break }
        }
        prop_assert_eq!(got, wanted);
    }
}

// R6940-11.1-27
#[test]
fn a_message_of_exactly_the_limit_passes_and_one_more_byte_does_not() {
    let mut link = link(100);
    link.handle_bytes(Instant::now(), &data(0, &[1; 100])).unwrap();
    assert_eq!(messages(&mut link).len(), 1);
    let mut large = forwarding_header(101);
    large.resize(101, 0);
    link.handle_bytes(Instant::now(), &data(1, &large)).unwrap();
    assert!(matches!(link.poll_event(), Some(FrameEvent::TooLarge(_))));
}

// R6940-6.6-01
#[test]
fn a_new_limit_holds_for_what_is_sent_and_is_never_lowered_for_what_is_read() {
    let mut link = link(100);
    link.set_max_message_size(200);
    link.handle_bytes(Instant::now(), &data(0, &[1; 200])).unwrap();
    assert_eq!(messages(&mut link).len(), 1);
    link.send(vec![0; 200].into()).unwrap();
    link.set_max_message_size(50);
    assert!(link.send(vec![0; 51].into()).is_err());
    link.handle_bytes(Instant::now(), &data(1, &[1; 200])).unwrap();
    assert_eq!(messages(&mut link).len(), 1, "the peer may not know yet");
}

// R6940-6.6-01
#[test]
fn too_large_is_told_with_the_header_before_the_body_came() {
    let mut link = link(1000);
    let mut frame = data(0, &forwarding_header(0x00ff_ffff));
    frame[5..8].copy_from_slice(&[0xff, 0xff, 0xff]);
    let (last, before) = frame.split_last().unwrap();
    for byte in before {
        link.handle_bytes(Instant::now(), &[*byte]).unwrap();
        assert!(link.poll_event().is_none());
    }
    link.handle_bytes(Instant::now(), &[*last]).unwrap();
    let Some(FrameEvent::TooLarge(header)) = link.poll_event() else { panic!("told") };
    assert_eq!(header.transaction_id.0, 0x1122_3344_5566_7788);
    assert_eq!(header.length, 0x00ff_ffff);
    assert!(!link.wants_transmit(), "what was not received is not acknowledged");
    link.handle_bytes(Instant::now(), &data(1, b"after it")).unwrap();
    assert!(link.poll_event().is_none(), "nothing more is read");
}

// R6940-6.6-02
#[test]
fn a_header_above_the_limit_closes_without_an_answer() {
    let mut header = forwarding_header(0);
    header[32..34].copy_from_slice(&0xfff0_u16.to_be_bytes());
    header.resize(2000, 0);
    let result = link(1000).handle_bytes(Instant::now(), &data(0, &header));
    assert!(matches!(result, Err(LinkError::HeaderTooLarge { size: 65_576, limit: 1000 })));
}

#[test]
fn an_oversize_frame_of_noise_closes() {
    let noise = [0xab; 60];
    let result = link(40).handle_bytes(Instant::now(), &data(0, &noise));
    assert!(matches!(result, Err(LinkError::HeaderTooLarge { .. })), "{result:?}");
    let mut lists_past_the_end = forwarding_header(0);
    lists_past_the_end[34..36].copy_from_slice(&100_u16.to_be_bytes());
    let result = link(500).handle_bytes(Instant::now(), &{
        lists_past_the_end.resize(600, 0);
        data(0, &lists_past_the_end)
    });
    assert!(matches!(result, Err(LinkError::OversizeNoise { source: Some(_), .. })), "{result:?}");
    let result = link(10).handle_bytes(Instant::now(), &data(0, &[0; 20]));
    assert!(matches!(result, Err(LinkError::OversizeNoise { source: None, .. })), "{result:?}");
}

// R6940-6.6.2-01
#[test]
fn an_unknown_frame_type_closes_after_what_came_before_it() {
    let mut link = link(100);
    let mut stream = data(0, b"good");
    stream.push(7);
    stream.extend(data(1, b"never read"));
    let result = link.handle_bytes(Instant::now(), &stream);
    assert!(matches!(result, Err(LinkError::UnknownFrameType(7))));
    assert_eq!(messages(&mut link), [&b"good"[..]]);
    link.handle_bytes(Instant::now(), &data(2, b"nor this")).unwrap();
    assert!(link.poll_event().is_none());
}

#[test]
fn a_peer_may_start_at_any_number() {
    let mut link = link(100);
    link.handle_bytes(Instant::now(), &data(u32::MAX, b"a")).unwrap();
    link.handle_bytes(Instant::now(), &data(0, b"b")).unwrap();
    assert_eq!(messages(&mut link).len(), 2);
}

//! Any bytes, any order of calls: no panic, and every queue keeps its bound.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use reload_link::{FrameLink, LinkSettings};
use reload_wire::Dialect;

#[derive(Clone, Debug)]
enum Act {
    Read(Vec<u8>),
    Send(usize),
    Write,
    Wait(u64),
}

/// Bytes that begin like frames more often than chance would have it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![Just(128_u8), Just(129), any::<u8>()];
    let rest = prop::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..80);
    (start, rest).prop_map(|(start, mut rest)| {
        rest.insert(0, start);
        rest
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        bytes().prop_map(Act::Read),
        (0_usize..200).prop_map(Act::Send),
        Just(Act::Write),
        (0_u64..40_000).prop_map(Act::Wait),
    ]
}

proptest! {
    #[test]
    fn no_order_of_calls_panics_and_deadlines_advance(acts in prop::collection::vec(act(), 0..60)) {
        let settings = LinkSettings { queue_messages: 8, ..LinkSettings::new(Dialect::default(), 100) };
        let (mut link, mut now) = (FrameLink::new(settings), Instant::now());
        for act in acts {
            match act {
                Act::Read(bytes) => drop(link.handle_bytes(now, &bytes)),
                Act::Send(size) => drop(link.send(Bytes::from(vec![0; size]))),
                Act::Write => while link.poll_transmit(now, &mut BytesMut::new()) {},
                Act::Wait(ms) => now += Duration::from_millis(ms),
            }
            link.handle_timeout(now);
            prop_assert!(link.wakeup().is_none_or(|next| next > now));
            while link.poll_event().is_some() {}
            prop_assert!(link.stats().queued <= 8);
        }
    }
}

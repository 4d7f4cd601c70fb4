//! Reassembly of fragments at their destination (section 6.7).

use std::time::Duration;

use bytes::Bytes;
use reload_node::{Limits, LinkId};
use reload_wire::{ForwardingHeader, Fragment, MessageCode, PingReq};

use crate::actor::Actor;
use crate::bench::{Bench, Making};

/// A Ping of about 1,500 bytes behind its header, cut at these offsets.
fn parts(bench: &Bench, from: &Actor, cuts: &[usize]) -> Vec<Bytes> {
    let padding = Bytes::from(vec![0x61; 1200]);
    let draft = from.request(bench.here(), MessageCode::PING_REQUEST, &PingReq { padding });
    let message = from.sign(&draft);
    let (mut header, rest) =
        ForwardingHeader::split(&bench.dialect(), &message).expect("it is good");
    let ends = cuts.iter().skip(1).copied().chain([rest.len()]);
    let mut all = Vec::new();
    for (start, end) in cuts.iter().zip(ends) {
        let offset = u32::try_from(*start).expect("it is small");
        header.fragment = Fragment { last: end == rest.len(), offset };
        all.push(header.join(&rest[*start..end], u32::MAX).expect("it fits"));
    }
    all
}

fn is_answered(bench: &mut Bench, link: LinkId) -> bool {
    bench.take(link).iter().any(|m| m.contents.code == MessageCode::PING_ANSWER)
}

// R6940-6.7-06
#[test]
fn a_message_is_put_together_from_parts_in_any_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let mut bench = Bench::new();
        let (from, link) = bench.linked(1);
        let parts = parts(&bench, &from, &[0, 300, 700]);
        for (count, at) in order.into_iter().enumerate() {
            bench.receive(link, parts[at].clone());
            assert_eq!(is_answered(&mut bench, link), count == 2, "{order:?}");
        }
    }
}

#[test]
fn a_part_that_comes_twice_does_no_harm() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let parts = parts(&bench, &from, &[0, 300]);
    bench.receive(link, parts[0].clone());
    bench.receive(link, parts[0].clone());
    bench.receive(link, parts[1].clone());
    assert!(is_answered(&mut bench, link));
}

// R6940-6.7-06
#[test]
fn parts_of_two_divisions_may_be_mixed() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (one, two) = (parts(&bench, &from, &[0, 300, 700]), parts(&bench, &from, &[0, 500]));
    for part in [&one[0], &one[1], &two[1]] {
        bench.receive(link, part.clone()); // E35
    }
    assert!(is_answered(&mut bench, link));
}

#[test]
fn a_part_that_differs_where_it_overlaps_discards_the_set() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let parts = parts(&bench, &from, &[0, 300]);
    let mut forged = parts[0].to_vec();
    *forged.last_mut().expect("it has bytes") ^= 1;
    bench.receive(link, parts[0].clone());
    bench.receive(link, forged.into()); // E33, E35
    bench.receive(link, parts[1].clone());
    assert!(!is_answered(&mut bench, link));
}

// R6940-6.7-08
#[test]
fn an_incomplete_message_is_forgotten_after_the_request_lifetime() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let parts = parts(&bench, &from, &[0, 300]);
    bench.receive(link, parts[0].clone());
    bench.pass(Duration::from_millis(15_100)); // 6.7: 15 s
    bench.receive(link, parts[1].clone());
    assert!(!is_answered(&mut bench, link));
    bench.receive(link, parts[0].clone());
    assert!(is_answered(&mut bench, link));
}

// R6940-6.7-03
#[test]
fn a_part_but_the_last_with_fewer_than_256_bytes_is_dropped() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    for part in parts(&bench, &from, &[0, 255]) {
        bench.receive(link, part); // E34
    }
    assert!(!is_answered(&mut bench, link));
}

// R6940-6.7-09
#[test]
fn fragments_are_bounded_in_bytes_with_their_headers() {
    let limits = Limits { fragment_bytes: 10_000, ..Limits::default() };
    let mut bench = Bench::make(Making { limits, ..Making::default() });
    let (from, link) = bench.linked(1);
    let part = parts(&bench, &from, &[0, 300]).remove(0);
    let (mut header, rest) = ForwardingHeader::split(&bench.dialect(), &part).expect("good");
    for number in 0..100 {
        header.transaction_id = reload_wire::TransactionId(number);
        bench.receive(link, header.join(&rest, u32::MAX).expect("it fits"));
    }
    let fit = 10_000 / u64::try_from(part.len()).expect("it is small");
    assert_eq!(bench.node.status(bench.now).counters.fragments_dropped, 100 - fit);
}

#[test]
fn a_whole_larger_than_max_message_size_is_never_put_together() {
    let mut bench = Bench::configured(|c| c.max_message_size = 5000);
    let (from, link) = bench.linked(1);
    let part = parts(&bench, &from, &[0, 300]).remove(0);
    let (mut header, rest) = ForwardingHeader::split(&bench.dialect(), &part).expect("good");
    header.fragment = Fragment { last: true, offset: 4700 };
    bench.receive(link, header.join(&rest, u32::MAX).expect("it fits")); // E57
    assert_eq!(bench.node.status(bench.now).counters.fragments_dropped, 1);
}

// R6940-6.7-01, R6940-6.7-04
#[test]
fn a_fragment_is_forwarded_as_it_is() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let part = parts(&bench, &from, &[0, 300]).remove(1);
    let (mut header, rest) = ForwardingHeader::split(&bench.dialect(), &part).expect("good");
    header.destination_list = vec![reload_wire::Destination::Node(to.id)];
    bench.receive(link, header.join(&rest, u32::MAX).expect("it fits"));
    let (over, sent) = bench.sent.pop_front().expect("it goes on");
    let (after, after_rest) = ForwardingHeader::split(&bench.dialect(), &sent).expect("good");
    assert_eq!((over, after.fragment, after_rest), (onward, header.fragment, rest)); // 6.7
}

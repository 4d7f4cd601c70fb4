//! Links with an MTU: what is cut and how (section 6.7), and how the MTU is found out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_node::{LinkEvent, LinkId, NewValue, Place, Reply, Request, Role, Specifier};
use reload_wire::{
    DataValue, Destination, ErrorCode, ForwardingHeader, ForwardingOption, Fragment, KindId,
    MessageCode, MessageParts, ModelSpecifier, NodeId, PingAns, PingReq, UnixTime,
};

use crate::actor::{Actor, Draft};
use crate::bench::Bench;
use crate::network::Network;

const KIND: KindId = KindId(0xf000_0001);
/// Bytes of the frame around a message (section 6.6.2).
const FRAME: usize = 8;

/// An actor with a datagram link that takes frames of so many bytes.
fn narrow(bench: &mut Bench, number: u8, mtu: usize) -> (Actor, LinkId) {
    let actor = bench.actor(number);
    let link = LinkId::accepted(1000 + u64::from(number));
    let certificate = Arc::clone(actor.credentials.certificate());
    let remote = ([127, 0, 0, 1], 9).into();
    bench.tell(link, LinkEvent::Up { certificate, remote, mtu: Some(mtu) });
    (actor, link)
}

/// A Ping with so many bytes of padding, with lists and options.
fn long_ping(from: &Actor, to: &Actor, padding: usize) -> Draft {
    let body = PingReq { padding: vec![0x61; padding].into() };
    let to = Destination::Node(to.id);
    let mut draft = from.request(to, MessageCode::PING_REQUEST, &body);
    let far = (1..=4).map(|n| NodeId::from_u128(77 + n));
    draft = draft.through(&far.collect::<Vec<_>>());
    draft.header.options =
        vec![ForwardingOption { kind: 0x70, flags: 0, data: Bytes::from_static(b"kept") }];
    draft
}

/// What was sent over a link, header and rest; each as long as it says.
fn sent(bench: &mut Bench, link: LinkId) -> Vec<(usize, ForwardingHeader, Bytes)> {
    let dialect = bench.dialect();
    let all = std::mem::take(&mut bench.sent);
    let over = all.into_iter().filter(|(over, _)| *over == link);
    over.map(|(_, message)| {
        let (header, rest) = ForwardingHeader::split(&dialect, &message).expect("it can be read");
        assert_eq!(usize::try_from(header.length), Ok(message.len())); // E32
        (message.len(), header, rest)
    })
    .collect()
}

/// The rest of the whole message, if the parts fit together without a gap.
fn joined(parts: &[(usize, ForwardingHeader, Bytes)]) -> Bytes {
    let mut whole = Vec::new();
    for (number, (_, header, rest)) in parts.iter().enumerate() {
        assert_eq!(usize::try_from(header.fragment.offset), Ok(whole.len()), "cumulative");
        assert_eq!(header.fragment.last, number + 1 == parts.len(), "only the last is marked");
        whole.extend_from_slice(rest);
    }
    whole.into()
}

// R6940-6.7-01, R6940-6.7-02, R6940-6.7-04, R6940-6.7-05, R6940-6.7-06, R6940-6.7-07
#[test]
fn a_message_for_a_narrow_link_is_cut_into_equal_parts_with_the_whole_header() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = narrow(&mut bench, 2, 1163);
    let message = from.sign(&long_ping(&from, &to, 3000));
    let (before, rest) = ForwardingHeader::split(&bench.dialect(), &message).expect("good");
    bench.receive(link, message);
    let parts = sent(&mut bench, onward);
    assert_eq!(joined(&parts), rest, "nothing is added, nothing changed");
    assert!(parts.len() >= 3);
    for (size, header, rest) in &parts {
        assert!(*size <= 1163 - FRAME - 32, "{size}"); // 6.7: the via list may grow
        assert!(rest.len() >= 256 && rest.len().abs_diff(parts[0].2.len()) <= 1, "equal");
        assert_eq!(header.via_list.len(), before.via_list.len() + 1);
        assert_eq!(header.via_list, parts[0].1.via_list);
        assert_eq!(header.destination_list, before.destination_list);
        assert_eq!(header.options, before.options);
        assert_eq!(header.transaction_id, before.transaction_id);
    }
}

// R6940-6.7-07
#[test]
fn a_message_that_fits_goes_whole_and_so_does_any_over_a_stream() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = narrow(&mut bench, 2, 1163);
    bench.hear(link, &from, &long_ping(&from, &to, 10));
    assert!(
        matches!(&sent(&mut bench, onward)[..], [(_, header, _)] if header.fragment.is_whole())
    );
    let (stream, over) = bench.linked(3);
    bench.hear(link, &from, &long_ping(&from, &stream, 4000));
    assert!(matches!(&sent(&mut bench, over)[..], [(_, header, _)] if header.fragment.is_whole()));
}

// R6940-6.7-01, R6940-6.7-06, R6940-6.7-07
#[test]
fn a_fragment_is_cut_again_for_a_narrower_link_with_offsets_in_the_whole() {
    let (mut first, mut second) = (Bench::new(), Bench::new());
    let (from, link) = first.linked(1);
    let (to, onward) = narrow(&mut first, 2, 1400);
    let message = from.sign(&long_ping(&from, &to, 3500));
    let (_, rest) = ForwardingHeader::split(&first.dialect(), &message).expect("good");
    first.receive(link, message);
    let wide = sent(&mut first, onward);

    let (_, link) = second.linked(1);
    let (_, onward) = narrow(&mut second, 2, 900);
    let mut parts = Vec::new();
    for (_, header, rest) in &wide {
        let part = header.join(rest, u32::MAX).expect("it fits");
        second.receive(link, part);
        let cut = sent(&mut second, onward);
        assert!(cut.len() > 1, "it does not fit");
        parts.extend(cut);
    }
    assert!(parts.iter().all(|(size, _, rest)| *size <= 900 - FRAME - 32 && rest.len() >= 256));
    assert_eq!(joined(&parts), rest);
}

// R6940-6.7-03
#[test]
fn lists_that_leave_no_room_for_256_bytes_are_not_cut() {
    let mut bench = Bench::new();
    let (from, link) = bench.linked(1);
    let (to, onward) = narrow(&mut bench, 2, 1163);
    let far: Vec<_> = (0..50).map(|n| NodeId::from_u128(1 << 100 | n)).collect();
    bench.hear(link, &from, &long_ping(&from, &to, 1500).through(&far));
    let parts = sent(&mut bench, onward);
    assert_eq!(parts.len(), 1, "IP may cut it");
    assert!(parts[0].1.fragment.is_whole());
}

#[test]
fn a_message_larger_than_allowed_is_refused_before_it_is_cut() {
    let mut bench = Bench::configured(|configuration| configuration.max_message_size = 5000);
    let (from, link) = bench.linked(1);
    let (to, onward) = narrow(&mut bench, 2, 1163);
    // so that only the entry of the via list is too much
    let padding = 5000 - from.sign(&long_ping(&from, &to, 0)).len() - 2;
    bench.hear(link, &from, &long_ping(&from, &to, padding));
    assert_eq!(bench.refusal(link), ErrorCode::MESSAGE_TOO_LARGE);
    assert!(sent(&mut bench, onward).is_empty());
}

fn value(bytes: Bytes) -> NewValue {
    NewValue {
        kind: KIND,
        generation: 0,
        place: Place::Single,
        value: DataValue { exists: true, value: bytes },
        lifetime: 3600,
        storage_time: None,
    }
}

/// Stores 4,000 bytes at one place and reads them at each.
fn store_and_fetch(network: &mut Network, at: usize) {
    let bytes: Bytes = (0..4000_u32).map(|n| u8::try_from(n % 251).expect("small")).collect();
    let resource = network.places[at].node.resource_id(format!("user{at}@x").as_bytes());
    let request = Request::Store { resource: resource.clone(), values: vec![value(bytes.clone())] };
    network.ask(at, request).expect("the owner may store");
    for reader in 0..network.places.len() {
        let which = ModelSpecifier::Single;
        let specifiers = vec![Specifier { kind: KIND, generation: 0, which }];
        let request = Request::Fetch { resource: resource.clone(), specifiers };
        let response = network.ask(reader, request).expect("it is there");
        let Reply::Fetched(kinds) = response.reply else { panic!("no values") };
        assert_eq!(kinds[0].values[0].value().data().value, bytes, "at {reader}");
    }
}

fn fragmented(network: &Network) -> u64 {
    let status = |place: &crate::network::Place| place.node.status(network.now).counters.fragmented;
    network.places.iter().map(status).sum()
}

// R6940-6.7-01
#[test]
fn a_value_of_4000_bytes_goes_over_links_of_1280() {
    let mut network = Network::new();
    network.mtu = |_, _| Some(1280 - 48 - 37); // IPv6, UDP and DTLS
    for id in [0x1000_u128, 0x6000, 0xb000] {
        network.add(id << 112, Role::Peer, true);
        network.pass(Duration::from_secs(20));
    }
    store_and_fetch(&mut network, 1);
    assert!(fragmented(&network) >= 3, "{}", fragmented(&network));
    assert!(network.places.iter().all(|place| place.node.status(network.now).values == 1));
}

// R6940-6.7-01
#[test]
fn a_value_of_4000_bytes_is_cut_twice_on_its_way() {
    let mut network = Network::new();
    // the peers among each other have less than the client has to the first
    network.mtu = |one, other| Some(if one.max(other) == 3 { 1400 } else { 800 });
    for id in [0x1000_u128, 0x6000, 0xb000] {
        network.add(id << 112, Role::Peer, true);
        network.pass(Duration::from_secs(20));
    }
    network.add(0x3000 << 112, Role::Client, false);
    network.pass(Duration::from_secs(20));
    let before = fragmented(&network);
    store_and_fetch(&mut network, 3);
    assert!(fragmented(&network) > before);
}

/// Answers the Pings that were sent over a link; returns the sizes of their frames.
fn answer_pings(bench: &mut Bench, actor: &Actor, link: LinkId) -> Vec<usize> {
    let dialect = bench.dialect();
    let all = std::mem::take(&mut bench.sent);
    let mut sizes = Vec::new();
    for (_, message) in all.into_iter().filter(|(over, _)| *over == link) {
        let parts = MessageParts::decode(&dialect, &message).expect("it is whole");
        assert_eq!(parts.contents.code, MessageCode::PING_REQUEST);
        assert_eq!(parts.header.fragment, Fragment::WHOLE);
        sizes.push(FRAME + message.len());
        let answer = PingAns { response_id: 1, time: UnixTime::from_secs(1_800_000_000) };
        bench.hear(link, actor, &actor.answer(&parts, &answer));
    }
    sizes
}

#[test]
fn the_path_is_tried_with_ever_larger_pings_in_one_piece_as_long_as_they_pass() {
    let mut bench = Bench::new();
    let (actor, link) = narrow(&mut bench, 2, 1163);
    bench.pass(Duration::from_secs(2));
    assert!(bench.is_silent(), "the link is left to what it came up for");
    bench.pass(Duration::from_secs(2));
    let mut sizes = answer_pings(&mut bench, &actor, link);
    while let Some((_, probe)) = bench.sent.front() {
        let frame = FRAME + probe.len();
        bench.tell(link, LinkEvent::Mtu(frame));
        sizes.extend(answer_pings(&mut bench, &actor, link));
    }
    assert!(sizes[0] < 1163, "the first tells how long a Ping is");
    let near = |size: &usize, step: usize| size.abs_diff(step) <= 8;
    let steps = sizes[1..].iter().zip([1195, 1335, 1415]).all(|(size, step)| near(size, step));
    assert!(steps && sizes.len() == 4, "{sizes:?}");
    bench.pass(Duration::from_secs(3600));
    let mtus: Vec<_> = bench.node.status(bench.now).links.iter().map(|link| link.mtu).collect();
    assert!(mtus[0].is_some_and(|mtu| near(&mtu, 1415)), "{mtus:?}");
}

#[test]
fn a_size_that_does_not_pass_ends_the_search_for_ten_minutes() {
    let mut bench = Bench::new();
    let (actor, link) = narrow(&mut bench, 2, 1163);
    bench.pass(Duration::from_secs(4));
    answer_pings(&mut bench, &actor, link);
    let tries = |bench: &mut Bench| {
        let all = std::mem::take(&mut bench.sent);
        all.iter().filter(|(_, message)| FRAME + message.len() > 1163).count()
    };
    assert_eq!(tries(&mut bench), 1);
    bench.pass(Duration::from_secs(590));
    assert_eq!(tries(&mut bench), 0);
    bench.pass(Duration::from_secs(30));
    assert_eq!(tries(&mut bench), 1);
}

#[test]
fn a_path_that_takes_less_than_before_is_pinged_at_once_with_a_small_frame() {
    let mut bench = Bench::new();
    let (actor, link) = narrow(&mut bench, 2, 1163);
    bench.tell(link, LinkEvent::Mtu(1415));
    assert!(bench.is_silent());
    bench.tell(link, LinkEvent::Mtu(1163));
    let sizes = answer_pings(&mut bench, &actor, link);
    assert!(sizes.len() == 1 && sizes[0] < 1163, "{sizes:?}");
}

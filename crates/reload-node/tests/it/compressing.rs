//! List compression (sections 6.1.2, 6.1.3 and 6.3.2.2), with nodes that do it and nodes that do not.

use std::time::Duration;

use bytes::Bytes;
use reload_node::{LinkId, ListCompression, Request, Role};
use reload_wire::{Destination, MessageCode, NodeId, ResourceId};

use crate::actor::{Actor, Draft};
use crate::bench::{Bench, Making};
use crate::network::Network;
use crate::overlay::Overlay;

const BOTH: [ListCompression; 2] = [ListCompression::Sealed, ListCompression::Compact];

fn bench(lists: ListCompression) -> Bench {
    Bench::make(Making { lists, ..Making::default() })
}

fn node(id: NodeId) -> Destination {
    Destination::Node(id)
}

fn far(number: u128) -> Destination {
    node(NodeId::from_u128(number))
}

/// A request from `from` with this via list goes on to `to`; the via list that it has then.
fn passed_on(
    bench: &mut Bench,
    (from, link): (&Actor, LinkId),
    (to, onward): (&Actor, LinkId),
    via: &[Destination],
) -> Vec<Destination> {
    let mut draft = from.ping(node(to.id));
    draft.header.via_list = via.to_vec();
    bench.hear(link, from, &draft);
    bench.only(onward).header.via_list
}

/// The answer of `to` to a request that came with `via`.
fn answer(bench: &Bench, to: &Actor, via: &[Destination]) -> Draft {
    let mut list = vec![bench.here()];
    list.extend(via.iter().rev().cloned());
    let mut draft = to.ping(bench.here()).to(&list);
    draft.contents.code = MessageCode::PING_ANSWER;
    draft
}

// R6940-6.1.1-04, R6940-6.1.2-05, R6940-6.1.3-01
#[test]
fn an_opaque_id_comes_back_as_the_entries_that_it_replaced() {
    for lists in BOTH {
        let mut bench = bench(lists);
        let (from, link) = bench.linked(1);
        let (to, onward) = bench.linked(2);
        let theirs = Destination::Opaque(Bytes::from_static(b"of another peer"));
        let before = [far(77), theirs.clone(), far(78)];
        let via = passed_on(&mut bench, (&from, link), (&to, onward), &before);
        assert!(matches!(via.last(), Some(Destination::Opaque(_))), "{via:?}"); // 6.1.2
        let draft = answer(&bench, &to, &via);
        bench.hear(onward, &to, &draft);
        let restored = bench.only(link).header.destination_list;
        assert_eq!(restored, [node(from.id), far(78), theirs, far(77)]); // 6.1.3
        let counters = bench.node.status(bench.now).counters;
        assert_eq!((counters.lists_compressed, counters.lists_restored), (1, 1));
    }
}

#[test]
fn a_sealed_list_is_one_entry_and_shows_nobody() {
    let mut bench = bench(ListCompression::Sealed);
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let via = passed_on(&mut bench, (&from, link), (&to, onward), &[far(77), far(78)]);
    let [Destination::Opaque(id)] = &via[..] else { panic!("{via:?}") };
    for hidden in [from.id, NodeId::from_u128(77)] {
        assert!(!id.windows(16).any(|part| part == hidden.as_bytes()));
    }
    let again = passed_on(&mut bench, (&from, link), (&to, onward), &[far(77), far(78)]);
    assert_ne!(again, via);
}

#[test]
fn a_list_that_is_too_long_to_seal_in_one_entry_stays_and_the_previous_hop_is_sealed() {
    let mut bench = bench(ListCompression::Sealed);
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    for (count, entries) in [(12, 1), (13, 14)] {
        let before: Vec<Destination> = (1000..1000 + count).map(far).collect();
        let via = passed_on(&mut bench, (&from, link), (&to, onward), &before);
        assert_eq!(via.len(), entries);
        let draft = answer(&bench, &to, &via);
        bench.hear(onward, &to, &draft);
        let mut back = vec![node(from.id)];
        back.extend(before.into_iter().rev());
        assert_eq!(bench.only(link).header.destination_list, back);
    }
}

// R6940-6.3.2.2-08, R6940-6.3.2.2-10
#[test]
fn a_compact_id_is_two_bytes_on_the_wire() {
    let mut plain = bench(ListCompression::Off);
    let mut compact = bench(ListCompression::Compact);
    let mut sizes = Vec::new();
    for bench in [&mut plain, &mut compact] {
        let (from, link) = bench.linked(1);
        let (to, onward) = bench.linked(2);
        let via = passed_on(bench, (&from, link), (&to, onward), &[far(77)]);
        assert_eq!(via[0], far(77));
        bench.hear(link, &from, &from.ping(node(to.id)));
        sizes.push(bench.sent.pop_front().expect("it went on").1.len());
        if let Some(id) = via[1].as_compact() {
            assert_eq!(id & 0x8000, 0x8000);
        }
    }
    assert_eq!(sizes[0] - sizes[1], 16); // 18 bytes became 2
}

// R6940-6.3.2.2-12, R6940-6.3.2.2-13
#[test]
fn an_id_of_a_link_that_went_and_came_again_is_dropped_without_a_word() {
    for lists in BOTH {
        let mut bench = bench(lists);
        let (from, link) = bench.linked(1);
        let (to, onward) = bench.linked(2);
        let via = passed_on(&mut bench, (&from, link), (&to, onward), &[]);
        bench.down(link);
        let link = bench.accept(&from);
        let draft = answer(&bench, &to, &via);
        bench.hear(onward, &to, &draft);
        assert!(bench.is_silent()); // 6.3.2.2
        assert_eq!(bench.node.status(bench.now).counters.lists_refused, 1);
        let via = passed_on(&mut bench, (&from, link), (&to, onward), &[]);
        let draft = answer(&bench, &to, &via);
        bench.hear(onward, &to, &draft);
        assert_eq!(bench.only(link).header.destination_list, [node(from.id)]);
    }
}

// R6940-6.3.2.2-12, R6940-6.3.2.2-13
#[test]
fn a_compact_id_does_not_lead_to_the_next_holder_of_its_slot() {
    let mut bench = bench(ListCompression::Compact);
    let (to, onward) = bench.linked(2);
    let (from, link) = bench.linked(1);
    let via = passed_on(&mut bench, (&from, link), (&to, onward), &[]);
    bench.down(link);
    // as many links as there are slots later, its slot has another holder
    let (other, mut current) = bench.linked(3);
    for _ in 0..4096 {
        passed_on(&mut bench, (&other, current), (&to, onward), &[]);
        bench.down(current);
        current = bench.accept(&other);
    }
    let draft = answer(&bench, &to, &via);
    bench.hear(onward, &to, &draft);
    assert!(bench.is_silent()); // 6.3.2.2
}

// R6940-6.1.2-06
#[test]
fn an_answer_that_takes_longer_than_the_reliability_timer_finds_its_way_back() {
    for lists in BOTH {
        let mut bench = bench(lists);
        let (from, link) = bench.linked(1);
        let (to, onward) = bench.linked(2);
        let via = passed_on(&mut bench, (&from, link), (&to, onward), &[far(77)]);
        let timer = bench.node.configuration().overlay_reliability_timer;
        bench.pass(timer * 3); // 6.1.2: at least once
        bench.sent.clear();
        let draft = answer(&bench, &to, &via);
        bench.hear(onward, &to, &draft);
        assert_eq!(bench.only(link).header.destination_list, [node(from.id), far(77)]);
    }
}

#[test]
fn a_forged_or_damaged_id_is_dropped_without_a_word() {
    let mut bench = bench(ListCompression::Sealed);
    let (from, link) = bench.linked(1);
    let (to, onward) = bench.linked(2);
    let via = passed_on(&mut bench, (&from, link), (&to, onward), &[far(77)]);
    let [Destination::Opaque(id)] = &via[..] else { panic!("{via:?}") };
    let mut forged = vec![Bytes::new(), id.slice(1..), Bytes::from_static(&[0x80, 0x00])];
    for at in 0..id.len() {
        let mut bytes = id.to_vec();
        bytes[at] ^= 1;
        forged.push(bytes.into());
    }
    for (count, id) in (1..).zip(forged) {
        let draft = answer(&bench, &to, &[Destination::Opaque(id)]);
        bench.hear(onward, &to, &draft);
        assert!(bench.is_silent());
        assert_eq!(bench.node.status(bench.now).counters.lists_refused, count);
    }
}

#[test]
fn an_id_of_another_process_is_dropped_without_a_word() {
    let mut one = bench(ListCompression::Sealed);
    let (from, link) = one.linked(1);
    let (to, onward) = one.linked(2);
    // a different key: one message more, drawn from the same seed, would not be another
    let via = passed_on(&mut one, (&from, link), (&to, onward), &[]);
    let mut other = Bench::make(Making { lists: ListCompression::Compact, ..Making::default() });
    let (_, _) = other.linked(1);
    let (to, onward) = other.linked(2);
    let draft = answer(&other, &to, &via);
    other.hear(onward, &to, &draft);
    assert!(other.is_silent());
}

#[test]
fn an_error_on_the_way_goes_back_by_the_list_that_came() {
    for lists in [ListCompression::Off, ListCompression::Sealed, ListCompression::Compact] {
        let overlay = Overlay::with(|configuration| configuration.max_message_size = 5000);
        let mut bench = Bench::make(Making { lists, overlay, ..Making::default() });
        let (from, link) = bench.linked(1);
        let (to, _) = bench.linked(2);
        let mut draft = from.ping(node(to.id));
        draft.header.via_list = vec![far(77)];
        let overhead = from.sign(&draft).len();
        draft.contents.body = vec![0; 5000 - overhead + draft.contents.body.len()].into();
        bench.hear(link, &from, &draft); // E57: the entry for this hop no longer fits
        let error = bench.only(link);
        assert_eq!(error.contents.code, MessageCode::ERROR);
        assert_eq!(error.header.destination_list, [node(from.id), far(77)], "{lists:?}");
    }
}

#[test]
fn a_request_that_was_compressed_for_a_dead_peer_is_answered_here_when_it_fell_to_this_one() {
    for lists in BOTH {
        let mut bench = bench(lists);
        let (from, link) = bench.linked(1);
        let (first, dead) = bench.linked(2);
        bench.desk.0.borrow_mut().mine = false;
        bench.desk.0.borrow_mut().next = Some(first.id);
        let resource = Destination::Resource(ResourceId::new(&[9; 16]).expect("16 bytes fit"));
        let mut draft = from.ping(resource);
        draft.header.via_list = vec![far(77)];
        bench.hear(link, &from, &draft);
        let (_, message) = bench.sent.pop_front().expect("it went to the first");
        bench.desk.0.borrow_mut().next = None;
        bench.desk.0.borrow_mut().mine = true;
        bench.fail(dead, vec![message]);
        let answer = bench.only(link);
        assert_eq!(answer.header.destination_list, [node(from.id), far(77)]);
    }
}

/// A ring of these nodes in which a client at one end asks through all settings.
fn every_node_reaches_every_other(settings: &[ListCompression]) {
    let mut network = Network::new();
    let share = u128::MAX / 16 * 15 / 4;
    for (number, lists) in (1..).zip(settings) {
        network.add_with(share * number, Role::Peer, true, *lists);
        network.pass(Duration::from_secs(20));
    }
    // clients with one link each: what they ask is passed on by the first peer
    let peers = network.places.len();
    for number in 0..2 {
        network.add_with(share / 2 + number, Role::Client, false, ListCompression::Off);
        network.pass(Duration::from_secs(20));
    }
    assert!(network.places.iter().all(|place| place.joined));
    for from in 0..network.places.len() {
        for to in 0..peers {
            let id = network.places[to].node.node_id();
            let target = ResourceId::new(id.as_bytes()).expect("16 bytes fit");
            for to in [Destination::Node(id), Destination::Resource(target)] {
                let request = Request::Ping { to: vec![to], padding: 0 };
                assert_eq!(network.ask(from, request).expect("it is there").from, id);
            }
        }
    }
    let status = network.places.iter().map(|place| place.node.status(network.now).counters);
    let compressed: u64 = status.clone().map(|counters| counters.lists_compressed).sum();
    let restored: u64 = status.clone().map(|counters| counters.lists_restored).sum();
    let refused: u64 = status.map(|counters| counters.lists_refused).sum();
    let expected = settings[0] != ListCompression::Off;
    assert_eq!((compressed > 0, restored > 0, refused), (expected, expected, 0), "{settings:?}");
}

// R6940-6.1.1-04, R6940-6.1.3-01
#[test]
fn three_nodes_with_mixed_settings_reach_each_other() {
    use ListCompression::{Compact, Off, Sealed};
    for settings in [[Sealed, Off, Off], [Compact, Sealed, Off], [Off, Off, Off]] {
        every_node_reaches_every_other(&settings);
    }
}

// R6940-6.1.2-05
#[test]
fn four_nodes_with_mixed_settings_reach_each_other() {
    use ListCompression::{Compact, Off, Sealed};
    for settings in [[Sealed, Off, Compact, Off], [Compact, Sealed, Sealed, Off]] {
        every_node_reaches_every_other(&settings);
    }
}

//! Resolving AORs, with values whose signatures are checked as the node does it.

use std::collections::BTreeMap;
use std::time::Duration;

use reload_node::{Reply, Request, RequestError};
use reload_wire::ModelSpecifier;

use super::*;

fn lookup_with(bed: &Bed, to: &str, limits: LookupLimits) -> SipLookup {
    SipLookup::new(Arc::clone(&bed.configuration), Arc::new(hash), limits, &uri(to)).unwrap()
}

fn lookup(bed: &Bed, to: &str) -> SipLookup {
    lookup_with(bed, to, LookupLimits::default())
}

/// Answers every Fetch from the bed, the later ones first; the result and how many there were.
fn play(bed: &Bed, mut lookup: SipLookup) -> (Resolution, usize) {
    let (mut waiting, mut fetches) = (Vec::new(), 0);
    loop {
        while let Some(output) = lookup.poll_output() {
            match output {
                LookupOutput::Request(id, Request::Fetch { resource, specifiers }) => {
                    assert_eq!(specifiers.len(), 1);
                    assert_eq!(specifiers[0].kind, KindId::SIP_REGISTRATION);
                    assert_eq!(specifiers[0].which, ModelSpecifier::Dictionary(Vec::new()));
                    waiting.push((id, resource));
                    fetches += 1;
                }
                LookupOutput::Finished(found) => return (found, fetches),
                other => panic!("{other:?}"),
            }
        }
        let (id, resource) = waiting.pop().expect("it asks or it ends");
        lookup.handle_finished(id, Ok(Reply::Fetched(bed.fetch(&resource))));
    }
}

fn resolve(bed: &Bed, to: &str) -> Resolution {
    play(bed, lookup(bed, to)).0
}

fn nodes(found: &Resolution) -> Vec<NodeId> {
    found.targets.iter().filter_map(SipTarget::node).collect()
}

// R7904-4.2-01, R7904-4.2-02, R7904-3.2-10, R7904-4.2-05
#[test]
fn all_devices_of_a_user_are_found_with_one_fetch_without_keys() {
    let mut bed = Bed::new();
    bed.register("bob@dht.example.org", 8, &preferring("(sip.schemes=SIPS)", 8));
    bed.register("bob@dht.example.org", 7, &route(7));
    let (found, fetches) = play(&bed, lookup(&bed, "sip:bob@dht.example.org"));
    assert_eq!((nodes(&found), fetches), (vec![node(7), node(8)], 1));
    let of_eight = &found.targets[1];
    assert_eq!(of_eight.prefs, ContactPrefs::only(Scheme::Sips));
    assert_eq!((of_eight.registrant, of_eight.lifetime), (Some(node(8)), Some(600)));
    assert_eq!(of_eight.aor, aor("bob@dht.example.org"));
}

// R7904-3.2-11, R7904-3.2-07, R7904-5.1-01
#[test]
fn a_device_may_forward_to_another_node_and_each_list_is_kept_as_it_is() {
    let mut bed = Bed::new();
    bed.register("bob@dht.example.org", 7, &route(8));
    let list = vec![Destination::Node(node(3)), Destination::compact(1)];
    let contact = SipContact::route(&ContactPrefs::none(), list.clone());
    bed.register("bob@dht.example.org", 9, contact.registration());
    let found = resolve(&bed, "bob@dht.example.org");
    assert_eq!(found.targets[0].destinations, [Destination::Node(node(8))]);
    assert_eq!(found.targets[0].registrant, Some(node(7)));
    assert_eq!(found.targets[1].destinations, list);
}

// R7904-4.2-03, R7904-3.1-04
#[test]
fn forwards_are_followed() {
    let mut bed = Bed::new();
    bed.register("alice@dht.example.org", 1, &forward("sip:bob@dht.example.org"));
    bed.register("bob@dht.example.org", 2, &forward("carol@dht.example.org"));
    bed.register("carol@dht.example.org", 3, &route(3));
    let (found, fetches) = play(&bed, lookup(&bed, "sip:alice@dht.example.org"));
    assert_eq!((nodes(&found), fetches), (vec![node(3)], 3));
    assert_eq!(found.targets[0].aor, aor("carol@dht.example.org"));
    let forwards = [
        (aor("alice@dht.example.org"), "bob@dht.example.org".to_owned()),
        (aor("bob@dht.example.org"), "carol@dht.example.org".to_owned()),
    ];
    assert_eq!(found.forwards, forwards);
}

// R7904-4.2-04
#[test]
fn what_is_found_twice_is_called_once() {
    let mut bed = Bed::new();
    bed.register("alice@dht.example.org", 1, &forward("bob@dht.example.org"));
    bed.register("alice@dht.example.org", 2, &forward("carol@dht.example.org"));
    bed.register("alice@dht.example.org", 3, &forward("sip:x@sip.example"));
    bed.register("alice@dht.example.org", 4, &forward("sips:x@SIP.example"));
    let gruu = Gruu::new(aor("bob@dht.example.org"), vec![Destination::Node(node(9))]).unwrap();
    bed.register("alice@dht.example.org", 5, &forward(&gruu.to_string()));
    bed.register("bob@dht.example.org", 6, &route(9));
    bed.register("carol@dht.example.org", 7, &route(9));
    let found = resolve(&bed, "alice@dht.example.org");
    assert_eq!((nodes(&found), found.external.len()), (vec![node(9)], 1));
}

// R7904-4.2-06, R7904-4.1-04
#[test]
fn external_addresses_are_handed_out_and_not_fetched() {
    let mut bed = Bed::new();
    bed.register("alice@dht.example.org", 1, &forward("sip:x@sip.example:5080"));
    let (found, fetches) = play(&bed, lookup(&bed, "sip:alice@dht.example.org"));
    assert_eq!((found.external.len(), fetches), (1, 1));
    assert_eq!((found.external[0].host(), found.external[0].port()), ("sip.example", Some(5080)));
    let (found, fetches) = play(&bed, lookup(&bed, "sip:user@sip.example"));
    assert_eq!((found.external, fetches), (vec![uri("sip:user@sip.example")], 0));
}

// R7904-4.1-01, R7904-6-02
#[test]
fn a_gruu_is_reached_without_a_fetch() {
    let bed = Bed::new();
    let gruu = Gruu::new(aor("bob@dht.example.org"), vec![Destination::Node(node(9))]).unwrap();
    let (found, fetches) = play(&bed, lookup(&bed, &gruu.to_uri(Scheme::Sip)));
    assert_eq!((nodes(&found), fetches), (vec![node(9)], 0));
    assert_eq!(found.targets[0], SipTarget::of_gruu(&gruu));
}

// R7904-4.1-05
#[test]
fn nobody_is_found_where_nothing_is_registered_or_nothing_answers() {
    let mut bed = Bed::new();
    let found = resolve(&bed, "sip:nobody@dht.example.org");
    assert!(found.is_empty() && found.failed.is_empty());
    let removed = bed.user("bob@dht.example.org", 7);
    bed.put_data("bob@dht.example.org", &removed, node(7), DataValue::absent());
    let found = resolve(&bed, "sip:bob@dht.example.org");
    assert!(found.is_empty() && found.skipped == 0);
    let mut lookup = lookup(&bed, "sip:bob@dht.example.org");
    let Some(LookupOutput::Request(id, _)) = lookup.poll_output() else { panic!("{lookup:?}") };
    assert!(lookup.poll_output().is_none());
    let error = RequestError::Timeout(Duration::from_secs(15));
    lookup.handle_finished(id, Err(error.clone()));
    lookup.handle_finished(id, Err(error.clone()));
    let Some(LookupOutput::Finished(found)) = lookup.poll_output() else { panic!("{lookup:?}") };
    assert_eq!(found.failed, [(aor("bob@dht.example.org"), error)]);
    assert!(lookup.poll_output().is_none());
}

// R7904-3.2-05
#[test]
fn registrations_of_a_type_that_is_not_known_are_stepped_over() {
    let mut bed = Bed::new();
    bed.register("bob@dht.example.org", 1, &route(1));
    bed.register("bob@dht.example.org", 2, &forward("carol@dht.example.org"));
    let future = SipRegistration::Unknown { kind: 7, data: Bytes::from_static(b"abc") };
    bed.register("bob@dht.example.org", 3, &future);
    bed.register("carol@dht.example.org", 4, &route(4));
    let found = resolve(&bed, "bob@dht.example.org");
    assert_eq!((nodes(&found), found.skipped), (vec![node(1), node(4)], 1));
}

// R7904-3.3-02, R7904-3.3-05, R7904-3.3-06
#[test]
fn what_its_signer_may_not_register_there_is_not_used() {
    let mut bed = Bed::new();
    let value = route(6).to_bytes().unwrap();
    let mallory = bed.user("mallory@dht.example.org", 6);
    bed.put("bob@dht.example.org", &mallory, node(6), &value);
    let bob = bed.user("bob@dht.example.org", 7);
    bed.put("bob@dht.example.org", &bob, node(8), &value);
    bed.put("bob@dht.example.org", &bob, node(7), &Bytes::from_static(b"\x02\x00\x00"));
    let found = resolve(&bed, "bob@dht.example.org");
    assert_eq!((found.is_empty(), found.skipped), (true, 3));
}

#[test]
fn preferences_that_cannot_be_understood_are_none() {
    let mut bed = Bed::new();
    let odd = SipRegistration::Route {
        contact_prefs: Bytes::from_static(b"((("),
        destination_list: vec![Destination::Node(node(7))],
    };
    bed.register("bob@dht.example.org", 7, &odd);
    assert_eq!(resolve(&bed, "bob@dht.example.org").targets[0].prefs, ContactPrefs::none());
}

#[test]
fn the_preferred_devices_come_first_and_the_others_in_order() {
    let mut bed = Bed::new();
    for (number, prefs) in [(1, "(a=b);q=0.2"), (2, ""), (3, "(a=b);q=0.9"), (4, "(a=b);q=1")] {
        bed.register("bob@dht.example.org", number, &preferring(prefs, number));
    }
    let found = resolve(&bed, "bob@dht.example.org");
    assert_eq!(nodes(&found), [node(2), node(4), node(3), node(1)]);
}

/// Everybody forwards to these.
fn forwards(bed: &mut Bed, from: usize, to: impl Iterator<Item = usize>) {
    for (number, to) in (1..).zip(to) {
        let (from, to) = (format!("u{from}@dht.example.org"), format!("u{to}@dht.example.org"));
        bed.register(&from, number, &forward(&to));
    }
}

// R7904-8.2.1-01
#[test]
fn a_loop_ends_and_is_counted() {
    let mut bed = Bed::new();
    forwards(&mut bed, 0, [1, 0].into_iter());
    forwards(&mut bed, 1, [2].into_iter());
    forwards(&mut bed, 2, [0].into_iter());
    let (found, fetches) = play(&bed, lookup(&bed, "u0@dht.example.org"));
    assert_eq!((fetches, found.loops, found.cut, found.is_empty()), (3, 2, false, true));
}

#[test]
fn two_devices_that_forward_to_the_same_user_are_no_circle() {
    let mut bed = Bed::new();
    forwards(&mut bed, 0, [1, 1].into_iter());
    let (found, fetches) = play(&bed, lookup(&bed, "u0@dht.example.org"));
    assert_eq!((fetches, found.loops, found.forwards.len(), found.is_empty()), (2, 0, 1, true));
}

// R7904-8.2.1-01
#[test]
fn forwards_in_a_row_are_bounded() {
    let mut bed = Bed::new();
    for number in 0..12 {
        forwards(&mut bed, number, std::iter::once(number + 1));
    }
    for (depth, expected) in [(0, 1), (3, 4), (8, 9)] {
        let limits = LookupLimits { depth, ..LookupLimits::default() };
        let (found, fetches) = play(&bed, lookup_with(&bed, "u0@dht.example.org", limits));
        assert_eq!((fetches, found.cut), (expected, true));
    }
}

// R7904-8.2.1-01
#[test]
fn targets_and_fetches_are_bounded_and_the_cut_is_told() {
    let mut bed = Bed::new();
    for user in 0..10 {
        forwards(&mut bed, user, user * 10 + 1..user * 10 + 11);
    }
    let (found, fetches) = play(&bed, lookup(&bed, "u0@dht.example.org"));
    assert_eq!((fetches, found.cut, found.forwards.len()), (32, true, 32));
    let mut bed = Bed::new();
    for number in 1..=200 {
        bed.register("bob@dht.example.org", number, &route(number));
    }
    let found = resolve(&bed, "bob@dht.example.org");
    assert_eq!((found.targets.len(), found.cut), (32, true));
}

#[test]
fn the_order_of_the_answers_does_not_matter() {
    let mut bed = Bed::new();
    forwards(&mut bed, 0, [1, 2, 3].into_iter());
    for user in 1..4 {
        bed.register(&format!("u{user}@dht.example.org"), 1, &route(10 + user));
        forwards(&mut bed, usize::try_from(user).unwrap(), std::iter::once(3));
    }
    let backwards = resolve(&bed, "u0@dht.example.org");
    let mut lookup = lookup(&bed, "u0@dht.example.org");
    let mut resources = BTreeMap::new();
    let forwards = loop {
        match lookup.poll_output() {
            Some(LookupOutput::Request(id, Request::Fetch { resource, .. })) => {
                resources.insert(id, resource);
            }
            Some(LookupOutput::Finished(found)) => break found,
            Some(other) => panic!("{other:?}"),
            None => {
                let (id, resource) = resources.pop_first().expect("it asks or it ends");
                lookup.handle_finished(id, Ok(Reply::Fetched(bed.fetch(&resource))));
            }
        }
    };
    assert_eq!(forwards, backwards);
    assert_eq!(nodes(&forwards), [node(11), node(12), node(13)]);
}

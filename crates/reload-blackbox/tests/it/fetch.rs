//! Fetch, Stat and Find (sections 7.4.2 to 7.4.4).

use anyhow::{Result, ensure};
use bytes::Bytes;
use reload_blackbox::Expect::{self, Error};
use reload_blackbox::{Answer, Draft, Row, World};
use reload_wire::{
    ErrorCode, FetchReq, FindAns, FindReq, KindId, MessageCode, ResourceId, StatReq,
    StoredDataSpecifier,
};

use crate::store::{ARRAY, DICTIONARY, SINGLE, UNKNOWN, kinds};

const INVALID: Expect = Error(ErrorCode::INVALID_MESSAGE);
const UNKNOWN_KIND: Expect = Error(ErrorCode::UNKNOWN_KIND);
const NOT_FOUND: Expect = Error(ErrorCode::NOT_FOUND);
const TOO_LARGE: Expect = Error(ErrorCode::RESPONSE_TOO_LARGE);

fn specifier((kind, raw): &(KindId, &'static [u8])) -> StoredDataSpecifier {
    StoredDataSpecifier { kind: *kind, generation: 0, model_specifier: Bytes::from_static(raw) }
}

fn fetch_of(world: &World, specifiers: &[(KindId, &'static [u8])]) -> Draft {
    let resource = world.resource_of(&world.carol);
    let specifiers = specifiers.iter().map(specifier).collect();
    world.request(MessageCode::FETCH_REQUEST, &FetchReq { resource, specifiers })
}

fn stat_of(world: &World, specifiers: &[(KindId, &'static [u8])]) -> Draft {
    let resource = world.resource_of(&world.carol);
    let specifiers = specifiers.iter().map(specifier).collect();
    world.request(MessageCode::STAT_REQUEST, &StatReq { resource, specifiers })
}

/// A good Fetch.
pub(crate) fn fetch(world: &World) -> Draft {
    fetch_of(world, &[(SINGLE, b"")])
}

/// A good Fetch of one key of carol's dictionary.
pub(crate) fn fetch_key(world: &World, key: &[u8]) -> Draft {
    let resource = world.resource_of(&world.carol);
    let key = u16::try_from(key.len())
        .unwrap()
        .to_be_bytes()
        .iter()
        .chain(key)
        .copied()
        .collect::<Vec<_>>();
    let keys = [&u16::try_from(key.len()).unwrap().to_be_bytes()[..], &key].concat();
    let specifier =
        StoredDataSpecifier { kind: DICTIONARY, generation: 0, model_specifier: keys.into() };
    world.request(MessageCode::FETCH_REQUEST, &FetchReq { resource, specifiers: vec![specifier] })
}

/// A good Stat.
pub(crate) fn stat(world: &World) -> Draft {
    stat_of(world, &[(SINGLE, b"")])
}

fn find(world: &World, resource: ResourceId, kinds: &[KindId]) -> Draft {
    world.request(MessageCode::FIND_REQUEST, &FindReq { resource, kinds: kinds.to_vec() })
}

fn find_mine(world: &World, kinds: &[KindId]) -> Draft {
    find(world, world.resource_of(&world.carol), kinds)
}

/// One kind twice, which no encoder writes.
fn find_twice(world: &World) -> Draft {
    find_mine(world, &[ARRAY, SINGLE]).body(|body| {
        let second = body.len() - 4;
        let first = second - 4;
        body.copy_within(second.., first);
    })
}

/// Nothing is near (E60, E61).
fn nothing(_: &World, answer: &Answer) -> Result<()> {
    let answer: FindAns = answer.decode()?;
    let zero = answer.results.iter().all(|found| found.resource().is_none());
    ensure!(zero && answer.results.len() == 1, "it says {answer:?}");
    Ok(())
}

/// Ranges 5..3; 0..4 and 3..6; 0..2 and 2..2.
const BACKWARD: &[u8] = b"\x00\x08\x00\x00\x00\x05\x00\x00\x00\x03";
const OVERLAP: &[u8] = b"\x00\x10\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x00\x06";
const TOUCH: &[u8] = b"\x00\x10\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x02";
const SHORT: &[u8] = b"\x00\x04\x00\x00\x00\x00";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row::new("nothing wrong", Expect::Answer, fetch),
    // R6940-7.4.2.1-04, R6940-7.4.1.2-07
    Row::new("Fetch of an unknown kind", UNKNOWN_KIND, |w| fetch_of(w, &[(UNKNOWN[0], b"")]))
        .check(|_, answer| kinds(answer, &UNKNOWN[..1])),
    Row::new("Fetch of two unknown kinds among others", UNKNOWN_KIND, |w| {
        fetch_of(w, &[(UNKNOWN[0], b""), (SINGLE, b""), (UNKNOWN[1], b"")])
    }).check(|_, answer| kinds(answer, &UNKNOWN)),
    // R6940-7.4.2.1-06
    Row::new("Fetch of a range that ends before it begins", INVALID, |w| fetch_of(w, &[(ARRAY, BACKWARD)])),
    // R6940-7.4.2.1-08
    Row::new("Fetch of ranges that overlap", INVALID, |w| fetch_of(w, &[(ARRAY, OVERLAP)])),
    Row::new("Fetch of ranges that share an end", INVALID, |w| fetch_of(w, &[(ARRAY, TOUCH)])),
    Row::new("Fetch of half a range", INVALID, |w| fetch_of(w, &[(ARRAY, SHORT)])),
    Row::new("Fetch of an array without ranges' length", INVALID, |w| fetch_of(w, &[(ARRAY, b"")])),
    Row::new("Fetch of a single value with a range", INVALID, |w| fetch_of(w, &[(SINGLE, OVERLAP)])),
    Row::new("Fetch of a key longer than its list", INVALID, |w| {
        fetch_of(w, &[(DICTIONARY, b"\x00\x03\x00\x09k")])
    }),
    Row::new("Fetch with a small max_response_length", TOO_LARGE, |w| {
        fetch(w).header(|header| header.max_response_length = 100)
    }),
    Row::new("Stat of an unknown kind", UNKNOWN_KIND, |w| stat_of(w, &[(UNKNOWN[0], b"")]))
        .check(|_, answer| kinds(answer, &UNKNOWN[..1])),
    Row::new("Stat of a range that ends before it begins", INVALID, |w| stat_of(w, &[(ARRAY, BACKWARD)])),
    Row::new("Stat of ranges that overlap", INVALID, |w| stat_of(w, &[(ARRAY, OVERLAP)])),
    Row::new("Stat of a single value with a range", INVALID, |w| stat_of(w, &[(SINGLE, OVERLAP)])),
    Row::new("Stat with a small max_response_length", TOO_LARGE, |w| {
        stat(w).header(|header| header.max_response_length = 100)
    }),
    // R6940-7.4.4.1-03
    Row::new("Find of one kind twice", INVALID, find_twice),
    // R6940-7.4.4.2-05
    Row::new("Find of an unknown kind", Expect::Answer, |w| find_mine(w, &UNKNOWN[..1])).check(nothing),
    Row::new("Find at a resource of bob", NOT_FOUND, |w| find(w, w.resource_of(&w.dave), &[SINGLE])),
];

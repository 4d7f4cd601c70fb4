//! The rules of the certificate store, one a test.

use std::time::{Duration, Instant};

use reload_wire::{StoreAns, UnixTime};

use super::*;
use reload_node::Place;

#[allow(clippy::disallowed_methods, reason = "a test needs some moment to begin with")]
fn start() -> Now {
    Now { mono: Instant::now(), wall: UnixTime::from_secs(1_000_000) }
}

fn hash(byte: u8) -> ResourceId {
    ResourceId::new(&[byte; 16]).unwrap()
}

fn usage(now: Now) -> CertificateStore {
    let places = [(KindId::CERTIFICATE_BY_NODE, hash(1)), (KindId::CERTIFICATE_BY_USER, hash(2))];
    CertificateStore::at_places(now, Bytes::from_static(b"der"), places.into_iter())
}

fn nothing_there() -> Option<Reply> {
    Some(Reply::Fetched(Vec::new()))
}

fn stored() -> Option<Reply> {
    Some(Reply::Stored(StoreAns { kind_responses: Vec::new() }))
}

fn all_requests(usage: &mut CertificateStore, now: Now) -> Vec<(EntryId, Request)> {
    std::iter::from_fn(|| usage.poll_request(now)).collect()
}

// R6940-8-01, R6940-8-03, R6940-11.3.1-06
#[test]
fn looks_before_it_stores_under_both_names() {
    let now = start();
    let mut usage = usage(now);
    let looks = all_requests(&mut usage, now);
    assert_eq!(looks.len(), 2);
    for ((entry, request), place) in looks.into_iter().zip([hash(1), hash(2)]) {
        assert!(matches!(request, Request::Fetch { resource, .. } if resource == place));
        usage.handle_finished(now, entry, nothing_there());
    }
    let stores = all_requests(&mut usage, now);
    assert_eq!(stores.len(), 2);
    for (_, request) in stores {
        let Request::Store { values, .. } = request else { panic!("not a Store: {request:?}") };
        assert_eq!(values[0].place, Place::Index(u32::MAX), "appended (section 8)");
        assert_eq!(values[0].value.value, Bytes::from_static(b"der"));
    }
}

#[test]
fn looks_again_before_the_lifetime_ends() {
    let now = start();
    let mut usage = usage(now);
    for reply in [nothing_there, stored] {
        for (entry, _) in all_requests(&mut usage, now) {
            usage.handle_finished(now, entry, reply());
        }
    }
    let lifetime = Duration::from_secs(u64::from(LIFETIME));
    let wakeup = usage.wakeup().unwrap();
    assert!(wakeup > now.mono && wakeup < now.mono + lifetime);
    assert!(usage.status().iter().all(|entry| entry.state == StoreState::Stored));
    assert!(all_requests(&mut usage, now).is_empty());
    let later = now.after(wakeup - now.mono);
    assert_eq!(all_requests(&mut usage, later).len(), 2);
}

#[test]
fn waits_longer_after_each_failure() {
    let mut now = start();
    let mut usage = usage(now);
    let mut last = Duration::ZERO;
    for _ in 0..12 {
        for (entry, _) in all_requests(&mut usage, now) {
            usage.handle_finished(now, entry, None);
        }
        let wait = usage.wakeup().unwrap() - now.mono;
        assert!(wait >= last && wait <= Duration::from_secs(600), "{wait:?}");
        last = wait;
        now = now.after(wait);
    }
    assert_eq!(last, Duration::from_secs(600));
    assert!(usage.status().iter().all(|entry| entry.state == StoreState::Failed));
}

#[test]
fn a_failed_store_begins_again_with_a_look() {
    let now = start();
    let mut usage = usage(now);
    let (entry, _) = usage.poll_request(now).unwrap();
    usage.handle_finished(now, entry, nothing_there());
    let (entry, _) = usage.poll_request(now).unwrap();
    usage.handle_finished(now, entry, None);
    let later = now.after(Duration::from_secs(5));
    let requests = all_requests(&mut usage, later);
    assert!(requests.iter().all(|(_, request)| matches!(request, Request::Fetch { .. })));
}

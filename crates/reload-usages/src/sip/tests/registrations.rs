//! The registration of a node's own user.

use std::time::Duration;

use reload_node::{NewValue, Place, Reply, Request, RequestError};
use reload_wire::{Decode, Dialect, ErrorCode, ModelSpecifier, StoreAns};

use super::*;

const USER: &str = "alice@dht.example.org";

fn registering(now: Now) -> SipRegistering {
    SipRegistering::of_aor(now, &configuration(), aor(USER), node(7), hash)
}

fn here() -> SipContact {
    SipContact::node(&ContactPrefs::none(), node(7))
}

fn stored() -> Result<Reply, RequestError> {
    Ok(Reply::Stored(StoreAns { kind_responses: Vec::new() }))
}

fn refused(code: ErrorCode) -> Result<Reply, RequestError> {
    let (text, info, from) = (String::new(), Bytes::new(), node(1));
    Err(RequestError::Refused { code, text, info, from })
}

fn timeout() -> Result<Reply, RequestError> {
    Err(RequestError::Timeout(Duration::from_secs(15)))
}

fn outputs(usage: &mut SipRegistering, now: Now) -> Vec<RegisterOutput> {
    std::iter::from_fn(|| usage.poll_output(now)).collect()
}

/// The one request that is due.
fn request(usage: &mut SipRegistering, now: Now) -> (RegisterRequestId, Request) {
    let outputs = outputs(usage, now);
    match <[_; 1]>::try_from(outputs) {
        Ok([RegisterOutput::Request(id, request)]) => (id, request),
        other => panic!("{other:?}"),
    }
}

/// The one Store that is due.
fn store(usage: &mut SipRegistering, now: Now) -> (RegisterRequestId, ResourceId, NewValue) {
    match request(usage, now) {
        (id, Request::Store { resource, values }) => match <[_; 1]>::try_from(values) {
            Ok([value]) => (id, resource, value),
            Err(values) => panic!("{values:?}"),
        },
        (_, other) => panic!("{other:?}"),
    }
}

fn store_well(usage: &mut SipRegistering, now: Now) -> NewValue {
    let (id, _, value) = store(usage, now);
    usage.handle_finished(now, id, stored());
    value
}

fn finished(usage: &mut SipRegistering, now: Now) -> Vec<(RegisterId, Result<u32, RegisterError>)> {
    let finished = |output| match output {
        RegisterOutput::Finished(id, result) => Some((id, result)),
        _ => None,
    };
    outputs(usage, now).into_iter().filter_map(finished).collect()
}

// R7904-3.1-01, R7904-3.1-02, R7904-3.2-07, R7904-3.3-02
#[test]
fn a_registration_is_stored_at_the_hash_of_the_aor_under_the_node_id_for_the_sip_expires() {
    let now = start();
    let mut usage = registering(now);
    let id = usage.handle_register(now, &here(), 120).unwrap();
    let (request, resource, value) = store(&mut usage, now);
    assert_eq!(resource, hash(USER.as_bytes()));
    assert_eq!((value.kind, value.kind.0, value.lifetime), (KindId::SIP_REGISTRATION, 1, 120));
    assert_eq!(value.place, Place::Key(Bytes::copy_from_slice(node(7).as_bytes())));
    let found = SipRegistration::decode_exact(&Dialect::default(), &value.value.value).unwrap();
    assert_eq!((value.value.exists, found), (true, route(7)));
    usage.handle_finished(now, request, stored());
    assert_eq!(finished(&mut usage, now), [(id, Ok(120))]);
}

// R7904-3.1-04, R7904-3.2-06, R7904-3.2-11
#[test]
fn another_aor_or_another_node_may_be_registered() {
    let now = start();
    let mut usage = registering(now);
    for (text, bare) in [
        ("sip:sam@dht.example.org", "sam@dht.example.org"),
        ("sips:s%61m@DHT.example.org", "sam@dht.example.org"),
        ("sip:x@sip.example:5080", "x@sip.example:5080"),
        (
            "sip:b@dht.example.org;gr=ARABI0VniavN7wEjRWeJq83v",
            "b@dht.example.org;gr=ARABI0VniavN7wEjRWeJq83v",
        ),
    ] {
        usage.handle_register(now, &SipContact::forward(text).unwrap(), 60).unwrap();
        let value = store_well(&mut usage, now).value.value;
        let expected = SipRegistration::Uri(Bytes::copy_from_slice(bare.as_bytes()));
        assert_eq!(SipRegistration::decode_exact(&Dialect::default(), &value), Ok(expected));
        outputs(&mut usage, now);
    }
    let other = SipContact::node(&ContactPrefs::only(Scheme::Sips), node(8));
    usage.handle_register(now, &other, 60).unwrap();
    let value = store_well(&mut usage, now);
    assert_eq!(value.place, Place::Key(Bytes::copy_from_slice(node(7).as_bytes())));
    let expected = preferring("(sip.schemes=SIPS)", 8);
    assert_eq!(
        SipRegistration::decode_exact(&Dialect::default(), &value.value.value),
        Ok(expected)
    );
    assert!(SipContact::forward("sip:dht.example.org").is_err());
}

// R7904-3.3-03, R7904-3.3-01
#[test]
fn nothing_is_sent_for_a_domain_that_the_overlay_does_not_take() {
    let now = start();
    let other = restricted(Some(patterns(&["other.example"])));
    let mut usage = SipRegistering::of_aor(now, &other, aor(USER), node(7), hash);
    let error = RegisterError::Domain(aor(USER));
    assert_eq!(usage.handle_register(now, &here(), 60), Err(error.clone()));
    assert_eq!(usage.handle_unregister(now), Err(error.clone()));
    assert!(outputs(&mut usage, now).is_empty());
    usage.handle_configuration(&configuration());
    usage.handle_register(now, &here(), 60).unwrap();
    store_well(&mut usage, now);
    outputs(&mut usage, now);
    usage.handle_configuration(&other);
    assert!(matches!(&outputs(&mut usage, now)[..], [RegisterOutput::Ended(it)] if *it == error));
    assert_eq!(usage.wakeup(), None);
}

#[test]
fn the_kind_has_to_be_there_and_the_certificate_must_name_a_user() {
    let now = start();
    let mut builder = ConfigurationBuilder::new_overlay(OVERLAY);
    builder.kinds.clear();
    let without = builder.to_configuration().unwrap();
    let mut usage = SipRegistering::of_aor(now, &without, aor(USER), node(7), hash);
    assert_eq!(usage.handle_register(now, &here(), 60), Err(RegisterError::NoKind));
    let bed = Bed::new();
    let of = |user| {
        let credentials = Credentials::simulate(node(7), user, &bed.trust).unwrap();
        SipRegistering::new(now, &bed.configuration, credentials.certificate(), node(7), hash)
            .map(|usage| usage.aor().to_string())
    };
    assert_eq!(of(Some(USER)).as_deref(), Ok(USER));
    assert_eq!(of(None), Err(RegisterError::NoUser));
    assert_eq!(
        of(Some("alice@DHT.example.org")),
        Err(RegisterError::UserName(AorError::NotCanonical))
    );
}

// R7904-7-04
#[test]
fn registrations_that_come_while_one_is_stored_are_stored_as_one() {
    let now = start();
    let mut usage = registering(now);
    let first = usage.handle_register(now, &here(), 60).unwrap();
    let (request, _, value) = store(&mut usage, now);
    let rest: Vec<_> = (0..5).map(|_| usage.handle_register(now, &here(), 90).unwrap()).collect();
    assert!(outputs(&mut usage, now).is_empty());
    usage.handle_finished(now, request, stored());
    let mut outputs = outputs(&mut usage, now);
    assert!(matches!(outputs[0], RegisterOutput::Finished(id, Ok(60)) if id == first));
    let Some(RegisterOutput::Request(request, Request::Store { values, .. })) = outputs.pop()
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((values[0].lifetime, &values[0].place), (90, &value.place));
    assert!(values[0].storage_time > value.storage_time);
    usage.handle_finished(now, request, stored());
    let expected: Vec<_> = rest.into_iter().map(|id| (id, Ok(90))).collect();
    assert_eq!(finished(&mut usage, now), expected);
}

#[test]
fn each_store_has_a_later_time_even_when_the_clock_stands_or_goes_back() {
    let mut now = start();
    let mut usage = registering(now);
    let mut last = UnixTime(0);
    for step in 0..100 {
        usage.handle_register(now, &here(), 60).unwrap();
        let time = store_well(&mut usage, now).storage_time.unwrap();
        outputs(&mut usage, now);
        assert!(time > last && time >= now.wall);
        last = time;
        if step == 50 {
            now.wall = UnixTime::from_secs(1_700_000_000);
        }
    }
}

#[test]
fn too_many_registers_at_a_time_are_refused() {
    let now = start();
    let mut usage = registering(now);
    for _ in 0..256 {
        usage.handle_register(now, &here(), 60).unwrap();
    }
    assert_eq!(usage.handle_register(now, &here(), 60), Err(RegisterError::Busy));
    store_well(&mut usage, now);
    assert_eq!(finished(&mut usage, now).len(), 256);
}

// R7904-3.1-02
#[test]
fn what_a_phone_does_not_refresh_ends_with_its_expires() {
    let now = start();
    let mut usage = registering(now);
    usage.handle_register(now, &here(), 120).unwrap();
    store_well(&mut usage, now);
    outputs(&mut usage, now);
    assert_eq!(usage.wakeup(), Some(now.mono + Duration::from_secs(120)));
    let later = now.after(Duration::from_secs(119));
    assert!(outputs(&mut usage, later).is_empty());
    let later = now.after(Duration::from_secs(120));
    let ended = outputs(&mut usage, later);
    assert!(matches!(ended[..], [RegisterOutput::Ended(RegisterError::Expired)]), "{ended:?}");
    assert_eq!((usage.wakeup(), usage.state(later).record), (None, None));
}

#[test]
fn what_is_kept_is_stored_again_before_it_ends_until_it_is_removed() {
    let mut now = start();
    let mut usage = registering(now);
    usage.handle_keep(now, &SipContact::forward("sam@dht.example.org").unwrap(), 600).unwrap();
    for _ in 0..5 {
        assert_eq!(store_well(&mut usage, now).lifetime, 600);
        outputs(&mut usage, now);
        let wait = usage.wakeup().unwrap() - now.mono;
        assert!(wait > Duration::ZERO && wait < Duration::from_secs(600));
        now = now.after(wait);
    }
    usage.handle_unregister(now).unwrap();
    assert!(!store_well(&mut usage, now).value.exists);
    outputs(&mut usage, now);
    assert_eq!(usage.wakeup(), None);
}

#[test]
fn a_removal_stores_that_there_is_nothing_for_as_long_as_what_it_removes() {
    let now = start();
    let mut usage = registering(now);
    usage.handle_register(now, &here(), 900).unwrap();
    let there = store_well(&mut usage, now);
    outputs(&mut usage, now);
    let id = usage.handle_register(now, &here(), 0).unwrap();
    let (request, resource, value) = store(&mut usage, now);
    assert_eq!((resource, &value.place), (hash(USER.as_bytes()), &there.place));
    assert_eq!((value.value, value.lifetime), (DataValue::absent(), 900));
    assert!(value.storage_time > there.storage_time);
    usage.handle_finished(now, request, stored());
    assert_eq!(finished(&mut usage, now), [(id, Ok(0))]);
    assert_eq!(usage.wakeup(), None);
    usage.handle_unregister(now).unwrap();
    assert!(!store_well(&mut usage, now).value.exists, "what an earlier run left is removed too");
}

#[test]
fn a_store_that_fails_is_reported_and_tried_again_ever_later_until_the_end() {
    let mut now = start();
    let mut usage = registering(now);
    let id = usage.handle_register(now, &here(), 3600).unwrap();
    let (mut last, mut tries) = (Duration::ZERO, 0);
    loop {
        let all = outputs(&mut usage, now);
        let request = all.iter().find_map(|output| match output {
            RegisterOutput::Request(id, Request::Store { values, .. }) => {
                Some((*id, values[0].lifetime))
            }
            _ => None,
        });
        let Some((request, lifetime)) = request else {
            assert!(matches!(all[..], [RegisterOutput::Ended(RegisterError::Expired)]), "{all:?}");
            break;
        };
        tries += 1;
        assert!(lifetime > 0 && lifetime <= 3600 - u32::try_from(last.as_secs()).unwrap() + 1);
        usage.handle_finished(now, request, timeout());
        if tries == 1 {
            let error = RegisterError::Request(RequestError::Timeout(Duration::from_secs(15)));
            assert_eq!(finished(&mut usage, now), [(id, Err(error))]);
        }
        let wait = usage.wakeup().unwrap() - now.mono;
        assert!(wait <= Duration::from_secs(300), "{wait:?}");
        now = now.after(wait);
        last = wait;
    }
    assert!(tries > 10, "{tries}");
}

#[test]
fn what_is_forbidden_is_not_tried_again() {
    let now = start();
    let mut usage = registering(now);
    usage.handle_register(now, &here(), 3600).unwrap();
    let (request, ..) = store(&mut usage, now);
    usage.handle_finished(now, request, refused(ErrorCode::FORBIDDEN));
    assert!(finished(&mut usage, now)[0].1.is_err());
    assert_eq!((usage.wakeup(), usage.state(now).record), (None, None));
}

#[test]
fn a_value_that_is_newer_than_ours_is_looked_at_and_overtaken() {
    let now = start();
    let mut bed = Bed::new();
    bed.now = now.after(Duration::from_secs(5000));
    bed.register(USER, 7, &route(7));
    bed.register(USER, 9, &route(9));
    let mut usage = registering(now);
    let id = usage.handle_register(now, &here(), 60).unwrap();
    let (first, resource, _) = store(&mut usage, now);
    usage.handle_finished(now, first, refused(ErrorCode::DATA_TOO_OLD));
    let (look, fetch) = request(&mut usage, now);
    let key = Bytes::copy_from_slice(node(7).as_bytes());
    assert!(matches!(&fetch, Request::Fetch { specifiers, .. }
        if specifiers[0].which == ModelSpecifier::Dictionary(vec![key.clone()])));
    usage.handle_finished(now, look, Ok(Reply::Fetched(bed.fetch(&resource))));
    let (second, _, value) = store(&mut usage, now);
    assert_eq!(value.storage_time, Some(UnixTime(bed.now.wall.0 + 1)));
    usage.handle_finished(now, first, timeout()); // late, and of no matter
    usage.handle_finished(now, second, stored());
    assert_eq!(finished(&mut usage, now), [(id, Ok(60))]);
}

#[test]
fn a_second_refusal_as_too_old_is_a_failure() {
    let now = start();
    let mut usage = registering(now);
    usage.handle_register(now, &here(), 60).unwrap();
    let (first, ..) = store(&mut usage, now);
    usage.handle_finished(now, first, refused(ErrorCode::DATA_TOO_OLD));
    let (look, _) = request(&mut usage, now);
    usage.handle_finished(now, look, timeout());
    let (second, ..) = store(&mut usage, now);
    usage.handle_finished(now, second, refused(ErrorCode::DATA_TOO_OLD));
    assert!(finished(&mut usage, now)[0].1.is_err());
    assert!(usage.wakeup().unwrap() > now.mono);
}

#[test]
fn after_a_restart_what_has_not_expired_is_stored_again_with_a_later_time() {
    let now = start();
    let mut usage = registering(now);
    usage.handle_register(now, &here(), 600).unwrap();
    let before = store_well(&mut usage, now);
    let state = usage.state(now);
    let mut later = now.after(Duration::from_secs(200));
    let mut usage = registering(later);
    usage.handle_restart(later, &state);
    let again = store_well(&mut usage, later);
    assert_eq!((&again.value, again.lifetime), (&before.value, 400));
    assert!(again.storage_time > before.storage_time);
    later = now.after(Duration::from_secs(601));
    let mut usage = registering(later);
    usage.handle_restart(later, &state);
    assert!(outputs(&mut usage, later).is_empty());
    let mut back = now;
    back.wall = UnixTime::from_secs(1_000_000);
    let mut usage = registering(back);
    usage.handle_restart(back, &state);
    let value = store_well(&mut usage, back);
    assert_eq!(value.lifetime, 600, "a clock that goes back does not lengthen it");
    assert!(value.storage_time > before.storage_time);
}

#[test]
fn after_a_restart_what_is_kept_goes_on_and_a_removal_is_finished() {
    let now = start();
    let mut usage = registering(now);
    usage.handle_keep(now, &here(), 60).unwrap();
    store_well(&mut usage, now);
    let kept = usage.state(now);
    usage.handle_unregister(now).unwrap();
    let removing = usage.state(now);
    let later = now.after(Duration::from_secs(7000));
    let mut usage = registering(later);
    usage.handle_restart(later, &kept);
    assert_eq!(store_well(&mut usage, later).lifetime, 60);
    let soon = now.after(Duration::from_secs(10));
    let mut usage = registering(soon);
    usage.handle_restart(soon, &removing);
    assert!(!store_well(&mut usage, soon).value.exists);
}

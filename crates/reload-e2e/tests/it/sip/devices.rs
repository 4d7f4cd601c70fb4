//! Users with several phones, and calls that are sent on.

use std::time::Duration;

use reload_e2e::phones::Baresip;

use super::calls::{HIGH, LOW, check_sound, talk};
use super::village::{ALICE, BOB, CAROL, SOON, Village};

/// The third tone.
const HIGHEST: u32 = 880;

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn all_devices_of_a_user_ring_one_answers_and_the_others_stop() {
    let mut village = Village::found("devices", &[]);
    let second = village.add_device("bob-2", "bob");
    let another = |place, hertz| village.plug_in(village.account("bob", place), hertz);
    // Two at one peer, one at another.
    let (alice, bob) = (village.phone(ALICE, LOW), village.phone(BOB, HIGH));
    let (beside, far) = (another(BOB, HIGHEST), another(second, HIGHEST));
    let (Some(mut alice), Some(mut bob), Some(mut beside), Some(mut far)) =
        (alice, bob, beside, far)
    else {
        return;
    };
    beside.registered(SOON).unwrap();
    far.registered(SOON).unwrap();

    for answering in 0..3 {
        alice.dial(&village.uri("bob")).unwrap();
        let mut phones = [&mut bob, &mut beside, &mut far];
        for phone in &mut phones {
            assert_eq!(phone.rings(SOON).unwrap(), village.uri("alice"));
        }
        phones[answering].accept().unwrap();
        alice.established(SOON).unwrap();
        for (place, phone) in phones.iter_mut().enumerate() {
            if place == answering {
                phone.established(SOON).unwrap();
            } else {
                phone.closed(SOON).unwrap();
            }
        }
        phones[answering].hang_up().unwrap();
        alice.closed(SOON).unwrap();
    }

    // Busy at one, and nobody at home at another: the caller goes on ringing until all have refused.
    alice.dial(&village.uri("bob")).unwrap();
    for phone in [&mut bob, &mut beside, &mut far] {
        phone.rings(SOON).unwrap();
    }
    bob.hang_up().unwrap();
    beside.hang_up().unwrap();
    far.hang_up().unwrap();
    let reason = alice.closed(SOON).unwrap();
    assert!(reason.starts_with("486 "), "{reason}");

    // The caller gives up: all stop.
    alice.dial(&village.uri("bob")).unwrap();
    for phone in [&mut bob, &mut beside, &mut far] {
        phone.rings(SOON).unwrap();
    }
    alice.hang_up().unwrap();
    for phone in [&mut bob, &mut beside, &mut far] {
        phone.closed(SOON).unwrap();
    }
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn a_call_is_forwarded_to_a_third_user_until_the_forward_is_off() {
    let village = Village::found("forward", &[]);
    let (alice, bob) = (village.phone(ALICE, LOW), village.phone(BOB, HIGH));
    let (Some(mut alice), Some(mut bob), Some(mut carol)) =
        (alice, bob, village.phone(CAROL, HIGHEST))
    else {
        return;
    };
    let peer = village.overlay.peer(BOB);
    peer.command(&["sip", "forward", &village.aor("bob"), &village.aor("carol")]).unwrap();
    alice.dial(&village.uri("bob")).unwrap();
    assert_eq!(carol.rings(SOON).unwrap(), village.uri("alice"));
    carol.accept().unwrap();
    talk(&mut alice, &mut carol);
    carol.hang_up().unwrap();
    alice.closed(SOON).unwrap();
    check_sound(&alice, HIGHEST, LOW);
    check_sound(&carol, LOW, HIGHEST);
    assert!(!has_rung(&mut bob), "bob has rung: {:?}", bob.seen());

    peer.command(&["sip", "forward", &village.aor("bob"), "--off"]).unwrap();
    alice.dial(&village.uri("bob")).unwrap();
    bob.rings(SOON).unwrap();
    alice.hang_up().unwrap();
    bob.closed(SOON).unwrap();
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn forwards_in_a_circle_end_with_a_refusal() {
    let village = Village::found("circle", &[]);
    let Some(mut alice) = village.phone(ALICE, LOW) else { return };
    for (place, from, to) in [(BOB, "bob", "carol"), (CAROL, "carol", "bob")] {
        let (from, to) = (village.aor(from), village.aor(to));
        village.overlay.peer(place).command(&["sip", "forward", &from, &to]).unwrap();
    }
    alice.dial(&village.uri("bob")).unwrap();
    let reason = alice.closed(SOON).unwrap();
    let code = reason.split(' ').next().unwrap();
    assert!(["404", "480", "482", "483"].contains(&code), "{reason}");
    // The proxy serves on.
    alice.dial(&village.uri("nobody")).unwrap();
    assert!(alice.closed(Duration::from_secs(20)).unwrap().starts_with("404 "));
}

fn has_rung(phone: &mut Baresip) -> bool {
    phone.seen().iter().any(|event| event.starts_with("CALL_INCOMING"))
}

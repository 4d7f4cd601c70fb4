//! Calls between two phones, and what else two phones do.

use std::time::Duration;

use reload_e2e::phones::Baresip;
use reload_e2e::until;

use super::village::{ALICE, BOB, CAROL, SOON, Village};

/// How much of a call has to be heard.
pub(super) const MOST: Duration = Duration::from_secs(5);

/// People talk until they have heard a bit more.
const TALK: Duration = Duration::from_millis(5500);

/// They wait no longer for it: a relay has to be found first.
const PATIENCE: Duration = Duration::from_secs(15);

/// The tones of the two phones.
pub(super) const HIGH: u32 = 660;
pub(super) const LOW: u32 = 440;

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn alice_calls_bob_by_name_and_each_hears_the_other_until_bob_hangs_up() {
    let village = Village::found("calls", &[]);
    let (Some(mut alice), Some(mut bob)) = (village.phone(ALICE, LOW), village.phone(BOB, HIGH))
    else {
        return;
    };
    alice.dial(&village.uri("bob")).unwrap();
    assert_eq!(bob.rings(SOON).unwrap(), village.uri("alice"));
    alice.hears_ringing(SOON).unwrap();
    bob.accept().unwrap();
    talk(&mut alice, &mut bob);
    bob.hang_up().unwrap();
    alice.closed(SOON).unwrap();
    check_sound(&alice, HIGH, LOW);
    check_sound(&bob, LOW, HIGH);

    // And the other way, where the caller hangs up.
    bob.dial(&village.uri("alice")).unwrap();
    alice.rings(SOON).unwrap();
    alice.accept().unwrap();
    talk(&mut bob, &mut alice);
    bob.hang_up().unwrap();
    alice.closed(SOON).unwrap();
    check_sound(&alice, HIGH, LOW);
    check_sound(&bob, LOW, HIGH);
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn a_caller_is_told_why_there_is_no_call() {
    let village = Village::found("refusals", &[]);
    let (Some(mut alice), Some(mut bob)) = (village.phone(ALICE, LOW), village.phone(BOB, HIGH))
    else {
        return;
    };
    alice.dial(&village.uri("nobody")).unwrap();
    let reason = alice.closed(SOON).unwrap();
    assert!(reason.starts_with("404 "), "{reason}");
    // Enrolled, but without a phone.
    alice.dial(&village.uri("erin")).unwrap();
    let reason = alice.closed(SOON).unwrap();
    assert!(reason.starts_with("404 ") || reason.starts_with("480 "), "{reason}");
    // No route to there.
    alice.dial("sip:somebody@elsewhere.example.net").unwrap();
    let reason = alice.closed(SOON).unwrap();
    assert!(reason.starts_with("404 ") && reason.contains("elsewhere.example.net"), "{reason}");

    alice.dial(&village.uri("bob")).unwrap();
    bob.rings(SOON).unwrap();
    bob.hang_up().unwrap();
    let reason = alice.closed(SOON).unwrap();
    assert!(reason.starts_with("486 "), "{reason}");

    alice.dial(&village.uri("bob")).unwrap();
    bob.rings(SOON).unwrap();
    alice.hears_ringing(SOON).unwrap();
    alice.hang_up().unwrap();
    bob.closed(SOON).unwrap();

    // A phone that is switched off is forgotten.
    bob.switch_off().unwrap();
    alice.dial(&village.uri("bob")).unwrap();
    let reason = alice.closed(SOON).unwrap();
    assert!(reason.starts_with("404 ") || reason.starts_with("480 "), "{reason}");
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn a_text_and_a_call_to_a_device_arrive() {
    let village = Village::found("gruu", &[]);
    let account = village.account("alice", ALICE).who_writes_to(&village.aor("bob"));
    let alice = village.plug_in(account, LOW);
    let (Some(mut alice), Some(mut bob)) = (alice, village.phone(BOB, HIGH)) else { return };
    alice.registered(SOON).unwrap();
    alice.write("are you there, bob?").unwrap();
    bob.logged(&["are you there, bob?"], SOON).unwrap();

    let register = village.overlay.peer(BOB).json(&["sip", "register"]).unwrap();
    let gruu = register["gruu"].as_str().unwrap();
    assert!(gruu.contains(";gr="), "{register}");
    alice.dial(&format!("sip:{gruu}")).unwrap();
    assert_eq!(bob.rings(SOON).unwrap(), village.uri("alice"));
    bob.accept().unwrap();
    alice.established(SOON).unwrap();
    alice.hang_up().unwrap();
    bob.closed(SOON).unwrap();
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn phones_that_speak_tcp_and_know_a_password_call_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "phones-have-a-password\n").unwrap();
    let village = Village::found("tcp", &["--sip-password-file", &file.to_string_lossy()]);
    let account = |user, place| village.account(user, place).over_tcp();
    let known = |user, place| account(user, place).with_password("phones-have-a-password");
    let (alice, bob) = (village.plug_in(known("alice", ALICE), LOW), known("bob", BOB));
    let (Some(mut alice), Some(mut bob)) = (alice, village.plug_in(bob, HIGH)) else { return };
    alice.registered(SOON).unwrap();
    bob.registered(SOON).unwrap();
    let stranger = village.plug_in(account("bob", BOB).with_password("another"), HIGH).unwrap();
    let answer = stranger.registration(SOON).unwrap();
    assert!(!answer.starts_with("200"), "{answer}");

    alice.dial(&village.uri("bob")).unwrap();
    bob.rings(SOON).unwrap();
    bob.accept().unwrap();
    alice.established(SOON).unwrap();
    alice.hang_up().unwrap();
    bob.closed(SOON).unwrap();
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn the_peers_carry_the_sound_if_they_are_told_to() {
    let village = Village::found("relay", &["--media", "relay"]);
    let (Some(mut alice), Some(mut bob)) = (village.phone(ALICE, LOW), village.phone(BOB, HIGH))
    else {
        return;
    };
    alice.dial(&village.uri("bob")).unwrap();
    bob.rings(SOON).unwrap();
    bob.accept().unwrap();
    talk(&mut alice, &mut bob);
    for place in [ALICE, BOB] {
        let calls = village.overlay.peer(place).json(&["sip", "calls"]).unwrap();
        let call = &calls["calls"][0];
        assert_eq!(call["state"], "answered", "{calls}");
        let way = call["media"].as_str().unwrap();
        assert!(way.contains("relay"), "{way}");
        println!("  {way}");
    }
    bob.hang_up().unwrap();
    alice.closed(SOON).unwrap();
    check_sound(&alice, HIGH, LOW);
    check_sound(&bob, LOW, HIGH);
    for place in [ALICE, BOB] {
        let calls = village.overlay.peer(place).json(&["sip", "calls"]).unwrap();
        assert_eq!(calls["calls"].as_array().unwrap().len(), 0, "{calls}");
    }
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn a_call_is_held_taken_up_again_and_transferred() {
    let village = Village::found("transfer", &[]);
    let (alice, bob) = (village.phone(ALICE, LOW), village.phone(BOB, HIGH));
    let carol = village.phone(CAROL, 880);
    let (Some(mut alice), Some(mut bob), Some(mut carol)) = (alice, bob, carol) else { return };
    alice.dial(&village.uri("bob")).unwrap();
    bob.rings(SOON).unwrap();
    bob.accept().unwrap();
    alice.established(SOON).unwrap();
    bob.established(SOON).unwrap();
    bob.hold(true).unwrap();
    alice.logged(&["a=sendonly"], SOON).unwrap();
    bob.hold(false).unwrap();
    let sound = || bob_answers(&bob.log_text());
    until("bob has an answer to his second re-INVITE", SOON, sound).unwrap();

    bob.transfer(&village.uri("carol")).unwrap();
    assert_eq!(carol.rings(SOON).unwrap(), village.uri("alice"));
    carol.accept().unwrap();
    talk(&mut alice, &mut carol);
    carol.hang_up().unwrap();
    check_sound(&carol, LOW, HIGH);
}

/// INVITE was answered for holding and for going on.
fn bob_answers(log: &str) -> Result<(), String> {
    let answered = log.split("SIP/2.0 200 ").skip(1).filter(|answer| {
        let sequence = answer.lines().find(|line| line.starts_with("CSeq:"));
        sequence.is_some_and(|line| line.ends_with("INVITE"))
    });
    // His own to the first INVITE stands there too.
    if answered.count() >= 3 { Ok(()) } else { Err(log.to_owned()) }
}

/// A call that has been accepted goes on for as long as people talk.
pub(super) fn talk(caller: &mut Baresip, callee: &mut Baresip) {
    for phone in [caller, callee] {
        phone.established(SOON).unwrap();
        phone.hears_for(TALK, PATIENCE).unwrap();
    }
}

/// What a phone has heard is the tone of the other one, and not its own.
pub(super) fn check_sound(phone: &Baresip, other: u32, own: u32) {
    let heard = phone.heard().unwrap();
    let name = phone.account().address();
    let (tone, length) = (heard.heard(other), heard.length());
    println!("  {name} hears {other} Hz for {tone:?} of {length:?}");
    assert!(tone >= MOST, "{name} hears {other} Hz for {tone:?} of {length:?}");
    assert_eq!(heard.heard(own), Duration::ZERO, "{name} hears itself");
}

//! Peers die before, during and after calls.

use std::time::{Duration, Instant};

use reload_e2e::phones::Baresip;

use super::calls::{HIGH, LOW, check_sound, talk};
use super::village::{ALICE, BOB, FINAL, SOON, USERS, Village};

/// A call rings within this after the peer that knew the way has died: requests to it have to time out.
const DETOUR: Duration = Duration::from_secs(30);

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn a_call_arrives_after_the_peer_that_kept_the_registration_was_killed() {
    let mut village = Village::found("keeper", &[]);
    let (caller, callee, keeper) = cast(&village);
    let (Some(mut from), Some(mut to)) = (village.phone(caller, LOW), village.phone(callee, HIGH))
    else {
        return;
    };
    village.overlay.peer_mut(keeper).kill().unwrap();
    let begin = Instant::now();
    from.dial(&village.uri(USERS[callee])).unwrap();
    to.rings(DETOUR).unwrap();
    println!("  the phone rings {:?} after the kill", begin.elapsed());
    to.accept().unwrap();
    talk(&mut from, &mut to);
    to.hang_up().unwrap();
    from.closed(SOON).unwrap();
    check_sound(&from, HIGH, LOW);
    check_sound(&to, LOW, HIGH);
}

/// Somebody who calls, somebody who is called, and a third one whose peer keeps the registration of the
/// second.
fn cast(village: &Village) -> (usize, usize, usize) {
    for (callee, name) in USERS.iter().enumerate() {
        let located = village.overlay.peer(callee).json(&["locate", &village.aor(name)]).unwrap();
        let keeper = located["responsible"].as_str().unwrap();
        let keeper = village.overlay.place(keeper).unwrap();
        if keeper != callee {
            let caller = (0..USERS.len()).find(|place| ![keeper, callee].contains(place));
            return (caller.unwrap(), callee, keeper);
        }
    }
    panic!("everybody keeps the own registration: as likely as not once in 3125 times");
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn a_caller_has_a_final_answer_when_the_peer_of_the_callee_is_killed_while_it_rings() {
    let mut village = Village::found("killed", &[]);
    let (Some(mut alice), Some(mut bob)) = (village.phone(ALICE, LOW), village.phone(BOB, HIGH))
    else {
        return;
    };
    ring(&village, &mut alice, &mut bob);
    village.overlay.peer_mut(BOB).kill().unwrap();
    let begin = Instant::now();
    let reason = alice.closed(FINAL).unwrap();
    println!("  {reason} {:?} after the kill", begin.elapsed());
    let code: u16 = reason.split(' ').next().unwrap().parse().unwrap();
    assert!([408, 480, 500, 502, 503, 504].contains(&code), "{reason}");

    // After the restart calls arrive again, without anything done to the phone.
    village.overlay.start(BOB).unwrap();
    village.overlay.settle().unwrap();
    bob.hang_up().unwrap();
    let begin = Instant::now();
    ring(&village, &mut alice, &mut bob);
    println!("  the phone rings again {:?} after the start", begin.elapsed());
    bob.accept().unwrap();
    talk(&mut alice, &mut bob);
    alice.hang_up().unwrap();
    bob.closed(SOON).unwrap();
    check_sound(&alice, HIGH, LOW);
    check_sound(&bob, LOW, HIGH);
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn a_phone_that_registers_at_a_peer_that_has_started_again_is_called() {
    let mut village = Village::found("restart", &[]);
    let (Some(mut alice), Some(bob)) = (village.phone(ALICE, LOW), village.phone(BOB, HIGH)) else {
        return;
    };
    village.overlay.peer_mut(BOB).terminate().unwrap();
    alice.dial(&village.uri("bob")).unwrap();
    let reason = alice.closed(FINAL).unwrap();
    let code: u16 = reason.split(' ').next().unwrap().parse().unwrap();
    assert!([404, 408, 480, 503].contains(&code), "{reason}");
    drop(bob);
    village.overlay.start(BOB).unwrap();
    village.overlay.settle().unwrap();
    let mut bob = village.phone(BOB, HIGH).unwrap();
    alice.dial(&village.uri("bob")).unwrap();
    bob.rings(SOON).unwrap();
    alice.hang_up().unwrap();
    bob.closed(SOON).unwrap();
}

fn ring(village: &Village, alice: &mut Baresip, bob: &mut Baresip) {
    alice.dial(&village.uri("bob")).unwrap();
    bob.rings(SOON).unwrap();
    alice.hears_ringing(SOON).unwrap();
}

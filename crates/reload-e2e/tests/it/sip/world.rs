//! Phones of another make, and the ordinary SIP world outside of the overlay.

use std::time::Duration;

use reload_e2e::Site;
use reload_e2e::phones::{Account, Baresip, Kamailio, Linphone, Sipsak};

use super::calls::{HIGH, LOW, MOST, check_sound, talk};
use super::village::{ALICE, BOB, CAROL, SOON, Village};

/// How long linphonec talks.
const TALK: Duration = Duration::from_millis(6500);

/// The domain of kamailio.
const OUTSIDE: &str = "ordinary.example.net";

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn linphone_registers_calls_baresip_and_is_called() {
    let village = Village::found("linphone", &[]);
    let account = village.account("alice", ALICE);
    let alice = Linphone::start(&Site::loopback(), village.directory(), account, LOW).unwrap();
    let (Some(mut alice), Some(mut bob)) = (alice, village.phone(BOB, HIGH)) else { return };
    alice.registered(SOON).unwrap();

    alice.dial(&village.uri("bob")).unwrap();
    assert_eq!(bob.rings(SOON).unwrap(), village.uri("alice"));
    bob.accept().unwrap();
    alice.established(SOON).unwrap();
    bob.established(SOON).unwrap();
    // Its own recording grows unseen.
    std::thread::sleep(TALK);
    alice.hang_up().unwrap();
    bob.closed(SOON).unwrap();
    alice.closed(SOON).unwrap();
    check_sound(&bob, LOW, HIGH);
    let heard = alice.heard().unwrap().heard(HIGH);
    assert!(heard >= MOST, "alice hears {heard:?}");

    bob.dial(&village.uri("alice")).unwrap();
    let who = alice.rings(SOON).unwrap();
    assert!(who.contains(&village.aor("bob")), "{who}");
    alice.accept().unwrap();
    bob.established(SOON).unwrap();
    bob.hang_up().unwrap();
    alice.closed(SOON).unwrap();
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn the_ordinary_world_is_called_and_calls_in() {
    let mut village = Village::found("world", &[]);
    let elsewhere = (village.domain().to_owned(), village.proxy(BOB));
    let elsewhere = (elsewhere.0.as_str(), elsewhere.1);
    let site = Site::loopback();
    let server = Kamailio::start(&site, village.directory(), OUTSIDE, Some(elsewhere)).unwrap();
    let Some(server) = server else { return };
    village.reopen(BOB, &["--sip-route", &server.address().to_string()]);
    let zoe = village.plug_in(Account::new("zoe", OUTSIDE, server.address()), LOW);
    let (Some(mut zoe), Some(mut bob)) = (zoe, village.phone(BOB, HIGH)) else { return };
    zoe.registered(SOON).unwrap();

    let outside = format!("sip:zoe@{OUTSIDE}");
    call(&mut bob, &mut zoe, &outside, &village.uri("bob"));
    check_sound(&zoe, HIGH, LOW);
    check_sound(&bob, LOW, HIGH);
    call(&mut zoe, &mut bob, &village.uri("bob"), &outside);
    check_sound(&zoe, HIGH, LOW);
    check_sound(&bob, LOW, HIGH);

    bob.dial(&format!("sip:nobody@{OUTSIDE}")).unwrap();
    let reason = bob.closed(SOON).unwrap();
    assert!(reason.starts_with("404 "), "{reason}");
    // That peer serves its own user, and opens no door to others.
    let mut carol = village.phone(CAROL, LOW).unwrap();
    zoe.dial(&village.uri("carol")).unwrap();
    let reason = zoe.closed(SOON).unwrap();
    assert!(reason.starts_with("403 ") || reason.starts_with("404 "), "{reason}");
    assert!(!carol.seen().iter().any(|event| event.starts_with("CALL_INCOMING")));
}

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn options_are_answered_by_the_proxy() {
    let village = Village::found("options", &[]);
    let Some(sipsak) = Sipsak::new(&Site::loopback()).unwrap() else { return };
    let (proxy, domain) = (village.proxy(ALICE), village.domain());
    sipsak.options(proxy, domain, &village.aor("alice")).unwrap();
    assert!(sipsak.options(proxy, domain, &village.aor("bob")).is_err(), "not bob's peer");
}

fn call(from: &mut Baresip, to: &mut Baresip, uri: &str, caller: &str) {
    from.dial(uri).unwrap();
    assert_eq!(to.rings(SOON).unwrap(), caller);
    from.hears_ringing(SOON).unwrap();
    to.accept().unwrap();
    talk(from, to);
    to.hang_up().unwrap();
    from.closed(SOON).unwrap();
}

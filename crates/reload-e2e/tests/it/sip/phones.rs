//! The phones and the other programs without an overlay: kamailio is their server.

use std::time::Duration;

use reload_e2e::Site;
use reload_e2e::phones::{Account, Baresip, Kamailio, Linphone};

use super::load::{HOUR, Rate, User, call, register, shown};

/// A phone has an answer within this.
const SOON: Duration = Duration::from_secs(10);

/// How long people talk, and how much of it has to be heard.
const TALK: Duration = Duration::from_secs(2);
const MOST: Duration = Duration::from_millis(1500);

/// The domain of kamailio.
const DOMAIN: &str = "ordinary.example.org";

#[test]
fn phones_call_each_other_through_kamailio_and_hear_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::loopback();
    let Some(server) = Kamailio::start(&site, directory.path(), DOMAIN, None).unwrap() else {
        return;
    };
    let account = |user: &str| Account::new(user, DOMAIN, server.address());
    let start =
        |user, hertz| Baresip::start(&site, directory.path(), account(user), hertz).unwrap();
    let (Some(mut alice), Some(mut bob)) = (start("alice", 440), start("bob", 660)) else { return };
    alice.registered(SOON).unwrap();
    bob.registered(SOON).unwrap();

    alice.dial(&format!("sip:nobody@{DOMAIN}")).unwrap();
    assert_eq!(alice.closed(SOON).unwrap(), "404 Not Found");

    alice.dial(&format!("sip:bob@{DOMAIN}")).unwrap();
    assert_eq!(bob.rings(SOON).unwrap(), format!("sip:alice@{DOMAIN}"));
    alice.hears_ringing(SOON).unwrap();
    bob.accept().unwrap();
    alice.established(SOON).unwrap();
    std::thread::sleep(TALK);
    bob.hang_up().unwrap();
    alice.closed(SOON).unwrap();
    for (phone, own, other) in [(&alice, 440, 660), (&bob, 660, 440)] {
        let heard = phone.heard().unwrap();
        assert!(heard.heard(other) >= MOST, "{:?}", heard.heard(other));
        assert_eq!(heard.heard(own), Duration::ZERO);
    }
}

#[test]
fn linphone_and_baresip_hear_each_other_through_kamailio() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::loopback();
    let Some(server) = Kamailio::start(&site, directory.path(), DOMAIN, None).unwrap() else {
        return;
    };
    let account = |user: &str| Account::new(user, DOMAIN, server.address());
    let bob = Baresip::start(&site, directory.path(), account("bob"), 660).unwrap();
    let carol = Linphone::start(&site, directory.path(), account("carol"), 880).unwrap();
    let (Some(mut bob), Some(mut carol)) = (bob, carol) else { return };
    bob.registered(SOON).unwrap();
    carol.registered(SOON).unwrap();

    carol.dial(&format!("sip:bob@{DOMAIN}")).unwrap();
    assert_eq!(bob.rings(SOON).unwrap(), format!("sip:carol@{DOMAIN}"));
    bob.accept().unwrap();
    carol.established(SOON).unwrap();
    std::thread::sleep(TALK);
    carol.hang_up().unwrap();
    bob.closed(SOON).unwrap();
    carol.closed(SOON).unwrap();
    assert!(bob.heard().unwrap().heard(880) >= MOST);
    assert!(carol.heard().unwrap().heard(660) >= MOST);

    bob.dial(&format!("sip:carol@{DOMAIN}")).unwrap();
    carol.rings(SOON).unwrap();
    carol.accept().unwrap();
    bob.established(SOON).unwrap();
    bob.hang_up().unwrap();
    carol.closed(SOON).unwrap();
}

#[test]
fn sipp_registers_and_calls_through_kamailio() {
    let directory = tempfile::tempdir().unwrap();
    let started = Kamailio::start(&Site::loopback(), directory.path(), DOMAIN, None).unwrap();
    let Some(server) = started else { return };
    let user = |name| User { name, domain: DOMAIN, proxy: server.address() };
    let contact = "127.0.0.1:9".parse().unwrap();
    let rate = Rate { count: 200, a_second: 200 };
    let Some(report) = register(directory.path(), user("alice"), contact, HOUR, rate).unwrap()
    else {
        return;
    };
    println!("  200 REGISTER: {}", shown(&report).unwrap());
    let rate = Rate { count: 50, a_second: 50 };
    let report = call(directory.path(), user("alice"), user("bob"), rate).unwrap().unwrap();
    println!("  50 calls: {}", shown(&report).unwrap());
    assert_eq!(report.times.len(), 50);
    assert!(report.percentile(50).unwrap() < SOON);
}

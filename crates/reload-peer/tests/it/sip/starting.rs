//! What `reload peer --sip` says when it starts, and why it does not.

use std::net::UdpSocket;
use std::path::Path;

use crate::config::{self_signed_home, self_signed_overlay, self_signed_overlay_with};
use crate::support::{Overlay, Peer, assert_one_line, finish, program, reload, stdout, text, user};

fn start(home: &Path, sip: &[&str]) -> std::process::Output {
    let peer = ["peer", "--home", text(home), "--listen", "127.0.0.1:0", "--first"];
    reload(&[&peer, sip].concat())
}

#[test]
fn phones_of_other_machines_need_a_password() {
    let overlay = Overlay::start_with_ice();
    let home = overlay.home("alice");
    let output = start(&home, &["--sip", "0.0.0.0:0"]);
    assert_one_line(&output, &["0.0.0.0:0", "password"]);
    let missing = ["--sip", "127.0.0.1:0", "--sip-password-file", "/nowhere"];
    assert_one_line(&start(&home, &missing), &["cannot read /nowhere"]);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let overlay = Overlay::start_with_ice();
    let home = overlay.home("alice");
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_one_line(&start(&home, &["--sip", &address]), &[&address]);
}

#[test]
fn a_wrong_certificate_for_phones_is_told() {
    let overlay = Overlay::start_with_ice();
    let home = overlay.home("alice");
    let file = home.join("overlay.xml");
    let tls = ["--sip", "127.0.0.1:0", "--sip-tls", "127.0.0.1:0"];
    let files = ["--sip-tls-cert", text(&file), "--sip-tls-key", text(&file)];
    assert_one_line(&start(&home, &[tls, files].concat()), &["TLS"]);
}

// R7904-5.1-10
#[test]
fn sip_without_encryption_needs_ice() {
    let overlay = Overlay::start();
    let home = overlay.home("alice");
    let output = start(&home, &["--sip", "127.0.0.1:0", "--sip-schemes", "sip"]);
    assert_one_line(&output, &["no ICE", "without --sip-schemes sip"]);
}

#[test]
fn a_user_name_that_nobody_could_call_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let document = self_signed_overlay(directory.path(), "30");
    let name = "Alice@Self.Example.Org";
    let home = self_signed_home(directory.path(), name, &document);
    let output = start(&home, &["--sip", "127.0.0.1:0"]);
    assert_one_line(&output, &[name, "is no SIP address", "upper case"]);
}

#[test]
fn an_overlay_without_sip_or_a_route_that_is_none_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let without_sip = |document: String| {
        let changed = document.replace("name=\"SIP-REGISTRATION\"", "id=\"4026531860\"");
        assert_ne!(document, changed);
        changed
    };
    let document = self_signed_overlay_with(directory.path(), "30", without_sip);
    let home = self_signed_home(directory.path(), "alice@self.example.org", &document);
    assert_one_line(&start(&home, &["--sip", "127.0.0.1:0"]), &["no Kind SIP-REGISTRATION"]);
    let overlay = Overlay::start_with_ice();
    let home = overlay.home("alice");
    let output = start(&home, &["--sip", "127.0.0.1:0", "--sip-route", "no-port"]);
    assert_one_line(&output, &["no-port", "HOST:PORT"]);
}

#[test]
fn the_ready_line_says_what_to_type_into_a_phone() {
    let overlay = Overlay::start_with_ice();
    let home = overlay.home("alice");
    let password = overlay.path("phone.password");
    std::fs::write(&password, "secret\n").unwrap();
    let sip = ["--sip", "127.0.0.1:0", "--sip-tls", "127.0.0.1:0"];
    let more = ["--sip-password-file", text(&password), "--first"];
    let peer = Peer::start(&home, &[&sip[..], &more].concat());
    let sip = &peer.json("status", &[])["sip"];
    assert_eq!((&sip["user"], &sip["domain"]), (&"alice".into(), &"test.example.org".into()));
    assert_eq!(sip["password"], true);
    for by in ["udp", "tcp", "tls"] {
        let address = sip["listening"][by].as_str().unwrap();
        assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{by} {address}");
    }
    let page = stdout(&peer.ask("status", &[]));
    assert!(page.contains(&format!("phones of {} at 127.0.0.1:", user("alice"))), "{page}");
    assert!(home.join("sip-tls-ca.crt").exists(), "for the phones");
    assert_eq!(peer.terminate(), Some(0));
}

#[test]
fn what_proves_a_password_is_in_no_log_and_in_no_trace() {
    let overlay = Overlay::start_with_ice();
    let home = overlay.home("alice");
    let password = overlay.path("phone.password");
    std::fs::write(&password, "secret\n").unwrap();
    let sip = ["--sip", "127.0.0.1:0", "--sip-password-file", text(&password)];
    let peer = Peer::start(&home, &[&sip[..], &["--first", "-vv"]].concat());
    let phone = super::phone(&peer, "alice");
    let refused = phone.register(600);
    assert_eq!(refused.status(), 401, "{}", refused.text);
    assert!(refused.one("WWW-Authenticate").starts_with("Digest "), "{}", refused.text);
    let response = "deadbeefdeadbeefdeadbeefdeadbeef";
    let proof = format!(
        "Digest username=\"alice\", realm=\"test.example.org\", nonce=\"n\", uri=\"sip:test.example.org\", \
         response=\"{response}\""
    );
    assert!(phone.register_with(&proof).status() >= 400);
    let trace = stdout(&peer.ask("sip", &["trace"]));
    assert!(trace.contains("REGISTER sip:") && !trace.contains(response), "{trace}");
    assert!(!peer.log().contains(response), "{}", peer.log());
}

#[test]
fn a_node_without_phones_says_so() {
    let overlay = Overlay::start_with_ice();
    let peer = Peer::start(&overlay.home("alice"), &["--first"]);
    for command in [&["register"][..], &["calls"], &["trace"]] {
        assert_one_line(&peer.ask("sip", command), &["serves no phones", "reload peer --sip"]);
    }
    assert!(peer.json("status", &[])["sip"].is_null());
    let found = peer.json("sip", &["lookup", &user("bob")]);
    assert_eq!(found["registrations"].as_array().unwrap().len(), 0, "a lookup needs no phones");
    let output = finish(program().args(["peer", "--sip-tls"]));
    assert_eq!(output.status.code(), Some(2), "TLS for phones needs phones");
}

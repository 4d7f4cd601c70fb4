//! `reload enroll` against a real enrollment server.

use crate::support::{OVERLAY, Overlay, assert_one_line, reload, stderr, stdout, text, user};
use std::os::unix::fs::PermissionsExt;

// R6940-11.2-03, R6940-11.3-02
#[test]
fn writes_a_home_that_the_same_user_renews_and_another_does_not_get() {
    let overlay = Overlay::start();
    let home = overlay.home("alice");
    for (file, mode) in [("node.key", 0o600), ("node.crt", 0o644), ("overlay.xml", 0o644)] {
        let permissions = home.join(file).metadata().unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{file}");
    }
    let certificate = std::fs::read(home.join("node.crt")).unwrap();
    let node_id = |output: &std::process::Output| {
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["node_id"].as_str().unwrap().to_owned()
    };
    let first = overlay.enroll("alice", "alice", &["--json"]);
    let second = overlay.enroll("alice", "alice", &["--json"]);
    assert_eq!(node_id(&first), node_id(&second), "same user, same device (E107)");
    assert_ne!(std::fs::read(home.join("node.crt")).unwrap(), certificate, "renewed");

    overlay.add_user("bob");
    let certificate = std::fs::read(home.join("node.crt")).unwrap();
    let password = overlay.path("bob.password");
    std::fs::write(&password, "bob").unwrap();
    let ca = overlay.path("server/https-ca.pem");
    let bob = user("bob");
    let output = reload(&[
        "enroll",
        "--home",
        text(&home),
        "--overlay",
        OVERLAY,
        "--user",
        &bob,
        "--ca",
        text(&ca),
        "--config-url",
        &overlay.url,
        "--password-file",
        text(&password),
    ]);
    assert_one_line(&output, &["belongs to alice@test.example.org", "is kept"]);
    assert_eq!(std::fs::read(home.join("node.crt")).unwrap(), certificate);
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let overlay = Overlay::start();
    overlay.add_user("alice");
    for name in ["alice", "nobody"] {
        let output = overlay.enroll(name, "guess", &[]);
        assert_one_line(&output, &["refused the user name or the password"]);
        assert!(!overlay.path(name).join("node.crt").exists());
    }
}

// R7904-3.4-01
#[test]
fn a_name_of_a_domain_that_the_overlay_does_not_take_is_told_before_anybody_is_asked() {
    let overlay = Overlay::start();
    let (home, ca) = (overlay.path("eve"), overlay.path("server/https-ca.pem"));
    let password = overlay.path("eve.password");
    std::fs::write(&password, "eve").unwrap();
    let mut arguments = vec!["enroll", "--home", text(&home), "--user", "eve@other.example"];
    arguments.extend(["--overlay", OVERLAY, "--config-url", &overlay.url, "--ca", text(&ca)]);
    arguments.extend(["--password-file", text(&password)]);
    let output = reload(&arguments);
    assert_one_line(&output, &["eve@other.example", "takes users of test.example.org only"]);
    assert!(!home.join("node.crt").exists());
}

#[test]
fn says_when_the_server_has_another_overlay_or_is_not_there() {
    let overlay = Overlay::start();
    overlay.add_user("alice");
    let other = overlay.enroll("alice", "alice", &["--overlay", "other.example.org"]);
    assert_one_line(&other, &["other.example.org"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = overlay.path("alice");
    let url = format!("https://{port}/");
    let output = reload(&[
        "enroll",
        "--home",
        text(&home),
        "--overlay",
        OVERLAY,
        "--user",
        "alice@test.example.org",
        "--config-url",
        &url,
        "--password-file",
        "/dev/null",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn the_server_must_be_one_that_the_ca_vouches_for() {
    let (overlay, other) = (Overlay::start(), Overlay::start());
    overlay.add_user("alice");
    let ca = other.path("server/https-ca.pem");
    let home = overlay.path("alice");
    let output = reload(&[
        "enroll",
        "--home",
        text(&home),
        "--overlay",
        OVERLAY,
        "--user",
        "alice@test.example.org",
        "--config-url",
        &overlay.url,
        "--ca",
        text(&ca),
        "--password-file",
        "/dev/null",
    ]);
    assert_one_line(&output, &["not issued by a trusted CA"]);
}

#[test]
fn an_rsa_key_is_made_on_request() {
    let overlay = Overlay::start();
    overlay.add_user("alice");
    let output = overlay.enroll("alice", "alice", &["--rsa"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("enrolled alice@test.example.org"));
    // A P-256 key in PKCS#8 takes 138 bytes, one of RSA-2048 about 1,200.
    assert!(std::fs::metadata(overlay.path("alice/node.key")).unwrap().len() > 1000);
}

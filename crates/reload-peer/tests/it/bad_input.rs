//! Bad input: one clear line that says what is wrong and what to do, and nothing lost.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reload_config::{ConfigurationBuilder, OverlayDocument, assemble, assemble_unsigned};
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, Trust, Validity, certificates_to_pem, random_node_id,
    sign_configuration, sign_kind,
};
use reload_wire::{NodeIdLength, UnixTime};

use crate::config::self_signed_overlay;
use crate::support::{Overlay, Peer, assert_one_line, finish, program, reload, text};

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> UnixTime {
    UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn peer(home: &Path) -> Output {
    reload(&["peer", "--home", text(home), "--first", "--listen", "127.0.0.1:0"])
}

/// A home by hand: its overlay ends at `expiration`, its certificate begins at `not_before`.
fn home_by_hand(home: &Path, expiration: UnixTime, not_before: UnixTime) {
    let long = Validity { not_before: UnixTime(0), not_after: now().saturating_add(DAY * 30) };
    let name = "hand.example.org";
    let ca = Issuer::create(KeyPair::generate(Algorithm::EcdsaP256).unwrap(), "ca", long).unwrap();
    let issue = |validity| {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let node_id = random_node_id(NodeIdLength::DEFAULT).unwrap();
        let der = ca.node_certificate(key.spki(), name, &[node_id], Some("a@b"), validity).unwrap();
        (key, der, node_id)
    };
    let (signer_key, signer, signer_id) = issue(long);
    let mut builder = ConfigurationBuilder::new_overlay(name);
    builder.root_certs = vec![ca.certificate_der().clone()];
    builder.configuration_signers = vec![signer_id];
    builder.kind_signers = vec![signer_id];
    builder.expiration = Some(expiration);
    builder.sequence = 1;
    let trust = Trust::new(&builder.to_configuration().unwrap(), Default::default()).unwrap();
    let pem = certificates_to_pem([&signer]);
    let signer = Credentials::load(&signer_key.to_pem(), &pem, &trust, now()).unwrap();
    builder.sign_kinds(|kind| sign_kind(&signer, kind)).unwrap();
    let element = builder.build().unwrap();
    let document = assemble(&element, &sign_configuration(&signer, &element).unwrap());
    let validity = Validity { not_before, not_after: not_before.saturating_add(DAY * 30) };
    let (key, der, _) = issue(validity);
    std::fs::write(home.join("overlay.xml"), document).unwrap();
    std::fs::write(home.join("node.crt"), certificates_to_pem([&der])).unwrap();
    std::fs::write(home.join("node.key"), key.to_pem()).unwrap();
    std::fs::set_permissions(home.join("node.key"), PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in
        [&["fly"][..], &["store"], &["peer", "--listen", "nowhere"], &["demo", "--peers", "1"]]
    {
        assert_eq!(reload(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_home_that_is_missing_or_empty_or_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    assert_one_line(&peer(&missing), &["no home at", "reload enroll"]);
    assert_one_line(&peer(directory.path()), &["holds no overlay.xml", "reload enroll"]);
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert_one_line(&peer(&file), &["is not a directory"]);
}

#[test]
fn commands_without_a_running_node() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["status"][..], &["ring"], &["ping", "x"], &["fetch", "--kind", "1", "x"]] {
        let output = reload(&[arguments, &["--home", text(directory.path())]].concat());
        assert_one_line(&output, &["no running node at", "reload peer --home"]);
    }
}

// R6940-6.3.2.1-01
#[test]
fn an_open_key_a_damaged_an_unsigned_and_an_unreadable_configuration() {
    let overlay = Overlay::start();
    let home = overlay.home("alice");
    let (key, configuration) = (home.join("node.key"), home.join("overlay.xml"));
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    assert_one_line(&peer(&home), &["node.key can be read by others (mode 0644)", "chmod 600"]);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();

    let document = std::fs::read(&configuration).unwrap();
    std::fs::write(&configuration, &document[..document.len() / 2]).unwrap();
    assert_one_line(&peer(&home), &["overlay.xml is damaged", "restore it"]);

    let parsed = OverlayDocument::parse(&document).unwrap();
    std::fs::write(&configuration, assemble_unsigned(&parsed.configurations()[0].raw)).unwrap();
    assert_one_line(&peer(&home), &["not signed"]);

    std::fs::remove_file(&configuration).unwrap();
    std::fs::create_dir(&configuration).unwrap();
    assert_one_line(&peer(&home), &["cannot read", "overlay.xml", "permissions"]);
}

#[test]
fn an_unreadable_home() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, PermissionsExt::from_mode(0o000)).unwrap();
    if std::fs::read_dir(&home).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    assert_one_line(&peer(&home), &["cannot read the home", "permissions"]);
}

#[test]
fn an_expired_configuration_and_a_clock_that_is_a_day_off() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let yesterday = UnixTime::from_secs(now().as_secs() - 86_400);
    home_by_hand(home, yesterday, yesterday);
    assert_one_line(&peer(home), &["expired", "check the clock"]);
    // A certificate made now looks like this to a clock that is a day behind.
    home_by_hand(home, now().saturating_add(DAY * 9), now().saturating_add(DAY));
    assert_one_line(&peer(home), &["not valid before", "clock"]);
}

#[test]
fn a_port_in_use_and_a_second_daemon() {
    let overlay = Overlay::start();
    let home = overlay.home("alice");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = reload(&["peer", "--home", text(&home), "--first", "--listen", &address]);
    assert_one_line(&output, &[&address, "in use"]);
    let running = Peer::start(&home, &["--first"]);
    assert_one_line(&peer(&home), &["is in use by another `reload peer`", "(process "]);
    running.json("status", &[]);
    let output = reload(&["peer", "--home", text(&home)]);
    assert_one_line(&output, &["in use"]);
}

// R6940-4.5.2-01, R6940-6.4.2.1-09
#[test]
fn nobody_to_join_is_told_before_anything_is_opened() {
    let overlay = Overlay::start();
    let home = overlay.home("alice");
    let output = reload(&["peer", "--home", text(&home), "--listen", "127.0.0.1:0"]);
    assert_one_line(&output, &["no bootstrap peer is known", "--first"]);
}

#[test]
fn a_full_disk_leaves_the_home_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let signed = self_signed_overlay(directory.path(), "30");
    let home = directory.path().join("home");
    let enroll = |shell: &str| {
        let line = format!(
            "{shell} exec {} enroll --home {} --overlay self.example.org --user a@self.example.org \
             --config {}",
            program().get_program().to_str().unwrap(),
            text(&home),
            text(&signed)
        );
        finish(Command::new("sh").args(["-c", &line]))
    };
    assert!(enroll("").status.success());
    let read = |name: &str| std::fs::read(home.join(name)).unwrap();
    let before = [read("node.key"), read("node.crt"), read("overlay.xml")];
    // No file may grow: what a full disk is to a writer.
    let output = enroll("trap '' XFSZ; ulimit -f 0;");
    assert_one_line(&output, &["cannot write", "unchanged", "free some space"]);
    assert_eq!([read("node.key"), read("node.crt"), read("overlay.xml")], before);
    let left: Vec<_> =
        std::fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().ends_with(".new")), "{left:?}");
}

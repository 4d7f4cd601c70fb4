//! `reload config`, and enrollment without a server.

use crate::support::{assert_one_line, reload, stderr, stdout, text};
use std::path::{Path, PathBuf};

/// A signed document of a self-signed overlay in this directory.
pub(crate) fn self_signed_overlay(directory: &Path, days: &str) -> PathBuf {
    self_signed_overlay_with(directory, days, |document| document)
}

/// The same, changed before it is signed.
pub(crate) fn self_signed_overlay_with(
    directory: &Path,
    days: &str,
    change: impl FnOnce(String) -> String,
) -> PathBuf {
    let (draft, signed) = (directory.join("draft.xml"), directory.join("signed.xml"));
    let made = reload(&[
        "config",
        "new",
        "--overlay",
        "self.example.org",
        "--self-signed",
        "--make-signer",
        text(directory),
        "--days",
        days,
        "--output",
        text(&draft),
    ]);
    assert!(made.status.success(), "{}", stderr(&made));
    let document = std::fs::read_to_string(&draft).unwrap();
    std::fs::write(&draft, change(document)).unwrap();
    let (key, certificate) = (directory.join("signer.key"), directory.join("signer.pem"));
    let output = reload(&[
        "config",
        "sign",
        text(&draft),
        "--key",
        text(&key),
        "--cert",
        text(&certificate),
        "--output",
        text(&signed),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    signed
}

/// The home of this user in a self-signed overlay.
pub(crate) fn self_signed_home(directory: &Path, user: &str, document: &Path) -> PathBuf {
    let home = directory.join("home");
    let enroll = ["enroll", "--home", text(&home), "--overlay", "self.example.org"];
    let output = reload(&[&enroll[..], &["--user", user, "--config", text(document)]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    home
}

#[test]
fn a_document_is_made_signed_checked_and_shown() {
    let directory = tempfile::tempdir().unwrap();
    let signed = self_signed_overlay(directory.path(), "30");
    let checked = reload(&["config", "check", text(&signed)]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(stdout(&checked).starts_with("good: overlay self.example.org, sequence 1"));
    let shown = reload(&["config", "show", "--json", text(&signed)]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["overlay"], "self.example.org");
    assert_eq!(shown["signed"], true);
    assert!(stdout(&reload(&["config", "show", text(&signed)])).contains("SIP-REGISTRATION"));
}

#[test]
fn check_refuses_unsigned_changed_and_damaged_documents() {
    let directory = tempfile::tempdir().unwrap();
    let signed = self_signed_overlay(directory.path(), "30");
    let draft = directory.path().join("draft.xml");
    assert_one_line(&reload(&["config", "check", text(&draft)]), &["not signed"]);
    let document = std::fs::read_to_string(&signed).unwrap();
    let changed = directory.path().join("changed.xml");
    std::fs::write(&changed, document.replace("sequence=\"1\"", "sequence=\"2\"")).unwrap();
    assert_one_line(&reload(&["config", "check", text(&changed)]), &["signature"]);
    std::fs::write(&changed, &document[..document.len() / 2]).unwrap();
    assert_one_line(&reload(&["config", "check", text(&changed)]), &["damaged"]);
}

// R6940-4.6.1-01, R6940-11.2-11, R6940-11.3.1-01
#[test]
fn self_signed_enrollment_needs_no_server() {
    let directory = tempfile::tempdir().unwrap();
    let signed = self_signed_overlay(directory.path(), "30");
    let home = directory.path().join("home");
    let arguments = [
        "enroll",
        "--home",
        text(&home),
        "--overlay",
        "self.example.org",
        "--user",
        "alice@self.example.org",
        "--config",
        text(&signed),
        "--json",
    ];
    let first = reload(&arguments);
    assert!(first.status.success(), "{}", stderr(&first));
    // The Node-ID comes from the key (section 11.3.1), which is kept.
    let again = reload(&arguments);
    let id = |output: &std::process::Output| {
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["node_id"].clone()
    };
    assert_eq!(id(&first), id(&again));
}

// R6940-11.2-02
#[test]
fn the_overlay_name_has_to_be_given() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    let output = reload(&["enroll", "--home", text(&home), "--user", "alice@self.example.org"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--overlay"), "{}", stderr(&output));
    assert!(!home.exists());
}

//! What we ship and write is valid by the RELAX NG grammar of section 11.1.1.

use std::path::Path;
use std::process::Command;

use reload_config::{ConfigurationBuilder, assemble};

use crate::sample_path;

/// Whether xmllint is there; without it the test says so, or fails where tools are required.
fn xmllint_is_there() -> bool {
    let found = Command::new("xmllint").arg("--version").output().is_ok();
    if !found {
        let required = std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require");
        assert!(!required, "xmllint is missing and RELOAD_TEST_TOOLS=require");
        println!("skipped: no xmllint");
    }
    found
}

fn is_valid(file: &Path) -> Result<(), String> {
    let grammar = sample_path("overlay.rng");
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--relaxng"])
        .args([grammar.as_path(), file])
        .output()
        .expect("xmllint was there a moment ago");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

// R6940-11.1.1-01
#[test]
fn the_samples_are_valid_by_the_grammar() {
    if !xmllint_is_there() {
        return;
    }
    let names =
        ["rfc6940-sample", "minimal", "full", "prefixed", "new-overlay", "mandatory-extension"];
    for name in names {
        assert_eq!(is_valid(&sample_path(&format!("{name}.xml"))), Ok(()), "{name}");
    }
}

#[test]
fn the_grammar_refuses_what_is_not_in_it() {
    if !xmllint_is_there() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("unknown.xml");
    std::fs::write(&file, crate::document("<no-such-element/>")).unwrap();
    assert!(is_valid(&file).is_err());
}

// R6940-10.7.4.1-02, R6940-11.1.1-01
#[test]
fn a_document_we_write_with_all_elements_is_valid_by_the_grammar() {
    if !xmllint_is_there() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let full = reload_config::OverlayDocument::parse(&crate::sample("full.xml")).unwrap();
    let mut builder = ConfigurationBuilder::from_configuration(&full.configurations()[0]).unwrap();
    builder.shared_secret = Some(reload_config::SharedSecret::new("<&\"secret'>"));
    let file = directory.path().join("written.xml");
    std::fs::write(&file, assemble(&builder.build().unwrap(), b"signature")).unwrap();
    assert_eq!(is_valid(&file), Ok(()));
}

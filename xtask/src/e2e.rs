//! `cargo xtask e2e`: the end-to-end test of `reload-e2e` and the black-box test of
//! `reload-blackbox` with the real programs, then the captured bytes of the first through an
//! independent decoder. `cargo xtask e2e nat` is what homes behind NATs must be able to do, `cargo
//! xtask e2e lossy` what eight peers on a bad network must, and `cargo xtask e2e sip` what phones must.

use std::fs;

use anyhow::{Context, Result};

use crate::captured;
use crate::run::{cargo, root, step, tools_required};

/// What measures times under load for minutes, and asks for a machine that does nothing else: run by name.
const MEASURED: [&str; 2] = ["lossy", "sip::busy"];

/// The test in which paths end in the middle of a message, so that what is wrong in its capture is for people to
/// look at: `cargo xtask e2e nat` checks it.
const MOVING: &str = "changes";

/// Runs both, or of the first the tests whose names contain `filter`.
pub(crate) fn run(filter: Option<&str>) -> Result<()> {
    let directory = root().join("target").join("e2e");
    if directory.exists() {
        fs::remove_dir_all(&directory).context("cannot remove the last capture")?;
    }
    fs::create_dir_all(&directory).context("cannot make a directory for the capture")?;
    let mut one_by_one = vec!["--include-ignored", "--nocapture", "--test-threads=1"];
    if filter.is_none() {
        one_by_one.extend(MEASURED.iter().flat_map(|name| ["--skip", name]));
    }
    let packages: &[&str] = match filter {
        Some(filter) => &["--package", "reload-e2e", "--test", "it", filter, "--"],
        None => &["--package", "reload-e2e", "--package", "reload-blackbox", "--"],
    };
    let arguments = [&["test"][..], packages, &one_by_one].concat();
    step(cargo(&arguments).env("RELOAD_E2E_DIR", &directory))?;
    if filter.is_none() {
        println!("the capture of {MOVING} is checked by `cargo xtask e2e nat`");
        let _ = fs::remove_dir_all(directory.join(MOVING));
    }
    let checked = captured::check(&directory)?;
    if checked == 0 && filter.is_none() {
        anyhow::ensure!(!tools_required(), "the end-to-end test has captured nothing");
        println!("skipped: no capture");
    }
    Ok(())
}

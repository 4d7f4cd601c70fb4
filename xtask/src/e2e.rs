//! `cargo xtask e2e`: the end-to-end test of `reload-e2e` and the black-box test of
//! `reload-blackbox` with the real programs, then the captured bytes of the first through an
//! independent decoder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::run::{cargo, root, step, tools_required};
use crate::wire_check::wire_check;

/// Runs both.
pub(crate) fn run() -> Result<()> {
    let directory = root().join("target").join("e2e");
    if directory.exists() {
        fs::remove_dir_all(&directory).context("cannot remove the last capture")?;
    }
    fs::create_dir_all(&directory).context("cannot make a directory for the capture")?;
    let one_by_one = ["--include-ignored", "--nocapture", "--test-threads=1"];
    let packages = ["--package", "reload-e2e", "--package", "reload-blackbox", "--"];
    let arguments = [&["test"][..], &packages, &one_by_one].concat();
    step(cargo(&arguments).env("RELOAD_E2E_DIR", &directory))?;
    check_bytes(&directory)
}

fn check_bytes(directory: &Path) -> Result<()> {
    let capture = directory.join("run.pcap");
    if !capture.is_file() {
        anyhow::ensure!(!tools_required(), "the end-to-end test has captured nothing");
        println!("skipped: no capture");
        return Ok(());
    }
    let Some(mut command) = wire_check("pcap")? else { return Ok(()) };
    // Peers are killed in the middle of a frame.
    command.arg("--allow-cut").arg("--keylog").arg(directory.join("keys.log"));
    step(command.arg(capture))
}

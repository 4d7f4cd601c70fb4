//! `cargo xtask e2e`: the end-to-end test of `reload-e2e` and the black-box test of
//! `reload-blackbox` with the real programs, then the captured bytes of the first through an
//! independent decoder. `cargo xtask e2e nat` is what homes behind NATs must be able to do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::{cargo, root, step, tools_required};
use crate::wire_check::wire_check;

/// Runs both, or of the first the tests whose names contain `filter`.
pub(crate) fn run(filter: Option<&str>) -> Result<()> {
    let directory = root().join("target").join("e2e");
    if directory.exists() {
        fs::remove_dir_all(&directory).context("cannot remove the last capture")?;
    }
    fs::create_dir_all(&directory).context("cannot make a directory for the capture")?;
    let one_by_one = ["--include-ignored", "--nocapture", "--test-threads=1"];
    let packages: &[&str] = match filter {
        Some(filter) => &["--package", "reload-e2e", "--test", "it", filter, "--"],
        None => &["--package", "reload-e2e", "--package", "reload-blackbox", "--"],
    };
    let arguments = [&["test"][..], packages, &one_by_one].concat();
    step(cargo(&arguments).env("RELOAD_E2E_DIR", &directory))?;
    let checked = check_bytes(&directory)?;
    if checked == 0 && filter.is_none() {
        anyhow::ensure!(!tools_required(), "the end-to-end test has captured nothing");
        println!("skipped: no capture");
    }
    Ok(())
}

/// Checks the captures of each test, which has a directory of its own; how many there were.
fn check_bytes(directory: &Path) -> Result<usize> {
    let mut checked = 0;
    for test in entries(directory)? {
        let captures: Vec<_> =
            entries(&test)?.into_iter().filter(|path| is_capture(path)).collect();
        if captures.is_empty() {
            continue;
        }
        let Some(mut command) = wire_check("pcap")? else { return Ok(checked) };
        // Peers are killed in the middle of a frame.
        command.arg("--allow-cut").arg("--keylog").arg(test.join("keys.log"));
        step(command.args(&captures))?;
        checked += captures.len();
    }
    Ok(checked)
}

/// What is in a directory, sorted; nothing in a file.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let read = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut paths = read.collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Not what was captured before it was known what is of the test.
fn is_capture(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pcap")
        && path.file_stem().is_some_and(|stem| stem != "all")
}

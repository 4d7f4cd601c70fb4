//! `cargo xtask e2e`: the end-to-end test of `reload-e2e` and the black-box test of
//! `reload-blackbox` with the real programs, then the captured bytes of the first through an
//! independent decoder. `cargo xtask e2e nat` is what homes behind NATs must be able to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{cargo, output, root, step, tools_required};
use crate::wire_check::wire_check;

/// What measures against a target that is not reached yet, for those who work on it: run by its name.
const MEASURED: &str = "lossy";

/// The test whose associations move from path to path.
const MOVING: &str = "nat";

/// Runs both, or of the first the tests whose names contain `filter`.
pub(crate) fn run(filter: Option<&str>) -> Result<()> {
    let directory = root().join("target").join("e2e");
    if directory.exists() {
        fs::remove_dir_all(&directory).context("cannot remove the last capture")?;
    }
    fs::create_dir_all(&directory).context("cannot make a directory for the capture")?;
    let mut one_by_one = vec!["--include-ignored", "--nocapture", "--test-threads=1"];
    if filter.is_none() {
        one_by_one.extend(["--skip", MEASURED]);
    }
    let packages: &[&str] = match filter {
        Some(filter) => &["--package", "reload-e2e", "--test", "it", filter, "--"],
        None => &["--package", "reload-e2e", "--package", "reload-blackbox", "--"],
    };
    let arguments = [&["test"][..], packages, &one_by_one].concat();
    step(cargo(&arguments).env("RELOAD_E2E_DIR", &directory))?;
    if filter.is_none() {
        // A path may move between the fragments of a message: to be looked at by people.
        println!("the capture of {MOVING} is checked by `cargo xtask e2e {MOVING}`");
        let _ = fs::remove_dir_all(directory.join(MOVING));
    }
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
        let captures = captures.iter().map(|path| openable(path)).collect::<Result<Vec<_>>>()?;
        step(command.args(&captures))?;
        checked += captures.len();
    }
    Ok(checked)
}

/// A copy without the paths that a DTLS association has moved to, from a relay or with an address: the
/// decoder opens only what follows a handshake between the same addresses.
fn openable(capture: &Path) -> Result<PathBuf> {
    let streams = |filter: &str| {
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(capture).args(["-Y", filter, "-T", "fields", "-e", "udp.stream"]);
        let lines = String::from_utf8_lossy(&output(&mut tshark)?).into_owned();
        // Of nested packets the stream stands there twice.
        let first = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
        anyhow::Ok(lines.lines().map(first).collect::<BTreeSet<_>>())
    };
    let all = streams("udp && dtls")?;
    let mut opened = all.clone();
    // Hellos of both sides, and the step to ciphers: an association may also move in between.
    for part in ["handshake.type == 1", "handshake.type == 2", "record.content_type == 20"] {
        let seen = streams(&format!("udp && dtls.{part}"))?;
        opened.retain(|stream| seen.contains(stream));
    }
    let left_out = all.difference(&opened).count();
    if left_out == 0 {
        return Ok(capture.to_owned());
    }
    let name = capture.display();
    println!("{name}: {left_out} of {} paths have no handshake of their own", all.len());
    let kept = opened.iter().map(|stream| format!("udp.stream == {stream}"));
    let filter = std::iter::once("tcp".to_owned()).chain(kept).collect::<Vec<_>>().join(" || ");
    let copy = capture.with_extension("opened.pcap");
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture).args(["-Y", &filter, "-w"]).arg(&copy);
    output(&mut tshark)?;
    Ok(copy)
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

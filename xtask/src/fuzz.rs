//! `cargo xtask fuzz`: every fuzz target for a while, one after the other, from the seeds that
//! `reload-fuzz` makes of the vectors. Needs `cargo install cargo-fuzz --locked`; the stable compiler
//! will do.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, output, root, step};

/// What one input may take of memory and time: far more than any needs.
const BOUNDS: [&str; 3] = ["-rss_limit_mb=3000", "-timeout=20", "-max_len=4096"];

/// Runs the targets for so many seconds each: all of them, or those named.
pub(crate) fn run(seconds: u32, targets: &[String]) -> Result<()> {
    let folder = root().join("fuzz");
    let corpus = folder.join("corpus");
    step(cargo(&["run", "--quiet", "-p", "reload-fuzz", "--bin", "fuzz-seeds"]).arg(&corpus))?;
    let all = targets_of(&folder)?;
    let unknown = targets.iter().find(|name| !all.contains(name));
    if let Some(name) = unknown {
        bail!("no target {name}; there are: {}", all.join(" "));
    }
    let chosen = if targets.is_empty() { &all } else { targets };
    step(&mut cargo_fuzz(&folder, &["build"]))?;
    let mut failed = Vec::new();
    for target in chosen {
        match step(&mut target_run(&folder, target, seconds)) {
            Ok(()) => println!("fuzz: {target} held for {seconds} s"),
            Err(error) => {
                println!("fuzz: {target}: {error:#}");
                failed.push(target.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!(
        "rules were broken in {}: the inputs are in fuzz/artifacts; each belongs into \
         testvectors/fuzz with its fix",
        failed.join(", ")
    )
}

fn target_run(folder: &Path, target: &str, seconds: u32) -> Command {
    let mut command = cargo_fuzz(folder, &["run", target, "--"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-dict={}", dictionary(folder, target).display()));
    command.args(BOUNDS);
    command
}

/// The words of the target's own language, or those of the wire.
fn dictionary(folder: &Path, target: &str) -> PathBuf {
    let own = folder.join("dictionaries").join(target).with_extension("dict");
    if own.is_file() { own } else { folder.join("dictionaries/wire.dict") }
}

/// cargo-fuzz on the stable compiler: its flags are those of a nightly one.
fn cargo_fuzz(folder: &Path, arguments: &[&str]) -> Command {
    let (first, rest) = arguments.split_first().map_or(("list", arguments), |(f, r)| (*f, r));
    let mut command = cargo(&["fuzz", first, "--fuzz-dir"]);
    command.arg(folder).args(rest).env("RUSTC_BOOTSTRAP", "1");
    command
}

fn targets_of(folder: &Path) -> Result<Vec<String>> {
    let list = output(&mut cargo_fuzz(folder, &["list"]))
        .context("is cargo-fuzz there? `cargo install cargo-fuzz --locked`")?;
    Ok(String::from_utf8_lossy(&list).lines().map(str::to_owned).collect())
}

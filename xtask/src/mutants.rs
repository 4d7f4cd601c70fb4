//! `cargo xtask mutants`: breaks a crate in a sample of places, one at a time, and counts what its
//! own tests do not notice. Needs `cargo install cargo-mutants --locked`. Survivors are listed with
//! their reasons in docs/mutants.md.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use crate::run::{cargo, output, root, step};

/// How many hundredths of the viable mutants may live.
const ALLOWED: usize = 10;
/// A test that takes this many seconds has noticed: nothing in these crates takes as long.
const TIMEOUT: &str = "90";

/// What is broken and where.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The crate.
    #[arg(value_name = "PACKAGE")]
    package: String,
    /// How many places.
    #[arg(long, value_name = "N", default_value_t = 250)]
    sample: usize,
    /// Which ones.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Only those of the sample that the last run did not get to or did not catch.
    #[arg(long)]
    again: bool,
    /// Break the files themselves instead of a copy of the tree: builds less, but leaves a broken
    /// file behind when it is interrupted.
    #[arg(long)]
    in_place: bool,
}

/// Runs the sample of a crate.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Options { package, sample, seed, .. } = options;
    let all = output(&mut cargo(&["mutants", "--list", "-p", package]))?;
    let all = String::from_utf8(all)?;
    let mut chosen = choose(all.lines().collect(), *sample, *seed);
    println!("mutants: {} of {} of {package}, seed {seed}", chosen.len(), all.lines().count());
    let folder = root().join("target/mutants").join(package);
    let mut noticed = 0;
    if options.again {
        let [caught, timeout, unviable] =
            ["caught.txt", "timeout.txt", "unviable.txt"].map(|name| read(&folder, name));
        let settled = [&caught, &timeout, &unviable];
        chosen.retain(|name| !settled.iter().any(|list| list.contains(*name)));
        noticed = caught.len() + timeout.len();
        println!("mutants: {} of them again", chosen.len());
    }
    if chosen.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    // it fails when a mutant lives: the files say how many
    let ended = step(&mut command(options, &folder, &chosen));
    let [missed, caught, timeout, unviable] =
        ["missed.txt", "caught.txt", "timeout.txt", "unviable.txt"]
            .map(|name| read(&folder, name).len());
    let viable = missed + caught + timeout;
    if viable + unviable < chosen.iter().collect::<BTreeSet<_>>().len() {
        return ended.and_then(|()| bail!("only {} of {} ran", viable + unviable, chosen.len()));
    }
    println!(
        "mutants: {package}: {viable} viable, {caught} caught, {timeout} ran out of time, {missed} alive"
    );
    if missed > 0 && missed * 100 >= (viable + noticed) * ALLOWED {
        bail!("{missed} of {viable} mutants of {package} live: see {}", folder.display());
    }
    Ok(())
}

/// `cargo mutants` for the chosen ones, with every feature: the code of a feature has tests, too.
fn command(options: &Options, folder: &Path, chosen: &[&str]) -> std::process::Command {
    let names: Vec<String> = chosen.iter().map(|name| escape(name)).collect();
    let package = options.package.as_str();
    let mut command = cargo(&["mutants", "-p", package, "--no-shuffle", "--all-features"]);
    command.args(["--timeout", TIMEOUT]).arg("--output").arg(folder);
    if options.in_place {
        command.arg("--in-place");
    }
    command.args(["--re", &format!("^({})$", names.join("|"))]);
    command
}

/// The names in a file of the last run.
fn read(folder: &Path, name: &str) -> BTreeSet<String> {
    let list = std::fs::read_to_string(folder.join("mutants.out").join(name));
    list.unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The same mutants for the same seed, whatever their order: those with the smallest hashes.
fn choose(mut all: Vec<&str>, sample: usize, seed: u64) -> Vec<&str> {
    all.sort_by_key(|name| hash(seed, name));
    all.truncate(sample);
    all
}

/// FNV-1a, which stays the same over versions of the standard library.
fn hash(seed: u64, text: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = seed.to_be_bytes().into_iter().chain(text.bytes());
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// The text as a regular expression that matches nothing else.
fn escape(text: &str) -> String {
    const SPECIAL: &str = r"\.+*?()|[]{}^$#&-~";
    let mut escaped = String::new();
    for letter in text.chars() {
        if SPECIAL.contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_depends_on_the_seed_and_not_on_the_order() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut turned = names;
        turned.reverse();
        assert_eq!(choose(names.to_vec(), 3, 7), choose(turned.to_vec(), 3, 7));
        assert_ne!(choose(names.to_vec(), 6, 7), choose(names.to_vec(), 6, 8));
    }

    #[test]
    fn a_name_becomes_an_expression_that_matches_it_alone() {
        assert_eq!(escape("a.rs:1: <b> -> ()"), "a\\.rs:1: <b> \\-> \\(\\)");
    }
}

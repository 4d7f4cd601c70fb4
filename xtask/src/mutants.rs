//! `cargo xtask mutants`: breaks a crate in a sample of places, one at a time, and counts what its
//! own tests do not notice. Needs `cargo install cargo-mutants --locked`. Survivors are listed with
//! their reasons in docs/mutants.md.

use anyhow::{Result, bail};

use crate::run::{cargo, output, root, step};

/// How many hundredths of the viable mutants may live.
const ALLOWED: usize = 10;

/// Runs `sample` mutants of a crate, chosen by `seed`.
pub(crate) fn run(package: &str, sample: usize, seed: u64) -> Result<()> {
    let all = output(&mut cargo(&["mutants", "--list", "-p", package]))?;
    let all = String::from_utf8(all)?;
    let chosen = choose(all.lines().collect(), sample, seed);
    println!("mutants: {} of {} of {package}, seed {seed}", chosen.len(), all.lines().count());
    let folder = root().join("target/mutants").join(package);
    std::fs::create_dir_all(&folder)?;
    let pattern =
        format!("^({})$", chosen.iter().map(|name| escape(name)).collect::<Vec<_>>().join("|"));
    let mut command = cargo(&["mutants", "-p", package, "--no-shuffle", "--timeout", "90"]);
    command.arg("--output").arg(&folder).args(["--re", &pattern]);
    // it fails when a mutant lives: the files say how many
    let ended = step(&mut command);
    let count = |name: &str| -> Result<usize> {
        let list = std::fs::read_to_string(folder.join("mutants.out").join(name))?;
        Ok(list.lines().count())
    };
    let (missed, caught, timeout) =
        (count("missed.txt")?, count("caught.txt")?, count("timeout.txt")?);
    let (viable, unviable) = (missed + caught + timeout, count("unviable.txt")?);
    if viable + unviable < chosen.len() {
        return ended.and_then(|()| bail!("only {} of {} ran", viable + unviable, chosen.len()));
    }
    println!(
        "mutants: {package}: {viable} viable, {caught} caught, {timeout} ran out of time, {missed} alive"
    );
    if missed * 100 >= viable * ALLOWED {
        bail!("{missed} of {viable} mutants of {package} live: see {}", folder.display());
    }
    Ok(())
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

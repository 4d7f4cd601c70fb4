//! Writes the seeds of every target, and earlier findings, into `DIR/TARGET/`: the corpus that a
//! fuzzer starts from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use reload_fuzz::{TARGETS, findings, seeds};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: fuzz-seeds DIR")?;
    for target in TARGETS {
        let folder = Path::new(&folder).join(target.name);
        fs::create_dir_all(&folder)?;
        for seed in seeds(target.name)?.into_iter().chain(findings(target.name)?) {
            fs::write(folder.join(&seed.name), &seed.bytes)?;
        }
    }
    Ok(())
}

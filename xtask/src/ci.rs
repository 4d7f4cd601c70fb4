//! `cargo xtask check` and `cargo xtask ci`: what every change must pass.

use anyhow::{Context, Result};

use crate::layers;
use crate::run::{cargo, output, step};

/// Everything that is checked without running the project.
pub(crate) fn check() -> Result<()> {
    step(&mut cargo(&["fmt", "--all", "--check"]))?;
    layers::run()?;
    deny()?;
    step(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    step(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// [`check`], then the tests.
pub(crate) fn ci() -> Result<()> {
    check()?;
    step(&mut cargo(&["test", "--workspace"]))
}

/// The advisory database is not asked: it needs the network.
fn deny() -> Result<()> {
    let version = output(&mut cargo(&["deny", "--version"]));
    version.context("cargo-deny is missing: cargo install cargo-deny --locked")?;
    step(&mut cargo(&["deny", "check", "bans", "licenses", "sources"]))
}

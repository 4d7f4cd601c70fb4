//! Running other programs from the root of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.to_owned(), Path::to_owned)
}

/// The cargo that runs us, at the root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command, with a line that says so; it must succeed.
pub(crate) fn step(command: &mut Command) -> Result<()> {
    let line = shown(command);
    println!("==> {line}");
    let status = command.status().with_context(|| format!("cannot run {line}"))?;
    if status.success() { Ok(()) } else { bail!("{line} failed") }
}

/// The standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let line = shown(command);
    let output = command.output().with_context(|| format!("cannot run {line}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    bail!("{line} failed: {}", String::from_utf8_lossy(&output.stderr).trim())
}

/// Whether a missing tool is a failure.
pub(crate) fn tools_required() -> bool {
    std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require")
}

/// The command as it would be typed; a long one without its end.
fn shown(command: &Command) -> String {
    const WORDS: usize = 10;
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    let shown: Vec<_> = words.take(WORDS).map(|word| word.to_string_lossy()).collect();
    let rest = if command.get_args().len() < WORDS { "" } else { " ..." };
    format!("{}{rest}", shown.join(" "))
}

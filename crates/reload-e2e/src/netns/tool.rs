//! The programs that make namespaces: `ip`, `nft` and `conntrack`.

use std::io::{Seek, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::run;

/// They take milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs one of them; its standard output.
pub(super) fn tool(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    run(command, LIMIT).with_context(|| format!("{program} {}", arguments.join(" ")))
}

/// Runs `ip` with words divided by blanks.
pub(super) fn ip(line: &str) -> Result<String> {
    tool("ip", &line.split_whitespace().collect::<Vec<_>>())
}

/// Loads rules for the kernel of a namespace.
pub(super) fn nft(namespace: &str, rules: &str) -> Result<()> {
    let mut file = tempfile::tempfile().context("no temporary file")?;
    file.write_all(rules.as_bytes())?;
    file.rewind()?;
    let output = Command::new("ip")
        .args(["netns", "exec", namespace, "nft", "-f", "-"])
        .stdin(Stdio::from(file))
        .output()
        .context("cannot run nft")?;
    if output.status.success() {
        return Ok(());
    }
    bail!("nft refuses the rules: {}\n{rules}", String::from_utf8_lossy(&output.stderr).trim())
}

/// Why there can be no namespaces here, if so.
pub(super) fn missing() -> Option<&'static str> {
    for program in ["ip", "nft", "conntrack"] {
        let asked = Command::new(program).arg("--version").output();
        let asked = asked.or_else(|_| Command::new(program).arg("-V").output());
        if asked.is_err() {
            return Some(program);
        }
    }
    match tool("id", &["-u"]) {
        Ok(user) if user.trim() == "0" => None,
        _ => Some("root"),
    }
}

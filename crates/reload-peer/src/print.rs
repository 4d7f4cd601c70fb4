//! Standard output and the one line on standard error.

use std::io::{ErrorKind, IsTerminal, Write};

use anyhow::Context;
use serde::Serialize;

/// Writes text to standard output. A reader that went away is no error.
///
/// # Errors
/// What the system says, a full disk for example.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Writes bytes to standard output and flushes.
///
/// # Errors
/// As [`text`].
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Writes a value as JSON.
///
/// # Errors
/// As [`text`].
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    text.push('\n');
    self::text(&text)
}

/// The one line that tells why the command failed.
pub(crate) fn error(error: &anyhow::Error) {
    let line = format!("{error:#}").replace(['\n', '\r'], "; ");
    // If standard error is closed, nobody reads it.
    let _ = writeln!(std::io::stderr(), "reload: {line}");
}

/// Whether a person reads standard output.
#[must_use]
pub(crate) fn on_terminal() -> bool {
    std::io::stdout().is_terminal()
}

//! Programs of other people, which tests do without where they are not installed.

use std::path::Path;

use anyhow::{Result, ensure};

/// Whether a program is on the path; if not, a word about it.
///
/// # Errors
/// If it is missing and RELOAD_TEST_TOOLS=require.
pub fn installed(program: &str) -> Result<bool> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path).chain([SYSTEM.into()]);
    if directories.any(|directory| directory.join(program).is_file()) {
        return Ok(true);
    }
    let required = std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require");
    ensure!(!required, "no {program}, and RELOAD_TEST_TOOLS=require");
    println!("skipped: no {program}");
    Ok(false)
}

/// Where a program is that only some users have on their path.
pub(crate) fn found(program: &str) -> std::path::PathBuf {
    let there = Path::new(SYSTEM).join(program);
    if there.is_file() { there } else { program.into() }
}

/// Daemons of Debian.
const SYSTEM: &str = "/usr/sbin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_installed() {
        assert!(installed("sh").unwrap());
    }
}

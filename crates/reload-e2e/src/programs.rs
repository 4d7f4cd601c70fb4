//! The programs under test, built by cargo as a user would build them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `reload`.
    pub reload: PathBuf,
    /// `reload-enroll`.
    pub reload_enroll: PathBuf,
}

impl Programs {
    /// Builds them, once in a process, so that no test runs an old one; or takes them from the
    /// directory RELOAD_E2E_PROGRAMS.
    ///
    /// # Errors
    /// If they do not build.
    pub fn build() -> Result<Self> {
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
        built.clone().map_err(anyhow::Error::msg)
    }
}

fn build() -> Result<Programs> {
    if let Some(directory) = std::env::var_os("RELOAD_E2E_PROGRAMS") {
        let directory = PathBuf::from(directory);
        let (reload, reload_enroll) = (directory.join("reload"), directory.join("reload-enroll"));
        return Ok(Programs { reload, reload_enroll });
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--package", "reload-peer", "--package", "enrollment-server"];
    let mut command = Command::new(cargo);
    command.args(arguments).args(["--bins", "--message-format", "json-render-diagnostics"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(std::process::Stdio::inherit());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_our_crate(name)) {
        command.env_remove(name);
    }
    let output = command.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "the programs do not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    let find = |name: &str| {
        let made = messages.lines().filter_map(executable);
        let mut named = made.filter(|path| path.file_stem().is_some_and(|stem| stem == name));
        named.next().with_context(|| format!("cargo has not built {name}"))
    };
    Ok(Programs { reload: find("reload")?, reload_enroll: find("reload-enroll")? })
}

/// What cargo tells a test about its crate; build scripts would take it for a change and run again.
fn is_of_our_crate(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
}

/// The program that a message of cargo is about.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    Some(Path::new(message.get("executable")?.as_str()?).to_owned())
}

//! An independent decoder of RELOAD, if one is installed beside the project.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::run::{root, tools_required};

/// The kinds that `reload-enroll init` gives to users, which no decoder knows by itself.
const KINDS: [&str; 4] = [
    "0xF0000001=USER-SINGLE:single",
    "0xF0000002=USER-ARRAY:array",
    "0xF0000003=USER-DICTIONARY:dictionary",
    "0xF0000004=NODE-MULTIPLE-SINGLE:single",
];

/// `wire-check MODE`, if there are both it and the tshark that it needs; else it says what is missing.
pub(crate) fn wire_check(mode: &str) -> Result<Option<Command>> {
    let Some(program) = find() else {
        println!("skipped: no wire-check");
        return Ok(None);
    };
    if Command::new("tshark").arg("--version").output().is_err() {
        if tools_required() {
            bail!("tshark is missing and RELOAD_TEST_TOOLS=require");
        }
        println!("skipped: no tshark");
        return Ok(None);
    }
    let mut command = Command::new(program);
    command.arg(mode);
    for kind in KINDS {
        command.args(["--kind", kind]);
    }
    Ok(Some(command))
}

fn find() -> Option<PathBuf> {
    let beside = root().join("../shared/tools/wire-check");
    beside.is_file().then_some(beside)
}

//! `cargo xtask messages`: one message of every method, from `testvectors/`, through an independent
//! decoder.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::run::{root, step};
use crate::wire_check::wire_check;

#[derive(Debug, Deserialize)]
struct Vectors {
    message: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    name: String,
    hex: String,
}

/// Checks them all.
pub(crate) fn run() -> Result<()> {
    let Some(mut command) = wire_check("message")? else { return Ok(()) };
    let text = fs::read_to_string(root().join("testvectors/messages.toml"))
        .context("cannot read the messages")?;
    let vectors: Vectors = toml::from_str(&text).context("cannot read the messages")?;
    let directory = root().join("target").join("messages");
    fs::create_dir_all(&directory).context("cannot make a directory for the messages")?;
    for message in &vectors.message {
        let file = directory.join(format!("{}.hex", message.name.replace(' ', "-")));
        fs::write(&file, &message.hex).context("cannot write a message")?;
        command.arg(file);
    }
    step(&mut command)
}

//! The commands: each asks the daemon or does its own work, and prints what came out.

mod arguments;
mod data;
mod inspect;
mod links;
mod look;
mod pipe;
mod sip;
mod status;

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::cli::{Cli, Command, HomeArgs};
use crate::control::{Question, Reply, call};
use crate::progress::ProgressLine;
use crate::{config, daemon, demo, enroll, home, print};

/// Runs one command to its end.
///
/// # Errors
/// Whatever went wrong, with its context.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    let json = cli.json;
    match cli.command {
        Command::Demo(arguments) => demo::run(arguments, json).await,
        Command::Enroll(arguments) => enroll::run(arguments, json).await,
        Command::Peer(arguments) => daemon::run(arguments, json).await,
        Command::Config(command) => config::run(command, json),
        Command::Store(arguments) => data::store(arguments, json).await,
        Command::Fetch(arguments) => data::fetch(arguments, json).await,
        Command::Stat(arguments) => data::stat(arguments, json).await,
        Command::Find(arguments) => data::find(arguments, json).await,
        Command::Remove(arguments) => data::remove(arguments, json).await,
        Command::Ping(arguments) => look::ping(arguments, json).await,
        Command::Probe(arguments) => look::probe(arguments, json).await,
        Command::Route(arguments) => look::route(arguments, json).await,
        Command::Locate(arguments) => look::locate(arguments, json).await,
        Command::Ring(arguments) => look::ring(arguments, json).await,
        Command::Links(arguments) => links::links(arguments, json).await,
        Command::Pipe(arguments) => pipe::pipe(arguments, json).await,
        Command::Sip(command) => sip::run(command, json).await,
        Command::Status(arguments) => status::status(arguments, json).await,
        Command::Inspect(arguments) => inspect::inspect(&arguments, json),
    }
}

/// The directory of `--home`, the environment or the default.
///
/// # Errors
/// If there is none of them.
pub(crate) fn home_directory(arguments: &HomeArgs) -> anyhow::Result<PathBuf> {
    if let Some(directory) = &arguments.home {
        return Ok(directory.clone());
    }
    if let Some(directory) = std::env::var_os("RELOAD_HOME").filter(|text| !text.is_empty()) {
        return Ok(directory.into());
    }
    let user = std::env::var_os("HOME").filter(|text| !text.is_empty());
    let user = user.context("which node? give --home DIR or set RELOAD_HOME")?;
    Ok(PathBuf::from(user).join(".reload"))
}

/// Asks the daemon, and shows that it takes a while if it does.
async fn ask(arguments: &HomeArgs, question: Question, doing: &str) -> anyhow::Result<Reply> {
    let directory = home_directory(arguments)?;
    home::Home::open(&directory)?;
    let line = ProgressLine::start(doing);
    Ok(call(&directory, question, |text| line.say(text)).await?)
}

/// Asks, prints JSON if that is wanted, else hands the reply to `show`.
async fn ask_and_show<T>(
    arguments: &HomeArgs,
    question: Question,
    doing: &str,
    json: bool,
    pick: impl FnOnce(Reply) -> Option<T>,
    show: impl FnOnce(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let reply = ask(arguments, question, doing).await?;
    if json {
        return print::json(&reply);
    }
    match pick(reply) {
        Some(reply) => show(reply),
        None => bail!("the node answered another question: use the same version on both sides"),
    }
}

//! The RELOAD daemon and the `reload` command.
//!
//! [`run`] is the whole program. The daemon joins the node, the topology plug-in, the store, the
//! usages and the driver; the other commands talk to it through the control socket in its home.
//!
//! ```
//! // Wrong usage is told on standard error, with exit code 2.
//! let code = reload_peer::run(["reload", "no-such-command"].map(Into::into));
//! assert_eq!(code, std::process::ExitCode::from(2));
//! ```

mod cli;
mod commands;
mod config;
mod control;
mod daemon;
mod demo;
mod enroll;
mod home;
mod logging;
mod names;
mod operations;
mod print;
mod progress;
mod running;
mod sip;
mod source;
mod stop;
mod table;
mod units;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use cli::Cli;

/// Runs the program with these arguments, the program's name first. 0 done, 1 failed with one line
/// on standard error, 2 wrong usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Standard output may be closed; there is nobody left to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    logging::start(&cli);
    match run_command(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run_command(cli: Cli) -> anyhow::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(commands::run(cli));
    // A prompt or a slow look-up on another thread shall not hold the end up.
    runtime.shutdown_background();
    result
}

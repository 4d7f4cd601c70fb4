//! Automation of the workspace: `cargo xtask ci | check | layers | e2e | messages`. It runs cargo and
//! reads its metadata; what it checks of the project is written in the module of each command.

mod captured;
mod ci;
mod conformance;
mod e2e;
mod fuzz;
mod layers;
mod messages;
mod mutants;
mod run;
mod wire_check;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Automation of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that must hold before a change is taken: `check`, then the tests.
    Ci,
    /// Format, lints, layers, licences and documentation; no tests.
    Check,
    /// Check that crates only use crates of lower layers.
    Layers,
    /// Check the table of requirements and print how many are done.
    Conformance {
        /// Write the numbers into the README as well.
        #[arg(long)]
        write: bool,
    },
    /// Run the end-to-end test with the real programs and check its captured bytes.
    E2e {
        /// Only tests of `reload-e2e` whose names contain this: `nat`, `partition`, `survival`.
        #[arg(value_name = "FILTER")]
        filter: Option<String>,
    },
    /// Check the captures of the last `e2e` again, or those in another directory.
    Captured {
        /// With a directory for each test.
        #[arg(value_name = "DIRECTORY", default_value = "target/e2e")]
        directory: PathBuf,
    },
    /// Run every fuzz target for a while, one after the other.
    Fuzz {
        /// Seconds for each target.
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u32,
        /// Only these targets.
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Break a crate in a sample of places and count what its tests do not notice.
    Mutants(mutants::Options),
    /// Give one message of every method to an independent decoder.
    Messages,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Ci => ci::ci(),
        Command::Check => ci::check(),
        Command::Layers => layers::run(),
        Command::Conformance { write } => conformance::run(write),
        Command::E2e { filter } => e2e::run(filter.as_deref()),
        Command::Captured { directory } => captured::check(&directory).map(drop),
        Command::Fuzz { seconds, targets } => fuzz::run(seconds, &targets),
        Command::Mutants(options) => mutants::run(&options),
        Command::Messages => messages::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

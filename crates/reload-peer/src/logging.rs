//! Logs go to standard error, by `tracing`; `-v` and RUST_LOG set the level.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{Cli, Command};

/// Starts logging. The daemon tells its steps; the other commands speak only of trouble.
pub(crate) fn start(cli: &Cli) {
    let daemon = matches!(cli.command, Command::Peer(_));
    let level = match (daemon, cli.verbose) {
        (false, 0) => LevelFilter::ERROR,
        (true, 0) | (false, 1) => LevelFilter::INFO,
        (true, 1) | (false, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let mut filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let wished = std::env::var("RUST_LOG").ok();
    let noise = QUIET.iter().filter(|_| wished.is_none());
    let secret = SECRET
        .iter()
        .filter(|_| wished.as_ref().is_none_or(|wished| !wished.contains("rsipstack")));
    for quiet in noise.chain(secret).filter_map(|quiet| quiet.parse().ok()) {
        filter = filter.add_directive(quiet);
    }
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(cli.verbose > 1);
    // A second start in one process, as in tests, keeps the first.
    let _ = log.try_init();
}

/// Noise that strangers send is no news, nor is each datagram of a TURN client; these libraries tell of
/// both.
const QUIET: [&str; 4] =
    ["stun_types=error", "stun_proto=error", "turn_types=error", "turn_client_proto=error"];

/// This library tells of whole SIP messages, with what proves a password, and of all noise of strangers: not
/// unless it is asked by name.
const SECRET: [&str; 1] = ["rsipstack=error"];

//! The `reload` program: a thin shell over the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    reload_peer::run(std::env::args_os())
}

//! The `reload-enroll` program: a thin shell over the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    enrollment_server::cli::main()
}

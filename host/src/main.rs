//! The `mailweir` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailweir::cli::run()
}

//! The binary: hands the command line over.

use std::process::ExitCode;

fn main() -> ExitCode {
    pombo::cli::main(std::env::args_os())
}

//! The binary: hands the command line over.

use std::process::ExitCode;

/// Gives freed memory back to the system whatever thread freed it, and costs less per allocation
/// than the C library's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pombo::cli::main(std::env::args_os())
}

//! The binary: hands the command line over.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Gives freed memory back to the system whatever thread freed it, and costs less per allocation
/// than the C library's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator's setting to ask the system for memory piece by piece, and to give each piece back
/// as a whole. By itself it keeps one large arena in huge pages, of which what was once used stays
/// resident: first of all the 19 MiB of each password that was ever compared.
const NO_ARENA: (&str, &str) = ("MIMALLOC_DISALLOW_ARENA_ALLOC", "1");

#[expect(clippy::disallowed_methods, reason = "a setting of the allocator's, none of ours")]
fn main() -> ExitCode {
    let serves = std::env::args_os().skip(1).any(|argument| argument == "serve");
    if serves && std::env::var_os(NO_ARENA.0).is_none() {
        begin_again();
    }
    pombo::cli::main(std::env::args_os())
}

/// Begins again with that setting, as the same process: the allocator reads it before `main`. Where
/// that cannot be done, it merely takes more memory.
fn begin_again() {
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let _ = again.args(arguments).env(NO_ARENA.0, NO_ARENA.1).exec();
}

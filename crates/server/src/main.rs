//! The binary: hands the command line over.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Gives freed memory back to the system whatever thread freed it, and costs less per allocation
/// than the C library's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator's settings: no huge pages, of which what was once used stays resident, and what is
/// larger than 16 MiB asked of the system piece by piece and given back as a whole:
/// first of all the 19 MiB of each password that is compared. Were all asked for piece by piece, its
/// map of addresses would grow with each piece, for ever.
const SETTINGS: [(&str, &str); 2] =
    [("MIMALLOC_ALLOW_THP", "0"), ("MIMALLOC_ARENA_MAX_OBJECT_SIZE", "16MiB")];

#[expect(clippy::disallowed_methods, reason = "a setting of the allocator's, none of ours")]
fn main() -> ExitCode {
    let serves = std::env::args_os().skip(1).any(|argument| argument == "serve");
    let unset = SETTINGS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    let unset: Vec<_> = unset.collect();
    if serves && !unset.is_empty() {
        begin_again(&unset);
    }
    pombo::cli::main(std::env::args_os())
}

/// Begins again with settings, as the same process: the allocator reads them before `main`. Where
/// that cannot be done, it merely takes more memory.
fn begin_again(settings: &[(&str, &str)]) {
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let _ = again.args(arguments).envs(settings.iter().copied()).exec();
}

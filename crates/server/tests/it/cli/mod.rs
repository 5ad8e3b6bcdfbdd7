//! The commands, as a shell runs them.

mod backup;
mod blacklist;
mod campaign;
mod config;
mod money;
mod nodes;
mod operate;
mod otp;
mod prices;
mod segments;
mod serve;
mod store_copy;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `pombo` in a folder, with no variables of ours but these.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pombo"));
    command.current_dir(folder).args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("POMBO_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs to the end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Runs to the end and gives standard output, which must have been a success.
pub(crate) fn good(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Expects that it is not done, for a reason that holds `why`.
pub(crate) fn bad(folder: &Path, arguments: &[&str], why: &str) {
    let output = run(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains(why), "{arguments:?}: {output:?}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// Runs with octets on standard input.
pub(crate) fn fed(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

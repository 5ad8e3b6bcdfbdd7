//! Runs other programs, shows what runs and how long it took.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Prints a line to standard error, where cargo and nextest write too, so that the order is kept.
pub(crate) fn say(line: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
        .to_path_buf()
}

/// The cargo that runs us, so that a wrapper or another toolchain is respected.
pub(crate) fn cargo() -> Command {
    program(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
}

/// A program that runs in the workspace's folder and cannot ask anything.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a command and fails when it fails.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let shown = show(command);
    say(&format!("$ {shown}"));
    let status = command.status().with_context(|| format!("cannot start: {shown}"))?;
    if !status.success() {
        bail!("failed ({status}): {shown}");
    }
    Ok(())
}

/// Runs a command and takes what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let done = command.stderr(Stdio::inherit()).output();
    let done = done.with_context(|| format!("cannot start: {shown}"))?;
    if !done.status.success() {
        bail!("failed ({}): {shown}", done.status);
    }
    Ok(String::from_utf8(done.stdout)?)
}

/// Whether a program can be found.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's kannel puts its boxes into /usr/sbin, which is not on every user's path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .any(|folder| folder.join(name).is_file())
}

/// Runs one step of the gate and prints its name and time.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("\n=== {name}"));
    let start = Instant::now();
    let result = work();
    let word = if result.is_ok() { "ok" } else { "FAILED" };
    say(&format!("=== {name}: {word} in {:.1} s", start.elapsed().as_secs_f64()));
    result.with_context(|| format!("step {name}"))
}

fn show(command: &Command) -> String {
    let mut shown = String::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            shown += &format!("{}={:?} ", key.to_string_lossy(), value);
        }
    }
    shown += &Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy();
    for arg in command.get_args() {
        shown += " ";
        shown += &arg.to_string_lossy();
    }
    shown
}

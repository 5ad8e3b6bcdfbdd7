//! `pombo config`: check what is in force, or print a commented example.

use clap::Subcommand;

use super::{Failure, out};
use crate::config::{Config, DEFAULT_RULES, EXAMPLE};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Read file and environment, tell every mistake, print what is in force.
    Check,
    /// Print every key with its default and meaning.
    Example,
    /// Print the country rules that came with the program, to be copied and changed.
    Rules,
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    match command {
        Command::Check => out::text(&config.to_string()),
        Command::Example => example(),
        Command::Rules => rules(),
    }
}

/// Prints the commented defaults.
pub(super) fn example() -> Result<(), Failure> {
    out::text(EXAMPLE)
}

/// Prints the country rules that hold where no file is named.
pub(super) fn rules() -> Result<(), Failure> {
    out::text(DEFAULT_RULES)
}

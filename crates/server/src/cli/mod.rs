//! The commands, one file each; what they print goes through `out`, what they refuse is one line.

mod account;
mod backup;
mod blacklist;
mod campaign;
mod cdr;
mod certificate;
mod config;
mod demo;
mod inbound;
mod ledger;
mod migrate;
mod nodes;
mod notifications;
mod numbers;
mod otp;
mod out;
mod prices;
mod receipts;
mod retention;
mod routes;
mod senders;
mod serve;
mod sms;
mod store;
mod uncertain;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use pombo_app::operate::Problem;
use pombo_store::Store;

use crate::config::Config;

/// pombo: accepts messages over HTTP, keeps them safe, carries them out, and tells what became of them.
#[derive(Parser)]
#[command(name = "pombo", version, max_term_width = 100, disable_help_subcommand = true)]
struct Arguments {
    /// The configuration file; without one the defaults hold.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try pombo: an account, credit and simulated phones, all on this machine.
    Demo,
    /// Run pombo.
    Serve,
    /// Check the configuration, or print one to start from.
    #[command(subcommand)]
    Config(config::Command),
    /// Bring the store to this version's form (serve does it by itself).
    Migrate,
    /// Accounts: who may send, with which credit and limits.
    #[command(subcommand)]
    Account(account::Command),
    /// Where accounts' events are told: how that goes, enable, replay, dead letters.
    #[command(subcommand)]
    Notifications(notifications::Command),
    /// Opt-outs: whom accounts do not message any more.
    #[command(subcommand)]
    Blacklist(blacklist::Command),
    /// What recipients wrote back.
    #[command(subcommand)]
    Inbound(inbound::Command),
    /// Whose the numbers are that people write to.
    #[command(subcommand)]
    Numbers(numbers::Command),
    /// One-time codes: which ranges of numbers use those they are sent.
    #[command(subcommand)]
    Otp(otp::Command),
    /// Senders: what accounts want to show, and which of it they may.
    #[command(subcommand)]
    Senders(senders::Command),
    /// Prices: what parts cost, what carriers ask, and whose network a number is.
    #[command(subcommand)]
    Prices(prices::Command),
    /// The ledger: whether the money adds up.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// What became of every part, and what it cost.
    #[command(subcommand)]
    Cdr(cdr::Command),
    /// Routes: how carriers stand, pause and resume.
    #[command(subcommand)]
    Routes(routes::Command),
    /// Nodes: who serves from the same database.
    #[command(subcommand)]
    Nodes(nodes::Command),
    /// Campaigns: list, pause, resume, cancel.
    #[command(subcommand)]
    Campaign(campaign::Command),
    /// Parts in doubt after a crash or a lost link.
    #[command(subcommand)]
    Uncertain(uncertain::Command),
    /// Delivery receipts.
    #[command(subcommand)]
    Receipts(receipts::Command),
    /// How long history is kept.
    #[command(subcommand)]
    Retention(retention::Command),
    /// What a text takes as an SMS, and what became of one that is certified.
    #[command(subcommand)]
    Sms(sms::Command),
    /// The store: from a file into a database.
    #[command(subcommand)]
    Store(store::Command),
    /// Copy the store to a file while it is in use.
    Backup(backup::Arguments),
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration or the command line is wrong: exit code 2, one line a mistake.
    Usage(Vec<String>),
    /// Something else: exit code 1, one line.
    Failed(String),
    /// Nobody reads our output any more: no complaint.
    Unheard,
}

impl Failure {
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self::Usage(vec![line.into()])
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem.to_string())
    }
}

impl From<pombo_store::Error> for Failure {
    fn from(error: pombo_store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unheard,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Runs the command line.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(e) => return usage(&e),
    };
    match run(arguments) {
        Ok(()) | Err(Failure::Unheard) => ExitCode::SUCCESS,
        Err(Failure::Usage(lines)) => {
            complain(&lines);
            ExitCode::from(2)
        }
        Err(Failure::Failed(line)) => {
            complain(&[line]);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    // Some commands need no configuration, and must work while it is broken.
    match &arguments.command {
        Command::Config(config::Command::Example) => return config::example(),
        Command::Config(config::Command::Rules) => return config::rules(),
        Command::Sms(sms::Command::Segments(asked)) => return sms::segments(asked),
        _ => {}
    }
    let file = arguments.config;
    let config = crate::config::load(file.as_deref()).map_err(Failure::Usage)?;
    match arguments.command {
        Command::Demo => demo::run(config),
        Command::Serve => serve::run(config, file),
        Command::Config(command) => config::run(&command, &config),
        Command::Migrate => migrate::run(&config),
        Command::Notifications(command) => notifications::run(command, &config),
        Command::Account(command) => account::run(command, &config),
        Command::Blacklist(command) => blacklist::run(command, &config),
        Command::Inbound(command) => inbound::run(&command, &config),
        Command::Numbers(command) => numbers::run(&command, &config),
        Command::Otp(command) => otp::run(command, &config),
        Command::Senders(command) => senders::run(command, &config),
        Command::Prices(command) => prices::run(command, &config),
        Command::Ledger(command) => ledger::run(&command, &config),
        Command::Cdr(command) => cdr::run(command, &config),
        Command::Routes(command) => routes::run(command, &config),
        Command::Nodes(command) => nodes::run(&command, &config),
        Command::Campaign(command) => campaign::run(&command, &config),
        Command::Uncertain(command) => uncertain::run(command, &config),
        Command::Receipts(command) => receipts::run(&command, &config),
        Command::Retention(command) => retention::run(&command, &config),
        Command::Sms(command) => sms::run(&command, &config),
        Command::Store(command) => store::run(&command, &config),
        Command::Backup(arguments) => backup::run(&arguments, &config),
    }
}

/// Help and version go to standard output; a mistake becomes one line.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    let text = error.to_string();
    let first: Vec<&str> =
        text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let what = first.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    complain(&[format!("{what}; `pombo --help` tells what can be written")]);
    ExitCode::from(2)
}

/// Writes lines to standard error.
fn complain<T: fmt::Display>(lines: &[T]) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        // There is nowhere left to complain when this fails.
        let _ = writeln!(stderr, "pombo: {line}");
    }
}

/// Opens the store that the configuration names, beside a server that may have it open.
fn open_store(config: &Config) -> Result<Store, Failure> {
    open(config, false)
}

/// The same, and makes it where there is none.
fn make_store(config: &Config) -> Result<Store, Failure> {
    open(config, true)
}

fn open(config: &Config, create: bool) -> Result<Store, Failure> {
    let options = pombo_store::Options { exclusive: false, create, ..Default::default() };
    crate::boot::open_store(config, &options).map_err(Failure::Failed)
}

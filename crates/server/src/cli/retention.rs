//! `pombo retention run`: the history of old days goes.

use std::io::{IsTerminal, Write};

use clap::{Args, Subcommand};
use pombo_app::clock::Clock;
use pombo_app::operate_retention::{self, Progress, Retention};

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Forget the messages of old days, with their events, while the server works.
    ///
    /// A day stays as long as one of its messages is not over (scheduled, on its way, in doubt) or
    /// had news within the last 7 days, or it tells what became of messages of an earlier day that
    /// stays.
    Run(Run),
}

#[derive(Args)]
pub(super) struct Run {
    /// Days to keep, besides today.
    #[arg(long, value_name = "N", default_value_t = 90,
          value_parser = clap::value_parser!(u32).range(7..=36_500))]
    days: u32,
    /// Only tell which days would go, and which stay.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let Command::Run(Run { days, dry_run }) = *command;
    let store = open_store(config)?;
    let mut stderr = std::io::stderr();
    let is_shown = stderr.is_terminal();
    let go = if dry_run { "would go" } else { "go" };
    let mut n_messages = 0;
    let mut tell = |progress| match progress {
        Progress::Day { day, n_messages: n } => {
            n_messages += n;
            out::line(&format!("{day}: {n} messages {go}"))
        }
        Progress::Rows(n) => {
            if is_shown {
                // Progress is for those who watch; it never stops the work.
                let _ = write!(stderr, "\r{n} rows");
            }
            Ok(())
        }
        Progress::Kept { day, n_open: 0, n_lively: 0, is_needed: true } => out::line(&format!(
            "{day}: stays, it tells what became of messages of an earlier day that stays"
        )),
        Progress::Kept { day, n_open: 0, n_lively: 0, is_needed: false } => {
            out::line(&format!("{day}: stays, not all that became of them was read yet"))
        }
        Progress::Kept { day, n_open, n_lively, .. } => out::line(&format!(
            "{day}: stays, {n_open} parts are not over, {n_lively} had news in the last 7 days"
        )),
    };
    let retention = Retention { n_days: days, is_dry: dry_run };
    let n_kept =
        operate_retention::retention_run(&store, &Clock::system(), retention, &mut |progress| {
            tell(progress).is_ok()
        })?;
    if is_shown && !dry_run {
        let _ = writeln!(std::io::stderr());
    }
    let forgotten = if dry_run { "would be forgotten" } else { "are forgotten" };
    out::line(&format!("{n_messages} messages {forgotten}, {n_kept} days stay"))
}

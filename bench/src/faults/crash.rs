//! Kills pombo with SIGKILL at random moments while it sends, and shows the sync before each 202.

use std::time::Duration;

use anyhow::{Result, bail};

use super::stage::{self, Effort, Stage};
use super::{kill, trace};
use crate::pombo::Setup;
use crate::table::{note, say};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages to send; every fifth or so has two parts.
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// How often to kill.
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// Seconds over which the messages are spread.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Chooses the moments; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Sequential requests of the traced run that shows the sync before each 202; 0: none.
    #[arg(long, default_value_t = 50)]
    traced: u32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    note(&format!("seed {seed}"));
    let span = Duration::from_secs(options.seconds);
    let effort = Effort { messages: options.messages, span, seed };
    let stage = Stage::new("crash", stage::carrier(), &Setup::default())?;
    let (verdict, kills) = kill::at_random(&stage, effort, options.kills)?;
    let trace = match options.traced {
        0 => "not traced".to_owned(),
        n => trace::run(&stage.folder, n)?,
    };
    say(&format!("seed {seed}, killed {kills} times\n{verdict}{trace}"));
    if verdict.is_broken() {
        bail!(
            "a promise is broken; the store and the log are not kept: run again with --seed {seed}"
        );
    }
    Ok(())
}

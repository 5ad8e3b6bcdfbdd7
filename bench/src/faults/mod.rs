//! The fault suite: pombo under load while something breaks, and what became of what it accepted.
//!
//! After each fault the same is looked at (`judge.rs`): every accepted part is final, pending or
//! uncertain, exactly one of them; the SMSC's own list has each; what it got twice is named by
//! `pombo uncertain list`; and the money adds up. The table of `docs/reliability.md` is written
//! by a run of everything.

mod callbacks;
mod client;
mod clock;
pub(crate) mod crash;
mod disk;
mod failover;
mod judge;
mod kill;
mod lease;
mod migrate;
mod namespace;
mod nodes;
mod older;
mod postgres;
mod report;
mod shares;
mod smsc;
mod stage;
mod sync;
mod trace;

use std::panic::catch_unwind;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};

use crate::table::{note, say};
use judge::Verdict;
use report::Row;
use stage::Effort;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// These only; without a name those of the gate.
    names: Vec<String>,
    /// Everything, at full length, and writes the table of docs/reliability.md.
    #[arg(long)]
    all: bool,
    /// Those that the gate runs, short.
    #[arg(long)]
    quick: bool,
    /// What cannot be run here is not as promised either.
    #[arg(long)]
    no_skips: bool,
    /// What there is.
    #[arg(long)]
    list: bool,
    /// Chooses the moments; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
}

/// Something that breaks.
pub(crate) struct Scenario {
    /// What it is called on the command line.
    name: &'static str,
    /// What is done.
    fault: &'static str,
    /// What is promised, beyond that nothing is lost and nothing repeated silently.
    promise: &'static str,
    /// Whether the gate runs it.
    quick: bool,
    run: fn(Effort) -> Result<Outcome>,
}

/// What came of a scenario that ran to its end.
enum Outcome {
    Seen(Box<Seen>),
    /// It cannot be run here, for this reason.
    Skipped(String),
}

impl Outcome {
    fn seen(verdict: Verdict, words: String) -> Self {
        Self::Seen(Box::new(Seen { verdict, words }))
    }
}

/// What was seen.
struct Seen {
    verdict: Verdict,
    /// What only this scenario shows.
    words: String,
}

/// All of them, in the order of the table.
fn scenarios() -> Vec<&'static Scenario> {
    let all: [&[Scenario]; 12] = [
        kill::SCENARIOS,
        disk::SCENARIOS,
        sync::SCENARIOS,
        smsc::SCENARIOS,
        callbacks::SCENARIOS,
        postgres::SCENARIOS,
        failover::SCENARIOS,
        nodes::SCENARIOS,
        lease::SCENARIOS,
        shares::SCENARIOS,
        migrate::SCENARIOS,
        clock::SCENARIOS,
    ];
    all.into_iter().flatten().collect()
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let known = scenarios();
    if options.list {
        for scenario in known {
            say(&format!("{:<20} {}", scenario.name, scenario.fault));
        }
        return Ok(());
    }
    for name in &options.names {
        if !known.iter().any(|scenario| scenario.name == name) {
            bail!("there is no scenario {name}; --list tells what there is");
        }
    }
    let is_chosen = |scenario: &&&Scenario| match options.names.as_slice() {
        [] => options.all || scenario.quick,
        names => names.iter().any(|name| name == scenario.name),
    };
    let is_short = options.quick || (options.names.is_empty() && !options.all);
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    note(&format!("seed {seed}"));
    let effort = if is_short { Effort::short(seed) } else { Effort::full(seed) };
    let mut rows = Vec::new();
    for scenario in known.iter().filter(is_chosen) {
        note(&format!("\n{}: {}", scenario.name, scenario.fault));
        let start = Instant::now();
        // What a scenario cannot start, it tells by a panic.
        let outcome = catch_unwind(|| (scenario.run)(effort))
            .unwrap_or_else(|_| Err(anyhow!("it could not be set up; see above")));
        let row = Row { scenario, outcome, seconds: start.elapsed().as_secs_f64() };
        note(&row.in_words());
        rows.push(row);
    }
    say(&report::table(&rows));
    if options.all {
        report::write(&rows)?;
    }
    let skipped: Vec<&str> =
        rows.iter().filter(|row| row.is_skipped()).map(|row| row.scenario.name).collect();
    if !skipped.is_empty() {
        let (n, all) = (skipped.len(), rows.len());
        note(&format!("{n} of {all} were SKIPPED and show nothing: {}", skipped.join(", ")));
    }
    let broken = rows.iter().filter(|row| row.is_broken()).count();
    if broken > 0 {
        bail!("{broken} of {} are not as promised; seed {seed}", rows.len());
    }
    if options.no_skips && !skipped.is_empty() {
        bail!("none may be skipped here; seed {seed}");
    }
    Ok(())
}

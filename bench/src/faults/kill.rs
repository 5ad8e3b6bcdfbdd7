//! SIGKILL at random moments.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::judge::Verdict;
use super::postgres::Server;
use super::stage::{self, Dice, Effort, Stage};
use super::{Outcome, Scenario};
use crate::pombo::{Pombo, Setup};
use crate::process::Process;
use crate::table::note;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "kill",
        fault: "SIGKILL at random moments under load",
        promise: "it starts again by itself and goes on where it was",
        quick: false,
        run: |effort| run(effort, &Setup::default()),
    },
    Scenario {
        name: "kill-on-postgres",
        fault: "the same, its store on PostgreSQL",
        promise: "the same",
        quick: true,
        run: on_postgres,
    },
];

/// Kills between two of which so much time passes on the average.
const GAP: Duration = Duration::from_millis(1_800);

fn on_postgres(effort: Effort) -> Result<Outcome> {
    let server = Server::start()?;
    run(effort, &server.setup())
}

fn run(effort: Effort, setup: &Setup) -> Result<Outcome> {
    let stage = Stage::new("kill", stage::carrier(), setup)?;
    let kills = u32::try_from(effort.span.as_millis() / GAP.as_millis())?;
    let (verdict, kills) = at_random(&stage, effort, kills)?;
    let words = format!("killed {kills} times; {}", verdict.doubts());
    Ok(Outcome::seen(verdict, words))
}

/// Kills pombo up to so many times while it works; how often it was.
pub(super) fn at_random(stage: &Stage, effort: Effort, kills: u32) -> Result<(Verdict, u32)> {
    let mut serve = stage.pombo.serve()?;
    let load = stage.load(effort);
    let mut dice = Dice::new(effort.seed);
    let gap = effort.span / (kills + 1);
    let mut done = 0;
    // Some kills hit a pombo that is just recovering.
    while done < kills && !load.is_over() {
        dice.wait(gap);
        serve = kill_and_restart(serve, &stage.pombo)?;
        done += 1;
    }
    let sent = load.finish()?;
    Ok((stage.end(serve, &sent)?, done))
}

fn kill_and_restart(serve: Process, pombo: &Pombo) -> Result<Process> {
    serve.kill()?;
    let start = Instant::now();
    let serve = pombo.serve().context("the restart after a kill")?;
    note(&format!("killed; answers again after {:.2} s", start.elapsed().as_secs_f64()));
    Ok(serve)
}

//! A clock that jumps, forth and back: pombo runs under libfaketime.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};

use super::stage::{self, Effort, Stage};
use super::{Outcome, Scenario};
use crate::faketime;
use crate::pombo::Setup;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "clock-jumps",
    fault: "the clock jumps an hour ahead, two hours back, and a day ahead, under load",
    promise: "what was accepted before a jump is sent without waiting for the old time to come again",
    quick: false,
    run,
}];

/// A carrier that takes fewer than come, so that some wait whenever the clock jumps.
const QUEUEING: &str = "rate = 150\n";
/// As many as it takes in a time that one may wait.
const MESSAGES_MAX: u64 = 4_000;

/// The clock's offset, one after another.
const JUMPS: [&str; 4] = ["+3600", "-3600", "+86400", "+0"];

fn run(effort: Effort) -> Result<Outcome> {
    let Some(library) = faketime::library() else {
        return Ok(Outcome::Skipped(faketime::MISSING.to_owned()));
    };
    let effort = Effort { messages: effort.messages.min(MESSAGES_MAX), ..effort };
    let setup = Setup { route: QUEUEING.into(), ..Setup::default() };
    let stage = Stage::new("clock", stage::carrier(), &setup)?;
    let clock = stage.folder.join("clock");
    std::fs::write(&clock, "+0")?;
    let (library, offsets) = (library.display().to_string(), clock.display().to_string());
    let variables = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", offsets.as_str()),
        ("FAKETIME_NO_CACHE", "1"),
        // Only the day's time jumps on a real machine.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let serve = stage.pombo.serve_with(&variables)?;
    let load = stage.load(effort);
    for offset in JUMPS {
        std::thread::sleep(effort.span / 5);
        set(&clock, offset)?;
    }
    let sent = load.finish()?;
    let verdict = stage.end(serve, &sent)?;
    let record = stage.record()?;
    let hours = hours(&record);
    ensure!(hours.len() >= 4, "the clock did not jump: {hours:?}");
    let words = format!("accepted in {} different hours", hours.len());
    Ok(Outcome::seen(verdict, words))
}

/// The hours in which something was accepted: days and hours of the record's instants.
fn hours(record: &str) -> BTreeSet<&str> {
    let cells = record.lines().skip(1).flat_map(|line| line.split(','));
    cells
        .filter(|cell| cell.len() > 19 && cell.as_bytes()[10] == b'T')
        .map(|at| &at[..13])
        .collect()
}

/// In one step: a file that is half written would be another time.
fn set(clock: &Path, offset: &str) -> Result<()> {
    let new = clock.with_extension("new");
    std::fs::write(&new, offset)?;
    Ok(std::fs::rename(new, clock)?)
}

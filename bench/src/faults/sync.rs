//! A disk whose syncs are slow, and one whose syncs fail.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage::{self, Effort, Stage};
use super::{Outcome, Scenario};
use crate::pombo::Setup;

/// How much longer a slow sync takes.
const SLOWER: Duration = Duration::from_millis(150);

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "slow-sync",
        fault: "every fsync and fdatasync takes 150 ms longer",
        promise: "202 only after its sync, which all that wait share",
        quick: true,
        run: |effort| run(effort, &format!("delay_exit={}", SLOWER.as_micros()), false),
    },
    Scenario {
        name: "failed-sync",
        // One that fails alone is made good: its transaction is run once more.
        fault: "the 40th to the 160th fsync or fdatasync of a thread fail with EIO",
        promise: "what was not synced is answered with 503 and Retry-After, and not kept",
        quick: false,
        run: |effort| run(effort, "error=EIO:when=40..160", true),
    },
];

fn run(effort: Effort, injected: &str, fails: bool) -> Result<Outcome> {
    let stage = Stage::new("sync", stage::carrier(), &Setup::default())?;
    let inject = format!("inject=fsync,fdatasync:{injected}");
    // As a grandchild, so that what we start and stop is pombo; other calls run at full speed.
    let args = [
        "-D",
        "-f",
        "--seccomp-bpf",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        &inject,
    ];
    let serve = match stage.pombo.serve_traced("strace", &args) {
        Ok(serve) => serve,
        Err(error) => return Ok(Outcome::Skipped(format!("strace cannot trace here: {error:#}"))),
    };
    let sent = stage.load(effort).finish()?;
    let verdict = stage.end(serve, &sent)?;
    ensure!(sent.without_retry_after == 0, "a refusal did not say when to come again");
    let refused = sent.n_refused();
    ensure!(!fails || refused > 0, "no sync failed");
    let (quickest, slowest) = (sent.quickest.unwrap_or_default(), sent.slowest);
    ensure!(fails || quickest >= SLOWER, "a 202 came after {} ms", quickest.as_millis());
    let words = match fails {
        true => format!("{refused} answers of 503"),
        false => {
            let (quickest, slowest) = (quickest.as_millis(), slowest.as_millis());
            format!("the quickest 202 took {quickest} ms, the slowest answer {slowest} ms")
        }
    };
    Ok(Outcome::seen(verdict, words))
}

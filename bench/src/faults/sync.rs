//! A disk whose syncs are slow, and one whose syncs fail.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::postgres::Server;
use super::stage::{self, Effort, Stage};
use super::{Outcome, Scenario};
use crate::pombo::Setup;
use crate::process::{Process, TempFolder, wait_until};

/// How much longer a slow sync takes.
const SLOWER: Duration = Duration::from_millis(150);

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "slow-sync",
        fault: "every fsync and fdatasync takes 150 ms longer",
        promise: "202 only after its sync, which all that wait share",
        quick: true,
        run: slow,
    },
    Scenario {
        name: "postgres-slow-sync",
        fault: "the same, of PostgreSQL's",
        promise: "the same",
        quick: true,
        run: slow_server,
    },
    Scenario {
        name: "failed-sync",
        // One that fails alone is made good: its transaction is run once more.
        fault: "the 40th to the 160th fsync or fdatasync of a thread fail with EIO",
        promise: "what was not synced is answered with 503 and Retry-After, and not kept",
        quick: false,
        run: failing,
    },
];

/// How long a server's processes may take to be traced.
const TRACED_WITHIN: Duration = Duration::from_secs(10);

fn slow(effort: Effort) -> Result<Outcome> {
    let stage = Stage::new("sync", stage::carrier(), &Setup::default())?;
    let serve = match serve(&stage, &slower()) {
        Ok(serve) => serve,
        Err(error) => return Ok(skipped(&error)),
    };
    slowly(&stage, serve, effort)
}

fn slow_server(effort: Effort) -> Result<Outcome> {
    let server = Server::start()?;
    let stage = Stage::new("sync", stage::carrier(), &server.setup())?;
    let _trace = match trace(&server, &slower()) {
        Ok(trace) => trace,
        Err(error) => return Ok(skipped(&error)),
    };
    slowly(&stage, stage.pombo.serve()?, effort)
}

fn slower() -> String {
    format!("delay_exit={}", SLOWER.as_micros())
}

/// What came of a load where each sync takes its time.
fn slowly(stage: &Stage, serve: Process, effort: Effort) -> Result<Outcome> {
    let sent = stage.load(effort).finish()?;
    let verdict = stage.end(serve, &sent)?;
    let (quickest, slowest) = (sent.quickest.unwrap_or_default(), sent.slowest);
    ensure!(quickest >= SLOWER, "a 202 came after {} ms", quickest.as_millis());
    let (quickest, slowest) = (quickest.as_millis(), slowest.as_millis());
    let words = format!("the quickest 202 took {quickest} ms, the slowest answer {slowest} ms");
    Ok(Outcome::seen(verdict, words))
}

fn failing(effort: Effort) -> Result<Outcome> {
    let stage = Stage::new("sync", stage::carrier(), &Setup::default())?;
    let serve = match serve(&stage, "error=EIO:when=40..160") {
        Ok(serve) => serve,
        Err(error) => return Ok(skipped(&error)),
    };
    let sent = stage.load(effort).finish()?;
    let verdict = stage.end(serve, &sent)?;
    let refused = sent.n_refused();
    ensure!(refused > 0, "no sync failed");
    Ok(Outcome::seen(verdict, format!("{refused} answers of 503")))
}

/// Starts pombo where this is done to each of its syncs.
fn serve(stage: &Stage, injected: &str) -> Result<Process> {
    let syncs = syncs(injected);
    // As a grandchild, so that what we start and stop is pombo; other calls run at full speed.
    let args = [&["-D", "--seccomp-bpf"], &syncs.each_ref().map(String::as_str)[..]].concat();
    stage.pombo.serve_traced("strace", &args)
}

/// Does this to each sync of a server's processes, also of those to come, until it is dropped.
fn trace(server: &Server, injected: &str) -> Result<(Process, TempFolder)> {
    let folder = TempFolder::new("fault-trace")?;
    let processes = server.cluster.processes();
    let mut strace = Command::new("strace");
    strace.args(syncs(injected));
    strace.args(processes.iter().flat_map(|pid| ["-p", pid]));
    let mut trace = Process::start(&mut strace, &folder.join("log"))?;
    wait_until("the server is traced", TRACED_WITHIN, || {
        trace.must_run()?;
        Ok(processes.iter().all(|pid| is_traced(pid)))
    })?;
    Ok((trace, folder))
}

/// Whether a process is traced, or has ended.
fn is_traced(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.contains("TracerPid:\t0\n") || status.contains("State:\tZ")
}

fn syncs(injected: &str) -> [String; 7] {
    let inject = format!("inject=fsync,fdatasync:{injected}");
    ["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &inject].map(str::to_owned)
}

fn skipped(why: &anyhow::Error) -> Outcome {
    Outcome::Skipped(format!("strace cannot trace here: {why:#}"))
}

//! Kills pombo with SIGKILL at random moments while it sends, and compares what was accepted with
//! the SMSC's own list.
//!
//! What must hold: every part of every accepted message reaches the SMSC; a part that arrives
//! more than once is named by `pombo uncertain list`, and its repetition carries the same
//! concatenation reference; and before each 202 leaves, the store's log was synced.

mod client;
mod judge;
mod trace;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pombo_peers::smsc::{Behaviour, Reaction, Receipts, Record, Smsc};

use crate::pombo::Pombo;
use crate::process::{Process, TempFolder};
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

/// How long the SMSC takes for every third answer: long enough to be killed in between.
const SLOW_ANSWER: Duration = Duration::from_millis(20);

/// How long after the submission a receipt comes: some come to a pombo that is not there.
const RECEIPT_DELAY: Duration = Duration::from_millis(50);

/// When nothing has arrived at the SMSC for so long, nothing more will.
const QUIET: Duration = Duration::from_secs(20);

pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    note(&format!("seed {seed}"));
    let folder = TempFolder::new("crash")?;
    let smsc = Smsc::start(carrier())?;
    let pombo = Pombo::prepare(&folder, smsc.addr, 100)?;
    let mut serve = pombo.serve()?;

    let is_over = Arc::new(AtomicBool::new(false));
    let sender = {
        let (requests, is_over) = (client::requests(options.messages), Arc::clone(&is_over));
        let (address, span) = (pombo.http(), Duration::from_secs(options.seconds));
        std::thread::spawn(move || {
            let sent = client::send(address, requests, span);
            is_over.store(true, Ordering::Relaxed);
            sent
        })
    };
    let mut dice = Dice(seed | 1);
    let mut kills = 0;
    let gap = Duration::from_secs(options.seconds) / (options.kills + 1);
    while kills < options.kills && !is_over.load(Ordering::Relaxed) {
        // Between nothing and twice the mean: some kills hit a pombo that is just recovering.
        std::thread::sleep(gap.mul_f64(dice.throw() * 2.0));
        serve = kill_and_restart(serve, &pombo)?;
        kills += 1;
    }
    let sent = match sender.join() {
        Ok(sent) => sent?,
        Err(_) => bail!("the sender panicked"),
    };
    let expected = judge::expected(&sent);
    wait_for(&smsc, &expected);
    let uncertain = pombo.command(&["uncertain", "list", "--json"])?;
    let verdict = judge::compare(&sent, &expected, &smsc.received(), &uncertain)?;
    serve.stop(Duration::from_secs(30))?;
    let trace = match options.traced {
        0 => "not traced".to_owned(),
        n => trace::run(&folder, n)?,
    };
    say(&format!("seed {seed}, killed {kills} times\n{verdict}{trace}"));
    if verdict.is_broken() {
        bail!(
            "a promise is broken; the store and the log are not kept: run again with --seed {seed}"
        );
    }
    Ok(())
}

fn carrier() -> Behaviour {
    let behaviour = Behaviour { record: Record::Compact, ..Behaviour::default() };
    let receipts = Receipts { delay: RECEIPT_DELAY, ..Receipts::default() };
    behaviour.with_receipts(receipts).reacting(|number, _recipient| {
        if number % 3 == 0 { Reaction::AcceptAfter(SLOW_ANSWER) } else { Reaction::Accept }
    })
}

fn kill_and_restart(serve: Process, pombo: &Pombo) -> Result<Process> {
    serve.kill()?;
    let start = Instant::now();
    let serve = pombo.serve().context("the restart after a kill")?;
    note(&format!("killed; answers again after {:.2} s", start.elapsed().as_secs_f64()));
    Ok(serve)
}

/// Waits until everything expected is there and what may still come twice has had its time.
fn wait_for(smsc: &Smsc, expected: &judge::Expected) {
    let mut seen = 0;
    let mut since = Instant::now();
    loop {
        let submits = smsc.counts().submits;
        if submits > seen {
            (seen, since) = (submits, Instant::now());
        }
        let all = judge::all_arrived(expected, &smsc.received());
        let patience = if all { QUIET / 10 } else { QUIET };
        if since.elapsed() > patience {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Chooses moments: the same for the same seed (xorshift, 64 bits).
struct Dice(u64);

impl Dice {
    /// From 0 to below 1.
    fn throw(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 32).unwrap_or(0)) / 4_294_967_296.0
    }
}

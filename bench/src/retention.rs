//! Whether messages go as fast and as soon while the history of an old day goes.
//!
//! The old day is made by a pombo that sees a time long ago (libfaketime), and is then like any other.
//! The same three loads run before, while and after `pombo retention run` works beside the server; it
//! fails where their rates differ by more than a machine's do by themselves.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::bulk::Bulk;
use crate::faketime;
use crate::journey::gateway::Running;
use crate::journey::round::{Ends, Figures, Round};
use crate::journey::traffic::{Kind, TEXT};
use crate::pombo::{Engine, Pombo};
use crate::process::{TempFolder, folder_mib, wait_until};
use crate::table::{Table, grouped, note, say};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages of the old day.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Messages of a load with many recipients a request.
    #[arg(long, default_value_t = 300_000)]
    batch_count: u64,
    /// Messages of a load with one.
    #[arg(long, default_value_t = 60_000)]
    single_count: u64,
    /// Seconds of the load at half the peak, which gives the latency.
    #[arg(long, default_value_t = 10)]
    half_peak_s: u64,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
}

/// Recipients of a request, where it has many.
const BATCH: u64 = 500;
const CONNECTIONS: usize = 32;
const WINDOW: u32 = 100;
/// Long enough ago to go by the command's own limit of 90 days.
const DAYS_AGO: u32 = 100;
/// Behind all recipients that are measured.
const FIRST_FILLED: u64 = 10_000_000;
/// After filling, until everything has been read and written that is to be.
const REST: Duration = Duration::from_secs(3);
/// How much earlier than the command the loads begin.
const AHEAD: Duration = Duration::from_secs(1);
/// Of the mean of the rates before and after, what there has to be meanwhile. On a machine that others
/// share, two runs of the same load differ by a quarter.
const MEANWHILE: f64 = 0.75;
/// How long the command may go on after the loads.
const PATIENCE: Duration = Duration::from_secs(900);

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = TempFolder::new("retention")?;
    let ends = Ends::start(true)?;
    let server = options.store.start(&folder);
    let setup = Engine::setup(server.as_ref());
    let pombo = Pombo::set_up(&folder, ends.smsc.addr, WINDOW, &setup)?;
    make_old_day(options, &pombo, &ends)?;

    let binds = ends.smsc.counts().binds;
    let processes = vec![pombo.serve()?];
    let mut running = Running { http: pombo.http(), processes, server };
    ends.wait_for_bind(binds)?;
    round(options, BATCH, options.batch_count, None).warm_up(&ends, &running)?;
    let mut loads = Loads { options, ends: &ends, running: &mut running, rate: None };
    let mut table = Table::new(&[
        "retention run",
        "500 a request: callbacks/s",
        "CPU ms/msg",
        "one a request: callbacks/s",
        "CPU ms/msg",
        "at half the peak: HTTP to submit p50, p99 ms",
        "RSS peak, MiB",
        "store, MiB",
    ]);
    let mut row = |name: &str, (cells, rates): (Vec<String>, [f64; 2])| -> Result<[f64; 2]> {
        let mut all = vec![name.to_owned()];
        all.extend(cells);
        all.push(grouped(folder_mib(folder.path()), 0));
        table.row(all);
        Ok(rates)
    };
    let before = row("before", loads.run()?)?;
    wait_until("all that became of the old day is read", PATIENCE, || can_go(&pombo))?;
    let forgetting = std::thread::spawn(move || {
        std::thread::sleep(AHEAD);
        forget(&pombo)
    });
    let gave = loads.run()?;
    if forgetting.is_finished() {
        note("it was over before the loads were");
    }
    let meanwhile = row("meanwhile", gave)?;
    let (seconds, cpu_ms) = forgetting.join().ok().context("who forgets panicked")??;
    let after = row("after", loads.run()?)?;
    running.stop()?;
    table.print();
    say(&format!(
        "\n{} messages went in {} s, with {} s of CPU beside the server's",
        options.count,
        grouped(seconds, 1),
        grouped(cpu_ms / 1e3, 1)
    ));
    for ((before, meanwhile), after) in before.into_iter().zip(meanwhile).zip(after) {
        let part = meanwhile / f64::midpoint(before, after);
        say(&format!("{} of the rate before and after", grouped(part, 2)));
        ensure!(part >= MEANWHILE, "messages went slower meanwhile");
    }
    Ok(())
}

/// Messages of long ago, delivered.
fn make_old_day(options: &Options, pombo: &Pombo, ends: &Ends) -> Result<()> {
    let variables = faketime::days_ago(DAYS_AGO)?;
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let serve = pombo.serve_with(&variables)?;
    ends.wait_for_bind(0)?;
    let start = Instant::now();
    let fields = format!(r#""from":"pombo","message":"{TEXT}""#);
    let n = options.count.next_multiple_of(BATCH);
    Bulk { first: FIRST_FILLED, n, batch: BATCH, fields }.send(pombo.http())?;
    wait_until("the old day's messages are delivered", PATIENCE, || {
        Ok(ends.smsc.counts().delivered >= n)
    })?;
    std::thread::sleep(REST);
    note(&format!("{n} of an old day in {:.1} s", start.elapsed().as_secs_f64()));
    serve.stop(Duration::from_secs(30))
}

/// Whether the server has read what it is to read of the old day: it looks for receipts that never came,
/// a piece at a time.
fn can_go(pombo: &Pombo) -> Result<bool> {
    std::thread::sleep(AHEAD);
    let output = pombo.command(&["retention", "run", "--dry-run"])?;
    note(output.trim_end());
    Ok(output.contains(" 0 days stay"))
}

/// Runs the command. The seconds and the CPU milliseconds that it took.
fn forget(pombo: &Pombo) -> Result<(f64, f64)> {
    let start = Instant::now();
    let mut forgetting = pombo.start_command(&["retention", "run"])?;
    let mut cpu_ms = 0.0;
    wait_until("the old day is gone", PATIENCE, || {
        cpu_ms = forgetting.cpu_ms().unwrap_or(cpu_ms);
        forgetting.has_ended()
    })?;
    let output = forgetting.output();
    ensure!(output.contains(" 0 days stay"), "{output}");
    Ok((start.elapsed().as_secs_f64(), cpu_ms))
}

/// The three loads.
struct Loads<'a> {
    options: &'a Options,
    ends: &'a Ends,
    running: &'a mut Running,
    /// Half the peak that was found first.
    rate: Option<f64>,
}

impl Loads<'_> {
    /// What they gave, as cells of the table, and the two rates of the closed loops.
    fn run(&mut self) -> Result<(Vec<String>, [f64; 2])> {
        let options = self.options;
        let batches = self.one(&round(options, BATCH, options.batch_count, None))?;
        let singles = self.one(&round(options, 1, options.single_count, None))?;
        let rate = *self.rate.get_or_insert(batches.call_rate / 2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10^9")]
        let n = rate as u64 * options.half_peak_s;
        let calm = self.one(&round(options, BATCH, n, Some(rate)))?;
        let ms = |duration: Duration| grouped(duration.as_secs_f64() * 1e3, 1);
        let cells = vec![
            grouped(batches.call_rate, 0),
            grouped(batches.cpu_ms, 3),
            grouped(singles.call_rate, 0),
            grouped(singles.cpu_ms, 3),
            [calm.p50, calm.p99].map(ms).join(", "),
            grouped(calm.rss_mib, 0),
        ];
        Ok((cells, [batches.call_rate, singles.call_rate]))
    }

    fn one(&mut self, round: &Round) -> Result<Figures> {
        let figures = round.run(self.ends, self.running)?;
        note(&figures.in_words());
        ensure!(figures.lost == 0 && figures.repeated == 0, "lost or repeated");
        Ok(figures)
    }
}

fn round(options: &Options, batch: u64, n: u64, rate: Option<f64>) -> Round {
    Round {
        gateway: options.store.into(),
        batch,
        n_messages: n.next_multiple_of(batch),
        rate,
        connections: CONNECTIONS,
        is_told: true,
        kind: Kind::default(),
    }
}

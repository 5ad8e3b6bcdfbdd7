//! What a message costs when ten thousand to ten million are stored: one store that grows.
//!
//! At each mark the whole way is measured twice, with many recipients a request and with one; in
//! between, the store is filled as fast as it goes. What is measured is stored too, so where a store
//! is far beyond a mark, another one is begun for it. An empty store is measured first and last, so
//! that what the machine does meanwhile is not taken for what the store costs.

mod plot;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pombo_peers::smsc::Ids;

use crate::bulk::Bulk;
use crate::journey::gateway::{Gateway, Running, Site};
use crate::journey::round::{Ends, Figures, Round};
use crate::journey::traffic::{Kind, TEXT};
use crate::pombo::Engine;
use crate::process::{TempFolder, folder_mib, wait_until};
use crate::table::{Runs, Table, grouped, note};
use plot::Point;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages stored at the last mark.
    #[arg(long, default_value_t = 10_000_000)]
    to: u64,
    /// Messages of a measurement with many recipients a request.
    #[arg(long, default_value_t = 60_000)]
    batch_count: u64,
    /// Messages of a measurement with one.
    #[arg(long, default_value_t = 20_000)]
    count: u64,
    /// Measurements at each mark.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
    /// The carrier's ids are UUIDs, which fill an index in no order; otherwise it counts.
    #[arg(long)]
    uuids: bool,
    /// Where a plot goes, as SVG.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// Messages stored, where it is measured.
const MARKS: [u64; 8] = [0, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000];
/// A store may be so much of a mark beyond it: a quarter.
const BEYOND_SHARE: u64 = 4;
/// Recipients of a request, where it has many.
const BATCH: u64 = 500;
/// Recipients of a request in the two measurements.
const BATCHES: [u64; 2] = [BATCH, 1];
/// Messages that are filled in before the next are: what waits must not become another load.
const FILLED_AT_ONCE: u64 = 250_000;
/// Behind all recipients that are measured.
const FIRST_FILLED: u64 = 1_000_000;
const CONNECTIONS: usize = 32;
const WINDOW: u32 = 100;
/// After filling, until callbacks and checkpoints have caught up.
const REST: Duration = Duration::from_secs(1);

pub(crate) fn run(options: &Options) -> Result<()> {
    let ids = if options.uuids { Ids::Uuid } else { Ids::default() };
    let ends = Ends::facing(Gateway::Pombo, true, ids)?;
    let mut table = Table::new(&[
        "stored",
        "500 a request: callbacks/s",
        "CPU ms/msg",
        "octets written/msg",
        "one a request: callbacks/s",
        "CPU ms/msg",
        "octets written/msg",
        "RSS peak, MiB",
        "store, MiB",
    ]);
    let mut points = Vec::new();
    let mut house: Option<House> = None;
    let marks = MARKS.into_iter().filter(|mark| *mark <= options.to);
    // The empty one once more.
    for mark in marks.chain([0]) {
        let mut seen = Seen::default();
        for _ in 0..options.runs {
            let mut now = match house.take() {
                Some(grown) if grown.n_stored <= mark + mark / BEYOND_SHARE => grown,
                passed => {
                    passed.map_or(Ok(()), House::close)?;
                    House::open(options, &ends)?
                }
            };
            now.fill(&ends, mark).with_context(|| format!("up to {mark}"))?;
            seen.store_mib.push(folder_mib(now.folder.path()));
            for (idx, batch) in BATCHES.into_iter().enumerate() {
                let figures = now.measure(&ends, &round(options, batch))?;
                seen.rates[idx].push(figures.call_rate);
                seen.cpu_ms[idx].push(figures.cpu_ms);
                seen.written[idx].push(figures.written);
                seen.rss_mib.push(figures.rss_mib);
            }
            house = Some(now);
        }
        table.row(seen.row(mark));
        points.push(Point {
            stored: mark,
            rates: seen.rates.each_ref().map(Runs::median),
            cpu_ms: seen.cpu_ms.each_ref().map(Runs::median),
        });
    }
    house.map_or(Ok(()), House::close)?;
    table.print();
    if let Some(path) = &options.plot {
        std::fs::write(path, plot::svg(&points)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A gateway and its store.
struct House {
    running: Running,
    n_stored: u64,
    // Last, because the others use it.
    folder: TempFolder,
}

impl House {
    fn open(options: &Options, ends: &Ends) -> Result<Self> {
        let folder = TempFolder::new("growth")?;
        let binds = ends.smsc.counts().binds;
        let site = Site { folder: &folder, smsc: ends.smsc.addr, window: WINDOW };
        let running = Gateway::from(options.store).start(&site)?;
        ends.wait_for_bind(binds)?;
        let n_stored = round(options, BATCH).warm_up(ends, &running)?;
        Ok(Self { running, n_stored, folder })
    }

    /// Stores messages with their outcomes until there are so many.
    fn fill(&mut self, ends: &Ends, mark: u64) -> Result<()> {
        let fields = format!(r#""from":"pombo","message":"{TEXT}""#);
        let (start, first) = (Instant::now(), self.n_stored);
        while self.n_stored < mark {
            let n = (mark - self.n_stored).min(FILLED_AT_ONCE).next_multiple_of(BATCH);
            let first = FIRST_FILLED + self.n_stored;
            let delivered = ends.smsc.counts().delivered + n;
            let bulk = Bulk { first, n, batch: BATCH, fields: fields.clone() };
            bulk.send(self.running.http)?;
            wait_until("all is delivered", Duration::from_secs(900), || {
                Ok(ends.smsc.counts().delivered >= delivered)
            })?;
            self.n_stored += n;
            self.running.must_run()?;
        }
        if self.n_stored > first {
            let (n, seconds) = (self.n_stored - first, start.elapsed().as_secs_f64());
            note(&format!("{n} filled in, in {seconds:.1} s"));
            std::thread::sleep(REST);
        }
        Ok(())
    }

    fn measure(&mut self, ends: &Ends, round: &Round) -> Result<Figures> {
        let figures = round.run(ends, &mut self.running)?;
        note(&format!("{} stored: {}", self.n_stored, figures.in_words()));
        ensure!(figures.lost == 0 && figures.repeated == 0, "lost or repeated");
        self.n_stored += figures.accepted;
        Ok(figures)
    }

    fn close(self) -> Result<()> {
        self.running.stop()
    }
}

fn round(options: &Options, batch: u64) -> Round {
    let n = if batch == 1 { options.count } else { options.batch_count };
    Round {
        gateway: options.store.into(),
        batch,
        n_messages: n.next_multiple_of(batch),
        rate: None,
        connections: CONNECTIONS,
        is_told: true,
        kind: Kind::default(),
    }
}

/// What was measured at a mark; pairs are in the order of [`BATCHES`].
#[derive(Default)]
struct Seen {
    rates: [Runs; 2],
    cpu_ms: [Runs; 2],
    written: [Runs; 2],
    rss_mib: Runs,
    store_mib: Runs,
}

impl Seen {
    fn row(&self, mark: u64) -> Vec<String> {
        let mut cells = vec![count(mark)];
        for ((rates, cpu_ms), written) in self.rates.iter().zip(&self.cpu_ms).zip(&self.written) {
            cells.extend([rates.show(0), cpu_ms.show(3), grouped(written.median(), 0)]);
        }
        cells.push(grouped(self.rss_mib.highest(), 0));
        cells.push(grouped(self.store_mib.median(), 0));
        cells
    }
}

/// With commas between its thousands.
fn count(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    let n = n as f64;
    grouped(n, 0)
}

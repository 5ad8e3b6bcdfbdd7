//! How much memory pombo needs while a million messages wait.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bulk::Bulk;
use crate::pombo::Pombo;
use crate::process::{Process, TempFolder, folder_mib, free_port, local};
use crate::table::{Table, grouped, note};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Recipients of a request.
    #[arg(long, default_value_t = 500)]
    batch: u64,
    /// Due in a year; otherwise due at once, on a route whose carrier is not there.
    #[arg(long)]
    scheduled: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = TempFolder::new("queued")?;
    let nobody = local(free_port()?);
    let pombo = Pombo::prepare(&folder, nobody, 100)?;
    let mut table =
        Table::new(&["queued", "seconds", "RSS now, MiB", "RSS peak, MiB", "store, MiB"]);
    let mut row = |what: &str, seconds: f64, process: &Process| -> Result<()> {
        let store = folder_mib(folder.path());
        table.row(vec![
            what.to_owned(),
            grouped(seconds, 1),
            grouped(process.rss_mib()?, 1),
            grouped(process.rss_peak_mib()?, 1),
            grouped(store, 0),
        ]);
        Ok(())
    };
    let serve = pombo.serve()?;
    row("0", 0.0, &serve)?;
    let step = (options.count / 10).next_multiple_of(options.batch);
    let start = Instant::now();
    let mut queued = 0;
    while queued < options.count {
        fill(options, &pombo, queued, step)?;
        queued += step;
        note(&format!("{queued} queued, {:.1} MiB", serve.rss_mib()?));
        row(&queued.to_string(), start.elapsed().as_secs_f64(), &serve)?;
    }
    serve.stop(Duration::from_secs(30))?;
    let start = Instant::now();
    let again = pombo.serve()?;
    let ready_s = start.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs(5));
    row(&format!("{queued}, started again"), ready_s, &again)?;
    again.stop(Duration::from_secs(30))?;
    table.print();
    Ok(())
}

/// Sends `n` more messages.
fn fill(options: &Options, pombo: &Pombo, first: u64, n: u64) -> Result<()> {
    let mut fields = r#""from":"pombo","message":"One of a million.""#.to_owned();
    if options.scheduled {
        // Far enough for any run, near enough for any limit on dates.
        fields.push_str(r#","scheduleDate":"20371231000000""#);
    }
    Bulk { first, n, batch: options.batch, fields }.send(pombo.http())
}

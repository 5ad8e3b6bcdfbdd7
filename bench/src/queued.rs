//! How much memory pombo needs while a million messages wait.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use pombo_peers::load::{self, Plan, Post, Traffic};

use crate::pombo::{Pombo, authorization};
use crate::process::{Process, TempFolder, free_port};
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
    let nobody = ([127, 0, 0, 1], free_port()?).into();
    let pombo = Pombo::prepare(&folder, nobody, 100)?;
    let mut table =
        Table::new(&["queued", "seconds", "RSS now, MiB", "RSS peak, MiB", "store, MiB"]);
    let mut row = |what: &str, seconds: f64, process: &Process| -> Result<()> {
        let store = folder_mib(&folder)?;
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
    let headers = [authorization(), "Content-Type: application/json".to_owned()];
    let traffic = Batches {
        post: Post::new(&pombo.http().to_string(), "/api/rest/sms", &headers),
        batch: options.batch,
        first,
        scheduled: options.scheduled,
        body: String::new(),
    };
    let plan = Plan {
        address: pombo.http(),
        connections: 4,
        requests: n / options.batch,
        time_max: Duration::from_secs(600),
        rate: None,
        answer_max: Duration::from_secs(120),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(load::run(plan, Arc::new(Mutex::new(traffic))))?;
    if outcome.statuses.keys().any(|status| *status != 202) || outcome.failed > 0 {
        bail!("not all accepted: {:?}, {} failed", outcome.statuses, outcome.failed);
    }
    Ok(())
}

struct Batches {
    post: Post,
    batch: u64,
    first: u64,
    scheduled: bool,
    body: String,
}

impl Traffic for Batches {
    fn request(&mut self, idx: u64, _due: Instant, buffer: &mut Vec<u8>) {
        let first = 34_600_000_000 + self.first + idx * self.batch;
        self.body.clear();
        self.body.push_str(r#"{"from":"pombo","message":"One of a million.","to":["#);
        for to in first..first + self.batch {
            if to > first {
                self.body.push(',');
            }
            self.body.push_str(&format!("\"{to}\""));
        }
        self.body.push(']');
        if self.scheduled {
            // Far enough for any run, near enough for any limit on dates.
            self.body.push_str(r#","scheduleDate":"20371231000000""#);
        }
        self.body.push('}');
        self.post.append(self.body.as_bytes(), buffer);
    }
}

fn folder_mib(folder: &TempFolder) -> Result<f64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.path())? {
        bytes += entry?.metadata()?.len();
    }
    #[expect(clippy::cast_precision_loss, reason = "a size to be read by a person")]
    Ok(bytes as f64 / f64::from(1 << 20))
}

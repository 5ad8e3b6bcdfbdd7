//! How soon pombo serves again after a crash with a million messages waiting.
//!
//! All of them are due. The carrier takes a window's worth and never answers, so that some are under
//! way whenever pombo is killed: SIGKILL, with whatever is in its log. What is timed from the new
//! start on is what others see: a request that is accepted, and a submission at the carrier.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pombo_peers::load::{Post, ask};
use pombo_peers::smsc::{Behaviour, Reaction, Smsc};

use crate::bulk::Bulk;
use crate::pombo::{Engine, Pombo, authorization};
use crate::process::{TempFolder, wait_until};
use crate::table::{Runs, Table, grouped, note};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages that wait.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Submissions that are under way.
    #[arg(long, default_value_t = 2_000)]
    window: u32,
    /// How often to kill it.
    #[arg(long, default_value_t = 5)]
    kills: u32,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
}

/// Recipients of a request.
const BATCH: u64 = 500;
/// How long a start may take, to be measured at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// When the first submission came since this was last emptied.
type First = Arc<Mutex<Option<Instant>>>;

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = TempFolder::new("restart")?;
    let first = First::default();
    let smsc = Smsc::start(silent(Arc::clone(&first)))?;
    let server = options.store.start(&folder);
    let setup = Engine::setup(server.as_ref());
    let pombo = Pombo::set_up(&folder, smsc.addr, options.window, &setup)?;
    let mut serve = pombo.serve()?;
    let fields = r#""from":"pombo","message":"One of a million.""#.to_owned();
    Bulk { first: 0, n: options.count, batch: BATCH, fields }.send(pombo.http())?;
    note(&format!("{} wait", options.count));
    let (mut ready, mut accepted) = (Runs::default(), Runs::default());
    let (mut submitted, mut peak) = (Runs::default(), Runs::default());
    let mut under_way = 0;
    for _ in 0..options.kills {
        under_way += u64::from(options.window);
        wait_until("a window is under way", PATIENCE, || Ok(smsc.counts().submits >= under_way))?;
        serve.kill()?;
        under_way = smsc.counts().submits;
        *lock(&first) = None;
        let start = Instant::now();
        let http = pombo.http();
        let asking = std::thread::spawn(move || until_accepted(http));
        serve = pombo.serve()?;
        ready.push(ms(start.elapsed()));
        wait_until("something is submitted", PATIENCE, || Ok(lock(&first).is_some()))?;
        let at = lock(&first).context("it was there")?;
        submitted.push(ms(at.saturating_duration_since(start)));
        let at = asking.join().ok().context("who asks panicked")??;
        accepted.push(ms(at.saturating_duration_since(start)));
        peak.push(serve.rss_peak_mib()?);
        note(&format!("accepts after {} ms", grouped(ms(at - start), 0)));
    }
    serve.kill()?;
    let mut table = Table::new(&[
        "waiting",
        "under way",
        "ready, ms",
        "first accepted, ms",
        "first submit_sm, ms",
        "RSS peak, MiB",
    ]);
    table.row(vec![
        options.count.to_string(),
        options.window.to_string(),
        ready.show(0),
        accepted.show(0),
        submitted.show(0),
        peak.show(0),
    ]);
    table.print();
    Ok(())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn lock(first: &First) -> std::sync::MutexGuard<'_, Option<Instant>> {
    first.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A carrier that takes everything and answers nothing, and notes when the first came.
fn silent(first: First) -> Behaviour {
    Behaviour::default().reacting(move |_number, _recipient| {
        lock(&first).get_or_insert_with(Instant::now);
        Reaction::AcceptSilently
    })
}

/// Sends a message again and again, until it is accepted; when it was.
fn until_accepted(http: SocketAddr) -> Result<Instant> {
    let headers = [authorization(), "Content-Type: application/json".to_owned()];
    let mut request = Vec::new();
    let body = br#"{"to":["34699999999"],"from":"pombo","message":"One more."}"#;
    Post::new(&http.to_string(), "/api/rest/sms", &headers).append(body, &mut request);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let start = Instant::now();
    loop {
        match runtime.block_on(ask(http, &request)) {
            Ok(answer) if answer.status == 202 => return Ok(Instant::now()),
            // Nobody is there yet.
            Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(2)),
            Ok(answer) => bail!("answered with {}", answer.status),
            Err(error) => return Err(error.into()),
        }
    }
}

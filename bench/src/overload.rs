//! A campaign of a million on a route that takes few a second, and codes that must not wait for it.
//!
//! The campaign is sent as fast as it is accepted. Meanwhile, and for a while after it, single
//! messages come at a steady rate on the same route, from the same account. What is measured is
//! their time from HTTP to submit_sm, and the memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pombo_peers::load::{self, Outcome, Plan, Post, Traffic};
use pombo_peers::smsc::{Behaviour, Reaction, Receipts, Smsc};

use crate::journey::gateway::Gateway;
use crate::journey::ledger::Ledger;
use crate::journey::traffic::Messages;
use crate::pombo::{Engine, Pombo, Setup, authorization};
use crate::process::{Process, TempFolder, wait_until};
use crate::table::{Table, grouped, note};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Recipients of the campaign.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Recipients of each of its requests.
    #[arg(long, default_value_t = 500)]
    batch: u64,
    /// submit_sm a second that the route takes.
    #[arg(long, default_value_t = 1_000)]
    route_rate: u32,
    /// Single messages a second.
    #[arg(long, default_value_t = 50)]
    singles: u32,
    /// Seconds for which single messages come.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
}

/// 99 of 100 single messages are at the carrier within this, from HTTP to submit_sm.
const P99_MAX: Duration = Duration::from_secs(1);
/// MiB that a campaign that waits may add while it waits.
const GROWTH_MIB_MAX: f64 = 10.0;
/// MiB at most, the campaign's acceptance included.
const PEAK_MIB_MAX: f64 = 100.0;

/// How often the memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = TempFolder::new("overload")?;
    let n_singles = u64::from(options.singles) * options.seconds;
    let ledger = Arc::new(Ledger::new(usize::try_from(n_singles)?));
    let smsc = Smsc::start(noting(Arc::clone(&ledger)))?;
    let route = format!("rate = {}\n", options.route_rate).into();
    let server = options.store.start(&folder);
    let setup = Setup { route, ..Engine::setup(server.as_ref()) };
    let pombo = Pombo::set_up(&folder, smsc.addr, 100, &setup)?;
    let serve = pombo.serve()?;
    wait_until("the route binds", Duration::from_secs(30), || Ok(smsc.counts().binds > 0))?;
    let is_over = Arc::new(AtomicBool::new(false));
    let campaign = {
        let (options, http) = (options.clone(), pombo.http());
        std::thread::spawn(move || send_campaign(&options, http, n_singles))
    };
    let singles = {
        let (options, http, ledger) = (options.clone(), pombo.http(), Arc::clone(&ledger));
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            let sent = send_singles(&options, http, ledger);
            is_over.store(true, Ordering::Relaxed);
            sent
        })
    };
    let memory = watch_memory(&serve, &is_over)?;
    let campaign = campaign.join().ok().context("the campaign's sender panicked")??;
    let outcome = singles.join().ok().context("the singles' sender panicked")??;
    wait_until("the last single arrives", Duration::from_secs(10), || {
        Ok(ledger.submitted.distinct() >= n_singles)
    })?;
    let left = options.count.saturating_sub(ledger.submitted.warm());
    ensure!(left > 0, "the campaign was over before the singles were; take fewer seconds");
    serve.stop(Duration::from_secs(30))?;
    let ms = |duration: Duration| grouped(duration.as_secs_f64() * 1e3, 1);
    let mut table = Table::new(&[
        "campaign",
        "accepted in, s",
        "429",
        "left at the end",
        "singles",
        "HTTP answer p50, p99 ms",
        "HTTP to submit p50, p99, longest ms",
        "RSS at 1/4, 1/2, 3/4, peak MiB",
    ]);
    let seen = ledger.to_submit();
    table.row(vec![
        options.count.to_string(),
        grouped(campaign.seconds, 1),
        campaign.refused.to_string(),
        left.to_string(),
        n_singles.to_string(),
        [outcome.latency.permille(500), outcome.latency.permille(990)].map(ms).join(", "),
        [seen.permille(500), seen.permille(990), seen.max()].map(ms).join(", "),
        memory.map(|mib| grouped(mib, 0)).join(", "),
    ]);
    table.print();
    let [quarter, _, three_quarters, peak] = memory;
    ensure!(seen.permille(990) < P99_MAX, "single messages waited behind the campaign");
    ensure!(three_quarters < quarter + GROWTH_MIB_MAX, "memory grew while the campaign waited");
    ensure!(peak < PEAK_MIB_MAX, "memory went beyond what a million may take");
    Ok(())
}

/// What a campaign took.
struct Sent {
    seconds: f64,
    refused: u64,
}

fn send_campaign(options: &Options, http: SocketAddr, n_singles: u64) -> Result<Sent> {
    let headers = [authorization(), "Content-Type: application/json".to_owned()];
    let traffic = Batches {
        post: Post::new(&http.to_string(), "/api/rest/sms", &headers),
        batch: options.batch,
        // Behind the recipients of the singles.
        first: Ledger::recipient(n_singles),
        open: BTreeMap::new(),
        again: Vec::new(),
        refused: 0,
        body: String::new(),
    };
    let traffic = Arc::new(Mutex::new(traffic));
    let start = Instant::now();
    let mut left = options.count / options.batch;
    // What was refused for now comes again.
    while left > 0 {
        let plan = plan(http, 8, left, None, options.seconds);
        let outcome = block_on(load::run(plan, Arc::clone(&traffic)))?;
        let refused = outcome.statuses.get(&429).copied().unwrap_or(0);
        if outcome.of_class(2) + refused < left {
            bail!("the campaign was not accepted: {:?}", outcome.statuses);
        }
        left = refused;
    }
    let refused = traffic.lock().unwrap_or_else(PoisonError::into_inner).refused;
    note(&format!("the campaign is accepted after {:.1} s", start.elapsed().as_secs_f64()));
    Ok(Sent { seconds: start.elapsed().as_secs_f64(), refused })
}

fn send_singles(options: &Options, http: SocketAddr, ledger: Arc<Ledger>) -> Result<Outcome> {
    let messages = Messages::new(Gateway::Pombo, http, ledger, 1, None);
    let n = u64::from(options.singles) * options.seconds;
    let plan = plan(http, 16, n, Some(f64::from(options.singles)), options.seconds);
    let outcome = block_on(load::run(plan, Arc::new(Mutex::new(messages))))?;
    ensure!(outcome.of_class(2) == n, "not all singles were accepted: {:?}", outcome.statuses);
    Ok(outcome)
}

fn plan(address: SocketAddr, connections: usize, n: u64, rate: Option<f64>, seconds: u64) -> Plan {
    let time_max = Duration::from_secs(seconds.max(600));
    let answer_max = Duration::from_secs(120);
    Plan { address, connections, requests: n, time_max, rate, answer_max }
}

fn block_on<T>(future: impl Future<Output = std::io::Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future)?)
}

/// The resident memory a quarter, half and three quarters through, and the most there ever was.
fn watch_memory(serve: &Process, is_over: &AtomicBool) -> Result<[f64; 4]> {
    let mut seen = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        seen.push(serve.rss_mib()?);
        std::thread::sleep(LOOK_EVERY);
    }
    let at = |quarters: usize| seen.get(seen.len() * quarters / 4).copied().unwrap_or_default();
    Ok([at(1), at(2), at(3), serve.rss_peak_mib()?])
}

/// Requests of one campaign.
struct Batches {
    post: Post,
    batch: u64,
    first: u64,
    /// The first recipient of each request that has no answer yet.
    open: BTreeMap<u64, u64>,
    /// Those of requests that were refused for now.
    again: Vec<u64>,
    refused: u64,
    body: String,
}

impl Traffic for Batches {
    fn request(&mut self, idx: u64, _due: Instant, buffer: &mut Vec<u8>) {
        let first = self.again.pop().unwrap_or_else(|| {
            let first = self.first;
            self.first += self.batch;
            first
        });
        self.open.insert(idx, first);
        self.body.clear();
        self.body.push_str(
            r#"{"from":"pombo","message":"One of a million.","campaignName":"million","to":["#,
        );
        for to in first..first + self.batch {
            let comma = if to > first { "," } else { "" };
            self.body.push_str(&format!("{comma}\"{to}\""));
        }
        self.body.push_str("]}");
        self.post.append(self.body.as_bytes(), buffer);
    }

    fn answer(&mut self, idx: u64, status: u16, _body: &[u8]) {
        let first = self.open.remove(&idx);
        if status == 429 {
            self.refused += 1;
            self.again.extend(first);
        }
    }
}

/// A carrier that delivers everything at once, and notes when which single came.
fn noting(ledger: Arc<Ledger>) -> Behaviour {
    let behaviour = Behaviour { receipts: Some(Receipts::default()), ..Behaviour::default() };
    behaviour.reacting(move |_number, recipient| {
        ledger.submit(recipient.as_bytes(), Instant::now());
        Reaction::Accept
    })
}

//! The whole way, HTTP to SMPP to receipt to callback, for pombo and for Kannel in alternating runs.
//!
//! The load client, the SMSC and the callback sink live in this process, on a thread each; the
//! gateway lives in its own. Every message has a recipient of its own, by which the SMSC and
//! the sink tell lost and repeated ones. A run ends when every accepted message has arrived
//! everywhere, so that a gateway which accepts faster than it sends gains nothing.

pub(crate) mod gateway;
mod kannel;
pub(crate) mod ledger;
pub(crate) mod traffic;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pombo_peers::load::{self, Plan};
use pombo_peers::sink::{self, Answer, Sink};
use pombo_peers::smsc::{self, Reaction, Smsc};

use crate::process::{TempFolder, wait_until};
use crate::table::{Runs, Table, grouped, note};
use gateway::{Gateway, Site};
use ledger::Ledger;
use traffic::{Messages, recipient_of};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Recipients of a request, where the gateway can (Kannel takes one).
    #[arg(long, default_value_t = 1)]
    batch: u64,
    /// Neither receipts nor callbacks.
    #[arg(long)]
    no_receipts: bool,
    /// Messages of a run with one recipient a request.
    #[arg(long, default_value_t = 60_000)]
    count: u64,
    /// Messages of a run with several recipients a request.
    #[arg(long, default_value_t = 300_000)]
    batch_count: u64,
    /// Runs of each gateway.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Messages a second in an open loop, instead of as many as go.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds of the last run, an open loop at half the peak, which gives the latency; 0: none.
    #[arg(long, default_value_t = 10)]
    half_peak_s: u64,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Outstanding submit_sm.
    #[arg(long, default_value_t = 100)]
    window: u32,
    /// A text of its own for each recipient, of ten variables (not with Kannel).
    #[arg(long)]
    personal: bool,
    /// Only this gateway.
    #[arg(long)]
    only: Option<Gateway>,
}

/// Recipients of a request at most, while warming up.
const WARM_UP_BATCH: u64 = 10;

/// What one run is asked to do.
struct Task {
    gateway: Gateway,
    batch: u64,
    n_messages: u64,
    /// Messages a second; `None` is a closed loop.
    rate: Option<f64>,
}

/// What one run gave.
struct Figures {
    accepted: u64,
    accept_rate: f64,
    submit_rate: f64,
    call_rate: f64,
    cpu_ms: f64,
    rss_mib: f64,
    p50: Duration,
    p99: Duration,
    lost: u64,
    repeated: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let gateways = match options.only {
        Some(one) => vec![one],
        None => vec![Gateway::Kannel, Gateway::Pombo],
    };
    let mut results: Vec<(Gateway, Vec<Figures>)> =
        gateways.iter().map(|gateway| (*gateway, Vec::new())).collect();
    for run in 1..=options.runs {
        for (gateway, figures) in &mut results {
            let batch = gateway.batch(options.batch);
            let n = if batch == 1 { options.count } else { options.batch_count };
            let task = Task {
                gateway: *gateway,
                batch,
                n_messages: n.next_multiple_of(batch),
                rate: options.rate,
            };
            let one = journey(options, &task).with_context(|| format!("{gateway}, run {run}"))?;
            note(&format!("{gateway}, run {run}: {}", one.in_words()));
            figures.push(one);
        }
    }
    let mut table = Table::new(&[
        "gateway",
        "to a request",
        "loop",
        "accepted/s",
        "submit_sm/s",
        "callbacks/s",
        "CPU ms/msg",
        "HTTP to submit p50, ms",
        "p99, ms",
        "RSS peak, MiB",
        "lost",
        "repeated",
    ]);
    for (gateway, figures) in &results {
        let name = if options.rate.is_some() { "open" } else { "closed" };
        table.row(row(*gateway, gateway.batch(options.batch), name, figures));
    }
    if options.half_peak_s > 0 && options.rate.is_none() {
        for (gateway, figures) in &results {
            let (rate, figures) = at_half_peak(options, *gateway, figures)?;
            let name = format!("open, {}/s", grouped(rate, 0));
            table.row(row(*gateway, gateway.batch(options.batch), &name, &[figures]));
        }
    }
    table.print();
    print_ratio(options, &results);
    Ok(())
}

/// One run in an open loop at half of what the closed loops reached.
fn at_half_peak(options: &Options, gateway: Gateway, peaks: &[Figures]) -> Result<(f64, Figures)> {
    let rate = median(peaks, |one| one.end_rate(options)) / 2.0;
    let batch = gateway.batch(options.batch);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10^9")]
    let n = (rate as u64 * options.half_peak_s).next_multiple_of(batch);
    let task = Task { gateway, batch, n_messages: n, rate: Some(rate) };
    let figures = journey(options, &task).with_context(|| format!("{gateway}, half peak"))?;
    note(&format!("{gateway}, half peak: {}", figures.in_words()));
    Ok((rate, figures))
}

impl Figures {
    /// The rate at the end of the way: what leaves counts, not what is accepted.
    fn end_rate(&self, options: &Options) -> f64 {
        if options.no_receipts { self.submit_rate } else { self.call_rate }
    }

    fn in_words(&self) -> String {
        format!(
            "{} accepted, {}/s submitted, {}/s called back, {:.3} CPU ms, {} lost, {} repeated",
            self.accepted,
            grouped(self.submit_rate, 0),
            grouped(self.call_rate, 0),
            self.cpu_ms,
            self.lost,
            self.repeated,
        )
    }
}

fn median(figures: &[Figures], of: impl Fn(&Figures) -> f64) -> f64 {
    runs(figures, of).median()
}

fn runs(figures: &[Figures], of: impl Fn(&Figures) -> f64) -> Runs {
    let mut runs = Runs::default();
    figures.iter().for_each(|one| runs.push(of(one)));
    runs
}

fn row(gateway: Gateway, batch: u64, name: &str, figures: &[Figures]) -> Vec<String> {
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    vec![
        gateway.to_string(),
        batch.to_string(),
        name.to_owned(),
        runs(figures, |one| one.accept_rate).show(0),
        runs(figures, |one| one.submit_rate).show(0),
        runs(figures, |one| one.call_rate).show(0),
        runs(figures, |one| one.cpu_ms).show(3),
        runs(figures, |one| ms(one.p50)).show(1),
        runs(figures, |one| ms(one.p99)).show(1),
        runs(figures, |one| one.rss_mib).show(0),
        figures.iter().map(|one| one.lost).sum::<u64>().to_string(),
        figures.iter().map(|one| one.repeated).sum::<u64>().to_string(),
    ]
}

fn print_ratio(options: &Options, results: &[(Gateway, Vec<Figures>)]) {
    let of = |gateway: Gateway| results.iter().find(|(one, _)| *one == gateway);
    if let (Some((_, kannel)), Some((_, ours))) = (of(Gateway::Kannel), of(Gateway::Pombo)) {
        let ratio =
            median(ours, |one| one.end_rate(options)) / median(kannel, |one| one.end_rate(options));
        crate::table::say(&format!("\npombo / Kannel: {ratio:.2}"));
    }
}

/// One run: a fresh gateway, all its messages, and what became of them.
fn journey(options: &Options, task: &Task) -> Result<Figures> {
    let folder = TempFolder::new("journey")?;
    let n_messages = usize::try_from(task.n_messages)?;
    let ledger = Arc::new(Ledger::new(n_messages));
    let smsc = Smsc::start(noting(Arc::clone(&ledger), !options.no_receipts))?;
    let sink = Sink::start(counting(Arc::clone(&ledger)));
    let site = Site { folder: &folder, smsc: smsc.addr, window: options.window };
    let mut running = task.gateway.start(&site)?;
    // A message that waited for the bind would tell nothing about the way.
    wait_until("the gateway binds", Duration::from_secs(30), || Ok(smsc.counts().binds > 0))?;
    let callbacks = (!options.no_receipts).then_some(sink.addr);
    let messages = |batch| {
        Messages::new(task.gateway, running.http, Arc::clone(&ledger), batch, callbacks)
            .personal(options.personal)
    };
    let warming =
        Arc::new(Mutex::new(messages(WARM_UP_BATCH.min(task.batch)).from(task.n_messages)));
    warm_up(options, task, running.http, &warming).with_context(|| "warming up")?;
    let expected = lock(&warming).accepted;
    wait_until("the warm-up messages arrive", Duration::from_secs(30), || {
        let called = options.no_receipts || ledger.called.warm() >= expected;
        Ok(ledger.submitted.warm() >= expected && called)
    })?;
    let messages = Arc::new(Mutex::new(messages(task.batch)));
    let cpu_before = running.cpu_ms()?;
    let outcome = send(options, task, running.http, &messages)?;
    let messages = lock(&messages);
    if let Some((status, words)) = &messages.refused {
        note(&format!("refused with {status}: {words}"));
    }
    let accepted = messages.accepted;
    if accepted == 0 {
        bail!("nothing was accepted: {:?}, {} failed", outcome.statuses, outcome.failed);
    }
    wait_for_the_last(&ledger, accepted, !options.no_receipts);
    running.must_run()?;
    let lost_of = |distinct: u64| accepted.saturating_sub(distinct);
    let (submitted, called) = (&ledger.submitted, &ledger.called);
    let lost_calls = if options.no_receipts { 0 } else { lost_of(called.distinct()) };
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    let figures = Figures {
        accepted,
        accept_rate: accepted as f64 / outcome.elapsed.as_secs_f64(),
        submit_rate: submitted.rate(),
        call_rate: called.rate(),
        cpu_ms: (running.cpu_ms()? - cpu_before) / accepted as f64,
        rss_mib: running.rss_peak_mib()?,
        p50: ledger.to_submit().permille(500),
        p99: ledger.to_submit().permille(990),
        lost: lost_of(submitted.distinct()).max(lost_calls),
        repeated: submitted.repeated() + called.repeated() + submitted.strange() + called.strange(),
    };
    running.stop()?;
    Ok(figures)
}

fn send(
    options: &Options,
    task: &Task,
    http: SocketAddr,
    messages: &Arc<Mutex<Messages>>,
) -> Result<load::Outcome> {
    #[expect(clippy::cast_precision_loss, reason = "a batch is below 2^53")]
    let plan = Plan {
        address: http,
        connections: options.connections,
        requests: task.n_messages / task.batch,
        time_max: Duration::from_secs(600),
        rate: task.rate.map(|rate| rate / task.batch as f64),
        answer_max: Duration::from_secs(120),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(load::run(plan, Arc::clone(messages)))?)
}

/// Two requests on each connection, so that links, caches and threads are there when it counts.
fn warm_up(
    options: &Options,
    task: &Task,
    http: SocketAddr,
    messages: &Arc<Mutex<Messages>>,
) -> Result<()> {
    let n_requests = 2 * u64::try_from(options.connections)?;
    let batch = WARM_UP_BATCH.min(task.batch);
    let task = Task { n_messages: n_requests * batch, batch, rate: None, ..*task };
    send(options, &task, http, messages).map(drop)
}

fn lock(messages: &Mutex<Messages>) -> MutexGuard<'_, Messages> {
    messages.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sink that only notes which message it was called for.
fn counting(ledger: Arc<Ledger>) -> sink::Behaviour {
    let choose = move |_number: u64, target: &str| {
        ledger.call(recipient_of(target).as_bytes(), Instant::now());
        Answer::Status(200)
    };
    sink::Behaviour { answer: Answer::Choose(Arc::new(choose)), ..sink::Behaviour::default() }
}

/// A carrier that accepts and delivers everything at once, and notes which message it got.
fn noting(ledger: Arc<Ledger>, receipts: bool) -> smsc::Behaviour {
    let behaviour = smsc::Behaviour {
        receipts: receipts.then(smsc::Receipts::default),
        ..smsc::Behaviour::default()
    };
    behaviour.reacting(move |_number, recipient| {
        ledger.submit(recipient.as_bytes(), Instant::now());
        Reaction::Accept
    })
}

/// Returns when everything accepted has arrived everywhere, or nothing has arrived for 10 seconds.
fn wait_for_the_last(ledger: &Ledger, accepted: u64, calls: bool) {
    let mut seen = 0;
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < Duration::from_secs(10) {
        let (submitted, called) = (ledger.submitted.count(), ledger.called.count());
        if submitted >= accepted && (!calls || called >= accepted) {
            // Whatever comes now is one too many; give it a moment to show.
            std::thread::sleep(Duration::from_millis(300));
            return;
        }
        if submitted + called > seen {
            seen = submitted + called;
            quiet_since = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

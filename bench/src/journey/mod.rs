//! The whole way, HTTP to SMPP to receipt to callback, for pombo, Kannel and Jasmin in alternating
//! runs.
//!
//! The load client, the SMSC and the callback sink live in this process, on a thread each; the
//! gateway lives in its own. Every message has a recipient of its own, by which the SMSC and
//! the sink tell lost and repeated ones. A run ends when every accepted message has arrived
//! everywhere, so that a gateway which accepts faster than it sends gains nothing.

pub(crate) mod gateway;
mod jasmin;
mod kannel;
pub(crate) mod ledger;
pub(crate) mod round;
pub(crate) mod traffic;

use std::time::Duration;

use anyhow::{Context, Result};
use pombo_peers::smsc::Ids;

use crate::process::TempFolder;
use crate::table::{Runs, Table, grouped, note};
use gateway::{Gateway, Site};
use round::{Ends, Figures, Round};
use traffic::Kind;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Recipients of a request, where the gateway can (the others take one).
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
    /// A text of its own for each recipient, of ten variables (pombo alone).
    #[arg(long)]
    personal: bool,
    /// One campaign that all requests name (pombo alone).
    #[arg(long)]
    named: bool,
    /// Only this gateway.
    #[arg(long)]
    only: Option<Gateway>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let gateways = match options.only {
        Some(one) => vec![one],
        None => vec![Gateway::Kannel, Gateway::Jasmin, Gateway::Pombo],
    };
    let mut results: Vec<(Gateway, Vec<Figures>)> =
        gateways.iter().map(|gateway| (*gateway, Vec::new())).collect();
    for run in 1..=options.runs {
        for (gateway, figures) in &mut results {
            let batch = gateway.batch(options.batch);
            let n = if batch == 1 { options.count } else { options.batch_count };
            let round = round(options, *gateway, gateway.count(n), options.rate);
            let one = journey(options, &round).with_context(|| format!("{gateway}, run {run}"))?;
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
    let rate = median(peaks, |one| end_rate(options, one)) / 2.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10^9")]
    let n = rate as u64 * options.half_peak_s;
    let round = round(options, gateway, n, Some(rate));
    let figures = journey(options, &round).with_context(|| format!("{gateway}, half peak"))?;
    note(&format!("{gateway}, half peak: {}", figures.in_words()));
    Ok((rate, figures))
}

/// A run of `n` messages, or of a few more that make whole requests.
fn round(options: &Options, gateway: Gateway, n: u64, rate: Option<f64>) -> Round {
    let batch = gateway.batch(options.batch);
    Round {
        gateway,
        batch,
        n_messages: n.next_multiple_of(batch),
        rate,
        connections: options.connections,
        is_told: !options.no_receipts,
        kind: Kind { is_personal: options.personal, is_named: options.named },
    }
}

/// The rate at the end of the way: what leaves counts, not what is accepted.
fn end_rate(options: &Options, figures: &Figures) -> f64 {
    if options.no_receipts { figures.submit_rate } else { figures.call_rate }
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
    let rate = |figures: &[Figures]| median(figures, |one| end_rate(options, one));
    let Some((_, ours)) = of(Gateway::Pombo) else { return };
    for peer in [Gateway::Kannel, Gateway::Jasmin] {
        if let Some((_, theirs)) = of(peer) {
            crate::table::say(&format!("\npombo / {peer}: {:.2}", rate(ours) / rate(theirs)));
        }
    }
}

/// One run: a fresh gateway, all its messages, and what became of them.
fn journey(options: &Options, round: &Round) -> Result<Figures> {
    let folder = TempFolder::new("journey")?;
    let ends = Ends::facing(round.gateway, round.is_told, Ids::default())?;
    let site = Site { folder: &folder, smsc: ends.smsc.addr, window: options.window };
    let mut running = round.gateway.start(&site)?;
    ends.wait_for_bind(0)?;
    round.warm_up(&ends, &running)?;
    let figures = round.run(&ends, &mut running)?;
    running.stop()?;
    Ok(figures)
}

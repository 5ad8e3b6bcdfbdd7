//! What a message costs where there is ten, a hundred, a thousand times as much of one thing: one
//! dimension after another, all else as it is for the smallest.
//!
//! `stored.rs` drives the store alone, `served.rs` the whole way through `pombo serve`, and
//! `simulate.rs` reckons with what both found what no two cores can show.

mod served;
mod simulate;
mod stored;

use anyhow::{Context, Result};

use crate::pombo::Engine;
use crate::table::{Runs, Table, grouped, note};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Only these; without any, all that the engine has.
    #[arg(long, value_enum)]
    only: Vec<Dimension>,
    /// Messages of a run.
    #[arg(long, default_value_t = 50_000)]
    messages: usize,
    /// Recipients of a request; 500 come in one request, or in 500.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Keep-alive connections to each server; of several on one database, to all of them together.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// No more of anything than this.
    #[arg(long, default_value_t = 1_000_000)]
    most: usize,
    /// Runs of each size.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
    /// Nothing is measured: what accounts on many servers meet, by the figures that are given.
    #[arg(long)]
    simulate: bool,
    #[command(flatten)]
    simulation: simulate::Simulation,
}

/// What there is more and more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Dimension {
    /// Accounts that send, in the store.
    Accounts,
    /// Routes that send, in the store.
    Routes,
    /// Days whose history is kept.
    Days,
    /// Addresses on the account's list of opt-outs.
    OptOuts,
    /// Campaigns that wait for their time.
    Sendings,
    /// Accounts that send, the whole way.
    ServedAccounts,
    /// Routes that send, the whole way.
    ServedRoutes,
    /// Callback endpoints, the whole way.
    ServedEndpoints,
    /// Servers that have a database and accounts of their own.
    Parts,
    /// Servers on one database (PostgreSQL only).
    Nodes,
}

impl Dimension {
    const STORED: &[Self] =
        &[Self::Accounts, Self::Routes, Self::Days, Self::OptOuts, Self::Sendings];
    const SERVED: &[Self] = &[
        Self::ServedAccounts,
        Self::ServedRoutes,
        Self::ServedEndpoints,
        Self::Parts,
        Self::Nodes,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Accounts | Self::ServedAccounts => "accounts",
            Self::Routes | Self::ServedRoutes => "routes",
            Self::Days => "days of history",
            Self::OptOuts => "opt-outs of the account",
            Self::Sendings => "campaigns waiting",
            Self::ServedEndpoints => "callback endpoints",
            Self::Parts => "servers, each with its database and accounts",
            Self::Nodes => "servers on one database",
        }
    }

    const fn sizes(self) -> &'static [usize] {
        match self {
            Self::Accounts => &[1, 10, 100, 1_000, 10_000],
            Self::Routes | Self::Days => &[1, 10, 100, 1_000],
            Self::OptOuts => &[0, 10_000, 1_000_000],
            Self::Sendings => &[1, 100, 10_000],
            Self::ServedAccounts | Self::ServedEndpoints => &[1, 10, 100, 1_000],
            Self::ServedRoutes => &[1, 10, 100],
            Self::Parts | Self::Nodes => &[1, 2],
        }
    }
}

impl Options {
    /// Those of these dimensions that are wanted and that the engine has, with their sizes.
    fn cases(&self, of: &[Dimension]) -> Vec<(Dimension, usize)> {
        let is_wanted = |dimension: &Dimension| match self.only.as_slice() {
            [] => *dimension != Dimension::Nodes || self.store == Engine::Postgres,
            some => some.contains(dimension),
        };
        let sizes = |dimension: Dimension| {
            let sizes = dimension.sizes().iter().filter(|size| **size <= self.most);
            sizes.map(move |size| (dimension, *size))
        };
        of.iter().copied().filter(is_wanted).flat_map(sizes).collect()
    }
}

/// A figure that each run gives: its name, and with how many decimals it is shown.
type Figure = (&'static str, usize);

/// Runs all cases of these dimensions and prints a row for each; one run answers with its figures in
/// the order in which they are named.
fn measure<const N: usize>(
    options: &Options,
    dimensions: &[Dimension],
    figures: [Figure; N],
    one: impl Fn(&Options, Dimension, usize) -> Result<[f64; N]>,
) -> Result<()> {
    let cases = options.cases(dimensions);
    if cases.is_empty() {
        return Ok(());
    }
    let names = figures.map(|(name, _)| name);
    let mut table = Table::new(&[&["of what", "how many"], &names[..]].concat());
    for (dimension, size) in cases {
        let what = dimension.name();
        let mut all: [Runs; N] = std::array::from_fn(|_| Runs::default());
        for _ in 0..options.runs {
            let run = one(options, dimension, size).with_context(|| format!("{size} {what}"))?;
            all.iter_mut().zip(run).for_each(|(runs, figure)| runs.push(figure));
        }
        let cells = all.iter().zip(figures).map(|(runs, (_, decimals))| runs.show(decimals));
        let cells: Vec<String> = cells.collect();
        note(&format!("{size} {what}: {} {}, {} {}", cells[0], names[0], cells[1], names[1]));
        let mut row = vec![what.to_owned(), grouped(f64::from(u32::try_from(size)?), 0)];
        row.extend(cells);
        table.row(row);
    }
    table.print();
    Ok(())
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.simulate {
        simulate::run(&options.simulation);
        return Ok(());
    }
    stored::run(options)?;
    served::run(options)
}

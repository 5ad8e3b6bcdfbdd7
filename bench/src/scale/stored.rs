//! The store alone: what its writer needs for a message, in a world of some size.

use std::time::{Duration, Instant as Clock};

use anyhow::{Context, Result, ensure};
use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::opt_out::{Address, Source};
use pombo_store::operation::accept::{Accept, Campaign};
use pombo_store::operation::opt_out;
use pombo_store::{Options as StoreOptions, Store};

use super::{Dimension, Options, measure};
use crate::life::{Life, Shape, Writer, accept, add_route, now, recipient};
use crate::process;
use crate::store::Place;

/// Messages that come between two commits, where all of them can be claimed at once.
const GROUP: usize = 500;
const DAY: Duration = Duration::from_secs(86_400);
/// Recipients of each campaign that waits.
const RECIPIENTS: usize = 10;

pub(super) fn run(options: &Options) -> Result<()> {
    let figures = [
        ("writer CPU, µs/msg", 2),
        ("server CPU, µs/msg", 1),
        ("messages/s", 0),
        ("messages a round", 0),
        ("RSS, MiB", 0),
        ("opened again in, ms", 0),
    ];
    measure(options, Dimension::STORED, figures, one)
}

fn one(options: &Options, dimension: Dimension, size: usize) -> Result<[f64; 6]> {
    let place = Place::new(options.store)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (store, writer) = Writer::of_store_at(&place.url())?;
    let shape = Shape { group: GROUP, per_request: options.batch };
    let of = |asked| if dimension == asked { size } else { 1 };
    let [writer_us, server_us, rate, per_round, rss_mib] = runtime.block_on(async {
        let (n_accounts, n_routes) = (of(Dimension::Accounts), of(Dimension::Routes));
        let mut life = Life::new(store.clone(), n_accounts, n_routes).await?;
        let account = life.account().context("an account")?;
        fill(&store, account, dimension, size).await?;
        // Statements are prepared, and the writer's memory has met everybody.
        let n_first = GROUP.max(2 * n_accounts * options.batch).next_multiple_of(options.batch);
        life.run(n_first, shape).await?;
        let n = options.messages.next_multiple_of(options.batch);
        let (cpu, server, rounds) = (writer.cpu()?, place.cpu(), life.n_rounds());
        let clock = Clock::now();
        life.run(n, shape).await?;
        let wall = clock.elapsed();
        let (cpu, server) = (writer.cpu()? - cpu, place.cpu().saturating_sub(server));
        let rounds = life.n_rounds() - rounds;
        #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
        let (n, rounds) = (n as f64, rounds as f64);
        let us = |cpu: Duration| cpu.as_secs_f64() * 1e6 / n;
        let rate = n / wall.as_secs_f64();
        anyhow::Ok([us(cpu), us(server), rate, n / rounds, process::own_rss_mib()?])
    })?;
    store.close();
    drop(store);
    let clock = Clock::now();
    let again = Store::open(&place.url(), &StoreOptions::default())?;
    let open_ms = clock.elapsed().as_secs_f64() * 1e3;
    again.close();
    Ok([writer_us, server_us, rate, per_round, rss_mib, open_ms])
}

/// Makes the world as large as it is to be, where more than accounts and routes make it so.
async fn fill(store: &Store, account: AccountId, dimension: Dimension, size: usize) -> Result<()> {
    match dimension {
        Dimension::Days => {
            // Nobody claims from its queue.
            let route = add_route(store, "quiet").await?;
            for ago in (1..size).rev() {
                let then = now().minus(DAY * u32::try_from(ago)?);
                store.run(accept(account, vec![recipient(0, route)?], then)).await?;
            }
        }
        Dimension::OptOuts => {
            for first in (0..size).step_by(ROWS_PER_OPERATION_MAX) {
                let last = size.min(first + ROWS_PER_OPERATION_MAX);
                let phone = |idx| {
                    let digits = 34_700_000_000 + u64::try_from(idx)?;
                    anyhow::Ok(Address::Phone(Phone::from_digits(digits)?))
                };
                let add = opt_out::Add {
                    account,
                    addresses: (first..last).map(phone).collect::<Result<_>>()?,
                    source: Source::Operator,
                    reason: String::new(),
                    now: now(),
                };
                ensure!(store.run(add).await? == last - first, "each address is a new one");
            }
        }
        Dimension::Sendings => {
            let route = add_route(store, "bench-0").await?;
            for idx in 0..size {
                store.run(waiting(account, route, idx)?).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A campaign of its own that is due in a year, each at another time.
fn waiting(account: AccountId, route: RouteId, idx: usize) -> Result<Accept> {
    let to = (0..RECIPIENTS).map(|idx| recipient(idx, route)).collect::<Result<_>>()?;
    let accepted = now();
    let later = DAY * 365 + Duration::from_secs(u64::try_from(idx)?);
    Ok(Accept {
        campaign: Campaign::Named { name: format!("campaign {idx}"), tags: Vec::new() },
        due: accepted.plus(later),
        ..accept(account, to, accepted)
    })
}

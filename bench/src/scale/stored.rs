//! The store alone: what its writer needs for a message, in a world of some size.

use std::time::{Duration, Instant as Clock};

use anyhow::{Context, Result, ensure};
use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::opt_out::{Address, Source};
use pombo_store::operation::accept::{Accept, Campaign};
use pombo_store::operation::{opt_out, route};
use pombo_store::{Options as StoreOptions, Store};

use super::{Dimension, Options};
use crate::life::{Life, Shape, Writer, accept, now, recipient};
use crate::process;
use crate::store::Place;
use crate::table::{Runs, Table, grouped, note};

/// Messages that come between two commits, where all of them can be claimed at once.
const GROUP: usize = 500;
const DAY: Duration = Duration::from_secs(86_400);
/// Recipients of each campaign that waits.
const RECIPIENTS: usize = 10;

pub(super) fn run(options: &Options) -> Result<()> {
    let cases = options.cases(Dimension::STORED);
    if cases.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        "of what",
        "how many",
        "writer CPU, µs/msg",
        "server CPU, µs/msg",
        "messages/s",
        "messages a round",
        "RSS, MiB",
        "opened again in, ms",
    ]);
    for (dimension, size) in cases {
        let mut all = Figures::default();
        for _ in 0..options.runs {
            one(options, dimension, size, &mut all)
                .with_context(|| format!("{size} {}", dimension.name()))?;
        }
        let what = dimension.name();
        note(&format!("{size} {what}: {} µs, {}/s", all.writer_us.show(2), all.rate.show(0)));
        table.row(vec![
            what.to_owned(),
            grouped(f64::from(u32::try_from(size)?), 0),
            all.writer_us.show(2),
            all.server_us.show(1),
            all.rate.show(0),
            all.per_round.show(0),
            all.rss_mib.show(0),
            all.open_ms.show(0),
        ]);
    }
    table.print();
    Ok(())
}

/// What the runs of one case gave.
#[derive(Default)]
struct Figures {
    writer_us: Runs,
    server_us: Runs,
    rate: Runs,
    per_round: Runs,
    rss_mib: Runs,
    open_ms: Runs,
}

fn one(options: &Options, dimension: Dimension, size: usize, all: &mut Figures) -> Result<()> {
    let place = Place::new(options.store)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (store, writer) = Writer::of_store_at(&place.url())?;
    let shape = Shape { group: GROUP, per_request: options.batch };
    let of = |asked| if dimension == asked { size } else { 1 };
    runtime.block_on(async {
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
        all.writer_us.push(cpu.as_secs_f64() * 1e6 / n);
        all.server_us.push(server.as_secs_f64() * 1e6 / n);
        all.rate.push(n / wall.as_secs_f64());
        all.per_round.push(n / rounds);
        all.rss_mib.push(process::own_rss_mib()?);
        anyhow::Ok(())
    })?;
    store.close();
    drop(store);
    let clock = Clock::now();
    let again = Store::open(&place.url(), &StoreOptions::default())?;
    all.open_ms.push(clock.elapsed().as_secs_f64() * 1e3);
    again.close();
    Ok(())
}

/// Makes the world as large as it is to be, where more than accounts and routes make it so.
async fn fill(store: &Store, account: AccountId, dimension: Dimension, size: usize) -> Result<()> {
    match dimension {
        Dimension::Days => {
            let route = quiet_route(store).await?;
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
            let names = vec!["bench-0".to_owned()];
            let routes = store.run(route::Number { names }).await?;
            let route = *routes.first().context("one name, one number")?;
            for idx in 0..size {
                store.run(waiting(account, route, idx)?).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A route whose queue nobody claims from.
async fn quiet_route(store: &Store) -> Result<RouteId> {
    let routes = store.run(route::Number { names: vec!["quiet".to_owned()] }).await?;
    routes.first().copied().context("one name, one number")
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

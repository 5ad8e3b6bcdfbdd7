//! How fast waiting messages are claimed on PostgreSQL, by nodes in turn and by `skip locked`.
//!
//! Nodes claim as their pumps do, from a queue whose rows are runs of neighbours, and write what they
//! are about to send. Beside it the usual queue: a row for each message, claimed by connections that
//! skip what others have locked, on the same server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::message::Lane;
use pombo_peers::cluster::Cluster;
use pombo_store::operation::claim::{Claim, ClaimAll};
use pombo_store::{Options as Opening, Store};

use crate::life::{self, now};
use crate::process::TempFolder;
use crate::table::{Runs, Table, note};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages that wait.
    #[arg(long, default_value_t = 1_000_000)]
    count: usize,
    /// Runs of each case, on a fresh server.
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

/// Messages of a claim.
const ROOM: usize = 1_000;
/// Recipients of a request.
const PER_REQUEST: usize = 500;
/// Requests that are accepted together.
const AT_ONCE: usize = 32;
/// How long connections claim from the usual queue.
const SPAN: Duration = Duration::from_secs(5);

/// Nodes, or connections.
const WORKERS: [u32; 3] = [1, 2, 4];

/// A usual queue, and what claims a thousand of it: marked, or taken out.
const USUAL: &str = "create table usual (id bigint primary key, due bigint not null, \
         recipient bigint not null, state smallint not null); \
     create index usual_due on usual (due, id) where state = 0; \
     insert into usual select n, 0, 34600000000 + n, 0 from generate_series(1, 3000000) n; \
     vacuum analyze usual; checkpoint";
const NEXT: &str = "with next as (select id from usual where state = 0 order by due, id \
     limit 1000 for update skip locked)";
const MARK: &str = "update usual set state = 1 from next where usual.id = next.id \
     returning usual.id, recipient;";
const TAKE: &str = "delete from usual using next where usual.id = next.id \
     returning usual.id, recipient;";

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut table = Table::new(&["at once", "nodes in turn", "skip locked, marked", "taken out"]);
    for workers in WORKERS {
        let (mut turns, mut mark, mut take) = (Runs::default(), Runs::default(), Runs::default());
        for _ in 0..options.runs {
            turns.push(in_turn(workers, options.count)?);
            mark.push(skip_locked(workers, MARK)?);
            take.push(skip_locked(workers, TAKE)?);
            note(&format!("{workers}: {}", [&turns, &mark, &take].map(|r| r.show(0)).join(", ")));
        }
        table.row(vec![workers.to_string(), turns.show(0), mark.show(0), take.show(0)]);
    }
    table.print();
    Ok(())
}

/// Messages a second that so many nodes claim of those that wait, all by one route.
fn in_turn(nodes: u32, count: usize) -> Result<f64> {
    let folder = TempFolder::new("claims")?;
    let cluster = Cluster::start(&folder.join("server"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let open = || Store::open(&cluster.url(), &Opening::default());
    let stores = (0..nodes).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
    runtime.block_on(async {
        let store = &stores[0];
        let account = life::add_account(store, "bench").await?;
        let route = life::add_route(store, "bench").await?;
        wait(store, (account, route), count).await?;
        let begun = Instant::now();
        let claiming = stores.iter().map(|store| {
            let (store, claims) = (store.clone(), claims(account, route));
            tokio::spawn(async move { claim_all(&store, &claims).await })
        });
        let mut n = 0;
        for claimed in claiming.collect::<Vec<_>>() {
            n += claimed.await??;
        }
        anyhow::ensure!(n == count, "{n} of {count} were claimed");
        Ok(per_second(n, begun.elapsed()))
    })
}

/// Accepts so many.
async fn wait(store: &Store, (account, route): (AccountId, RouteId), count: usize) -> Result<()> {
    let requests: Vec<usize> = (0..count).step_by(PER_REQUEST).collect();
    for some in requests.chunks(AT_ONCE) {
        let mut accepting = tokio::task::JoinSet::new();
        for &first in some {
            let to = (first..(first + PER_REQUEST).min(count)).map(|n| life::recipient(n, route));
            let accept = life::accept(account, to.collect::<Result<_>>()?, now());
            let store = store.clone();
            accepting.spawn(async move { store.run(accept).await });
        }
        while let Some(accepted) = accepting.join_next().await {
            accepted??;
        }
    }
    Ok(())
}

fn claims(account: AccountId, route: RouteId) -> Arc<[Claim]> {
    let (lane, rules) = (Lane::Transactional, Arc::default());
    [Claim { route, lane, account, room: ROOM, rules, now: now() }].into()
}

/// Claims until nothing waits; how many it were.
async fn claim_all(store: &Store, claims: &Arc<[Claim]>) -> Result<usize> {
    let mut n = 0;
    loop {
        let claimed = store.run(ClaimAll { claims: Arc::clone(claims) }).await?;
        let some: usize = claimed.iter().map(|claimed| claimed.work.len()).sum();
        if some == 0 {
            return Ok(n);
        }
        n += some;
    }
}

/// Messages a second that so many connections claim of a usual queue.
fn skip_locked(connections: u32, claim: &str) -> Result<f64> {
    let folder = TempFolder::new("claims")?;
    let cluster = Cluster::start(&folder.join("server"));
    for statement in USUAL.split("; ") {
        let _ = cluster.run(statement);
    }
    let claims_a_second = cluster.repeat(&format!("{NEXT} {claim}"), connections, SPAN);
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    Ok(claims_a_second * ROOM as f64)
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
fn per_second(n: usize, took: Duration) -> f64 {
    n as f64 / took.as_secs_f64()
}

//! What a message's whole life costs the store's writer: accept, intent, answer, receipt.
//!
//! Only the writer thread's own CPU time counts: it is what sets the limit.

use std::time::Duration;

use anyhow::Result;
use pombo_peers::cluster::Cluster;

use crate::life::{Life, Shape, Writer};
use crate::pombo::Engine;
use crate::process::TempFolder;
use crate::table::{Runs, Table, grouped, note};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages of a run.
    #[arg(long, default_value_t = 200_000)]
    messages: usize,
    /// Runs of each case, on a fresh store.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
}

/// Where a run's store lies.
pub(crate) enum Place {
    File(TempFolder),
    Server { cluster: Cluster, _folder: TempFolder },
}

impl Place {
    pub(crate) fn new(engine: Engine) -> Result<Self> {
        let folder = TempFolder::new("store")?;
        Ok(match engine.start(&folder) {
            None => Self::File(folder),
            Some(cluster) => Self::Server { cluster, _folder: folder },
        })
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(folder) => format!("sqlite:{}", folder.join("bench.db").display()),
            Self::Server { cluster, .. } => cluster.url(),
        }
    }

    /// CPU time of the server's processes that are there, where it has any.
    pub(crate) fn cpu(&self) -> Duration {
        match self {
            Self::File(_) => Duration::ZERO,
            Self::Server { cluster, .. } => cluster.cpu(),
        }
    }

    pub(crate) fn bytes(&self) -> Result<u64> {
        match self {
            Self::File(folder) => std::fs::read_dir(folder.path())?
                .map(|entry| anyhow::Ok(entry?.metadata()?.len()))
                .sum(),
            Self::Server { cluster, .. } => {
                Ok(cluster.run("select pg_database_size(current_database())").parse()?)
            }
        }
    }
}

/// Messages of a group, and recipients of a request.
const CASES: &[(usize, usize)] = &[(16, 1), (100, 1), (500, 1), (500, 500)];

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut table = Table::new(&[
        "messages in a group",
        "to a request",
        "writer CPU, µs/msg",
        "server CPU, µs/msg",
        "messages/s",
        "store, bytes/msg",
    ]);
    for &(group, per_request) in CASES {
        let (mut cpu, mut rate, mut size) = (Runs::default(), Runs::default(), Runs::default());
        let mut server = Runs::default();
        for _ in 0..options.runs {
            let one = life(options, group, per_request)?;
            let Figures { writer_us, server_us, .. } = one;
            note(&format!("{group}, {per_request}: {writer_us:.2} µs, server {server_us:.2} µs"));
            cpu.push(writer_us);
            server.push(server_us);
            rate.push(one.rate);
            size.push(one.bytes);
        }
        table.row(vec![
            grouped_count(group),
            grouped_count(per_request),
            cpu.show(2),
            server.show(2),
            rate.show(0),
            size.show(0),
        ]);
    }
    table.print();
    Ok(())
}

fn grouped_count(count: usize) -> String {
    u32::try_from(count).map_or_else(|_| count.to_string(), |count| grouped(count.into(), 0))
}

/// What one run gave, per message.
struct Figures {
    writer_us: f64,
    server_us: f64,
    rate: f64,
    bytes: f64,
}

fn life(options: &Options, group: usize, per_request: usize) -> Result<Figures> {
    let n_messages = options.messages.next_multiple_of(group);
    let place = Place::new(options.store)?;
    let (store, writer) = Writer::of_store_at(&place.url())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (cpu, server, wall) = runtime.block_on(async {
        let mut life = Life::new(store.clone(), 1, 1).await?;
        let (cpu, server) = (writer.cpu()?, place.cpu());
        let wall = std::time::Instant::now();
        life.run(n_messages, Shape { group, per_request }).await?;
        let wall = wall.elapsed();
        anyhow::Ok((writer.cpu()? - cpu, place.cpu().saturating_sub(server), wall))
    })?;
    store.close();
    drop(store);
    let bytes = place.bytes()?;
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    let (n, bytes) = (n_messages as f64, bytes as f64);
    Ok(Figures {
        writer_us: cpu.as_secs_f64() * 1e6 / n,
        server_us: server.as_secs_f64() * 1e6 / n,
        rate: n / wall.as_secs_f64(),
        bytes: bytes / n,
    })
}

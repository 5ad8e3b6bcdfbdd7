//! The gateways that a run can go through, started fresh each time.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use pombo_peers::cluster::Cluster;
use pombo_peers::sink::Answer;
use pombo_peers::smsc::{self, Receipts};

use super::{jasmin, kannel};
use crate::pombo::{Engine, Pombo};
use crate::process::{Process, TempFolder};

/// Which gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Gateway {
    /// This workspace's release build.
    Pombo,
    /// The same on a PostgreSQL of its own.
    PomboPostgres,
    /// Kannel, store-type file.
    Kannel,
    /// Jasmin, with RabbitMQ and Redis.
    Jasmin,
}

/// Where a gateway is to work.
pub(crate) struct Site<'a> {
    /// Its files.
    pub(crate) folder: &'a TempFolder,
    /// The carrier it binds to.
    pub(crate) smsc: SocketAddr,
    /// Outstanding submit_sm.
    pub(crate) window: u32,
}

/// A gateway that answers HTTP.
pub(crate) struct Running {
    /// Where.
    pub(crate) http: SocketAddr,
    /// All its processes, in the order in which they are to stop.
    pub(crate) processes: Vec<Process>,
    /// Its database, where that is a server.
    pub(crate) server: Option<Cluster>,
}

impl Gateway {
    pub(crate) fn start(self, site: &Site<'_>) -> Result<Running> {
        match self {
            Self::Pombo => start(Engine::Sqlite, site),
            Self::PomboPostgres => start(Engine::Postgres, site),
            Self::Kannel => kannel::start(site),
            Self::Jasmin => jasmin::start(site),
        }
    }

    /// How many recipients of a request it can take, where `batch` are wanted.
    pub(crate) fn batch(self, batch: u64) -> u64 {
        match self {
            Self::Pombo | Self::PomboPostgres => batch,
            // Its HTTP interface counts several recipients against one token; it sends one by one.
            Self::Kannel => 1,
            // It takes one.
            Self::Jasmin => 1,
        }
    }

    /// How many messages it is given, where `n` are wanted: of a slow one, fewer tell the rate too.
    pub(crate) fn count(self, n: u64) -> u64 {
        if self == Self::Jasmin { n.div_ceil(10) } else { n }
    }

    /// What the carrier does for it that it does for no other, so that its rate is one that an
    /// operator could reach. Each is in its favour.
    pub(super) fn favours(self, carrier: smsc::Behaviour) -> smsc::Behaviour {
        if self != Self::Jasmin {
            return carrier;
        }
        let delay = Duration::from_secs(2);
        smsc::Behaviour {
            // It has one message on its way and never sets TCP_NODELAY: its next one waits for the
            // acknowledgement of the last octets, 40 ms unless they are acknowledged at once.
            acks_at_once: true,
            // A receipt that comes before it has stored the carrier's id is looked at again after
            // 10 s.
            receipts: carrier.receipts.map(|receipts| Receipts { delay, ..receipts }),
            ..carrier
        }
    }

    /// What it takes for "your callback has arrived".
    pub(super) fn thanks(self) -> Answer {
        match self {
            Self::Jasmin => Answer::Words(jasmin::ACKNOWLEDGED),
            Self::Pombo | Self::PomboPostgres | Self::Kannel => Answer::Status(200),
        }
    }
}

/// A pombo on a store of its own.
fn start(engine: Engine, site: &Site<'_>) -> Result<Running> {
    let server = engine.start(site.folder);
    let setup = Engine::setup(server.as_ref());
    let pombo = Pombo::set_up(site.folder, site.smsc, site.window, &setup)?;
    let processes = vec![pombo.serve()?];
    Ok(Running { http: pombo.http(), processes, server })
}

impl From<Engine> for Gateway {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Pombo,
            Engine::Postgres => Self::PomboPostgres,
        }
    }
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pombo => "pombo",
            Self::PomboPostgres => "pombo on PostgreSQL",
            Self::Kannel => "Kannel, store file",
            Self::Jasmin => "Jasmin",
        })
    }
}

impl Running {
    /// CPU milliseconds of all processes so far, the database's included.
    pub(crate) fn cpu_ms(&self) -> Result<f64> {
        let server = self.server.as_ref().map(Cluster::cpu).unwrap_or_default();
        let own: f64 = self.processes.iter().map(Process::cpu_ms).sum::<Result<f64>>()?;
        Ok(own + server.as_secs_f64() * 1e3)
    }

    /// Octets that they had the disk write; of a database, what it put into its log.
    pub(crate) fn written(&self) -> Result<u64> {
        let own: u64 = self.processes.iter().map(Process::written).sum::<Result<u64>>()?;
        let log = |server: &Cluster| server.run("select wal_bytes from pg_stat_wal").parse::<u64>();
        Ok(own + self.server.as_ref().map(log).transpose()?.unwrap_or_default())
    }

    /// The sum of the processes' highest resident memory, in MiB.
    pub(crate) fn rss_peak_mib(&self) -> Result<f64> {
        self.processes.iter().map(Process::rss_peak_mib).sum()
    }

    /// Fails when one of the processes has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        self.processes.iter_mut().try_for_each(Process::must_run)
    }

    /// Stops all.
    pub(crate) fn stop(self) -> Result<()> {
        self.processes.into_iter().try_for_each(|process| process.stop(Duration::from_secs(30)))
    }
}

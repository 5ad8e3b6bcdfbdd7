//! A PostgreSQL that is restarted or killed under load.

use std::time::Duration;

use anyhow::{Result, ensure};
use pombo_peers::cluster::Cluster;

use super::stage::{self, Effort, Stage};
use super::{Outcome, Scenario};
use crate::pombo::Setup;
use crate::process::TempFolder;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "postgres-restart",
        fault: "PostgreSQL is restarted under load, three times",
        promise: "503 at the door meanwhile; it connects again by itself",
        quick: false,
        run: |effort| breaking(effort, Cluster::stop),
    },
    Scenario {
        name: "postgres-kill",
        fault: "PostgreSQL is killed with SIGKILL under load, three times, and recovers",
        promise: "what was answered with 202 was synced there too",
        quick: true,
        run: |effort| breaking(effort, Cluster::kill),
    },
];

/// How long PostgreSQL is away.
const AWAY: Duration = Duration::from_millis(500);

/// A server of the scenario's own. Its folder goes after it.
pub(super) struct Server {
    pub(super) cluster: Cluster,
    _folder: TempFolder,
}

impl Server {
    pub(super) fn start() -> Result<Self> {
        let folder = TempFolder::new("fault-postgres")?;
        Ok(Self { cluster: Cluster::start(&folder.join("data")), _folder: folder })
    }

    pub(super) fn setup(&self) -> Setup {
        Setup { store: Some(self.cluster.url()), ..Setup::default() }
    }
}

fn breaking(effort: Effort, break_it: fn(&Cluster)) -> Result<Outcome> {
    let server = Server::start()?;
    let stage = Stage::new("postgres", stage::carrier(), &server.setup())?;
    let serve = stage.pombo.serve()?;
    let load = stage.load(effort);
    for _ in 0..3 {
        std::thread::sleep(effort.span / 5);
        break_it(&server.cluster);
        std::thread::sleep(AWAY);
        server.cluster.start_again();
    }
    let sent = load.finish()?;
    let verdict = stage.end(serve, &sent)?;
    let refused = sent.n_refused();
    ensure!(refused > 0, "nobody noticed");
    Ok(Outcome::seen(verdict, format!("{refused} answers of 503")))
}

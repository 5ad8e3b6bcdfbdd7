//! A rolling restart to a newer pombo that changes the tables, while an older node works on.

use anyhow::{Context, Result, ensure};

use super::older::{self, Older};
use super::postgres::Server;
use super::stage::{self, Effort, STOPS_WITHIN, Stage, TWO_BINDS};
use super::{Outcome, Scenario};
use crate::pombo::Setup;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "nodes-migrate",
    fault: "two nodes of the pombo before the last change of the tables are replaced in turn by this \
            one, under load; its first start changes them while the other older one works on",
    promise: "nothing is refused by the older one, nothing is in doubt",
    quick: false,
    run: migrate,
}];

fn migrate(effort: Effort) -> Result<Outcome> {
    let older = match older::build()? {
        Older::Built(older) => older,
        Older::Missing(why) => return Ok(Outcome::Skipped(why)),
    };
    let server = Server::start()?;
    let binary = Some(older.binary);
    let setup = Setup { route: TWO_BINDS.into(), binary, ..server.setup() };
    let mut stage = Stage::new("migrate", stage::carrier(), &setup)?;
    let mut two = stage.node("two", &setup)?;
    let (first, mut second) = (stage.pombo.serve()?, two.serve()?);
    let version = || server.cluster.run("select version from schema_version");
    let before = version();
    let load = stage.load_of_both(&two, effort);

    std::thread::sleep(effort.span / 4);
    first.stop(STOPS_WITHIN)?;
    stage.pombo = stage.pombo.replaced()?;
    let first = stage.pombo.serve()?;
    let after = version();
    ensure!(before != after, "the tables were not changed");
    std::thread::sleep(effort.span / 4);
    second.must_run().with_context(|| two.log())?;
    let trouble = two.log();
    second.stop(STOPS_WITHIN)?;
    two = two.replaced()?;
    let second = two.serve()?;

    let sent = load.finish()?;
    let verdict = stage.judge(&sent)?;
    second.stop(STOPS_WITHIN)?;
    first.stop(STOPS_WITHIN)?;
    let doubts = verdict.without_doubts()?;
    // Links come and go when nodes do; the store has no reason for a word.
    let complaints: Vec<&str> =
        trouble.lines().filter(|line| line.contains("pombo_store")).collect();
    ensure!(complaints.is_empty(), "the older one complained: {}", complaints.join("; "));
    let refused = sent.n_refused();
    ensure!(refused == 0, "{refused} answers of 503");
    let words = format!(
        "from {} (tables of step {before}) to step {after}; no answer of 503; {doubts}",
        older.name
    );
    Ok(Outcome::seen(verdict, words))
}

//! A PostgreSQL that dies for good, whose standby takes its place; and the old one that comes back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pombo_peers::cluster::Cluster;

use super::stage::{self, Effort, STOPS_WITHIN, Stage};
use super::{Outcome, Scenario};
use crate::pombo::{Pombo, Setup};
use crate::process::TempFolder;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "postgres-failover",
        fault: "PostgreSQL is killed with SIGKILL under load and its standby promoted; later the old \
                one is back beside it, can be written, and is the only one for a while",
        promise: "goes on with the promoted one by itself, and never with the old one",
        quick: false,
        run: |effort| fail_over(effort, false),
    },
    Scenario {
        name: "nodes-failover",
        fault: "the same, under two nodes",
        promise: "both go on; none is taken for dead",
        quick: false,
        run: |effort| fail_over(effort, true),
    },
    Scenario {
        name: "nodes-split",
        fault: "the standby of the PostgreSQL of two nodes is promoted while the old one lives on, \
                cut off from it",
        promise: "what the old one could not hand on had no 202; both nodes leave it for the other",
        quick: false,
        run: split,
    },
];

/// How long nobody promotes the standby, and how long the promoted one is away later.
const AWAY: Duration = Duration::from_millis(1_500);

/// What was answered so soon after a promotion was ordered, the old one had handed on.
const EARLIER: Duration = Duration::from_secs(1);

/// A server and its standby, which has all that was committed. Their folder goes after them.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    _folder: TempFolder,
}

impl Pair {
    fn start() -> Result<Self> {
        let folder = TempFolder::new("fault-failover")?;
        let primary = Cluster::start(&folder.join("primary"));
        let standby = primary.standby(&folder.join("standby"));
        Ok(Self { primary, standby, _folder: folder })
    }

    fn setup(&self, binds: usize) -> Setup {
        let store = Cluster::url_of_all(&[&self.primary, &self.standby]);
        Setup { store: Some(store), route: format!("binds = {binds}\n").into(), ..Setup::default() }
    }
}

/// What was written to a server: each transaction of pombo's counts itself.
fn written(cluster: &Cluster) -> String {
    cluster.run("select number from turn")
}

fn fail_over(effort: Effort, has_two: bool) -> Result<Outcome> {
    let pair = Pair::start()?;
    let setup = pair.setup(if has_two { 2 } else { 1 });
    let stage = Stage::new("failover", stage::carrier(), &setup)?;
    let two = if has_two { Some(stage.node("two", &setup)?) } else { None };
    let pombos: Vec<&Pombo> = std::iter::once(&stage.pombo).chain(&two).collect();
    let mut nodes = pombos.iter().map(|pombo| pombo.serve()).collect::<Result<Vec<_>>>()?;
    let load = stage.load_of(&pombos, effort);

    std::thread::sleep(effort.span / 5);
    pair.primary.kill();
    std::thread::sleep(AWAY);
    let promoted = Instant::now();
    pair.standby.promote();
    std::thread::sleep(effort.span / 5);

    // The old one comes back, first in the URL.
    pair.primary.start_again();
    pair.primary.stand_alone();
    let before = written(&pair.primary);
    pair.standby.stop();
    std::thread::sleep(AWAY);
    let started = Instant::now();
    pair.standby.start_again();
    std::thread::sleep(effort.span / 5);
    // Whoever starts anew remembers nothing of it, and finds both.
    for pombo in &pombos {
        let mut node = nodes.remove(0);
        node.must_run().with_context(|| pombo.log())?;
        ensure!(!pombo.log().contains("not heard of"), "a node was taken for dead");
        node.stop(STOPS_WITHIN)?;
        nodes.push(pombo.serve()?);
    }

    let sent = load.finish()?;
    let verdict = stage.judge(&sent)?;
    nodes.into_iter().try_for_each(|node| node.stop(STOPS_WITHIN))?;
    let after = written(&pair.primary);
    ensure!(before == after, "{before} became {after} on the server that was replaced");
    let ms = |since| sent.accepted_after(since).map(|after| after.as_millis());
    let words = format!(
        "{} answers of 503; the first 202 came {} ms after the promotion was ordered, and {} ms \
         after the promoted one was started beside the old one; {}",
        sent.n_refused(),
        ms(promoted).context("nothing was accepted after the promotion")?,
        ms(started).context("nothing was accepted after the second start")?,
        verdict.doubts()
    );
    Ok(Outcome::seen(verdict, words))
}

fn split(effort: Effort) -> Result<Outcome> {
    let pair = Pair::start()?;
    let setup = pair.setup(2);
    let stage = Stage::new("split", stage::carrier(), &setup)?;
    let two = stage.node("two", &setup)?;
    let nodes = [stage.pombo.serve()?, two.serve()?];
    let load = stage.load_of_both(&two, effort);
    std::thread::sleep(effort.span / 4);
    let promoted = Instant::now();
    pair.standby.promote();
    let sent = load.finish()?;
    let verdict = stage.judge(&sent)?;
    for (mut node, pombo) in nodes.into_iter().zip([&stage.pombo, &two]) {
        node.must_run().with_context(|| pombo.log())?;
        ensure!(!pombo.log().contains("not heard of"), "a node was taken for dead");
        node.stop(STOPS_WITHIN)?;
    }
    let after = sent.accepted_after(promoted + EARLIER);
    let words = format!(
        "the first 202 came {} ms after the promotion; {}",
        after.context("nothing was accepted after the promotion")?.as_millis()
            + EARLIER.as_millis(),
        verdict.doubts()
    );
    Ok(Outcome::seen(verdict, words))
}

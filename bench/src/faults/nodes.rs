//! Several nodes on one PostgreSQL: one dies, is cut off, or is restarted in turn with the others.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pombo_peers::cluster::Cluster;
use pombo_peers::smsc::{Behaviour, Part, Reaction};

use super::client::{Manner, Schedule};
use super::namespace::{Cut, Namespace, POSTGRES, SMSC};
use super::postgres::Server;
use super::stage::{self, Effort, STOPS_WITHIN, Stage, TWO_BINDS};
use super::{Outcome, Scenario};
use crate::life::now;
use crate::pombo::{Pombo, Setup};
use crate::process::{Process, TempFolder, wait_until};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nodes-kill",
        fault: "one of two nodes is killed with SIGKILL under load, and comes back; then the other",
        promise: "the other takes over within its lease; receipts go on",
        quick: true,
        run: kill,
    },
    Scenario {
        name: "nodes-restart",
        fault: "two nodes are restarted in turn under load, twice",
        promise: "nothing is in doubt",
        quick: true,
        run: restart,
    },
    Scenario {
        name: "nodes-cut-off",
        fault: "one of two nodes is cut off from the network, PostgreSQL and SMSC alike",
        promise: "the other takes over; the one that was cut off ends when it is back",
        quick: false,
        run: |effort| cut_off(effort, stage::carrier(), Cut::Whole),
    },
    Scenario {
        name: "nodes-fenced",
        fault: "one of two nodes is cut off from PostgreSQL, and not from the SMSC",
        promise: "it sends nothing more before the other takes over, leaves its bind to it, accepts \
                  nothing (503 with Retry-After), and ends when it is back",
        quick: true,
        run: fenced,
    },
];

/// A node has stood still for five seconds when another takes over.
const TAKE_OVER: Duration = Duration::from_secs(12);

/// And has closed its links by then: it waits for the answers to what is on its way.
const GIVEN_UP: Duration = Duration::from_secs(12);

/// After that a node that has joined has its bind, and the others have let go of it.
pub(super) const JOINED: Duration = Duration::from_secs(3);

pub(super) fn two_binds(server: &Server) -> Setup {
    Setup { route: TWO_BINDS.into(), ..server.setup() }
}

/// Waits until another node's end was noticed.
pub(super) fn taken_over(by: &Pombo, since: Instant) -> Result<Duration> {
    wait_until("a node is taken over", TAKE_OVER, || {
        Ok(by.log().contains("a node was not heard of any more"))
    })?;
    Ok(since.elapsed())
}

fn kill(effort: Effort) -> Result<Outcome> {
    let server = Server::start()?;
    let setup = two_binds(&server);
    let stage = Stage::new("nodes", stage::carrier(), &setup)?;
    let two = stage.node("two", &setup)?;
    let (first, second) = (stage.pombo.serve()?, two.serve()?);
    let load = stage.load_of_both(&two, effort);
    std::thread::sleep(effort.span / 4);
    first.kill()?;
    let after = taken_over(&two, Instant::now())?;
    let first = stage.pombo.serve()?;
    std::thread::sleep(effort.span / 4);
    second.kill()?;
    let then = taken_over(&stage.pombo, Instant::now())?;
    let second = two.serve()?;
    let sent = load.finish()?;
    let verdict = stage.judge(&sent)?;
    second.stop(STOPS_WITHIN)?;
    first.stop(STOPS_WITHIN)?;
    let words = format!(
        "taken over after {} and {} ms; {}",
        after.as_millis(),
        then.as_millis(),
        verdict.doubts()
    );
    Ok(Outcome::seen(verdict, words))
}

fn restart(effort: Effort) -> Result<Outcome> {
    let server = Server::start()?;
    let setup = two_binds(&server);
    let stage = Stage::new("rolling", stage::carrier(), &setup)?;
    let two = stage.node("two", &setup)?;
    let mut nodes = vec![(&stage.pombo, stage.pombo.serve()?), (&two, two.serve()?)];
    let load = stage.load_of_both(&two, effort);
    for _ in 0..4 {
        std::thread::sleep(effort.span / 6);
        let (pombo, process) = nodes.remove(0);
        process.stop(STOPS_WITHIN)?;
        nodes.push((pombo, pombo.serve()?));
    }
    let sent = load.finish()?;
    let verdict = stage.judge(&sent)?;
    for (_, process) in nodes {
        process.stop(STOPS_WITHIN)?;
    }
    let words = verdict.without_doubts()?;
    Ok(Outcome::seen(verdict, words))
}

/// The SMSC answers so late, now after half a second and now after eight, that what lies on the desks
/// would go out bit by bit for longer than the other node waits.
fn fenced(effort: Effort) -> Result<Outcome> {
    let late = |number: u64| Duration::from_millis(500 + number % 16 * 500);
    let carrier = stage::recording().reacting(move |n, _| Reaction::AcceptAfter(late(n)));
    // More than one node claims ahead.
    let (messages, span) = (1_200, Duration::from_secs(1));
    cut_off(Effort { messages, span, ..effort }, carrier, Cut::Postgres)
}

fn cut_off(effort: Effort, carrier: Behaviour, cut: Cut) -> Result<Outcome> {
    let Some(namespace) = Namespace::new()? else {
        return Ok(Outcome::Skipped("a network of its own cannot be made here".into()));
    };
    let folder = TempFolder::new("fault-cut-off")?;
    let cluster = Cluster::at(&folder.join("data"), POSTGRES);
    let setup = Setup { store: Some(cluster.url()), route: TWO_BINDS.into(), ..Setup::default() };
    let stage = Stage::at(SMSC, "cut-off", carrier, &setup)?;
    let far = Setup { store: Some(cluster.url_by_port(&POSTGRES.to_string())), ..setup };
    let far = stage.node("far", &far)?;
    let here = stage.pombo.serve()?;
    let mut there = far.serve_traced("ip", &namespace.prefix())?;
    std::thread::sleep(JOINED);
    // Of what is due at one time both have some under way when PostgreSQL is gone.
    let due = now().plus(Duration::from_secs(3));
    let schedule = (cut == Cut::Postgres).then(|| Schedule::new(due, 1));
    let load = stage.load_with(&[&stage.pombo], effort, Manner { schedule, ..Manner::default() });
    std::thread::sleep((effort.span / 3).max(Duration::from_secs(4)));
    // The first may have had both binds before the second joined it.
    let unbinds = stage.carrier.counts().unbinds;
    namespace.cut(cut)?;
    let begun = Instant::now();
    let at = stage.carrier.elapsed();
    let after = taken_over(&stage.pombo, begun)?;
    let quiet = went_quiet(&stage.carrier.received(), at);
    ensure!(quiet < after, "it sent when the other had taken over");
    if cut == Cut::Postgres {
        ensure!(quiet > Duration::ZERO, "it had nothing left to send, so nothing was shown");
        let answer = far.answer_there("ip", &namespace.prefix())?;
        let wait = answer.strip_prefix("503 ").and_then(|seconds| seconds.parse::<u64>().ok());
        ensure!(wait.is_some(), "it answered a request with {answer}");
        wait_until("its bind is the other's", GIVEN_UP, || {
            let binds = stage.carrier.counts();
            Ok(binds.unbinds == unbinds + 1 && binds.open == 2)
        })?;
    }
    std::thread::sleep(Duration::from_secs(2));
    namespace.mend(cut)?;
    ended(&mut there)?;
    ensure!(far.log().contains("another has taken over"), "it ended for another reason");
    let sent = load.finish()?;
    let verdict = stage.end(here, &sent)?;
    let words = format!(
        "taken over after {} ms, when its last part had come {} ms after the cut; it ended when it \
         was back; {}",
        after.as_millis(),
        quiet.as_millis(),
        verdict.doubts()
    );
    Ok(Outcome::seen(verdict, words))
}

/// How long after `at` the last part came on that connection of those from before which was the first
/// to fall silent.
fn went_quiet(received: &[Part], at: Duration) -> Duration {
    let earlier = received.iter().filter(|part| part.at < at);
    let before: BTreeSet<u32> = earlier.map(|part| part.connection).collect();
    let last = |connection: &u32| {
        let parts = received.iter().filter(|part| part.connection == *connection);
        parts.map(|part| part.at).max()
    };
    before.iter().filter_map(last).min().map_or(Duration::ZERO, |last| last.saturating_sub(at))
}

/// Waits until a process ends by itself.
fn ended(process: &mut Process) -> Result<()> {
    wait_until("the node that was cut off ends", Duration::from_secs(30), || {
        Ok(process.must_run().is_err())
    })
    .context("it goes on though another has taken over")
}

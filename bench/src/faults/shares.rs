//! What several nodes may do together: no more than one alone, while they come and go.

use std::time::Duration;

use anyhow::{Result, ensure};
use pombo_peers::smsc::Part;

use super::client::Manner;
use super::postgres::Server;
use super::stage::{self, Effort, STOPS_WITHIN, Stage};
use super::{Outcome, Scenario, judge};
use crate::life::now;
use crate::pombo::{ACCOUNT_NAME, Setup};
use crate::process::wait_until;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nodes-rate",
        fault: "nodes come and go, stopped and killed with SIGKILL, while a route with a rate and \
                four binds has much to send",
        promise: "all nodes together send no faster, and have no more binds at any moment",
        quick: true,
        run: rate,
    },
    Scenario {
        name: "nodes-account",
        fault: "the same, while an account with a rate has much to send by a route without one",
        promise: "all nodes together send no faster",
        quick: false,
        run: account,
    },
    Scenario {
        name: "nodes-day",
        fault: "an account asks three nodes at once for more messages than it may send in a day, one \
                of which is killed with SIGKILL, and one stopped",
        promise: "exactly as many are accepted, the others answered with 429 and Retry-After",
        quick: true,
        run: day,
    },
];

/// Parts a second that may leave.
const RATE: usize = 100;

/// More than there are nodes, so that each that comes makes the others close some.
const BINDS: u64 = 4;

/// After that a node that came or went has changed what the others do.
const SETTLED: Duration = Duration::from_secs(3);

fn rate(effort: Effort) -> Result<Outcome> {
    coming_and_going(effort, &format!("rate = {RATE}\n"), &[])
}

fn account(effort: Effort) -> Result<Outcome> {
    coming_and_going(effort, "", &["--rate", &RATE.to_string()])
}

/// One node, two, three, then the first is killed, and the last stopped. The client is soon through:
/// what it asked for waits meanwhile.
fn coming_and_going(effort: Effort, route: &str, limits: &[&str]) -> Result<Outcome> {
    let server = Server::start()?;
    let route = format!("binds = {BINDS}\n{route}");
    let setup = Setup { route: route.into(), ..server.setup() };
    let stage = Stage::new("shares", stage::recording(), &setup)?;
    if !limits.is_empty() {
        stage.pombo.command(&[&["account", "set", ACCOUNT_NAME], limits].concat())?;
    }
    let two = stage.node("two", &setup)?;
    let three = stage.node("three", &setup)?;
    let first = stage.pombo.serve()?;
    // Ten times as fast as it is sent.
    let load = stage.load_of(&[&stage.pombo, &two], Effort { span: effort.span / 10, ..effort });
    std::thread::sleep(SETTLED);
    let second = two.serve()?;
    std::thread::sleep(SETTLED);
    let third = three.serve()?;
    std::thread::sleep(SETTLED);
    first.kill()?;
    std::thread::sleep(SETTLED);
    third.stop(STOPS_WITHIN)?;
    let sent = load.finish()?;
    wait_until("the node that is left has all binds", SETTLED, || {
        Ok(stage.carrier.counts().open == BINDS)
    })?;
    let verdict = stage.end(second, &sent)?;
    let most_binds = stage.carrier.counts().most_open;
    ensure!(most_binds == BINDS, "{most_binds} binds were open at a time, of {BINDS}");
    let most = most_in_a_second(&stage.carrier.received());
    // A tenth of a second's worth may come at once; and clocks and wires shift a part or two.
    ensure!(most <= RATE + RATE / 10 + 5, "{most} parts came within a second");
    let words = format!(
        "at most {most} parts came within any second, and {most_binds} binds were open at a time"
    );
    Ok(Outcome::seen(verdict, words))
}

/// Parts that came within the worst second.
fn most_in_a_second(received: &[Part]) -> usize {
    let mut times: Vec<Duration> = received.iter().map(|part| part.at).collect();
    times.sort_unstable();
    let until = |at: Duration| times.partition_point(|time| *time < at + Duration::from_secs(1));
    times.iter().enumerate().map(|(n, at)| until(*at) - n).max().unwrap_or(0)
}

fn day(effort: Effort) -> Result<Outcome> {
    let server = Server::start()?;
    let setup = Setup { route: format!("binds = {BINDS}\n").into(), ..server.setup() };
    let stage = Stage::new("day", stage::carrier(), &setup)?;
    let limit = usize::try_from(effort.messages / 4 * 3)?;
    stage.pombo.command(&["account", "set", ACCOUNT_NAME, "--per-day", &limit.to_string()])?;
    let (two, three) = (stage.node("two", &setup)?, stage.node("three", &setup)?);
    let (first, second, third) = (stage.pombo.serve()?, two.serve()?, three.serve()?);
    let begun = now();
    let manner = Manner { gives_way: true, ..Manner::default() };
    let load = stage.load_with(&[&stage.pombo, &two, &three], effort, manner);
    std::thread::sleep(effort.span / 3);
    first.kill()?;
    std::thread::sleep(effort.span / 3);
    third.stop(STOPS_WITHIN)?;
    let sent = load.finish()?;
    let days = usize::try_from(now().day() - begun.day())? + 1;
    let verdict = stage.end(second, &sent)?;
    let messages = judge::n_messages(&stage.books()?);
    // Single messages fill up what is left by requests that are too large.
    ensure!(
        (limit..=limit * days).contains(&messages),
        "{messages} messages were accepted, where {limit} may be"
    );
    let refused = sent.statuses.get(&429).copied().unwrap_or(0);
    let words = format!("{messages} messages, and {refused} answers of 429; {}", verdict.doubts());
    Ok(Outcome::seen(verdict, words))
}

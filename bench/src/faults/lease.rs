//! A node that ends where the others cannot see it: they wait for its lease, and no longer; and what
//! falls due meanwhile goes out on time.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pombo_peers::smsc::Part;

use super::client::{Fate, Manner, Schedule, Sent};
use super::nodes::{self, JOINED};
use super::postgres::Server;
use super::stage::{self, Effort, STOPS_WITHIN, Stage};
use super::{Outcome, Scenario};
use crate::life::now;
use crate::pombo::Pombo;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nodes-lease",
        fault: "one of two nodes, whose process the other cannot see, is killed with SIGKILL under \
                load",
        promise: "the other waits for its lease of five seconds, takes over within twelve, and \
                  answers meanwhile",
        quick: false,
        run: lease,
    },
    Scenario {
        name: "nodes-schedule",
        fault: "the same, while messages fall due one second after the other: before the kill, at \
                that moment, before the takeover, and after it",
        promise: "each goes out once; none before its time, and by the node that is left each on time",
        quick: true,
        run: schedule,
    },
];

/// A node that was heard of until its end is taken over no sooner: it stands still for five seconds,
/// of which two beats may have passed before its end.
const LEASE_MIN: Duration = Duration::from_secs(4);

/// A process space of its own, in which nobody sees from outside what became of it. What runs there ends
/// with this command.
const APART: [&str; 4] = ["--pid", "--fork", "--kill-child", "--mount-proc"];

fn can_be_apart() -> bool {
    let mut command = Command::new("unshare");
    command.args(APART).arg("true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn skipped() -> Outcome {
    Outcome::Skipped("a process space of its own cannot be made here, which needs root".into())
}

/// Waits until another node's lease was over, and its end was noticed.
fn taken_over(by: &Pombo, killed: Instant) -> Result<Duration> {
    let after = nodes::taken_over(by, killed)?;
    ensure!(after >= LEASE_MIN, "taken over after {} ms, before its lease", after.as_millis());
    Ok(after)
}

fn lease(effort: Effort) -> Result<Outcome> {
    if !can_be_apart() {
        return Ok(skipped());
    }
    let server = Server::start()?;
    let setup = nodes::two_binds(&server);
    let stage = Stage::new("lease", stage::carrier(), &setup)?;
    let two = stage.node("two", &setup)?;
    let first = stage.pombo.serve_traced("unshare", &APART)?;
    let second = two.serve()?;
    std::thread::sleep(JOINED);
    let load = stage.load_of_both(&two, effort);
    std::thread::sleep(effort.span / 4);
    first.kill()?;
    let killed = Instant::now();
    let after = taken_over(&two, killed)?;
    let sent = load.finish()?;
    let at = sent.accepted_after(killed).context("nothing was accepted after the kill")?;
    ensure!(at < LEASE_MIN, "nothing was accepted until the takeover");
    let verdict = stage.judge(&sent)?;
    second.stop(STOPS_WITHIN)?;
    let words = format!("taken over after {} ms; {}", after.as_millis(), verdict.doubts());
    Ok(Outcome::seen(verdict, words))
}

/// As many messages as can be accepted before the first is due.
const SCHEDULED_MAX: u64 = 2_000;
/// Over which they are sent, and when the first is due.
const ACCEPTED_OVER: Duration = Duration::from_secs(4);
const FIRST_DUE: Duration = Duration::from_secs(10);
/// So many seconds in which some are due; the node is killed in the middle of what is due after so many,
/// and taken over before the last.
const SECONDS: u64 = 14;
const KILLED_AT: u64 = 4;
const INTO_IT: Duration = Duration::from_millis(50);
/// How long after its time a message that no dead node holds may come.
const ON_TIME: Duration = Duration::from_millis(1_500);
/// How far the day's clock and the SMSC's may be apart.
const CLOCKS: Duration = Duration::from_millis(50);

fn schedule(effort: Effort) -> Result<Outcome> {
    if !can_be_apart() {
        return Ok(skipped());
    }
    let server = Server::start()?;
    let setup = nodes::two_binds(&server);
    let stage = Stage::new("schedule", stage::carrier(), &setup)?;
    let two = stage.node("two", &setup)?;
    let first = stage.pombo.serve_traced("unshare", &APART)?;
    let second = two.serve()?;
    let schedule = Schedule::new(now().plus(FIRST_DUE), SECONDS);
    let manner = Manner { schedule: Some(schedule), ..Manner::default() };
    let messages = effort.messages.min(SCHEDULED_MAX);
    let effort = Effort { messages, span: ACCEPTED_OVER, ..effort };
    let sent = stage.load_with(&[&stage.pombo, &two], effort, manner).finish()?;
    ensure!(now() < schedule.due(0), "they were not accepted in time");
    let due = Due::of(&sent, schedule, stage.carrier.elapsed());
    std::thread::sleep(schedule.due(KILLED_AT).plus(INTO_IT).since(now()));
    let (at, killed) = (stage.carrier.elapsed(), Instant::now());
    first.kill()?;
    let after = taken_over(&two, killed)?;
    let verdict = stage.judge(&sent)?;
    second.stop(STOPS_WITHIN)?;
    let late = due.judge(&stage.carrier.received(), at)?;
    let words = format!(
        "taken over after {} ms; what fell due after the kill came at most {} ms late; {}",
        after.as_millis(),
        late.as_millis(),
        verdict.doubts()
    );
    Ok(Outcome::seen(verdict, words))
}

/// When each recipient's message is due, in the SMSC's time.
struct Due(BTreeMap<u64, Duration>);

impl Due {
    fn of(sent: &Sent, schedule: Schedule, at: Duration) -> Self {
        let now = now();
        let accepted = sent.requests.iter().filter(|request| request.fate == Fate::Accepted);
        let due = accepted.flat_map(|request| {
            let due = at + schedule.due(request.number).since(now);
            request.recipients.clone().map(move |to| (to, due))
        });
        Self(due.collect())
    }

    /// How late the latest came of those that were due after the kill; none of them may be much too
    /// late, or come twice, and none at all too early.
    fn judge(&self, received: &[Part], killed: Duration) -> Result<Duration> {
        let (mut latest, mut seen) = (Duration::ZERO, BTreeSet::new());
        for part in received {
            let Some(&due) = self.0.get(&part.destination) else { continue };
            let to = part.destination;
            ensure!(part.at + CLOCKS >= due, "{to} came before its time");
            if due <= killed {
                continue;
            }
            latest = latest.max(part.at.saturating_sub(due));
            let number = part.piece.map(|(.., number)| number);
            ensure!(seen.insert((to, number)), "{to} was sent twice");
        }
        ensure!(!seen.is_empty(), "none was due after the kill");
        ensure!(latest <= ON_TIME, "one came {} ms after its time", latest.as_millis());
        Ok(latest)
    }
}

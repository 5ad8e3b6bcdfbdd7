//! Callback hosts that hang.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pombo_peers::sink::{Answer, Behaviour, Sink};

use super::client::{Callbacks, Manner};
use super::stage::{self, Effort, Stage};
use super::{Outcome, Scenario};
use crate::pombo::Setup;
use crate::process::wait_until;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "callbacks-hang",
    fault: "the callback host of every other request takes calls and never answers",
    promise: "it keeps up neither messages nor the callbacks of other hosts",
    quick: true,
    run,
}];

/// How long after the last message the last callback of the host that answers may come.
const SOON: Duration = Duration::from_secs(5);

fn run(effort: Effort) -> Result<Outcome> {
    let stage = Stage::new("callbacks", stage::carrier(), &Setup::default())?;
    let (quick, hanging) = (
        Sink::start(Behaviour::recording(Answer::Status(200))),
        Sink::start(Behaviour::recording(Answer::Hang)),
    );
    let url = |sink: &Sink| Some(sink.url("/dlr?t=%P&n=%n&d=%d"));
    let callbacks = Callbacks { even: url(&quick), odd: url(&hanging) };
    let serve = stage.pombo.serve()?;
    let manner = Manner { callbacks, ..Manner::default() };
    let sent = stage.load_with(&[&stage.pombo], effort, manner).finish()?;
    let end = Instant::now();
    let wanted: usize = sent
        .requests
        .iter()
        .filter(|request| request.number.is_multiple_of(2))
        .map(|request| request.recipients.clone().count() * usize::from(request.n_parts))
        .sum();
    let delivered = || {
        let targets: BTreeSet<String> = quick.targets().into_iter().collect();
        targets.iter().filter(|target| target.ends_with("&d=1")).count()
    };
    wait_until("the other host's callbacks are made", SOON, || Ok(delivered() >= wanted))?;
    let after = end.elapsed();
    ensure!(hanging.count() > 0, "nobody was kept waiting");
    let verdict = stage.end(serve, &sent)?;
    let words = format!(
        "{wanted} callbacks of the other host, the last {} ms after the last message; {} hung",
        after.as_millis(),
        hanging.count()
    );
    Ok(Outcome::seen(verdict, words))
}

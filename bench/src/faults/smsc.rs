//! An SMSC that vanishes, answers late, never, twice, or in another order.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::Result;
use pombo_peers::smsc::{Behaviour, Reaction, Receipts};

use super::judge::Verdict;
use super::stage::{self, Dice, Effort, Stage, recording};
use super::{Outcome, Scenario};
use crate::pombo::Setup;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "smsc-vanishes",
        fault: "the SMSC closes all links mid-window, again and again, and is gone for two seconds",
        promise: "binds again; what had no answer is uncertain, named, and sent again",
        quick: true,
        run: vanishes,
    },
    Scenario {
        name: "smsc-late",
        fault: "every 20th answer comes after the response timeout",
        promise: "no answer in time is uncertain; the late one does no harm",
        quick: false,
        run: |effort| answering("late", effort, late(), Verdict::with_doubts),
    },
    Scenario {
        name: "smsc-never",
        fault: "every 20th submission is taken and never answered",
        promise: "no answer in time is uncertain, named, and sent again",
        quick: true,
        run: |effort| answering("never", effort, never(), Verdict::with_doubts),
    },
    Scenario {
        name: "smsc-never-hold",
        fault: "the same on a route with `uncertain = \"hold\"`, without receipts",
        promise: "what had no answer is held until an operator decides, named, and not sent again",
        quick: true,
        run: holding,
    },
    Scenario {
        name: "smsc-twice",
        fault: "every answer and every receipt comes twice",
        promise: "the second of each changes nothing",
        quick: false,
        run: |effort| answering("twice", effort, twice(), |verdict| Ok(verdict.doubts())),
    },
    Scenario {
        name: "smsc-disorder",
        fault: "answers come in the reverse order, receipts before them",
        promise: "each is matched by its number, each receipt by its id",
        quick: false,
        run: |effort| answering("disorder", effort, disorder(), |verdict| Ok(verdict.doubts())),
    },
];

/// A response timeout that a scenario can wait for.
const IMPATIENT: Setup =
    Setup { store: None, route: Cow::Borrowed("response_s = 1\n"), binary: None };
const TOO_LATE: Duration = Duration::from_millis(2_500);

fn late() -> Behaviour {
    every_20th(Reaction::AcceptAfter(TOO_LATE))
}

fn never() -> Behaviour {
    every_20th(Reaction::AcceptSilently)
}

fn every_20th(reaction: Reaction) -> Behaviour {
    recording().reacting(move |n, _| if n.is_multiple_of(20) { reaction } else { Reaction::Accept })
}

fn twice() -> Behaviour {
    let receipts = Receipts { copies: 2, ..Receipts::default() };
    recording().with_receipts(receipts).reacting(|_, _| Reaction::AcceptTwice)
}

fn disorder() -> Behaviour {
    let receipts = Receipts { before_answer: true, ..Receipts::default() };
    Behaviour { reverses: true, ..recording().with_receipts(receipts) }
}

/// `doubts`: what of them is to be told, where they are as they must be.
fn answering(
    name: &str,
    effort: Effort,
    behaviour: Behaviour,
    doubts: fn(&Verdict) -> Result<String>,
) -> Result<Outcome> {
    let verdict = judged(name, effort, behaviour, &IMPATIENT)?;
    let words = doubts(&verdict)?;
    Ok(Outcome::seen(verdict, words))
}

fn holding(effort: Effort) -> Result<Outcome> {
    let route = Cow::Borrowed("response_s = 1\nuncertain = \"hold\"\n");
    let silent = Behaviour { receipts: None, ..never() };
    let verdict = judged("hold", effort, silent, &Setup { route, ..IMPATIENT })?;
    let words = format!("{} are held and named", verdict.held()?);
    Ok(Outcome::seen(verdict, words))
}

fn judged(name: &str, effort: Effort, behaviour: Behaviour, setup: &Setup) -> Result<Verdict> {
    let stage = Stage::new(name, behaviour, setup)?;
    let serve = stage.pombo.serve()?;
    let sent = stage.load(effort).finish()?;
    stage.end(serve, &sent)
}

fn vanishes(effort: Effort) -> Result<Outcome> {
    let mut stage = Stage::new("vanishes", stage::carrier(), &Setup::default())?;
    let serve = stage.pombo.serve()?;
    let load = stage.load(effort);
    let mut dice = Dice::new(effort.seed);
    let mut times = 0;
    let middle = effort.span.as_millis() / 1_600;
    while !load.is_over() && times < 2 * middle {
        dice.wait(Duration::from_millis(800));
        stage.carrier.hang_up();
        times += 1;
        if times == middle {
            stage.carrier.vanish();
            std::thread::sleep(Duration::from_secs(2));
            stage.carrier.come_back()?;
        }
    }
    let sent = load.finish()?;
    let verdict = stage.end(serve, &sent)?;
    let words = format!("closed {times} times; {}", verdict.doubts());
    Ok(Outcome::seen(verdict, words))
}

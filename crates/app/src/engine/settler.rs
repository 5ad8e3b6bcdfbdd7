//! The settler: stores outcomes and arrivals in the order in which they happened, all that wait
//! in one command.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pombo_domain::address::{Phone, Sender};
use pombo_domain::channel::{Arrival, NotStored, Outcome, Report};
use pombo_domain::id::RouteId;
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::retry::{self, Next};
use pombo_domain::route::ReceiptId;
use pombo_store::operation as op;
use pombo_store::operation::failover::{Choose, Failover};
use pombo_store::operation::settle::{Fate, Item, Settle, Settled, Settlement};
use tokio::sync::{mpsc, oneshot};

use super::desk::lock;
use super::flight::{Flight, Flying};
use super::{Engine, RouteDesk};
use crate::inbound::Bell;

/// What a channel hands to its desk.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Outcomes of submissions.
    Reports(Vec<Report>),
    /// What came unasked, with the one who waits until it is stored.
    Arrivals(Vec<Arrival>, oneshot::Sender<Result<(), NotStored>>),
}

/// Recipients whose receipts agree before a spelling of ids is locked: one handset, however often
/// it is written to, tells little of a carrier.
const LESSONS: usize = 10;
/// Tries of all routes together after which none is fresh any more.
const ROUNDS_TRIES_MAX: u8 = 250;
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Runs as long as the desk lives.
pub(super) async fn run(
    (desk, engine): (Arc<RouteDesk>, Engine),
    inbound: Bell,
    mut reports: mpsc::UnboundedReceiver<Incoming>,
) {
    let mut lessons = Lessons::default();
    while let Some(first) = reports.recv().await {
        let mut batch = Batch::default();
        batch.add(first, &desk, &engine);
        let settlement = loop {
            batch.fill(&mut reports, &desk, &engine);
            match store((&desk, &engine), &mut batch).await {
                Ok(settlement) => break settlement,
                // Outcomes that came meanwhile join; arrivals are answered at every try.
                Err(_) => tokio::time::sleep(STORE_PAUSE).await,
            }
        };
        if let Some(settlement) = settlement {
            count(&desk, &settlement);
            if settlement.n_inbound > 0 {
                inbound.ring();
            }
            desk.health.told(desk.clock.now(), &settlement.told);
            for (route, lane, account, due) in &settlement.requeued {
                engine.ring(*route, *lane, *account, *due);
            }
            learn(&desk, &mut lessons, &settlement).await;
        }
        let n = batch.n_incoming;
        if desk.unsettled.fetch_sub(n, Ordering::AcqRel) == n {
            desk.quiet.notify_waiters();
        }
        desk.bell.notify_one();
    }
}

#[derive(Debug, Default)]
struct Batch {
    items: Vec<Item>,
    waiting: Vec<oneshot::Sender<Result<(), NotStored>>>,
    n_incoming: usize,
}

impl Batch {
    /// Takes what waits, as far as one command may write it.
    fn fill(
        &mut self,
        reports: &mut mpsc::UnboundedReceiver<Incoming>,
        desk: &RouteDesk,
        engine: &Engine,
    ) {
        while self.items.len() < ROWS_PER_OPERATION_MAX {
            let Ok(next) = reports.try_recv() else { break };
            self.add(next, desk, engine);
        }
    }

    fn add(&mut self, incoming: Incoming, desk: &RouteDesk, engine: &Engine) {
        self.n_incoming += 1;
        match incoming {
            Incoming::Reports(reports) => {
                let mut flight = lock(&desk.flight);
                let mut answers = Vec::with_capacity(reports.len());
                for report in reports {
                    let Some(flying) = flight.land(report.part, report.try_number) else {
                        continue;
                    };
                    if let Some(is_taken) = is_taken(&report.outcome) {
                        answers.push((report.at.since(flying.since), is_taken));
                    }
                    if flight.keeps(report.part, &flying, &report.outcome) {
                        continue;
                    }
                    let kept = flight.kept(report.part);
                    // No carrier has any part of it: it may go by another route as a whole.
                    let is_free = flying.alone
                        || flying.whole
                            && kept.len() + 1 == flying.body.segmented.n_parts()
                            && matches!(
                                report.outcome,
                                Outcome::Deferred { tries_max: Some(_), .. }
                            );
                    for (part, flying, outcome) in kept {
                        let report = Report { part, outcome, ..report.clone() };
                        self.settle(&mut flight, (desk, engine), (&report, flying), is_free);
                    }
                    self.settle(&mut flight, (desk, engine), (&report, flying), is_free);
                }
                self.items.extend(flight.changes());
                drop(flight);
                desk.health.answered(desk.clock.now(), &answers);
            }
            Incoming::Arrivals(arrivals, reply) => {
                self.items.extend(arrivals.into_iter().map(|arrival| match arrival {
                    Arrival::Receipt(receipt) => Item::Receipt(receipt),
                    Arrival::Inbound(inbound) => Item::Inbound(inbound),
                }));
                self.waiting.push(reply);
            }
        }
    }
}

impl Batch {
    /// Decides what becomes of a part that is back.
    fn settle(
        &mut self,
        flight: &mut Flight,
        (desk, engine): (&RouteDesk, &Engine),
        (report, flying): (&Report, Flying),
        is_free: bool,
    ) {
        let fate = fate((desk, engine), report, &flying, is_free);
        if requeues(&fate) {
            flight.unname(report.part, flying.intent);
        }
        self.items.push(Item::Settled(Settled {
            part: report.part,
            account: flying.account,
            lane: flying.lane,
            at: report.at,
            tally: flying.tally,
            fate,
        }));
    }
}

/// Whether a carrier that answered took the part; `None` where it did not answer.
const fn is_taken(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Accepted { .. } => Some(true),
        Outcome::Deferred { .. } | Outcome::Refused { .. } => Some(false),
        Outcome::Unknown { .. } | Outcome::Unsent => None,
    }
}

/// Whether the part stays queued, so that no intent may name it.
fn requeues(fate: &Fate) -> bool {
    // A part in doubt may be put back by its operator at any time.
    matches!(fate, Fate::Again { .. } | Fate::Doubt { .. })
}

/// `is_free`: no carrier is known to have any part of its message.
fn fate(
    (desk, engine): (&RouteDesk, &Engine),
    report: &Report,
    flying: &Flying,
    is_free: bool,
) -> Fate {
    let route = desk.route();
    let policy = route.uncertain.of(flying.category);
    let tries_before = flying.tries.saturating_sub(1);
    // A temporary error need not be waited for while another route is at hand: once each has had
    // its try, the error's wait and number of tries count.
    let other = match &report.outcome {
        Outcome::Deferred { tries_max: Some(_), .. } if is_free => {
            other_route(desk, engine, flying)
        }
        _ => None,
    };
    let round = other.map_or(flying.tries, |other| tries_before / other.n_fitting + 1);
    let next = retry::next(&report.outcome, round, flying.expires, policy, report.at);
    let is_worth_while = flying.expires.is_none_or(|end| report.at < end);
    match (next, &report.outcome) {
        (Next::TryAgain { .. } | Next::End(_), Outcome::Deferred { cause, .. })
            if is_worth_while && other.is_some_and(|other| other.is_fresh) =>
        {
            let route = other.map_or(desk.id, |other| other.route);
            Fate::Again { due: report.at, route, tries: flying.tries, cause: Some(cause.clone()) }
        }
        (Next::AwaitReceipt, Outcome::Accepted { carrier_id }) => {
            Fate::Sent { carrier_id: carrier_id.clone() }
        }
        (Next::End(state), outcome) => Fate::Ended { state, cause: cause_of(outcome) },
        (Next::Doubt(policy), outcome) => {
            Fate::Doubt { policy, tries: flying.tries, cause: cause_of(outcome) }
        }
        (Next::TryAgain { due, counts }, outcome) => Fate::Again {
            due,
            route: other.map_or(desk.id, |other| other.route),
            tries: if counts { flying.tries } else { tries_before },
            cause: counts.then(|| cause_of(outcome)),
        },
        (Next::GiveBack | Next::AwaitReceipt, _) => {
            Fate::Again { due: report.at, route: desk.id, tries: tries_before, cause: None }
        }
    }
}

fn cause_of(outcome: &Outcome) -> pombo_domain::channel::Cause {
    match outcome {
        Outcome::Deferred { cause, .. }
        | Outcome::Refused { cause, .. }
        | Outcome::Unknown { cause } => cause.clone(),
        Outcome::Accepted { .. } | Outcome::Unsent => {
            pombo_domain::channel::Cause { code: String::new(), text: String::new() }
        }
    }
}

/// Where a message goes after a temporary error.
#[derive(Debug, Clone, Copy)]
struct Other {
    route: RouteId,
    /// It was not tried since the last pause: no reason to wait.
    is_fresh: bool,
    /// Routes that take the message now, this one included.
    n_fitting: u8,
}

/// The next usable route for a message of which nothing has been accepted yet: in the order of the
/// choice, beginning anew after the last. Once each has had its try, the error's wait counts.
fn other_route(desk: &RouteDesk, engine: &Engine, flying: &Flying) -> Option<Other> {
    let map = engine.routing.of(flying.account, desk.clock.now());
    let passenger = map.passenger(flying.to, &flying.body.from, flying.category);
    let fits = |route| route == desk.id || engine.is_fit(route, passenger.country);
    let fitting = map.order(&passenger, fits);
    let here = fitting.iter().position(|route| *route == desk.id)?;
    let route = fitting[(here + 1) % fitting.len()];
    let n_fitting = u8::try_from(fitting.len()).unwrap_or(u8::MAX);
    let is_fresh = !flying.tries.is_multiple_of(n_fitting) && flying.tries < ROUNDS_TRIES_MAX;
    (route != desk.id).then_some(Other { route, is_fresh, n_fitting })
}

/// What finds another route for what this one's carrier did not deliver, where its receipts ask
/// for one.
fn failover(desk: &RouteDesk, engine: &Engine) -> Option<Failover> {
    let route = desk.route();
    if route.failover.on.is_empty() {
        return None;
    }
    let (engine, now) = (engine.clone(), desk.clock.now());
    let choose: Choose = Arc::new(move |request, to, tried| {
        let map = engine.routing.of(request.account, now);
        let sender = Sender::from_stored(&request.sender);
        let passenger = map.passenger(to, &sender, request.category);
        let country = passenger.country;
        let usable = |route| !tried.contains(&route) && engine.is_fit(route, country);
        map.choose(&passenger, usable).map(|choice| choice.route)
    });
    Some(Failover { rule: route.failover.clone(), choose })
}

/// Tries to store a batch. Only who waits for arrivals is told of a failure: the carrier sends
/// those again, while the outcomes exist only here and stay in the batch. `None`: nothing is left
/// to be stored.
async fn store(
    (desk, engine): (&RouteDesk, &Engine),
    batch: &mut Batch,
) -> Result<Option<Settlement>, pombo_store::Error> {
    let items = Arc::new(std::mem::take(&mut batch.items));
    let settle = Settle {
        route: desk.id,
        spelling: desk.route().receipt_id,
        failover: failover(desk, engine),
        validity_max: desk.route().validity_max,
        items: Arc::clone(&items),
        now: desk.clock.now(),
    };
    let stored = desk.store.run(settle).await;
    let answer = stored.as_ref().map(|_| ()).map_err(|_| NotStored);
    for reply in batch.waiting.drain(..) {
        let _ = reply.send(answer);
    }
    match stored {
        Ok(settlement) => Ok(Some(settlement)),
        Err(pombo_store::Error::Closed) => Ok(None),
        Err(error) => {
            tracing::error!(route = desk.route().name, %error, "outcomes cannot be stored yet");
            batch.items = Arc::unwrap_or_clone(items);
            batch.items.retain(|item| !matches!(item, Item::Receipt(_) | Item::Inbound(_)));
            if batch.items.is_empty() { Ok(None) } else { Err(error) }
        }
    }
}

fn count(desk: &RouteDesk, settlement: &Settlement) {
    let route = desk.route().name.clone();
    let counted = [
        ("matched", settlement.n_matched),
        ("repeated", settlement.n_repeated),
        ("gone_on", settlement.n_gone_on),
        ("delivered_after_all", settlement.n_earlier),
        ("unmatched", settlement.n_unmatched),
    ];
    for (result, n) in counted {
        if n > 0 {
            metrics::counter!("pombo_receipts_total", "route" => route.clone(), "result" => result)
                .increment(n as u64);
        }
    }
}

/// What `receipt_id = "auto"` has seen: a few recipients for each spelling.
#[derive(Debug, Default)]
struct Lessons {
    seen: Vec<(ReceiptId, HashSet<Phone>)>,
}

impl Lessons {
    fn add(&mut self, spelling: ReceiptId, recipient: Phone) {
        let at = self.seen.iter().position(|(seen, _)| *seen == spelling).unwrap_or_else(|| {
            self.seen.push((spelling, HashSet::new()));
            self.seen.len() - 1
        });
        let recipients = &mut self.seen[at].1;
        if recipients.len() < LESSONS {
            recipients.insert(recipient);
        }
    }

    /// The one spelling, once enough agree and none speaks against it.
    fn learned(&self) -> Option<ReceiptId> {
        match &self.seen[..] {
            [(spelling, recipients)] if recipients.len() >= LESSONS => Some(*spelling),
            _ => None,
        }
    }
}

async fn learn(desk: &RouteDesk, lessons: &mut Lessons, settlement: &Settlement) {
    let route = desk.route();
    if route.receipt_id != ReceiptId::Auto || settlement.spellings_seen.is_empty() {
        return;
    }
    for &(spelling, recipient) in &settlement.spellings_seen {
        lessons.add(spelling, recipient);
    }
    let Some(spelling) = lessons.learned() else { return };
    if desk.store.run(op::route::Learn { route: desk.id, spelling }).await.is_ok() {
        tracing::info!(route = route.name, ?spelling, "learned how receipts spell ids");
        let learned = pombo_domain::route::Route { receipt_id: spelling, ..route.as_ref().clone() };
        desk.reload(&learned);
    }
}

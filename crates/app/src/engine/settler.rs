//! The settler: stores outcomes and arrivals in the order in which they happened, all that wait
//! in one command.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pombo_domain::channel::{Arrival, NotStored, Outcome, Report};
use pombo_domain::id::RouteId;
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::retry::{self, Next};
use pombo_domain::route::{Question, ReceiptId, choose};
use pombo_store::operation as op;
use pombo_store::operation::settle::{Fate, Item, Settle, Settled, Settlement};
use tokio::sync::{mpsc, oneshot};

use super::desk::lock;
use super::flight::Flying;
use super::{Engine, RouteDesk};

/// What a channel hands to its desk.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Outcomes of submissions.
    Reports(Vec<Report>),
    /// What came unasked, with the one who waits until it is stored.
    Arrivals(Vec<Arrival>, oneshot::Sender<Result<(), NotStored>>),
}

/// Receipts that agree before a spelling of ids is locked.
const LESSONS: usize = 10;
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Runs as long as the desk lives.
pub(super) async fn run(
    desk: Arc<RouteDesk>,
    engine: Engine,
    mut reports: mpsc::UnboundedReceiver<Incoming>,
) {
    let mut lessons = Lessons::default();
    while let Some(first) = reports.recv().await {
        let mut batch = Batch::default();
        batch.add(first, &desk, &engine);
        while batch.items.len() < ROWS_PER_OPERATION_MAX {
            let Ok(next) = reports.try_recv() else { break };
            batch.add(next, &desk, &engine);
        }
        let n = batch.n_incoming;
        store(&desk, &engine, batch, &mut lessons).await;
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
    landed: usize,
    n_incoming: usize,
}

impl Batch {
    fn add(&mut self, incoming: Incoming, desk: &RouteDesk, engine: &Engine) {
        self.n_incoming += 1;
        match incoming {
            Incoming::Reports(reports) => {
                let mut flight = lock(&desk.flight);
                for report in reports {
                    let Some(flying) = flight.land(report.part) else {
                        continue;
                    };
                    self.landed += 1;
                    let fate = fate(desk, engine, &report, &flying);
                    if requeues(&fate) {
                        flight.unname(report.part, flying.intent);
                    }
                    self.items.push(Item::Settled(Settled {
                        part: report.part,
                        account: flying.account,
                        lane: flying.lane,
                        at: report.at,
                        fate,
                    }));
                }
                self.items.extend(flight.changes());
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

/// Whether the part stays queued, so that no intent may name it.
fn requeues(fate: &Fate) -> bool {
    use pombo_domain::route::UncertainPolicy::Resend;
    matches!(fate, Fate::Again { .. } | Fate::Doubt { policy: Resend, .. })
}

fn fate(desk: &RouteDesk, engine: &Engine, report: &Report, flying: &Flying) -> Fate {
    let route = desk.route();
    let next =
        retry::next(&report.outcome, flying.tries, flying.expires, route.uncertain, report.at);
    let tries_before = flying.tries.saturating_sub(1);
    match (next, &report.outcome) {
        (Next::AwaitReceipt, Outcome::Accepted { carrier_id }) => {
            Fate::Sent { carrier_id: carrier_id.clone() }
        }
        (Next::End(state), outcome) => Fate::Ended { state, cause: cause_of(outcome) },
        (Next::Doubt(policy), outcome) => {
            Fate::Doubt { policy, tries: flying.tries, cause: cause_of(outcome) }
        }
        (Next::TryAgain { due, counts }, outcome) => {
            let other = if counts { other_route(desk, engine, flying) } else { None };
            Fate::Again {
                // Another route need not wait for this one to recover.
                due: if other.is_some() { report.at } else { due },
                route: other.unwrap_or(desk.id),
                tries: if counts { flying.tries } else { tries_before },
                cause: counts.then(|| cause_of(outcome)),
            }
        }
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

/// Another usable route for a message of which nothing has been accepted yet.
fn other_route(desk: &RouteDesk, engine: &Engine, flying: &Flying) -> Option<RouteId> {
    if !flying.alone {
        return None; // Its other parts may be with this carrier.
    }
    let routes: Vec<_> = engine.desks().map(|desk| desk.route().as_ref().clone()).collect();
    let country = flying.to.country();
    let question = Question {
        account: flying.account,
        country: country.as_str(),
        sender: &flying.body.from,
        category: flying.category,
        spread: flying.to.digits(),
    };
    choose(&routes, &question, |route| route != desk.id && engine.is_usable(route))
}

/// Stores a batch, however long it takes; only who waits for arrivals is told of a failure.
async fn store(desk: &RouteDesk, engine: &Engine, mut batch: Batch, lessons: &mut Lessons) {
    loop {
        let items = Arc::new(std::mem::take(&mut batch.items));
        let settle = Settle {
            route: desk.id,
            spelling: desk.route().receipt_id,
            items: Arc::clone(&items),
            now: desk.clock.now(),
        };
        match desk.store.run(settle).await {
            Ok(settlement) => {
                for reply in batch.waiting.drain(..) {
                    let _ = reply.send(Ok(()));
                }
                count(desk, &settlement);
                for (route, lane, account, due) in &settlement.requeued {
                    engine.ring(*route, *lane, *account, *due);
                }
                learn(desk, lessons, &settlement).await;
                return;
            }
            Err(pombo_store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(route = desk.route().name, %error, "outcomes cannot be stored yet");
                for reply in batch.waiting.drain(..) {
                    let _ = reply.send(Err(NotStored));
                }
                // The carrier sends its arrivals again; the answers exist only here.
                batch.items = Arc::unwrap_or_clone(items);
                batch.items.retain(|item| !matches!(item, Item::Receipt(_) | Item::Inbound(_)));
                if batch.items.is_empty() {
                    return;
                }
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}

fn count(desk: &RouteDesk, settlement: &Settlement) {
    let route = desk.route().name.clone();
    let counted = [
        ("matched", settlement.n_matched),
        ("repeated", settlement.n_repeated),
        ("unmatched", settlement.n_unmatched),
    ];
    for (result, n) in counted {
        if n > 0 {
            metrics::counter!("pombo_receipts_total", "route" => route.clone(), "result" => result)
                .increment(n as u64);
        }
    }
}

/// What `receipt_id = "auto"` has seen.
#[derive(Debug, Default)]
struct Lessons {
    seen: Vec<(ReceiptId, usize)>,
}

async fn learn(desk: &RouteDesk, lessons: &mut Lessons, settlement: &Settlement) {
    let route = desk.route();
    if route.receipt_id != ReceiptId::Auto || settlement.spellings_seen.is_empty() {
        return;
    }
    for spelling in &settlement.spellings_seen {
        match lessons.seen.iter_mut().find(|(seen, _)| seen == spelling) {
            Some((_, n)) => *n += 1,
            None => lessons.seen.push((*spelling, 1)),
        }
    }
    let [(spelling, n)] = lessons.seen[..] else {
        return;
    };
    if n < LESSONS {
        return;
    }
    if desk.store.run(op::route::Learn { route: desk.id, spelling }).await.is_ok() {
        tracing::info!(route = route.name, ?spelling, "learned how receipts spell ids");
        let learned = pombo_domain::route::Route { receipt_id: spelling, ..route.as_ref().clone() };
        desk.reload(&learned);
    }
}

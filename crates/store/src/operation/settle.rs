//! `settle`: what came of submissions, and what came from the network, in the order it happened.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::address::Phone;
use pombo_domain::campaign::Tally;
use pombo_domain::channel::{Cause, Inbound, Receipt};
use pombo_domain::id::{AccountId, EventId, PartId, RouteId};
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::route::{ReceiptId, UncertainPolicy};
use pombo_domain::time::Instant;

use super::Operation;
use super::failover::{self, Failover};
use super::part::{self, Step};
use super::queue::enqueue;
pub use super::receipt::Told;
use super::receipt::{self, Carrier, Matching};
use super::uncertain::{self, Resolution};
use super::{inbound, intent};
use crate::carrier_id;
use crate::error::Result;
use crate::work::Work;

/// How long a carrier's ids are known beyond the longest validity: receipts may be late.
const ID_GRACE: Duration = Duration::from_secs(72 * 3_600);

/// The next step of one part, decided by the engine.
#[derive(Debug, Clone)]
pub enum Fate {
    /// The carrier took it.
    Sent {
        /// Its id for the part, in its own spelling; may be empty.
        carrier_id: String,
    },
    /// It ends.
    Ended {
        /// Rejected, undelivered or expired.
        state: PartState,
        /// Why.
        cause: Cause,
    },
    /// Back to a queue, to be tried again.
    Again {
        /// Not before.
        due: Instant,
        /// By which route.
        route: RouteId,
        /// Counted tries so far.
        tries: u8,
        /// Why; `None` when it was merely given back unsent.
        cause: Option<Cause>,
    },
    /// In doubt.
    Doubt {
        /// What to do about it.
        policy: UncertainPolicy,
        /// Counted tries so far.
        tries: u8,
        /// Why.
        cause: Cause,
    },
}

/// One settled part.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Which.
    pub part: PartId,
    /// Whose.
    pub account: AccountId,
    /// Its lane.
    pub lane: Lane,
    /// When the outcome was seen.
    pub at: Instant,
    /// Whose totals it moves, as its row says; a wrong one costs a look at the row.
    pub tally: Tally,
    /// The next step.
    pub fate: Fate,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Item {
    /// A submission's outcome.
    Settled(Settled),
    /// A delivery receipt.
    Receipt(Receipt),
    /// A message from a handset.
    Inbound(Inbound),
    /// An intent whose parts are all settled.
    IntentDone(i64),
    /// An intent of which some parts went back to the queue; these stay.
    IntentShrunk(i64, Vec<PartId>),
}

/// What happened on one route.
#[derive(Debug, Clone)]
pub struct Settle {
    /// The route.
    pub route: RouteId,
    /// How its receipts spell ids, where that is known.
    pub spelling: ReceiptId,
    /// The longest time for which the carrier tries: its ids are known for 72 hours more.
    pub validity_max: Duration,
    /// What becomes of parts that its carrier did not deliver, where that is not the end.
    pub failover: Option<Failover>,
    /// In the order it happened; shared, so that a failure leaves them with the caller.
    pub items: Arc<Vec<Item>>,
    /// The time.
    pub now: Instant,
}

/// What the store made of it.
#[derive(Debug, Default)]
pub struct Settlement {
    /// Receipts that moved a part.
    pub n_matched: usize,
    /// Receipts of parts that had their final state already.
    pub n_repeated: usize,
    /// Receipts that a part was delivered after all, which had gone by another route since.
    pub n_earlier: usize,
    /// Receipts after which parts go by another route.
    pub n_gone_on: usize,
    /// Receipts that fit nothing yet.
    pub n_unmatched: usize,
    /// Messages from handsets that are whole now.
    pub n_inbound: usize,
    /// Ends that receipts told of, for the route's health.
    pub told: Vec<Told>,
    /// Receipts that only one spelling could explain: what `auto` learns from.
    pub spellings_seen: Vec<(ReceiptId, Phone)>,
    /// Parts that went back to a queue: lane, account, route, due.
    pub requeued: Vec<(RouteId, Lane, AccountId, Instant)>,
}

impl Operation for Settle {
    type Answer = Settlement;

    const LOOKS_AT_QUEUES: bool = false;

    fn rows(&self) -> usize {
        self.items.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Settlement> {
        work.now_is(self.now);
        self.read_ahead(work)?;
        let mut done = Settlement::default();
        for item in self.items.iter() {
            match item {
                Item::Settled(settled) => self.settle(work, settled, &mut done)?,
                Item::Receipt(receipt) => {
                    let matching = receipt::take(work, self.carrier(), receipt, &mut done.told)?;
                    done.count(matching);
                }
                Item::Inbound(message) => {
                    done.n_inbound += usize::from(inbound::keep(work, self.route, message)?);
                }
                Item::IntentDone(id) => intent::end(work, *id)?,
                Item::IntentShrunk(id, rest) => intent::shrink(work, *id, rest)?,
            }
        }
        Ok(done)
    }
}

impl Settlement {
    fn count(&mut self, matching: Matching) {
        match matching {
            Matching::Moved(spelling) => {
                self.n_matched += 1;
                self.spellings_seen.extend(spelling);
            }
            Matching::GoesOn(queued) => {
                self.n_gone_on += 1;
                self.requeued.push(queued);
            }
            Matching::Earlier => self.n_earlier += 1,
            Matching::Repeated => self.n_repeated += 1,
            Matching::Kept => self.n_unmatched += 1,
        }
    }
}

impl Settle {
    fn carrier(&self) -> Carrier<'_> {
        let id_days = (self.validity_max + ID_GRACE).as_secs().div_ceil(86_400);
        let id_days = i64::try_from(id_days).unwrap_or(i64::MAX >> 1);
        let failover = self.failover.as_ref();
        Carrier { route: self.route, failover, spelling: self.spelling, id_days }
    }

    /// Reads what will be looked at, where looking at each takes long.
    fn read_ahead(&self, work: &mut Work<'_>) -> Result<()> {
        let settled = self.items.iter().filter_map(|item| match item {
            Item::Settled(settled) => Some(settled.part),
            _ => None,
        });
        part::read_ahead(work, settled)?;
        let receipts = self.items.iter().filter_map(|item| match item {
            Item::Receipt(receipt) => Some(receipt),
            _ => None,
        });
        receipt::read_ahead(work, self.carrier(), receipts)
    }

    fn settle(&self, work: &mut Work<'_>, settled: &Settled, done: &mut Settlement) -> Result<()> {
        match &settled.fate {
            Fate::Sent { carrier_id } => self.sent(work, settled, carrier_id, done),
            Fate::Ended { state, cause } => self.ended(work, settled, *state, cause),
            Fate::Again { due, route, tries, cause } => {
                if let Some(cause) = cause {
                    self.note(work, settled, EventKind::Deferred, cause)?;
                }
                if *route != self.route {
                    if cause.is_none() {
                        // A range of the other route may span it; its event says that it has a
                        // place in the queue of its own.
                        let moved = Cause { code: String::new(), text: "moved".to_owned() };
                        self.note(work, settled, EventKind::Deferred, &moved)?;
                    }
                    reroute(work, settled.part, *route)?;
                }
                let queue = (*route, settled.lane, settled.account);
                enqueue(work, queue, (settled.part, settled.part), (due.micros(), *tries))?;
                done.requeued.push((*route, settled.lane, settled.account, *due));
                Ok(())
            }
            Fate::Doubt { policy, tries, cause } => {
                let doubt = uncertain::Doubt {
                    part: settled.part,
                    route: self.route,
                    account: settled.account,
                    lane: settled.lane,
                    tries: *tries,
                    policy: *policy,
                    at: settled.at,
                };
                if uncertain::doubt(work, &doubt, cause)? == Some(Resolution::Resent) {
                    done.requeued.push((self.route, settled.lane, settled.account, settled.at));
                }
                Ok(())
            }
        }
    }

    fn sent(
        &self,
        work: &mut Work<'_>,
        settled: &Settled,
        carrier_id: &str,
        done: &mut Settlement,
    ) -> Result<()> {
        let step = Step {
            part: settled.part,
            kind: EventKind::Sent,
            route: self.route,
            at: settled.at,
            word: "ACCEPTD",
            code: "",
            detail: carrier_id,
        };
        let first = part::first_sent(work, &step, settled.tally)?;
        let event = match first {
            Some(event) => event,
            None => match part::find(work, settled.part)? {
                Some(before) if !before.state.is_final() => {
                    if before.state == PartState::Uncertain {
                        uncertain::matched(work, settled.part)?;
                    }
                    failover::count_once(work, settled.part, &before)?;
                    part::advance(work, &before, PartState::Sent, &step)?
                }
                // An earlier carrier has delivered it meanwhile: its receipts are of use to nobody,
                // but they are no one else's.
                Some(before) if before.state == PartState::Delivered => EventId(before.event),
                // Cancelled meanwhile, or final by an adopted receipt: it stays so.
                _ => return Ok(()),
            },
        };
        let event = (event, first.is_some());
        self.remember_carrier_id(work, (settled.part, event, settled.at), carrier_id, done)
    }

    /// Files the carrier's id, and takes the receipts that came before it.
    fn remember_carrier_id(
        &self,
        work: &mut Work<'_>,
        (part, event, at): (PartId, (EventId, bool), Instant),
        written: &str,
        done: &mut Settlement,
    ) -> Result<()> {
        let id = carrier_id::normal(written);
        if id.is_empty() {
            return Ok(());
        }
        receipt::file(work, (self.route, part), event, &id)?;
        for early in receipt::early(work, self.route, self.spelling, &id)? {
            // It came before the answer, but nothing was known of the part until now.
            let early = Receipt { at: early.at.max(at), ..early };
            let matching = receipt::take(work, self.carrier(), &early, &mut done.told)?;
            done.count(matching);
        }
        Ok(())
    }

    fn ended(
        &self,
        work: &mut Work<'_>,
        settled: &Settled,
        state: PartState,
        cause: &Cause,
    ) -> Result<()> {
        let Some(before) = part::find(work, settled.part)? else {
            return Ok(());
        };
        // What a carrier took is charged, and only its receipt ends it.
        if before.state.is_final() || before.state == PartState::Sent {
            return Ok(());
        }
        if before.state == PartState::Uncertain {
            uncertain::matched(work, settled.part)?;
        }
        let (kind, word) = match state {
            PartState::Undelivered => (EventKind::Undelivered, "UNDELIV"),
            PartState::Expired => (EventKind::Expired, "EXPIRED"),
            _ => (EventKind::Refused, "REJECTD"),
        };
        let step = Step {
            part: settled.part,
            kind,
            route: self.route,
            at: settled.at,
            word,
            code: &cause.code,
            detail: &cause.text,
        };
        let in_doubt = uncertain::was_in_doubt(work, settled.part)?;
        uncertain::end(work, (settled.account, &before), state, step, in_doubt)
    }

    /// Writes an event that changes no state.
    fn note(
        &self,
        work: &mut Work<'_>,
        settled: &Settled,
        kind: EventKind,
        cause: &Cause,
    ) -> Result<()> {
        let Some(before) = part::find(work, settled.part)? else {
            return Ok(());
        };
        let step = Step {
            part: settled.part,
            kind,
            route: self.route,
            at: settled.at,
            word: "",
            code: &cause.code,
            detail: &cause.text,
        };
        part::advance(work, &before, before.state, &step)?;
        Ok(())
    }
}

/// Moves a part to another route, before it is queued there.
fn reroute(work: &mut Work<'_>, id: PartId, route: RouteId) -> Result<()> {
    let Some(before) = part::find(work, id)? else {
        return Ok(());
    };
    part::set(work, id, before.state, before.event, route)
}

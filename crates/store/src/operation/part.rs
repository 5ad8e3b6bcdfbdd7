//! A part's row, and the one way in which its state changes: with an event.

use std::collections::{BTreeMap, BTreeSet};

use pombo_domain::address::Phone;
use pombo_domain::campaign::{Tally, Totals};
use pombo_domain::id::{AccountId, EventId, MessageId, PartId, RouteId, SendingId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::price::Refund;
use pombo_domain::time::Instant;

use super::accept::Recipient;
use super::callback::Event;
use super::certificate;
use super::request;
use crate::error::Result;
use crate::sql::{Row, storable, values};
use crate::statement::statements;
use crate::work::{Work, day_of};

statements! {
    NEW_PART = "insert into part_{day} (id, recipient, route, state, price, tally, refund) \
        values ($1, $2, $3, $4, $5, $6, $7)";
    PART = "select recipient, route, state, price, event, tally, refund from part_{day} where id = $1";
    READY = "select id, recipient, route, state, price, event, tally, refund from part_{day} \
        where id between $1 and $2 and route = $3 and state = 0 order by id limit $4";
    /// A range spans parts of other routes too. One that came to this route later has an event,
    /// and a place in the queue of its own: taking it here as well would send it twice.
    READY_OF_RANGE = "select id, recipient, route, state, price, event, tally, refund from part_{day} \
        where id between $1 and $2 and route = $3 and state = 0 and event = 0 order by id limit $4";
    STATES = "select state from part_{day} where id between $1 and $2 order by id";
    SET_PART = "update part_{day} set state = $1, event = $2, route = $3 where id = $4";
    /// The usual first event: a part without events becomes sent.
    FIRST_SENT = "update part_{day} set state = 1, event = $1, route = $2 \
        where id = $3 and state = 0 and event = 0 and tally = $4";
    SET_REFUND = "update part_{day} set refund = $1 where id = $2";
    NEW_EVENT = "insert into event_{day} (id, part, kind, route, at, prev, word, code, detail) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
}

/// A stored part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) recipient: Phone,
    pub(crate) route: RouteId,
    pub(crate) state: PartState,
    pub(crate) price: Money,
    pub(crate) event: i64,
    pub(crate) tally: Tally,
    pub(crate) refund: Refund,
}

/// What is written down about a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) part: PartId,
    pub(crate) kind: EventKind,
    pub(crate) route: RouteId,
    pub(crate) at: Instant,
    pub(crate) word: &'a str,
    pub(crate) code: &'a str,
    pub(crate) detail: &'a str,
}

/// Reads a part; `None` when there is no such part.
pub(crate) fn find(work: &mut Work<'_>, id: PartId) -> Result<Option<Part>> {
    if let Some(known) = work.known().part(id) {
        return Ok(known);
    }
    if !work.has_day_of(id.message().0) {
        return Ok(None);
    }
    work.prepare_for(PART, id.message().0)?.first([id.0], Part::from_row)
}

impl Part {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Self::from_columns(row, 0)
    }

    /// From the columns of [`PART`], the first of which is at `at`.
    fn from_columns(row: &Row<'_>, at: usize) -> Result<Self> {
        Ok(Self {
            recipient: Phone::from_stored(row.get::<i64>(at)?.unsigned_abs()),
            route: RouteId(row.get(at + 1)?),
            state: PartState::from_stored(row.get(at + 2)?).unwrap_or(PartState::Uncertain),
            price: Money::from_micros(row.get(at + 3)?),
            event: row.get(at + 4)?,
            tally: Tally::from_stored(row.get(at + 5)?),
            refund: Refund::from_stored(row.get(at + 6)?),
        })
    }
}

/// The parts from one to another that wait for a route, in order, at most `limit`; those of one message
/// that are known are told all.
pub(crate) fn ready(
    work: &mut Work<'_>,
    (first, last): (PartId, PartId),
    route: RouteId,
    (is_range, limit): (bool, usize),
) -> Result<Vec<(PartId, Phone)>> {
    if first.message() == last.message() {
        let ids = (first.0..=last.0).map(PartId);
        let known: Option<Vec<_>> = ids.map(|id| Some((id, work.known().part(id)?))).collect();
        let waits = |part: &Part| {
            part.state == PartState::Queued && part.route == route && !(is_range && part.event != 0)
        };
        if let Some(known) = known {
            let known = known.into_iter().filter_map(|(id, part)| Some((id, part.filter(waits)?)));
            return Ok(known.map(|(id, part)| (id, part.recipient)).collect());
        }
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = if is_range { READY_OF_RANGE } else { READY };
    let found = work
        .prepare_for(statement, first.message().0)?
        .all([first.0, last.0, route.0, limit], |row| {
            Ok((PartId(row.get(0)?), Part::from_columns(row, 1)?))
        })?;
    let mut ready = Vec::with_capacity(found.len());
    for (id, part) in found {
        work.known().keep_part(id, Some(part));
        ready.push((id, part.recipient));
    }
    Ok(ready)
}

/// Reads parts that will be looked at and are not known yet, where looking at each takes long.
pub(crate) fn read_ahead(work: &mut Work<'_>, ids: impl Iterator<Item = PartId>) -> Result<()> {
    if !work.is_far() {
        return Ok(());
    }
    let mut days: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for id in ids.filter(|id| work.known().part(*id).is_none()) {
        days.entry(day_of(id.message().0)).or_default().insert(id.0);
    }
    for (day, ids) in days {
        let asked = ids.iter().map(|id| [*id]);
        let found = match work.has_day(day) {
            true => work.prepare_on(PART, day)?.first_of_each(asked, Part::from_row)?,
            false => vec![None; ids.len()],
        };
        for (id, found) in ids.into_iter().zip(found) {
            work.known().keep_part(PartId(id), found);
        }
    }
    Ok(())
}

/// Moves a part to `state` and writes the event that says why.
pub(crate) fn advance(
    work: &mut Work<'_>,
    before: &Part,
    state: PartState,
    step: &Step<'_>,
) -> Result<EventId> {
    let event = append(work, step, (before.event, Some((before.recipient, before.price))))?;
    set(work, step.part, state, event.0, step.route)?;
    if before.tally.is_certified() {
        certificate::chain(work, (event, before.event), step, state)?;
    }
    count(work, before.tally, step.part, (before.state, state))?;
    Ok(event)
}

/// Moves the totals of the part's sending from one state to the other.
fn count(
    work: &mut Work<'_>,
    tally: Tally,
    part: PartId,
    (was, state): (PartState, PartState),
) -> Result<()> {
    let Some((sending, n_parts)) = tally.sending() else { return Ok(()) };
    if was == state {
        return Ok(());
    }
    let change = if n_parts == 1 {
        Totals::moved(part, &[was], state)
    } else {
        let message = part.message();
        let mut before: Vec<PartState> = work
            .prepare_for(STATES, message.0)?
            .all([message.part(0).0, message.part(15).0], |row| {
                Ok(PartState::from_stored(row.get(0)?).unwrap_or(PartState::Uncertain))
            })?;
        if let Some(place) = before.get_mut(usize::from(part.idx())) {
            *place = was;
        }
        Totals::moved(part, &before, state)
    };
    work.totals().add(sending, change);
    Ok(())
}

/// Takes back that a carrier has taken a part, where another one is about to be counted.
pub(crate) fn uncount_sent(work: &mut Work<'_>, part: PartId, tally: Tally) {
    let Some((sending, _)) = tally.sending() else { return };
    let mut counted = Totals::default();
    counted.count_sent(part);
    let change =
        Totals { sent: -counted.sent, parts_sent: -counted.parts_sent, ..Totals::default() };
    work.totals().add(sending, change);
}

/// Gives back what a part that ends uncharged had reserved.
pub(crate) fn release(work: &mut Work<'_>, account: AccountId, part: &Part) {
    work.money().0.release(account, part.price);
    uncost(work, part.tally, part.price);
}

/// Takes what was given back from what a part's sending costs.
fn uncost(work: &mut Work<'_>, tally: Tally, amount: Money) {
    if let Some((sending, _)) = tally.sending() {
        work.totals().add(sending, Totals { cost: -amount, ..Totals::default() });
    }
}

/// What a carrier has told of a part that was charged: gives its price back where that was promised,
/// and takes it again where the part is delivered after all.
pub(crate) fn told(
    work: &mut Work<'_>,
    before: &Part,
    state: PartState,
    step: &Step<'_>,
) -> Result<()> {
    let refund = before.refund.when_told(state, step.word);
    if refund == before.refund {
        return Ok(());
    }
    let message = step.part.message();
    let Some(request) = request::of_message(work, message)? else { return Ok(()) };
    work.prepare_for(SET_REFUND, message.0)?.write([refund as i64, step.part.0])?;
    work.known().set_part(step.part, |part| part.refund = refund);
    let amount = if refund == Refund::Given { before.price } else { -before.price };
    work.money().0.refund(request.account, amount);
    uncost(work, before.tally, amount);
    Ok(())
}

/// Writes a part's state, newest event and route.
pub(crate) fn set(
    work: &mut Work<'_>,
    id: PartId,
    state: PartState,
    event: i64,
    route: RouteId,
) -> Result<()> {
    work.prepare_for(SET_PART, id.message().0)?.write([state as i64, event, route.0, id.0])?;
    match state.is_final() {
        true => work.known().forget_part(id),
        false => work.known().set_part(id, |part| *part = Part { state, event, route, ..*part }),
    }
    Ok(())
}

/// The most frequent move, queued to sent without an earlier event, in one update.
/// `None` when the part stands elsewhere, or is counted elsewhere; then nothing was changed.
pub(crate) fn first_sent(
    work: &mut Work<'_>,
    step: &Step<'_>,
    tally: Tally,
) -> Result<Option<EventId>> {
    if let Some(known) = work.known().part(step.part) {
        let is_first =
            |part: &Part| part.state == PartState::Queued && part.event == 0 && part.tally == tally;
        return match known.filter(is_first) {
            Some(before) => advance(work, &before, PartState::Sent, step).map(Some),
            // The id is spent as if it had been tried, so that ids are the same on either engine.
            None => work.new_event(step.at).map(|_| None),
        };
    }
    let id = work.new_event(step.at)?;
    let changed = work.prepare_for(FIRST_SENT, step.part.message().0)?.execute([
        id,
        step.route.0,
        step.part.0,
        tally.stored(),
    ])?;
    if changed == 0 {
        return Ok(None);
    }
    insert(work, id, step, (0, None))?;
    if tally.is_certified() {
        certificate::chain(work, (EventId(id), 0), step, PartState::Sent)?;
    }
    count(work, tally, step.part, (PartState::Queued, PartState::Sent))?;
    Ok(Some(EventId(id)))
}

/// Writes an event that a part is not told by: no state and no list of events changes.
pub(crate) fn log(work: &mut Work<'_>, step: &Step<'_>) -> Result<EventId> {
    append(work, step, (0, None))
}

/// The event before a part's event, and its recipient and price, where they are known.
type Before = (i64, Option<(Phone, Money)>);

fn append(work: &mut Work<'_>, step: &Step<'_>, before: Before) -> Result<EventId> {
    let id = work.new_event(step.at)?;
    insert(work, id, step, before)?;
    Ok(EventId(id))
}

fn insert(work: &mut Work<'_>, id: i64, step: &Step<'_>, (prev, to): Before) -> Result<()> {
    work.prepare_for(NEW_EVENT, id)?.write(values![
        id,
        step.part.0,
        step.kind as i64,
        step.route.0,
        step.at.micros(),
        prev,
        step.word,
        step.code,
        step.detail,
    ])?;
    let (part, kind, at) = (step.part, step.kind, step.at);
    // As the tables have them.
    let [word, code] = [step.word, step.code].map(|text| storable(text).into_owned());
    work.event_is_written(Event { id, part, kind, at, word, code, prev, to });
    Ok(())
}

/// Writes the parts of messages that follow one another, the first of which is `first`.
pub(super) fn write(
    work: &mut Work<'_>,
    first: MessageId,
    (sending, certified): (Option<SendingId>, bool),
    recipients: &[Recipient],
) -> Result<()> {
    let mut insert = work.prepare_for(NEW_PART, first.0)?;
    for (offset, recipient) in recipients.iter().enumerate() {
        let to = recipient.to.digits().cast_signed();
        let tally = |sending| Tally::of(sending, recipient.n_parts);
        let tally = sending.map_or(Tally::NONE, tally).certified(certified);
        let refund = Refund::promised(recipient.refunds);
        for part_idx in 0..recipient.n_parts {
            let id = first.plus(offset).part(part_idx);
            let (route, price) = (recipient.route, recipient.price_of(part_idx));
            let (state, refunds) = (PartState::Queued as i64, refund as i64);
            insert.write([id.0, to, route.0, state, price.micros(), tally.stored(), refunds])?;
            // A large request waits its turn, and its parts would drive out what is under way.
            if recipients.len() == 1 {
                let (recipient, state) = (recipient.to, PartState::Queued);
                let part = Part { recipient, route, state, price, event: 0, tally, refund };
                work.known().keep_part(id, Some(part));
            }
        }
    }
    Ok(())
}

//! Receipts: which part they speak of, and what they change.
//!
//! A receipt is matched by (route, carrier's id), whatever link or process it comes by. One that
//! fits nothing is kept: its answer may still be on the way, or a part in doubt may adopt it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use pombo_domain::address::Phone;
use pombo_domain::channel::Receipt;
use pombo_domain::id::{EventId, PartId, RouteId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::route::ReceiptId;
use pombo_domain::time::Instant;

use super::failover::{self, Failover, Queued};
use super::history;
use super::part::{self, Part, Step};
use super::uncertain;
use crate::carrier_id;
use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;
use crate::work::{Holders, Work, day_of, time_of};

/// Receipts kept without a match. More are dropped, oldest first, by the sweep.
pub(crate) const UNMATCHED_MAX: i64 = 100_000;

/// Parts looked at where a carrier gives one id again and again; the newest come first.
pub(crate) const SAME_ID_MAX: u8 = 100;
/// Kept receipts that one answer takes; more of one id are a carrier's fault.
const EARLY_MAX: u8 = 16;

statements! {
    NEW_CARRIER = "insert into carrier_{day} (route, hash, part, carrier_id) \
        values ($1, $2, $3, $4)";
    /// Of a part that was submitted before, perhaps with this id.
    CARRIER_AGAIN = "insert into carrier_{day} (route, hash, part, carrier_id) \
        values ($1, $2, $3, $4) on conflict do nothing";
    BY_CARRIER = "select part, carrier_id from carrier_{day} \
        where route = $1 and hash = $2 order by part desc limit $3";
    KEEP = "insert into unmatched (route, hash, carrier_id, state, word, error, address_a, \
        address_b, text_start, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    EARLY = "select id, carrier_id, state, word, error, address_a, address_b, text_start, at \
        from unmatched where route = $1 and hash = $2 order by id limit $3";
    DROP_KEPT = "delete from unmatched where id = $1";
    WORD = "select prev, kind, word from event_{day} where id = $1";
}

/// What became of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Matching {
    /// It told of a try after which the part went by another route: delivered after all.
    Earlier,
    /// Its part goes by another route.
    GoesOn(Queued),
    /// It moved a part; the spelling, where only one could explain it, and of whom it spoke.
    Moved(Option<(ReceiptId, Phone)>),
    /// Its part had that state, or a final one, already.
    Repeated,
    /// It fits nothing yet.
    Kept,
}

/// The carrier that a receipt came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carrier<'s> {
    pub(crate) route: RouteId,
    /// What becomes of what it did not deliver.
    pub(crate) failover: Option<&'s Failover>,
    /// How its receipts spell ids, where that is known.
    pub(crate) spelling: ReceiptId,
    /// Days for which its ids are looked up: its longest validity and 72 hours.
    pub(crate) id_days: i64,
}

/// The end of a part, as its carrier told it.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// To whom it was.
    pub to: Phone,
    /// Whether it was delivered.
    pub is_delivered: bool,
    /// How long after the last that was known of it: mostly that the carrier took it.
    pub after: Duration,
}

impl Told {
    fn of(before: &Part, receipt: &Receipt) -> Self {
        Self {
            to: before.recipient,
            is_delivered: receipt.state == PartState::Delivered,
            after: receipt.at.since(time_of(before.event)),
        }
    }
}

/// Parts of one message to which the carrier gave one id.
type Hit = Vec<(PartId, Part)>;

/// Takes a receipt: finds its part and moves it, or keeps the receipt. Where a carrier gives one
/// id to a message of several parts, as for a `message_payload`, its receipt speaks of them all.
pub(crate) fn take(
    work: &mut Work<'_>,
    carrier: Carrier<'_>,
    receipt: &Receipt,
    told: &mut Vec<Told>,
) -> Result<Matching> {
    let Carrier { route, spelling, failover, .. } = carrier;
    let id = carrier_id::normal(&receipt.carrier_id);
    let mut hits: Vec<(Hit, ReceiptId)> = Vec::new();
    for &candidate in carrier_id::candidates(spelling) {
        let Some(asked) = carrier_id::as_in_answer(&id, candidate) else {
            continue;
        };
        // While the spelling is being learned, another one than the receipt's own is a guess
        // that the recipient has to confirm.
        let guess = spelling == ReceiptId::Auto && candidate != ReceiptId::Same;
        if asked.is_empty() || (guess && (asked == id || is_silent(receipt))) {
            continue;
        }
        let hit = find(work, carrier, &asked, receipt)?;
        let first = hit.first().map(|(part, _)| *part);
        if first.is_some() && !hits.iter().any(|(seen, _)| seen.first().map(|h| h.0) == first) {
            hits.push((hit, candidate));
        }
    }
    match hits.as_slice() {
        [(parts, explained)] => {
            if let Some(failover) = failover
                && let Some(queued) = failover::go_on(work, failover, route, parts, receipt)?
            {
                told.extend(parts.iter().map(|(_, found)| Told::of(found, receipt)));
                return Ok(Matching::GoesOn(queued));
            }
            let mut matching = Matching::Repeated;
            for (part, found) in parts {
                if found.route != route {
                    if delivered_after_all(work, route, (*part, found), receipt)? {
                        matching = Matching::Earlier;
                    }
                } else if apply(work, route, *part, found, receipt)?.is_some() {
                    if receipt.state.is_final() {
                        told.push(Told::of(found, receipt));
                        forget(work, (route, *explained), &id, day_of(found.event));
                    }
                    let lesson = (!is_silent(receipt)).then_some((*explained, found.recipient));
                    matching = Matching::Moved(lesson);
                }
            }
            Ok(matching)
        }
        // Two spellings, two parts: never guess.
        [_, _, ..] => keep(work, route, &id, receipt),
        [] => match uncertain::adopt(work, route, receipt)? {
            Some((part_id, found)) => {
                let event = apply(work, route, part_id, &found, receipt)?;
                // Now its id is known: the receipts that follow need not be adopted.
                if let (Some(event), Some(id)) = (event, carrier_id::as_in_answer(&id, spelling)) {
                    file(work, (route, part_id), (event, false), &id)?;
                }
                Ok(Matching::Moved(None))
            }
            None => keep(work, route, &id, receipt),
        },
    }
}

/// What is known of an id that was given on that day needs no room any more: its end was told.
fn forget(work: &mut Work<'_>, (route, spelling): (RouteId, ReceiptId), id: &str, day: i64) {
    if let Some(given) = carrier_id::as_in_answer(id, spelling) {
        work.known().forget_carrier((day, route, carrier_id::key(&given)));
    }
}

/// The newest message to which the carrier gave this id and whose recipient agrees: its parts that
/// have it.
fn find(
    work: &mut Work<'_>,
    Carrier { route, id_days, .. }: Carrier<'_>,
    id: &str,
    receipt: &Receipt,
) -> Result<Hit> {
    let key = carrier_id::key(id);
    for day in work.days_since(receipt.at.day() - id_days) {
        if let Some(holders) = work.known().holders_of((day, route, key), id) {
            if holders.are_whole_messages {
                let hit = agreeing(work, holders.parts, receipt)?;
                if !hit.is_empty() {
                    return Ok(hit);
                }
            }
            if holders.are_all {
                continue;
            }
        }
        let mut found = work.prepare_on(BY_CARRIER, day)?;
        let holders = found.all([route.0, key, i64::from(SAME_ID_MAX)], |row| {
            Ok((row.str(1)? == id).then_some(PartId(row.get(0)?)))
        })?;
        let hit = agreeing(work, holders.into_iter().flatten(), receipt)?;
        if !hit.is_empty() {
            return Ok(hit);
        }
    }
    Ok(Hit::new())
}

/// Of parts, the newest first: those of the newest message whose recipient agrees.
fn agreeing(
    work: &mut Work<'_>,
    candidates: impl IntoIterator<Item = PartId>,
    receipt: &Receipt,
) -> Result<Hit> {
    let mut hit: Hit = Vec::new();
    for candidate in candidates {
        let is_other = hit.first().is_some_and(|(h, _)| h.message() != candidate.message());
        if is_other {
            continue;
        }
        if let Some(found) = part::find(work, candidate)?
            && recipient_agrees(&found, receipt)
        {
            hit.push((candidate, found));
        }
    }
    Ok(hit)
}

/// Reads what [`take`] will look at and is not known yet, where looking at each takes long: which parts
/// have the ids, day by day until each is found, and these parts.
pub(crate) fn read_ahead<'r>(
    work: &mut Work<'_>,
    Carrier { route, spelling, id_days, .. }: Carrier<'_>,
    receipts: impl Iterator<Item = &'r Receipt>,
) -> Result<()> {
    if !work.is_far() {
        return Ok(());
    }
    let mut keys = BTreeSet::new();
    let mut oldest = i64::MAX;
    for receipt in receipts {
        let id = carrier_id::normal(&receipt.carrier_id);
        oldest = oldest.min(receipt.at.day() - id_days);
        let asked = carrier_id::candidates(spelling).iter();
        let asked = asked.filter_map(|candidate| carrier_id::as_in_answer(&id, *candidate));
        keys.extend(asked.filter(|asked| !asked.is_empty()).map(|asked| carrier_id::key(&asked)));
    }
    let mut parts = Vec::new();
    for day in work.days_since(oldest) {
        if keys.is_empty() {
            break;
        }
        let mut unknown = BTreeSet::new();
        for key in std::mem::take(&mut keys) {
            match work.known().filed((day, route, key)) {
                Some(known) if known.are_whole_messages && !known.parts.is_empty() => {
                    parts.extend(known.parts);
                }
                // It may be of an earlier day.
                Some(Holders { are_all: true, .. }) => drop(keys.insert(key)),
                _ => drop(unknown.insert(key)),
            }
        }
        if unknown.is_empty() {
            continue;
        }
        let asked = unknown.iter().map(|key| [route.0, *key, i64::from(SAME_ID_MAX)]);
        let found = work
            .prepare_on(BY_CARRIER, day)?
            .each(asked, |row| Ok((PartId(row.get(0)?), row.get::<String>(1)?)))?;
        for (key, found) in unknown.into_iter().zip(found) {
            if found.is_empty() {
                keys.insert(key);
            }
            parts.extend(found.iter().map(|(part, _)| *part));
            work.known().keep_carrier((day, route, key), found);
        }
    }
    part::read_ahead(work, parts.into_iter())
}

/// Whether one of the receipt's addresses may be the part's recipient: equal, or a national
/// spelling of it. A receipt without addresses contradicts nothing.
pub(crate) fn recipient_agrees(part: &Part, receipt: &Receipt) -> bool {
    const NATIONAL_DIGITS_MIN: usize = 6;
    let digits = part.recipient.to_string();
    for address in &receipt.addresses {
        let address = address.trim_start_matches(['+', '0']);
        if address.is_empty() {
            continue;
        }
        if address == digits || (address.len() >= NATIONAL_DIGITS_MIN && digits.ends_with(address))
        {
            return true;
        }
    }
    is_silent(receipt)
}

/// Whether the receipt does not say whom it is about.
pub(crate) fn is_silent(receipt: &Receipt) -> bool {
    let empty = |address: &String| address.trim_start_matches(['+', '0']).is_empty();
    receipt.addresses.iter().all(empty)
}

/// Remembers which part a carrier's id means, from this event on, which may be the part's first.
/// An empty id means none.
pub(crate) fn file(
    work: &mut Work<'_>,
    (route, part): (RouteId, PartId),
    (event, is_first): (EventId, bool),
    normal_id: &str,
) -> Result<()> {
    if !normal_id.is_empty() {
        let key = carrier_id::key(normal_id);
        // Looking for what is there already costs PostgreSQL as much as the row itself.
        let sql = if is_first { NEW_CARRIER } else { CARRIER_AGAIN };
        work.prepare_for(sql, event.0)?.write(values![route.0, key, part.0, normal_id])?;
        let is_single = work.remembered(part.message()).is_some_and(|request| request.n_parts == 1);
        work.known().file((day_of(event.0), route, key), (part, normal_id), is_single);
    }
    Ok(())
}

/// Takes a receipt of a carrier whose part has gone by another route since: it counts only where it
/// says that the part was delivered after all. What waits for the other route is not sent then.
fn delivered_after_all(
    work: &mut Work<'_>,
    route: RouteId,
    (id, before): (PartId, &Part),
    receipt: &Receipt,
) -> Result<bool> {
    if receipt.state != PartState::Delivered || before.state == PartState::Delivered {
        return Ok(false);
    }
    move_by(work, (id, before), EventKind::Delivered, (route, receipt))?;
    Ok(true)
}

/// Moves the part, if its state takes this receipt; the event, where it did.
fn apply(
    work: &mut Work<'_>,
    route: RouteId,
    id: PartId,
    before: &Part,
    receipt: &Receipt,
) -> Result<Option<EventId>> {
    if !before.state.accepts_receipt(receipt.state) {
        return Ok(None);
    }
    // An end stands, but for one that some carriers tell before they know.
    if before.state == PartState::Undelivered && word_of(work, before.event)? != "UNKNOWN" {
        return Ok(None);
    }
    let kind = match receipt.state {
        PartState::Delivered => EventKind::Delivered,
        PartState::Undelivered => EventKind::Undelivered,
        PartState::Expired => EventKind::Expired,
        PartState::Rejected => EventKind::Rejected,
        _ => EventKind::Buffered,
    };
    move_by(work, (id, before), kind, (route, receipt)).map(Some)
}

/// Moves the part to the receipt's state.
fn move_by(
    work: &mut Work<'_>,
    (id, before): (PartId, &Part),
    kind: EventKind,
    (route, receipt): (RouteId, &Receipt),
) -> Result<EventId> {
    let step = Step {
        part: id,
        kind,
        route,
        at: receipt.at,
        word: receipt.word,
        code: &receipt.error,
        detail: &receipt.carrier_id,
    };
    if receipt.state == PartState::Sent {
        failover::count_once(work, id, before)?;
    }
    let event = part::advance(work, before, receipt.state, &step)?;
    part::told(work, before, receipt.state, &step)?;
    if before.state == PartState::Uncertain {
        uncertain::matched(work, id)?;
    }
    Ok(event)
}

/// The word of an event; `UNKNOWN` also where its day is forgotten.
fn word_of(work: &mut Work<'_>, event: i64) -> Result<String> {
    let mut word = None;
    history::walk(work, WORD, event, |_, row| {
        if history::kind_of(row)?.is_of_recipient() {
            return Ok(ControlFlow::Continue(()));
        }
        word = Some(row.get(2)?);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(word.unwrap_or_else(|| "UNKNOWN".to_owned()))
}

fn keep(work: &mut Work<'_>, route: RouteId, id: &str, receipt: &Receipt) -> Result<Matching> {
    let key = carrier_id::key(id);
    work.prepare(KEEP)?.write(values![
        route.0,
        key,
        receipt.carrier_id,
        receipt.state as i64,
        receipt.word,
        receipt.error,
        receipt.addresses[0],
        receipt.addresses[1],
        receipt.text,
        receipt.at.micros()
    ])?;
    work.early().insert((route, key));
    Ok(Matching::Kept)
}

/// Takes out the receipts that came before the answer with this id.
pub(crate) fn early(
    work: &mut Work<'_>,
    route: RouteId,
    spelling: ReceiptId,
    id: &str,
) -> Result<Vec<Receipt>> {
    let mut receipts = Vec::new();
    if work.early().is_empty() {
        return Ok(receipts);
    }
    for &candidate in carrier_id::candidates(spelling) {
        let Some(spelled) = carrier_id::as_in_receipt(id, candidate) else {
            continue;
        };
        let key = carrier_id::key(&spelled);
        if !work.early().remove(&(route, key)) {
            continue;
        }
        let kept: Vec<(i64, Receipt)> = work
            .prepare(EARLY)?
            .all(values![route.0, key, EARLY_MAX], |row| Ok((row.get(0)?, from_row(row)?)))?;
        if kept.len() == usize::from(EARLY_MAX) {
            work.early().insert((route, key)); // There may be more.
        }
        for (row, receipt) in kept {
            if carrier_id::normal(&receipt.carrier_id) == spelled {
                work.prepare(DROP_KEPT)?.write([row])?;
                receipts.push(receipt);
            } else {
                work.early().insert((route, key)); // Another id with the same key.
            }
        }
    }
    Ok(receipts)
}

fn from_row(row: &Row<'_>) -> Result<Receipt> {
    let word: String = row.get(3)?;
    Ok(Receipt {
        carrier_id: row.get(1)?,
        state: PartState::from_stored(row.get(2)?).unwrap_or(PartState::Undelivered),
        word: known_word(&word),
        error: row.get(4)?,
        addresses: [row.get(5)?, row.get(6)?],
        text: row.get(7)?,
        at: Instant::from_micros(row.get(8)?),
    })
}

/// The words of `%s` are few; one that is stored is one of them.
fn known_word(word: &str) -> &'static str {
    const WORDS: [&str; 8] =
        ["DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "DELETED", "ACCEPTD", "UNKNOWN", "RECEIVED"];
    WORDS.into_iter().find(|known| *known == word).unwrap_or("UNKNOWN")
}

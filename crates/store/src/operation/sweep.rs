//! `sweep`: what time alone changes. Parts whose receipt never came, old keys, old receipts.

use std::collections::BTreeMap;
use std::time::Duration;

use pombo_domain::id::{MessageId, PartId, RouteId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::time::Instant;

use super::key::KEY_KEPT;
use super::part::{self, Step};
use super::receipt::UNMATCHED_MAX;
use super::{Operation, Question, View, failover, inbound, otp, price, stage, uncertain};
use crate::error::Result;
use crate::statement::statements;
use crate::work::{Work, day_of, first_at};

/// How long a large request may take from its first staged row to its acceptance.
const STAGING_KEPT: Duration = Duration::from_secs(3_600);

/// How long the import of a price list may take.
const IMPORT_KEPT: Duration = Duration::from_secs(24 * 3_600);

statements! {
    CURSOR = "select event from event_cursor where reader = 'sweep'";
    SET_CURSOR = "insert into event_cursor (reader, event) values ('sweep', $1) \
        on conflict (reader) do update set event = excluded.event";
    SENT_BEFORE = "select id, part, kind from event_{day} where id > $1 and id < $2 \
        order by id limit $3";
    MAY_WAIT = "select id from part_{day} where id = $1 and state in (1, 6)";
    OLD_KEYS = "delete from idempotency where (account, key) in \
        (select account, key from idempotency where at < $1 limit $2)";
    OLD_RECEIPTS = "delete from unmatched where id in (select id from unmatched \
        where id <= (select max(id) from unmatched) - $1 limit $2) returning route, hash";
    STILL_KEPT = "select count(1) from unmatched where route = $1 and hash = $2";
    /// Too old, or given up.
    OLD_STAGING = "select first, last from staging where first < $1 or (first & 15) = 1 \
        order by first limit 1";
    /// It is no message's first part any more, so that nobody finds it who would accept it.
    GIVE_UP_STAGING = "update staging set first = first + 1 where first = $1 and (first & 15) = 0";
    END_STAGING = "delete from staging where first = $1";
    OLD_DAYS = "delete from account_day where day < $1";
}

/// The next parts that no receipt may have come for in time, as far as a piece of the log tells. The
/// log is read here, beside the writer: nearly all of it is of parts that are over.
#[derive(Debug, Clone, Copy)]
pub struct Silent {
    /// What was sent before this has no receipt to come: its validity is over, and a grace.
    pub before: Instant,
    /// Events to look at.
    pub limit: i64,
}

/// What [`Silent`] found.
#[derive(Debug, Clone, Default)]
pub struct Unheard {
    /// The events up to this had been swept.
    after: i64,
    /// The last that was looked at.
    to: i64,
    /// Of parts that may still wait.
    events: Vec<Event>,
    /// Whether there are more to look at.
    more: bool,
}

/// An event, the part that it is of, and its kind.
type Event = (i64, PartId, EventKind);

impl Question for Silent {
    type Answer = Unheard;

    fn answer(self, view: &mut View<'_>) -> Result<Unheard> {
        let after = view.prepare(CURSOR)?.first((), |row| row.get(0))?.unwrap_or(0);
        let events = self.sent_long_ago(view, after)?;
        let more = i64::try_from(events.len()).unwrap_or(i64::MAX) >= self.limit;
        let to = events.last().map_or(after, |(last, ..)| *last);
        let mut days: BTreeMap<i64, Vec<Event>> = BTreeMap::new();
        for event in events.into_iter().filter(|(_, _, kind)| may_await_receipt(*kind)) {
            days.entry(day_of(event.1.message().0)).or_default().push(event);
        }
        let mut unheard = Unheard { after, to, events: Vec::new(), more };
        for events in days.into_values() {
            let Some(mut may_wait) = view.prepare_for(MAY_WAIT, events[0].1.message().0)? else {
                continue; // The history of that day is gone.
            };
            let parts = events.iter().map(|(_, part, _)| [part.0]);
            let found = may_wait.first_of_each(parts, |_| Ok(()))?;
            let waiting = events.into_iter().zip(found).filter(|(_, found)| found.is_some());
            unheard.events.extend(waiting.map(|(event, _)| event));
        }
        Ok(unheard)
    }
}

impl Silent {
    /// The next events. Ids rise with time, so that each is looked at once; the times themselves may
    /// be out of order by the length of a batch.
    fn sent_long_ago(self, view: &mut View<'_>, after: i64) -> Result<Vec<Event>> {
        let mut days = view.days_since(day_of(after))?;
        days.retain(|day| *day <= self.before.day());
        let mut events = Vec::new();
        for day in days {
            let room = self.limit - i64::try_from(events.len()).unwrap_or(i64::MAX);
            if room <= 0 {
                break;
            }
            let range = [after, first_at(self.before), room];
            events.extend(view.prepare_on(SENT_BEFORE, day)?.all(range, |row| {
                let kind = EventKind::from_stored(row.get(2)?).unwrap_or(EventKind::Deferred);
                Ok((row.get(0)?, PartId(row.get(1)?), kind))
            })?);
        }
        Ok(events)
    }
}

/// Changes a bounded piece; to be run again, with what [`Silent`] then finds, while it says that there
/// is more.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The time.
    pub now: Instant,
    /// What has no receipt.
    pub unheard: Unheard,
    /// Rows of each other kind to drop.
    pub limit: i64,
}

/// What it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Parts that ended as undelivered because no receipt came.
    pub n_silent: usize,
    /// Whether another run has work.
    pub more: bool,
}

impl Operation for Sweep {
    type Answer = Swept;

    fn run(&self, work: &mut Work<'_>) -> Result<Swept> {
        work.now_is(self.now);
        let mut swept = Swept::default();
        let is_full = |n: usize| i64::try_from(n).unwrap_or(i64::MAX) >= self.limit;
        swept.n_silent = self.give_up(work)?;
        swept.more = self.unheard.more;
        let keys_before = self.now.minus(KEY_KEPT).micros();
        swept.more |= is_full(work.prepare(OLD_KEYS)?.execute([keys_before, self.limit])?);
        swept.more |= is_full(self.drop_old_receipts(work)?);
        swept.more |= self.drop_abandoned(work)?;
        swept.more |= price::drop_unfinished(work, self.now.minus(IMPORT_KEPT), self.limit)?;
        swept.more |= is_full(otp::sweep(work, self.now, self.limit)?);
        work.prepare(OLD_DAYS)?.execute([self.now.day() - 2])?;
        let n_given_out = inbound::join::sweep(work, self.now, self.limit.min(100))?;
        swept.more |= n_given_out > 0;
        inbound::resolve::sweep(work, self.now, self.limit)?;
        Ok(swept)
    }
}

/// Whether a part that stands where such an event put it may wait for a receipt.
const fn may_await_receipt(kind: EventKind) -> bool {
    matches!(kind, EventKind::Sent | EventKind::Buffered | EventKind::Uncertain)
}

impl Sweep {
    /// Ends the parts that still wait for a receipt; answers how many.
    fn give_up(&self, work: &mut Work<'_>) -> Result<usize> {
        let Unheard { after, to, events, .. } = &self.unheard;
        let swept_to = work.prepare(CURSOR)?.first((), |row| row.get(0))?.unwrap_or(0);
        if to == after || swept_to != *after {
            return Ok(0); // Nothing is new, or another node has swept it.
        }
        part::read_ahead(work, events.iter().map(|(_, part, _)| *part))?;
        let mut n = 0;
        for event in events {
            n += usize::from(self.give_up_on_receipt(work, *event)?);
        }
        work.prepare(SET_CURSOR)?.execute([*to])?;
        Ok(n)
    }

    /// Drops receipts that fit nothing, beyond as many as are kept; answers how many.
    fn drop_old_receipts(&self, work: &mut Work<'_>) -> Result<usize> {
        let dropped: Vec<(RouteId, i64)> = work
            .prepare(OLD_RECEIPTS)?
            .all([UNMATCHED_MAX, self.limit], |row| Ok((RouteId(row.get(0)?), row.get(1)?)))?;
        for &(route, hash) in &dropped {
            let others: i64 = work.prepare(STILL_KEPT)?.one([route.0, hash], |row| row.get(0))?;
            if others == 0 {
                work.early().remove(&(route, hash));
            }
        }
        Ok(dropped.len())
    }

    /// Drops parts of a large request that was never accepted: refused at last, or its caller
    /// went away. Says whether there is more.
    fn drop_abandoned(&self, work: &mut Work<'_>) -> Result<bool> {
        let before = MessageId(first_at(self.now.minus(STAGING_KEPT))).part(0);
        let found = work
            .prepare(OLD_STAGING)?
            .first([before.0], |row| Ok((PartId(row.get(0)?), PartId(row.get(1)?))))?;
        let Some((first, last)) = found else { return Ok(false) };
        if stage::discard(work, (first, last), self.limit)? == 0 {
            work.prepare(END_STAGING)?.execute([first.0])?;
        } else {
            work.prepare(GIVE_UP_STAGING)?.execute([first.0])?;
        }
        Ok(true)
    }

    /// Ends the part if it still stands where this event put it.
    fn give_up_on_receipt(&self, work: &mut Work<'_>, (event, id, kind): Event) -> Result<bool> {
        let Some(before) = part::find(work, id)? else {
            return Ok(false);
        };
        // A part under the policy `hold` waits for its operator, not for time.
        let waits = match (kind, before.state) {
            (EventKind::Sent | EventKind::Buffered, PartState::Sent) => true,
            (EventKind::Uncertain, PartState::Uncertain) => uncertain::awaits_receipt(work, id)?,
            _ => false,
        };
        // It may have been sent again since, and what may have it now has its own time.
        let waits =
            waits && failover::newest_try(work, before.event)?.is_none_or(|newest| newest <= event);
        if !waits {
            return Ok(false);
        }
        let step = Step {
            part: id,
            kind: EventKind::Undelivered,
            route: before.route,
            at: self.now,
            word: "UNKNOWN",
            code: "",
            detail: "no receipt came within the carrier's validity",
        };
        part::advance(work, &before, PartState::Undelivered, &step)?;
        if before.state == PartState::Uncertain {
            uncertain::dropped(work, id)?;
        }
        Ok(true)
    }
}

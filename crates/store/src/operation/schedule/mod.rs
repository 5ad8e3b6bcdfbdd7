//! `schedule`: what waits for its time is listed, moved to another time, or withdrawn.

mod change;

use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId, PartId, RouteId};
use pombo_domain::message::{Lane, PartState};
use pombo_domain::time::Instant;

use super::request::{self, Request};
use super::{Question, View, text};
use crate::error::Result;
use crate::sql::Row;
use crate::statement::{Statement, statements};

pub use change::{Change, ChangeAll, ChangeThese, Changed};

statements! {
    /// In the order in which they were accepted.
    SCHEDULED = "select route, lane, due, first, last from queue where account = $1 \
        and scheduled = 1 and (first, route, due) > ($2, $3, $4) and due > $5 \
        order by first, route, due limit $6";
    ALONE = "select route, lane, due, first, last from queue where account = $1 \
        and scheduled = 1 and first = $2 and last = $2 and due > $3";
    /// Ranges of one request stand in each other's way, one of each route.
    AMONG = "select route, lane, due, first, last from queue where account = $1 \
        and scheduled = 1 and last > first and first <= $2 and due > $3 \
        order by first desc limit 64";
    WAITING = "select id, recipient from part_{day} where id between $1 and $2 and route = $3 \
        and state = 0 and event = 0 and (id & 15) = 0 order by id limit $4";
    COUNT = "select count(1) from part_{day} where id between $1 and $2 and route = $3 \
        and state = 0 and event = 0 and (id & 15) = 0";
    PART = "select recipient, route, state, event from part_{day} where id = $1";
    EVENT_AT = "select at from event_{day} where id = $1";
}

/// Rows looked at in one look.
const ROWS_AT_ONCE: i64 = 200;

/// Parts that wait for the time that their owner named, as far as they are of its route.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    route: RouteId,
    lane: Lane,
    due: i64,
    first: i64,
    last: i64,
}

impl Waiting {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            route: RouteId(row.get(0)?),
            lane: Lane::from_stored(row.get(1)?),
            due: row.get(2)?,
            first: row.get(3)?,
            last: row.get(4)?,
        })
    }

    const fn is_one_part(&self) -> bool {
        self.first == self.last
    }

    const fn place(&self) -> Place {
        Place { first: self.first, route: self.route.0, due: self.due }
    }
}

/// A place among all that is scheduled of an account. The default is the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    first: i64,
    route: i64,
    due: i64,
}

/// A message that waits for its time.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// Which.
    pub id: MessageId,
    /// To whom.
    pub to: Phone,
    /// Its request.
    pub request: Arc<Request>,
    /// Its text; told only where one message was asked for.
    pub text: String,
    /// When it is due.
    pub due: Instant,
    /// When it was last changed.
    pub updated: Instant,
}

/// One scheduled message of an account; `None` where it waits for nothing (any more).
#[derive(Debug, Clone, Copy)]
pub struct One {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub id: MessageId,
    /// The time.
    pub now: Instant,
}

impl Question for One {
    type Answer = Option<Scheduled>;

    fn answer(self, view: &mut View<'_>) -> Result<Option<Scheduled>> {
        let Some(request) = request::seen(view, self.id)?.filter(|r| r.account == self.account)
        else {
            return Ok(None);
        };
        let Some(mut found) = view.prepare_for(PART, self.id.0)? else { return Ok(None) };
        let part: Option<(i64, i64, i64, i64)> = found.first([self.id.part(0).0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        let Some((to, route, state, event)) = part else { return Ok(None) };
        if PartState::from_stored(state) != Some(PartState::Queued) {
            return Ok(None);
        }
        let part = (self.id.part(0), event, RouteId(route));
        let row = find_row(self.account, part, self.now, |statement, values| {
            view.prepare(statement)?.all(values, Waiting::from_row)
        })?;
        let Some(row) = row else { return Ok(None) };
        let changed = match view.prepare_for(EVENT_AT, event)? {
            Some(mut at) if event != 0 => {
                at.first([event], |row| row.get(0).map(Instant::from_micros))?
            }
            _ => None,
        };
        Ok(Some(Scheduled {
            id: self.id,
            to: Phone::from_stored(to.unsigned_abs()),
            due: Instant::from_micros(row.due),
            updated: changed.unwrap_or(request.created),
            text: text::shown(view, &request, self.id)?,
            request: Arc::new(request),
        }))
    }
}

/// The scheduled messages of an account, in the order in which they were accepted.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Whose.
    pub account: AccountId,
    /// The time.
    pub now: Instant,
    /// Messages to leave out before the first.
    pub skip: u64,
    /// Messages to give out, at most.
    pub limit: usize,
    /// Messages to count, at most.
    pub count_max: u64,
}

/// The answer to [`List`].
#[derive(Debug, Default)]
pub struct Listed {
    /// Some of them.
    pub messages: Vec<Scheduled>,
    /// How many there are in all.
    pub total: u64,
}

impl Question for List {
    type Answer = Listed;

    fn answer(self, view: &mut View<'_>) -> Result<Listed> {
        let mut listed = Listed::default();
        let mut at = Place::default();
        loop {
            let now = self.now.micros();
            let rows: Vec<Waiting> = view.prepare(SCHEDULED)?.all(
                [self.account.0, at.first, at.route, at.due, now, ROWS_AT_ONCE],
                Waiting::from_row,
            )?;
            let Some(last) = rows.last() else { return Ok(listed) };
            at = last.place();
            for row in rows {
                if listed.total >= self.count_max {
                    return Ok(listed);
                }
                self.of_row(view, &row, &mut listed)?;
            }
        }
    }
}

impl List {
    fn of_row(self, view: &mut View<'_>, row: &Waiting, listed: &mut Listed) -> Result<()> {
        let first = PartId(row.first);
        let Some(request) = request::seen(view, first.message())? else { return Ok(()) };
        let request = Arc::new(request);
        let messages: Vec<(PartId, Phone)> = if row.is_one_part() {
            let Some(mut part) = view.prepare_for(PART, first.message().0)? else { return Ok(()) };
            let to: i64 = part.one([row.first], |found| found.get(0))?;
            // A message of several parts that was moved has a row for each: the first speaks.
            let speaks = first.idx() == 0;
            if speaks { vec![(first, Phone::from_stored(to.unsigned_abs()))] } else { vec![] }
        } else {
            let Some(mut waiting) = view.prepare_for(WAITING, first.message().0)? else {
                return Ok(());
            };
            let limit = i64::try_from(self.count_max - listed.total).unwrap_or(i64::MAX);
            waiting.all([row.first, row.last, row.route.0, limit], |found| {
                let to = Phone::from_stored(found.get::<i64>(1)?.unsigned_abs());
                Ok((PartId(found.get(0)?), to))
            })?
        };
        for (part, to) in messages {
            listed.total += 1;
            if listed.total > self.skip && listed.messages.len() < self.limit {
                listed.messages.push(Scheduled {
                    id: part.message(),
                    to,
                    request: Arc::clone(&request),
                    text: String::new(),
                    due: Instant::from_micros(row.due),
                    updated: request.created,
                });
            }
        }
        Ok(())
    }
}

/// The row that holds a part which waits for its time. Once something has happened to a part, only
/// a row of its own speaks for it.
fn find_row(
    account: AccountId,
    (part, event, route): (PartId, i64, RouteId),
    now: Instant,
    rows: impl Fn(Statement, [i64; 3]) -> Result<Vec<Waiting>>,
) -> Result<Option<Waiting>> {
    let values = [account.0, part.0, now.micros()];
    let is_its = |row: &Waiting| row.route == route && part.0 <= row.last;
    let alone = rows(ALONE, values)?.into_iter().find(is_its);
    if alone.is_some() || event != 0 {
        return Ok(alone);
    }
    Ok(rows(AMONG, values)?.into_iter().find(is_its))
}

//! `schedule`: what waits for its time is listed, moved to another time, or withdrawn.

mod change;

use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId, PartId, RouteId};
use pombo_domain::message::{Lane, PartState};
use pombo_domain::time::Instant;
use rusqlite::OptionalExtension;

use super::claim::QueueRow;
use super::request::{self, Request};
use super::{Question, View};
use crate::statement::{Statement, statements};

pub use change::{Change, ChangeAll, ChangeThese, Changed, Place};

statements! {
    ROUTES = "select id from route order by id";
    /// Not tried yet, so that it waits for its time and not for another try.
    LATER = "select due, first, last, tries from queue where route = $1 and lane = $2 \
        and account = $3 and due > $4 and (due, first) > ($5, $6) and tries = 0 \
        order by due, first limit $7";
    AT = "select due, first, last, tries from queue where route = $1 and lane = $2 \
        and account = $3 and due = $4 and first <= $5 and tries = 0 order by first desc limit 64";
    WAITING = "select id, recipient from part_{day} where id between $1 and $2 and route = $3 \
        and state = 0 and event = 0 and (id & 15) = 0 order by id limit $4";
    PART = "select recipient, route, state, event from part_{day} where id = $1";
    EVENT_AT = "select at from event_{day} where id = $1";
}

/// Rows of one queue looked at in one look.
const ROWS_AT_ONCE: i64 = 200;
/// Rows of one queue gone through for one message whose place is not where its request says.
const SEARCH_MAX: i64 = 20_000;

/// A message that waits for its time.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// Which.
    pub id: MessageId,
    /// To whom.
    pub to: Phone,
    /// Its request.
    pub request: Arc<Request>,
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

    fn answer(self, view: &mut View<'_>) -> rusqlite::Result<Option<Scheduled>> {
        let Some(request) = request::seen(view, self.id)?.filter(|r| r.account == self.account)
        else {
            return Ok(None);
        };
        let Some(mut found) = view.prepare_for(PART, self.id.0)? else { return Ok(None) };
        let part: Option<(i64, i64, i64, i64)> = found
            .query_row([self.id.part(0).0], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((to, route, state, event)) = part else { return Ok(None) };
        if PartState::from_stored(state) != Some(PartState::Queued) {
            return Ok(None);
        }
        let queue = (RouteId(route), request.lane, self.account);
        let part = (self.id.part(0), event);
        let row = find_row(queue, part, (request.due, self.now), |statement, values| {
            view.prepare(statement)?
                .query_map(rusqlite::params_from_iter(values), QueueRow::from_row)?
                .collect()
        })?;
        let Some(row) = row else { return Ok(None) };
        let changed = match view.prepare_for(EVENT_AT, event)? {
            Some(mut at) if event != 0 => {
                at.query_row([event], |row| row.get(0).map(Instant::from_micros)).optional()?
            }
            _ => None,
        };
        Ok(Some(Scheduled {
            id: self.id,
            to: Phone::from_stored(to.unsigned_abs()),
            due: Instant::from_micros(row.due),
            updated: changed.unwrap_or(request.created),
            request: Arc::new(request),
        }))
    }
}

/// The scheduled messages of an account, queue after queue, in the order in which they are due.
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

    fn answer(self, view: &mut View<'_>) -> rusqlite::Result<Listed> {
        let routes: Vec<RouteId> = view
            .prepare(ROUTES)?
            .query_map([], |row| row.get(0).map(RouteId))?
            .collect::<Result<_, _>>()?;
        let mut listed = Listed::default();
        for route in routes {
            for lane in Lane::ALL {
                self.of_queue(view, (route, lane), &mut listed)?;
            }
        }
        Ok(listed)
    }
}

impl List {
    fn of_queue(
        self,
        view: &mut View<'_>,
        (route, lane): (RouteId, Lane),
        listed: &mut Listed,
    ) -> rusqlite::Result<()> {
        let mut after = (0, 0);
        loop {
            let rows: Vec<QueueRow> = view
                .prepare(LATER)?
                .query_map(
                    [
                        route.0,
                        lane as i64,
                        self.account.0,
                        self.now.micros(),
                        after.0,
                        after.1,
                        ROWS_AT_ONCE,
                    ],
                    QueueRow::from_row,
                )?
                .collect::<Result<_, _>>()?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = (last.due, last.first);
            for row in rows {
                if listed.total >= self.count_max {
                    return Ok(());
                }
                self.of_row(view, route, &row, listed)?;
            }
        }
    }

    fn of_row(
        self,
        view: &mut View<'_>,
        route: RouteId,
        row: &QueueRow,
        listed: &mut Listed,
    ) -> rusqlite::Result<()> {
        let first = PartId(row.first);
        let Some(request) = request::seen(view, first.message())? else { return Ok(()) };
        let request = Arc::new(request);
        let messages: Vec<(PartId, Phone)> = if row.first == row.last {
            let Some(mut part) = view.prepare_for(PART, first.message().0)? else { return Ok(()) };
            let to: i64 = part.query_row([row.first], |found| found.get(0))?;
            // A message of several parts that was moved has a row for each: the first speaks.
            let speaks = first.idx() == 0;
            if speaks { vec![(first, Phone::from_stored(to.unsigned_abs()))] } else { vec![] }
        } else {
            let Some(mut waiting) = view.prepare_for(WAITING, first.message().0)? else {
                return Ok(());
            };
            let limit = i64::try_from(self.count_max - listed.total).unwrap_or(i64::MAX);
            waiting
                .query_map([row.first, row.last, route.0, limit], |found| {
                    let to = Phone::from_stored(found.get::<_, i64>(1)?.unsigned_abs());
                    Ok((PartId(found.get(0)?), to))
                })?
                .collect::<Result<_, _>>()?
        };
        for (part, to) in messages {
            listed.total += 1;
            if listed.total > self.skip && listed.messages.len() < self.limit {
                listed.messages.push(Scheduled {
                    id: part.message(),
                    to,
                    request: Arc::clone(&request),
                    due: Instant::from_micros(row.due),
                    updated: request.created,
                });
            }
        }
        Ok(())
    }
}

/// The row that holds a part which waits for its time: where its request says, or else among all
/// that is due later. Once something has happened to a part, only a row of its own speaks for it.
fn find_row(
    (route, lane, account): (RouteId, Lane, AccountId),
    (part, event): (PartId, i64),
    (due, now): (Instant, Instant),
    rows: impl Fn(Statement, Vec<i64>) -> rusqlite::Result<Vec<QueueRow>>,
) -> rusqlite::Result<Option<QueueRow>> {
    let holds = |row: &QueueRow| match event {
        0 => (row.first..=row.last).contains(&part.0),
        _ => row.first == part.0 && row.last == part.0,
    };
    let queue = [route.0, lane as i64, account.0];
    let at = [&queue[..], &[due.micros(), part.0]].concat();
    if due > now
        && let Some(row) = rows(AT, at)?.into_iter().find(&holds)
    {
        return Ok(Some(row));
    }
    let later = [&queue[..], &[now.micros(), 0, 0, SEARCH_MAX]].concat();
    Ok(rows(LATER, later)?.into_iter().find(holds))
}

//! `schedule`: what waits for its time is listed, moved to another time, or withdrawn.

use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId, PartId, RouteId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::time::Instant;
use rusqlite::OptionalExtension;

use super::claim::{QueueRow, enqueue, ready, take};
use super::part::{self, Part, Step};
use super::request::{self, Request};
use super::{Operation, Question, View};
use crate::sqlite::Work;
use crate::statement::{Statement, statements};

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

/// What to do with scheduled messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Send them then instead.
    MoveTo(Instant),
    /// Send them never, and give back what they had reserved.
    Cancel,
}

/// Changes some scheduled messages, at most a thousand; those that wait for nothing (any more), and
/// those that would expire before the new time, stay as they are.
#[derive(Debug, Clone)]
pub struct ChangeThese {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub ids: Vec<MessageId>,
    /// What.
    pub change: Change,
    /// The time.
    pub now: Instant,
}

/// What was changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Messages.
    pub n: u64,
    /// The queues that hold something new.
    pub queues: Vec<(RouteId, Lane)>,
    /// Where to go on in all that is scheduled; `None`: that was all.
    pub next: Option<Place>,
}

impl Changed {
    fn note(&mut self, queue: (RouteId, Lane)) {
        if !self.queues.contains(&queue) {
            self.queues.push(queue);
        }
    }
}

impl Operation for ChangeThese {
    type Answer = Changed;

    fn rows(&self) -> usize {
        self.ids.len()
    }

    fn run(&self, work: &mut Work<'_>) -> rusqlite::Result<Changed> {
        work.now_is(self.now);
        let mut changed = Changed::default();
        for id in &self.ids {
            let Some(request) = request::of_message(work, *id)? else { continue };
            if request.account == self.account && !is_too_late(&request, self.change) {
                self.change_one(work, &request, *id, &mut changed)?;
            }
        }
        Ok(changed)
    }
}

fn is_too_late(request: &Request, change: Change) -> bool {
    match (change, request.expires) {
        (Change::MoveTo(due), Some(expires)) => expires <= due,
        _ => false,
    }
}

impl ChangeThese {
    fn change_one(
        &self,
        work: &mut Work<'_>,
        request: &Request,
        id: MessageId,
        changed: &mut Changed,
    ) -> rusqlite::Result<()> {
        let mut found: Vec<(PartId, Part, QueueRow)> = Vec::new();
        for idx in 0..request.n_parts {
            let part_id = id.part(idx);
            let Some(part) = part::find(work, part_id)? else { return Ok(()) };
            let queue = (part.route, request.lane, self.account);
            let place = (part_id, part.event);
            let row = find_row(queue, place, (request.due, self.now), |statement, values| {
                work.prepare(statement)?
                    .query_map(rusqlite::params_from_iter(values), QueueRow::from_row)?
                    .collect()
            })?;
            match row {
                Some(row) if part.state == PartState::Queued => found.push((part_id, part, row)),
                _ => return Ok(()), // It has left, or a part of it.
            }
        }
        for (part_id, part, row) in found {
            let queue = (part.route, request.lane, self.account);
            if row.first == row.last {
                take(work, queue, &row)?;
            }
            change_part(work, (part_id, &part), queue, self.change, self.now)?;
            changed.note((part.route, request.lane));
        }
        changed.n += 1;
        Ok(())
    }
}

/// Moves or withdraws one part. Its event says that no range speaks for it any more.
fn change_part(
    work: &mut Work<'_>,
    (id, before): (PartId, &Part),
    queue: (RouteId, Lane, AccountId),
    change: Change,
    now: Instant,
) -> rusqlite::Result<()> {
    let (kind, state, detail) = match change {
        Change::MoveTo(_) => (EventKind::Deferred, PartState::Queued, "moved to another time"),
        Change::Cancel => (EventKind::Cancelled, PartState::Cancelled, "withdrawn by its owner"),
    };
    let step = Step { part: id, kind, route: before.route, at: now, word: "", code: "", detail };
    part::advance(work, before, state, &step)?;
    match change {
        Change::MoveTo(due) => enqueue(work, queue, (id, id), (due.micros(), 0)),
        Change::Cancel => {
            work.money().0.release(queue.2, before.price);
            Ok(())
        }
    }
}

/// A place among all that is scheduled of an account. The default is the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Index of the queue, by route and lane.
    queue: usize,
    due: i64,
    first: i64,
}

/// Changes a piece of all that is scheduled; to be run again from `next` on.
#[derive(Debug, Clone, Copy)]
pub struct ChangeAll {
    /// Whose.
    pub account: AccountId,
    /// Where to go on.
    pub at: Place,
    /// What.
    pub change: Change,
    /// The time.
    pub now: Instant,
}

impl Operation for ChangeAll {
    type Answer = Changed;

    fn rows(&self) -> usize {
        ROWS_PER_OPERATION_MAX
    }

    fn run(&self, work: &mut Work<'_>) -> rusqlite::Result<Changed> {
        work.now_is(self.now);
        let routes: Vec<RouteId> = work
            .prepare(ROUTES)?
            .query_map([], |row| row.get(0).map(RouteId))?
            .collect::<Result<_, _>>()?;
        let queues = routes.into_iter().flat_map(|route| Lane::ALL.map(|lane| (route, lane)));
        let mut changed = Changed::default();
        let mut room = ROWS_PER_OPERATION_MAX;
        let mut at = self.at;
        for queue in queues.skip(at.queue) {
            while let Some(row) = self.next_row(work, queue, at)? {
                if room == 0 {
                    changed.next = Some(at);
                    return Ok(changed);
                }
                let n = self.change_row(work, queue, &row, (room, &mut changed))?;
                (at.due, at.first) = (row.due, row.first);
                room = room.saturating_sub(n.max(1));
            }
            at = Place { queue: at.queue + 1, ..Place::default() };
        }
        Ok(changed)
    }
}

impl ChangeAll {
    fn next_row(
        &self,
        work: &Work<'_>,
        (route, lane): (RouteId, Lane),
        at: Place,
    ) -> rusqlite::Result<Option<QueueRow>> {
        let (account, now) = (self.account.0, self.now.micros());
        work.prepare(LATER)?
            .query_row(
                [route.0, lane as i64, account, now, at.due, at.first, 1],
                QueueRow::from_row,
            )
            .optional()
    }

    /// Changes a row, or what there is room for; answers how many parts were looked at.
    fn change_row(
        &self,
        work: &mut Work<'_>,
        (route, lane): (RouteId, Lane),
        row: &QueueRow,
        (room, changed): (usize, &mut Changed),
    ) -> rusqlite::Result<usize> {
        let Some(request) = request::of_message(work, PartId(row.first).message())? else {
            return Ok(0);
        };
        let queue = (route, lane, self.account);
        // Two rows that wanted one place stand a microsecond apart.
        let is_there = match self.change {
            Change::MoveTo(due) => (0..1_000).contains(&(row.due - due.micros())),
            Change::Cancel => false,
        };
        if is_there || is_too_late(&request, self.change) {
            return Ok(0);
        }
        let n_parts = usize::from(request.n_parts);
        let is_alone = row.first == row.last;
        let n_messages = |parts: &[(PartId, Phone)]| {
            parts.iter().filter(|(part, _)| part.idx() == 0).count() as u64
        };
        match self.change {
            // The row moves whole; only its messages are counted.
            Change::MoveTo(due) => {
                let waiting = ready(work, row, &request, (route, row.first), usize::MAX)?;
                take(work, queue, row)?;
                let range = (PartId(row.first), PartId(row.last));
                enqueue(work, queue, range, (due.micros(), 0))?;
                changed.n += n_messages(&waiting);
                changed.note((route, lane));
                Ok(waiting.len())
            }
            Change::Cancel => {
                let limit = if is_alone { 1 } else { room.next_multiple_of(n_parts) };
                let waiting = ready(work, row, &request, (route, row.first), limit)?;
                for (id, _) in &waiting {
                    let Some(before) = part::find(work, *id)? else { continue };
                    change_part(work, (*id, &before), queue, self.change, self.now)?;
                }
                changed.n += n_messages(&waiting);
                take(work, queue, row)?;
                if let Some((last, _)) = waiting.last().filter(|_| waiting.len() == limit)
                    && last.0 < row.last
                {
                    let rest = (PartId(last.0 + 1), PartId(row.last));
                    enqueue(work, queue, rest, (row.due, row.tries))?;
                }
                Ok(waiting.len())
            }
        }
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

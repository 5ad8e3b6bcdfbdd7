//! Moving and withdrawing.

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId, PartId, RouteId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::time::Instant;
use rusqlite::OptionalExtension;

use super::{LATER, ROUTES, find_row};
use crate::operation::Operation;
use crate::operation::claim::{QueueRow, enqueue, ready, take};
use crate::operation::part::{self, Part, Step};
use crate::operation::request::{self, Request};
use crate::sqlite::Work;

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

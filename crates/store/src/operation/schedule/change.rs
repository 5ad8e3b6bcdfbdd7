//! Moving and withdrawing.

use pombo_domain::id::{AccountId, MessageId, PartId, RouteId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::time::Instant;

use super::{COUNT, Place, SCHEDULED, Waiting, find_row};
use crate::error::Result;
use crate::operation::Operation;
use crate::operation::claim::{ready, whole_messages};
use crate::operation::part::{self, Part, Step};
use crate::operation::queue::{QueueRow, schedule, take};
use crate::operation::request::{self, Request};
use crate::work::Work;

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

    fn run(&self, work: &mut Work<'_>) -> Result<Changed> {
        work.now_is(self.now);
        let mut changed = Changed::default();
        for id in &self.ids {
            let Some(request) = request::of_message(work, *id)? else { continue };
            if request.account == self.account {
                let what = (self.change, self.now);
                change_message(work, (&request, *id), what, &mut changed)?;
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

/// Changes a message whole, where every part of it waits.
fn change_message(
    work: &mut Work<'_>,
    (request, id): (&Request, MessageId),
    (change, now): (Change, Instant),
    changed: &mut Changed,
) -> Result<()> {
    if is_too_late(request, change) {
        return Ok(());
    }
    let mut found: Vec<(PartId, Part, Waiting)> = Vec::new();
    for idx in 0..request.n_parts {
        let part_id = id.part(idx);
        let Some(part) = part::find(work, part_id)? else {
            break; // Messages of one request may differ in length.
        };
        let place = (part_id, part.event, part.route);
        let row = find_row(request.account, place, now, |statement, values| {
            work.prepare(statement)?.all(values, Waiting::from_row)
        })?;
        match row {
            Some(row) if part.state == PartState::Queued => found.push((part_id, part, row)),
            _ => return Ok(()), // It has left, or a part of it.
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    for (part_id, part, row) in found {
        let queue = (row.route, row.lane, request.account);
        if row.is_one_part() {
            take(work, queue, &row.into())?;
        }
        change_part(work, (part_id, &part), queue, (change, now))?;
        changed.note((row.route, row.lane));
    }
    changed.n += 1;
    Ok(())
}

/// Moves or withdraws one part. Its event says that no range speaks for it any more.
fn change_part(
    work: &mut Work<'_>,
    (id, before): (PartId, &Part),
    queue: (RouteId, Lane, AccountId),
    (change, now): (Change, Instant),
) -> Result<()> {
    let (kind, state, detail) = match change {
        Change::MoveTo(_) => (EventKind::Deferred, PartState::Queued, "moved to another time"),
        Change::Cancel => (EventKind::Cancelled, PartState::Cancelled, "withdrawn by its owner"),
    };
    let step = Step { part: id, kind, route: before.route, at: now, word: "", code: "", detail };
    part::advance(work, before, state, &step)?;
    match change {
        Change::MoveTo(due) => schedule(work, queue, (id, id), due.micros()),
        Change::Cancel => {
            part::release(work, queue.2, before);
            Ok(())
        }
    }
}

impl From<Waiting> for QueueRow {
    fn from(row: Waiting) -> Self {
        Self { due: row.due, first: row.first, last: row.last, tries: 0, scheduled: true }
    }
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

    fn run(&self, work: &mut Work<'_>) -> Result<Changed> {
        work.now_is(self.now);
        let mut changed = Changed::default();
        let mut room = ROWS_PER_OPERATION_MAX;
        let mut at = self.at;
        while let Some(row) = self.next_row(work, at)? {
            if room == 0 {
                changed.next = Some(at);
                break;
            }
            let n = self.change_row(work, row, (room, &mut changed))?;
            at = row.place();
            room = room.saturating_sub(n.max(1));
        }
        Ok(changed)
    }
}

impl ChangeAll {
    fn next_row(&self, work: &Work<'_>, at: Place) -> Result<Option<Waiting>> {
        let now = self.now.micros();
        work.prepare(SCHEDULED)?
            .first([self.account.0, at.first, at.route, at.due, now, 1], Waiting::from_row)
    }

    /// Changes a row, or what there is room for; answers how many parts were looked at.
    fn change_row(
        &self,
        work: &mut Work<'_>,
        row: Waiting,
        (room, changed): (usize, &mut Changed),
    ) -> Result<usize> {
        let first = PartId(row.first);
        let Some(request) = request::of_message(work, first.message())? else { return Ok(0) };
        // It was there, or was put there just now. Two rows that wanted one place stand a
        // microsecond apart.
        if let Change::MoveTo(due) = self.change
            && (0..1_000).contains(&(row.due - due.micros()))
        {
            return Ok(1);
        }
        if row.is_one_part() {
            // The first part speaks for all of its message.
            if first.idx() == 0 {
                let what = (self.change, self.now);
                change_message(work, (&request, first.message()), what, changed)?;
            }
            return Ok(1);
        }
        if is_too_late(&request, self.change) {
            return Ok(1);
        }
        let queue = (row.route, row.lane, self.account);
        let range = [row.first, row.last, row.route.0];
        match self.change {
            // The row moves whole; only its messages are counted.
            Change::MoveTo(due) => {
                let n: i64 =
                    work.prepare_for(COUNT, first.message().0)?.one(range, |found| found.get(0))?;
                take(work, queue, &row.into())?;
                schedule(work, queue, (first, PartId(row.last)), due.micros())?;
                changed.n += u64::try_from(n).unwrap_or(0);
                changed.note((row.route, row.lane));
                Ok(room) // It may be long: the others' turn.
            }
            Change::Cancel => {
                let limit = room + usize::from(request.n_parts);
                let from = (row.route, row.first);
                let mut waiting = ready(work, &row.into(), from, limit)?;
                let next = whole_messages(&mut waiting, limit);
                for (id, _) in &waiting {
                    let Some(before) = part::find(work, *id)? else { continue };
                    change_part(work, (*id, &before), queue, (self.change, self.now))?;
                }
                changed.n += waiting.iter().filter(|(part, _)| part.idx() == 0).count() as u64;
                take(work, queue, &row.into())?;
                if let Some(next) = next {
                    schedule(work, queue, (next, PartId(row.last)), row.due)?;
                }
                Ok(waiting.len())
            }
        }
    }
}

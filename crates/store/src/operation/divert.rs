//! `divert`: moves what waits for a route that cannot send to another that can.

use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::{EventKind, Lane};
use pombo_domain::time::Instant;

use super::Operation;
use super::claim::{ready, whole_messages};
use super::part::{self, Step};
use super::queue::{QueueRow, enqueue, take};
use super::request::{self, Request};
use crate::error::Result;
use crate::statement::statements;
use crate::work::Work;

statements! {
    /// Parts of a message that this route has taken, or may have.
    TAKEN = "select count(1) from part_{day} where id between $1 and $2 and route = $3 \
        and state <> 0";
    FROM = "select due, first, last, tries, scheduled from queue where route = $1 and lane = $2 \
        and account = $3 and (due, first) >= ($4, $5) and due <= $6 order by due, first limit 1";
    FIRSTS = "select first from queue where route = $1 and lane = $2 and account = $3 \
        and (due, first) >= ($4, $5) and due <= $6 order by due, first limit $7";
}

/// Names another route for a message to this number, where one can take it now.
pub type Choose = Arc<dyn Fn(&Request, Phone) -> Option<RouteId> + Send + Sync>;

/// Looks at a thousand parts or so that are due, of one account in one lane of one route.
///
/// A message of several parts is moved whole or not at all: where some have left already, the
/// others follow them, by the same carrier.
pub struct Divert {
    /// The route that cannot send.
    pub from: RouteId,
    /// The lane.
    pub lane: Lane,
    /// Whose.
    pub account: AccountId,
    /// Where the last look ended.
    pub at: Place,
    /// Decides.
    pub choose: Choose,
    /// The time.
    pub now: Instant,
}

/// A place in a queue: everything before it has been looked at. The default is the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    due: i64,
    first: i64,
    /// The next part of that entry.
    next: i64,
    /// Something of that entry had to stay.
    stays: bool,
}

/// What was moved.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Diverted {
    /// Parts.
    pub n_moved: usize,
    /// The routes that have them now.
    pub to: Vec<RouteId>,
    /// Where to go on; `None`: nothing is left that is due.
    pub next: Option<Place>,
}

impl Operation for Divert {
    type Answer = Diverted;

    fn rows(&self) -> usize {
        ROWS_PER_OPERATION_MAX
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Diverted> {
        work.now_is(self.now);
        let mut done = Diverted::default();
        let mut at = self.at;
        let mut room = ROWS_PER_OPERATION_MAX;
        self.read_ahead(work)?;
        while let Some(row) = self.row_from(work, at)? {
            if (row.due, row.first) != (at.due, at.first) {
                at = Place { due: row.due, first: row.first, next: row.first, stays: false };
            }
            if room == 0 {
                done.next = Some(at);
                return Ok(done);
            }
            let n_looked_at = self.look(work, (&row, room), &mut at, &mut done)?;
            room = room.saturating_sub(n_looked_at.max(1));
            if at.next <= row.last {
                continue; // The room is used up, or the row is long.
            }
            if !at.stays {
                take(work, (self.from, self.lane, self.account), &row)?;
            }
            // The next row may begin at the very next part.
            let first = row.first + 1;
            at = Place { due: row.due, first, next: first, stays: false };
        }
        Ok(done)
    }
}

impl Divert {
    /// Reads the requests of the rows that will be looked at, where looking each up takes long.
    fn read_ahead(&self, work: &mut Work<'_>) -> Result<()> {
        if !work.is_far() {
            return Ok(());
        }
        let limit = i64::try_from(ROWS_PER_OPERATION_MAX).unwrap_or(i64::MAX);
        let (lane, now) = (self.lane as i64, self.now.micros());
        let queue = [self.from.0, lane, self.account.0, self.at.due, self.at.first, now, limit];
        let firsts: Vec<i64> = work.prepare(FIRSTS)?.all(queue, |row| row.get(0))?;
        request::read_ahead(work, firsts.iter().map(|first| PartId(*first).message()))?;
        part::read_ahead(work, firsts.into_iter().map(PartId))
    }

    fn row_from(&self, work: &Work<'_>, at: Place) -> Result<Option<QueueRow>> {
        let (lane, now) = (self.lane as i64, self.now.micros());
        work.prepare(FROM)?
            .first([self.from.0, lane, self.account.0, at.due, at.first, now], QueueRow::from_row)
    }

    /// Looks at the row's next messages and moves what can be; answers how many parts were seen.
    fn look(
        &self,
        work: &mut Work<'_>,
        (row, room): (&QueueRow, usize),
        at: &mut Place,
        done: &mut Diverted,
    ) -> Result<usize> {
        let Some(request) = request::of_message(work, PartId(row.first).message())? else {
            at.next = row.last + 1; // Its history is gone: nothing is left to send.
            return Ok(0);
        };
        if request.expires.is_some_and(|end| end <= self.now) {
            (at.next, at.stays) = (row.last + 1, true); // It ends where it is.
            return Ok(0);
        }
        let n_parts = usize::from(request.n_parts);
        // A message more than there is room for, so as to end between two.
        let limit = room + n_parts;
        let mut found = ready(work, row, (self.from, at.next), limit)?;
        at.next = whole_messages(&mut found, limit).map_or(row.last + 1, |next| next.0);
        for message in found.chunk_by(|(a, _), (b, _)| a.message() == b.message()) {
            let to = message.first().map_or(Phone::from_stored(0), |(_, to)| *to);
            let whole = message.len() == n_parts || self.has_taken_none(work, message)?;
            match (self.choose)(&request, to).filter(|_| whole) {
                Some(route) => {
                    self.move_to(work, row, route, message)?;
                    done.n_moved += message.len();
                    if !done.to.contains(&route) {
                        done.to.push(route);
                    }
                }
                None => at.stays = true,
            }
        }
        Ok(found.len())
    }

    /// Whether this route has no part of the message: those that are not here are queued elsewhere.
    fn has_taken_none(&self, work: &mut Work<'_>, parts: &[(PartId, Phone)]) -> Result<bool> {
        let Some((part, _)) = parts.first() else { return Ok(false) };
        let message = part.message();
        let range = [message.part(0).0, message.part(15).0, self.from.0];
        let n: i64 = work.prepare_for(TAKEN, message.0)?.one(range, |row| row.get(0))?;
        Ok(n == 0)
    }

    fn move_to(
        &self,
        work: &mut Work<'_>,
        row: &QueueRow,
        route: RouteId,
        parts: &[(PartId, Phone)],
    ) -> Result<()> {
        for &(id, _) in parts {
            let Some(before) = part::find(work, id)? else { continue };
            // A range of the other route may span it; its event says that it has a place in the
            // queue of its own.
            let step = Step {
                part: id,
                kind: EventKind::Deferred,
                route,
                at: self.now,
                word: "",
                code: "",
                detail: "moved: its route could not send",
            };
            part::advance(work, &before, before.state, &step)?;
            enqueue(work, (route, self.lane, self.account), (id, id), (row.due, row.tries))?;
        }
        Ok(())
    }
}

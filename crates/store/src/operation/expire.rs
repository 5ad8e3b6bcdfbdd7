//! What waits and will never be sent: its time ran out, or its sending was cancelled.

use std::sync::Arc;

use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::time::Instant;

use super::claim::{Claim, Gathered};
use super::part::{self, Step};
use super::queue::{QueueRow, take};
use super::request::{self, Request};
use super::{Operation, uncertain};
use crate::error::Result;
use crate::statement::statements;
use crate::work::Work;

statements! {
    NEXT_ROWS = "select due, first, last, tries, scheduled from queue where route = $1 and lane = $2 \
        and account = $3 and (due, first) > ($4, $5) and due <= $6 order by due, first limit $7";
}

/// Why something that waits ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    TooLate,
    Withdrawn,
}

/// Ends the parts of the row that still wait; answers how many, and when the rest is due, where that
/// was not all. The caller takes a row that is finished.
pub(super) fn end_row(
    work: &mut Work<'_>,
    queue: &Claim,
    (row, request): (&QueueRow, &Arc<Request>),
    why: Why,
) -> Result<(usize, Option<i64>)> {
    let mut gathered = Gathered::default();
    let (n, rest) =
        queue.gather(work, row, request, (ROWS_PER_OPERATION_MAX, &mut gathered, None))?;
    for id in gathered.parts.iter().copied().map(PartId) {
        let Some(before) = part::find(work, id)? else {
            continue;
        };
        let in_doubt = uncertain::was_in_doubt(work, id)?;
        let (kind, state, word) = match why {
            Why::TooLate => (EventKind::Expired, PartState::Expired, "EXPIRED"),
            Why::Withdrawn => (EventKind::Cancelled, PartState::Cancelled, ""),
        };
        let detail = match (why, in_doubt) {
            (Why::TooLate, true) => "expired, and an earlier try is in doubt",
            (Why::TooLate, false) => "expired before it could be sent",
            (Why::Withdrawn, true) => "its sending was cancelled, and an earlier try is in doubt",
            (Why::Withdrawn, false) => "its sending was cancelled",
        };
        let (route, at) = (queue.route, queue.now);
        let step = Step { part: id, kind, route, at, word, code: "", detail };
        uncertain::end(work, (request.account, &before), state, step, in_doubt)?;
    }
    Ok((n, rest))
}

/// A place in a queue: when an entry is due, and its first part. The default is before all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place(i64, i64);

/// Ends what waits in the queues of a route that cannot send, where its time has run out.
/// Looks at the next thousand entries of one account's queue.
#[derive(Debug, Clone, Copy)]
pub struct Expire {
    /// The route.
    pub route: RouteId,
    /// The lane.
    pub lane: Lane,
    /// Whose.
    pub account: AccountId,
    /// Where the last look ended.
    pub after: Place,
    /// The time.
    pub now: Instant,
}

/// What a look has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredOf {
    /// Parts that ended.
    pub n: usize,
    /// Where to go on; `None`: nothing is left that is due.
    pub next: Option<Place>,
}

impl Operation for Expire {
    type Answer = ExpiredOf;

    fn rows(&self) -> usize {
        ROWS_PER_OPERATION_MAX
    }

    fn run(&self, work: &mut Work<'_>) -> Result<ExpiredOf> {
        work.now_is(self.now);
        let claim = Claim {
            route: self.route,
            lane: self.lane,
            account: self.account,
            room: ROWS_PER_OPERATION_MAX,
            rules: Arc::default(),
            now: self.now,
        };
        let limit = i64::try_from(ROWS_PER_OPERATION_MAX).unwrap_or(i64::MAX);
        let (lane, now, Place(due, first)) = (self.lane as i64, self.now.micros(), self.after);
        let after = [self.route.0, lane, self.account.0, due, first, now, limit];
        let rows = work.prepare(NEXT_ROWS)?.all(after, QueueRow::from_row)?;
        request::read_ahead(work, rows.iter().map(|row| PartId(row.first).message()))?;
        let is_cut = rows.len() >= ROWS_PER_OPERATION_MAX;
        let mut done = ExpiredOf { n: 0, next: None };
        for row in &rows {
            if done.n >= ROWS_PER_OPERATION_MAX {
                return Ok(done);
            }
            done.next = Some(Place(row.due, row.first));
            let Some(request) = request::of_message(work, PartId(row.first).message())? else {
                continue;
            };
            if request.expires.is_some_and(|end| end <= self.now) {
                let (n_expired, rest) = end_row(work, &claim, (row, &request), Why::TooLate)?;
                done.n += n_expired;
                if rest.is_none() {
                    take(work, (self.route, self.lane, self.account), row)?;
                } else {
                    return Ok(done); // What is left of it waits behind what is due.
                }
            }
        }
        done.next = done.next.filter(|_| is_cut);
        Ok(done)
    }
}

//! Pause, resume, cancel.
//!
//! A sending that is stopped is known to every claim. What is due of a paused one is moved out of
//! the queue, as it stands there, and back when the pause ends; what is not due yet stays. What is
//! due of a cancelled one ends there and then, and a walk through its account's queues ends the
//! rest. So neither has to be complete for nothing more to leave, and both go on after a crash.

use std::sync::Arc;

use pombo_domain::campaign::{Order, Stop};
use pombo_domain::id::{AccountId, PartId, RouteId, SendingId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;

use crate::error::Result;
use crate::operation::claim::Claim;
use crate::operation::expire::{Why, end_row};
use crate::operation::queue::{self, QueueRow, enqueue, take};
use crate::operation::request::{self, Request};
use crate::operation::{Operation, Question, View};
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    STOP = "insert into stopped (sending, account, state, since, done) \
        values ($1, $2, $3, $4, 0) on conflict (sending) do update set \
        state = excluded.state, since = excluded.since, done = 0";
    RELEASE = "delete from stopped where sending = $1";
    DONE = "update stopped set done = 1 where sending = $1 and state = 2";
    CANCELLED = "select sending, account from stopped where state = 2 and done = 0 \
        order by sending limit 100";
    STATE = "select state from stopped where sending = $1";
    HOLD = "insert into held (sending, route, lane, account, due, first, last, tries, expires) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
        on conflict do nothing";
    HELD_AGAIN = "update held set tries = $1 where sending = $2 and route = $3 and lane = $4 \
        and account = $5 and due = $6 and first = $7 and last = $8";
    NEXT_HELD = "select sending from held where sending > $1 order by sending limit 1";
    HELD = "select sending, route, lane, account, due, first, last, tries from held \
        where sending = $1 order by route, lane, account, due, first limit $2";
    HELD_TOO_LATE = "select sending, route, lane, account, due, first, last, tries from held \
        where expires is not null and expires <= $1 order by expires limit $2";
    DROP_HELD = "delete from held where sending = $1 and route = $2 and lane = $3 \
        and account = $4 and due = $5 and first = $6";
    QUEUE = "select due, first, last, tries, scheduled from queue where route = $1 and lane = $2 \
        and account = $3 and (due, first) > ($4, $5) order by due, first limit $6";
}

/// Rows of a queue looked at in one look.
const ROWS_AT_ONCE: i64 = 200;

/// Moves a row of the queue to what is held; the caller takes it out of the queue.
pub(in crate::operation) fn hold(
    work: &Work<'_>,
    (route, lane, account): (RouteId, Lane, AccountId),
    row: &QueueRow,
    request: &Request,
) -> Result<()> {
    let (sending, lane, tries) = (request.sending.0, lane as i64, i64::from(row.tries));
    let expires = request.expires.map(Instant::micros);
    queue::place(row.due, |due| {
        let place =
            values![sending, route.0, lane, account.0, due, row.first, row.last, tries, expires];
        let same = [tries, sending, route.0, lane, account.0, due, row.first, row.last];
        Ok(work.prepare(HOLD)?.execute(place)? == 1
            || work.prepare(HELD_AGAIN)?.execute(same)? == 1)
    })
}

/// Stops a sending, or lets it go on. A cancelled one cannot be paused, and what was withdrawn of
/// it stays so when it is let go on.
#[derive(Debug, Clone, Copy)]
pub struct SetStop {
    /// Whose; the caller has seen that the sending is.
    pub account: AccountId,
    /// Which.
    pub sending: SendingId,
    /// What.
    pub order: Order,
    /// When.
    pub now: Instant,
}

impl Operation for SetStop {
    /// Whether it is stopped now, and how.
    type Answer = Option<Stop>;

    fn run(&self, work: &mut Work<'_>) -> Result<Option<Stop>> {
        work.now_is(self.now);
        let before = work.stopped().get(&self.sending).copied();
        let after = match (self.order, before) {
            (Order::Resume, _) => None,
            (Order::Pause, Some(Stop::Cancelled)) | (Order::Cancel, _) => Some(Stop::Cancelled),
            (Order::Pause, _) => Some(Stop::Paused),
        };
        if after == before {
            return Ok(after);
        }
        match after {
            None => {
                work.prepare(RELEASE)?.execute([self.sending.0])?;
                work.stopped().remove(&self.sending);
            }
            Some(stop) => {
                let (sending, account) = (self.sending.0, self.account.0);
                let row = [sending, account, stop as i64, self.now.micros()];
                work.prepare(STOP)?.execute(row)?;
                work.stopped().insert(self.sending, stop);
            }
        }
        Ok(after)
    }
}

/// Puts back into the queues what is held of sendings that are not paused (any more), and what has
/// expired; some at a time.
#[derive(Debug, Clone, Copy)]
pub struct GiveBack {
    /// The time.
    pub now: Instant,
}

/// What was put back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Rows.
    pub n: usize,
    /// The queues that hold something new.
    pub queues: Vec<(RouteId, Lane, AccountId)>,
    /// Whether there is more.
    pub more: bool,
}

impl Operation for GiveBack {
    type Answer = Given;

    fn rows(&self) -> usize {
        ROWS_PER_OPERATION_MAX
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Given> {
        work.now_is(self.now);
        let mut given = Given::default();
        let limit = i64::try_from(ROWS_PER_OPERATION_MAX).unwrap_or(i64::MAX);
        give_back(work, HELD_TOO_LATE, [self.now.micros(), limit], &mut given)?;
        let mut sending = SendingId(0);
        while let Some(next) =
            next_held(sending, |id| work.prepare(NEXT_HELD)?.first([id], |row| row.get(0)))?
        {
            sending = next;
            if given.n >= ROWS_PER_OPERATION_MAX {
                break;
            }
            if work.stopped().get(&sending) != Some(&Stop::Paused) {
                give_back(work, HELD, [sending.0, limit], &mut given)?;
            }
        }
        given.more = given.n >= ROWS_PER_OPERATION_MAX;
        Ok(given)
    }
}

fn next_held(
    after: SendingId,
    next: impl Fn(i64) -> Result<Option<i64>>,
) -> Result<Option<SendingId>> {
    Ok(next(after.0)?.map(SendingId))
}

fn give_back(
    work: &mut Work<'_>,
    which: crate::statement::Statement,
    by: [i64; 2],
    given: &mut Given,
) -> Result<()> {
    type Held = (i64, (RouteId, Lane, AccountId), QueueRow);
    let rows: Vec<Held> = work.prepare(which)?.all(by, |row| {
        let lane = Lane::from_stored(row.get(2)?);
        let queue = (RouteId(row.get(1)?), lane, AccountId(row.get(3)?));
        let (due, first) = (row.get(4)?, row.get(5)?);
        let (last, tries, scheduled) = (row.get(6)?, row.get(7)?, false);
        let row_ = QueueRow { due, first, last, tries, scheduled };
        Ok((row.get(0)?, queue, row_))
    })?;
    for (sending, queue, row) in rows {
        let (route, lane, account) = queue;
        let key = [sending, route.0, lane as i64, account.0, row.due, row.first];
        work.prepare(DROP_HELD)?.execute(key)?;
        enqueue(work, queue, (PartId(row.first), PartId(row.last)), (row.due, row.tries))?;
        if !given.queues.contains(&queue) {
            given.queues.push(queue);
        }
        given.n += 1;
    }
    Ok(())
}

/// A place in a queue: everything up to it has been looked at. The default is the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueuePlace {
    due: i64,
    first: i64,
}

/// Ends what waits of a cancelled sending in one queue of its account, a thousand parts or so at a
/// time; to be run again from `next` on.
#[derive(Debug, Clone, Copy)]
pub struct Withdraw {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub sending: SendingId,
    /// The queue's route.
    pub route: RouteId,
    /// The queue's lane.
    pub lane: Lane,
    /// Where to go on.
    pub at: QueuePlace,
    /// The time.
    pub now: Instant,
}

/// What was ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// Parts.
    pub n: usize,
    /// Where to go on; `None`: that was all.
    pub next: Option<QueuePlace>,
}

impl Operation for Withdraw {
    type Answer = Withdrawn;

    fn rows(&self) -> usize {
        ROWS_PER_OPERATION_MAX
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Withdrawn> {
        work.now_is(self.now);
        let mut done = Withdrawn::default();
        if work.stopped().get(&self.sending) != Some(&Stop::Cancelled) {
            return Ok(done); // It was let go on meanwhile.
        }
        let (account, now) = (self.account, self.now);
        let queue = Claim {
            route: self.route,
            lane: self.lane,
            account,
            room: ROWS_PER_OPERATION_MAX,
            rules: Arc::default(),
            now,
        };
        let (lane, at) = (self.lane as i64, self.at);
        let place = [self.route.0, lane, account.0, at.due, at.first, ROWS_AT_ONCE];
        let rows: Vec<QueueRow> = work.prepare(QUEUE)?.all(place, QueueRow::from_row)?;
        for row in rows {
            done.next = Some(QueuePlace { due: row.due, first: row.first });
            let Some(request) = request::of_message(work, PartId(row.first).message())? else {
                continue;
            };
            if request.sending != self.sending {
                continue;
            }
            let (n, rest) = end_row(work, &queue, (&row, &request), Why::Withdrawn)?;
            done.n += n;
            if rest.is_none() {
                take(work, (self.route, self.lane, account), &row)?;
            } else if row.due > now.micros() {
                // What is left of it stands where it stood, with a later first part.
                break;
            }
            if done.n >= ROWS_PER_OPERATION_MAX {
                break;
            }
        }
        Ok(done)
    }
}

/// Nothing of a cancelled sending waits in a queue any more.
#[derive(Debug, Clone, Copy)]
pub struct Finish {
    /// Which.
    pub sending: SendingId,
}

impl Operation for Finish {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        work.prepare(DONE)?.execute([self.sending.0])?;
        Ok(())
    }
}

/// What a stop or a start left to be done.
#[derive(Debug, Clone, Copy)]
pub struct Unfinished {
    /// The time.
    pub now: Instant,
}

/// The answer to [`Unfinished`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UnfinishedWork {
    /// Whether [`GiveBack`] has something to do.
    pub to_give_back: bool,
    /// Cancelled sendings whose messages must still be withdrawn.
    pub to_withdraw: Vec<(SendingId, AccountId)>,
}

impl Question for Unfinished {
    type Answer = UnfinishedWork;

    fn answer(self, view: &mut View<'_>) -> Result<UnfinishedWork> {
        let to_withdraw = view
            .prepare(CANCELLED)?
            .all((), |row| Ok((SendingId(row.get(0)?), AccountId(row.get(1)?))))?;
        let too_late = [self.now.micros(), 1];
        let mut to_give_back = view.prepare(HELD_TOO_LATE)?.first(too_late, |_| Ok(()))?.is_some();
        let mut sending = SendingId(0);
        while let Some(next) =
            next_held(sending, |id| view.prepare(NEXT_HELD)?.first([id], |row| row.get(0)))?
        {
            sending = next;
            let state: Option<i64> = view.prepare(STATE)?.first([sending.0], |row| row.get(0))?;
            to_give_back |= state.and_then(Stop::from_stored) != Some(Stop::Paused);
        }
        Ok(UnfinishedWork { to_give_back, to_withdraw })
    }
}

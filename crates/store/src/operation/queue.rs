//! The queue: ranges of parts that wait, in the order in which they are due, for each route, lane and
//! account.

use std::collections::HashSet;

use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;

use super::{Question, View};
use crate::error::Result;
use crate::sql::Row;
use crate::statement::statements;
use crate::work::Work;

statements! {
    TAKE = "delete from queue where route = $1 and lane = $2 and account = $3 \
        and due = $4 and first = $5";
    QUEUED = "insert into queue (route, lane, account, due, first, last, tries, scheduled) \
        values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing";
    QUEUED_AGAIN = "update queue set tries = $1, scheduled = $2 where route = $3 and lane = $4 \
        and account = $5 and due = $6 and first = $7 and last = $8";
    NEW_ROW = "insert into queue (route, lane, account, due, first, last, tries, scheduled) \
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    IN_PLACE = "select last from queue where route = $1 and lane = $2 and account = $3 \
        and due = $4 and first = $5";
    NEXT_ACCOUNT = "select lane, account, due from queue where route = $1 \
        and (lane, account) > ($2, $3) order by lane, account, due, first limit 1";
}

/// Parts that wait together: from the first to the last, as far as they are of its route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueRow {
    pub(super) due: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) tries: u8,
    /// Its owner may still move and withdraw it.
    pub(super) scheduled: bool,
}

impl QueueRow {
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            due: row.get(0)?,
            first: row.get(1)?,
            last: row.get(2)?,
            tries: row.get(3)?,
            scheduled: row.get(4)?,
        })
    }

    /// Its messages: no more than its parts.
    pub(super) fn n_messages(&self) -> usize {
        let [first, last] = [self.first, self.last].map(|part| PartId(part).message().0);
        usize::try_from(last - first + 1).unwrap_or(1)
    }

    /// As [`NEW_ROW`] takes them.
    fn values(&self, (route, lane, account): (RouteId, Lane, AccountId)) -> [i64; 8] {
        let Self { due, first, last, tries, scheduled } = *self;
        [route.0, lane as i64, account.0, due, first, last, tries.into(), scheduled.into()]
    }
}

/// A queue, and a row for it.
pub(crate) type Queued = ((RouteId, Lane, AccountId), QueueRow);

/// Puts a row of new parts into its queue.
pub(super) fn put_new(work: &mut Work<'_>, (queue, row): Queued) -> Result<()> {
    work.prepare(NEW_ROW)?.write(row.values(queue))?;
    work.leaving().queued(queue, row.due);
    Ok(())
}

/// Takes a row out of its queue.
pub(super) fn take(
    work: &Work<'_>,
    (route, lane, account): (RouteId, Lane, AccountId),
    row: &QueueRow,
) -> Result<()> {
    work.prepare(TAKE)?.write([route.0, lane as i64, account.0, row.due, row.first])
}

/// Puts a range of parts into a queue. Where each row would be a way to a server and back, it is there
/// once the command is done: see [`put_gathered`].
pub(crate) fn enqueue(
    work: &mut Work<'_>,
    queue: (RouteId, Lane, AccountId),
    parts: (PartId, PartId),
    (due, tries): (i64, u8),
) -> Result<()> {
    let (first, last) = (parts.0.0, parts.1.0);
    let row = QueueRow { due, first, last, tries, scheduled: false };
    if work.is_far() {
        work.queued().push((queue, row));
        return Ok(());
    }
    put(work, queue, &row)
}

/// Writes what a command has put into queues: a server is asked once for all of it.
pub(crate) fn put_gathered(work: &mut Work<'_>) -> Result<()> {
    let rows = std::mem::take(work.queued());
    match rows[..] {
        [] => return Ok(()),
        [(queue, row)] => return put(work, queue, &row),
        _ => {}
    }
    let key = |(queue, row): &Queued| {
        let [route, lane, account, due, first, ..] = row.values(*queue);
        [route, lane, account, due, first]
    };
    let in_place = work.prepare(IN_PLACE)?.first_of_each(rows.iter().map(key), |_| Ok(()))?;
    let mut keys = HashSet::new();
    let (mut free, mut taken) = (Vec::new(), Vec::new());
    for (row, found) in rows.into_iter().zip(in_place) {
        let is_free = found.is_none() && keys.insert(key(&row));
        if is_free { &mut free } else { &mut taken }.push(row);
    }
    let mut insert = work.prepare(NEW_ROW)?;
    free.iter().try_for_each(|(queue, row)| insert.write(row.values(*queue)))?;
    taken.iter().try_for_each(|(queue, row)| put(work, *queue, row))
}

/// Puts a range of parts into a queue whose owner named the time.
pub(super) fn schedule(
    work: &Work<'_>,
    queue: (RouteId, Lane, AccountId),
    (first, last): (PartId, PartId),
    due: i64,
) -> Result<()> {
    let (first, last) = (first.0, last.0);
    put(work, queue, &QueueRow { due, first, last, tries: 0, scheduled: true })
}

/// Puts a row into a queue.
pub(super) fn put(
    work: &Work<'_>,
    queue: (RouteId, Lane, AccountId),
    row: &QueueRow,
) -> Result<()> {
    place(row.due, |due| {
        let row = QueueRow { due, ..*row }.values(queue);
        let [route, lane, account, due, first, last, tries, scheduled] = row;
        let same = [tries, scheduled, route, lane, account, due, first, last];
        Ok(work.prepare(QUEUED)?.execute(row)? == 1
            || work.prepare(QUEUED_AGAIN)?.execute(same)? == 1)
    })
}

/// Writes a row of a range that is due then: where another row has that very place, as the range has
/// of which a part went to another route and came back, this one stands a microsecond behind it.
/// `write` says whether it has that place now.
pub(super) fn place(due: i64, mut write: impl FnMut(i64) -> Result<bool>) -> Result<()> {
    for due in due.. {
        if write(due)? {
            break;
        }
    }
    Ok(())
}

/// Which queues of a route hold anything, and when their first is due.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// The route.
    pub route: RouteId,
}

/// The first of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The lane.
    pub lane: Lane,
    /// Whose.
    pub account: AccountId,
    /// When it is due.
    pub due: Instant,
}

impl Question for Heads {
    type Answer = Vec<Head>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Head>> {
        // One seek per account with a queue: the length of the queues does not matter.
        let mut next = view.prepare(NEXT_ACCOUNT)?;
        let mut heads = Vec::new();
        let mut after = (-1, 0);
        while let Some((lane, account, due)) = next
            .first([self.route.0, after.0, after.1], |row| {
                Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<i64>(2)?))
            })?
        {
            after = (lane, account);
            let lane = Lane::from_stored(lane);
            let due = Instant::from_micros(due);
            heads.push(Head { lane, account: AccountId(account), due });
        }
        Ok(heads)
    }
}

//! `retention`: the history of old days goes: a piece at a time where that would keep others waiting, else at once.

use std::collections::BTreeSet;

use pombo_domain::id::MessageId;
use pombo_domain::time::Instant;

use super::{Operation, Question, View};
use crate::error::Result;
use crate::statement::statements;
use crate::work::{IDS_PER_DAY, Work, day_of, first_of_day};

statements! {
    OPEN = "select count(1), \
        cast(coalesce(sum(case when state in (0, 1, 6) then 1 else 0 end), 0) as bigint) \
        from part_{day} where state in (0, 1, 6) or event >= $1";
    SIZE = "select cast(coalesce(sum(messages), 0) as bigint) from request_{day}";
    /// First, so that what is going is nobody's any more.
    REQUESTS = "delete from request_{day} where id in (select id from request_{day} limit $1)";
    PARTS = "delete from part_{day} where id in (select id from part_{day} limit $1)";
    CALLBACKS = "delete from callback_{day} where message in \
        (select message from callback_{day} limit $1)";
    TEXTS = "delete from text_{day} where message in (select message from text_{day} limit $1)";
    LINKS = "delete from link_{day} where code in (select code from link_{day} limit $1)";
    EVENTS = "delete from event_{day} where id in (select id from event_{day} limit $1)";
    CARRIERS = "delete from carrier_{day} where (route, hash, part) in \
        (select route, hash, part from carrier_{day} limit $1)";
    CHAINS = "delete from chain_{day} where (message, n) in \
        (select message, n from chain_{day} limit $1)";
    DOUBTS = "delete from uncertain where part between $1 and $2 and resolution not in (0, 2)";
    DEAD_LETTERS = "delete from dead_letter where event between $1 and $2";
    DROP_REQUESTS = "drop table request_{day}";
    DROP_PARTS = "drop table part_{day}";
    DROP_CALLBACKS = "drop table callback_{day}";
    DROP_TEXTS = "drop table text_{day}";
    DROP_LINKS = "drop table link_{day}";
    DROP_EVENTS = "drop table event_{day}";
    DROP_CARRIERS = "drop table carrier_{day}";
    DROP_CHAINS = "drop table chain_{day}";
    /// The days, numbered since 2024, of whose parts it tells.
    TOLD_OF = "select distinct part / $1 from event_{day} where part < $2";
    NEWEST_EVENT = "select max(id) from event_{day}";
    CURSORS = "select min(event) from event_cursor";
    LEAVES = "insert into leaving_day (day) values ($1) on conflict do nothing";
    HAS_LEFT = "delete from leaving_day where day = $1";
    /// What was stopped before the oldest history began is of a request that is gone, where it has
    /// no campaign of its own.
    OLD_STOPS = "delete from stopped where state = 2 and done = 1 and since < $1 \
        and not exists (select 1 from sending s where s.id = stopped.sending)";
}

/// A day of history, numbered since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayOfHistory {
    /// Which.
    pub day: i64,
    /// Its messages.
    pub n_messages: u64,
    /// Its parts that are not over: the day stays until they are.
    pub n_open: u64,
    /// Its parts that are over, but of which there was something to tell lately: their links may
    /// still be followed, their receipts still come, so the day stays until they have been quiet.
    pub n_lively: u64,
    /// Whether all who read the log have read all that became of them: the day stays until they have.
    pub is_read: bool,
    /// Whether it tells what became of messages of an earlier day that stays: it stays with that one.
    pub is_needed: bool,
}

impl DayOfHistory {
    /// Whether the day can go.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.n_open == 0 && self.n_lively == 0 && self.is_read && !self.is_needed
    }
}

/// The days before this one that have history, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    /// The first day that is to be kept.
    pub before: i64,
    /// The day from which on nothing may have become of a part of a day that goes.
    pub quiet_since: i64,
}

impl Question for Days {
    type Answer = Vec<DayOfHistory>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<DayOfHistory>> {
        let mut found: Vec<DayOfHistory> = Vec::new();
        let read: Option<i64> = view.prepare(CURSORS)?.first((), |row| row.get(0))?.flatten();
        for day in view.days_since(i64::MIN)?.into_iter().take_while(|day| *day < self.before) {
            let count = |n: i64| u64::try_from(n).unwrap_or(0);
            let (n_both, n_open): (i64, i64) = view
                .prepare_on(OPEN, day)?
                .one([first_of_day(self.quiet_since)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let newest: Option<i64> =
                view.prepare_on(NEWEST_EVENT, day)?.one((), |row| row.get(0))?;
            let n_messages: i64 = view.prepare_on(SIZE, day)?.one((), |row| row.get(0))?;
            let staying = found.iter().filter(|earlier| !earlier.is_over()).map(|d| d.day);
            let is_needed = tells_of(view, day, &staying.collect())?;
            found.push(DayOfHistory {
                day,
                n_messages: count(n_messages),
                n_open: count(n_open),
                n_lively: count(n_both - n_open),
                is_read: is_read(newest, read),
                is_needed,
            });
        }
        Ok(found)
    }
}

/// Whether a day's events are of messages of one of these earlier days, too.
fn tells_of(view: &mut View<'_>, day: i64, earlier: &BTreeSet<i64>) -> Result<bool> {
    if earlier.is_empty() {
        return Ok(false);
    }
    let first_part = |id| MessageId(id).part(0).0;
    let told_of = view
        .prepare_on(TOLD_OF, day)?
        .all([first_part(IDS_PER_DAY), first_part(first_of_day(day))], |row| row.get::<i64>(0))?;
    Ok(told_of.into_iter().any(|n| earlier.contains(&(day_of(0) + n))))
}

/// Takes a piece away of the history of a day that [`Days`] found to be over, which it stays, and
/// in the end its tables; to be run until it is done. Where tables go at once, no piece goes before.
#[derive(Debug, Clone, Copy)]
pub struct Forget {
    /// Which day.
    pub day: i64,
    /// Rows of each kind at a time.
    pub limit: i64,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// So many rows went; there are more.
    Some(usize),
    /// Nothing is left of the day.
    All,
    /// It must stay: its events were not all read.
    Kept,
}

impl Operation for Forget {
    type Answer = Forgotten;

    fn rows(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Forgotten> {
        let (day, after) = (self.day, first_of_day(self.day + 1));
        if !work.has_day_of(first_of_day(day)) {
            return Ok(Forgotten::All);
        }
        if !self.is_read(work)? {
            return Ok(Forgotten::Kept);
        }
        // From now on its money cannot be audited.
        work.prepare(LEAVES)?.execute([day])?;
        if !work.drops_at_once() {
            let n = self.piece(work)?;
            if n > 0 {
                return Ok(Forgotten::Some(n));
            }
        }
        let first = MessageId(first_of_day(day)).part(0).0;
        let last = MessageId(after).part(0).0 - 1;
        work.prepare(DOUBTS)?.execute([first, last])?;
        work.prepare(DEAD_LETTERS)?.execute([first_of_day(day), after - 1])?;
        work.drop_day(
            day,
            [
                DROP_REQUESTS,
                DROP_PARTS,
                DROP_CALLBACKS,
                DROP_TEXTS,
                DROP_LINKS,
                DROP_EVENTS,
                DROP_CARRIERS,
                DROP_CHAINS,
            ],
        )?;
        work.prepare(HAS_LEFT)?.execute([day])?;
        if let Some(oldest) = work.oldest_day() {
            work.prepare(OLD_STOPS)?.execute([Instant::of_day(oldest).micros()])?;
        }
        Ok(Forgotten::All)
    }
}

impl Forget {
    /// Takes rows of each kind; how many went.
    fn piece(&self, work: &mut Work<'_>) -> Result<usize> {
        let mut n = 0;
        for statement in [REQUESTS, PARTS, CALLBACKS, TEXTS, LINKS, EVENTS, CARRIERS, CHAINS] {
            n += work.prepare_on(statement, self.day)?.execute([self.limit])?;
        }
        Ok(n)
    }

    /// Whether every event was read by all who do.
    fn is_read(&self, work: &mut Work<'_>) -> Result<bool> {
        let newest: Option<i64> =
            work.prepare_on(NEWEST_EVENT, self.day)?.one((), |row| row.get(0))?;
        let read: Option<i64> = work.prepare(CURSORS)?.first((), |row| row.get(0))?.flatten();
        Ok(is_read(newest, read))
    }
}

/// Whether a day's events, up to the newest, were read by all: by the one who has read least.
fn is_read(newest: Option<i64>, read: Option<i64>) -> bool {
    newest.is_none_or(|newest| read.is_some_and(|read| read >= newest))
}

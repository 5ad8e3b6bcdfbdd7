//! Routes as the store knows them: a number for each name, paused or not, and how they stand.

use std::collections::HashMap;

use pombo_domain::health::Counts;
use pombo_domain::id::RouteId;
use pombo_domain::route::ReceiptId;
use pombo_domain::time::Instant;

use super::intent::unpack;
use super::{Operation, Question, View};
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    NUMBER = "insert into route (name) values ($1) on conflict (name) do update set name = route.name \
        returning id";
    PAUSE = "update route set paused = $1 where name = $2 and paused <> $1";
    KNOWN = "select id from route where name = $1";
    STANDS = "update route set link = $1 where id = $2 and link <> $1";
    LEARN = "update route set receipt_id = $1 where id = $2";
    DROP_HEALTH = "delete from route_health where route = $1";
    NEW_HEALTH = "insert into route_health (route, country, at, answered, taken, answer_ms, ended, \
        delivered, delivery_ms, below) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    HEALTH = "select r.name, h.country, h.at, h.answered, h.taken, h.answer_ms, h.ended, \
        h.delivered, h.delivery_ms, h.below from route_health h join route r on r.id = h.route \
        order by r.name, h.country";
    NAMES = "select id, name from route";
    LIST = "select id, name, paused, link, receipt_id from route order by name";
    QUEUED = "select count(1), cast(coalesce(sum((last - first) / 16 + 1), 0) as bigint) from \
        (select first, last from queue where route = $1 limit 1000000) as queued";
    HELD = "select cast(coalesce(sum((last - first) / 16 + 1), 0) as bigint) from \
        (select first, last from held where route = $1 limit 1000000) as held";
    INTENDED = "select parts from intent where route = $1";
    DOUBTFUL = "select count(1) from uncertain where route = $1 and resolution in (0, 2)";
}

/// Gives each configured route its number; numbers survive restarts.
#[derive(Debug, Clone)]
pub struct Number {
    /// Names, in any order.
    pub names: Vec<String>,
}

impl Operation for Number {
    type Answer = Vec<RouteId>;

    fn run(&self, work: &mut Work<'_>) -> Result<Vec<RouteId>> {
        let mut number = work.prepare(NUMBER)?;
        self.names
            .iter()
            .map(|name| number.one(values![name], |row| row.get(0).map(RouteId)))
            .collect()
    }
}

/// Stops or resumes claiming for a route.
#[derive(Debug, Clone)]
pub struct Pause {
    /// Its name.
    pub name: String,
    /// Stop (`true`) or resume.
    pub paused: bool,
}

impl Operation for Pause {
    /// Whether there is such a route.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        work.prepare(PAUSE)?.execute(values![self.paused, self.name])?;
        Ok(work.prepare(KNOWN)?.first(values![self.name], |_| Ok(()))?.is_some())
    }
}

/// Writes down how a route's links stand, for commands that run beside `serve`.
#[derive(Debug, Clone)]
pub struct Stands {
    /// The route.
    pub route: RouteId,
    /// In words.
    pub link: String,
}

impl Operation for Stands {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        work.prepare(STANDS)?.execute(values![self.link, self.route.0])?;
        Ok(())
    }
}

/// Locks what `receipt_id = "auto"` has learned.
#[derive(Debug, Clone, Copy)]
pub struct Learn {
    /// The route.
    pub route: RouteId,
    /// How its receipts spell ids.
    pub spelling: ReceiptId,
}

impl Operation for Learn {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let stored = match self.spelling {
            ReceiptId::Auto => None,
            ReceiptId::Same => Some(1),
            ReceiptId::HexToDec => Some(2),
            ReceiptId::DecToHex => Some(3),
        };
        work.prepare(LEARN)?.execute(values![stored, self.route.0])?;
        Ok(())
    }
}

/// All routes ever seen.
#[derive(Debug, Clone, Copy)]
pub struct List;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRow {
    /// Its number.
    pub id: RouteId,
    /// Its name.
    pub name: String,
    /// Whether claiming is stopped.
    pub paused: bool,
    /// How its links stood last.
    pub link: String,
    /// What `auto` has learned.
    pub learned: Option<ReceiptId>,
}

impl Question for List {
    type Answer = Vec<RouteRow>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<RouteRow>> {
        view.prepare(LIST)?.all((), |row| {
            let learned: Option<i64> = row.get(4)?;
            Ok(RouteRow {
                id: RouteId(row.get(0)?),
                name: row.get(1)?,
                paused: row.get(2)?,
                link: row.get(3)?,
                learned: match learned {
                    Some(1) => Some(ReceiptId::Same),
                    Some(2) => Some(ReceiptId::HexToDec),
                    Some(3) => Some(ReceiptId::DecToHex),
                    _ => None,
                },
            })
        })
    }
}

/// The name of each number.
pub(crate) fn names(view: &View<'_>) -> Result<HashMap<i64, String>> {
    let names = view.prepare(NAMES)?.all((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(names.into_iter().collect())
}

/// Writes down how a route did lately, for commands that run beside `serve`.
#[derive(Debug, Clone)]
pub struct SetHealth {
    /// The route.
    pub route: RouteId,
    /// Of all together (an empty country), and of countries, with whether it delivers too little.
    pub counts: Vec<(String, Counts, bool)>,
    /// When.
    pub now: Instant,
}

impl Operation for SetHealth {
    type Answer = ();

    fn rows(&self) -> usize {
        self.counts.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        work.prepare(DROP_HEALTH)?.execute([self.route.0])?;
        let mut insert = work.prepare(NEW_HEALTH)?;
        for (country, c, is_below) in &self.counts {
            let n = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            insert.execute(values![
                self.route.0,
                country,
                self.now.micros(),
                n(c.answered),
                n(c.taken),
                n(c.answer_ms),
                n(c.ended),
                n(c.delivered),
                n(c.delivery_ms),
                is_below,
            ])?;
        }
        Ok(())
    }
}

/// How the routes did when it was last written down.
#[derive(Debug, Clone, Copy)]
pub struct Health;

/// Of one route, in all or to one country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthRow {
    /// The route's name.
    pub route: String,
    /// ISO 3166; empty: all together.
    pub country: String,
    /// When it was written down.
    pub at: Instant,
    /// What happened in the minutes before.
    pub counts: Counts,
    /// Whether it delivers less than it must, and is left out of the choice.
    pub is_below: bool,
}

impl Question for Health {
    type Answer = Vec<HealthRow>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<HealthRow>> {
        view.prepare(HEALTH)?.all((), |row| {
            let n = |idx| row.get::<i64>(idx).map(|n| u64::try_from(n).unwrap_or(0));
            Ok(HealthRow {
                route: row.get(0)?,
                country: row.get(1)?,
                at: Instant::from_micros(row.get(2)?),
                counts: Counts {
                    answered: n(3)?,
                    taken: n(4)?,
                    answer_ms: n(5)?,
                    ended: n(6)?,
                    delivered: n(7)?,
                    delivery_ms: n(8)?,
                },
                is_below: row.get(9)?,
            })
        })
    }
}

/// How much waits on a route.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The route.
    pub route: RouteId,
}

/// The answer to [`Load`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouteLoad {
    /// Messages in its queues and held for it, counting at most a million entries of each.
    pub queued: u64,
    /// Parts on their way.
    pub in_flight: u64,
    /// Parts in doubt.
    pub uncertain: u64,
}

impl Question for Load {
    type Answer = RouteLoad;

    fn answer(self, view: &mut View<'_>) -> Result<RouteLoad> {
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let queued: i64 = view.prepare(QUEUED)?.one([self.route.0], |row| row.get(1))?;
        let held: i64 = view.prepare(HELD)?.one([self.route.0], |row| row.get(0))?;
        let intended: Vec<Vec<u8>> =
            view.prepare(INTENDED)?.all([self.route.0], |row| row.get(0))?;
        let in_flight = intended.iter().map(|parts| unpack(parts).len() as u64).sum();
        let uncertain: i64 = view.prepare(DOUBTFUL)?.one([self.route.0], |row| row.get(0))?;
        Ok(RouteLoad { queued: count(queued + held), in_flight, uncertain: count(uncertain) })
    }
}

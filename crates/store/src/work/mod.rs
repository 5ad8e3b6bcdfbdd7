//! What a command works with: the open transaction, and the writer's memory beside it.

mod day;
mod ids;
mod known;
mod lately;
pub(crate) mod money;
mod requests;
pub(crate) mod totals;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pombo_domain::campaign::Stop;
use pombo_domain::id::{CampaignId, MessageId, PartId, RouteId, SendingId};
use pombo_domain::time::Instant;

pub(crate) use day::Days;
pub(crate) use ids::{IDS_PER_DAY, day_of, first_at, first_of_day, time_of};
pub(crate) use known::Holders;
use known::Known;
pub(crate) use lately::{Fresh, Lately};
pub(crate) use money::{LedgerKind, MoneyBook, Today};
use totals::TotalsBook;

use crate::error::Result;
use crate::operation::callback::Event;
use crate::operation::queue::Queued;
use crate::operation::request::Request;
use crate::outlet::Leaving;
use crate::sql::{Database, Prepared, Row};
use crate::sqlite::Lending;
use crate::statement::{Statement, statements};
use ids::Ids;

/// Receipts that wait for their answer, sendings that send nothing, and the last message whose parts
/// are written ahead of its request.
macro_rules! set_apart {
    () => {
        "select cast(0 as bigint), route, hash from unmatched \
         union all select cast(1 as bigint), sending, state from stopped \
         union all select cast(2 as bigint), max(last) >> 4, 0 from staging"
    };
}

/// The last message, and the last event.
macro_rules! last_ids {
    () => {
        "(select max(id + messages - 1) from request_{day} \
         where id = (select max(id) from request_{day})), (select max(id) from event_{day})"
    };
}

statements! {
    SET_APART = set_apart!();
    LAST_IDS = concat!("select cast(3 as bigint), ", last_ids!());
    /// Both, and the parts that were changed since an event.
    NEWS = concat!(
        set_apart!(), " union all select cast(3 as bigint), ", last_ids!(),
        " union all select kind, part, id from (select cast(4 as bigint) as kind, part, id \
         from event_{day} where id > $1 limit $2) as changed"
    );
    CAMPAIGNS = "update sequence set next = next + $1 where name = 'campaign' returning next";
}

/// Events that others have written since, from which on all parts are forgotten.
const CHANGED_MAX: i64 = 2_000;
/// Campaign numbers set aside at a time.
const CAMPAIGNS_AT_ONCE: i64 = 10_000;

/// The writer's memory between transactions. All of it can be found again in the tables.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// The node whose memory it is; 0 where only one can serve, or none does.
    node: i64,
    days: Days,
    messages: Ids,
    events: Ids,
    /// The newest event that is known to be in the tables, as far as the transactions before tell,
    /// and the newest that was written since: numbers are spent on some that are not.
    seen: i64,
    written: i64,
    money: MoneyBook,
    totals: TotalsBook,
    /// The sendings that send nothing; few at a time.
    stopped: HashMap<SendingId, Stop>,
    /// What is committed, which the readers look at too, and what the open transaction adds.
    lately: Arc<Lately>,
    fresh: Fresh,
    known: Known,
    /// Route and key of receipts that wait for their answer; empty nearly always.
    early: HashSet<(RouteId, i64)>,
    campaigns: std::ops::Range<i64>,
    /// Changes when another process has committed.
    turn: i64,
    /// How often the server was called again before this was read.
    n_calls: i64,
    /// Whether the last attempt to read everything anew failed.
    stale: bool,
}

impl Shelf {
    pub(crate) fn load(database: Database<'_>, node: i64, lately: Arc<Lately>) -> Result<Self> {
        let mut shelf = Self {
            node,
            days: Days::default(),
            messages: Ids::after(0),
            events: Ids::after(0),
            seen: 0,
            written: 0,
            money: MoneyBook::default(),
            totals: TotalsBook::default(),
            stopped: HashMap::new(),
            lately,
            fresh: Fresh::default(),
            known: Known::new(),
            early: HashSet::new(),
            campaigns: 0..0,
            turn: database.turn()?,
            n_calls: database.n_calls(),
            stale: true,
        };
        shelf.reset(database)?;
        Ok(shelf)
    }

    pub(crate) const fn last_event(&self) -> i64 {
        self.events.last()
    }

    /// At the start of a transaction: notices what another process committed meanwhile.
    pub(crate) fn begin(&mut self, database: Database<'_>) -> Result<()> {
        let turn = database.turn()?;
        if std::mem::replace(&mut self.n_calls, database.n_calls()) != database.n_calls() {
            self.forget();
        }
        // It is committed, or this transaction will not be: of a rollback nothing is left here.
        self.seen = self.seen.max(std::mem::take(&mut self.written));
        if self.stale || turn != self.turn {
            // Numbers set aside are this process's, whatever others commit.
            let campaigns = if self.stale { 0..0 } else { self.campaigns.clone() };
            self.reset(database)?;
            self.campaigns = campaigns;
            self.turn = turn;
        }
        Ok(())
    }

    /// Reads anew what may be another: at the start and after a rollback everything, after another
    /// process's commit what that may have changed.
    pub(crate) fn reset(&mut self, database: Database<'_>) -> Result<()> {
        let was_stale = std::mem::replace(&mut self.stale, true);
        if was_stale {
            self.forget();
            self.days.reload(database)?;
        } else if self.days.follow(database)? {
            self.forget();
        } else {
            self.forget_but_requests_and_parts();
        }
        // Ids rise with the days: where the newest has both kinds, an older one has none beyond.
        let newest: Vec<i64> = self.days.newest_first(i64::MIN).take(2).collect();
        let mut rows = match newest.first() {
            Some(day) => {
                let since = if was_stale { i64::MAX } else { self.seen };
                self.days.prepare(database, NEWS, *day)?.all([since, CHANGED_MAX], news_row)?
            }
            None => database.prepare(SET_APART.sql)?.all((), news_row)?,
        };
        let has_both = |row: &News| row.0 == 3 && row.1.is_some() && row.2.is_some();
        if let Some(day) = newest.get(1)
            && !rows.iter().any(has_both)
        {
            rows.push(self.days.prepare(database, LAST_IDS, *day)?.one((), news_row)?);
        }
        let before = std::mem::take(&mut self.seen);
        let mut n_changed = 0;
        for (kind, whose, what) in rows {
            let (some, number) = (whose.unwrap_or(0), what.unwrap_or(0));
            match (kind, Stop::from_stored(number)) {
                (0, _) => drop(self.early.insert((RouteId(some), number))),
                (1, Some(stop)) => drop(self.stopped.insert(SendingId(some), stop)),
                (2, _) => self.messages.raise(some),
                (3, _) => {
                    self.messages.raise(some);
                    self.events.raise(number);
                    self.seen = self.seen.max(number);
                }
                (4, _) => {
                    n_changed += 1;
                    self.known.forget_part(PartId(some));
                }
                _ => {}
            }
        }
        // Some may have been changed on a day before, or more than were read.
        if n_changed == CHANGED_MAX || newest.first().is_none_or(|day| *day != day_of(before)) {
            self.known.clear();
        }
        // Where the newest two days have no event, all that there are lie before them.
        if let Some(day) = newest.get(1).filter(|_| self.seen == 0) {
            self.seen = first_of_day(*day);
            self.events.raise(self.seen);
        }
        self.fresh.events.clear();
        self.lately.log.begin(self.seen);
        self.stale = false;
        Ok(())
    }

    fn forget_requests(&mut self) {
        self.fresh.requests = Default::default();
        self.lately.requests.clear();
    }

    /// What the transaction has written, once that is told to end.
    pub(crate) fn take_fresh(&mut self) -> Fresh {
        std::mem::take(&mut self.fresh)
    }

    /// Requests stay as they were accepted, and no part changes without an event.
    fn forget_but_requests_and_parts(&mut self) {
        self.money.clear();
        self.totals.clear();
        self.stopped.clear();
        self.early.clear();
        self.known.clear_but_parts();
    }

    /// Forgets all that can be read again, so that nothing of a rolled back transaction is left
    /// even where reading it again fails.
    pub(crate) fn forget(&mut self) {
        self.stale = true;
        self.written = 0;
        self.forget_but_requests_and_parts();
        self.forget_requests();
        self.known.clear();
        self.campaigns = 0..0;
    }
}

/// A kind, and two numbers.
type News = (i64, Option<i64>, Option<i64>);

fn news_row(row: &Row<'_>) -> Result<News> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// An open transaction.
pub struct Work<'c> {
    database: Database<'c>,
    /// What it has prepared.
    lending: Lending<'c>,
    shelf: &'c mut Shelf,
    /// The latest time any command told: stamps what is written at the end.
    at: Instant,
    /// The numbers that it has given out.
    n_numbers: u16,
    /// What the command that runs has put into queues.
    queued: Vec<Queued>,
    leaving: &'c mut Leaving,
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'c> Work<'c> {
    pub(crate) fn new(
        database: Database<'c>,
        shelf: &'c mut Shelf,
        leaving: &'c mut Leaving,
    ) -> Self {
        let lending = Lending::default();
        Self {
            database,
            lending,
            shelf,
            at: Instant::from_micros(0),
            n_numbers: 0,
            queued: Vec::new(),
            leaving,
        }
    }

    /// The connection, for what is no statement of its own.
    pub(crate) const fn database(&self) -> Database<'c> {
        self.database
    }

    /// The node that writes.
    pub(crate) const fn node(&self) -> i64 {
        self.shelf.node
    }

    /// Every command says what time it is.
    pub(crate) fn now_is(&mut self, now: Instant) {
        self.at = self.at.max(now);
    }

    /// Whether each look at the tables is a way to a server and back.
    pub(crate) const fn is_far(&self) -> bool {
        self.database.is_far()
    }

    /// Whether a day's tables go at once, however large they are.
    pub(crate) const fn drops_at_once(&self) -> bool {
        self.database.drops_at_once()
    }

    /// A number that no other transaction gives out, where the database counts them; those that it
    /// draws by itself stay far below.
    pub(crate) fn new_number(&mut self) -> Option<i64> {
        let transaction = self.database.transaction()?;
        // What is lost with a server gives its transactions' numbers back, while some of the nodes
        // may still hold what was numbered by them.
        let by_whom = ((self.node() & 0xff) << 4) | (self.database.n_calls() & 0xf);
        self.n_numbers = self.n_numbers.checked_add(1).filter(|n| *n < 1 << 11)?;
        Some((transaction << 23) | (by_whom << 11) | i64::from(self.n_numbers))
    }

    /// Rows that need not be looked up.
    pub(crate) const fn known(&mut self) -> &mut Known {
        &mut self.shelf.known
    }

    /// Rows for queues that are not written yet.
    pub(crate) const fn queued(&mut self) -> &mut Vec<Queued> {
        &mut self.queued
    }

    /// What it has for the routes' outlets.
    pub(crate) const fn leaving(&mut self) -> &mut Leaving {
        self.leaving
    }

    /// Writes what was gathered: the last thing before the commit.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.shelf.totals.flush(self.database)?;
        self.shelf.money.flush(self.database, self.at.micros())
    }

    pub(crate) fn prepare(&self, statement: Statement) -> Result<Prepared<'c>> {
        let name = (statement.place(), None);
        self.database.prepare_often(&self.lending, name, || statement.sql)
    }

    /// A statement on the tables of the day that holds `id`.
    pub(crate) fn prepare_for(&mut self, statement: Statement, id: i64) -> Result<Prepared<'c>> {
        self.prepare_on(statement, ids::day_of(id))
    }

    /// A statement on the tables of `day`.
    pub(crate) fn prepare_on(&mut self, statement: Statement, day: i64) -> Result<Prepared<'c>> {
        let name = (statement.place(), Some(day));
        let days = &mut self.shelf.days;
        self.database.prepare_often(&self.lending, name, || days.text(statement, day))
    }

    pub(crate) fn money(&mut self) -> (&mut MoneyBook, Database<'c>) {
        (&mut self.shelf.money, self.database)
    }

    /// The totals that this transaction changes.
    pub(crate) fn totals(&mut self) -> &mut TotalsBook {
        &mut self.shelf.totals
    }

    /// The sendings that send nothing; whoever changes them writes the table too.
    pub(crate) fn stopped(&mut self) -> &mut HashMap<SendingId, Stop> {
        &mut self.shelf.stopped
    }

    /// A block of message ids whose day has its tables.
    pub(crate) fn new_messages(&mut self, n: usize, now: Instant) -> Result<i64> {
        let first = self.shelf.messages.block(n, now);
        self.shelf.days.ensure(self.database, ids::day_of(first))?;
        Ok(first)
    }

    /// Whether a message or an event has the number of a later time than this.
    pub(crate) fn has_written_after(&self, at: Instant) -> bool {
        self.shelf.messages.last().max(self.shelf.events.last()) >= first_at(at)
    }

    /// The newest event of the log.
    pub(crate) const fn last_event(&self) -> i64 {
        self.shelf.last_event()
    }

    /// An event id whose day has its tables.
    pub(crate) fn new_event(&mut self, now: Instant) -> Result<i64> {
        // Days go as a whole: no event goes before a message that it may tell of, whose number is of a
        // later day where the clock was set back since.
        let day = ids::day_of(self.shelf.messages.last());
        self.shelf.events.raise(first_of_day(day) - 1);
        let id = self.shelf.events.block(1, now);
        self.shelf.days.ensure(self.database, ids::day_of(id))?;
        Ok(id)
    }

    /// Tells that an event is written.
    pub(crate) fn event_is_written(&mut self, event: Event) {
        self.shelf.written = event.id;
        self.shelf.fresh.events.push(event);
    }

    /// Makes sure that a day has its tables.
    pub(crate) fn ensure_day(&mut self, day: i64) -> Result<()> {
        self.shelf.days.ensure(self.database, day)
    }

    /// Whether a day has tables.
    pub(crate) fn has_day(&self, day: i64) -> bool {
        self.shelf.days.has(day)
    }

    /// The oldest day that has tables.
    pub(crate) fn oldest_day(&self) -> Option<i64> {
        self.shelf.days.oldest()
    }

    /// A number for a campaign; the one after it is its sending's.
    pub(crate) fn new_campaign(&mut self) -> Result<CampaignId> {
        if self.shelf.campaigns.is_empty() {
            let end: i64 =
                self.database.prepare(CAMPAIGNS.sql)?.one([CAMPAIGNS_AT_ONCE], |row| row.get(0))?;
            self.shelf.campaigns = end - CAMPAIGNS_AT_ONCE..end;
        }
        let next = self.shelf.campaigns.next().unwrap_or_default();
        self.shelf.campaigns.next();
        Ok(CampaignId(next))
    }

    /// Whether the day that holds `id` has tables.
    pub(crate) fn has_day_of(&self, id: i64) -> bool {
        self.shelf.days.has(ids::day_of(id))
    }

    /// The days with tables, newest first, from `oldest` on.
    pub(crate) fn days_since(&self, oldest: i64) -> Vec<i64> {
        self.shelf.days.newest_first(oldest).collect()
    }

    /// Takes a day's tables away.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::error::Error::Unavailable) where somebody else uses them.
    pub(crate) fn drop_day<const N: usize>(
        &mut self,
        day: i64,
        statements: [Statement; N],
    ) -> Result<()> {
        self.lending.forget();
        self.database.forget_statements();
        self.database.waits_a_moment()?;
        for statement in statements {
            let sql = statement.sql.replace("{day}", &day.to_string());
            self.database.batch(&sql)?;
        }
        self.database.tables_changed()?;
        self.shelf.known.clear();
        self.shelf.forget_requests();
        self.shelf.lately.log.begin(self.shelf.seen);
        self.shelf.days.reload(self.database)
    }

    /// Keeps a request at hand.
    pub(crate) fn remember(&mut self, request: Arc<Request>) {
        self.shelf.fresh.requests.add(request);
    }

    /// The request of a message, where it is at hand.
    pub(crate) fn remembered(&self, message: MessageId) -> Option<Arc<Request>> {
        let Shelf { lately, fresh, .. } = &self.shelf;
        fresh.requests.of_message(message).or_else(|| lately.requests.of_message(message))
    }

    /// The receipts that wait for their answer.
    pub(crate) fn early(&mut self) -> &mut HashSet<(RouteId, i64)> {
        &mut self.shelf.early
    }
}

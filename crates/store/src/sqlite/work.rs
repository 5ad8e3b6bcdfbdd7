//! What a command works with: the open transaction, and the writer's memory beside it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use pombo_domain::id::{CampaignId, RouteId};
use pombo_domain::time::Instant;
use rusqlite::{CachedStatement, Connection};

use super::day::Days;
use super::ids::{self, Ids};
use super::money::MoneyBook;
use crate::operation::request::Request;
use crate::statement::Statement;

/// Requests kept in memory, so that what was just accepted need not be read back.
const REQUESTS_KEPT: usize = 4_096;
/// Campaign numbers set aside at a time.
const CAMPAIGNS_AT_ONCE: i64 = 10_000;

/// The writer's memory between transactions. All of it can be found again in the tables.
#[derive(Debug)]
pub(crate) struct Shelf {
    days: Days,
    messages: Ids,
    events: Ids,
    money: MoneyBook,
    requests: HashMap<i64, Arc<Request>>,
    /// Route and key of receipts that wait for their answer; empty nearly always.
    early: HashSet<(RouteId, i64)>,
    campaigns: std::ops::Range<i64>,
    data_version: i64,
    /// Whether the last attempt to read everything anew failed.
    stale: bool,
    log_pages: Arc<AtomicI64>,
}

impl Shelf {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut shelf = Self {
            days: Days::default(),
            messages: Ids::after(0),
            events: Ids::after(0),
            money: MoneyBook::default(),
            requests: HashMap::new(),
            early: HashSet::new(),
            campaigns: 0..0,
            data_version: data_version(connection)?,
            stale: true,
            log_pages: Arc::default(),
        };
        shelf.reset(connection)?;
        Ok(shelf)
    }

    /// Has the connection tell how long its log is after each commit.
    pub(crate) fn watch_log(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let log_pages = Arc::clone(&self.log_pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            log_pages.store(i64::from(pages), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Pages in the write-ahead log after the last commit.
    pub(crate) fn log_pages(&self) -> i64 {
        self.log_pages.load(Ordering::Relaxed)
    }

    pub(crate) const fn last_event(&self) -> i64 {
        self.events.last()
    }

    /// At the start of a transaction: notices what another process committed meanwhile.
    pub(crate) fn begin(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let version = data_version(connection)?;
        if self.stale || version != self.data_version {
            // Numbers set aside are this process's, whatever others commit.
            let campaigns = if self.stale { 0..0 } else { self.campaigns.clone() };
            self.reset(connection)?;
            self.campaigns = campaigns;
            self.data_version = version;
        }
        Ok(())
    }

    /// Reads everything anew: at the start, after a rollback, after another process's commit.
    pub(crate) fn reset(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        // Forget first: should reading fail, nothing of a rolled back transaction may be left.
        self.stale = true;
        self.money.clear();
        self.requests.clear();
        self.campaigns = 0..0;
        self.early.clear();
        self.days.reload(connection)?;
        self.days.forget_old_texts();
        let mut early = connection.prepare_cached("select route, hash from unmatched")?;
        for row in early.query_map([], |row| Ok((RouteId(row.get(0)?), row.get(1)?)))? {
            self.early.insert(row?);
        }
        let newest: Vec<i64> = self.days.newest_first(i64::MIN).take(2).collect();
        for day in newest {
            let sql = "select max(id + messages - 1) from request_{day} \
                       where id = (select max(id) from request_{day})";
            let sql = sql.replace("{day}", &day.to_string());
            let last: Option<i64> = connection.query_row(&sql, [], |row| row.get(0))?;
            self.messages.raise(last.unwrap_or(0));
            let sql = format!("select max(id) from event_{day}");
            let last: Option<i64> = connection.query_row(&sql, [], |row| row.get(0))?;
            self.events.raise(last.unwrap_or(0));
        }
        let staged: Option<i64> =
            connection.query_row("select max(last) >> 4 from staging", [], |row| row.get(0))?;
        self.messages.raise(staged.unwrap_or(0));
        self.stale = false;
        Ok(())
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))
}

/// An open transaction.
pub struct Work<'c> {
    /// For statements that name no day.
    pub(crate) connection: &'c Connection,
    /// The balances of this transaction.
    pub(crate) shelf: &'c mut Shelf,
    /// The latest time any command told: stamps what is written at the end.
    at: Instant,
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'c> Work<'c> {
    pub(crate) fn new(connection: &'c Connection, shelf: &'c mut Shelf) -> Self {
        Self { connection, shelf, at: Instant::from_micros(0) }
    }

    /// Every command says what time it is.
    pub(crate) fn now_is(&mut self, now: Instant) {
        self.at = self.at.max(now);
    }

    /// Writes what was gathered: the last thing before the commit.
    pub(crate) fn finish(&mut self) -> rusqlite::Result<()> {
        self.shelf.money.flush(self.connection, self.at.micros())
    }

    pub(crate) fn prepare(&self, statement: Statement) -> rusqlite::Result<CachedStatement<'c>> {
        self.connection.prepare_cached(statement.sql)
    }

    /// A statement on the tables of the day that holds `id`.
    pub(crate) fn prepare_for(
        &mut self,
        statement: Statement,
        id: i64,
    ) -> rusqlite::Result<CachedStatement<'c>> {
        self.shelf.days.prepare(self.connection, statement, ids::day_of(id))
    }

    /// A statement on the tables of `day`.
    pub(crate) fn prepare_on(
        &mut self,
        statement: Statement,
        day: i64,
    ) -> rusqlite::Result<CachedStatement<'c>> {
        self.shelf.days.prepare(self.connection, statement, day)
    }

    pub(crate) fn money(&mut self) -> (&mut MoneyBook, &'c Connection) {
        (&mut self.shelf.money, self.connection)
    }

    /// A block of message ids whose day has its tables.
    pub(crate) fn new_messages(&mut self, n: usize, now: Instant) -> rusqlite::Result<i64> {
        let first = self.shelf.messages.block(n, now);
        self.shelf.days.ensure(self.connection, ids::day_of(first))?;
        Ok(first)
    }

    /// An event id whose day has its tables.
    pub(crate) fn new_event(&mut self, now: Instant) -> rusqlite::Result<i64> {
        let id = self.shelf.events.block(1, now);
        self.shelf.days.ensure(self.connection, ids::day_of(id))?;
        Ok(id)
    }

    /// A number for a campaign or a sending.
    pub(crate) fn new_campaign(&mut self) -> rusqlite::Result<CampaignId> {
        if self.shelf.campaigns.is_empty() {
            let end: i64 = self
                .connection
                .prepare_cached(
                    "update sequence set next = next + $1 where name = 'campaign' returning next",
                )?
                .query_row([CAMPAIGNS_AT_ONCE], |row| row.get(0))?;
            self.shelf.campaigns = end - CAMPAIGNS_AT_ONCE..end;
        }
        let next = self.shelf.campaigns.next().unwrap_or_default();
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
    pub(crate) fn drop_day<const N: usize>(
        &mut self,
        day: i64,
        statements: [Statement; N],
    ) -> rusqlite::Result<()> {
        // A statement that is still prepared would hold its table.
        self.connection.flush_prepared_statement_cache();
        for statement in statements {
            let sql = statement.sql.replace("{day}", &day.to_string());
            self.connection.execute_batch(&sql)?;
        }
        self.shelf.days.reload(self.connection)
    }

    /// Keeps a request at hand.
    pub(crate) fn remember(&mut self, request: Arc<Request>) {
        if self.shelf.requests.len() >= REQUESTS_KEPT {
            self.shelf.requests.clear();
        }
        self.shelf.requests.insert(request.id.0, request);
    }

    pub(crate) fn remembered(&self, id: i64) -> Option<Arc<Request>> {
        self.shelf.requests.get(&id).cloned()
    }

    /// The receipts that wait for their answer.
    pub(crate) fn early(&mut self) -> &mut HashSet<(RouteId, i64)> {
        &mut self.shelf.early
    }
}

//! The commands and questions, by what they are about, in the order of a message's life.

pub mod accept;
pub mod account;
pub mod audit;
pub mod callback;
pub mod callback_due;
pub mod campaign;
pub mod cdr;
pub mod certificate;
pub mod claim;
pub mod copy;
pub mod divert;
pub mod expire;
pub mod failover;
pub(crate) mod history;
pub mod hurry;
pub mod inbound;
pub(crate) mod intent;
pub(crate) mod key;
pub(crate) mod leave;
pub mod link;
pub mod node;
pub mod notification;
mod opening;
pub mod opt_out;
pub mod opt_out_word;
pub mod otp;
pub(crate) mod part;
pub mod price;
pub mod queue;
pub mod receipt;
mod recipient;
pub mod recover;
pub mod request;
pub mod retention;
pub mod route;
pub mod schedule;
pub mod sender;
pub mod settle;
pub mod stage;
pub mod status;
pub mod sweep;
pub mod text;
pub mod uncertain;
pub mod unmatched;

use std::collections::BTreeSet;

use pombo_domain::id::{AccountId, EventId};

use crate::error::Result;
use crate::sql::{Database, Prepared};
use crate::statement::Statement;
use crate::work::{Days, Lately, Work, day_of};

/// A command: decides, then writes. It may be run again after a rollback, so it keeps no state of
/// its own, and what it writes depends only on its value and the tables.
pub trait Operation: Send + 'static {
    /// What the caller learns once it is durable.
    type Answer: Send + 'static;

    /// Whether it may look at the queues: then what was accepted before it in the same transaction stands
    /// there, and does not leave at once.
    #[doc(hidden)]
    const LOOKS_AT_QUEUES: bool = true;

    /// Rows it writes, roughly: the measure of groups and of overload.
    fn rows(&self) -> usize {
        1
    }

    /// Tells what it will look at.
    #[doc(hidden)]
    fn foresee(&self, _foreseen: &mut Foreseen) {}

    /// Runs inside the writer's transaction.
    #[doc(hidden)]
    fn run(&self, work: &mut Work<'_>) -> Result<Self::Answer>;
}

/// What the commands of a transaction will look at.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Foreseen {
    /// The accounts whose standing it is.
    pub(crate) accounts: BTreeSet<AccountId>,
    /// The callers' keys.
    pub(crate) keys: Vec<(AccountId, String)>,
}

/// Reads what commands will look at, where looking at each takes long.
pub(crate) fn read_ahead(work: &mut Work<'_>, foreseen: &Foreseen) -> Result<()> {
    let (money, database) = work.money();
    money.read_ahead(database, &foreseen.accounts)?;
    key::read_ahead(work, &foreseen.keys)
}

/// A question to the committed state; short, because a reader holds back the log while it lasts.
pub trait Question: Send + 'static {
    /// What is answered.
    type Answer: Send + 'static;

    /// Runs on a reader's connection.
    #[doc(hidden)]
    fn answer(self, view: &mut View<'_>) -> Result<Self::Answer>;
}

/// What a question sees.
#[derive(Debug)]
pub struct View<'c> {
    pub(crate) database: Database<'c>,
    pub(crate) days: &'c mut Days,
    /// Whether the list of days is this question's: it sees one snapshot.
    pub(crate) looked: bool,
    /// What was committed lately; of the log no more than the snapshot shows.
    pub(crate) lately: &'c Lately,
    pub(crate) log_to: EventId,
}

impl<'c> View<'c> {
    pub(crate) fn prepare(&self, statement: Statement) -> Result<Prepared<'c>> {
        self.database.prepare(statement.sql)
    }

    /// A statement on the tables of the day that holds `id`; `None` when there was no such day.
    pub(crate) fn prepare_for(
        &mut self,
        statement: Statement,
        id: i64,
    ) -> Result<Option<Prepared<'c>>> {
        let (database, day) = (self.database, day_of(id));
        let days = self.days()?;
        if !days.has(day) {
            return Ok(None);
        }
        days.prepare(database, statement, day).map(Some)
    }

    /// The days with tables, oldest first, from `oldest` on.
    pub(crate) fn days_since(&mut self, oldest: i64) -> Result<Vec<i64>> {
        let mut days: Vec<i64> = self.days()?.newest_first(oldest).collect();
        days.reverse();
        Ok(days)
    }

    /// Whether each look at the tables is a way to a server and back.
    pub(crate) const fn is_far(&self) -> bool {
        self.database.is_far()
    }

    pub(crate) fn prepare_on(&mut self, statement: Statement, day: i64) -> Result<Prepared<'c>> {
        self.days.prepare(self.database, statement, day)
    }

    fn days(&mut self) -> Result<&mut Days> {
        if !std::mem::replace(&mut self.looked, true) {
            self.days.follow(self.database)?;
        }
        Ok(self.days)
    }
}

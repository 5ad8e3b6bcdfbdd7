//! The only part that knows SQL: durable operations, group-committed, on one of two engines.
//!
//! A store operation is one command value (in `operation/`, by what it is about). It is run by the
//! writer, together with whatever else waits, in one transaction; its answer is given only after
//! the commit is on disk. No transaction leaves this crate.

mod carrier_id;
mod error;
mod migration;
pub mod operation;
mod postgres;
mod reader;
mod sql;
mod sqlite;
mod statement;
mod work;
mod writer;

use std::path::PathBuf;

pub use error::{Error, OpenError};
use operation::{Operation, Question};
#[doc(hidden)]
pub use work::Work;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Refuse to open while another `serve` has it; commands that work beside one say `false`.
    pub exclusive: bool,
    /// Make the store where there is none; what only reads says `false`.
    pub create: bool,
    /// Threads that answer questions.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { exclusive: true, create: true, readers: 2 }
    }
}

/// Bytes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// That may still be written.
    pub free: u64,
    /// In all.
    pub total: u64,
}

impl Room {
    /// Kept beside what is owed: a tenth of the disk, and no more than 64 MiB.
    const RESERVE_MAX: u64 = 64 << 20;
    /// What the outcomes of one part may take, in the file and in its log (measured: 250 to 450).
    const PER_PART: u64 = 640;

    /// Whether nothing new should be accepted while `n_owed` parts wait for their outcomes.
    #[must_use]
    pub fn is_short(self, n_owed: u64) -> bool {
        let reserve = Self::RESERVE_MAX.min(self.total / 10);
        self.free < reserve.saturating_add(n_owed.saturating_mul(Self::PER_PART))
    }
}

/// A handle to the store; cheap to clone.
#[derive(Debug, Clone)]
pub enum Store {
    /// The embedded engine: one file, one writer thread, a few readers.
    Sqlite(sqlite::Sqlite),
    /// The engine beyond one machine.
    Postgres(postgres::Postgres),
}

impl Store {
    /// Opens the store that `url` names (`sqlite:PATH` or `postgres://…`), and brings its schema up to date.
    /// Blocks; call it before the runtime starts or on a thread of its own.
    pub fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                sqlite::Sqlite::open(&PathBuf::from(path), options).map(Self::Sqlite)
            }
            Some(("postgres" | "postgresql", _)) => {
                postgres::Postgres::open(url, options).map(Self::Postgres)
            }
            _ => Err(OpenError::Url(url.to_owned())),
        }
    }

    /// Runs a command and waits until it is durable.
    pub async fn run<O: Operation>(&self, operation: O) -> Result<O::Answer, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.run(operation).await,
            Self::Postgres(postgres) => postgres.run(operation).await,
        }
    }

    /// Like [`Store::run`], for threads without a runtime: the command line.
    pub fn run_blocking<O: Operation>(&self, operation: O) -> Result<O::Answer, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.run_blocking(operation),
            Self::Postgres(postgres) => postgres.run_blocking(operation),
        }
    }

    /// Answers a question from what is committed.
    pub async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ask(question).await,
            Self::Postgres(postgres) => postgres.ask(question).await,
        }
    }

    /// Like [`Store::ask`], for threads without a runtime.
    pub fn ask_blocking<Q: Question>(&self, question: Q) -> Result<Q::Answer, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ask_blocking(question),
            Self::Postgres(postgres) => postgres.ask_blocking(question),
        }
    }

    /// Counts commits made by anyone, this process or another; a change means that something
    /// may be new. Cheap enough to look at twice a second.
    pub async fn version(&self) -> Result<i64, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.version(),
            Self::Postgres(postgres) => postgres.version().await,
        }
    }

    /// How many rows' worth of commands wait for the writer: the measure of overload.
    #[must_use]
    pub fn backlog(&self) -> usize {
        match self {
            Self::Sqlite(sqlite) => sqlite.backlog(),
            Self::Postgres(postgres) => postgres.backlog(),
        }
    }

    /// A bell that rings when the event log has grown.
    #[must_use]
    pub fn events(&self) -> tokio::sync::watch::Receiver<i64> {
        match self {
            Self::Sqlite(sqlite) => sqlite.events(),
            Self::Postgres(postgres) => postgres.events(),
        }
    }

    /// The room on the disk that holds the store; `None` where it is not for us to know.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        match self {
            Self::Sqlite(sqlite) => sqlite.room(),
            Self::Postgres(_) => None,
        }
    }

    /// Whether a `serve` has the store open.
    #[must_use]
    pub fn is_served(&self) -> bool {
        match self {
            Self::Sqlite(sqlite) => sqlite.is_served(),
            Self::Postgres(postgres) => postgres.is_served(),
        }
    }

    /// Copies a live store to a new file, page by page, while others write.
    /// `progress` is told the pages done and the pages in all.
    pub fn backup(
        &self,
        to: &std::path::Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.backup(to, progress),
            Self::Postgres(_) => Err(Error::Refused(
                "this store is a PostgreSQL database; back it up with pg_dump".into(),
            )),
        }
    }

    /// Finishes what waits and closes the files.
    pub fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close(),
            Self::Postgres(postgres) => postgres.close(),
        }
    }
}

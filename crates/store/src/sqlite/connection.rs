//! What one connection does for the writer, and for a reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;

use super::checkpoint::{self, Checkpointer};
use super::turn::Turn;
use crate::Room;
use crate::error::{Error, Result};
use crate::reader::Snapshots;
use crate::sql::Database;
use crate::writer::{Engine, NotCommitted};

/// The writer's.
pub(super) struct Writing {
    connection: Connection,
    turn: Turn,
    checkpointer: Checkpointer,
    /// Pages in the write-ahead log after the last commit.
    log_pages: Arc<AtomicI64>,
}

impl Writing {
    pub(super) fn new(
        mut connection: Connection,
        checkpoints: Connection,
        (turn, disk): (Turn, Option<Room>),
    ) -> Result<Self> {
        let log_pages = Arc::new(AtomicI64::new(0));
        let seen = Arc::clone(&log_pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            seen.store(i64::from(pages), Ordering::Relaxed);
            Ok(())
        }))?;
        let checkpointer = Checkpointer::start(checkpoints, disk);
        Ok(Self { connection, turn, checkpointer, log_pages })
    }
}

impl Engine for Writing {
    fn database(&self) -> Database<'_> {
        Database::Sqlite(&self.connection)
    }

    fn begin(&mut self) -> Result<()> {
        let _waiting = self.turn.ask();
        self.connection.prepare_cached("begin immediate")?.execute([])?;
        Ok(())
    }

    fn commit(
        &mut self,
        _: &mut dyn FnMut(&Error) -> bool,
    ) -> std::result::Result<(), NotCommitted> {
        let done = self.connection.prepare_cached("commit").and_then(|mut c| c.execute([]));
        done.map(drop).map_err(|error| NotCommitted::Undone(error.into()))
    }

    fn roll_back(&mut self) {
        // It may have been rolled back already (disk full): then there is nothing to do.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("rollback")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
    }

    /// Keeps the write-ahead log short.
    fn tend(&mut self) {
        if self.checkpointer.log_has(self.log_pages.load(Ordering::Relaxed))
            && let Err(error) = checkpoint::run(&self.connection)
        {
            tracing::warn!(%error, "a checkpoint failed; the log grows until one succeeds");
        }
    }

    fn close(&mut self) {
        if let Err(error) = checkpoint::run(&self.connection) {
            tracing::warn!(%error, "the last checkpoint failed; the next start makes it up");
        }
    }
}

/// A reader's.
pub(super) struct Reading(pub(super) Connection);

impl Snapshots for Reading {
    fn database(&self) -> Database<'_> {
        Database::Sqlite(&self.0)
    }

    fn open(&mut self) -> Result<()> {
        Ok(self.0.execute_batch("begin")?)
    }

    fn end(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("rollback")
        {
            tracing::warn!(%error, "a reader cannot end its snapshot");
        }
    }
}

//! What one connection does for the writer, and for a reader.

use super::session::Session;
use crate::error::{Error, Result};
use crate::reader::Snapshots;
use crate::sql::Database;
use crate::writer::Engine;

/// The writer's. One process writes at a time: it holds the store's turn from the begin of a
/// transaction to its end, as the embedded engine's lock has it, so that operations may decide
/// before they write.
pub(super) struct Writing {
    session: Session,
    /// This opening of the store, among all that have it open.
    own: i64,
    /// Whether it is the one that serves.
    serves: bool,
    /// Whether this connection holds the lock of the one that serves, where it is to.
    holds: bool,
}

/// Held by the one `serve` of a store.
pub(super) const SERVED: i64 = 0x706f_6d62_6f02;

/// Takes the lock of the one that serves, on this connection.
pub(super) fn take_served(session: &Session) -> Result<bool> {
    let text = "select cast(cast(pg_try_advisory_lock($1) as int) as bigint)";
    Database::Postgres(session).prepare(text)?.one([SERVED], |row| row.get(0))
}

/// The number of the lock that is the turn.
const TURN: i64 = 0x706f_6d62_6f00;

impl Writing {
    pub(super) const fn new(session: Session, own: i64, serves: bool) -> Self {
        Self { session, own, serves, holds: true }
    }

    /// Connects again where the connection was lost. The lock of the one that serves went with it:
    /// whoever finds that another has it writes nothing while that is so.
    fn revive(&mut self) -> Result<()> {
        if self.session.revive()? {
            self.holds = false;
        }
        if self.serves && !self.holds {
            self.holds = take_served(&self.session)?;
            if !self.holds {
                let why = "another pombo serves from this database now; stop one of them";
                return Err(Error::Unavailable(why.into()));
            }
        }
        Ok(())
    }
}

impl Engine for Writing {
    fn database(&self) -> Database<'_> {
        Database::Postgres(&self.session)
    }

    fn begin(&mut self) -> Result<()> {
        self.revive()?;
        self.session.batch(&format!("begin; select pg_advisory_xact_lock({TURN})"))?;
        // Everyone sees that there was a commit, and the next writer whether it was another's.
        let database = Database::Postgres(&self.session);
        let take = "update turn set number = number + 1, \
             others = others + (case when writer = $1 then 0 else 1 end), writer = $1";
        database.prepare(take)?.execute([self.own])?;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.session.batch("commit").map_err(|error| match error {
            Error::Failed(why) => Error::Failed(why),
            other => Error::Unavailable(format!("nobody knows whether it was kept: {other}")),
        })
    }

    fn roll_back(&mut self) {
        // Where the connection is lost, the server rolls back by itself.
        if !self.session.client().is_closed()
            && let Err(error) = self.session.batch("rollback")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
        // Tables made meanwhile are gone, and with them what was prepared on them.
        self.session.forget_statements();
    }

    fn tend(&mut self) {}

    fn close(&mut self) {
        if !self.session.client().is_closed()
            && let Err(error) = self.session.batch("select pg_advisory_unlock_all()")
        {
            tracing::warn!(%error, "the server lets go of the store when it notices the end");
        }
    }
}

/// A reader's.
pub(super) struct Reading(pub(super) Session);

impl Snapshots for Reading {
    fn database(&self) -> Database<'_> {
        Database::Postgres(&self.0)
    }

    fn open(&mut self) -> Result<()> {
        self.0.revive()?;
        self.0.batch("begin isolation level repeatable read, read only")
    }

    fn end(&mut self) {
        if !self.0.client().is_closed()
            && let Err(error) = self.0.batch("rollback")
        {
            tracing::warn!(%error, "a reader cannot end its snapshot");
        }
    }
}

//! What one connection does for the writer, and for a reader.

use std::time::Duration;

use super::session::Session;
use crate::error::{Error, Result};
use crate::reader::Snapshots;
use crate::sql::{Database, values};
use crate::writer::{Engine, NotCommitted};

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
    /// The server's number of the open transaction.
    transaction: i64,
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

/// What became of a transaction.
enum Became {
    Committed,
    Aborted,
    Unfinished,
}

/// How often, and after how long each time, the server is asked what became of a commit.
const ASKED_MAX: usize = 120;
const ASKED_AGAIN: Duration = Duration::from_millis(250);

impl Writing {
    pub(super) const fn new(session: Session, own: i64, serves: bool) -> Self {
        Self { session, own, serves, holds: true, transaction: 0 }
    }

    /// Connects again where the connection was lost. The lock of the one that serves went with it:
    /// whoever finds that another has it writes nothing while that is so.
    fn revive(&mut self) -> Result<()> {
        self.reconnect()?;
        if self.serves && !self.holds {
            self.holds = take_served(&self.session)?;
            if !self.holds {
                let why = "another pombo serves from this database now; stop one of them";
                return Err(Error::Unavailable(why.into()));
            }
        }
        Ok(())
    }

    fn reconnect(&mut self) -> Result<()> {
        if self.session.revive()? {
            self.holds = false;
        }
        Ok(())
    }

    /// Asks the server, on a new connection where the old one was lost.
    fn became(&mut self) -> Result<Became> {
        self.reconnect()?;
        let text = "select coalesce(pg_xact_status(cast(cast($1 as text) as xid8)), '')";
        let number = self.transaction.to_string();
        let status: String = Database::Postgres(&self.session)
            .prepare(text)?
            .one(values![number], |row| row.get(0))?;
        Ok(match status.as_str() {
            "committed" => Became::Committed,
            "aborted" => Became::Aborted,
            _ => Became::Unfinished,
        })
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
             others = others + (case when writer = $1 then 0 else 1 end), writer = $1 \
             returning cast(cast(pg_current_xact_id() as text) as bigint)";
        self.transaction = database.prepare(take)?.one([self.own], |row| row.get(0))?;
        Ok(())
    }

    fn commit(&mut self) -> std::result::Result<(), NotCommitted> {
        let Err(error) = self.session.batch("commit") else { return Ok(()) };
        tracing::warn!(%error, "a commit had no answer; asking what became of it");
        for _ in 0..ASKED_MAX {
            match self.became() {
                Ok(Became::Committed) => return Ok(()),
                Ok(Became::Aborted) => return Err(NotCommitted::Undone(error)),
                Ok(Became::Unfinished) | Err(_) => std::thread::sleep(ASKED_AGAIN),
            }
        }
        let why = format!("nobody knows whether the last commit was kept: {error}");
        Err(NotCommitted::Unknown(Error::Unavailable(why)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_lost_answer_the_server_tells_what_became_of_the_commit() {
        let server = pombo_peers::postgres::Database::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, false);
        let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
             where pid <> pg_backend_pid() and datname = current_database()";
        for (last_word, kept) in [("commit", true), ("rollback", false)] {
            writing.begin().expect("it begins");
            writing.session.batch(last_word).expect("it ends");
            server.run(end);
            match (writing.commit(), kept) {
                (Ok(()), true) | (Err(NotCommitted::Undone(_)), false) => {}
                _ => panic!("{last_word}: the wrong answer"),
            }
        }
        // Cut off before the last word, nothing was kept, and the next transaction works.
        writing.begin().expect("it begins");
        server.run(end);
        assert!(matches!(writing.commit(), Err(NotCommitted::Undone(_))));
        writing.roll_back();
        writing.begin().expect("it begins again");
        assert!(writing.commit().is_ok());
    }
}

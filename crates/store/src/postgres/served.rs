//! The lock of the one that serves, and how whoever lost it learns whether another has served since.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::session::Session;
use crate::error::{Error, Result};
use crate::sql::Database;
use crate::tenure::{OVER_AFTER, Tenure};

/// Held by the one `serve` of a store, on the connection that writes.
pub(super) const SERVED: i64 = 0x706f_6d62_6f02;

/// The one before may have gone, and the server not have noticed yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a process of the server may take to end.
const ENDING_MS: i64 = 2_000;

/// A process of the server: its number and when it was started.
type Backend = (i64, i64);

/// What the one that serves knows of it.
pub(super) struct Served {
    pub(super) tenure: Arc<Tenure>,
    /// Which of those that have served it is.
    number: i64,
    backend: Backend,
    /// Whether this connection holds the lock.
    holds: bool,
    /// Why it never will again.
    over: Option<Error>,
}

impl Served {
    /// Takes the lock; `None` where another has it. Where the one before has taken no leave it may
    /// be sending still: what it had claimed, until it notices.
    pub(super) fn take(session: &Session) -> Result<Option<Self>> {
        let begun = Instant::now();
        while !try_lock(session)? {
            if begun.elapsed() > PATIENCE {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let locked = Instant::now();
        let database = Database::Postgres(session);
        let open: bool = database.prepare("select open from served")?.one((), |row| row.get(0))?;
        let number = database
            .prepare("update served set number = number + 1, open = 1 returning number")?
            .one((), |row| row.get(0))?;
        if open {
            tracing::info!("the serve before took no leave; waiting until it sends nothing more");
            std::thread::sleep(OVER_AFTER.saturating_sub(locked.elapsed()));
        }
        let backend = backend(session)?;
        let tenure = Arc::new(Tenure::new());
        Ok(Some(Self { tenure, number, backend, holds: true, over: None }))
    }

    /// The connection was lost, and the lock with it.
    pub(super) fn lost(&mut self) {
        self.holds = false;
        self.tenure.suspend();
    }

    /// The server has answered on the connection that holds the lock what it was asked then.
    pub(super) fn prove(&self, asked: Instant) {
        if self.holds {
            self.tenure.prove(asked);
        }
    }

    /// Takes the lock again on a new connection, where nobody has served meanwhile.
    pub(super) fn hold(&mut self, session: &Session) -> Result<()> {
        if let Some(over) = &self.over {
            return Err(over.clone());
        }
        if self.holds {
            return Ok(());
        }
        // The server may not know yet that the connection is lost.
        let database = Database::Postgres(session);
        let (process, started) = self.backend;
        database
            .prepare(
                "select cast(count(pg_terminate_backend(pid, $1)) as bigint) from pg_stat_activity \
                 where cast(pid as bigint) = $2 \
                 and cast(extract(epoch from backend_start) * 1000000 as bigint) = $3",
            )?
            .all([ENDING_MS, process, started], |_| Ok(()))?;
        let is_locked = try_lock(session)?;
        let number: i64 =
            database.prepare("select number from served")?.one((), |row| row.get(0))?;
        if number != self.number {
            let why = "another pombo has served from this database while this one had lost its \
                connection: what was on its way here may be sent again by that one; start this one \
                anew, when no other serves";
            self.tenure.end(why);
            return Err(self.over.insert(Error::Unavailable(why.into())).clone());
        }
        if !is_locked {
            let why = "the lock of the one that serves is not free yet";
            return Err(Error::Unavailable(why.into()));
        }
        self.backend = backend(session)?;
        self.holds = true;
        Ok(())
    }

    /// Takes leave: a successor need not wait.
    pub(super) fn leave(&mut self, session: &Session) -> Result<()> {
        if std::mem::replace(&mut self.holds, false) {
            self.tenure.suspend();
            let left = "update served set open = 0 where number = $1";
            Database::Postgres(session).prepare(left)?.execute([self.number])?;
        }
        Ok(())
    }
}

fn try_lock(session: &Session) -> Result<bool> {
    let text = "select cast(cast(pg_try_advisory_lock($1) as int) as bigint)";
    Database::Postgres(session).prepare(text)?.one([SERVED], |row| row.get(0))
}

fn backend(session: &Session) -> Result<Backend> {
    let text = "select cast(pid as bigint), \
         cast(extract(epoch from backend_start) * 1000000 as bigint) \
         from pg_stat_activity where pid = pg_backend_pid()";
    Database::Postgres(session).prepare(text)?.one((), |row| Ok((row.get(0)?, row.get(1)?)))
}

//! What one connection does for a reader.

use super::session::{SHAPE, Session};
use crate::error::Result;
use crate::reader::Snapshots;
use crate::sql::Database;

/// A reader's.
pub(super) struct Reading(pub(super) Session);

impl Reading {
    fn begin(&mut self) -> Result<()> {
        self.0.revive()?;
        let shape = self.0.known(SHAPE)?;
        let client = self.0.client();
        let row = self.0.wait(async {
            let (begun, told) = tokio::join!(
                client.batch_execute("begin isolation level repeatable read, read only"),
                client.query_one(&shape.one, &[])
            );
            begun?;
            told
        })?;
        self.0.shape.set(Some(row.try_get(0)?));
        Ok(())
    }
}

impl Snapshots for Reading {
    fn database(&self) -> Database<'_> {
        Database::Postgres(&self.0)
    }

    fn open(&mut self) -> Result<()> {
        match self.begin() {
            Err(_) if self.0.is_lost() => self.begin(),
            done => done,
        }
    }

    fn end(&mut self) {
        self.0.shape.set(None);
        if !self.0.is_lost()
            && let Err(error) = self.0.batch("rollback")
        {
            tracing::warn!(%error, "a reader cannot end its snapshot");
        }
    }
}

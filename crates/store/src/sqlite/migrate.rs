//! Brings the schema up to date: numbered steps, counted in `pragma user_version`.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::{OpenError, STEPS};

pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let damaged = |why: rusqlite::Error| OpenError::at(path, &why);
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    // Immediate: two processes that start together take turns.
    let tx =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(damaged)?;
    let found: i64 =
        tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(damaged)?;
    if found > known {
        return Err(OpenError::Newer { path: path.display().to_string(), found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for step in &STEPS[done..] {
        tx.execute_batch(step).map_err(damaged)?;
    }
    tx.pragma_update(None, "user_version", known).map_err(damaged)?;
    tx.commit().map_err(damaged)
}

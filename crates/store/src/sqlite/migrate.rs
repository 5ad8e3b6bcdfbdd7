//! Brings the schema up to date: numbered steps, counted in `pragma user_version`.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::OpenError;
use crate::migration::{self, STEPS, Step};
use crate::sql::Database;

pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let damaged = |why: rusqlite::Error| OpenError::at(path, &why);
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let place = path.display().to_string();
    let tables = |connection: &Connection| {
        Database::Sqlite(connection).tables("").map_err(|why| OpenError::of(path, why))
    };
    // Without a lock at first: beside a busy server it could be long in coming.
    if version(connection).map_err(damaged)? == known {
        return match migration::missing(&tables(connection)?, false) {
            Some(table) => Err(OpenError::Incomplete { place, table: table.to_owned() }),
            None => Ok(()),
        };
    }
    // Immediate: two processes that start together take turns.
    let tx =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(damaged)?;
    let found = version(&tx).map_err(damaged)?;
    if found > known {
        return Err(OpenError::Newer { path: place, found, known });
    }
    if found == 0
        && let Some(table) = migration::foreign(&tables(&tx)?)
    {
        return Err(OpenError::Foreign { place, table: table.clone() });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for (from, step) in (0..).zip(STEPS).skip(done) {
        run(&tx, step).map_err(|why| OpenError::of_step(&place, from, why.into()))?;
    }
    tx.pragma_update(None, "user_version", known).map_err(damaged)?;
    tx.commit().map_err(damaged)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn run(connection: &Connection, step: &Step) -> rusqlite::Result<()> {
    connection.execute_batch(step.once)?;
    if step.each_day.is_empty() {
        return Ok(());
    }
    let mut days = connection.prepare(
        "select substr(name, 6) from sqlite_master \
         where type = 'table' and substr(name, 1, 5) = 'part_'",
    )?;
    let days: Vec<String> = days.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    days.iter().try_for_each(|day| connection.execute_batch(&step.each_day.replace("{day}", day)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_earlier_versions_are_brought_up_to_date() {
        let mut connection = Connection::open_in_memory().expect("memory is there");
        for step in &STEPS[..3] {
            run(&connection, step).expect("it runs");
        }
        let day = "create table request_20000 (id integer primary key, sending integer);
            create table part_20000 (id integer primary key);
            insert into part_20000 values (7);
            pragma user_version = 3";
        connection.execute_batch(day).expect("they can be made");
        migrate(&mut connection, Path::new("memory")).expect("every step runs");
        let tally: i64 = connection
            .query_row("select tally from part_20000", [], |row| row.get(0))
            .expect("the column is there");
        assert_eq!(tally, 0);
    }
}

//! The tables of each day: made when their first row comes, and the SQL that names them.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{CachedStatement, Connection};

use crate::statement::Statement;

const TABLES: &str = include_str!("../../migrations/sqlite/day.sql");

/// Which days have tables, and each statement's text for each day.
#[derive(Debug, Default)]
pub(crate) struct Days {
    known: BTreeSet<i64>,
    /// The schema's version when they were looked up.
    schema: i64,
    texts: HashMap<((usize, usize), i64), String>,
}

impl Days {
    /// Looks up which days there are: at first, after a rollback, after another process's commit.
    pub(crate) fn reload(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "select name from sqlite_master where type = 'table' and name like 'part\\_%' escape '\\'",
        )?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        self.known.clear();
        for name in names {
            if let Some(day) = name?.strip_prefix("part_").and_then(|d| d.parse().ok()) {
                self.known.insert(day);
            }
        }
        Ok(())
    }

    /// The same, where tables have come or gone since.
    pub(crate) fn follow(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut version = connection.prepare_cached("pragma schema_version")?;
        let schema = version.query_row([], |row| row.get(0))?;
        if schema != self.schema {
            self.reload(connection)?;
            self.schema = schema;
        }
        Ok(())
    }

    /// Makes the day's tables where they are missing; inside the caller's transaction.
    pub(crate) fn ensure(&mut self, connection: &Connection, day: i64) -> rusqlite::Result<()> {
        if !self.known.contains(&day) {
            connection.execute_batch(&TABLES.replace("{day}", &day.to_string()))?;
            self.known.insert(day);
        }
        Ok(())
    }

    /// Whether the day has tables.
    pub(crate) fn has(&self, day: i64) -> bool {
        self.known.contains(&day)
    }

    /// The days that have tables, newest first, none older than `oldest`.
    pub(crate) fn newest_first(&self, oldest: i64) -> impl Iterator<Item = i64> + '_ {
        self.known.range(oldest..).rev().copied()
    }

    /// The newest day that has tables.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.known.last().copied()
    }

    /// The statement, prepared for that day.
    pub(crate) fn prepare<'c>(
        &mut self,
        connection: &'c Connection,
        statement: Statement,
        day: i64,
    ) -> rusqlite::Result<CachedStatement<'c>> {
        // What lies where never changes, so address and length name a text.
        let text = (statement.sql.as_ptr().addr(), statement.sql.len());
        let text = self
            .texts
            .entry((text, day))
            .or_insert_with(|| statement.sql.replace("{day}", &day.to_string()));
        connection.prepare_cached(text)
    }

    /// Forgets the texts of all days but the newest few, so that they do not pile up.
    pub(crate) fn forget_old_texts(&mut self) {
        let Some(newest) = self.newest() else { return };
        self.texts.retain(|(_, day), _| *day + 7 >= newest);
    }
}

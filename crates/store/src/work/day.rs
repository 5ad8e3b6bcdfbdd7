//! The tables of each day: made when their first row comes, and the SQL that names them.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, Result};
use crate::migration::STEPS;
use crate::sql::{Database, Prepared};
use crate::statement::Statement;

/// Texts kept: a question may go through all days there are, and days pass.
const TEXTS_MAX: usize = 1_024;

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
    pub(crate) fn reload(&mut self, database: Database<'_>) -> Result<()> {
        self.texts.clear();
        self.schema = database.schema_version()?;
        let names = database.tables("part_")?;
        self.known.clear();
        self.known
            .extend(names.iter().filter_map(|name| name["part_".len()..].parse::<i64>().ok()));
        Ok(())
    }

    /// The same, where tables have come or gone since; answers whether they have.
    pub(crate) fn follow(&mut self, database: Database<'_>) -> Result<bool> {
        let have_changed = database.schema_version()? != self.schema;
        if have_changed {
            self.reload(database)?;
        }
        Ok(have_changed)
    }

    /// Makes the day's tables where they are missing; inside the caller's transaction. After a newer
    /// pombo has changed the tables' form, this one does not know it.
    pub(crate) fn ensure(&mut self, database: Database<'_>, day: i64) -> Result<()> {
        if !self.known.contains(&day) {
            let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
            if database.version()? > known {
                let why =
                    "a newer pombo has changed this store; stop this one, and start the newer";
                return Err(Error::Unavailable(why.into()));
            }
            database.batch(&database.day_tables().replace("{day}", &day.to_string()))?;
            database.tables_changed()?;
            self.known.insert(day);
            self.texts.clear();
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

    /// The oldest day that has tables.
    pub(crate) fn oldest(&self) -> Option<i64> {
        self.known.first().copied()
    }

    /// The statement, prepared for that day.
    pub(crate) fn prepare<'c>(
        &mut self,
        database: Database<'c>,
        statement: Statement,
        day: i64,
    ) -> Result<Prepared<'c>> {
        database.prepare(self.text(statement, day))
    }

    /// The statement's text for that day.
    pub(crate) fn text(&mut self, statement: Statement, day: i64) -> &str {
        if self.texts.len() >= TEXTS_MAX {
            self.texts.clear();
        }
        self.texts
            .entry((statement.place(), day))
            .or_insert_with(|| statement.sql.replace("{day}", &day.to_string()))
    }
}

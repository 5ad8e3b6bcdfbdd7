//! What the store says to a database: the one face that both engines have.
//!
//! Whole numbers are 64 bits wide and truths are 0 or 1 on either engine, so that a statement's text,
//! its values and its rows are the same on both.

mod value;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use rusqlite::{CachedStatement, Connection};

use crate::error::{Error, Result};
use crate::migration::DAY;
use crate::postgres::{Bound, SHAPE, Session, translated};
use crate::sqlite::{Lending, Lent, Name};
pub(crate) use value::{AsValue, Value, Values, storable, values};

/// An open connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Database<'c> {
    /// To the embedded engine.
    Sqlite(&'c Connection),
    /// To a server.
    Postgres(&'c Session),
}

impl<'c> Database<'c> {
    /// Prepares a text, or finds it prepared.
    pub(crate) fn prepare(self, text: &str) -> Result<Prepared<'c>> {
        match self {
            Self::Sqlite(connection) => {
                let statement = connection.prepare_cached(text)?;
                Ok(Prepared::Sqlite(Rc::new(RefCell::new(statement))))
            }
            Self::Postgres(session) => Bound::new(session, text).map(Prepared::Postgres),
        }
    }

    /// The same, for one who prepares it again and again: it is lent.
    pub(crate) fn prepare_often<'t>(
        self,
        lending: &Lending<'c>,
        name: Name,
        text: impl FnOnce() -> &'t str,
    ) -> Result<Prepared<'c>> {
        match self {
            Self::Sqlite(connection) => lending.lend(connection, name, text).map(Prepared::Sqlite),
            Self::Postgres(_) => self.prepare(text()),
        }
    }

    /// Runs statements that have no values and tell nothing.
    pub(crate) fn batch(self, text: &str) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(text)?),
            Self::Postgres(session) => session.batch(text),
        }
    }

    /// A number that changes when another process has committed.
    pub(crate) fn turn(self) -> Result<i64> {
        match self {
            Self::Sqlite(_) => self.prepare("pragma data_version"),
            Self::Postgres(session) => match session.turn() {
                Some(turn) => return Ok(turn),
                None => self.prepare("select others from turn"),
            },
        }?
        .one((), |row| row.get(0))
    }

    /// The number of the open transaction among those of all that write; `None` where they are not
    /// counted.
    pub(crate) fn transaction(self) -> Option<i64> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(session) => session.transaction(),
        }
    }

    /// How often the server had to be called again: it may be another one since, which lacks what was
    /// committed last.
    pub(crate) const fn n_calls(self) -> i64 {
        match self {
            Self::Sqlite(_) => 0,
            Self::Postgres(session) => session.n_calls(),
        }
    }

    /// A number that changes when tables come or go.
    pub(crate) fn schema_version(self) -> Result<i64> {
        match self {
            Self::Sqlite(_) => self.prepare("pragma schema_version"),
            Self::Postgres(session) => match session.shape() {
                Some(shape) => return Ok(shape),
                None => self.prepare(SHAPE),
            },
        }?
        .one((), |row| row.get(0))
    }

    /// The number of the last step that has formed the tables.
    pub(crate) fn version(self) -> Result<i64> {
        match self {
            Self::Sqlite(_) => self.prepare("pragma user_version"),
            Self::Postgres(_) => {
                self.prepare("select coalesce(max(version), 0) from schema_version")
            }
        }?
        .one((), |row| row.get(0))
    }

    /// For the rest of the transaction, waits only a moment for tables that others use: whoever wants to
    /// read them next waits behind, and so do all who write. A backup may use them for hours.
    pub(crate) fn waits_a_moment(self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.batch("set local lock_timeout = 100"),
        }
    }

    /// Tells the others that tables have come or gone.
    pub(crate) fn tables_changed(self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.change_shape(),
        }
    }

    /// The names of all tables that begin so.
    pub(crate) fn tables(self, beginning: &str) -> Result<Vec<String>> {
        let text = match self {
            Self::Sqlite(_) => {
                "select name from sqlite_master where type = 'table' \
                 and substr(name, 1, length($1)) = $1"
            }
            Self::Postgres(_) => {
                "select cast(tablename as text) from pg_tables \
                 where schemaname = current_schema() and starts_with(tablename, $1)"
            }
        };
        self.prepare(text)?.all(values![beginning], |row| row.get(0))
    }

    /// What makes the tables of a day.
    pub(crate) fn day_tables(self) -> Cow<'static, str> {
        match self {
            Self::Sqlite(_) => Cow::Borrowed(DAY),
            // A part's row changes twice. With room beside it the change stays on its page, and
            // touches no index: half of the log's octets.
            Self::Postgres(_) => Cow::Owned(format!(
                "{}; alter table part_{{day}} set (fillfactor = 50)",
                translated(DAY, false).trim_end().trim_end_matches(';')
            )),
        }
    }

    /// Whether each answer is a way to a server and back.
    pub(crate) const fn is_far(self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Whether a table goes at once, however large it is: its rows lie in files of their own. Where all
    /// share one file, each of its pages is looked after.
    pub(crate) const fn drops_at_once(self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Forgets prepared statements: one that is still prepared would hold its table.
    pub(crate) fn forget_statements(self) {
        match self {
            Self::Sqlite(connection) => connection.flush_prepared_statement_cache(),
            Self::Postgres(session) => session.forget_statements(),
        }
    }
}

/// A statement that can be run again and again.
pub(crate) enum Prepared<'c> {
    /// On the embedded engine.
    Sqlite(Lent<'c>),
    /// On a server.
    Postgres(Bound<'c>),
}

impl Prepared<'_> {
    /// Writes, and answers how many rows were changed.
    pub(crate) fn execute<'p>(&mut self, values: impl Values<'p>) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => {
                let mut statement = statement.borrow_mut();
                bind(&mut statement, values.as_slice().as_ref())?;
                Ok(statement.raw_execute()?)
            }
            Self::Postgres(bound) => bound.execute(values.as_slice().as_ref()),
        }
    }

    /// Writes, and nobody waits for it: a server is told together with whatever else is written, in
    /// an order that no table notices. What goes wrong is told with the next answer, or the commit.
    pub(crate) fn write<'p>(&mut self, values: impl Values<'p>) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.execute(values).map(drop),
            Self::Postgres(bound) => bound.write(values.as_slice().as_ref()),
        }
    }

    /// The first row, where there is one.
    pub(crate) fn first<'p, T>(
        &mut self,
        values: impl Values<'p>,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self {
            Self::Sqlite(statement) => {
                let mut statement = statement.borrow_mut();
                bind(&mut statement, values.as_slice().as_ref())?;
                let mut rows = statement.raw_query();
                rows.next()?.map(|row| read(&Row::Sqlite(row))).transpose()
            }
            Self::Postgres(bound) => {
                let rows = bound.rows(values.as_slice().as_ref())?;
                rows.first().map(|row| read(&Row::Postgres(row, 0))).transpose()
            }
        }
    }

    /// The first row of a statement that always has one.
    pub(crate) fn one<'p, T>(
        &mut self,
        values: impl Values<'p>,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.first(values, read)?.ok_or_else(|| Error::Failed("a row is missing".into()))
    }

    /// All rows.
    pub(crate) fn all<'p, T>(
        &mut self,
        values: impl Values<'p>,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self {
            Self::Sqlite(statement) => {
                let mut statement = statement.borrow_mut();
                bind(&mut statement, values.as_slice().as_ref())?;
                let mut rows = statement.raw_query();
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(read(&Row::Sqlite(row))?);
                }
                Ok(found)
            }
            Self::Postgres(bound) => {
                let rows = bound.rows(values.as_slice().as_ref())?;
                rows.iter().map(|row| read(&Row::Postgres(row, 0))).collect()
            }
        }
    }
}

impl Prepared<'_> {
    /// The first row for each of many values, in their order: a server is asked once.
    pub(crate) fn first_of_each<'p, T, V: Values<'p>>(
        &mut self,
        each: impl Iterator<Item = V>,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<Option<T>>> {
        if let Self::Sqlite(_) = self {
            return { each }.map(|values| self.first(values, &mut read)).collect();
        }
        let found = self.each(each, read)?;
        Ok(found.into_iter().map(|rows| rows.into_iter().next()).collect())
    }

    /// All rows for each of many values, in their order: a server is asked once.
    pub(crate) fn each<'p, T, V: Values<'p>>(
        &mut self,
        each: impl Iterator<Item = V>,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<Vec<T>>> {
        let Self::Postgres(bound) = self else {
            return { each }.map(|values| self.all(values, &mut read)).collect();
        };
        let mut found = Vec::new();
        let each = each.inspect(|_| found.push(Vec::new()));
        let rows = bound.rows_of_each(each)?;
        for row in &rows {
            let n = usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0);
            let answer =
                n.checked_sub(1).and_then(|n| found.get_mut(n)).ok_or_else(|| misread(0))?;
            answer.push(read(&Row::Postgres(row, 1))?);
        }
        Ok(found)
    }
}

fn bind(statement: &mut CachedStatement<'_>, values: &[Value<'_>]) -> Result<()> {
    // One that is lent still has the values that it was run with last.
    debug_assert_eq!(statement.parameter_count(), values.len(), "every parameter has a value");
    for (idx, value) in (1..).zip(values) {
        match value {
            // Most are: the library need not ask what it is.
            Value::Int(n) => statement.raw_bind_parameter(idx, n)?,
            other => statement.raw_bind_parameter(idx, other)?,
        }
    }
    Ok(())
}

/// One row of an answer.
#[derive(Debug)]
pub(crate) enum Row<'r> {
    /// Of the embedded engine.
    Sqlite(&'r rusqlite::Row<'r>),
    /// Of a server, and how many of its columns are not the statement's own.
    Postgres(&'r tokio_postgres::Row, usize),
}

impl Row<'_> {
    /// The column at `idx`, counted from 0.
    pub(crate) fn get<T: Column>(&self, idx: usize) -> Result<T> {
        T::of(self, idx)
    }

    /// A text, where it lies.
    pub(crate) fn str(&self, idx: usize) -> Result<&str> {
        match self {
            Self::Sqlite(row) => {
                row.get_ref(idx)?.as_str().map_err(|why| Error::Failed(why.to_string()))
            }
            Self::Postgres(row, own) => Ok(row.try_get(own + idx)?),
        }
    }

    fn int(&self, idx: usize) -> Result<Option<i64>> {
        match self {
            Self::Sqlite(row) => Ok(row.get(idx)?),
            Self::Postgres(row, own) => Ok(row.try_get(own + idx)?),
        }
    }
}

/// What a column can be read as.
pub(crate) trait Column: Sized {
    /// Reads it.
    fn of(row: &Row<'_>, idx: usize) -> Result<Self>;
}

macro_rules! int_column {
    ($($kind:ty),*) => {$(
        impl Column for $kind {
            fn of(row: &Row<'_>, idx: usize) -> Result<Self> {
                let number = row.int(idx)?.ok_or_else(|| misread(idx))?;
                Self::try_from(number).map_err(|_| misread(idx))
            }
        }

        impl Column for Option<$kind> {
            fn of(row: &Row<'_>, idx: usize) -> Result<Self> {
                let Some(number) = row.int(idx)? else { return Ok(None) };
                <$kind>::try_from(number).map(Some).map_err(|_| misread(idx))
            }
        }
    )*};
}
int_column!(i64, u32, u16, u8);

impl Column for bool {
    fn of(row: &Row<'_>, idx: usize) -> Result<Self> {
        Ok(i64::of(row, idx)? != 0)
    }
}

impl Column for String {
    fn of(row: &Row<'_>, idx: usize) -> Result<Self> {
        row.str(idx).map(str::to_owned)
    }
}

impl Column for Option<String> {
    fn of(row: &Row<'_>, idx: usize) -> Result<Self> {
        match row {
            Row::Sqlite(row) => Ok(row.get(idx)?),
            Row::Postgres(row, own) => Ok(row.try_get(own + idx)?),
        }
    }
}

impl Column for Vec<u8> {
    fn of(row: &Row<'_>, idx: usize) -> Result<Self> {
        match row {
            Row::Sqlite(row) => Ok(row.get(idx)?),
            Row::Postgres(row, own) => Ok(row.try_get(own + idx)?),
        }
    }
}

fn misread(idx: usize) -> Error {
    Error::Failed(format!("column {idx} does not hold what was expected"))
}

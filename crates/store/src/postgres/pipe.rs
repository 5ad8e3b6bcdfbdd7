//! Writes that nobody waits for. They are gathered, and sent together before the next answer that is
//! needed: a way to the server and back costs as much as twenty rows.
//!
//! Rows of one statement go as one execution of its form for many rows. The order of writes is kept
//! within each table, which is all that matters, and within each row that is updated.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Statement;
use tokio_postgres::types::Type;

use super::many;
use super::value::{Column, Owned};
use crate::error::Result;
use crate::sql::Value;

/// What is known of a statement that writes.
#[derive(Debug)]
pub(super) struct Write {
    /// For one row.
    pub(super) one: Statement,
    /// For many, where it has such a form.
    pub(super) many: Option<Statement>,
    table: String,
    /// Whether it looks at other tables, or at other rows of its own.
    looks: bool,
    /// The parameter that names the row which it updates.
    key: Option<usize>,
    /// Whether the last of several updates of a row is as good as all.
    last_wins: bool,
}

impl Write {
    pub(super) fn new(text: &str, one: &Statement, many: Option<Statement>) -> Self {
        let update = many::update_of(text);
        Self {
            one: one.clone(),
            many,
            table: many::table_of(text).to_owned(),
            looks: many::looks(text),
            key: update.map(|update| update.key),
            last_wins: update.is_some_and(|update| update.is_plain),
        }
    }
}

/// Rows of one statement.
pub(super) struct Batch {
    pub(super) write: Arc<Write>,
    pub(super) rows: Rows,
    n: usize,
    /// The place of each row that is updated.
    places: HashMap<i64, usize>,
}

/// As they are sent.
pub(super) enum Rows {
    /// A list for each parameter.
    Many(Vec<Column>),
    /// One row.
    One(Vec<Owned>),
}

impl Batch {
    fn new(write: &Arc<Write>, values: &[Value<'_>]) -> Result<Self> {
        let rows = match &write.many {
            Some(_) => Rows::Many(write.one.params().iter().map(Column::new).collect()),
            None => Rows::One(values.iter().map(Owned::from).collect()),
        };
        let mut batch = Self { write: Arc::clone(write), rows, n: 0, places: HashMap::new() };
        batch.push(values)?;
        Ok(batch)
    }

    fn push(&mut self, values: &[Value<'_>]) -> Result<()> {
        if let Some(Value::Int(key)) = self.write.key.and_then(|key| values.get(key)) {
            self.places.insert(*key, self.n);
        }
        self.n += 1;
        if let Rows::Many(columns) = &mut self.rows {
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(*value)?;
            }
        }
        Ok(())
    }

    /// Adds a row, where the batch takes it.
    fn takes(&mut self, values: &[Value<'_>]) -> Result<bool> {
        if self.write.many.is_none() || self.n >= ROWS_MAX {
            return Ok(false);
        }
        let known = match self.write.key.map(|key| values.get(key)) {
            None => None,
            Some(Some(Value::Int(key))) => self.places.get(key),
            // One execution changes a row once, and whether it does is known for numbers alone.
            Some(_) => return Ok(false),
        };
        let Some(&place) = known else {
            self.push(values)?;
            return Ok(true);
        };
        let Rows::Many(columns) = &mut self.rows else { return Ok(false) };
        let are_even = values.iter().all(|value| matches!(value, Value::Int(_)));
        if !self.write.last_wins || !are_even || !columns.iter().all(Column::is_even) {
            return Ok(false);
        }
        for (column, value) in columns.iter_mut().zip(values) {
            column.replace(place, *value);
        }
        Ok(true)
    }
}

/// Rows of one batch, at most.
const ROWS_MAX: usize = 4_096;

/// The batches, in the order in which they are sent.
#[derive(Default)]
pub(super) struct Pipe {
    batches: Vec<Batch>,
    /// Those before it take no more rows: one that looks at what they wrote comes after them.
    closed: usize,
}

impl Pipe {
    pub(super) fn push(&mut self, write: &Arc<Write>, values: &[Value<'_>]) -> Result<()> {
        // An earlier batch takes the row unless another one of the same table came after it.
        let open = &mut self.batches[self.closed..];
        let last = open.iter_mut().rev().find(|batch| batch.write.table == write.table);
        if let Some(batch) = last
            && Arc::ptr_eq(&batch.write, write)
            && batch.takes(values)?
        {
            return Ok(());
        }
        self.batches.push(Batch::new(write, values)?);
        if write.looks {
            self.closed = self.batches.len();
        }
        Ok(())
    }

    pub(super) fn take(&mut self) -> Vec<Batch> {
        self.closed = 0;
        std::mem::take(&mut self.batches)
    }
}

/// The kinds that a list can be of.
pub(super) fn list_of(kind: &Type) -> Option<&'static str> {
    match *kind {
        Type::INT8 => Some("bigint[]"),
        Type::TEXT => Some("text[]"),
        Type::BYTEA => Some("bytea[]"),
        _ => None,
    }
}

//! `copy`: reads a store's tables whole, whatever they hold, and writes them into an empty one.
//!
//! Each page is written with the place it ends at in one commit, so that a copy that was broken off
//! goes on where it was. Until it is finished the new store is nobody's: see [`IsUnfinished`].

mod shape;

use std::sync::Arc;

pub use shape::{Cell, Checksum, Shape};
use shape::{Cells, packed, unpacked};

use super::{Operation, Question, View};
use crate::error::{Error, Result};
use crate::sql::{AsValue, Database, values};
use crate::statement::Statement;
use crate::work::Work;

/// Where the copying stands, by table; the row without a name says from where it comes. It is there
/// only as long as the copy is not finished.
const COPYING: &str = "copying";
const MAKE_SQLITE: &str =
    "create table copying (name text primary key, place blob not null) strict, without rowid";
const MAKE_POSTGRES: &str = "create table copying (name text primary key, place bytea not null)";
const DROP: &str = "drop table copying";
/// These are not registered with the others: their table is seldom there.
const PLACE: Statement =
    Statement { name: "PLACE", sql: "select place from copying where name = $1" };
const SET_PLACE: Statement = Statement {
    name: "SET_PLACE",
    sql: "insert into copying (name, place) values ($1, $2) \
        on conflict (name) do update set place = excluded.place",
};

/// A table that is not empty in a new store: campaigns' numbers begin somewhere.
const SEQUENCE: &str = "sequence";
const END_SEQUENCE: &str = "delete from sequence";

/// Rows that one statement writes.
const ROWS_A_STATEMENT: usize = 100;

/// The tables of a store in a file.
#[derive(Debug, Clone, Copy)]
pub struct Shapes;

impl Question for Shapes {
    type Answer = Vec<Shape>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Shape>> {
        shape::shapes(view.database)
    }
}

/// The next rows of a table, in the order of its key.
#[derive(Debug, Clone)]
pub struct Page {
    /// Which table.
    pub shape: Arc<Shape>,
    /// The key of the last row before; `None`: from the start.
    pub after: Option<Vec<Cell>>,
    /// So many.
    pub limit: i64,
}

impl Question for Page {
    type Answer = Vec<Vec<Cell>>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Vec<Cell>>> {
        let text = self.shape.page_text(self.after.is_some());
        let limit = Cell::Int(self.limit);
        let place = self.after.iter().flatten().chain([&limit]);
        let values = Cells(place.map(AsValue::as_value).collect());
        view.database.prepare(&text)?.all(values, |row| self.shape.read(row))
    }
}

/// How many rows a table has.
#[derive(Debug, Clone)]
pub struct Count(
    /// Which table.
    pub Arc<Shape>,
);

impl Question for Count {
    type Answer = i64;

    fn answer(self, view: &mut View<'_>) -> Result<i64> {
        let text = format!("select count(1) from {}", self.0.name);
        view.database.prepare(&text)?.one((), |row| row.get(0))
    }
}

/// Whether the store is one that a copy has not filled yet.
#[derive(Debug, Clone, Copy)]
pub struct IsUnfinished;

impl Question for IsUnfinished {
    type Answer = bool;

    fn answer(self, view: &mut View<'_>) -> Result<bool> {
        Ok(!view.database.tables(COPYING)?.is_empty())
    }
}

/// Prepares an empty store for a copy, or finds one that was broken off.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Where the copy comes from, in words.
    pub from: String,
    /// The tables that are to be copied.
    pub shapes: Arc<Vec<Shape>>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It was empty.
    Anew,
    /// A copy from the same place was broken off.
    Again,
    /// A copy from another place was.
    FromElsewhere(String),
    /// This table has rows.
    NotEmpty(String),
}

impl Operation for Begin {
    type Answer = Begun;

    fn run(&self, work: &mut Work<'_>) -> Result<Begun> {
        let database = work.database();
        if !database.tables(COPYING)?.is_empty() {
            let place: Vec<u8> = work.prepare(PLACE)?.one(values![""], |row| row.get(0))?;
            let from = String::from_utf8_lossy(&place).into_owned();
            return Ok(if from == self.from { Begun::Again } else { Begun::FromElsewhere(from) });
        }
        if let Some(day) = database.tables("part_")?.into_iter().next() {
            return Ok(Begun::NotEmpty(day));
        }
        let fixed = self.shapes.iter().filter(|shape| shape.day().is_none());
        for shape in fixed.filter(|shape| shape.name != SEQUENCE) {
            let text = format!("select count(1) from {}", shape.name);
            if database.prepare(&text)?.one((), |row| row.get::<i64>(0))? > 0 {
                return Ok(Begun::NotEmpty(shape.name.clone()));
            }
        }
        database.batch(match database {
            Database::Sqlite(_) => MAKE_SQLITE,
            Database::Postgres(_) => MAKE_POSTGRES,
        })?;
        database.batch(END_SEQUENCE)?;
        work.prepare(SET_PLACE)?.execute(values!["", self.from.as_bytes()])?;
        Ok(Begun::Anew)
    }
}

/// Where the copy of a table stands: the key of its last row.
#[derive(Debug, Clone)]
pub struct Place(
    /// Which table.
    pub Arc<Shape>,
);

impl Question for Place {
    type Answer = Option<Vec<Cell>>;

    fn answer(self, view: &mut View<'_>) -> Result<Option<Vec<Cell>>> {
        let place = view.prepare(PLACE)?.first(values![self.0.name], |row| row.get(0))?;
        let unread = || Error::Failed(format!("nobody can read where {} stands", self.0.name));
        place.map(|place: Vec<u8>| unpacked(&place).ok_or_else(unread)).transpose()
    }
}

/// Writes rows behind those that are there, and that it has.
#[derive(Debug, Clone)]
pub struct Put {
    /// Which table; the tables of its day are made where they are missing.
    pub shape: Arc<Shape>,
    /// In the order of the key.
    pub rows: Arc<Vec<Vec<Cell>>>,
}

impl Operation for Put {
    type Answer = ();

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        if let Some(day) = self.shape.day() {
            work.ensure_day(day)?;
        }
        let Some(last) = self.rows.last() else { return Ok(()) };
        let database = work.database();
        let most = ROWS_A_STATEMENT.min(30_000 / self.shape.width().max(1));
        let whole = self.rows.chunks_exact(most);
        let rest = whole.remainder();
        let text = self.shape.insert_text(most);
        for rows in whole {
            let cells = rows.iter().flatten().map(AsValue::as_value);
            database.prepare(&text)?.execute(Cells(cells.collect()))?;
        }
        let text = self.shape.insert_text(1);
        for row in rest {
            let cells = row.iter().map(AsValue::as_value);
            database.prepare(&text)?.execute(Cells(cells.collect()))?;
        }
        let place = packed(&self.shape.key_of(last));
        work.prepare(SET_PLACE)?.execute(values![self.shape.name, place])?;
        Ok(())
    }
}

/// Makes the store one like any other.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The tables that were copied.
    pub shapes: Arc<Vec<Shape>>,
}

impl Operation for Finish {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let database = work.database();
        if let Database::Postgres(_) = database {
            // The server numbers on from what it has given itself, which is nothing.
            for shape in self.shapes.iter().filter(|shape| shape.day().is_none()) {
                let Some(number) = shape.number() else { continue };
                let name = &shape.name;
                let text = format!(
                    "select cast(setval(pg_get_serial_sequence('{name}', '{number}'), \
                     max({number})) as bigint) from {name} having max({number}) > 0"
                );
                database.prepare(&text)?.all((), |_| Ok(()))?;
            }
        }
        database.forget_statements();
        database.batch(DROP)
    }
}

//! What a table looks like, and its rows whatever they hold.

use std::fmt::Write;
use std::hash::Hasher;

use crate::error::{Error, Result};
use crate::sql::{AsValue, Database, Row, Value, Values, storable};

/// A table: its columns, and those of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its name.
    pub name: String,
    columns: Vec<Column>,
    /// Places of the key's columns, in its order.
    key: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
    Octets,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Octets.
    Octets(Vec<u8>),
}

impl AsValue for Cell {
    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(n) => Value::Int(*n),
            Self::Text(text) => Value::Text(text),
            Self::Octets(octets) => Value::Octets(octets),
        }
    }
}

/// The values of some rows, one after another.
pub(super) struct Cells<'p>(pub(super) Vec<Value<'p>>);

impl<'p> Values<'p> for Cells<'p> {
    fn as_slice(&self) -> impl AsRef<[Value<'p>]> {
        self.0.as_slice()
    }
}

/// The tables of an embedded store that are copied, by name. Who serves from it is nobody's concern
/// but its own.
pub(super) fn shapes(database: Database<'_>) -> Result<Vec<Shape>> {
    let Database::Sqlite(_) = database else {
        return Err(Error::Refused("only a store in a file can be copied so".into()));
    };
    let text = "select m.name, c.name, c.type, c.pk from sqlite_master m, \
        pragma_table_info(m.name) c where m.type = 'table' and m.name <> 'node' \
        and m.name not like 'sqlite!_%' escape '!' order by m.name, c.cid";
    let mut shapes: Vec<(Shape, Vec<(i64, usize)>)> = Vec::new();
    let columns = database.prepare(text)?.all((), |row| {
        let of_table: (String, String) = (row.get(0)?, row.get(1)?);
        let of_column: (String, i64) = (row.get(2)?, row.get(3)?);
        Ok((of_table, of_column))
    })?;
    for ((table, name), (kind, in_key)) in columns {
        if shapes.last().is_none_or(|(shape, _)| shape.name != table) {
            let shape = Shape { name: table, columns: Vec::new(), key: Vec::new() };
            shapes.push((shape, Vec::new()));
        }
        let Some((shape, key)) = shapes.last_mut() else { continue };
        if in_key > 0 {
            key.push((in_key, shape.columns.len()));
        }
        shape.columns.push(Column { name, kind: Kind::of(&kind)? });
    }
    let finished = shapes.into_iter().map(|(shape, mut key)| {
        key.sort_unstable();
        Shape { key: key.into_iter().map(|(_, column)| column).collect(), ..shape }
    });
    Ok(finished.collect())
}

impl Kind {
    fn of(word: &str) -> Result<Self> {
        match word.to_ascii_lowercase().as_str() {
            "integer" => Ok(Self::Int),
            "text" => Ok(Self::Text),
            "blob" => Ok(Self::Octets),
            other => Err(Error::Failed(format!("a column of the kind {other:?}"))),
        }
    }
}

impl Shape {
    /// The day whose table it is; `None` where it is no day's.
    #[must_use]
    pub fn day(&self) -> Option<i64> {
        self.name.rsplit_once('_')?.1.parse().ok()
    }

    /// The one column that numbers its rows, where there is such.
    pub(super) fn number(&self) -> Option<&str> {
        match self.key.as_slice() {
            [one] if self.columns[*one].kind == Kind::Int => Some(&self.columns[*one].name),
            _ => None,
        }
    }

    /// A row's key.
    #[must_use]
    pub fn key_of(&self, row: &[Cell]) -> Vec<Cell> {
        self.key.iter().filter_map(|column| row.get(*column).cloned()).collect()
    }

    /// Reads a page in the order of the key, after one or from the start.
    pub(super) fn page_text(&self, goes_on: bool) -> String {
        let key = self.key_names();
        let mut text = format!("select {} from {}", self.names(), self.name);
        let mut n = 0;
        if goes_on {
            n = self.key.len();
            write_to(&mut text, format_args!(" where ({key}) > ({})", parameters(1, n)));
        }
        write_to(&mut text, format_args!(" order by {key} limit ${}", n + 1));
        text
    }

    /// Writes so many rows.
    pub(super) fn insert_text(&self, n_rows: usize) -> String {
        let n = self.columns.len();
        let mut text = format!("insert into {} ({}) values ", self.name, self.names());
        for row in 0..n_rows {
            let comma = if row > 0 { ", " } else { "" };
            write_to(&mut text, format_args!("{comma}({})", parameters(row * n + 1, n)));
        }
        text
    }

    /// Columns of a row.
    pub(super) const fn width(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn read(&self, row: &Row<'_>) -> Result<Vec<Cell>> {
        let cell = |(at, column): (usize, &Column)| {
            Ok(match column.kind {
                Kind::Int => row.get::<Option<i64>>(at)?.map_or(Cell::Null, Cell::Int),
                // As every engine keeps it, whenever it was written.
                Kind::Text => row
                    .get::<Option<String>>(at)?
                    .map_or(Cell::Null, |text| Cell::Text(storable(&text).into_owned())),
                // No table has octets that may be missing.
                Kind::Octets => Cell::Octets(row.get(at)?),
            })
        };
        self.columns.iter().enumerate().map(cell).collect()
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        names.join(", ")
    }

    fn key_names(&self) -> String {
        let names: Vec<&str> =
            self.key.iter().map(|column| self.columns[*column].name.as_str()).collect();
        names.join(", ")
    }
}

fn parameters(first: usize, n: usize) -> String {
    let all: Vec<String> = (first..first + n).map(|number| format!("${number}")).collect();
    all.join(", ")
}

fn write_to(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = text.write_fmt(what);
}

/// A place in a table, as octets.
pub(super) fn packed(key: &[Cell]) -> Vec<u8> {
    let mut octets = Vec::new();
    for cell in key {
        let (kind, content): (u8, &[u8]) = match cell {
            Cell::Null => (0, &[]),
            Cell::Int(n) => (1, &n.to_be_bytes()),
            Cell::Text(text) => (2, text.as_bytes()),
            Cell::Octets(octets) => (3, octets),
        };
        octets.push(kind);
        octets.extend_from_slice(&(content.len() as u64).to_be_bytes());
        octets.extend_from_slice(content);
    }
    octets
}

/// The place that [`packed`] made them of.
pub(super) fn unpacked(mut octets: &[u8]) -> Option<Vec<Cell>> {
    let mut key = Vec::new();
    while let Some((kind, rest)) = octets.split_first() {
        let (len, rest) = rest.split_first_chunk::<8>()?;
        let len = usize::try_from(u64::from_be_bytes(*len)).ok()?;
        let (content, rest) = rest.split_at_checked(len)?;
        key.push(match kind {
            0 => Cell::Null,
            1 => Cell::Int(i64::from_be_bytes(content.try_into().ok()?)),
            2 => Cell::Text(String::from_utf8(content.to_vec()).ok()?),
            _ => Cell::Octets(content.to_vec()),
        });
        octets = rest;
    }
    Some(key)
}

/// What some rows come to, in whatever order they are added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checksum {
    /// How many.
    pub rows: u64,
    sum: u128,
}

impl Checksum {
    /// Adds a row.
    pub fn add(&mut self, row: &[Cell]) {
        let octets = packed(row);
        let half = |salt: u8| {
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write_u8(salt);
            hasher.write(&octets);
            u128::from(hasher.finish())
        };
        self.rows += 1;
        self.sum = self.sum.wrapping_add(half(1) << 64 | half(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Vec<Cell> {
        vec![Cell::Int(-7), Cell::Null, Cell::Text("ñ".into()), Cell::Octets(vec![0, 1])]
    }

    #[test]
    fn a_place_is_found_again_in_its_octets() {
        assert_eq!(unpacked(&packed(&row())), Some(row()));
        assert_eq!(unpacked(&[]), Some(Vec::new()));
        assert_eq!(unpacked(&[1, 0]), None);
    }

    #[test]
    fn a_checksum_tells_rows_apart_whatever_their_order() {
        let sum = |rows: &[&[Cell]]| {
            let mut sum = Checksum::default();
            rows.iter().for_each(|row| sum.add(row));
            sum
        };
        let (one, other) = (row(), vec![Cell::Int(7)]);
        assert_eq!(sum(&[&one, &other]), sum(&[&other, &one]));
        assert_ne!(sum(&[&one, &one]), sum(&[&one, &other]));
        assert_ne!(sum(&[&[Cell::Text("ab".into()), Cell::Text("c".into())]]), {
            sum(&[&[Cell::Text("a".into()), Cell::Text("bc".into())]])
        });
    }
}

//! Values and rows as the client sends and receives them.

use std::sync::Arc;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use super::prepared::Known;
use super::session::Session;
use crate::error::{Error, Result};
use crate::sql::{Value, Values, storable};

/// What goes out.
type Sent = std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Sent {
        match *self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(n) => n.to_sql(kind, out),
            Value::Text(text) => storable(text).as_ref().to_sql(kind, out),
            Value::Octets(octets) => octets.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

/// A value that waits.
#[derive(Debug)]
pub(super) enum Owned {
    Null,
    Int(i64),
    Text(String),
    Octets(Vec<u8>),
}

impl From<&Value<'_>> for Owned {
    fn from(value: &Value<'_>) -> Self {
        match *value {
            Value::Null => Self::Null,
            Value::Int(n) => Self::Int(n),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Octets(octets) => Self::Octets(octets.to_owned()),
        }
    }
}

impl ToSql for Owned {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Sent {
        match self {
            Self::Null => Value::Null,
            Self::Int(n) => Value::Int(*n),
            Self::Text(text) => Value::Text(text),
            Self::Octets(octets) => Value::Octets(octets),
        }
        .to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <Value<'_> as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// A list of values of one kind, written as it is sent.
#[derive(Debug)]
pub(super) struct Column {
    kind: Type,
    n: i32,
    has_nulls: bool,
    /// Each value behind its length.
    octets: Vec<u8>,
}

/// A whole number and its length.
const EVEN: usize = 12;
/// Rows of one statement in a transaction, mostly, where messages come one by one.
const USUAL: usize = 16;

impl Column {
    pub(super) fn new(kind: &Type) -> Self {
        let octets = Vec::with_capacity(USUAL * EVEN);
        Self { kind: kind.clone(), n: 0, has_nulls: false, octets }
    }

    pub(super) fn push(&mut self, value: Value<'_>) -> Result<()> {
        match (value, &self.kind) {
            (Value::Null, _) => {
                self.has_nulls = true;
                self.octets.extend((-1_i32).to_be_bytes());
            }
            (Value::Int(n), &Type::INT8) => self.put(&n.to_be_bytes())?,
            (Value::Text(text), &Type::TEXT) => self.put(storable(text).as_bytes())?,
            (Value::Octets(octets), &Type::BYTEA) => self.put(octets)?,
            (_, kind) => {
                return Err(Error::Failed(format!("a value of another kind than {kind}")));
            }
        }
        self.n += 1;
        Ok(())
    }

    fn put(&mut self, octets: &[u8]) -> Result<()> {
        let length = i32::try_from(octets.len())
            .map_err(|_| Error::Failed("a value is too long to be stored".into()))?;
        self.octets.extend(length.to_be_bytes());
        self.octets.extend(octets);
        Ok(())
    }

    /// Whether all its values are whole numbers.
    pub(super) fn is_even(&self) -> bool {
        self.kind == Type::INT8 && !self.has_nulls
    }

    /// Exchanges a whole number for another, in a list that [`Column::is_even`].
    pub(super) fn replace(&mut self, place: usize, value: Value<'_>) {
        if let Value::Int(n) = value
            && let Some(octets) = self.octets.get_mut(place * EVEN + 4..(place + 1) * EVEN)
        {
            octets.copy_from_slice(&n.to_be_bytes());
        }
    }
}

impl ToSql for Column {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Sent {
        out.reserve(20 + self.octets.len());
        let dimensions = i32::from(self.n > 0);
        out.extend_from_slice(&dimensions.to_be_bytes());
        out.extend_from_slice(&i32::from(self.has_nulls).to_be_bytes());
        out.extend_from_slice(&self.kind.oid().to_be_bytes());
        if self.n > 0 {
            out.extend_from_slice(&self.n.to_be_bytes());
            out.extend_from_slice(&1_i32.to_be_bytes());
            out.extend_from_slice(&self.octets);
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(kind.kind(), Kind::Array(item) if <Value<'_> as ToSql>::accepts(item))
    }

    to_sql_checked!();
}

/// A value of a column, as it is sent.
#[derive(Debug)]
struct Cell<'c>(Option<&'c [u8]>);

impl ToSql for Cell<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Sent {
        let Some(octets) = self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(octets);
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        <Value<'_> as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// Sends the rows that the columns make up; answers how many the server has taken.
pub(super) async fn stream_rows(
    client: &Client,
    stream: &Statement,
    columns: &[Column],
) -> std::result::Result<u64, tokio_postgres::Error> {
    let kinds: Vec<Type> = columns.iter().map(|column| column.kind.clone()).collect();
    let sink = client.copy_in(stream).await?;
    let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &kinds));
    let mut rests: Vec<&[u8]> = columns.iter().map(|column| &*column.octets).collect();
    let mut row = Vec::with_capacity(columns.len());
    while rests.first().is_some_and(|rest| !rest.is_empty()) {
        row.clear();
        row.extend(rests.iter_mut().map(|rest| Cell(next_value(rest))));
        writer.as_mut().write_raw(&row).await?;
    }
    writer.finish().await
}

/// Takes the next value from a column's; `None`: null.
fn next_value<'c>(rest: &mut &'c [u8]) -> Option<&'c [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    *rest = after;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(value)
}

/// A statement on a connection.
pub(crate) struct Bound<'c> {
    session: &'c Session,
    known: Arc<Known>,
}

impl<'c> Bound<'c> {
    pub(crate) fn new(session: &'c Session, text: &str) -> Result<Self> {
        Ok(Self { session, known: session.known(text)? })
    }

    pub(crate) fn execute(&self, values: &[Value<'_>]) -> Result<usize> {
        let run = self.session.client().execute_raw(&self.known.one, values.iter());
        Ok(usize::try_from(self.session.ask(run)?).unwrap_or(usize::MAX))
    }

    /// Writes at some time before the next answer.
    pub(crate) fn write(&self, values: &[Value<'_>]) -> Result<()> {
        self.session.write(&self.known, values)
    }

    pub(crate) fn rows(&self, values: &[Value<'_>]) -> Result<Vec<tokio_postgres::Row>> {
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.session.ask(self.session.client().query(&self.known.one, &values))
    }

    /// The rows for each of many values, all in one answer. The first column of each is the number of
    /// the values that it answers, from 1 on.
    pub(crate) fn rows_of_each<'p, V: Values<'p>>(
        &self,
        each: impl Iterator<Item = V>,
    ) -> Result<Vec<tokio_postgres::Row>> {
        let mut columns: Vec<Column> = self.known.one.params().iter().map(Column::new).collect();
        for values in each {
            for (column, value) in columns.iter_mut().zip(values.as_slice().as_ref()) {
                column.push(*value)?;
            }
        }
        if columns.iter().all(|column| column.n == 0) {
            return Ok(Vec::new());
        }
        let question = self.session.question_of(&self.known)?;
        let values: Vec<&(dyn ToSql + Sync)> =
            columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect();
        self.session.ask(self.session.client().query(&question, &values))
    }
}

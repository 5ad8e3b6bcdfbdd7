//! Values and rows as the client sends and receives them.

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::session::Session;
use crate::error::Result;
use crate::sql::{Value, storable};

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
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

/// A statement on a connection.
pub(crate) struct Bound<'c> {
    pub(super) session: &'c Session,
    pub(super) statement: tokio_postgres::Statement,
}

impl<'c> Bound<'c> {
    pub(crate) fn new(session: &'c Session, text: &str) -> Result<Self> {
        Ok(Self { session, statement: session.prepare(text)? })
    }

    pub(crate) fn execute(&self, values: &[Value<'_>]) -> Result<usize> {
        let run = self.session.client().execute_raw(&self.statement, values.iter());
        let n = self.session.wait(run)?;
        Ok(usize::try_from(n).unwrap_or(usize::MAX))
    }

    pub(crate) fn rows(&self, values: &[Value<'_>]) -> Result<Vec<tokio_postgres::Row>> {
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.session.wait(self.session.client().query(&self.statement, &values))
    }
}

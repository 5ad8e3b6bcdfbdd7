//! Writes that nobody waits for. They are gathered, and sent together before the next answer that is
//! needed: a way to the server and back costs as much as twenty rows. Where there are many, they are
//! sent before that, so that the server has something to do meanwhile.
//!
//! Rows of one statement go as one execution of its form for many rows. The order of writes is kept
//! within each table, which is all that matters, and within each row that is updated.

use std::collections::HashMap;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

use super::many;
use super::value::{Column, Owned, stream_rows};
use crate::error::Result;
use crate::sql::Value;

/// What is known of a statement that writes.
#[derive(Debug)]
pub(super) struct Write {
    /// No other has it, ever.
    number: usize,
    text: String,
    /// For one row.
    one: Statement,
    /// For many, where it has such a form.
    many: Option<Statement>,
    /// For a stream of rows, where it has such a form.
    stream: Option<Statement>,
    table: String,
    /// Whether it looks at other tables, or at other rows of its own.
    looks: bool,
    /// The parameter that names the row which it updates.
    key: Option<usize>,
    /// Whether the last of several updates of a row is as good as all.
    last_wins: bool,
}

impl Write {
    /// Prepares its forms.
    pub(super) fn new(
        text: &str,
        one: &Statement,
        prepare: impl Fn(&str) -> Result<Statement>,
    ) -> Result<Self> {
        let form = |text: Option<String>| text.map(|text| prepare(&text)).transpose();
        let kinds = one.params();
        let update = many::update_of(text);
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Ok(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            text: text.to_owned(),
            one: one.clone(),
            many: form(many::write(text, kinds, 0))?,
            stream: form(many::stream(text, kinds.len()))?,
            table: many::table_of(text).to_owned(),
            looks: many::looks(text),
            key: update.map(|update| update.key),
            last_wins: update.is_some_and(|update| update.is_plain),
        })
    }
}

/// Rows of one statement.
pub(super) struct Batch {
    write: Arc<Write>,
    rows: Rows,
    n: usize,
    /// The place of each row that is updated.
    places: HashMap<i64, usize>,
}

/// What became of writes.
pub(super) type Written = std::result::Result<(), tokio_postgres::Error>;

/// Batches that were sent together.
pub(super) type Sent = JoinHandle<Written>;

/// What the server has not answered yet.
pub(super) type Answer<'b> = Pin<Box<dyn Future<Output = Written> + Send + 'b>>;

/// Waits for what became of batches that were sent. A panic there is one here: a write of which nobody
/// knows must not be committed.
pub(super) fn answer<'b>(sent: Sent) -> Answer<'b> {
    Box::pin(async { sent.await.unwrap_or_else(|lost| resume_unwind(lost.into_panic())) })
}

/// Looks at each, in this order, until none is left, or one has failed.
pub(super) fn poll_all(writes: &mut Vec<Answer<'_>>, context: &mut Context<'_>) -> Poll<Written> {
    let mut failed = None;
    writes.retain_mut(|write| match write.as_mut().poll(context) {
        Poll::Pending => true,
        Poll::Ready(done) => {
            failed = failed.take().or(done.err());
            false
        }
    });
    match failed {
        Some(error) => Poll::Ready(Err(error)),
        None if writes.is_empty() => Poll::Ready(Ok(())),
        None => Poll::Pending,
    }
}

/// As they are sent.
enum Rows {
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

    /// Whether it is time to send it.
    fn is_full(&self) -> bool {
        self.n >= if self.write.stream.is_some() { STREAMED_MAX } else { ROWS_MAX }
    }

    /// The number of its statement.
    pub(super) fn number(&self) -> usize {
        self.write.number
    }

    pub(super) fn table(&self) -> &str {
        &self.write.table
    }

    /// The stream that it is sent as, where its rows are many.
    fn stream(&self) -> Option<&Statement> {
        self.write.stream.as_ref().filter(|_| self.n >= STREAMED_MIN)
    }

    /// Whether it is sent as lists.
    pub(super) fn is_of_lists(&self) -> bool {
        matches!(self.rows, Rows::Many(_)) && self.stream().is_none()
    }

    /// A list for each parameter.
    pub(super) fn lists(&self) -> &[Column] {
        match &self.rows {
            Rows::Many(columns) => columns,
            Rows::One(_) => &[],
        }
    }

    /// Its statement behind others that have so many lists.
    pub(super) fn text(&self, before: usize) -> String {
        many::write(&self.write.text, self.write.one.params(), before).unwrap_or_default()
    }

    /// Sends it, and waits for what became of it.
    pub(super) async fn send(&self, client: &Client) -> Written {
        if let (Some(stream), Rows::Many(columns)) = (self.stream(), &self.rows) {
            return stream_rows(client, stream, columns).await.map(drop);
        }
        let written = match (&self.rows, &self.write.many) {
            (Rows::Many(columns), Some(many)) => client.execute_raw(many, columns).await,
            (Rows::Many(columns), None) => client.execute_raw(&self.write.one, columns).await,
            (Rows::One(values), _) => client.execute_raw(&self.write.one, values).await,
        };
        written.map(drop)
    }

    /// Adds a row, where the batch takes it.
    fn takes(&mut self, values: &[Value<'_>]) -> Result<bool> {
        if self.write.many.is_none() {
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

/// Rows of one batch, at most: all that is gathered is sent then, so that the server works while the
/// writer does.
const ROWS_MAX: usize = 128;
/// The same of what can be streamed: the more, the less each costs the server.
const STREAMED_MAX: usize = 12_000;
/// Rows that are streamed, at least. The server makes room for a thousand before it takes the first,
/// and says when: for fewer, lists cost less.
const STREAMED_MIN: usize = 1_000;

/// The batches, in an order in which they may be sent.
#[derive(Default)]
pub(super) struct Pipe {
    batches: Vec<Batch>,
    /// Those before it take no more rows: one that looks at what they wrote comes after them.
    closed: usize,
}

impl Pipe {
    /// Adds a row. `true`: it is time to send what is gathered.
    pub(super) fn push(&mut self, write: &Arc<Write>, values: &[Value<'_>]) -> Result<bool> {
        // An earlier batch takes the row unless another one of the same table came after it.
        let open = &mut self.batches[self.closed..];
        let last = open.iter_mut().rev().find(|batch| batch.write.table == write.table);
        if let Some(batch) = last
            && Arc::ptr_eq(&batch.write, write)
            && batch.takes(values)?
        {
            return Ok(batch.is_full());
        }
        self.batches.push(Batch::new(write, values)?);
        if write.looks {
            self.closed = self.batches.len();
        }
        Ok(false)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{migrated, write};
    use crate::sql::{Database, values};

    #[test]
    fn writes_that_nobody_waits_for_have_the_effect_of_their_order() {
        let server = pombo_peers::postgres::Database::fresh();
        let (session, _) = migrated(&server.url());
        let database = Database::Postgres(&session);
        let tables = "create table a (id bigint primary key, name text not null, n bigint not null); \
             create table b (id bigint primary key, n bigint not null)";
        database.batch(tables).expect("tables can be made");
        let mut expected = BTreeMap::new();
        // More than are gathered before some are sent.
        for id in 0..300 {
            let mut insert = database.prepare("insert into a (id, name, n) values ($1, $2, 0)");
            let name = (id % 10).to_string();
            insert.as_mut().expect("it is prepared").write(values![id, name]).expect("it is sent");
            write(database, "insert into b (id, n) values ($1, $2)", [id, id]);
            // The last of two wins, and both of two sums count.
            write(database, "update a set n = $1 where id = $2", [1_000, id]);
            write(database, "update a set n = $1 where id = $2", [id, id]);
            write(database, "update a set n = n + $1 where id = $2", [1, id]);
            write(database, "update a set n = n + $1 where id = $2", [1, id]);
            // Gone, and there again.
            write(database, "delete from b where id = $1", [id]);
            write(database, "insert into b (id, n) values ($1, $2)", [id, id * 2]);
            // Both of two that meet in one row count, as they do where the row is new.
            let upsert = "insert into b (id, n) values ($1, $2) \
                on conflict (id) do update set n = b.n + excluded.n";
            write(database, upsert, [id, 5]);
            write(database, upsert, [id, 2]);
            write(database, upsert, [id + 2_000, id]);
            // Looks at what was written before it, and at nothing that comes after.
            let look = "insert into b (id, n) select id + 1000, n from a where id = $1";
            write(database, look, [id]);
            write(database, "update a set n = n + $1 where id = $2", [10, id]);
            expected.extend([(id, (id + 12, id * 2 + 7)), (id + 1_000, (0, id + 2))]);
            expected.insert(id + 2_000, (0, id));
        }
        // Rows that share what names them.
        let mut named = database.prepare("update a set n = $1 where name = $2");
        for n in [7, 8] {
            let named = named.as_mut().expect("it is prepared");
            named.write(values![n, "3"]).expect("it is sent");
        }
        for (id, (n, _)) in &mut expected {
            *n = if *id < 1_000 && id % 10 == 3 { 8 } else { *n };
        }
        let found = database
            .prepare("select b.id, coalesce(a.n, 0), b.n from b left join a on a.id = b.id")
            .expect("it is prepared")
            .all((), |row| Ok((row.get::<i64>(0)?, (row.get(1)?, row.get(2)?))))
            .expect("it answers");
        assert_eq!(found.into_iter().collect::<BTreeMap<_, (i64, i64)>>(), expected);
    }

    #[test]
    fn whatever_is_written_goes_before_the_word_that_ends_the_transaction() {
        let server = pombo_peers::postgres::Database::fresh();
        let (session, _) = migrated(&server.url());
        let database = Database::Postgres(&session);
        let tables = "create table a (x bigint not null, y bigint not null, primary key (x, y)); \
             create table b (id bigint primary key, n bigint not null); \
             insert into b (id, n) select n, 0 from generate_series(0, 999) as n";
        database.batch(tables).expect("tables can be made");
        let whole = "select count(1), count(distinct xmin::text) from (select xmin from a \
             union all select xmin from b where n > 0) as written";
        for (round, word) in (1..).zip(["rollback", "commit"]) {
            session.batch("begin").expect("it begins");
            let mut single = database.prepare(
                "insert into a (x, y) values ($1, $2) on conflict (x, y) do update set y = $2",
            );
            let mut update = database.prepare("update b set n = $1 where id = $2");
            // Each of the first is a batch of its own, and each of the others is sent ahead when it is full.
            for id in 0..1_000_i64 {
                single.as_mut().expect("it is prepared").write([id, round]).expect("it is sent");
                update.as_mut().expect("it is prepared").write([round, id]).expect("it is sent");
            }
            let answer = session.end(word.to_owned()).expect("all is written");
            session.wait(answer).expect("it ends");
            session.forget_writes();
            let mut count = database.prepare(whole).expect("it is prepared");
            let found = count.one((), |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)));
            let expected = if word == "commit" { (2_000, 1) } else { (0, 0) };
            assert_eq!(found.expect("it answers"), expected, "{word}");
        }
    }

    #[test]
    fn many_new_rows_arrive_as_they_are() {
        let server = pombo_peers::postgres::Database::fresh();
        let (session, _) = migrated(&server.url());
        let database = Database::Postgres(&session);
        let table = "create table a (id bigint primary key, name text, octets bytea not null)";
        database.batch(table).expect("a table can be made");
        let insert = || database.prepare("insert into a (id, name, octets) values ($1, $2, $3)");
        let name = |id: i64| (id % 3 > 0).then(|| format!("niño {id}"));
        let write = |ids: std::ops::Range<i64>| {
            let mut insert = insert().expect("it is prepared");
            for id in ids {
                insert
                    .write(values![id, name(id), id.to_be_bytes().repeat(2)])
                    .expect("it is sent");
            }
        };
        let n = || {
            let mut count = database.prepare("select count(1) from a").expect("it is prepared");
            count.one((), |row| row.get::<i64>(0))
        };
        // As lists; as a stream; as several.
        let mut end = 0;
        for rows in [1, 127, 999, 1_000, 8_000, 20_000] {
            write(end..end + rows);
            end += rows;
            assert_eq!(n().expect("it answers"), end);
        }
        let found = database
            .prepare("select id, name, octets from a order by id")
            .expect("it is prepared")
            .all((), |row| Ok((row.get(0)?, row.get::<Option<String>>(1)?, row.get(2)?)))
            .expect("it answers");
        for (id, found) in (0_i64..).zip(found) {
            assert_eq!(found, (id, name(id), id.to_be_bytes().repeat(2)));
        }
        // One that is there already makes the whole fail, and the connection serves on.
        write(end - 1..end + 3_000);
        assert!(n().is_err());
        session.batch("rollback").expect("it is over");
        assert_eq!(n().expect("it answers"), end);
    }
}

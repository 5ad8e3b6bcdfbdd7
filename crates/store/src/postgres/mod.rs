//! The engine beyond one machine: PostgreSQL 15 or later, or what speaks its protocol.

mod connection;
mod migrate;
mod session;
mod value;

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;

use crate::error::{Error, Result};
use crate::operation::{Operation, Question, View};
use crate::reader::Readers;
use crate::writer::Writer;
use crate::{OpenError, Options};
use connection::{Reading, SERVED, Writing, take_served};
pub(crate) use migrate::translated;
pub(crate) use session::Session;
pub(crate) use value::Bound;

/// The engine's threads, behind channels.
#[derive(Debug, Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: Writer,
    readers: Readers,
    /// Whether this opening is the one that serves.
    serves: bool,
}

impl Postgres {
    pub(crate) fn open(url: &str, options: &Options) -> std::result::Result<Self, OpenError> {
        let mut config: Config = url.parse().map_err(|_| OpenError::Url(without_password(url)))?;
        config.application_name("pombo");
        let place = without_password(url);
        let unusable =
            |why: Error| OpenError::Server { place: place.clone(), why: why.to_string() };
        let connect = || Session::open(config.clone()).map_err(unusable);
        let first = connect()?;
        migrate::migrate(&first, &place)?;
        if options.exclusive {
            // The server may not have noticed yet that the one before has gone.
            let mut patience = 20;
            while !take_served(&first).map_err(unusable)? {
                if patience == 0 {
                    return Err(OpenError::InUse { path: place });
                }
                patience -= 1;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        let readers = (0..options.readers.max(1))
            .map(|_| connect().map(Reading))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let own = own_number(&first).map_err(unusable)?;
        let writer =
            Writer::start(Writing::new(first, own, options.exclusive)).map_err(unusable)?;
        let readers = Readers::start(readers);
        let inner = Inner { writer, readers, serves: options.exclusive };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) async fn run<O: Operation>(&self, operation: O) -> Result<O::Answer> {
        self.inner.writer.submit(operation)?.await.map_err(|_| Error::Closed)?
    }

    pub(crate) fn run_blocking<O: Operation>(&self, operation: O) -> Result<O::Answer> {
        self.inner.writer.submit(operation)?.blocking_recv().map_err(|_| Error::Closed)?
    }

    pub(crate) async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer> {
        self.inner.readers.submit(question)?.await.map_err(|_| Error::Closed)?
    }

    pub(crate) fn ask_blocking<Q: Question>(&self, question: Q) -> Result<Q::Answer> {
        self.inner.readers.submit(question)?.blocking_recv().map_err(|_| Error::Closed)?
    }

    pub(crate) async fn version(&self) -> Result<i64> {
        self.ask(Turn).await
    }

    pub(crate) fn backlog(&self) -> usize {
        self.inner.writer.backlog()
    }

    pub(crate) fn events(&self) -> tokio::sync::watch::Receiver<i64> {
        self.inner.writer.events()
    }

    pub(crate) fn is_served(&self) -> bool {
        self.inner.serves || matches!(self.ask_blocking(IsServed), Ok(true))
    }

    pub(crate) fn close(&self) {
        self.inner.writer.close();
    }
}

/// How many commits there were.
struct Turn;

impl Question for Turn {
    type Answer = i64;

    fn answer(self, view: &mut View<'_>) -> Result<i64> {
        view.database.prepare("select number from turn")?.one((), |row| row.get(0))
    }
}

struct IsServed;

impl Question for IsServed {
    type Answer = bool;

    fn answer(self, view: &mut View<'_>) -> Result<bool> {
        let text = "select count(1) from pg_locks where locktype = 'advisory' \
             and ((classid::bigint << 32) | objid::bigint) = $1 \
             and database = (select oid from pg_database where datname = current_database())";
        let n: i64 = view.database.prepare(text)?.one([SERVED], |row| row.get(0))?;
        Ok(n > 0)
    }
}

/// A number that no other opening of the store has.
fn own_number(session: &Session) -> Result<i64> {
    let text = "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) \
         * 1000 + pg_backend_pid() % 1000";
    crate::sql::Database::Postgres(session).prepare(text)?.one((), |row| row.get(0))
}

/// The URL as it may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "postgres://…".to_owned() };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{}", host.split('?').next().unwrap_or(host))
}

/// A migrated database, with the tables of one day.
#[cfg(test)]
pub(crate) fn migrated(url: &str) -> (Session, i64) {
    const DAY: i64 = 20_000;
    let session = Session::open(url.parse().expect("a URL")).expect("the server runs");
    migrate::migrate(&session, url).expect("every step runs");
    let database = crate::sql::Database::Postgres(&session);
    crate::work::Days::default().ensure(database, DAY).expect("a day's tables can be made");
    (session, DAY)
}

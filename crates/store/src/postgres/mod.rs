//! The engine beyond one machine: PostgreSQL 15 or later, or what speaks its protocol.

mod connection;
mod migrate;
mod session;
mod value;

use std::time::Duration;

use tokio_postgres::Config;

use crate::error::{Error, Result};
use crate::operation::{Question, View};
use crate::reader::Readers;
use crate::sql::Database;
use crate::writer::Writer;
use crate::{Kind, OpenError, Options, Store, shown_url};
use connection::{Reading, SERVED, Writing, take_served};
pub(crate) use migrate::translated;
pub(crate) use session::Session;
pub(crate) use value::Bound;

/// The database, beside its threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Postgres {
    /// Whether this opening is the one that serves.
    pub(crate) serves: bool,
}

/// Connects, and starts the threads.
pub(crate) fn open(url: &str, options: &Options) -> std::result::Result<Store, OpenError> {
    let mut config: Config = url.parse().map_err(|_| OpenError::Url(shown_url(url)))?;
    config.application_name("pombo");
    let place = shown_url(url);
    let unusable = |why: Error| OpenError::Server { place: place.clone(), why: why.to_string() };
    let connect = || Session::open(config.clone()).map_err(unusable);
    let first = connect()?;
    migrate::migrate(&first, &place)?;
    let serves = options.exclusive;
    if serves {
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
    let writer = Writer::start(Writing::new(first, own, serves)).map_err(unusable)?;
    let kind = Kind::Postgres(Postgres { serves });
    Ok(Store { writer, readers: Readers::start(readers), kind })
}

/// How many commits there were.
pub(crate) struct Commits;

impl Question for Commits {
    type Answer = i64;

    fn answer(self, view: &mut View<'_>) -> Result<i64> {
        view.database.prepare("select number from turn")?.one((), |row| row.get(0))
    }
}

/// Whether a `serve` has the store open.
pub(crate) struct IsServed;

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
    Database::Postgres(session).prepare(text)?.one((), |row| row.get(0))
}

/// A migrated database, with the tables of one day.
#[cfg(test)]
pub(crate) fn migrated(url: &str) -> (Session, i64) {
    const DAY: i64 = 20_000;
    let session = Session::open(url.parse().expect("a URL")).expect("the server runs");
    migrate::migrate(&session, url).expect("every step runs");
    let database = Database::Postgres(&session);
    crate::work::Days::default().ensure(database, DAY).expect("a day's tables can be made");
    (session, DAY)
}

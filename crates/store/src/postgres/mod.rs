//! The engine beyond one machine: PostgreSQL 15 or later, or what speaks its protocol.

#[cfg(test)]
mod behind;
mod call;
mod connection;
mod limits;
mod many;
mod migrate;
mod origin;
mod pipe;
mod place;
mod prepared;
mod pulse;
mod reading;
mod session;
mod tls;
mod together;
mod turn;
mod value;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::node::Membership;
use crate::operation::{Question, View};
use crate::reader::Readers;
use crate::sql::{Database, values};
use crate::writer::Writer;
use crate::{Kind, OpenError, Options, Store, shown_url};
use connection::Writing;
use limits::Limits;
pub(crate) use migrate::translated;
use place::Place;
use pulse::Pulse;
use reading::Reading;
pub(crate) use session::{SHAPE, Session};
pub(crate) use value::Bound;

/// The database, beside its threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Postgres {
    /// Whether this opening is the one that serves.
    pub(crate) serves: bool,
}

/// Connects, and starts the threads.
pub(crate) fn open(url: &str, options: &Options) -> std::result::Result<Store, OpenError> {
    let place = Place::parse(url)?;
    let shown = shown_url(url);
    let unusable = |why: Error| OpenError::Server { place: shown.clone(), why: why.to_string() };
    let serves = options.exclusive;
    let limits = if serves { Limits::SERVING } else { Limits::COMMAND };
    let mut first = Session::open(place.clone(), Limits::NONE).map_err(unusable)?;
    migrate::migrate(&first, &shown)?;
    first.limit(Limits::SERVING).map_err(unusable)?;
    let node = if serves { pulse::join(&first).map_err(unusable)? } else { 0 };
    first.limit(Limits::SERVING.of_node(node)).map_err(unusable)?;
    let readers = (0..options.readers.max(1))
        .map(|_| Session::open(place.clone(), limits.of_node(node)).map(Reading).map_err(unusable))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let own = own_number(&first).map_err(unusable)?;
    let membership = match serves {
        true => Arc::new(Membership::joined(node)),
        false => Arc::new(Membership::alone()),
    };
    if serves {
        for setting in limits::forgetful(&first).map_err(unusable)? {
            tracing::warn!(
                "the server has {setting} = off: what was accepted can be lost when its machine stops; switch it on"
            );
        }
        Pulse::start(place, Arc::clone(&membership)).map_err(unusable)?;
    }
    let writing = Writing::new(first, own, Arc::clone(&membership));
    let (trouble, lately) = (Arc::default(), Arc::default());
    let writer = Writer::start(writing, node, (Arc::clone(&trouble), Arc::clone(&lately)))
        .map_err(unusable)?;
    let kind = Kind::Postgres(Postgres { serves });
    let readers = Readers::start(readers, &trouble, &lately);
    Ok(Store { writer, readers, kind, membership, trouble })
}

/// The version of a database's tables; `None` where it has none.
pub(crate) fn version(url: &str) -> std::result::Result<Option<i64>, OpenError> {
    let unusable = |why: Error| OpenError::Server { place: shown_url(url), why: why.to_string() };
    let session = Session::open(Place::parse(url)?, Limits::SERVING).map_err(unusable)?;
    let database = Database::Postgres(&session);
    let version = || {
        if database.tables("schema_version")?.is_empty() {
            return Ok(None);
        }
        database.version().map(Some)
    };
    version().map_err(unusable)
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
        let text = "select count(1) from pg_stat_activity where datname = current_database() \
             and starts_with(application_name, $1)";
        let n: i64 = view.database.prepare(text)?.one(values!["pombo node "], |row| row.get(0))?;
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
    let place = Place::parse(url).expect("a URL");
    let session = Session::open(place, Limits::SERVING).expect("the server runs");
    migrate::migrate(&session, url).expect("every step runs");
    let database = Database::Postgres(&session);
    crate::work::Days::default().ensure(database, DAY).expect("a day's tables can be made");
    (session, DAY)
}

/// Writes whole numbers, and does not wait.
#[cfg(test)]
pub(crate) fn write<const N: usize>(database: Database<'_>, text: &str, values: [i64; N]) {
    let mut prepared = database.prepare(text).expect("it is prepared");
    prepared.write(values).expect("it is sent");
}

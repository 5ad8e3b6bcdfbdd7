//! The only part that knows SQL: durable operations, group-committed, on one of two engines.
//!
//! A store operation is one command value (in `operation/`, by what it is about). It is run by the
//! writer, together with whatever else waits, in one transaction; its answer is given only after
//! the commit is on disk. No transaction leaves this crate.

mod carrier_id;
pub mod copy;
#[cfg(test)]
mod distribution;
mod error;
mod migration;
mod node;
pub mod operation;
mod outlet;
mod postgres;
mod process;
mod reader;
mod recent;
pub mod seldom;
mod sql;
mod sqlite;
mod statement;
mod tenure;
mod trouble;
mod work;
mod writer;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

pub use error::{Error, OpenError, with_causes};
use node::Membership;
pub use node::{Node, Nodes};
use operation::{Operation, Question};
pub use outlet::Outlet;
use pombo_domain::id::RouteId;
use reader::Readers;
use tokio::sync::watch;
use trouble::Trouble;
#[doc(hidden)]
pub use work::Work;
use writer::Writer;

/// A store's URL as it may be shown: of a database without what may be a password. A password that
/// was written without escapes may hold any of the URL's own characters, so that only what follows
/// its last `@` is the place, and the user is shown only where the URL is plain.
#[must_use]
pub fn shown_url(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return url.to_owned();
    }
    let Some((scheme, rest)) = url.split_once("://") else { return "postgres://…".to_owned() };
    let (who, place) = match rest.rsplit_once('@') {
        Some((who, place)) => (Some(who), place),
        None => (None, rest),
    };
    let place = place.split(['?', '&']).next().unwrap_or_default();
    let user = who.map(|who| who.split(':').next().unwrap_or_default());
    match user.filter(|user| !user.contains(['/', '?', '&', '=', '@'])) {
        Some(user) => format!("{scheme}://{user}:***@{place}"),
        None => format!("{scheme}://{place}"),
    }
}

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// To serve from it: refused while another has the file, and a node beside the others of a
    /// database. Commands that work beside them say `false`.
    pub exclusive: bool,
    /// Make the store where there is none; what only reads says `false`.
    pub create: bool,
    /// Threads that answer questions.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { exclusive: true, create: true, readers: 2 }
    }
}

/// Bytes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// That may still be written.
    pub free: u64,
    /// In all.
    pub total: u64,
}

impl Room {
    /// Kept beside what is owed: a tenth of the disk, and no more than 64 MiB.
    const RESERVE_MAX: u64 = 64 << 20;
    /// What the outcomes of one part may take, in the file and in its log (measured: 250 to 450).
    const PER_PART: u64 = 640;

    /// Whether nothing new should be accepted while `n_owed` parts wait for their outcomes.
    #[must_use]
    pub fn is_short(self, n_owed: u64) -> bool {
        let reserve = Self::RESERVE_MAX.min(self.total / 10);
        self.free < reserve.saturating_add(n_owed.saturating_mul(Self::PER_PART))
    }
}

/// A handle to the store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    writer: Writer,
    readers: Readers,
    kind: Kind,
    membership: Arc<Membership>,
    trouble: Arc<Trouble>,
}

/// What only one of the engines can tell or do.
#[derive(Debug, Clone)]
enum Kind {
    /// The embedded engine: one file.
    Sqlite(Arc<sqlite::Sqlite>),
    /// The engine beyond one machine.
    Postgres(postgres::Postgres),
}

impl Store {
    /// Opens the store that `url` names (`sqlite:PATH` or `postgres://…`), and brings its schema up to date.
    /// Blocks; call it before the runtime starts or on a thread of its own.
    pub fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        let store = Self::open_unfinished(url, options)?;
        // On a thread of its own, so that a caller inside a runtime may wait too.
        let is_unfinished = std::thread::scope(|scope| {
            scope.spawn(|| store.ask_blocking(operation::copy::IsUnfinished)).join()
        });
        match is_unfinished.unwrap_or(Err(Error::Closed)) {
            Ok(false) => Ok(store),
            Ok(true) => {
                store.close();
                Err(OpenError::Unfinished { place: shown_url(url) })
            }
            Err(why) => Err(OpenError::Server { place: shown_url(url), why: why.to_string() }),
        }
    }

    /// The same, also where a copy has not filled it yet.
    pub(crate) fn open_unfinished(url: &str, options: &Options) -> Result<Self, OpenError> {
        match url.split_once(':') {
            // What begins so is no file, but memory, for the embedded engine.
            Some(("sqlite", path))
                if !path.is_empty()
                    && !path.starts_with([':', '?'])
                    && !path.starts_with("file:") =>
            {
                sqlite::open(&PathBuf::from(path), options)
            }
            Some(("postgres" | "postgresql", _)) => postgres::open(url, options),
            _ => Err(OpenError::Url(url.to_owned())),
        }
    }

    /// Where the messages of a route leave from now on, as long as there is that outlet.
    pub fn set_outlet(&self, route: RouteId, outlet: Weak<dyn Outlet>) {
        self.writer.outlets().set(route, outlet);
    }

    /// Runs a command and waits until it is durable.
    pub async fn run<O: Operation>(&self, operation: O) -> Result<O::Answer, Error> {
        self.writer.submit(operation)?.await.map_err(|_| Error::Closed)?
    }

    /// Like [`Store::run`], for threads without a runtime: the command line.
    pub fn run_blocking<O: Operation>(&self, operation: O) -> Result<O::Answer, Error> {
        self.writer.submit(operation)?.blocking_recv().map_err(|_| Error::Closed)?
    }

    /// Answers a question from what is committed.
    pub async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Error> {
        self.readers.submit(question)?.await.map_err(|_| Error::Closed)?
    }

    /// Like [`Store::ask`], for threads without a runtime.
    pub fn ask_blocking<Q: Question>(&self, question: Q) -> Result<Q::Answer, Error> {
        self.readers.submit(question)?.blocking_recv().map_err(|_| Error::Closed)?
    }

    /// Counts commits made by anyone, this process or another; a change means that something
    /// may be new. Cheap enough to look at twice a second.
    pub async fn version(&self) -> Result<i64, Error> {
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.version(),
            Kind::Postgres(_) => self.ask(postgres::Commits).await,
        }
    }

    /// [`Self::version`], for whoever may wait.
    pub(crate) fn version_blocking(&self) -> Result<i64, Error> {
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.version(),
            Kind::Postgres(_) => self.ask_blocking(postgres::Commits),
        }
    }

    /// What is wrong with it now, as far as anybody has met it.
    #[must_use]
    pub fn trouble(&self) -> Option<Error> {
        self.trouble.now()
    }

    /// A damage that was met since it was opened. Until a backup is in its place nothing new should be
    /// accepted: it may not be found again.
    #[must_use]
    pub fn damage(&self) -> Option<Error> {
        self.trouble.damage()
    }

    /// How many rows' worth of commands wait for the writer: the measure of overload.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.writer.backlog()
    }

    /// A bell that rings when the event log has grown.
    #[must_use]
    pub fn events(&self) -> tokio::sync::watch::Receiver<i64> {
        self.writer.events()
    }

    /// The room on the disk that holds the store; `None` where it is not for us to know.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.room(),
            Kind::Postgres(_) => None,
        }
    }

    /// Whether what was claimed may be sent now: no other node can have taken it over.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.membership.tenure.holds()
    }

    /// Waits until another node has taken over what this one had, and says so: what this one knows
    /// is not true any more, and it must end. In a file that never happens.
    pub async fn superseded(&self) -> String {
        self.membership.tenure.ended().await
    }

    /// Those that serve from this store, as they come and go.
    #[must_use]
    pub fn nodes(&self) -> watch::Receiver<Arc<Nodes>> {
        self.membership.nodes()
    }

    /// Says that this node acts by the joining of all up to `newest`: it does no more than its share
    /// among them.
    pub fn act_by(&self, newest: i64) {
        self.membership.act_by(newest);
    }

    /// Tells the other nodes, before long, which routes this one has a link of.
    pub fn tell_up(&self, routes: BTreeSet<RouteId>) {
        self.membership.tell_up(routes);
    }

    /// Rings when another node has committed.
    #[must_use]
    pub fn woken(&self) -> watch::Receiver<u64> {
        self.membership.woken()
    }

    /// Whether a `serve` has the store open.
    #[must_use]
    pub fn is_served(&self) -> bool {
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.is_served(),
            Kind::Postgres(postgres) => {
                postgres.serves || matches!(self.ask_blocking(postgres::IsServed), Ok(true))
            }
        }
    }

    /// Whether each commit is a way to a server and back, and several of them in it.
    #[must_use]
    pub const fn is_far(&self) -> bool {
        matches!(self.kind, Kind::Postgres(_))
    }

    /// Copies a live store to a new file, page by page, while others write.
    /// `progress` is told the pages done and the pages in all.
    pub fn backup(
        &self,
        to: &std::path::Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.backup(to, progress),
            Kind::Postgres(_) => Err(Error::Refused(
                "this store is a PostgreSQL database; back it up with pg_dump".into(),
            )),
        }
    }

    /// Finishes what waits and closes the files.
    pub fn close(&self) {
        self.writer.close();
    }
}

#[cfg(test)]
mod tests {
    use super::shown_url;

    #[test]
    fn a_databases_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://u:secret@db/x?password=secret", "postgres://u:***@db/x"),
            ("postgres://db/x?user=u&password=secret", "postgres://db/x"),
            ("postgres://u:se?cr@et@db/x", "postgres://u:***@db/x"),
            ("postgres://db/x?password=secret&user=a@b&password=secret", "postgres://b"),
            ("postgres:secret", "postgres://…"),
            ("sqlite:pombo-data/pombo.db", "sqlite:pombo-data/pombo.db"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }
}

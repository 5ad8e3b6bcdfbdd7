//! What can go wrong with a store, in words an operator can act on.

use rusqlite::ErrorCode;

/// A command or question that was not done. Nothing of it was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Disk full, read-only, locked, out of reach or out of bounds: worth trying again.
    #[error("the database cannot be written now: {0}")]
    Unavailable(String),
    /// What it holds cannot be read: worth trying again once a backup is in its place.
    #[error("the database is damaged: {0}; stop pombo and restore a backup")]
    Damaged(String),
    /// Anything else: a defect.
    #[error("the database failed: {0}")]
    Failed(String),
    /// The command cannot be done as it was given.
    #[error("{0}")]
    Refused(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Whether the same command may succeed later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Damaged(_))
    }
}

/// What an operation gives.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// What the embedded engine says, in one line: not the text that it was given.
fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

/// What failed, and why that failed, as far as it is told.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        if !words.contains(&why) {
            words = format!("{words}: {why}");
        }
        cause = error.source();
    }
    words
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let words = words(&error);
        match error.sqlite_error_code() {
            _ if is_passing(&error) => Self::Unavailable(words),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(words),
            _ => Self::Failed(words),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else {
            // The connection, not the server.
            return Self::Unavailable(with_causes(&error));
        };
        let code = told.code().code();
        let words = format!("{} ({code})", told.message());
        match (code.get(..2).unwrap_or_default(), code) {
            // 08 connection, 25 read-only, 28 who are you, 3D no such database, 40 conflict,
            // 53 no room, 55 locked, 57 stopped, 58 system; 42501 no right to.
            ("08" | "25" | "28" | "3D" | "40" | "53" | "55" | "57" | "58", _) | (_, "42501") => {
                Self::Unavailable(words)
            }
            ("XX", "XX001" | "XX002") => Self::Damaged(words),
            _ => Self::Failed(words),
        }
    }
}

/// Whether it is for the disk, its owner or another process to mend, rather than a defect.
fn is_passing(error: &rusqlite::Error) -> bool {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed, OutOfMemory,
        PermissionDenied, ReadOnly, SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            CannotOpen
                | DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | FileLockingProtocolFailed
                | OutOfMemory
                | PermissionDenied
                | ReadOnly
                | SystemIoFailure
        )
    )
}

impl OpenError {
    /// A file whose tables could not be read.
    pub(crate) fn of(path: &std::path::Path, error: Error) -> Self {
        let path = path.display().to_string();
        match error {
            Error::Unavailable(why) => Self::Unusable { path, why },
            Error::Damaged(why) | Error::Failed(why) => Self::Damaged { path, why },
            other => Self::Damaged { path, why: other.to_string() },
        }
    }

    /// A step of the schema, from that version to the next, that could not be run.
    pub(crate) fn of_step(place: &str, from: i64, why: Error) -> Self {
        let place = place.to_owned();
        match why {
            Error::Unavailable(why) => Self::Unusable { path: place, why },
            Error::Damaged(why) | Error::Failed(why) => {
                Self::Step { place, from, to: from + 1, why }
            }
            other => Self::Step { place, from, to: from + 1, why: other.to_string() },
        }
    }

    pub(crate) fn at(path: &std::path::Path, error: &rusqlite::Error) -> Self {
        let (path, why) = (path.display().to_string(), words(error));
        if is_passing(error) { Self::Unusable { path, why } } else { Self::Damaged { path, why } }
    }
}

/// Why a store could not be opened: one line that says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Tables are missing that stores of its version have.
    #[error(
        "{place}: the table {table} is missing, though this store has the version of this pombo; was it dropped by hand? Restore a backup"
    )]
    Incomplete {
        /// Which file or database.
        place: String,
        /// The first that is missing.
        table: String,
    },
    /// A file, or a schema of a database, of another program.
    #[error("{place}: it holds a table {table:?}, which is not pombo's; give another store.url")]
    Foreign {
        /// Which file, or server.
        place: String,
        /// One of its tables.
        table: String,
    },
    /// Its tables could not be brought up to date.
    #[error(
        "{place}: its tables could not be brought from version {from} to {to}, and are as they were: {why}; if a table was made or dropped, or the version set, by hand, undo it or restore a backup"
    )]
    Step {
        /// Which file or database.
        place: String,
        /// The version before the step.
        from: i64,
        /// And after it.
        to: i64,
        /// The database's words.
        why: String,
    },
    /// Not a URL of a kind we know.
    #[error(
        "store.url {0:?} is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST/DATABASE; set it to a file, for example \"sqlite:pombo-data/pombo.db\", or to a database"
    )]
    Url(String),
    /// A server's URL that cannot be read.
    #[error(
        "store.url: {why}; it is postgres://USER:PASSWORD@HOST/DATABASE, with options behind a ? ({place} was read of it)"
    )]
    ServerUrl {
        /// What can be shown of it.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The folder cannot be made or written.
    #[error(
        "{path}: cannot make or open it ({why}); check that the folder exists and may be written"
    )]
    Path {
        /// Which path.
        path: String,
        /// The system's words.
        why: String,
    },
    /// Another process serves from it.
    #[error(
        "{path}: another pombo serves from this store; stop it first, or give this one another store.url"
    )]
    InUse {
        /// Which file.
        path: String,
    },
    /// Written by a newer pombo.
    #[error(
        "{path}: the store has schema {found} and this pombo knows {known}; run the newer pombo, or restore a backup"
    )]
    Newer {
        /// Which file.
        path: String,
        /// Its schema number.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// There is none, and the command does not make one.
    #[error(
        "{path}: there is no store; check store.url and the working directory, or make one with `pombo migrate`"
    )]
    Missing {
        /// Which file.
        path: String,
    },
    /// A copy was broken off half-way.
    #[error(
        "{place}: a copy into this store was not finished; run `pombo store copy` again, which goes on where it was, or make a new database"
    )]
    Unfinished {
        /// Which store.
        place: String,
    },
    /// It cannot be read or written now.
    #[error(
        "{path}: {why}; check the permissions of the file and its folder, and the room on the disk"
    )]
    Unusable {
        /// Which file.
        path: String,
        /// The database's words.
        why: String,
    },
    /// A server that cannot be reached, or that refuses.
    #[error(
        "{place}: {why}; check that PostgreSQL runs there, that the database exists, and that the user may connect and create tables"
    )]
    Server {
        /// Which server and database.
        place: String,
        /// Its words.
        why: String,
    },
    /// Not a database, or a damaged one.
    #[error("{path}: {why}; restore a backup if this file was ours, or give another store.url")]
    Damaged {
        /// Which file.
        path: String,
        /// The database's words.
        why: String,
    },
}

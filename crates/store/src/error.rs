//! What can go wrong with a store, in words an operator can act on.

/// A command or question that was not done. Nothing of it was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Disk full, read-only, locked or out of reach: worth trying again.
    #[error("the database cannot be written now: {0}")]
    Unavailable(String),
    /// Anything else: a defect or a damaged file.
    #[error("the database failed: {0}")]
    Failed(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Whether the same command may succeed later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed,
            OutOfMemory, ReadOnly, SystemIoFailure,
        };
        match error.sqlite_error_code() {
            Some(
                CannotOpen
                | DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | FileLockingProtocolFailed
                | OutOfMemory
                | ReadOnly
                | SystemIoFailure,
            ) => Self::Unavailable(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Why a store could not be opened: one line that says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a URL of a kind we know.
    #[error(
        "store.url {0:?} is not of the form sqlite:PATH; set it to a file, for example \"sqlite:pombo-data/pombo.db\""
    )]
    Url(String),
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
    /// Not a database, or a damaged one.
    #[error("{path}: {why}; restore a backup if this file was ours, or give another store.url")]
    Damaged {
        /// Which file.
        path: String,
        /// The database's words.
        why: String,
    },
}

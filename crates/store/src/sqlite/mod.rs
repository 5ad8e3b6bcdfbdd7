//! The embedded engine: WAL, `synchronous=FULL`, one writer thread, a few readers.

mod checkpoint;
mod connection;
mod lending;
mod migrate;
mod turn;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::node::Membership;
use crate::reader::Readers;
use crate::trouble::Trouble;
use crate::writer::Writer;
use crate::{Error, Kind, OpenError, Options, Room, Store};
use connection::{Reading, Writing};
use turn::Turn;

pub(crate) use lending::{Lending, Lent, Name};

/// Pages of 4 KiB that the writer keeps in memory (12 MiB). More of them made nothing faster: the
/// system keeps the rest.
const WRITER_CACHE_KIB: i64 = 12 * 1024;
/// The same for each reader.
const READER_CACHE_KIB: i64 = 4 * 1024;

/// The file, beside its threads.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    /// Compares versions: what one connection counts says nothing about another's count.
    watch: Mutex<Connection>,
    /// Held as long as the store is open: the lock that keeps a second `serve` out.
    _lock: Option<File>,
}

/// Opens the file, or makes it, and starts its threads.
pub(crate) fn open(path: &Path, options: &Options) -> Result<Store, OpenError> {
    let refused = |why: std::io::Error| OpenError::Path {
        path: path.display().to_string(),
        why: why.to_string(),
    };
    if !options.create && !path.exists() {
        return Err(OpenError::Missing { path: path.display().to_string() });
    }
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(refused)?;
    }
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        let path = path.display();
        tracing::warn!(%path, "the file is empty: a store is begun in it; if it had held one, stop and restore it");
    }
    make_private(path).map_err(refused)?;
    let lock = if options.exclusive { Some(lock(path)?) } else { None };
    let damaged = |why: rusqlite::Error| OpenError::at(path, &why);
    let mut connection = connect(path, WRITER_CACHE_KIB).map_err(damaged)?;
    migrate::migrate(&mut connection, path)?;
    let readers = (0..options.readers.max(1))
        .map(|_| connect(path, READER_CACHE_KIB).map(Reading))
        .collect::<Result<Vec<_>, _>>()
        .map_err(damaged)?;
    let checkpoints = connect(path, READER_CACHE_KIB).map_err(damaged)?;
    let watch = Mutex::new(connect(path, READER_CACHE_KIB).map_err(damaged)?);
    let turn = Turn::open(path, options.exclusive).map_err(refused)?;
    if !options.exclusive {
        connection.busy_handler(Some(turn::look_again)).map_err(damaged)?;
    }
    let (trouble, lately) = (Arc::new(Trouble::of_one_file()), Arc::default());
    let writer = Writing::new(connection, checkpoints, (turn, room(path)))
        .and_then(|writing| Writer::start(writing, 0, (Arc::clone(&trouble), Arc::clone(&lately))))
        .map_err(|why| OpenError::of(path, why))?;
    let kind = Sqlite { path: path.to_owned(), watch, _lock: lock };
    let kind = Kind::Sqlite(Arc::new(kind));
    let membership = Arc::new(Membership::alone());
    let readers = Readers::start(readers, &trouble, &lately);
    Ok(Store { writer, readers, kind, membership, trouble })
}

impl Sqlite {
    pub(crate) fn version(&self) -> Result<i64, Error> {
        let watch = self.watch.lock().map_err(|_| Error::Closed)?;
        Ok(watch.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))?)
    }

    pub(crate) fn room(&self) -> Option<Room> {
        room(&self.path)
    }

    pub(crate) fn is_served(&self) -> bool {
        self._lock.is_some() || matches!(lock(&self.path), Err(OpenError::InUse { .. }))
    }

    pub(crate) fn backup(
        &self,
        to: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        if to.exists() {
            let why = format!("{} exists already; name a new file", to.display());
            return Err(Error::Refused(why));
        }
        let from = connect(&self.path, READER_CACHE_KIB)?;
        // One statement, one snapshot: consistent while others write. It gives no progress of
        // its own, so the size it will have is told before and after.
        let pages: i64 = from.query_row("pragma page_count", [], |row| row.get(0))?;
        let pages = u64::try_from(pages).unwrap_or(0);
        progress(0, pages);
        let part = beside(to, ".part");
        if part.exists() {
            let why = format!(
                "{} is there: another backup is being made, or was broken off; wait for it, or remove it",
                part.display()
            );
            return Err(Error::Refused(why));
        }
        // An empty file is taken over, with its permissions.
        make_private(&part).map_err(|why| unwritable(&part, &why))?;
        let made = from.execute("vacuum into $1", [part.display().to_string()]);
        let kept = made
            .map_err(Error::from)
            .and_then(|_| keep(&part, to).map_err(|why| unwritable(to, &why)));
        if kept.is_err() {
            // What is half there is worth nothing; it may be what fills the disk.
            let _ = std::fs::remove_file(&part);
        }
        kept?;
        progress(pages, pages);
        Ok(())
    }
}

/// Gives a whole file its name, once it is on the disk.
fn keep(part: &Path, whole: &Path) -> std::io::Result<()> {
    File::open(part)?.sync_all()?;
    if whole.exists() {
        return Err(std::io::ErrorKind::AlreadyExists.into()); // It was made meanwhile.
    }
    std::fs::rename(part, whole)?;
    let folder = whole.parent().filter(|folder| !folder.as_os_str().is_empty());
    // The file is whole and on the disk; not every system keeps the folder on request.
    let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    Ok(())
}

fn unwritable(path: &Path, why: &std::io::Error) -> Error {
    Error::Refused(format!("{} cannot be written: {why}; name a file that can", path.display()))
}

/// The file of that name and more.
fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

/// The disk that holds the file.
fn room(path: &Path) -> Option<Room> {
    let disk = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some(Room { free: bytes(disk.f_bavail), total: bytes(disk.f_blocks) })
}

/// Makes the file where it is missing, for nobody but its owner: it holds texts and numbers.
/// What `SQLite` puts beside it gets the same permissions.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Takes the lock file beside the database, or says who cannot come in.
fn lock(path: &Path) -> Result<File, OpenError> {
    let shown = path.display().to_string();
    let file = File::create(beside(path, ".lock"))
        .map_err(|why| OpenError::Path { path: shown.clone(), why: why.to_string() })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: shown }),
        Err(TryLockError::Error(why)) => Err(OpenError::Path { path: shown, why: why.to_string() }),
    }
}

fn connect(path: &Path, cache_kib: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(256);
    // Plans do not depend on bound values. Without this, every statement with a range or a limit
    // is compiled again each time its values are cleared.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// A store in memory, with the tables of one day.
#[cfg(test)]
pub(crate) fn migrated_in_memory() -> (Connection, i64) {
    const DAY: i64 = 20_000;
    let mut connection = Connection::open_in_memory().expect("memory is there");
    migrate::migrate(&mut connection, Path::new("memory")).expect("every step runs");
    crate::work::Days::default()
        .ensure(crate::sql::Database::Sqlite(&connection), DAY)
        .expect("a day's tables can be made");
    (connection, DAY)
}

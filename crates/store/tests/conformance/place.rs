//! Where a test's store lies: in a folder of its own, or in a database of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use pombo_peers::postgres::Database;
use pombo_store::{OpenError, Options, Store};

/// A folder of its own that goes away with the test.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pombo-store-test-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("pombo.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.file().display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// As a command opens a store beside a server.
pub(crate) const SHARED: Options = Options { exclusive: false, create: true, readers: 1 };

/// Where a store lies.
#[derive(Debug)]
pub(crate) enum Place {
    Sqlite(Folder),
    Postgres(Database),
}

impl Place {
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => folder.url(),
            Self::Postgres(database) => database.url(),
        }
    }

    pub(crate) fn open(&self) -> Store {
        // A program that another test starts has the lock too, from its fork to its exec.
        let open = || Store::open(&self.url(), &Options::default());
        let is_free = |opened: &_| !matches!(opened, Err(OpenError::InUse { .. }));
        std::iter::repeat_with(open).take(100_000).find(is_free).unwrap().unwrap()
    }

    /// The database, where it is one.
    pub(crate) fn database(&self) -> &pombo_peers::postgres::Database {
        let Self::Postgres(database) = self else { panic!("{self:?} is no server") };
        database
    }

    /// The folder, where it lies in one.
    pub(crate) fn folder(&self) -> &Folder {
        let Self::Sqlite(folder) = self else { panic!("{self:?} is no folder") };
        folder
    }
}

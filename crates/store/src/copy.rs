//! Copies a store in a file into an empty database, page by page, and compares the two.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::operation::copy::{
    Begin, Begun, Cell, Checksum, Count, Finish, Page, Place, Put, Shape, Shapes,
};
use crate::tenure::OVER_AFTER;
use crate::{Error, OpenError, Options, Store, shown_url};

/// Rows of a page: one commit.
const PAGE_ROWS: i64 = 2_000;

/// How far a copy is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'p> {
    /// Which table.
    pub table: &'p str,
    /// Its rows that are done.
    pub done: u64,
    /// All its rows.
    pub total: u64,
    /// Whether it is being compared, after all were copied.
    pub is_comparing: bool,
}

/// What was copied, and found to be the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Tables.
    pub tables: u64,
    /// Rows of all of them.
    pub rows: u64,
    /// Whether a copy that was broken off was gone on with.
    pub was_begun: bool,
}

/// Why a store was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// One of the two cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new one has rows.
    #[error(
        "{place}: the table {table} is not empty; copy into a new database, which `createdb` makes"
    )]
    NotEmpty {
        /// Which database.
        place: String,
        /// Which table.
        table: String,
    },
    /// The new one holds half of another copy.
    #[error("{place}: a copy of {from} was broken off here; make a new database for this one")]
    FromElsewhere {
        /// Which database.
        place: String,
        /// Where that one came from.
        from: String,
    },
    /// The new one has tables of another version.
    #[error(
        "{place}: its tables are of version {found}, and this pombo's are of {known}; copy into a new database"
    )]
    OtherVersion {
        /// Which database.
        place: String,
        /// Its schema number.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// They differ.
    #[error(
        "{place}: the table {table} differs from the file's ({rows} rows there, {there} here); was the file written to meanwhile? Make a new database and copy again"
    )]
    Differs {
        /// Which database.
        place: String,
        /// Which table.
        table: String,
        /// Rows in the file.
        rows: u64,
        /// Rows in the database.
        there: u64,
    },
    /// The old one is another by now.
    #[error(
        "{path}: the file was written to while it was copied; make a new database and copy again, and run no command on the file meanwhile"
    )]
    WrittenTo {
        /// Which file.
        path: String,
    },
    /// One of the two failed.
    #[error("{0}")]
    Store(#[from] Error),
}

/// Copies the store in the file `from`, which nobody may serve from meanwhile, into the database
/// `to`, which must be empty or hold a copy of the same that was broken off. Blocks.
///
/// # Errors
/// See [`CopyError`]. Until the copy is finished, nothing else opens the new store.
pub fn copy(
    from: &Path,
    to: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Copied, CopyError> {
    let url = format!("sqlite:{}", from.display());
    // Serving, so that nobody else does.
    let old = Store::open(&url, &Options { create: false, ..Options::default() })?;
    look_at_version(to)?;
    let place = shown_url(to);
    let new = Store::open_unfinished(to, &Options::default())?;
    if !is_alone(&new) {
        new.close();
        return Err(OpenError::InUse { path: place }.into());
    }
    let pair = Pair { old, new, place };
    let from = from.canonicalize().unwrap_or_else(|_| from.to_owned());
    let copied = pair.copy(from.display().to_string(), progress);
    pair.old.close();
    pair.new.close();
    copied
}

/// Whether nobody else serves from it. Who was killed there is taken for alive for a while.
fn is_alone(store: &Store) -> bool {
    let begun = Instant::now();
    let nodes = store.nodes();
    while nodes.borrow().all().len() > 1 {
        if begun.elapsed() > 2 * OVER_AFTER {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    true
}

/// Opening brings tables up to date, which is not for somebody else's.
fn look_at_version(url: &str) -> Result<(), CopyError> {
    let known = i64::try_from(crate::migration::STEPS.len()).unwrap_or(i64::MAX);
    match crate::postgres::version(url)? {
        Some(found) if found != known => {
            Err(CopyError::OtherVersion { place: shown_url(url), found, known })
        }
        _ => Ok(()),
    }
}

/// The two stores.
struct Pair {
    old: Store,
    new: Store,
    /// The new one's, as it may be shown.
    place: String,
}

impl Pair {
    fn copy(
        &self,
        from: String,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Copied, CopyError> {
        let version = self.old.version_blocking()?;
        let shapes = Arc::new(self.old.ask_blocking(Shapes)?);
        let place = self.place.clone();
        let begin = Begin { from: from.clone(), shapes: Arc::clone(&shapes) };
        let was_begun = match self.new.run_blocking(begin)? {
            Begun::Anew => false,
            Begun::Again => true,
            Begun::FromElsewhere(from) => return Err(CopyError::FromElsewhere { place, from }),
            Begun::NotEmpty(table) => return Err(CopyError::NotEmpty { place, table }),
        };
        let mut copied = Copied { was_begun, ..Copied::default() };
        let mut totals = Vec::new();
        for shape in shapes.iter().cloned().map(Arc::new) {
            let total = self.old.ask_blocking(Count(Arc::clone(&shape)))?;
            let total = u64::try_from(total).unwrap_or(0);
            self.copy_table(&shape, total, progress)?;
            totals.push((shape, total));
        }
        for (shape, total) in totals {
            copied.rows += self.compare(&shape, total, progress)?;
            copied.tables += 1;
        }
        // Tables that were the same may have become others since.
        if self.old.version_blocking()? != version {
            return Err(CopyError::WrittenTo { path: from });
        }
        self.new.run_blocking(Finish { shapes })?;
        Ok(copied)
    }

    fn copy_table(
        &self,
        shape: &Arc<Shape>,
        total: u64,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), CopyError> {
        let mut after = self.new.ask_blocking(Place(Arc::clone(shape)))?;
        let mut done = 0;
        if after.is_some() {
            let there = self.new.ask_blocking(Count(Arc::clone(shape)))?;
            done = u64::try_from(there).unwrap_or(0);
        }
        loop {
            progress(Progress { table: &shape.name, done, total, is_comparing: false });
            let rows = self.page(&self.old, shape, after.as_ref())?;
            let n = rows.len() as u64;
            after = rows.last().map(|last| shape.key_of(last));
            // An empty page too: it makes a day's tables where none of them has a row.
            self.new.run_blocking(Put { shape: Arc::clone(shape), rows: Arc::new(rows) })?;
            done += n;
            if n == 0 {
                return Ok(());
            }
        }
    }

    /// Compares the two tables; their number of rows where they are the same.
    fn compare(
        &self,
        shape: &Arc<Shape>,
        total: u64,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<u64, CopyError> {
        let mut sums = [Checksum::default(); 2];
        for (sum, store) in sums.iter_mut().zip([&self.old, &self.new]) {
            let mut after = None;
            loop {
                progress(Progress {
                    table: &shape.name,
                    done: sum.rows,
                    total,
                    is_comparing: true,
                });
                let rows = self.page(store, shape, after.as_ref())?;
                let Some(last) = rows.last() else { break };
                after = Some(shape.key_of(last));
                rows.iter().for_each(|row| sum.add(row));
            }
        }
        let [old, new] = sums;
        if old == new {
            return Ok(old.rows);
        }
        let (place, table) = (self.place.clone(), shape.name.clone());
        Err(CopyError::Differs { place, table, rows: old.rows, there: new.rows })
    }

    fn page(
        &self,
        store: &Store,
        shape: &Arc<Shape>,
        after: Option<&Vec<Cell>>,
    ) -> Result<Vec<Vec<Cell>>, Error> {
        let (shape, after) = (Arc::clone(shape), after.cloned());
        store.ask_blocking(Page { shape, after, limit: PAGE_ROWS })
    }
}

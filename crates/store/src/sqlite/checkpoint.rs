//! Checkpoints on a thread of their own, so that the writer seldom copies pages.
//!
//! The log starts over only when all of it has been copied and nobody writes meanwhile. Under load
//! the thread never catches up by itself, so it copies until little is left and then asks the
//! writer to copy that rest between two commits: a pause of a few milliseconds, not of a whole log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;

use crate::Room;

/// Pages in the write-ahead log (48 MiB) from which it is to be copied and started over; on a small
/// disk a sixteenth of it, that the log leaves room for what it is copied to.
const WORTH_PAGES: i64 = 12_288;
const DISK_SHARE: u64 = 16;
const PAGE_BYTES: u64 = 4_096;
/// Pages copied by one pass below which the writer may copy the rest (1 MiB).
const LITTLE_PAGES: i64 = 256;
/// Passes after which the writer copies whatever is left.
const PASSES_MAX: usize = 8;
/// Pages (512 MiB) from which the writer copies whatever happens.
const TOO_MANY_PAGES: i64 = 131_072;

/// The thread's side that the writer sees; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    worth_pages: i64,
    wake: SyncSender<()>,
    nearly_done: Arc<AtomicBool>,
}

impl Checkpointer {
    pub(crate) fn start(connection: Connection, disk: Option<Room>) -> Self {
        let share = disk.map_or(u64::MAX, |disk| disk.total / DISK_SHARE / PAGE_BYTES);
        let worth_pages = i64::try_from(share).unwrap_or(i64::MAX);
        let worth_pages = worth_pages.clamp(LITTLE_PAGES, WORTH_PAGES);
        let (wake, woken) = sync_channel(1);
        let nearly_done = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&nearly_done);
        let run = move || checkpoints(&connection, &woken, &tell);
        if let Err(error) = std::thread::Builder::new().name("store-ckpt".into()).spawn(run) {
            tracing::error!(%error, "the checkpoint thread could not be started");
        }
        Self { worth_pages, wake, nearly_done }
    }

    /// Tells how long the log is after a commit; says whether the writer is to copy the rest now.
    pub(crate) fn log_has(&self, pages: i64) -> bool {
        if pages < self.worth_pages {
            return false;
        }
        if self.nearly_done.swap(false, Ordering::AcqRel) {
            return true;
        }
        // Full: it is awake already. Disconnected: the store is closing.
        let _ = self.wake.try_send(());
        pages > TOO_MANY_PAGES
    }
}

fn checkpoints(connection: &Connection, woken: &Receiver<()>, nearly_done: &AtomicBool) {
    loop {
        let idle = match woken.recv_timeout(Duration::from_secs(60)) {
            Ok(()) => false,
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        match copy_nearly_all(connection) {
            Ok(()) if idle => {}
            Ok(()) => {
                // A leftover call would have the next pass and the writer's in each other's way.
                while woken.try_recv().is_ok() {}
                nearly_done.store(true, Ordering::Release);
            }
            Err(error) => {
                tracing::warn!(%error, "a checkpoint failed; the log grows until one succeeds");
            }
        }
    }
}

/// Passes until one had little to copy: each has only what was written during the one before.
fn copy_nearly_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut before = 0;
    for _ in 0..PASSES_MAX {
        let copied = run(connection)?;
        if (copied - before).abs() < LITTLE_PAGES {
            break;
        }
        before = copied;
    }
    Ok(())
}

/// Copies what can be copied without making anyone wait; answers how many pages of the log are
/// copied now.
pub(crate) fn run(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("pragma wal_checkpoint(passive)", [], |row| row.get(2))
}

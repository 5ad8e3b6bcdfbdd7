//! Checkpoints on a thread of their own, so that the writer seldom copies pages.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rusqlite::Connection;

/// Pages in the write-ahead log (16 MiB) from which a checkpoint is worth its syncs.
const WORTH_PAGES: i64 = 4_096;
/// Pages (96 MiB) from which the writer itself helps, so that the log starts over.
pub(crate) const TOO_MANY_PAGES: i64 = 24_576;

/// Asks for checkpoints; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Sender<i64>,
}

impl Checkpointer {
    pub(crate) fn start(connection: Connection) -> Self {
        let (wake, woken) = channel();
        let run = move || checkpoints(&connection, &woken);
        if let Err(error) = std::thread::Builder::new().name("store-ckpt".into()).spawn(run) {
            tracing::error!(%error, "the checkpoint thread could not be started");
        }
        Self { wake }
    }

    /// Tells how long the log is after a commit.
    pub(crate) fn log_has(&self, pages: i64) {
        if pages >= WORTH_PAGES {
            // The thread may be gone when the store is closing.
            let _ = self.wake.send(pages);
        }
    }
}

fn checkpoints(connection: &Connection, woken: &Receiver<i64>) {
    loop {
        match woken.recv_timeout(Duration::from_secs(60)) {
            Ok(_) => while woken.try_recv().is_ok() {},
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Err(error) = run(connection) {
            tracing::warn!(%error, "a checkpoint failed; the log grows until one succeeds");
        }
    }
}

/// Copies what can be copied without making anyone wait.
pub(crate) fn run(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(()))
}

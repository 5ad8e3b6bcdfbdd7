//! Whose turn it is to write: a command beside a busy server waits for one commit, not for a pause.
//!
//! A server that always has something to commit takes the database's lock again as soon as it has
//! let it go, and whoever else wants it looks too seldom to find it free. So whoever is no server
//! holds a lock file while it waits, and the server stands aside as long as somebody does.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::beside;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Looks after which a server goes on: who waited has stopped or was stopped.
const ASIDE_MAX: usize = 100;
/// Looks after which a command gives up: ten seconds.
const LOOKS_MAX: i32 = 10_000;

/// The lock file, and on which side of it we are.
pub(super) struct Turn {
    file: File,
    serves: bool,
}

/// Held while waiting.
pub(super) struct Waiting<'t>(&'t File);

impl Turn {
    pub(super) fn open(database: &Path, serves: bool) -> std::io::Result<Self> {
        Ok(Self { file: File::create(beside(database, ".turn"))?, serves })
    }

    /// Before the database's lock is taken: a server lets others go first, others say that they wait.
    pub(super) fn ask(&self) -> Option<Waiting<'_>> {
        if self.serves {
            self.stand_aside();
            return None;
        }
        // Where the file cannot be locked, we wait like everybody did before there was one.
        self.file.lock().ok().map(|()| Waiting(&self.file))
    }

    fn stand_aside(&self) {
        for _ in 0..ASIDE_MAX {
            match self.file.try_lock_shared() {
                Ok(()) => {
                    let _ = self.file.unlock();
                    return;
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK_EVERY),
                Err(TryLockError::Error(_)) => return,
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // It goes with the file at the latest.
        let _ = self.0.unlock();
    }
}

/// How a command waits for the database's lock: it looks often, because the server stands aside.
pub(super) fn look_again(looks: i32) -> bool {
    std::thread::sleep(LOOK_EVERY);
    looks < LOOKS_MAX
}

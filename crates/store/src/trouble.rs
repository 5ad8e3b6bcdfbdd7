//! What is wrong with a store, as far as those who work with it have met it: what they tell each caller
//! is told to the operator too, and to who would have it accept more.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// How long a write that failed says anything, where no other was tried since.
const SAYS_FOR: Duration = Duration::from_secs(10);

/// What was met so far.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Whether all is in one file: then what is damaged in one place can be trusted in none.
    is_one_file: bool,
    damage: OnceLock<Error>,
    /// When a write failed last, and why; nothing once one has not.
    unwritable: Mutex<Option<(Instant, Error)>>,
}

impl Trouble {
    pub(crate) fn of_one_file() -> Self {
        Self { is_one_file: true, ..Self::default() }
    }

    /// An error was met.
    pub(crate) fn met(&self, error: &Error) {
        if self.is_one_file && matches!(error, Error::Damaged(_)) {
            // The first tells enough.
            let _ = self.damage.set(error.clone());
        }
    }

    /// A transaction could not be written.
    pub(crate) fn failed(&self, error: &Error) {
        self.met(error);
        if error.is_passing() {
            *self.unwritable() = Some((Instant::now(), error.clone()));
        }
    }

    /// A transaction was written.
    pub(crate) fn wrote(&self) {
        *self.unwritable() = None;
    }

    fn unwritable(&self) -> MutexGuard<'_, Option<(Instant, Error)>> {
        self.unwritable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A damage, after which nothing new should be accepted.
    pub(crate) fn damage(&self) -> Option<Error> {
        self.damage.get().cloned()
    }

    /// What is wrong now.
    pub(crate) fn now(&self) -> Option<Error> {
        self.damage().or_else(|| {
            let last = self.unwritable().clone();
            last.filter(|(at, _)| at.elapsed() < SAYS_FOR).map(|(_, why)| why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_disk_passes_and_a_damaged_file_does_not() {
        let (full, damaged) = (Error::Unavailable("full".into()), Error::Damaged("page 7".into()));
        let file = Trouble::of_one_file();
        file.failed(&full);
        file.failed(&Error::Refused("not so".into()));
        assert!(file.now().is_some() && file.damage().is_none());
        file.wrote();
        assert!(file.now().is_none());
        file.failed(&full);
        tokio::time::advance(SAYS_FOR).await;
        assert!(file.now().is_none(), "nobody has tried since");
        file.met(&damaged);
        file.wrote();
        assert!(file.now().is_some() && file.damage().is_some());
        let server = Trouble::default();
        server.met(&damaged);
        assert!(server.now().is_none(), "its other tables are as good as before");
    }
}

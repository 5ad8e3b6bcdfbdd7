//! What is wrong with a store, as far as those who work with it have met it: what they tell each caller
//! is told to the operator too, and to who would have it accept more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Error;

/// What was met so far.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Whether all is in one file: then what is damaged in one place can be trusted in none.
    is_one_file: bool,
    damage: OnceLock<Error>,
    /// Why nothing could be written when that was last tried.
    unwritable: Mutex<Option<Error>>,
    is_unwritable: AtomicBool,
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

    /// A transaction was written, or could not be.
    pub(crate) fn wrote(&self, failed: Option<&Error>) {
        let failed = failed.filter(|error| error.is_passing());
        if let Some(error) = failed {
            self.met(error);
        } else if !self.is_unwritable.load(Ordering::Relaxed) {
            return;
        }
        self.is_unwritable.store(failed.is_some(), Ordering::Relaxed);
        *self.unwritable.lock().unwrap_or_else(PoisonError::into_inner) = failed.cloned();
    }

    /// A damage, after which nothing new should be accepted.
    pub(crate) fn damage(&self) -> Option<Error> {
        self.damage.get().cloned()
    }

    /// What is wrong now.
    pub(crate) fn now(&self) -> Option<Error> {
        let unwritable = || self.unwritable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.damage().or_else(unwritable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_passes_and_a_damaged_file_does_not() {
        let (full, damaged) = (Error::Unavailable("full".into()), Error::Damaged("page 7".into()));
        let file = Trouble::of_one_file();
        file.wrote(Some(&full));
        assert!(file.now().is_some() && file.damage().is_none());
        file.wrote(Some(&Error::Refused("not so".into())));
        assert!(file.now().is_none(), "what refuses a command can write");
        file.met(&damaged);
        file.wrote(None);
        assert!(file.now().is_some() && file.damage().is_some());
        let server = Trouble::default();
        server.met(&damaged);
        assert!(server.now().is_none(), "its other tables are as good as before");
    }
}

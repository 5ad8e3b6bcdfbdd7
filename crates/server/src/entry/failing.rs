//! What the log says of requests that fail on our side. While the store is out of reach every request
//! does: then a line a second, because a line each would fill the very disk that is full.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use pombo_app::error::Fault;
use tokio::time::Instant;

static PASSING: LazyLock<Seldom> = LazyLock::new(Seldom::default);

/// Logs `what` failed, and why.
pub(super) fn log(what: &'static str, fault: &Fault) {
    let why = fault as &dyn std::error::Error;
    match fault {
        Fault::StoreUnavailable(_) => {
            if let Some(n_more) = PASSING.turn() {
                tracing::error!(error = why, n_more, "{what}");
            }
        }
        Fault::Store(_) | Fault::Changed { .. } => tracing::error!(error = why, "{what}"),
    }
}

/// Logs that the store has not answered in time.
pub(super) fn log_unanswered() {
    if let Some(n_more) = PASSING.turn() {
        tracing::error!(n_more, "a request was given up: the store has not answered");
    }
}

/// Gives one of many a turn in each second.
struct Seldom {
    began: Instant,
    /// The second that has had its turn, from 1.
    second: AtomicU64,
    /// Those without a turn since.
    n_without: AtomicU64,
}

impl Default for Seldom {
    fn default() -> Self {
        Self { began: Instant::now(), second: AtomicU64::new(0), n_without: AtomicU64::new(0) }
    }
}

impl Seldom {
    fn turn(&self) -> Option<u64> {
        self.turn_in(self.began.elapsed().as_secs() + 1)
    }

    /// Whether it is this one's turn: then how many had none since the last.
    fn turn_in(&self, second: u64) -> Option<u64> {
        if self.second.fetch_max(second, Ordering::Relaxed) < second {
            return Some(self.n_without.swap(0, Ordering::Relaxed));
        }
        self.n_without.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_second_is_told_and_with_it_how_many_were_not() {
        let seldom = Seldom::default();
        let turns = [1, 1, 1, 2, 2, 5].map(|second| seldom.turn_in(second));
        assert_eq!(turns, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}

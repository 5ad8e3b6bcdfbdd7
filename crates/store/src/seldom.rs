//! A line of the log a second, however often the same goes wrong: while a disk is full it is thousands
//! of times, and a line each would go to that disk.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Gives one of many a turn in each second.
#[derive(Debug)]
pub struct Seldom {
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
    /// Whether it is this one's turn: then how many had none since the last that had.
    pub fn turn(&self) -> Option<u64> {
        self.turn_in(self.began.elapsed().as_secs() + 1)
    }

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

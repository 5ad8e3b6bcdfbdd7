//! How a link slows down when the carrier asks for less speed.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::config::Timings;

/// "Queue full" answers in a row that mean the whole carrier is full, not one recipient's queue.
const FULL_IN_A_ROW: u32 = 20;

/// The pauses of one link.
#[derive(Debug)]
pub(super) struct Pace {
    backoff: Backoff,
    pause: Duration,
    until: Option<Instant>,
    n_full: u32,
}

impl Pace {
    pub(super) const fn new(timings: &Timings) -> Self {
        let backoff = Backoff::new(timings.throttle_min, timings.throttle_max);
        Self { backoff, pause: timings.throttle_min, until: None, n_full: 0 }
    }

    /// The carrier asks for less speed. Whether a pause begins now: answers to what was already
    /// on its way belong to the pause that is running.
    pub(super) fn throttled(&mut self, now: Instant) -> bool {
        if self.is_paused(now) {
            return false;
        }
        self.pause = self.backoff.pause();
        self.until = Some(now + self.pause);
        true
    }

    /// The length of the pause that is running, or was last.
    pub(super) const fn pause(&self) -> Duration {
        self.pause
    }

    /// A queue is full there. Whether so many said so in a row that it must be the carrier's own.
    pub(super) const fn full(&mut self) -> bool {
        self.n_full = self.n_full.saturating_add(1);
        self.n_full >= FULL_IN_A_ROW
    }

    /// The carrier has accepted something.
    pub(super) fn accepted(&mut self) {
        self.n_full = 0;
        if self.until.is_none() {
            self.backoff.reset();
        }
    }

    /// Whether nothing may be submitted now.
    pub(super) fn is_paused(&mut self, now: Instant) -> bool {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
        }
        self.until.is_some()
    }

    /// When the pause ends.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_something_is_accepted() {
        let s = Duration::from_secs;
        let mut now = Instant::now();
        let mut pace = Pace::new(&Timings::default());
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            assert!(pace.throttled(now));
            assert!(!pace.throttled(now), "one pause at a time");
            // What was on its way before the pause proves nothing about the speed after it.
            pace.accepted();
            assert_eq!(pace.pause(), s(expected));
            now += s(expected);
            assert!(!pace.is_paused(now));
        }
        pace.accepted();
        assert!(pace.throttled(now));
        assert_eq!(pace.pause(), s(1));
    }

    #[test]
    fn a_carrier_that_is_full_for_everyone_is_told_from_one_recipients_queue() {
        let mut pace = Pace::new(&Timings::default());
        assert!((1..FULL_IN_A_ROW).all(|_| !pace.full()));
        assert!(pace.full());
        pace.accepted();
        assert!(!pace.full());
    }
}

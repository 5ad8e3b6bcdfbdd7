//! A token bucket as arithmetic on (state, now).

use std::time::Duration;

use crate::time::Instant;

/// At most `per_second` tokens a second, with a burst of a tenth of a second's worth (at least one).
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    per_second: f64,
    tokens: f64,
    at: Instant,
}

/// Who reads the clock and has to wait for the bucket comes late by no more than this.
const LATE_MAX: Duration = Duration::from_secs(1);

/// Seconds of burst that a bucket holds (DESIGN section 6: "burst 0.1 s").
const BURST_S: f64 = 0.1;

impl Bucket {
    /// A full bucket. `per_second` is above zero; no limit is the absence of a bucket.
    #[must_use]
    pub fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, tokens: Self::capacity(per_second), at: now }
    }

    fn capacity(per_second: f64) -> f64 {
        (per_second * BURST_S).max(1.0)
    }

    /// The rate it fills at.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Changes the rate from now on; the tokens at hand stay, within the new burst.
    pub fn set_rate(&mut self, per_second: f64, now: Instant) {
        self.refill(now);
        self.per_second = per_second;
        self.tokens = self.tokens.min(Self::capacity(per_second));
    }

    fn refill(&mut self, now: Instant) {
        // What has passed is counted once, though somebody who looked at the clock before comes after.
        if now < self.at && self.at.since(now) <= LATE_MAX {
            return;
        }
        // A clock that stepped back adds nothing and restarts the count from there.
        let passed = now.since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(Self::capacity(self.per_second));
        self.at = now;
    }

    /// How many whole tokens there are now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bucket holds a small count that is never negative here"
    )]
    pub fn available(&mut self, now: Instant) -> usize {
        self.refill(now);
        (self.tokens + 1e-9).max(0.0) as usize
    }

    /// Takes `n` tokens; may go into debt, which later callers wait off (a message's parts stay together).
    pub fn take(&mut self, n: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a count of parts, far below 2^52")]
        let n = n as f64;
        self.tokens -= n;
    }

    /// Gives `n` tokens back that were not used after all.
    pub fn give_back(&mut self, n: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a count of parts, far below 2^52")]
        let n = n as f64;
        self.tokens = (self.tokens + n).min(Self::capacity(self.per_second));
    }

    /// How many whole tokens come in so many seconds; at least one.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive and far below the limits of usize"
    )]
    pub fn within(&self, seconds: f64) -> usize {
        ((self.per_second * seconds).ceil() as usize).max(1)
    }

    /// How long until there is a whole token.
    #[must_use]
    pub fn wait(&self) -> Duration {
        let missing = (1.0 - self.tokens).max(0.0);
        Duration::from_secs_f64((missing / self.per_second).min(3_600.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::from_micros(0);
        let mut bucket = Bucket::new(100.0, start);
        assert_eq!(bucket.available(start), 10);
        bucket.take(10);
        assert_eq!(bucket.available(start), 0);
        let later = start.plus(Duration::from_millis(50));
        assert_eq!(bucket.available(later), 5);
    }

    #[test]
    fn over_ten_seconds_a_hungry_taker_gets_the_rate_and_one_burst() {
        let mut bucket = Bucket::new(50.0, Instant::from_micros(0));
        let mut taken = 0;
        for ms in 0..10_000 {
            let n = bucket.available(Instant::from_micros(ms * 1_000));
            bucket.take(n);
            taken += n;
        }
        assert!((500..=505).contains(&taken), "{taken}");
    }

    #[test]
    fn a_slow_bucket_still_holds_one() {
        let mut bucket = Bucket::new(0.5, Instant::from_micros(0));
        assert_eq!(bucket.available(Instant::from_micros(0)), 1);
        bucket.take(1);
        assert!(bucket.wait() > Duration::from_millis(1_900));
    }

    #[test]
    fn who_comes_late_with_an_earlier_time_gains_nothing() {
        let at = |ms: i64| Instant::from_micros(ms * 1_000);
        let mut bucket = Bucket::new(50.0, at(0));
        let mut taken = 0;
        for ms in (0..10_000).step_by(10) {
            for now in [at(ms), at(ms - 9)] {
                let n = bucket.available(now);
                bucket.take(n);
                taken += n;
            }
        }
        assert!((500..=505).contains(&taken), "{taken}");
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_and_breaks_nothing() {
        let mut bucket = Bucket::new(10.0, Instant::from_micros(10_000_000));
        bucket.take(1);
        assert_eq!(bucket.available(Instant::from_micros(5_000_000)), 0);
        assert_eq!(bucket.available(Instant::from_micros(5_100_000)), 1);
    }
}

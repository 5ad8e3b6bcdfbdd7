//! Pauses that double, with jitter, so that links do not all come back at the same moment.

use std::time::Duration;

/// Doubles from `min` to `max`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    /// The pause to make now; the one after it is twice as long.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.max);
        pause
    }

    /// Starts over with the shortest pause.
    pub(super) const fn reset(&mut self) {
        self.next = self.min;
    }
}

/// Between 75 % and 125 % of `pause`, spread by `seed`: any number that differs from link to link
/// and from moment to moment.
pub(super) fn jitter(pause: Duration, seed: u64) -> Duration {
    // The finalizer of the SplitMix64 generator: neighbouring seeds give distant values.
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let per_mille = u32::try_from(750 + z % 501).unwrap_or(1_000);
    pause.saturating_mul(per_mille) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_their_maximum_and_start_over() {
        let s = Duration::from_secs;
        let mut backoff = Backoff::new(s(1), s(5));
        let pauses: Vec<_> = (0..5).map(|_| backoff.pause()).collect();
        assert_eq!(pauses, [s(1), s(2), s(4), s(5), s(5)]);
        backoff.reset();
        assert_eq!(backoff.pause(), s(1));
    }

    #[test]
    fn jitter_stays_near_and_spreads() {
        let pause = Duration::from_millis(1_000);
        let spread: std::collections::BTreeSet<_> =
            (0..100).map(|seed| jitter(pause, seed)).collect();
        assert!(spread.len() > 50);
        assert!(spread.iter().all(|p| (750..=1_250).contains(&p.as_millis())));
    }
}

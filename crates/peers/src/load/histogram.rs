//! Latencies in a few kilobytes: logarithmic buckets, at most 3 % wide.

use std::time::Duration;

/// Values that have a bucket of their own; above, each doubling has half as many buckets.
const STEPS: usize = 64;
const STEPS_LOG2: u32 = STEPS.ilog2();
/// Enough for 2^40 ns, which is 18 minutes.
const DOUBLINGS: usize = 40;

/// How often which duration was seen.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS * DOUBLINGS], count: 0, max: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let last = self.counts.len() - 1;
        self.counts[bucket(nanos).min(last)] += 1;
        self.count += 1;
        self.max = self.max.max(duration);
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many durations were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly.
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// The duration that `permille` of a thousand do not exceed; zero when nothing was counted.
    #[must_use]
    pub fn permille(&self, permille: u64) -> Duration {
        let wanted = (self.count * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket_idx, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_edge(bucket_idx)).min(self.max);
            }
        }
        self.max
    }
}

/// Values below [`STEPS`] have a bucket each; above, the highest six bits choose.
fn bucket(nanos: u64) -> usize {
    let doubling = (nanos | (STEPS as u64 - 1)).ilog2() + 1 - STEPS_LOG2;
    if doubling == 0 {
        return usize::try_from(nanos).unwrap_or(0);
    }
    let step = usize::try_from(nanos >> doubling).unwrap_or(0);
    doubling as usize * (STEPS / 2) + step
}

/// The highest value in a bucket.
fn upper_edge(bucket_idx: usize) -> u64 {
    if bucket_idx < STEPS {
        return bucket_idx as u64;
    }
    let half = STEPS / 2;
    let doubling = bucket_idx / half - 1;
    let step = bucket_idx % half + half;
    ((step as u64 + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_a_bucket_of_the_truth() {
        let mut histogram = Histogram::default();
        for micros in 1..=10_000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (permille, expected_us) in [(500, 5_000.0), (990, 9_900.0), (999, 9_990.0)] {
            let found_us = histogram.permille(permille).as_secs_f64() * 1e6;
            assert!((found_us / expected_us - 1.0).abs() < 0.04, "{permille}: {found_us}");
        }
        assert_eq!(histogram.max(), Duration::from_millis(10));
    }

    #[test]
    fn every_value_lies_below_its_buckets_upper_edge_and_above_the_one_before() {
        for nanos in (0..5_000).chain([1 << 20, (1 << 20) + 1, (1 << 33) - 1, 1 << 33]) {
            let found = bucket(nanos);
            assert!(upper_edge(found) >= nanos, "{nanos}");
            assert!(found == 0 || upper_edge(found - 1) < nanos, "{nanos}");
        }
    }

    #[test]
    fn nothing_counted_is_zero() {
        assert_eq!(Histogram::default().permille(990), Duration::ZERO);
    }
}

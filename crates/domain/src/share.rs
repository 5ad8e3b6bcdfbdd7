//! What one of several nodes may do of what all of them may do together.

/// A node's place among those that serve from one store, in the order in which they came.
///
/// Whoever joins is the last, and whoever leaves makes place for those behind it. So by a joining
/// nobody else's part grows, and by a leaving nobody else's shrinks: where a newcomer waits until the
/// others act by its joining, all together never do more than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    rank: usize,
    n: usize,
}

impl Share {
    /// Of one that serves alone.
    pub const ALL: Self = Self { rank: 0, n: 1 };
    /// Of one that must not begin yet.
    pub const NONE: Self = Self { rank: 0, n: 0 };

    /// The part of the node at place `rank` (from 0) of `n`; none where there is no such place.
    #[must_use]
    pub const fn new(rank: usize, n: usize) -> Self {
        if rank < n { Self { rank, n } } else { Self::NONE }
    }

    /// How many of `total` things that cannot be divided are its own: binds of a route.
    #[must_use]
    pub const fn of(self, total: usize) -> usize {
        match self.n {
            0 => 0,
            n => total / n + (self.rank < total % n) as usize,
        }
    }

    /// Its part of a rate that `total` binds share alike; 0 where it has none of them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of binds, far below 2^52")]
    pub fn of_rate(self, rate: f64, total: usize) -> f64 {
        if total == 0 { 0.0 } else { rate * self.of(total) as f64 / total as f64 }
    }

    /// Among how many nodes `total` things are shared out: those that have none do not count.
    #[must_use]
    pub fn among(self, total: usize) -> usize {
        self.n.min(total)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(total: usize, n: usize) -> Vec<usize> {
        (0..n).map(|rank| Share::new(rank, n).of(total)).collect()
    }

    #[test]
    fn binds_are_shared_out_to_those_who_came_first() {
        assert_eq!(parts(4, 1), [4]);
        assert_eq!(parts(4, 3), [2, 1, 1]);
        assert_eq!(parts(2, 3), [1, 1, 0]);
        assert_eq!(Share::NONE.of(4), 0);
        assert_eq!(Share::new(3, 3), Share::NONE);
    }

    #[test]
    fn a_rate_goes_with_the_binds() {
        let rate = |rank| Share::new(rank, 2).of_rate(90.0, 3);
        assert!((rate(0) - 60.0).abs() < 1e-9 && (rate(1) - 30.0).abs() < 1e-9);
        assert!(Share::new(2, 3).of_rate(90.0, 2).abs() < 1e-9);
        assert!(Share::ALL.of_rate(90.0, 0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn all_together_have_what_there_is(total in 0_usize..64, n in 1_usize..12) {
            prop_assert_eq!(parts(total, n).iter().sum::<usize>(), total);
            let rates = (0..n).map(|rank| Share::new(rank, n).of_rate(100.0, total));
            let all = if total == 0 { 0.0 } else { 100.0 };
            prop_assert!((rates.sum::<f64>() - all).abs() < 1e-6);
        }

        #[test]
        fn by_a_joining_nobody_elses_part_grows(total in 0_usize..64, n in 1_usize..12) {
            let (before, after) = (parts(total, n), parts(total, n + 1));
            prop_assert!(before.iter().zip(&after).all(|(before, after)| after <= before));
        }

        #[test]
        fn by_a_leaving_nobody_elses_part_shrinks(
            total in 0_usize..64,
            n in 2_usize..12,
            left in 0_usize..12,
        ) {
            let mut before = parts(total, n);
            before.remove(left % n);
            let after = parts(total, n - 1);
            prop_assert!(before.iter().zip(&after).all(|(before, after)| after >= before));
        }
    }
}

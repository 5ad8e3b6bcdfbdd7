//! How a carrier does: what became lately of what it was given.

use std::time::Duration;

use crate::time::Instant;

/// Minutes looked back.
pub const MINUTES: usize = 15;

/// What happened in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Parts that the carrier answered.
    pub answered: u64,
    /// Of these, parts that it took.
    pub taken: u64,
    /// From when those were handed to the route to the answers, together: milliseconds.
    pub answer_ms: u64,
    /// Parts that a receipt said the end of.
    pub ended: u64,
    /// Of these, parts that were delivered.
    pub delivered: u64,
    /// From when those were taken to their receipts, together: milliseconds.
    pub delivery_ms: u64,
}

impl Counts {
    fn add(&mut self, more: &Self) {
        self.answered += more.answered;
        self.taken += more.taken;
        self.answer_ms = self.answer_ms.saturating_add(more.answer_ms);
        self.ended += more.ended;
        self.delivered += more.delivered;
        self.delivery_ms = self.delivery_ms.saturating_add(more.delivery_ms);
    }

    /// Parts delivered of those that ended, in percent; `None` before any has.
    #[must_use]
    pub fn delivered_percent(&self) -> Option<u64> {
        (self.delivered * 100).checked_div(self.ended)
    }

    /// Mean time to an answer.
    #[must_use]
    pub fn answer_time(&self) -> Option<Duration> {
        self.answer_ms.checked_div(self.answered).map(Duration::from_millis)
    }

    /// Mean time to a delivery.
    #[must_use]
    pub fn delivery_time(&self) -> Option<Duration> {
        self.delivery_ms.checked_div(self.delivered).map(Duration::from_millis)
    }

    /// Parts taken a second, where these are the counts of the last [`MINUTES`].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate is a float by nature")]
    pub fn rate(&self) -> f64 {
        self.taken as f64 / (MINUTES as f64 * 60.0)
    }
}

/// The counts of the last minutes, forgotten minute by minute.
#[derive(Debug, Clone, Default)]
pub struct Window {
    minutes: [Counts; MINUTES],
    /// The newest minute, since 1970.
    newest: i64,
}

impl Window {
    /// Adds what happened now.
    pub fn add(&mut self, now: Instant, counts: &Counts) {
        self.move_to(now);
        self.minutes[place(self.newest)].add(counts);
    }

    /// The counts of the last minutes, the one at hand included.
    pub fn counts(&mut self, now: Instant) -> Counts {
        self.move_to(now);
        let mut sum = Counts::default();
        self.minutes.iter().for_each(|minute| sum.add(minute));
        sum
    }

    /// A clock that is set back adds to the newest minute.
    fn move_to(&mut self, now: Instant) {
        let minute = now.millis().div_euclid(60_000);
        let span = i64::try_from(MINUTES).unwrap_or(i64::MAX);
        for passed in self.newest.max(minute.saturating_sub(span)) + 1..=minute {
            self.minutes[place(passed)] = Counts::default();
        }
        self.newest = self.newest.max(minute);
    }
}

fn place(minute: i64) -> usize {
    let span = i64::try_from(MINUTES).unwrap_or(i64::MAX);
    usize::try_from(minute.rem_euclid(span)).unwrap_or(0)
}

/// The least that a route must deliver to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Percent of what ended; 0: whatever it delivers.
    pub percent: u64,
    /// Of so many parts at least: fewer tell nothing.
    pub of: u64,
}

impl Default for Floor {
    fn default() -> Self {
        Self { percent: 0, of: 50 }
    }
}

impl Floor {
    /// Whether a route that did so is below it.
    #[must_use]
    pub const fn is_above(self, counts: &Counts) -> bool {
        counts.ended >= self.of && counts.delivered * 100 < self.percent * counts.ended
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Instant {
        Instant::from_micros(minute * 60_000_000)
    }

    fn ended(ended: u64, delivered: u64) -> Counts {
        Counts { ended, delivered, delivery_ms: delivered * 2_000, ..Counts::default() }
    }

    #[test]
    fn a_minute_is_forgotten_after_a_quarter_of_an_hour() {
        let mut window = Window::default();
        window.add(at(1_000), &ended(10, 10));
        window.add(at(1_010), &ended(10, 0));
        assert_eq!(window.counts(at(1_014)).delivered_percent(), Some(50));
        assert_eq!(window.counts(at(1_015)).delivered_percent(), Some(0));
        assert_eq!(window.counts(at(1_025)).delivered_percent(), None);
        window.add(at(1_000), &ended(1, 1));
        assert_eq!(window.counts(at(1_025)).ended, 1, "a clock that was set back");
    }

    #[test]
    fn means_are_of_what_was_counted() {
        let counts = Counts { answered: 4, taken: 3, answer_ms: 200, ..ended(4, 2) };
        assert_eq!(counts.answer_time(), Some(Duration::from_millis(50)));
        assert_eq!(counts.delivery_time(), Some(Duration::from_secs(2)));
        assert_eq!(Counts::default().answer_time(), None);
        assert_eq!(Counts::default().delivery_time(), None);
    }

    #[test]
    fn a_floor_judges_no_few() {
        let floor = Floor { percent: 70, of: 10 };
        for (n, delivered, below) in
            [(9, 0, false), (10, 6, true), (10, 7, false), (100, 69, true), (0, 0, false)]
        {
            assert_eq!(floor.is_above(&ended(n, delivered)), below, "{delivered} of {n}");
        }
        assert!(!Floor { percent: 0, of: 0 }.is_above(&ended(10, 0)));
    }

    proptest! {
        #[test]
        fn a_window_holds_what_a_list_of_all_holds(
            adds in prop::collection::vec((0_i64..20, 0_u64..9), 0..40),
        ) {
            let (mut window, mut all, mut now) = (Window::default(), Vec::new(), 5_000);
            for (passed, n) in adds {
                now += passed;
                window.add(at(now), &ended(n, 0));
                all.push((now, n));
                let lately = all.iter().filter(|(then, _)| *then > now - 15).map(|(_, n)| n);
                prop_assert_eq!(window.counts(at(now)).ended, lately.sum::<u64>());
            }
        }
    }
}

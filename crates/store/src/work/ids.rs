//! Time-ordered ids: milliseconds since 2024 and a counter, so that an id tells its day.

use pombo_domain::time::Instant;

/// 2024-01-01T00:00:00Z in milliseconds.
const EPOCH_MS: i64 = 1_704_067_200_000;
/// Ids of one millisecond: 16,384. More borrow from the milliseconds to come.
const COUNTER_BITS: u32 = 14;
const MS_PER_DAY: i64 = 86_400_000;

/// Ids of one day: the ids of a day begin at a multiple of it.
pub(crate) const IDS_PER_DAY: i64 = MS_PER_DAY << COUNTER_BITS;

/// The day (since 1970, UTC) whose tables hold what has this id.
pub(crate) const fn day_of(id: i64) -> i64 {
    ((id >> COUNTER_BITS) + EPOCH_MS).div_euclid(MS_PER_DAY)
}

/// The first id of a day.
pub(crate) const fn first_of_day(day: i64) -> i64 {
    (day * MS_PER_DAY - EPOCH_MS) << COUNTER_BITS
}

/// The first id of an instant: what was given before it is smaller.
pub(crate) fn first_at(at: Instant) -> i64 {
    (at.millis() - EPOCH_MS).max(0) << COUNTER_BITS
}

/// When an id was given, roughly.
pub(crate) const fn time_of(id: i64) -> Instant {
    Instant::from_micros(((id >> COUNTER_BITS) + EPOCH_MS) * 1_000)
}

/// Gives out ids in rising order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    last: i64,
}

impl Ids {
    /// Continues after `last`.
    pub(crate) const fn after(last: i64) -> Self {
        Self { last }
    }

    /// The last id given.
    pub(crate) const fn last(self) -> i64 {
        self.last
    }

    /// Skips ids that another process gave.
    pub(crate) fn raise(&mut self, last: i64) {
        self.last = self.last.max(last);
    }

    /// The first of `n` ids without a gap, all of one day: a block never crosses midnight.
    pub(crate) fn block(&mut self, n: usize, now: Instant) -> i64 {
        let n = i64::try_from(n.max(1)).unwrap_or(i64::MAX >> 8);
        let mut first = first_at(now).max(self.last + 1);
        let end_day = day_of(first + n - 1);
        if day_of(first) != end_day {
            first = first_of_day(end_day);
        }
        self.last = first + n - 1;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Instant = Instant::from_micros(1_774_353_600_000_000); // 2026-03-24T12:00:00Z

    #[test]
    fn ids_rise_even_when_the_clock_does_not() {
        let mut ids = Ids::after(0);
        let first = ids.block(500, NOON);
        let second = ids.block(1, NOON);
        let third = ids.block(1, Instant::from_micros(NOON.micros() - 3_600_000_000));
        assert_eq!((second, third), (first + 500, first + 501));
    }

    #[test]
    fn an_id_tells_its_day() {
        let mut ids = Ids::after(0);
        assert_eq!(day_of(ids.block(1, NOON)), NOON.day());
        assert_eq!(day_of(first_of_day(NOON.day())), NOON.day());
        assert_eq!(day_of(first_of_day(NOON.day()) - 1), NOON.day() - 1);
    }

    #[test]
    fn a_block_never_crosses_midnight() {
        let last_ms = Instant::from_micros((NOON.day() + 1) * 86_400_000_000 - 1_000);
        let mut ids = Ids::after(0);
        let first = ids.block(100_000, last_ms);
        assert_eq!(day_of(first), day_of(first + 99_999));
        assert_eq!(day_of(first), NOON.day() + 1);
    }

    #[test]
    fn ids_leave_room_for_the_parts_bits_for_centuries() {
        let far = Instant::from_micros(4_102_444_800_000_000 * 2); // about the year 2230
        let id = Ids::after(0).block(1, far);
        assert!(id < 1 << 59);
    }
}

//! The hours of the week in which marketing may reach people, by their own clock.

use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::Holidays;
use crate::time::Instant;
use crate::window::{AvailableTimes, minute_of_day};

const MINUTES_PER_DAY: u16 = 24 * 60;

/// Days looked ahead for an opening: a year, so that times which meet in summer only do meet.
const DAYS_AHEAD: usize = 366;

/// Part of some days of the week, by the clock on the wall: `from <= t < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Bit 0 is Monday.
    days: u8,
    /// Minutes after midnight.
    from: u16,
    /// Minutes after midnight, up to 1440.
    to: u16,
}

/// A country's hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// At least one.
    pub week: Vec<Stretch>,
    /// Days on which nothing is sent.
    pub closed: Option<Holidays>,
}

/// A stretch of time in which a message may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// From here on.
    pub at: Instant,
    /// No later than before this.
    pub closes: Instant,
}

impl Stretch {
    /// Reads days (1 is Monday, 7 is Sunday) and two times `HH:MM`; `None` where they are none, or
    /// where the first is not before the second.
    #[must_use]
    pub fn parse(days: &[i64], from: &str, to: &str) -> Option<Self> {
        let mut bits = 0;
        for day in days {
            bits |=
                1_u8.checked_shl(u32::try_from(day.checked_sub(1)?).ok()?).filter(|_| *day <= 7)?;
        }
        let (from, to) = (minute_of_day(from)?, minute_of_day(to)?);
        (bits != 0 && from < to).then_some(Self { days: bits, from, to })
    }

    fn is_on(self, day: Weekday) -> bool {
        self.days & (1 << day.to_monday_zero_offset()) != 0
    }
}

impl Hours {
    /// The first opening that begins or lasts at `at`, less what the owner's times leave of it;
    /// `None` where they have nothing in common for a year.
    #[must_use]
    pub fn next_opening(
        &self,
        zone: &TimeZone,
        at: Instant,
        times: Option<&AvailableTimes>,
    ) -> Option<Opening> {
        let mut date = at.date_in(zone);
        for _ in 0..DAYS_AHEAD {
            let is_closed = self.closed.as_ref().is_some_and(|days| days.has(date));
            let today = |stretch: &&Stretch| !is_closed && stretch.is_on(date.weekday());
            let openings = self.week.iter().filter(today).filter_map(|stretch| {
                let (from, closes) =
                    (reached(zone, date, stretch.from)?, reached(zone, date, stretch.to)?);
                let earliest = at.max(from);
                let at = times.map_or(earliest, |times| times.next_open(earliest));
                (at < closes).then_some(Opening { at, closes })
            });
            if let Some(first) = openings.min_by_key(|opening| opening.at) {
                return Some(first);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }
}

/// The first instant at which the clocks of a zone show this minute of a day, or have jumped over it.
fn reached(zone: &TimeZone, date: Date, minute: u16) -> Option<Instant> {
    let (date, minute) = match minute {
        MINUTES_PER_DAY => (date.tomorrow().ok()?, 0),
        _ => (date, minute),
    };
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    let stamp = zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
    let earlier = stamp.earlier().ok()?;
    let stamp = match stamp.offset() {
        AmbiguousOffset::Gap { .. } => zone.following(earlier).next()?.timestamp(),
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => earlier,
    };
    Some(Instant::from_micros(stamp.as_microsecond()))
}

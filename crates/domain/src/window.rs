//! The times of the week in which a request's messages may leave (`availableTimes`).

use std::fmt::Write as _;
use std::time::Duration;

use crate::time::Instant;

const MINUTES_PER_DAY: u16 = 24 * 60;
const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_DAY: i64 = MINUTES_PER_DAY as i64 * MICROS_PER_MINUTE;
const MICROS_PER_WEEK: i64 = 7 * MICROS_PER_DAY;

/// The epoch fell on a Thursday: the week then was three days old.
const EPOCH_IN_WEEK: i64 = 3 * MICROS_PER_DAY;

/// The shortest window that the API takes.
const MINUTES_MIN: u16 = 15;

/// One entry of `availableTimes`: a stretch of one day of the week, or of every day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// 1 is Monday, 7 is Sunday; 0 is every day.
    day: u8,
    /// Minutes after midnight; inside.
    from: u16,
    /// Minutes after midnight, up to 1440; outside.
    to: u16,
}

/// Why an entry, or the list, is refused; each has its number in the 360NRS API document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// 185: the day is none of 1 (Monday) to 7 (Sunday).
    #[error("the day is not 1 to 7")]
    DayOutOfRange,
    /// 186: `from` is not `HH:MM`, 00:00 to 23:59.
    #[error("the from hour is not HH:MM")]
    FromFormat,
    /// 187: `to` is not `HH:MM`, 00:00 to 24:00.
    #[error("the to hour is not HH:MM")]
    ToFormat,
    /// 188: `from` is after `to`.
    #[error("the from hour is after the to hour")]
    FromAfterTo,
    /// 194: there is no window at all.
    #[error("no available time is given")]
    Empty,
    /// 196: shorter than 15 minutes.
    #[error("the window is shorter than 15 minutes")]
    TooShort,
}

impl Window {
    /// Reads an entry: a day (`None` is every day) and two times `HH:MM` in UTC, `to` not included.
    pub fn parse(day: Option<i64>, from: &str, to: &str) -> Result<Self, WindowError> {
        let day = match day {
            None => 0,
            Some(day @ 1..=7) => u8::try_from(day).map_err(|_| WindowError::DayOutOfRange)?,
            Some(_) => return Err(WindowError::DayOutOfRange),
        };
        let from = minute_of_day(from).filter(|&from| from < MINUTES_PER_DAY);
        let from = from.ok_or(WindowError::FromFormat)?;
        let to = minute_of_day(to).ok_or(WindowError::ToFormat)?;
        if from > to {
            return Err(WindowError::FromAfterTo);
        }
        if to - from < MINUTES_MIN {
            return Err(WindowError::TooShort);
        }
        Ok(Self { day, from, to })
    }

    /// How long after `at` this window is open; zero inside.
    fn wait(self, at: Instant) -> i64 {
        let (period, day_start) = match i64::from(self.day) {
            0 => (MICROS_PER_DAY, 0),
            day => (MICROS_PER_WEEK, (day - 1) * MICROS_PER_DAY),
        };
        let phase = (at.micros().rem_euclid(period) + EPOCH_IN_WEEK).rem_euclid(period);
        let from = day_start + i64::from(self.from) * MICROS_PER_MINUTE;
        let to = day_start + i64::from(self.to) * MICROS_PER_MINUTE;
        if (from..to).contains(&phase) { 0 } else { (from - phase).rem_euclid(period) }
    }

    /// Reads one `DAY FROM-TO` of [`AvailableTimes::to_stored`].
    fn from_stored(text: &str) -> Option<Self> {
        let (day, range) = text.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let (day, from, to) = (day.parse().ok()?, from.parse().ok()?, to.parse().ok()?);
        (day <= 7 && from < to && to <= MINUTES_PER_DAY).then_some(Self { day, from, to })
    }
}

/// `HH:MM`, two digits each, 00:00 to 24:00, as minutes after midnight.
pub(crate) fn minute_of_day(text: &str) -> Option<u16> {
    let &[h1, h2, b':', m1, m2] = text.as_bytes() else {
        return None;
    };
    let number = |tens: u8, ones: u8| {
        let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
        is_number.then(|| u16::from(tens - b'0') * 10 + u16::from(ones - b'0'))
    };
    let (hour, minute) = (number(h1, h2)?, number(m1, m2)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= MINUTES_PER_DAY).then_some(total)
}

/// The windows of a request; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvailableTimes(Vec<Window>);

impl AvailableTimes {
    /// Takes the windows of a request. They may overlap.
    pub fn new(windows: Vec<Window>) -> Result<Self, WindowError> {
        if windows.is_empty() { Err(WindowError::Empty) } else { Ok(Self(windows)) }
    }

    /// The earliest instant inside a window that is not before `at`: `at` itself when inside.
    #[must_use]
    pub fn next_open(&self, at: Instant) -> Instant {
        let wait = self.0.iter().map(|window| window.wait(at)).min().unwrap_or(0);
        at.plus(Duration::from_micros(wait.unsigned_abs()))
    }

    /// The form kept in the store: `DAY FROM-TO` for each window, with a semicolon between them.
    ///
    /// The day is 1 (Monday) to 7, or 0 for every day; the times are minutes after midnight:
    /// `1 540-1260;0 0-1440`.
    #[must_use]
    pub fn to_stored(&self) -> String {
        let mut text = String::new();
        for window in &self.0 {
            let gap = if text.is_empty() { "" } else { ";" };
            // A String takes every write.
            let _ = write!(text, "{gap}{} {}-{}", window.day, window.from, window.to);
        }
        text
    }

    /// Reads what [`AvailableTimes::to_stored`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        text.split(';').map(Window::from_stored).collect::<Option<Vec<_>>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(day: Option<i64>, from: &str, to: &str) -> Window {
        Window::parse(day, from, to).expect("a good window")
    }

    fn at(text: &str) -> Instant {
        Instant::parse_compact(text).expect("a date")
    }

    #[test]
    fn bad_entries_are_refused_with_their_own_error() {
        use WindowError::*;
        for (day, from, to, error) in [
            (Some(0), "09:00", "18:00", DayOutOfRange),
            (Some(8), "09:00", "18:00", DayOutOfRange),
            (Some(-1), "bad", "bad", DayOutOfRange),
            (Some(i64::MAX), "09:00", "18:00", DayOutOfRange),
            (None, "", "18:00", FromFormat),
            (None, "9:00", "18:00", FromFormat),
            (None, "09:00:00", "18:00", FromFormat),
            (None, "24:00", "24:00", FromFormat),
            (None, "09:60", "18:00", FromFormat),
            (None, "+9:00", "18:00", FromFormat),
            (None, "０9:0", "18:00", FromFormat),
            (None, "09:00", "18h00", ToFormat),
            (None, "09:00", "24:01", ToFormat),
            (None, "09:00", "25:00", ToFormat),
            (None, "18:00", "09:00", FromAfterTo),
            (None, "09:00", "09:00", TooShort),
            (None, "09:00", "09:14", TooShort),
        ] {
            assert_eq!(Window::parse(day, from, to), Err(error), "{day:?} {from} {to}");
        }
        assert_eq!(AvailableTimes::new(Vec::new()), Err(Empty));
        assert!(Window::parse(Some(7), "09:00", "09:15").is_ok());
        assert!(Window::parse(None, "00:00", "24:00").is_ok());
    }

    #[test]
    fn messages_wait_for_the_next_window() {
        // 2026-11-24 is a Tuesday.
        let office = AvailableTimes::new(vec![
            window(Some(1), "09:00", "12:00"),
            window(Some(2), "09:00", "12:00"),
            window(Some(2), "11:00", "18:00"),
            window(Some(7), "23:00", "24:00"),
        ])
        .expect("windows");
        for (now, open) in [
            ("20261124000000", "20261124090000"),
            ("20261124085959", "20261124090000"),
            ("20261124090000", "20261124090000"),
            ("20261124115959", "20261124115959"),
            ("20261124120000", "20261124120000"),
            ("20261124175959", "20261124175959"),
            ("20261124180000", "20261129230000"),
            ("20261129235959", "20261129235959"),
            ("20261130000000", "20261130090000"),
            ("19691231120000", "19700104230000"),
        ] {
            assert_eq!(office.next_open(at(now)), at(open), "{now}");
        }
    }

    #[test]
    fn a_window_without_a_day_opens_every_day() {
        let daily = AvailableTimes::new(vec![window(None, "08:30", "09:00")]).expect("a window");
        assert_eq!(daily.next_open(at("20261124083000")), at("20261124083000"));
        assert_eq!(daily.next_open(at("20261124090000")), at("20261125083000"));
        let always = AvailableTimes::new(vec![window(None, "00:00", "24:00")]).expect("a window");
        assert_eq!(always.next_open(at("20261124235959")), at("20261124235959"));
    }

    #[test]
    fn what_no_one_stored_is_not_read() {
        for bad in ["", ";", "1", "8 0-60", "1 60-60", "1 0-1441", "1 0-60;", "x 0-60", "1 -1-60"] {
            assert_eq!(AvailableTimes::from_stored(bad), None, "{bad:?}");
        }
    }

    fn any_window() -> impl Strategy<Value = Window> {
        (0..=7u8, 0..=MINUTES_PER_DAY - MINUTES_MIN).prop_flat_map(|(day, from)| {
            (from + MINUTES_MIN..=MINUTES_PER_DAY).prop_map(move |to| Window { day, from, to })
        })
    }

    /// Whether a message may leave at `at`, told by the civil calendar rather than by arithmetic.
    fn is_open(windows: &[Window], at: Instant) -> bool {
        let civil = at.civil();
        let day = u8::try_from(civil.weekday().to_monday_one_offset()).expect("1 to 7");
        let minute = u16::try_from(i32::from(civil.hour()) * 60 + i32::from(civil.minute()));
        let minute = minute.expect("a minute of the day");
        let opens = |w: &Window| (w.day == 0 || w.day == day) && (w.from..w.to).contains(&minute);
        windows.iter().any(opens)
    }

    proptest! {
        #[test]
        fn the_next_opening_is_inside_a_window_and_is_the_earliest(
            windows in prop::collection::vec(any_window(), 1..5),
            micros in -MICROS_PER_WEEK * 3..MICROS_PER_WEEK * 3000,
        ) {
            let now = Instant::from_micros(micros);
            let times = AvailableTimes::new(windows.clone()).expect("windows");
            let open = times.next_open(now);
            prop_assert!(open >= now && is_open(&windows, open));
            prop_assert_eq!(AvailableTimes::from_stored(&times.to_stored()), Some(times));
            if open > now {
                // Opening times are whole minutes: every minute before it is closed.
                prop_assert!(!is_open(&windows, now));
                let minutes = (open.micros() - 1 - micros) / MICROS_PER_MINUTE;
                for back in 0..=minutes {
                    let before = open.micros() - 1 - back * MICROS_PER_MINUTE;
                    prop_assert!(!is_open(&windows, Instant::from_micros(before)));
                }
            }
        }

        #[test]
        fn no_input_makes_it_panic(day: Option<i64>, from: String, to: String, at: i64) {
            let _ = AvailableTimes::from_stored(&from);
            let windows = Window::parse(day, &from, &to).map_or_else(
                |_| vec![window(Some(3), "10:00", "11:00")],
                |window| vec![window],
            );
            let _ = AvailableTimes::new(windows).expect("one").next_open(Instant::from_micros(at));
        }
    }
}

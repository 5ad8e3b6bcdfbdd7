//! Public holidays: fixed, moved to a Monday, or counted from Easter.

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

/// A day of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feast {
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
    /// The first year in which it is one.
    pub since: i16,
}

/// A country's public holidays, as its law names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holidays {
    /// On their day.
    pub fixed: Vec<Feast>,
    /// On the next Monday where they are on none (Colombia, Law 51 of 1983).
    pub mondays: Vec<Feast>,
    /// Days after Easter Sunday; before it where negative.
    pub easter: Vec<i16>,
}

impl Feast {
    /// Reads `MM-DD`; `None` where no year has that day.
    #[must_use]
    pub fn parse(text: &str, since: i16) -> Option<Self> {
        let (month, day) = text.split_once('-').filter(|_| text.len() == 5)?;
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        Date::new(2000, month, day).ok().map(|_| Self { month, day, since })
    }

    fn is_on(&self, date: Date) -> bool {
        (self.month, self.day) == (date.month(), date.day()) && self.since <= date.year()
    }
}

impl Holidays {
    /// Whether a day is one.
    #[must_use]
    pub fn has(&self, date: Date) -> bool {
        self.fixed.iter().any(|feast| feast.is_on(date))
            || self.has_moved_to(date)
            || self.is_counted_from_easter(date)
    }

    /// All of a year, as `MM-DD`, in order.
    #[must_use]
    pub fn of_year(&self, year: i16) -> Vec<String> {
        let first = Date::new(year, 1, 1).ok();
        let days = first.into_iter().flat_map(|first| first.series(1.day()));
        let days = days.take_while(|date| date.year() == year).filter(|date| self.has(*date));
        days.map(|date| date.strftime("%m-%d").to_string()).collect()
    }

    fn has_moved_to(&self, monday: Date) -> bool {
        if monday.weekday() != Weekday::Monday {
            return false;
        }
        let day = |back: i64| monday.checked_sub(back.days()).ok();
        let mut week = (0..7).filter_map(day);
        week.any(|date| self.mondays.iter().any(|feast| feast.is_on(date)))
    }

    fn is_counted_from_easter(&self, date: Date) -> bool {
        if self.easter.is_empty() {
            return false;
        }
        let days = easter(date.year()).and_then(|easter| date.since(easter).ok());
        days.is_some_and(|span| {
            self.easter.iter().any(|offset| i32::from(*offset) == span.get_days())
        })
    }
}

/// Easter Sunday by the Gregorian calendar ("anonymous" algorithm of Meeus, Jones and Butcher).
fn easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let f = (b + 8) / 25;
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let days = h + l - 7 * m + 114;
    let (month, day) = (i8::try_from(days / 31).ok()?, i8::try_from(days % 31 + 1).ok()?);
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_falls_where_the_churches_say() {
        for (year, month, day) in [
            (1961, 4, 2),
            (2000, 4, 23),
            (2008, 3, 23),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2028, 4, 16),
            (2029, 4, 1),
            (2030, 4, 21),
            (2038, 4, 25),
        ] {
            assert_eq!(easter(year), Date::new(year, month, day).ok(), "{year}");
        }
    }

    #[test]
    fn a_feast_of_december_may_move_into_the_next_year() {
        let feast = Feast { month: 12, day: 28, since: 2026 };
        let holidays = Holidays { mondays: vec![feast], ..Holidays::default() };
        let is_free = |year, month, day| holidays.has(Date::new(year, month, day).expect("a day"));
        assert!(is_free(2026, 12, 28), "a Monday");
        assert!(is_free(2028, 1, 3), "2027-12-28 is a Tuesday");
        assert!(!is_free(2027, 12, 28));
        assert!(!is_free(2026, 1, 3), "not yet a feast");
    }
}

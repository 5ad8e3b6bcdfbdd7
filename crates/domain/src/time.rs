//! Instants in UTC; `now` is always an argument.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// The text is not a date of the form asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date")]
pub struct NotADate;

impl Instant {
    /// An instant given in microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole days since the epoch, rounded down; names the day's tables.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000)
    }

    /// The first instant of a day, numbered since the epoch.
    #[must_use]
    pub const fn of_day(day: i64) -> Self {
        Self(day.saturating_mul(86_400_000_000))
    }

    /// How long until the next UTC day begins.
    #[must_use]
    pub fn until_next_day(self) -> Duration {
        const DAY: i64 = 86_400_000_000;
        Duration::from_micros((DAY - self.0.rem_euclid(DAY)).unsigned_abs())
    }

    /// This much later; stays at the end of time rather than overflow.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// This much earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0))
            .map_or(Duration::ZERO, Duration::from_micros)
    }

    /// The civil date and time in UTC; the first instant of 1970 where it is beyond the calendar.
    #[must_use]
    pub fn civil(self) -> DateTime {
        jiff::Timestamp::from_microsecond(self.0)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(TimeZone::UTC)
            .datetime()
    }

    /// The date on the calendars of a zone; the first day of 1970 where it is beyond the calendar.
    #[must_use]
    pub(crate) fn date_in(self, zone: &TimeZone) -> Date {
        let stamp =
            jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        zone.to_datetime(stamp).date()
    }

    /// `2021-07-19T15:00:33+00:00`, the form of dates in the 360NRS answers.
    #[must_use]
    pub fn iso8601(self) -> String {
        self.civil().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
    }

    /// `2020-09-21 14:19`, the form of dates in a DLR callback.
    #[must_use]
    pub fn minute(self) -> String {
        self.civil().strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// `YYYY-MM-DD HH:MM:SS`, as the API writes dates of scheduled messages.
    #[must_use]
    pub fn civil_seconds(self) -> String {
        self.civil().strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `2021-07-19`, the day in UTC.
    #[must_use]
    pub fn date(self) -> String {
        self.civil().strftime("%Y-%m-%d").to_string()
    }

    /// Reads `2021-07-19`, the first instant of that day in UTC; with a time behind it
    /// (`2021-07-19T15:00:33+00:00`, `…Z`), that instant.
    pub fn parse_day(text: &str) -> Result<Self, NotADate> {
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(stamp.as_microsecond()));
        }
        let is_day = text.len() == 10 && text.is_ascii();
        let day = is_day.then(|| text.parse::<jiff::civil::Date>().ok()).flatten();
        let zoned = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok()).ok_or(NotADate)?;
        Ok(Self(zoned.timestamp().as_microsecond()))
    }

    /// Reads `YYYYmmddHHiiss` in UTC, the form of dates in the 360NRS requests:
    /// exactly 14 digits that name a real second (`20130215142000`).
    pub fn parse_compact(text: &str) -> Result<Self, NotADate> {
        if text.len() != 14 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotADate);
        }
        // `strptime` reads a leap second as the second before it.
        if text.ends_with("60") {
            return Err(NotADate);
        }
        let civil = DateTime::strptime("%Y%m%d%H%M%S", text).map_err(|_| NotADate)?;
        let zoned = civil.to_zoned(TimeZone::UTC).map_err(|_| NotADate)?;
        Ok(Self(zoned.timestamp().as_microsecond()))
    }

    /// Reads ISO 8601: a date and time with an offset (`2019-01-01T00:00:00+00:00`, `…Z`), or
    /// without one, or a date alone, both in UTC. A space where the `+` stood is what a query makes
    /// of a `+` that was not encoded.
    pub fn parse_iso8601(text: &str) -> Result<Self, NotADate> {
        let text = text.trim();
        let (head, tail) = match text.char_indices().nth(19) {
            Some((at, ' ')) => (&text[..at], Some(&text[at + 1..])),
            _ => (text, None),
        };
        let text = match tail {
            Some(offset) => format!("{head}+{offset}"),
            None => text.to_owned(),
        };
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(timestamp.as_microsecond()));
        }
        // An offset that could not be read is not to be left out.
        let is_civil = text.get(10..).is_none_or(|time| !time.contains(['+', '-', 'Z', 'z', '[']));
        let civil: DateTime = text.parse().map_err(|_| NotADate)?;
        if !is_civil {
            return Err(NotADate);
        }
        let zoned = civil.to_zoned(TimeZone::UTC).map_err(|_| NotADate)?;
        Ok(Self(zoned.timestamp().as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compact_form_of_the_api_is_read_as_utc() {
        let at = Instant::parse_compact("20130215142000").expect("the API document's own example");
        assert_eq!(at.iso8601(), "2013-02-15T14:20:00+00:00");
        assert_eq!(at.minute(), "2013-02-15 14:20");
    }

    #[test]
    fn a_day_is_its_first_instant() {
        let read = |text| Instant::parse_day(text).map(Instant::iso8601);
        assert_eq!(read("2021-07-19").as_deref(), Ok("2021-07-19T00:00:00+00:00"));
        assert_eq!(read("2021-07-19T15:00:33Z").as_deref(), Ok("2021-07-19T15:00:33+00:00"));
        assert_eq!(read("2021-07-19T15:00:33+02:00").as_deref(), Ok("2021-07-19T13:00:33+00:00"));
        for bad in ["", "2021-02-30", "2021-7-19", "20210719", "19.07.2021", "2021-07-19T15:00:33"]
        {
            assert_eq!(read(bad), Err(NotADate), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_real_second_is_refused() {
        for bad in [
            "",
            "2013021514200",
            "201302151420000",
            "20130230142000",
            "20130215250000",
            "2013-02-15 14:2",
            "20130215142060",
            "２０１３０",
        ] {
            assert_eq!(Instant::parse_compact(bad), Err(NotADate), "{bad:?}");
        }
    }

    #[test]
    fn iso_8601_is_read_with_and_without_an_offset() {
        for (text, utc) in [
            ("2019-01-01T00:00:00+00:00", "2019-01-01T00:00:00+00:00"),
            ("2019-01-01T00:00:00 00:00", "2019-01-01T00:00:00+00:00"),
            ("2019-01-01T00:00:00Z", "2019-01-01T00:00:00+00:00"),
            ("2019-01-01T02:30:00+02:00", "2019-01-01T00:30:00+00:00"),
            ("2019-01-01T00:00:00-0300", "2019-01-01T03:00:00+00:00"),
            ("2019-01-01T00:00:00.5Z", "2019-01-01T00:00:00+00:00"),
            ("2019-01-01 10:00:00", "2019-01-01T10:00:00+00:00"),
            ("2019-01-01T10:00", "2019-01-01T10:00:00+00:00"),
            ("2019-01-01", "2019-01-01T00:00:00+00:00"),
        ] {
            assert_eq!(
                Instant::parse_iso8601(text).map(Instant::iso8601),
                Ok(utc.into()),
                "{text}"
            );
        }
        for bad in ["", "x", "2019-13-01", "20130215142000", "1", "2019-01-01T00:00:00+99:99", "é"]
        {
            assert_eq!(Instant::parse_iso8601(bad), Err(NotADate), "{bad}");
        }
    }
}

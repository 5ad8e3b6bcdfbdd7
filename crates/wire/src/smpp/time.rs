//! SMPP's 16-character times, `YYMMDDhhmmsstnnp` (SMPP 3.4, section 7.1.1).

/// A length of time that the far side counts from when it gets it.
pub type Text = [u8; 16];

/// Days that the relative form can hold without using months, whose length is a matter of taste.
const RELATIVE_DAYS_MAX: u64 = 30;

/// Writes a relative time: `000000010000000R` is one hour. Safest against clocks that differ.
///
/// A longer time than 30 days is written as 30 days; `seconds` = 0 as one second.
#[must_use]
pub fn relative(seconds: u64) -> Text {
    let seconds = seconds.clamp(1, RELATIVE_DAYS_MAX * 86_400);
    let mut text = *b"000000000000000R";
    put(&mut text, 4, seconds / 86_400);
    put(&mut text, 6, seconds / 3_600 % 24);
    put(&mut text, 8, seconds / 60 % 60);
    put(&mut text, 10, seconds % 60);
    text
}

/// Writes two decimal digits at `at`.
fn put(text: &mut Text, at: usize, number: u64) {
    let digit = |n: u64| b"0123456789"[usize::try_from(n % 10).unwrap_or(0)];
    text[at] = digit(number / 10);
    text[at + 1] = digit(number);
}

/// A time as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// So many seconds from now; a month counts 30 days, a year 365.
    Relative {
        /// The seconds.
        seconds: u64,
    },
    /// A civil time with its distance from UTC.
    Absolute {
        /// Year (of this century), month, day, hour, minute, second; not checked against a calendar.
        civil: [u8; 6],
        /// Minutes that local time is ahead of UTC.
        offset_minutes: i16,
    },
}

/// Reads a time; `None` for what is not 16 characters of the right kind.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Time> {
    let text: &Text = text.try_into().ok()?;
    if !text[..15].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |at: usize| (text[at] - b'0') * 10 + (text[at + 1] - b'0');
    let civil = [number(0), number(2), number(4), number(6), number(8), number(10)];
    let offset_minutes = i16::from(number(13)) * 15;
    match text[15] {
        b'R' => {
            let [years, months, days, hours, minutes, seconds] = civil.map(u64::from);
            let days = years * 365 + months * 30 + days;
            Some(Time::Relative { seconds: ((days * 24 + hours) * 60 + minutes) * 60 + seconds })
        }
        b'+' => Some(Time::Absolute { civil, offset_minutes }),
        b'-' => Some(Time::Absolute { civil, offset_minutes: -offset_minutes }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_are_those_of_the_standard() {
        assert_eq!(&relative(3_600), b"000000010000000R");
        assert_eq!(&relative(2 * 86_400), b"000002000000000R");
        assert_eq!(&relative(0), b"000000000001000R");
        assert_eq!(&relative(u64::MAX), b"000030000000000R");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for seconds in [1, 59, 60, 86_399, 86_400, 172_800, 2_591_999, 2_592_000] {
            assert_eq!(parse(&relative(seconds)), Some(Time::Relative { seconds }));
        }
    }

    #[test]
    fn absolute_times_keep_their_distance_from_utc() {
        let civil = [26, 3, 1, 14, 20, 0];
        let at = |offset_minutes| Some(Time::Absolute { civil, offset_minutes });
        assert_eq!(parse(b"260301142000000+"), at(0));
        assert_eq!(parse(b"260301142000004+"), at(60));
        assert_eq!(parse(b"260301142000012-"), at(-180));
        assert_eq!(parse(b"260301142000000X"), None);
        assert_eq!(parse(b"2603011420"), None);
    }
}

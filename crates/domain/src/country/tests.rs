//! Openings through clock changes and holidays, and whose rule a number has.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::window::Window;

const MINUTE: i64 = 60_000_000;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect(name)
}

fn at(text: &str) -> Instant {
    Instant::parse_iso8601(text).expect(text)
}

fn hours(week: &[(&[i64], &str, &str)]) -> Hours {
    let stretch = |&(days, from, to): &(&[i64], &str, &str)| Stretch::parse(days, from, to);
    let week = week.iter().map(stretch).collect::<Option<_>>().expect("good stretches");
    Hours { week, closed: None }
}

const DAILY: &[i64] = &[1, 2, 3, 4, 5, 6, 7];

#[test]
fn a_stretch_is_read_or_refused() {
    for (days, from, to) in [
        (&[0][..], "08:00", "22:00"),
        (&[8], "08:00", "22:00"),
        (&[i64::MIN], "08:00", "22:00"),
        (&[9_999_999_999], "08:00", "22:00"),
        (&[], "08:00", "22:00"),
        (&[1], "22:00", "08:00"),
        (&[1], "08:00", "08:00"),
        (&[1], "8:00", "22:00"),
        (&[1], "08:00", "24:01"),
    ] {
        assert_eq!(Stretch::parse(days, from, to), None, "{days:?} {from} {to}");
    }
    assert!(Stretch::parse(&[7], "00:00", "24:00").is_some());
}

#[test]
fn hours_that_the_clocks_jump_over_open_when_they_have_jumped() {
    // 2026-03-29: at 01:00Z Paris goes from 02:00 to 03:00.
    let paris = zone("Europe/Paris");
    let early = hours(&[(DAILY, "02:30", "04:00")]);
    let opening = early.next_opening(&paris, at("2026-03-29T00:30:00Z"), None);
    assert_eq!(
        opening,
        Some(Opening { at: at("2026-03-29T01:00:00Z"), closes: at("2026-03-29T02:00:00Z") })
    );
    let within = hours(&[(DAILY, "02:10", "02:50")]);
    let opening = within.next_opening(&paris, at("2026-03-28T22:00:00Z"), None);
    assert_eq!(
        opening.map(|o| o.at),
        Some(at("2026-03-30T00:10:00Z")),
        "that day had no such hour"
    );
}

#[test]
fn hours_that_the_clocks_show_twice_count_the_first_time() {
    // 2026-10-25: at 01:00Z Paris goes from 03:00 back to 02:00.
    let paris = zone("Europe/Paris");
    let night = hours(&[(DAILY, "02:15", "02:45")]);
    let opening = night.next_opening(&paris, at("2026-10-25T00:00:00Z"), None);
    assert_eq!(
        opening,
        Some(Opening { at: at("2026-10-25T00:15:00Z"), closes: at("2026-10-25T00:45:00Z") })
    );
    let opening = night.next_opening(&paris, at("2026-10-25T01:15:00Z"), None);
    assert_eq!(opening.map(|o| o.at), Some(at("2026-10-26T01:15:00Z")));
    let long = hours(&[(DAILY, "00:00", "24:00")]);
    let opening = long.next_opening(&paris, at("2026-10-24T22:00:00Z"), None).expect("open");
    assert_eq!(opening.closes, at("2026-10-25T23:00:00Z"), "a day of 25 hours");
}

#[test]
fn the_owners_times_and_the_countrys_hours_hold_together() {
    let paris = zone("Europe/Paris");
    let country = hours(&[(&[1, 2, 3, 4, 5, 6], "08:00", "22:00")]);
    let times = |day, from, to| {
        AvailableTimes::new(vec![Window::parse(day, from, to).expect("a window")]).expect("one")
    };
    // 2026-11-28 is a Saturday, 23:30 in Paris.
    let late = at("2026-11-28T22:30:00Z");
    let mornings = times(None, "05:00", "10:00");
    let opening = country.next_opening(&paris, late, Some(&mornings)).expect("a meeting");
    assert_eq!(opening.at, at("2026-11-30T07:00:00Z"));
    assert_eq!(opening.closes, at("2026-11-30T21:00:00Z"));
    let noon = times(Some(3), "12:00", "13:00");
    let opening = country.next_opening(&paris, late, Some(&noon)).expect("a meeting");
    assert_eq!(opening.at, at("2026-12-02T12:00:00Z"));
    // 06:00Z to 06:45Z is before eight in winter, and after it in summer.
    let summer = times(None, "06:00", "06:45");
    let opening = country.next_opening(&paris, late, Some(&summer)).expect("a meeting");
    assert_eq!(opening.at, at("2027-03-29T06:00:00Z"));
    assert_eq!(country.next_opening(&paris, late, Some(&times(Some(7), "12:00", "13:00"))), None);
}

fn rule(country: &str, prefixes: &[&str], zones: &[(&str, &str)], hours: Option<Hours>) -> Rule {
    let prefix = |text: &str| Prefix::parse(text).expect(text);
    Rule {
        country: Country::parse(country).expect(country),
        prefixes: prefixes.iter().map(|text| prefix(text)).collect(),
        zones: zones.iter().map(|(text, name)| (prefix(text), zone(name))).collect(),
        hours,
        content: Content::default(),
        approves_senders: false,
    }
}

#[test]
fn a_number_has_the_rule_of_its_country_and_the_clock_of_its_territory() {
    let day = || Some(hours(&[(DAILY, "08:00", "22:00")]));
    let rules = Rules::new(
        vec![
            rule("FR", &["33"], &[("33", "Europe/Paris"), ("262", "Indian/Reunion")], day()),
            rule("US", &["1"], &[("1", "America/New_York"), ("1808", "Pacific/Honolulu")], day()),
            rule("GB", &["44"], &[], None),
        ],
        Topic::default(),
    );
    // Midnight in Paris.
    let mut table = Timetable::new(&rules, at("2026-11-23T23:00:00Z"), None);
    let mut opens = |number: &str| {
        let (to, country) = Phone::parse_with_country(number).expect(number);
        match table.leave(to, || country) {
            Leave::Within(opening) => opening.at.iso8601(),
            leave => format!("{leave:?}"),
        }
    };
    for (number, open) in [
        ("33612345678", "2026-11-24T07:00:00+00:00"),
        ("262692123456", "2026-11-24T04:00:00+00:00"),
        ("33612345679", "2026-11-24T07:00:00+00:00"),
        ("12015550123", "2026-11-23T23:00:00+00:00"),
        ("18085550123", "2026-11-23T23:00:00+00:00"),
        ("14165550123", "AnyTime"), // Canada has the same prefix.
        ("447400000000", "AnyTime"),
        ("34699000001", "AnyTime"),
    ] {
        assert_eq!(opens(number), open, "{number}");
    }
    let whose = |number: &str| {
        let (to, country) = Phone::parse_with_country(number).expect(number);
        rules.of(to, country).map(|rule| rule.country.to_string())
    };
    assert_eq!(whose("262692123456").as_deref(), Some("FR"));
    assert_eq!(whose("447400000000").as_deref(), Some("GB"));
    assert_eq!(whose("447781000000"), None, "Guernsey is not the United Kingdom");
}

/// Colombia's, which has all kinds of them.
fn holidays() -> Holidays {
    let feast = |&(month, day): &(i8, i8)| Feast { month, day, since: 0 };
    Holidays {
        fixed: [(1, 1), (5, 1), (7, 20), (8, 7), (12, 8), (12, 25)].iter().map(feast).collect(),
        mondays: [(1, 6), (3, 19), (6, 29), (8, 15), (10, 12)].iter().map(feast).collect(),
        easter: vec![-3, -2, 43, 64, 71],
    }
}

fn any_stretch() -> impl Strategy<Value = (u8, u16, u16)> {
    // Not in the hours that clocks show twice: those have a test of their own.
    (1..128_u8, 180..1_440_u16)
        .prop_flat_map(|(days, from)| (from + 1..=1_440_u16).prop_map(move |to| (days, from, to)))
}

/// Whether it is open by the clock on the wall.
fn is_open(
    week: &[(u8, u16, u16)],
    closed: Option<&Holidays>,
    zone: &TimeZone,
    micros: i64,
) -> bool {
    let stamp = jiff::Timestamp::from_microsecond(micros).expect("a time");
    let civil = stamp.to_zoned(zone.clone()).datetime();
    let date: Date = civil.date();
    let minute =
        u16::try_from(i32::from(civil.hour()) * 60 + i32::from(civil.minute())).expect("a minute");
    let day = 1_u8 << date.weekday().to_monday_zero_offset();
    closed.is_none_or(|days| !days.has(date))
        && week.iter().any(|(days, from, to)| days & day != 0 && (*from..*to).contains(&minute))
}

proptest! {
    #[test]
    fn an_opening_is_not_before_its_time_is_inside_hours_and_no_earlier_one_exists(
        week in prop::collection::vec(any_stretch(), 1..4),
        place in prop::sample::select(vec!["Europe/Paris", "America/Bogota", "America/New_York", "Australia/Lord_Howe"]),
        has_holidays: bool,
        from_s in 1_700_000_000_i64..1_990_000_000,
        owner in prop::option::of((0..=7_i64, 0..95_u16)),
    ) {
        let zone = zone(place);
        let closed = has_holidays.then(holidays);
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let stretch = |&(bits, from, to): &(u8, u16, u16)| {
            let days: Vec<i64> = (0..7).filter(|day| bits & (1 << day) != 0).map(|day| day + 1).collect();
            Stretch::parse(&days, &clock(from), &clock(to)).expect("a stretch")
        };
        let hours = Hours { week: week.iter().map(stretch).collect(), closed: closed.clone() };
        let times = owner.map(|(day, quarter)| {
            let day = (day != 0).then_some(day);
            let window = Window::parse(day, &clock(quarter * 15), &clock(quarter * 15 + 15));
            AvailableTimes::new(vec![window.expect("a window")]).expect("one")
        });
        let now = Instant::from_micros(from_s * 1_000_000);
        let both = |micros: i64| {
            is_open(&week, closed.as_ref(), &zone, micros)
                && times.as_ref().is_none_or(|times| {
                    let at = Instant::from_micros(micros);
                    times.next_open(at) == at
                })
        };
        let opening = hours.next_opening(&zone, now, times.as_ref());
        let end = opening.map_or(now.micros() + 20 * 24 * 60 * MINUTE, |opening| opening.at.micros());
        if let Some(Opening { at, closes }) = opening {
            prop_assert!(now <= at && at < closes);
            prop_assert!(both(at.micros()));
            // To its end it stays the country's hour.
            for micros in [closes.micros() - 1, (at.micros() + closes.micros()) / 2] {
                prop_assert!(is_open(&week, closed.as_ref(), &zone, micros));
            }
        }
        // Everything opens at whole minutes; at most so far that a run of it is short.
        if end > now.micros() {
            prop_assert!(!both(now.micros()));
        }
        let next_minute = now.micros() - now.micros().rem_euclid(MINUTE) + MINUTE;
        for micros in (next_minute..end).step_by(usize::try_from(MINUTE).expect("fits")).take(20 * 24 * 60) {
            prop_assert!(!both(micros), "{}", Instant::from_micros(micros).iso8601());
        }
    }
}

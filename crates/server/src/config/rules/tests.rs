//! The rules that came with the program, against the vectors of the API's rules; and faulty files.

use pombo_domain::address::Phone;
use pombo_domain::country::{Leave, Timetable};
use pombo_domain::time::Instant;

use super::*;

/// Marketing wanted at the first time (UTC) leaves at the second, by the recipient's number.
const VECTORS: &str = include_str!("vectors.tsv");

/// Public holidays by year, from public data sets of 2026.
const HOLIDAYS: &str = include_str!("holidays.tsv");

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

#[test]
fn the_rules_that_came_with_the_program_have_no_mistakes() {
    let read = Rules::parse(DEFAULT, DEFAULT_NAME).map(|rules| rules.countries);
    assert_eq!(read, Ok(Rules::default().countries));
    assert!(Rules::default().countries.have_hours());
}

#[test]
fn every_vector_leaves_when_it_says() {
    let rules = Rules::default().countries;
    let mut n = 0;
    for line in lines(VECTORS) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [number, at, send, note] = cells[..] else { panic!("{line:?}") };
        let (to, country) = Phone::parse_with_country(number).expect(number);
        let time = |text: &str| Instant::parse_iso8601(text).expect(text);
        let found = match Timetable::new(&rules, time(at), None).leave(to, || country) {
            Leave::AnyTime => time(at),
            Leave::Within(opening) => opening.at,
            Leave::Never => panic!("{note}"),
        };
        assert_eq!(found.iso8601(), time(send).iso8601(), "{note}");
        n += 1;
    }
    assert_eq!(n, 21);
}

#[test]
fn holidays_are_those_of_the_published_tables() {
    let mistakes = Mistakes::default();
    let tree = raw::parse(DEFAULT, "rules.toml").expect("TOML");
    let mut root = Section::new(String::new(), tree, &mistakes);
    let known = each_country(&mut root, "holidays", &mistakes);
    let known: Vec<(Country, Holidays)> =
        known.into_iter().map(|(country, section)| (country, holidays(section))).collect();
    let mut n = 0;
    for line in lines(HOLIDAYS) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [country, year, listed] = cells[..] else { panic!("{line:?}") };
        let country = Country::parse(country).expect("a country");
        let (_, days) = known.iter().find(|(its, _)| *its == country).expect("a table");
        assert_eq!(days.of_year(year.parse().expect("a year")).join(" "), listed, "{line}");
        n += 1;
    }
    assert_eq!(n, 12);
}

#[test]
fn every_mistake_of_a_file_is_told_with_its_line() {
    let mistakes = Rules::parse(
        r#"
[country.France]
windows = []
[country.FR]
phone_prefixes = ["033", 33]
zone_by_prefix = { "33" = "Europe/Nowhere" }
windows = [{ days = [0], from = "08:00", to = "22:00" }, { day = 1 }]
block_holidays = true
[country.CO]
phone_prefixes = ["57"]
windows = [{ days = [1], from = "07:00", to = "19:00" }]
block_public_holidays = true
before = "{name}"
stop_code = "12"
prohibited = ["golf"]
[topics]
gambling = "casino"
[holidays.CO]
fixed = ["02-30"]
easter = [1000]
monday_since = { "07-09" = "ever" }
"#,
        "rules.toml",
    );
    let mistakes = mistakes.expect_err("there are some");
    insta::assert_snapshot!(mistakes.join("\n"), @r#"
    rules.toml:19: holidays.CO.fixed[0] is "02-30", but must be MM-DD, as in "05-01"
    rules.toml:21: holidays.CO.monday_since is text, but must be an integer
    rules.toml:20: holidays.CO.easter[0] is 1000, but must be days, from -100 to 300
    rules.toml:17: topics.gambling is text, but must be a list
    rules.toml:2: country.France is no country; write its two letters, as in country.FR
    rules.toml:14: country.CO.stop_code is "12", but must be 4 to 6 digits in quotes
    rules.toml:13: country.CO.before must be at most 200 bytes without braces
    rules.toml:15: country.CO.prohibited[0] is "golf", of which [topics] has no words
    rules.toml:11: country.CO.windows need a clock for every one of phone_prefixes; add it to zone_by_prefix
    rules.toml:5: country.FR.phone_prefixes[0] is "033", but must be the first digits of numbers, as in "33"
    rules.toml:5: country.FR.phone_prefixes[1] is an integer, but must be text in quotes
    rules.toml:6: country.FR.zone_by_prefix has "Europe/Nowhere", but must have names like "Europe/Paris" (IANA)
    rules.toml:7: country.FR.windows[0] must have days from 1 (Monday) to 7, and from and to as "HH:MM", the one before the other
    rules.toml:7: country.FR.windows[1] has day, but its keys are days, from and to
    rules.toml:8: country.FR.block_holidays is not a key; the keys here are phone_prefixes, zone_by_prefix, windows, block_public_holidays, ending, stop_code, add_ending, before, after, prohibited, for_adults, shorteners, approves_senders
    "#);
}

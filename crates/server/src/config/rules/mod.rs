//! `[rules]`: what countries allow, from a file of its own.

#[cfg(test)]
mod tests;

use pombo_domain::address::Country;
use pombo_domain::country::{self, Content, Ending, Feast, Holidays, Hours, Rule, Stretch, Topic};
use pombo_domain::price::Prefix;

use super::raw::{self, Mistakes, Node, Section};
use super::some_text;

/// The rules that hold where no file is named.
pub const DEFAULT: &str = include_str!("../../../data/country_rules.toml");

/// Bytes that are put beside each text.
const AFFIX_BYTES_MAX: usize = 200;

/// What messages are called that name no file.
const DEFAULT_NAME: &str = "country_rules.toml";

/// `[rules]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Where they were read from; `None`: they came with the program.
    pub file: Option<String>,
    /// Whether senders that a country wants approved are refused until they are.
    pub approve_senders: bool,
    /// What they say.
    pub countries: country::Rules,
}

impl Default for Rules {
    fn default() -> Self {
        // A test reads it.
        let countries = Self::parse(DEFAULT, DEFAULT_NAME).map(|rules| rules.countries);
        Self { file: None, approve_senders: false, countries: countries.unwrap_or_default() }
    }
}

impl Rules {
    /// Reads a text of rules that messages call by a name; tells every mistake, one a line.
    pub fn parse(text: &str, name: &str) -> Result<Self, Vec<String>> {
        let mistakes = Mistakes::default();
        let tree = raw::parse(text, name)?;
        let countries = read(Section::new(String::new(), tree, &mistakes), &mistakes);
        let lines = mistakes.into_lines();
        let file = Some(name.to_owned());
        match lines.is_empty() {
            true => Ok(Self { file, approve_senders: false, countries }),
            false => Err(lines),
        }
    }
}

/// Reads `[rules]` and the file that it names.
pub(super) fn rules(mut section: Section<'_>, mistakes: &Mistakes) -> Rules {
    let key = section.name("file");
    let named = section.take("file");
    let approve_senders = section.get("approve_senders", Node::boolean).unwrap_or(false);
    section.finish();
    let rules = named.map_or_else(Rules::default, |node| of_file(&node, &key, mistakes));
    let countries = rules.countries.asking_for_approvals(approve_senders);
    Rules { approve_senders, countries, ..rules }
}

/// Reads the file that a key names.
fn of_file(node: &Node, key: &str, mistakes: &Mistakes) -> Rules {
    let read = some_text(node).and_then(|path| match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(e) => Err(format!("is {path:?}, which cannot be read: {e}; name a readable file")),
    });
    let (path, text) = match read {
        Ok(read) => read,
        Err(what) => {
            mistakes.add(&node.origin, key, &what);
            return Rules::default();
        }
    };
    Rules::parse(&text, &path).unwrap_or_else(|lines| {
        lines.into_iter().for_each(|line| mistakes.add_line(line));
        Rules::default()
    })
}

/// Reads a whole file of rules.
fn read<'m>(mut root: Section<'m>, mistakes: &'m Mistakes) -> country::Rules {
    let holidays: Vec<(Country, Holidays)> = each_country(&mut root, "holidays", mistakes)
        .into_iter()
        .map(|(country, section)| (country, holidays(section)))
        .collect();
    let topics = topics(root.take("topics"), mistakes);
    let blocks = each_country(&mut root, "country", mistakes);
    let mut section = root.section("ways_out");
    let words = section.each("words", some_text).unwrap_or_default();
    section.finish();
    root.finish();
    let of = |country| holidays.iter().find(|(its, _)| *its == country).map(|(_, days)| days);
    let rules = blocks
        .into_iter()
        .map(|(country, section)| rule(country, section, (of(country), &topics), mistakes))
        .collect();
    country::Rules::new(rules, Topic::new("ways_out", &words))
}

/// The tables below a key, each named by a country's two letters.
fn each_country<'m>(
    root: &mut Section<'m>,
    key: &'static str,
    mistakes: &'m Mistakes,
) -> Vec<(Country, Section<'m>)> {
    let table = root.get(key, Node::table).unwrap_or_default();
    let mut sections = Vec::new();
    for (letters, node) in table {
        let path = format!("{key}.{letters}");
        match (Country::parse(&letters), node.table()) {
            (Some(country), Ok(table)) => {
                sections.push((country, Section::new(path, table, mistakes)));
            }
            (None, _) => {
                let what = "is no country; write its two letters, as in country.FR";
                mistakes.add(&node.origin, &path, what);
            }
            (_, Err(what)) => mistakes.add(&node.origin, &path, &what),
        }
    }
    sections
}

fn rule(
    country: Country,
    mut s: Section<'_>,
    (holidays, topics): (Option<&Holidays>, &[Topic]),
    mistakes: &Mistakes,
) -> Rule {
    let prefixes = s.each("phone_prefixes", prefix).unwrap_or_default();
    let zones = s.get("zone_by_prefix", zones).unwrap_or_default();
    let windows_key = s.name("windows");
    let at = s.origin("windows");
    let week = s.each("windows", stretch).unwrap_or_default();
    let avoids_holidays = s.get("block_public_holidays", Node::boolean).unwrap_or(false);
    let content = content(&mut s, topics);
    let approves_senders = s.get("approves_senders", Node::boolean).unwrap_or(false);
    s.finish();
    let wrong = |what: &str| {
        if let Some(origin) = &at {
            mistakes.add(origin, &windows_key, what);
        }
    };
    let has_clock = |prefix: &Prefix| zones.iter().any(|(zoned, _)| zoned.begins(prefix.digits()));
    let has_clocks = prefixes.iter().all(has_clock) && zones.len() + prefixes.len() > 0;
    if !week.is_empty() && !has_clocks {
        wrong("need a clock for every one of phone_prefixes; add it to zone_by_prefix");
    }
    if !week.is_empty() && avoids_holidays && holidays.is_none() {
        wrong("leave out public holidays, but no table holidays names them");
    }
    let closed = if avoids_holidays { holidays.cloned() } else { None };
    let hours = (!week.is_empty()).then_some(Hours { week, closed });
    Rule { country, prefixes, zones, hours, content, approves_senders }
}

/// Topics by their names.
fn topics(node: Option<Node>, mistakes: &Mistakes) -> Vec<Topic> {
    let Some(node) = node else { return Vec::new() };
    let table = match node.table() {
        Ok(table) => table,
        Err(what) => {
            mistakes.add(&node.origin, "topics", &what);
            return Vec::new();
        }
    };
    let read = |node: &Node| node.list()?.iter().map(Node::text).collect::<Result<Vec<_>, _>>();
    let mut topics = Vec::new();
    for (name, node) in table {
        match read(&node) {
            Ok(words) => topics.push(Topic::new(&name, &words)),
            Err(what) => mistakes.add(&node.origin, &format!("topics.{name}"), &what),
        }
    }
    topics
}

fn content(s: &mut Section<'_>, topics: &[Topic]) -> Content {
    let topic = |node: &Node| {
        let name = node.text()?;
        let found = topics.iter().find(|topic| topic.name() == name);
        found.cloned().ok_or_else(|| format!("is {name:?}, of which [topics] has no words"))
    };
    let text = s.get("ending", affix).filter(|text| !text.trim().is_empty());
    let code = s.get("stop_code", stop_code).flatten();
    let is_added = s.get("add_ending", Node::boolean).unwrap_or(false);
    Content {
        before: s.get("before", affix).unwrap_or_default(),
        after: s.get("after", affix).unwrap_or_default(),
        ending: text.map(|text| Ending { text, code, is_added }),
        prohibited: s.each("prohibited", topic).unwrap_or_default(),
        for_adults: s.each("for_adults", topic).unwrap_or_default(),
        shorteners: s
            .each("shorteners", |node| some_text(node).map(|host| host.to_ascii_lowercase()))
            .unwrap_or_default(),
    }
}

/// A text that is put beside others: braces would be placeholders there.
pub(super) fn affix(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    match text.contains(['{', '}']) || text.len() > AFFIX_BYTES_MAX {
        true => Err(format!("must be at most {AFFIX_BYTES_MAX} bytes without braces")),
        false => Ok(text),
    }
}

/// A number of 4 to 6 digits, or none.
pub(super) fn stop_code(node: &Node) -> Result<Option<String>, String> {
    let text = node.text()?;
    let is_code = (4..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match text.is_empty() || is_code {
        true => Ok(Some(text).filter(|code| !code.is_empty())),
        false => Err(format!("is {text:?}, but must be 4 to 6 digits in quotes")),
    }
}

fn prefix(node: &Node) -> Result<Prefix, String> {
    let text = node.text()?;
    Prefix::parse(&text).ok_or_else(|| {
        format!("is {text:?}, but must be the first digits of numbers, as in \"33\"")
    })
}

fn zones(node: &Node) -> Result<Vec<(Prefix, country::Zone)>, String> {
    let mut zones = Vec::new();
    for (digits, zone) in node.table()? {
        let prefix = Prefix::parse(&digits)
            .ok_or_else(|| format!("has {digits:?}, but must have first digits of numbers"))?;
        let name = zone.text()?;
        let zone = country::Zone::get(&name).map_err(|_| {
            format!("has {name:?}, but must have names like \"Europe/Paris\" (IANA)")
        })?;
        zones.push((prefix, zone));
    }
    Ok(zones)
}

fn stretch(node: &Node) -> Result<Stretch, String> {
    let table = node.table()?;
    let known = ["days", "from", "to"];
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("has {key}, but its keys are days, from and to"));
    }
    let text = |key: &str| table.get(key).map(Node::text).transpose();
    let days = table.get("days").map(Node::list).transpose()?.unwrap_or_default();
    let days = days.iter().map(Node::integer).collect::<Result<Vec<_>, _>>()?;
    let (from, to) = (text("from")?.unwrap_or_default(), text("to")?.unwrap_or_default());
    Stretch::parse(&days, &from, &to).ok_or_else(|| {
        "must have days from 1 (Monday) to 7, and from and to as \"HH:MM\", the one before the other"
            .to_owned()
    })
}

fn holidays(mut s: Section<'_>) -> Holidays {
    let fixed = s.each("fixed", feast).unwrap_or_default();
    let mut mondays = s.each("monday", feast).unwrap_or_default();
    mondays.extend(s.get("monday_since", feasts_since).unwrap_or_default());
    let easter = s.each("easter", |node| {
        let days = node.integer()?;
        let fits = i16::try_from(days).ok().filter(|days| (-100..=300).contains(days));
        fits.ok_or_else(|| format!("is {days}, but must be days, from -100 to 300"))
    });
    s.finish();
    Holidays { fixed, mondays, easter: easter.unwrap_or_default() }
}

fn feast(node: &Node) -> Result<Feast, String> {
    let text = node.text()?;
    Feast::parse(&text, 0).ok_or_else(|| format!("is {text:?}, but must be MM-DD, as in \"05-01\""))
}

fn feasts_since(node: &Node) -> Result<Vec<Feast>, String> {
    let feast = |(day, since): (String, Node)| {
        let year = i16::try_from(since.integer()?).ok();
        year.and_then(|year| Feast::parse(&day, year))
            .ok_or_else(|| format!("has {day:?}, but must have days and years: \"07-09\" = 2026"))
    };
    node.table()?.into_iter().map(feast).collect()
}

//! What countries allow of messages: rules as data, which an operator may replace.
//!
//! They bind marketing; transactional messages are exempt (360NRS API document, country restrictions).

mod cause;
mod content;
mod holidays;
mod hours;
mod wording;

#[cfg(test)]
mod tests;

pub use cause::Cause;
use content::folded;
pub use content::{Content, Topic};
pub use holidays::{Feast, Holidays};
pub use hours::{Hours, Opening, Stretch};
pub use wording::{Affixes, Ending, SENDER, STOP_CODE, Sender, Wording};

/// A zone of clocks, by the names of the IANA.
pub use jiff::tz::TimeZone as Zone;

use crate::address::{Country, Phone};
use crate::price::Prefix;
use crate::time::Instant;
use crate::window::AvailableTimes;

/// What one country asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whose rule it is.
    pub country: Country,
    /// Numbers that it is for, as far as they belong to the country: others may share a prefix.
    pub prefixes: Vec<Prefix>,
    /// Where numbers have their clocks, the longest prefix first asked. A prefix that continues none
    /// of `prefixes` is a territory that the rule holds for too.
    pub zones: Vec<(Prefix, Zone)>,
    /// When marketing may reach people; `None`: always.
    pub hours: Option<Hours>,
    /// What it asks of the text.
    pub content: Content,
    /// Whether it wants senders of marketing to be approved beforehand.
    pub approves_senders: bool,
}

/// The rules in force. The default has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Words that tell how to end a subscription.
    ways_out: Topic,
    /// Whether senders that a country wants approved are refused until they are.
    are_approvals_asked: bool,
    /// The longest first.
    places: Vec<Place>,
}

/// The numbers that begin with one prefix.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    prefix: Prefix,
    rule: usize,
    zone: Option<Zone>,
    /// Other countries have numbers here too.
    is_shared: bool,
}

impl Rules {
    /// Lays the rules out for looking numbers up.
    #[must_use]
    pub fn new(rules: Vec<Rule>, ways_out: Topic) -> Self {
        let mut places = Vec::new();
        for (i, rule) in rules.iter().enumerate() {
            let is_own =
                |prefix: Prefix| rule.prefixes.iter().any(|own| own.begins(prefix.digits()));
            for (prefix, zone) in &rule.zones {
                let (zone, is_shared) = (Some(zone.clone()), is_own(*prefix));
                places.push(Place { prefix: *prefix, rule: i, zone, is_shared });
            }
            let zoned = |prefix: &&Prefix| !rule.zones.iter().any(|(zoned, _)| zoned == *prefix);
            for prefix in rule.prefixes.iter().filter(zoned) {
                places.push(Place { prefix: *prefix, rule: i, zone: None, is_shared: true });
            }
        }
        places.sort_by_key(|place| std::cmp::Reverse(place.prefix.digits()));
        Self { rules, ways_out, are_approvals_asked: false, places }
    }

    /// The same, where senders that a country wants approved are refused until they are, or not.
    #[must_use]
    pub const fn asking_for_approvals(mut self, are_asked: bool) -> Self {
        self.are_approvals_asked = are_asked;
        self
    }

    /// Whether the sender of some marketing may have to be approved.
    #[must_use]
    pub fn may_want_approvals(&self) -> bool {
        self.are_approvals_asked && self.rules.iter().any(|rule| rule.approves_senders)
    }

    /// Whether the sender of marketing to a country of this rule has to be approved.
    #[must_use]
    pub const fn want_approval(&self, rule: &Rule) -> bool {
        self.are_approvals_asked && rule.approves_senders
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether any country has hours.
    #[must_use]
    pub fn have_hours(&self) -> bool {
        self.rules.iter().any(|rule| rule.hours.is_some())
    }

    /// Whether any country asks something of texts.
    #[must_use]
    pub fn ask_of_texts(&self) -> bool {
        self.rules.iter().any(|rule| rule.content != Content::default())
    }

    /// Whether a text says how to end the subscription.
    fn name_a_way_out(&self, text: &str) -> bool {
        self.ways_out.is_in(&folded(text))
    }

    /// The rule for a number of a country.
    #[must_use]
    pub fn of(&self, to: Phone, country: Country) -> Option<&Rule> {
        self.place(to, || country).map(|(_, place)| &self.rules[place.rule])
    }

    fn place(&self, to: Phone, country: impl Fn() -> Country) -> Option<(usize, &Place)> {
        let is_its = |place: &&Place| {
            place.prefix.begins(to.digits())
                && (!place.is_shared || self.rules[place.rule].country == country())
        };
        // No number of more digits is smaller: the longest prefix comes first.
        let place = self.places.iter().position(|place| is_its(&place))?;
        Some((place, &self.places[place]))
    }
}

/// Why a country's rules do not let a message go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The country wants senders to be approved, and this one is not.
    #[error("senders to {0} must be approved")]
    Sender(Country),
    /// The account may only show senders that were approved, and this one was not.
    #[error("the account's senders must be approved")]
    SenderOfAccount,
    /// Its owner's times of the week never meet the country's hours.
    #[error("its owner's times never meet the hours of {0}")]
    NoTime(Country),
    /// The text does not end as it must, which is here.
    #[error("{0} asks for the ending {1:?}")]
    Ending(Country, String),
    /// It has a place for the number that ends a subscription, and the operator has none.
    #[error("there is no number for [STOP_CODE] in {0}")]
    NoStopCode(Country),
    /// It says no way to end the subscription, and its account wants one in each.
    #[error("it says no way to end the subscription")]
    NoWayOut(Country),
    /// It is about what nobody may write about.
    #[error("{0} does not allow {1}")]
    Topic(Country, String),
    /// It is about what only adults may read, and nobody says that they are.
    #[error("{0} allows {1} for verified adults only")]
    ForAdults(Country, String),
    /// It leads through a shortener that anybody may use.
    #[error("{0} does not allow public shorteners such as {1}")]
    Shortener(Country, String),
}

/// When a message may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Its recipient's country does not mind.
    AnyTime,
    /// Not before this opening, and not after its end.
    Within(Opening),
    /// The country's hours and its owner's times have nothing in common.
    Never,
}

/// Tells when marketing may leave from a time on, to one number after the other; what it has found
/// for a zone it does not look for again.
#[derive(Debug)]
pub struct Timetable<'r> {
    rules: &'r Rules,
    at: Instant,
    times: Option<AvailableTimes>,
    /// By place.
    found: Vec<(usize, Leave)>,
}

impl<'r> Timetable<'r> {
    /// From `at` on, within the times that its owner allows.
    #[must_use]
    pub const fn new(rules: &'r Rules, at: Instant, times: Option<AvailableTimes>) -> Self {
        Self { rules, at, times, found: Vec::new() }
    }

    /// When a message to this number may leave; `country` is asked where countries share a prefix.
    pub fn leave(&mut self, to: Phone, country: impl Fn() -> Country) -> Leave {
        let Some((i, place)) = self.rules.place(to, country) else { return Leave::AnyTime };
        let hours = self.rules.rules[place.rule].hours.as_ref();
        let (Some(hours), Some(zone)) = (hours, &place.zone) else { return Leave::AnyTime };
        if let Some((_, leave)) = self.found.iter().find(|(found, _)| *found == i) {
            return *leave;
        }
        let leave = match hours.next_opening(zone, self.at, self.times.as_ref()) {
            Some(opening) => Leave::Within(opening),
            None => Leave::Never,
        };
        self.found.push((i, leave));
        leave
    }
}

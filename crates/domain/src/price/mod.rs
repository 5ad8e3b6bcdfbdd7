//! What a part costs: price lists by country and network, with the time from which a price holds.
//!
//! A list is what accounts of one currency pay, or what the carrier of one route asks. A recipient's
//! network is known by the operator's table of number prefixes ([`Ranges`]); one whose network is
//! unknown, or has no price of its own, pays the country's `Default` price.

mod file;
mod ranges;
mod refund;

use std::collections::BTreeMap;
use std::fmt;

use crate::address::Country;
use crate::money::Money;
use crate::time::Instant;

pub use file::{BadRow, FILE_BYTES_MAX, Good, PriceFile, RangeFile, Unreadable};
pub use ranges::{Prefix, Ranges};
pub use refund::{Refund, charged};

/// The highest price of one part: what is above is a mistyped list.
pub const PRICE_MAX: Money = Money::from_micros(1_000_000_000);

/// The name of the price for a country's other networks.
pub const DEFAULT: &str = "Default";

/// A mobile network: its mobile country code and network code (ITU-T E.212).
///
/// Network codes are compared as numbers: spreadsheets drop leading zeros, and no country has two
/// networks whose codes differ in nothing else. They are shown with the digits that were written,
/// and with two where there was only one.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// Three digits, 200 to 999.
    pub mcc: u16,
    /// Up to three digits.
    pub mnc: u16,
    /// The digits of `mnc`, two or three.
    digits: u8,
}

impl Network {
    /// Reads the two codes; `None` where they are none.
    #[must_use]
    pub fn parse(mcc: &str, mnc: &str) -> Option<Self> {
        let digits = if mnc.len() == 3 { 3 } else { 2 };
        Some(Self { mcc: parse_mcc(mcc)?, mnc: parse_digits(mnc, 1..=3)?, digits })
    }

    /// The network that a stored number stands for.
    #[must_use]
    pub fn from_stored(number: i64) -> Option<Self> {
        let number = u32::try_from(number).ok()?;
        let digits = if number >= TWO_DIGITS { 2 } else { 3 };
        let (mcc, mnc) = (number % TWO_DIGITS / 1_000, number % 1_000);
        Some(Self { mcc: u16::try_from(mcc).ok()?, mnc: u16::try_from(mnc).ok()?, digits })
    }

    /// Both codes as one number: `213003`; a million more where the network code has two digits.
    #[must_use]
    pub fn to_stored(self) -> i64 {
        let two_digits = if self.digits == 2 { i64::from(TWO_DIGITS) } else { 0 };
        two_digits + self.number()
    }

    /// What it is compared by.
    fn number(self) -> i64 {
        i64::from(self.mcc) * 1_000 + i64::from(self.mnc)
    }

    /// The network code as it is written.
    #[must_use]
    pub fn mnc_written(self) -> String {
        format!("{:0width$}", self.mnc, width = usize::from(self.digits))
    }
}

/// Added to the stored number of a network whose code has two digits.
const TWO_DIGITS: u32 = 1_000_000;

impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        self.number() == other.number()
    }
}

impl Eq for Network {}

impl PartialOrd for Network {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Network {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number().cmp(&other.number())
    }
}

impl std::hash::Hash for Network {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number().hash(state);
    }
}

impl fmt::Display for Network {
    /// `213-003`, `214-07`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}-{}", self.mcc, self.mnc_written())
    }
}

fn parse_mcc(text: &str) -> Option<u16> {
    parse_digits(text, 3..=3).filter(|mcc| *mcc >= 200)
}

fn parse_digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<u16> {
    let fits = length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// Whom a price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The country.
    pub country: Country,
    /// The network; `None` is the country's default, and comes first in order.
    pub network: Option<Network>,
}

impl Scope {
    /// Whether equals are written alike, too.
    fn is_written_as(&self, other: &Self) -> bool {
        self.network.map(|network| network.digits) == other.network.map(|network| network.digits)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network {
            Some(network) => write!(f, "{} {network}", self.country),
            None => write!(f, "{} {DEFAULT}", self.country),
        }
    }
}

/// A line of a price list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whom it is for.
    pub scope: Scope,
    /// The network's name; `Default` for a country's other networks.
    pub name: String,
    /// What one part costs; `None`: from then on there is no such price.
    pub price: Option<Money>,
    /// It is given back where the part is not delivered.
    pub refunds: bool,
    /// From when it holds.
    pub since: Instant,
}

/// What a price is at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote<'l> {
    /// Whom it is for.
    pub scope: Scope,
    /// The network's name.
    pub name: &'l str,
    /// What one part costs.
    pub price: Money,
    /// It is given back where the part is not delivered.
    pub refunds: bool,
}

/// A price with the time from which it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    since: Instant,
    name: String,
    price: Option<Money>,
    refunds: bool,
}

/// A price list with its past and its future.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceList {
    /// Each scope's steps, in the order of time.
    steps: BTreeMap<Scope, Vec<Step>>,
}

impl PriceList {
    /// Adds a line; of two with one scope and time the later added counts.
    pub fn add(&mut self, row: Row) {
        let Row { scope, name, price, refunds, since } = row;
        // The newest file says how a network's code is written.
        let known = self.steps.get_key_value(&scope);
        if known.is_some_and(|(known, _)| !known.is_written_as(&scope))
            && let Some(steps) = self.steps.remove(&scope)
        {
            self.steps.insert(scope, steps);
        }
        let steps = self.steps.entry(scope).or_default();
        let at = steps.partition_point(|step| step.since <= since);
        let step = Step { since, name, price, refunds };
        match at.checked_sub(1).and_then(|before| steps.get_mut(before)) {
            Some(same) if same.since == since => *same = step,
            _ => steps.insert(at, step),
        }
    }

    /// Whether it has no line at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The price of a part to `country` at `now`: the network's own, else the country's default.
    #[must_use]
    pub fn quote(
        &self,
        country: Country,
        network: Option<Network>,
        now: Instant,
    ) -> Option<Quote<'_>> {
        let own =
            network.and_then(|network| self.at(Scope { country, network: Some(network) }, now));
        own.or_else(|| self.at(Scope { country, network: None }, now))
    }

    /// The price for just this scope at `now`.
    #[must_use]
    pub fn at(&self, scope: Scope, now: Instant) -> Option<Quote<'_>> {
        let (known, steps) = self.steps.get_key_value(&scope)?;
        quote(*known, steps, now)
    }

    /// All prices at `now`, by country, its default first.
    pub fn quotes(&self, now: Instant) -> impl Iterator<Item = Quote<'_>> {
        self.steps.iter().filter_map(move |(scope, steps)| quote(*scope, steps, now))
    }

    /// When prices change next after `now`, where that is known.
    #[must_use]
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let later = |steps: &Vec<Step>| steps.iter().map(|s| s.since).find(|since| *since > now);
        self.steps.values().filter_map(later).min()
    }

    /// What a file of prices would change. Where `replaces`, the file is the whole list: prices at
    /// `end` that it does not name end then.
    #[must_use]
    pub fn changes(&self, rows: &[Row], replaces: Option<Instant>) -> Vec<Change> {
        let mut changes: Vec<Change> = rows
            .iter()
            .map(|row| {
                let before = self.at(row.scope, row.since);
                let stays = before.is_some_and(|b| {
                    Some(b.price) == row.price
                        && b.refunds == row.refunds
                        && b.name == row.name
                        && b.scope.is_written_as(&row.scope)
                });
                Change { row: row.clone(), before: before.map(Before::of), stays }
            })
            .collect();
        if let Some(end) = replaces {
            let named: std::collections::BTreeSet<Scope> = rows.iter().map(|r| r.scope).collect();
            let gone = self.quotes(end).filter(|quote| !named.contains(&quote.scope));
            changes.extend(gone.map(|quote| Change {
                row: Row {
                    scope: quote.scope,
                    name: quote.name.to_owned(),
                    price: None,
                    refunds: false,
                    since: end,
                },
                before: Some(Before::of(quote)),
                stays: false,
            }));
        }
        changes
    }
}

fn quote<'l>(scope: Scope, steps: &'l [Step], now: Instant) -> Option<Quote<'l>> {
    let in_force = steps.partition_point(|step| step.since <= now).checked_sub(1)?;
    let step = &steps[in_force];
    Some(Quote { scope, name: &step.name, price: step.price?, refunds: step.refunds })
}

/// What holds before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// What one part costs.
    pub price: Money,
    /// It is given back where the part is not delivered.
    pub refunds: bool,
}

impl Before {
    fn of(quote: Quote<'_>) -> Self {
        Self { price: quote.price, refunds: quote.refunds }
    }
}

/// What a line of a file does to the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The line.
    pub row: Row,
    /// What would hold at that time without it.
    pub before: Option<Before>,
    /// It changes nothing.
    pub stays: bool,
}

/// What is left of a part's price when its carrier is paid; negative where it costs more.
#[must_use]
pub fn margin(price: Money, buy: Money) -> Money {
    price - buy
}

#[cfg(test)]
mod tests;

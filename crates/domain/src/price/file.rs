//! Reads price lists and tables of number prefixes from CSV: every good row, and every bad one with
//! its line and why.

use std::collections::HashMap;
use std::fmt;

use super::{DEFAULT, Network, PRICE_MAX, Prefix, Row, Scope, parse_mcc};
use crate::address::Country;
use crate::csv;
use crate::money::Money;
use crate::time::Instant;

/// Bytes of one file.
pub const FILE_BYTES_MAX: usize = 64 << 20;
/// Characters of a network's name.
const NAME_CHARS_MAX: usize = 100;

/// A file that has not the columns it needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It has no rows at all.
    #[error("it is empty")]
    Empty,
    /// Its first line does not name a column.
    #[error("its first line names no column {0}")]
    NoColumn(&'static str),
}

/// A row that is not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its line, counted from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// A good row and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good<T> {
    /// Its line, counted from 1.
    pub line: usize,
    /// What it says.
    pub row: T,
}

/// What a price list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceFile {
    /// Rows to import, in order.
    pub good: Vec<Good<Row>>,
    /// Rows that cannot be.
    pub bad: Vec<BadRow>,
}

/// What a table of number prefixes says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeFile {
    /// Rows to import, in order.
    pub good: Vec<Good<(Prefix, Network)>>,
    /// Rows that cannot be.
    pub bad: Vec<BadRow>,
}

impl PriceFile {
    /// Reads a price list. Its first line names the columns, in any order: `countryIso`, `price` (or
    /// `cost`), and as there are `networkName`, `mcc`, `mnc` (or `mccmnc`), `from` and `refund`;
    /// others are skipped. A row without a network is the country's default. `since` is the time
    /// from which rows hold that do not say.
    pub fn read(text: &str, since: Instant) -> Result<Self, Unreadable> {
        let mut table = Table::open(text)?;
        let columns = PriceColumns {
            country: table.column("countryIso", &["countryiso", "country", "iso"])?,
            price: table.column("price", &["price", "cost"])?,
            name: table.find(&["networkname", "network", "operator"]),
            mcc: table.find(&["mcc"]),
            mnc: table.find(&["mnc"]),
            both: table.find(&["mccmnc", "plmn"]),
            from: table.find(&["from", "effectivedate", "effective", "validfrom"]),
            refund: table.find(&["refund", "refunds"]),
        };
        let mut seen: HashMap<(Scope, Instant), usize> = HashMap::new();
        let (good, bad) = table.rows(|record| {
            let row = columns.row(record, since)?;
            match seen.insert((row.scope, row.since), record.line) {
                Some(line) => Err(format!("{} has its price in line {line} already", row.scope)),
                None => Ok(row),
            }
        });
        Ok(Self { good, bad })
    }
}

impl RangeFile {
    /// Reads a table of number prefixes. Its first line names the columns: `prefix`, and `mcc` and
    /// `mnc` or `mccmnc`; others are skipped.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let mut table = Table::open(text)?;
        let prefix = table.column("prefix", &["prefix", "range", "numberprefix"])?;
        let (mcc, mnc) = (table.find(&["mcc"]), table.find(&["mnc"]));
        let both = table.find(&["mccmnc", "plmn"]);
        if both.is_none() && (mcc.is_none() || mnc.is_none()) {
            return Err(Unreadable::NoColumn("mcc and mnc, or mccmnc"));
        }
        let mut seen: HashMap<Prefix, usize> = HashMap::new();
        let (good, bad) = table.rows(|record| {
            let text = cell(record, Some(prefix));
            let prefix = Prefix::parse(text).ok_or_else(|| {
                format!("{text:?} is no prefix: 1 to 15 digits, country code first")
            })?;
            let network = network(record, (mcc, mnc, both))?.ok_or("it names no network")?;
            match seen.insert(prefix, record.line) {
                Some(line) => Err(format!("{prefix} stands in line {line} already")),
                None => Ok((prefix, network)),
            }
        });
        Ok(Self { good, bad })
    }
}

struct PriceColumns {
    country: usize,
    price: usize,
    name: Option<usize>,
    mcc: Option<usize>,
    mnc: Option<usize>,
    both: Option<usize>,
    from: Option<usize>,
    refund: Option<usize>,
}

impl PriceColumns {
    fn row(&self, record: &csv::Record, since: Instant) -> Result<Row, String> {
        let text = cell(record, Some(self.country));
        let country = Country::parse(text)
            .filter(|country| country.row().is_some())
            .ok_or_else(|| format!("{text:?} is no country: two letters, for example ES"))?;
        let network = network(record, (self.mcc, self.mnc, self.both))?;
        let name = cell(record, self.name);
        let name = match network {
            None if name.is_empty() || name.eq_ignore_ascii_case(DEFAULT) => DEFAULT.to_owned(),
            None => return Err(format!("the network {name:?} has no mnc to know its numbers by")),
            Some(network) if name.is_empty() => network.to_string(),
            Some(_) if name.eq_ignore_ascii_case(DEFAULT) => {
                return Err("a Default row is for all other networks and has no mnc".to_owned());
            }
            Some(_) if name.chars().count() > NAME_CHARS_MAX => {
                return Err(format!(
                    "the network's name is longer than {NAME_CHARS_MAX} characters"
                ));
            }
            Some(_) => name.replace(char::is_control, " "),
        };
        let text = cell(record, Some(self.price));
        let price = price(text).ok_or_else(|| {
            format!("{text:?} is no price: 0 to {PRICE_MAX}, at most six decimals")
        })?;
        let refund = cell(record, self.refund);
        let refunds = yes(refund).ok_or_else(|| {
            format!("{refund:?} does not say whether it is given back: yes or no")
        })?;
        let from = cell(record, self.from);
        let since = match from {
            "" => since,
            from => Instant::parse_day(from)
                .map_err(|_| format!("{from:?} is no day: write it as in 2026-12-31"))?,
        };
        Ok(Row { scope: Scope { country, network }, name, price: Some(price), refunds, since })
    }
}

/// Reads a yes or a no; nothing is a no.
fn yes(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "" | "no" | "n" | "0" | "false" => Some(false),
        "yes" | "y" | "1" | "true" => Some(true),
        _ => None,
    }
}

/// Reads a price; a decimal comma is a point.
fn price(text: &str) -> Option<Money> {
    let text = if text.contains('.') { text.to_owned() } else { text.replacen(',', ".", 1) };
    Money::parse(&text).ok().filter(|price| (Money::ZERO..=PRICE_MAX).contains(price))
}

type NetworkColumns = (Option<usize>, Option<usize>, Option<usize>);

/// The network that a row names; a lone `mcc` names none.
fn network(
    record: &csv::Record,
    (mcc, mnc, both): NetworkColumns,
) -> Result<Option<Network>, String> {
    let (mcc, mnc, both) = (cell(record, mcc), cell(record, mnc), cell(record, both));
    let (mcc, mnc) = match both.get(..3) {
        Some(first) if mnc.is_empty() => (first, &both[3..]),
        _ if mnc.is_empty() && !both.is_empty() => (both, ""),
        _ => (mcc, mnc),
    };
    let is_none = |mnc: &str| mnc.is_empty() || mnc == "-" || mnc.eq_ignore_ascii_case("null");
    match (mcc, mnc) {
        ("", mnc) if is_none(mnc) => Ok(None),
        (mcc, mnc) if is_none(mnc) && parse_mcc(mcc).is_some() => Ok(None),
        (mcc, mnc) => Network::parse(mcc, mnc).map(Some).ok_or_else(|| {
            format!("{mcc:?} and {mnc:?} are no mcc and mnc: three digits, and one to three")
        }),
    }
}

fn cell(record: &csv::Record, column: Option<usize>) -> &str {
    column.and_then(|column| record.cells.get(column)).map_or("", String::as_str)
}

/// A file with its headings read.
struct Table<'t> {
    headings: Vec<String>,
    records: Box<dyn Iterator<Item = csv::Record> + 't>,
}

impl<'t> Table<'t> {
    fn open(text: &'t str) -> Result<Self, Unreadable> {
        let mut records = csv::read(text);
        let first = records.next().ok_or(Unreadable::Empty)?;
        let plain = |cell: &String| {
            cell.chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_ascii_lowercase()
        };
        let headings = first.cells.iter().map(plain).collect();
        Ok(Self { headings, records: Box::new(records) })
    }

    fn find(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.headings.iter().position(|heading| heading == name))
    }

    fn column(&self, shown: &'static str, names: &[&str]) -> Result<usize, Unreadable> {
        self.find(names).ok_or(Unreadable::NoColumn(shown))
    }

    fn rows<T>(
        &mut self,
        mut read: impl FnMut(&csv::Record) -> Result<T, String>,
    ) -> (Vec<Good<T>>, Vec<BadRow>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for record in self.records.by_ref() {
            let line = record.line;
            match read(&record) {
                Ok(row) => good.push(Good { line, row }),
                Err(why) => bad.push(BadRow { line, why }),
            }
        }
        (good, bad)
    }
}

//! Which network a number belongs to: the longest prefix of the operator's table that begins it.

use std::collections::BTreeMap;
use std::fmt;

use super::Network;
use crate::address::Phone;

/// Digits that the longest number has.
const DIGITS: u32 = 18;

/// Digits as a place on the line of all numbers: in base 11, filled up behind with an eleventh digit
/// that comes before the zero, so that what begins with a prefix follows it at once.
fn place(digits: u64) -> u64 {
    let length = length(digits);
    let (mut rest, mut unit, mut place) = (digits, 11_u64.pow(DIGITS.saturating_sub(length)), 0);
    for _ in 0..length.min(DIGITS) {
        place += (rest % 10 + 1) * unit;
        rest /= 10;
        unit = unit.saturating_mul(11);
    }
    place
}

/// The first digits of telephone numbers, country code first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(u64);

impl Prefix {
    /// Reads 1 to 15 digits, with or without a `+`; no country code begins with a zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (1..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { digits.parse().ok().map(Self) } else { None }
    }

    /// Its digits as a number.
    #[must_use]
    pub const fn digits(self) -> u64 {
        self.0
    }

    /// Whether a number begins with it.
    #[must_use]
    pub fn begins(self, digits: u64) -> bool {
        let more = length(digits).checked_sub(length(self.0));
        more.and_then(|more| 10_u64.checked_pow(more)).is_some_and(|unit| digits / unit == self.0)
    }

    /// Takes back what [`Prefix::digits`] gave.
    #[must_use]
    pub const fn from_stored(digits: u64) -> Self {
        Self(digits)
    }

    /// The place of the prefix itself, and the first behind all that begins with it.
    fn span(self) -> (u64, u64) {
        let start = place(self.0);
        (start, start + 11_u64.pow(DIGITS.saturating_sub(length(self.0))))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn length(digits: u64) -> u32 {
    digits.checked_ilog10().map_or(1, |log| log + 1)
}

/// The table in force, made for looking numbers up: pieces of the line of all numbers, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// From here on the network is this one, until the next piece.
    pieces: Vec<(u64, Option<Network>)>,
}

impl Ranges {
    /// Lays the prefixes out; a longer one lies over a shorter, a later one over its equal.
    #[must_use]
    pub fn new(rows: impl IntoIterator<Item = (Prefix, Network)>) -> Self {
        let rows: BTreeMap<(u64, std::cmp::Reverse<u64>), Network> = rows
            .into_iter()
            .map(|(prefix, network)| {
                let (start, end) = prefix.span();
                ((start, std::cmp::Reverse(end)), network)
            })
            .collect();
        let mut ranges = Self::default();
        // Those that the place at hand lies in, the shortest first, with their ends.
        let mut open: Vec<(u64, Network)> = Vec::new();
        for ((start, std::cmp::Reverse(end)), network) in rows {
            ranges.close(&mut open, start);
            ranges.from(start, Some(network));
            open.push((end, network));
        }
        ranges.close(&mut open, u64::MAX);
        ranges
    }

    /// Ends what does not reach beyond `to`.
    fn close(&mut self, open: &mut Vec<(u64, Network)>, to: u64) {
        while let Some((end, _)) = open.pop_if(|(end, _)| *end <= to) {
            self.from(end, open.last().map(|(_, network)| *network));
        }
    }

    fn from(&mut self, start: u64, network: Option<Network>) {
        match self.pieces.last_mut() {
            Some(last) if last.0 == start => last.1 = network,
            _ => self.pieces.push((start, network)),
        }
    }

    /// The network of a number, where the table knows it.
    #[must_use]
    pub fn network(&self, phone: Phone) -> Option<Network> {
        let at = place(phone.digits());
        let behind = self.pieces.partition_point(|(start, _)| *start <= at);
        self.pieces.get(behind.checked_sub(1)?).and_then(|(_, network)| *network)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(mnc: u16) -> Network {
        Network::parse("214", &mnc.to_string()).expect("a network")
    }

    fn ranges(rows: &[(&str, u16)]) -> Ranges {
        let row =
            |(prefix, mnc): &(&str, u16)| (Prefix::parse(prefix).expect(prefix), network(*mnc));
        Ranges::new(rows.iter().map(row))
    }

    #[test]
    fn the_longest_prefix_names_the_network() {
        let ranges = ranges(&[("346", 1), ("34666", 2), ("346665", 3), ("351", 9)]);
        for (number, mnc) in [
            (34_600_000_000, Some(1)),
            (34_666_555_444, Some(3)),
            (34_666_455_444, Some(2)),
            (34_667_000_000, Some(1)),
            (34_700_000_000, None),
            (351_912_345_678, Some(9)),
            (3_512, Some(9)),
            (352_000_000, None),
            (1, None),
        ] {
            let found = ranges.network(Phone::from_stored(number));
            assert_eq!(found, mnc.map(network), "{number}");
        }
        assert_eq!(Ranges::default().network(Phone::from_stored(34_600_000_000)), None);
    }

    #[test]
    fn a_prefix_is_one_to_fifteen_digits() {
        assert_eq!(Prefix::parse("+34666").map(Prefix::digits), Some(34_666));
        for bad in ["", "+", "034", "34 6", "34x", "1234567890123456", "-34"] {
            assert_eq!(Prefix::parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_look_at_every_row_finds(
            rows in prop::collection::vec(("[1-3][0-3]{0,5}", 0_u16..5), 0..40),
            number in "[1-3][0-3]{0,9}",
        ) {
            let ranges = ranges(&rows.iter().map(|(p, n)| (p.as_str(), *n)).collect::<Vec<_>>());
            let longest = rows
                .iter()
                .filter(|(prefix, _)| number.starts_with(prefix.as_str()))
                .max_by_key(|(prefix, _)| prefix.len())
                .map(|(_, mnc)| network(*mnc));
            let phone = Phone::from_stored(number.parse().expect("digits"));
            prop_assert_eq!(ranges.network(phone), longest);
        }

        #[test]
        fn no_number_makes_it_panic(rows in prop::collection::vec((1..u64::MAX, 0_u16..9), 0..9), n: u64) {
            let rows = rows.into_iter().map(|(p, mnc)| (Prefix::from_stored(p), network(mnc)));
            let _ = Ranges::new(rows).network(Phone::from_stored(n));
        }
    }
}

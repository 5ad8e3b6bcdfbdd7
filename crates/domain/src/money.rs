//! Money in integer micro-units of the account's currency; no floats anywhere.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};

/// Micro-units in one unit of currency.
const MICROS_PER_UNIT: i64 = 1_000_000;

/// An amount: a price, a cost, a balance. One unit of currency is 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i64);

/// The text is not a decimal amount with at most six decimals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount: digits, and at most six decimals after a point")]
pub struct NotAnAmount(pub String);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount given in micro-units.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The amount in micro-units.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// `self` taken `n` times, or `None` where that overflows.
    #[must_use]
    pub fn times(self, n: usize) -> Option<Self> {
        i64::try_from(n).ok().and_then(|n| self.0.checked_mul(n)).map(Self)
    }

    /// Reads `12`, `12.5`, `-0.065`: a point, at most six decimals, at most 12 digits before it.
    pub fn parse(text: &str) -> Result<Self, NotAnAmount> {
        let refuse = || NotAnAmount(text.to_owned());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.len() > 12 || fraction.len() > 6 {
            return Err(refuse());
        }
        let whole: i64 = whole.parse().map_err(|_| refuse())?;
        let fraction: i64 = format!("{fraction:0<6}").parse().map_err(|_| refuse())?;
        let micros = whole * MICROS_PER_UNIT + fraction;
        Ok(Self(if negative { -micros } else { micros }))
    }
}

impl fmt::Display for Money {
    /// The shortest exact decimal form with at least two decimals: `0.05`, `12.50`, `-0.065`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let unit = MICROS_PER_UNIT.unsigned_abs();
        let fraction = format!("{:06}", micros % unit);
        let trimmed = fraction.trim_end_matches('0');
        write!(f, "{sign}{}.{trimmed:0<2}", micros / unit)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for (text, micros, shown) in [
            ("0.05", 50_000, "0.05"),
            ("1000", 1_000_000_000, "1000.00"),
            ("0.065", 65_000, "0.065"),
            ("-12.5", -12_500_000, "-12.50"),
            ("0.000001", 1, "0.000001"),
        ] {
            let money = Money::parse(text).expect(text);
            assert_eq!((money.micros(), money.to_string().as_str()), (micros, shown));
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for bad in ["", ".", "1.", ".5", "1,5", "1e3", "0.0000001", "--1", "1 ", "9999999999999"] {
            assert!(Money::parse(bad).is_err(), "{bad:?}");
        }
    }
}

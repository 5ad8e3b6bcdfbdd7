//! Short links: what they are called, where they lead, and who followed one.
//!
//! A link leads to the URL that was stored with it and to no other: nothing of the address that
//! was called goes into where it leads.

mod click;
mod visitor;

pub use click::Click;
pub use visitor::{Device, Visit, Visitor, visit};

use crate::limits::LINK_TARGET_BYTES_MAX;

/// The address that a link leads to: absolute, http or https, in ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(String);

/// The text is no URL that a link may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no absolute http or https URL with a host")]
pub struct NotATarget;

impl Target {
    /// Reads an absolute http or https URL with a host, of at most [`LINK_TARGET_BYTES_MAX`] bytes.
    /// White space around it is taken off; what URLs must encode is encoded.
    pub fn parse(text: &str) -> Result<Self, NotATarget> {
        let text = text.trim();
        // The parser forgives a missing or an extra slash and a line break inside: a customer would
        // not be sure what was meant.
        let after = |scheme: &str| {
            let begins = text.get(..scheme.len())?.eq_ignore_ascii_case(scheme);
            begins.then(|| &text[scheme.len()..])
        };
        let host = after("http://").or_else(|| after("https://")).ok_or(NotATarget)?;
        let is_odd = |c: char| c.is_control() || c.is_whitespace();
        if host.starts_with(['/', '\\']) || text.contains(is_odd) {
            return Err(NotATarget);
        }
        let url = url::Url::parse(text).map_err(|_| NotATarget)?;
        let url = if url.has_host() { String::from(url) } else { return Err(NotATarget) };
        if url.len() > LINK_TARGET_BYTES_MAX { Err(NotATarget) } else { Ok(Self(url)) }
    }

    /// Takes back what [`Target::as_str`] gave; not checked again.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands behind `/s/`: 12 letters and digits that nobody can guess.
///
/// They are a number of 71 bits in base 62: the day whose tables hold the link, modulo 2048, and
/// 60 bits of chance. So no link needs an index but its key, and goes with its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    day: i64,
    key: i64,
}

/// Bits of chance.
const KEY_BITS: u32 = 60;
/// Days told apart; history is kept for less.
const DAYS: i64 = 1 << 11;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Code {
    /// Characters of every code; all are in every alphabet, and one unit there.
    pub const CHARS: usize = 12;

    /// A code of a day, numbered since the epoch, from 60 bits of chance; more are cut off.
    #[must_use]
    pub const fn new(day: i64, chance: u64) -> Self {
        Self { day, key: (chance & ((1 << KEY_BITS) - 1)).cast_signed() }
    }

    /// Reads a code that was made at `today` or in the 2047 days before tomorrow.
    #[must_use]
    pub fn parse(text: &str, today: i64) -> Option<Self> {
        if text.len() != Self::CHARS {
            return None;
        }
        let mut number: u128 = 0;
        for byte in text.bytes() {
            let digit = DIGITS.iter().position(|digit| *digit == byte)?;
            number = number * 62 + digit as u128;
        }
        let day = i64::try_from(number >> KEY_BITS).ok().filter(|day| *day < DAYS)?;
        let key = i64::try_from(number & ((1 << KEY_BITS) - 1)).ok()?;
        // A node whose clock is ahead may be in tomorrow already.
        let newest = today + 1;
        Some(Self { day: newest - (newest - day).rem_euclid(DAYS), key })
    }

    /// The day whose tables hold the link.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.day
    }

    /// Its key there: 60 bits.
    #[must_use]
    pub const fn key(self) -> i64 {
        self.key
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let day = u128::from(self.day.rem_euclid(DAYS).unsigned_abs());
        let mut number = day << KEY_BITS | u128::from(self.key.unsigned_abs());
        let mut digits = ['0'; Self::CHARS];
        for place in digits.iter_mut().rev() {
            let digit = usize::try_from(number % 62).unwrap_or(0);
            *place = char::from(DIGITS[digit]);
            number /= 62;
        }
        digits.iter().try_for_each(|digit| f.write_fmt(format_args!("{digit}")))
    }
}

/// The link as it stands in a text: `base` without a slash at its end, `/s/`, and the code.
#[must_use]
pub fn short_url(base: &str, code: Code) -> String {
    format!("{base}/s/{code}")
}

/// What is as long as every short link of `base`, to judge a text by.
#[must_use]
pub fn stand_in(base: &str) -> String {
    short_url(base, Code::new(0, 0))
}

#[cfg(test)]
mod tests;

//! The rule that decided something about a message, by the name that its operator knows it by.

use std::fmt;

use super::Forbidden;
use crate::address::Country;

/// A key of the file of country rules, a setting of the account or of a route, or a field of the
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A key of a country's block.
    Country(Country, &'static str),
    /// A setting of the account.
    Account(&'static str),
    /// A setting of a route, which is named.
    Route(String, &'static str),
    /// No route takes the message.
    Routes,
    /// A field of the request.
    Field(&'static str),
    /// The time at which it was asked for: no rule.
    Now,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(country, key) => write!(f, "country.{country}.{key}"),
            Self::Account(setting) => write!(f, "account.{setting}"),
            Self::Route(name, setting) => write!(f, "route.{name}.{setting}"),
            Self::Routes => f.write_str("routes"),
            Self::Field(name) => f.write_str(name),
            Self::Now => f.write_str("now"),
        }
    }
}

impl Forbidden {
    /// The rule that forbids it.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Sender(country) => Cause::Country(*country, "approves_senders"),
            Self::SenderOfAccount => Cause::Account("senders"),
            Self::NoTime(country) => Cause::Country(*country, "windows"),
            Self::Ending(country, _) => Cause::Country(*country, "ending"),
            Self::NoStopCode(country) => Cause::Country(*country, "stop_code"),
            Self::NoWayOut(_) => Cause::Account("opt_out_text"),
            Self::Topic(country, _) => Cause::Country(*country, "prohibited"),
            Self::ForAdults(country, _) => Cause::Country(*country, "for_adults"),
            Self::Shortener(country, _) => Cause::Country(*country, "shorteners"),
        }
    }
}

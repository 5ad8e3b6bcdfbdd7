//! The guard against pumping: how many codes an account has made for one recipient, for one range of
//! numbers, and in all. Without limits nothing is refused and nothing counted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::opt_out::Address;
use crate::time::Instant;

/// Digits at the end of a number in which the numbers of one range differ.
const RANGE_DIGITS: usize = 4;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How many codes each account may have made; 0: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// For one recipient in an hour, under whatever `appId`.
    pub recipient_hour: u32,
    /// For one recipient in a day.
    pub recipient_day: u32,
    /// For recipients of one range in an hour.
    pub range_hour: u32,
    /// In all, in an hour.
    pub account_hour: u32,
}

/// The limits of every account, and of those that have their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    /// Of accounts without their own.
    pub every: Limits,
    own: BTreeMap<String, Limits>,
}

impl Guard {
    /// The same limits for every account.
    #[must_use]
    pub const fn new(every: Limits) -> Self {
        Self { every, own: BTreeMap::new() }
    }

    /// Gives an account, by its name, its own; answers whether it had none yet.
    pub fn set(&mut self, account: &str, limits: Limits) -> bool {
        self.own.insert(account.to_owned(), limits).is_none()
    }

    /// The limits of an account, by its name.
    #[must_use]
    pub fn of(&self, account: &str) -> Limits {
        self.own.get(account).copied().unwrap_or(self.every)
    }

    /// The accounts that have their own, by name.
    pub fn own(&self) -> impl Iterator<Item = (&String, &Limits)> {
        self.own.iter()
    }
}

/// What a limit is about. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i64)]
pub enum Scope {
    /// One recipient in an hour.
    RecipientHour = 0,
    /// One recipient in a day.
    RecipientDay = 1,
    /// A range of numbers, or a domain, in an hour.
    RangeHour = 2,
    /// The account in an hour.
    AccountHour = 3,
}

impl Scope {
    /// Its name in the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecipientHour | Self::RecipientDay => "recipient",
            Self::RangeHour => "range",
            Self::AccountHour => "account",
        }
    }
}

/// A count that a code adds to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// Of what.
    pub scope: Scope,
    /// Of which.
    pub name: String,
    /// When the hour or day began, by UTC.
    pub since: Instant,
    /// When it ends.
    pub until: Instant,
    /// What it may not exceed.
    pub most: u32,
}

impl Limits {
    /// Whether there are none.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// The counts that a code for a recipient adds to.
    pub fn counts(&self, recipient: &Address, now: Instant) -> impl Iterator<Item = Count> {
        let address = recipient.to_string();
        let all = [
            (Scope::RecipientHour, self.recipient_hour, HOUR, address.clone()),
            (Scope::RecipientDay, self.recipient_day, DAY, address),
            (Scope::RangeHour, self.range_hour, HOUR, range(recipient)),
            (Scope::AccountHour, self.account_hour, HOUR, String::new()),
        ];
        all.into_iter().filter(|(_, most, ..)| *most > 0).map(move |(scope, most, span, name)| {
            let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            let since = Instant::from_micros(now.micros() - now.micros().rem_euclid(micros));
            Count { scope, name, since, until: since.plus(span), most }
        })
    }
}

/// What neighbours share: a number without its last four digits, an e-mail address's domain.
#[must_use]
pub fn range(recipient: &Address) -> String {
    match recipient {
        Address::Phone(phone) => {
            let digits = phone.to_string();
            digits[..digits.len().saturating_sub(RANGE_DIGITS)].to_owned()
        }
        Address::Email(email) => {
            email.rsplit_once('@').map_or(String::new(), |(_, domain)| domain.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_counts_for_its_recipient_its_range_and_its_account_as_far_as_they_have_limits() {
        let limits = Limits { recipient_hour: 1, recipient_day: 2, range_hour: 3, account_hour: 4 };
        let now = Instant::from_micros(1_774_356_661_000_001);
        let phone = Address::parse("34666555444").expect("a number");
        let counts: Vec<Count> = limits.counts(&phone, now).collect();
        let names: Vec<&str> = counts.iter().map(|count| count.name.as_str()).collect();
        assert_eq!(names, ["34666555444", "34666555444", "3466655", ""]);
        assert_eq!(counts.iter().map(|count| count.most).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(counts[0].since.iso8601(), "2026-03-24T12:00:00+00:00");
        assert_eq!(counts[0].until.iso8601(), "2026-03-24T13:00:00+00:00");
        assert_eq!(counts[1].since.iso8601(), "2026-03-24T00:00:00+00:00");
        assert_eq!(counts[1].until.iso8601(), "2026-03-25T00:00:00+00:00");
        let email = Address::parse("ana@example.com").expect("an address");
        let range = Limits { range_hour: 1, ..Limits::default() };
        let counts: Vec<Count> = range.counts(&email, now).collect();
        assert_eq!((counts.len(), counts[0].name.as_str()), (1, "example.com"));
        assert!(Limits::default().are_none() && !range.are_none());
        assert_eq!(Limits::default().counts(&email, now).count(), 0);
    }
}

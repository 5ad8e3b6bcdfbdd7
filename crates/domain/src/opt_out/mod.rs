//! Opt-outs: whom an account does not message any more, by which channel, and who said so.

mod file;
pub mod word;

use std::fmt;

pub use file::{BadRow, FILE_BYTES_MAX, File, NoHeading};

use crate::address::Phone;

/// Bytes of an e-mail address (RFC 5321, section 4.5.3.1.3, less its angle brackets).
const EMAIL_BYTES_MAX: usize = 254;
/// Bytes of what stands before its `@`.
const LOCAL_BYTES_MAX: usize = 64;
/// Characters of the reason that somebody gave.
pub const REASON_CHARS_MAX: usize = 200;

/// A channel that somebody can be reached by. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum Channel {
    /// Text messages to a telephone number.
    Sms = 0,
    /// E-mail.
    Mailing = 1,
}

impl Channel {
    /// Reads the stored number.
    #[must_use]
    pub const fn from_stored(number: i64) -> Self {
        if number == 1 { Self::Mailing } else { Self::Sms }
    }

    /// Reads the API's name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sms, Self::Mailing].into_iter().find(|channel| channel.as_str() == name)
    }

    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Mailing => "mailing",
        }
    }
}

/// Where somebody can be reached, in the one spelling that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A telephone number.
    Phone(Phone),
    /// An e-mail address in small letters.
    Email(String),
}

/// The text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct NotAnEmail;

impl Address {
    /// Reads an e-mail address: letter case and the space around it do not count.
    ///
    /// What stands before the `@` may tell capitals by the standard; nobody's does, and who opted
    /// out must not be reached by another spelling.
    pub fn parse_email(text: &str) -> Result<Self, NotAnEmail> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"@".contains(c);
        let is_label = |label: &str| !label.is_empty() && !label.starts_with('-');
        let is_one = (1..=LOCAL_BYTES_MAX).contains(&local.len())
            && text.len() <= EMAIL_BYTES_MAX
            && !text.replacen('@', "", 1).contains(is_odd)
            && domain.contains('.')
            && domain.split('.').all(is_label);
        if is_one { Ok(Self::Email(text.to_lowercase())) } else { Err(NotAnEmail) }
    }

    /// Reads either kind of address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.contains('@') {
            true => Self::parse_email(text).ok(),
            false => Phone::parse(text).ok().map(Self::Phone),
        }
    }

    /// The channel that it is reached by.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Phone(_) => Channel::Sms,
            Self::Email(_) => Channel::Mailing,
        }
    }

    /// Takes back what [`Address`] shows; not checked again.
    #[must_use]
    pub fn from_stored(channel: Channel, text: String) -> Self {
        match channel {
            Channel::Sms => Self::Phone(Phone::from_stored(text.parse().unwrap_or(0))),
            Channel::Mailing => Self::Email(text),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(phone) => phone.fmt(f),
            Self::Email(email) => f.write_str(email),
        }
    }
}

/// Who put somebody on a list, or took them off. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum Source {
    /// The account, by the API.
    Api = 0,
    /// An operator, by the command line.
    Operator = 1,
    /// The recipient, by an answer.
    Recipient = 2,
}

impl Source {
    /// Reads the stored number.
    #[must_use]
    pub const fn from_stored(number: i64) -> Self {
        match number {
            1 => Self::Operator,
            2 => Self::Recipient,
            _ => Self::Api,
        }
    }

    /// Its name, where an owner reads it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Operator => "operator",
            Self::Recipient => "recipient",
        }
    }
}

/// Why a message to somebody who opted out ends, as its owner reads it.
pub const REFUSED: &str = "the recipient is on the opt-out list";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_address_is_compared_in_one_spelling() {
        let read = |text: &str| Address::parse_email(text).map(|address| address.to_string());
        assert_eq!(read(" Ana.Lopez@Example.COM "), Ok("ana.lopez@example.com".to_owned()));
        assert_eq!(read("josé@exämple.es"), Ok("josé@exämple.es".to_owned()));
        for bad in [
            "",
            "ana",
            "@example.com",
            "ana@",
            "ana@example",
            "ana@.com",
            "a b@example.com",
            "ana@@example.com",
            "<ana@example.com>",
            "ana@example..com",
            "ana@-a.com",
            "a,b@c.de",
        ] {
            assert_eq!(read(bad), Err(NotAnEmail), "{bad}");
        }
        assert_eq!(read(&format!("{}@example.com", "a".repeat(65))), Err(NotAnEmail));
        assert_eq!(read(&format!("a@{}.com", "a.".repeat(126))), Err(NotAnEmail));
    }

    #[test]
    fn what_is_stored_reads_back() {
        let phone = Address::Phone(Phone::from_stored(34_699_000_001));
        let email = Address::Email("ana@example.com".to_owned());
        for address in [phone, email] {
            let channel = address.channel();
            assert_eq!(Channel::parse(channel.as_str()), Some(channel));
            assert_eq!(Channel::from_stored(channel as i64), channel);
            assert_eq!(Address::from_stored(channel, address.to_string()), address);
        }
        for source in [Source::Api, Source::Operator, Source::Recipient] {
            assert_eq!(Source::from_stored(source as i64), source);
        }
    }
}

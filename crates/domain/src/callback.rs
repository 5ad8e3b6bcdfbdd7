//! The customer's callback URL: a template whose escapes are replaced at each report.
//!
//! The rules, where the 360NRS API document leaves them open, are ours:
//! - Escapes are replaced in the path and the query only. Scheme, user info, host and port are
//!   the customer's own words, so no value can turn a callback to another server; the fragment
//!   never travels.
//! - `%` and two hexadecimal digits are URL encoding, never an escape: `%d0` and `%c3` stay.
//!   So `%d`, `%c` and `%C` need another character after them, or the end.
//! - One pass, left to right; a value is never scanned again; an unknown `%x` stays as it is.
//! - Values are percent-encoded but for the unreserved characters of RFC 3986; a space is `%20`.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::address::Phone;
use crate::id::{CampaignId, MessageId, SendingId};
use crate::limits::CALLBACK_URL_BYTES_MAX;
use crate::money::Money;
use crate::plain_url::PlainUrl;
use crate::time::Instant;

/// A notification URL with escapes such as `%i`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template(Box<str>);

/// The text is no URL that a callback may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the callback URL must be an absolute http or https URL with a host")]
pub struct BadCallbackUrl;

/// What the escapes stand for at one report.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// `%i`: the message, as the answer to the send request named it.
    pub message: MessageId,
    /// `%d`: 1 delivered, 2 not delivered, 4 with the operator, 16 refused by it.
    pub report: u8,
    /// `%p`: the sender.
    pub sender: &'a str,
    /// `%P`: the recipient.
    pub recipient: Phone,
    /// `%t`: when it was sent, `YYYY-MM-DD HH:MM` in UTC; empty when it never was.
    pub sent_at: Option<Instant>,
    /// `%c`: the cost; empty when there is none.
    pub cost: Option<Money>,
    /// `%s`: the status word, such as DELIVRD.
    pub word: &'a str,
    /// `%y`: when the report was made, `YYYY-MM-DD HH:MM` in UTC.
    pub reported_at: Instant,
    /// `%n`: the number of the part, from 1.
    pub part: u8,
    /// `%j`: the error code; may be empty.
    pub error: &'a str,
    /// `%C`: the campaign; 0 for a message without a campaign name.
    pub campaign: CampaignId,
    /// `%S`: the sending; 0 for a message without a campaign name.
    pub sending: SendingId,
}

impl Template {
    /// Reads a `notificationUrl`: an absolute http or https URL with a host, of at most
    /// [`CALLBACK_URL_BYTES_MAX`] bytes, without control characters.
    pub fn parse(text: &str) -> Result<Self, BadCallbackUrl> {
        if text.len() > CALLBACK_URL_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(BadCallbackUrl);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadCallbackUrl)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(BadCallbackUrl);
        }
        let (authority, target) = rest.split_at(authority_len(rest));
        // Browsers and the `url` crate end the host at a backslash, and skip extra slashes:
        // refuse both, so that nobody reads another host than we do.
        if authority.is_empty() || authority.contains(['\\', ' ']) {
            return Err(BadCallbackUrl);
        }
        let origin = match target.starts_with('/') {
            true => Cow::Borrowed(&text[..=text.len() - target.len()]),
            false => Cow::Owned(format!("{scheme}://{authority}/")),
        };
        let has_host = PlainUrl::read(&origin).is_some()
            || url::Url::parse(&origin).is_ok_and(|url| url.has_host());
        if has_host { Ok(Self(text.into())) } else { Err(BadCallbackUrl) }
    }

    /// Takes back what [`Template::as_str`] gave; not checked again.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text.into_boxed_str())
    }

    /// The template as the customer wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL to call for one report.
    #[must_use]
    pub fn expand(&self, values: &Values<'_>) -> String {
        let (origin, target, fragment) = self.split();
        let mut url = String::with_capacity(self.0.len() + 128);
        url.push_str(origin);
        let mut rest = target;
        while let Some(at) = rest.find('%') {
            let (before, escape) = rest.split_at(at);
            url.push_str(before);
            let (kept, used) = if values.push(escape.as_bytes(), &mut url) {
                ("", 2)
            } else if escape.starts_with("%%") {
                ("%%", 2) // so that `%%d` is no `%d`
            } else {
                ("%", 1)
            };
            url.push_str(kept);
            rest = &escape[used..];
        }
        url.push_str(rest);
        url.push_str(fragment);
        url
    }

    /// Splits into scheme and authority, path and query, fragment.
    fn split(&self) -> (&str, &str, &str) {
        let text = &*self.0;
        let authority_start = text.find("://").map_or(0, |at| at + "://".len());
        let target_start = authority_start + authority_len(&text[authority_start..]);
        let target_end = text[target_start..].find('#').map_or(text.len(), |at| target_start + at);
        (&text[..target_start], &text[target_start..target_end], &text[target_end..])
    }
}

/// Bytes up to the path, the query, the fragment or the end.
fn authority_len(after_scheme: &str) -> usize {
    after_scheme.find(['/', '?', '#']).unwrap_or(after_scheme.len())
}

impl Values<'_> {
    /// Appends the value of the escape that `text` begins with; `false` when there is none.
    fn push(&self, text: &[u8], url: &mut String) -> bool {
        let Some(&letter) = text.get(1) else {
            return false;
        };
        let is_url_encoding =
            letter.is_ascii_hexdigit() && text.get(2).is_some_and(u8::is_ascii_hexdigit);
        if is_url_encoding {
            return false;
        }
        match letter {
            b'i' => push_plain(self.message, url),
            b'd' => push_plain(self.report, url),
            b'p' => push_encoded(self.sender, url),
            b'P' => push_plain(self.recipient, url),
            b't' => push_encoded(&self.sent_at.map(Instant::minute).unwrap_or_default(), url),
            b'c' => push_encoded(&self.cost.map(|cost| cost.to_string()).unwrap_or_default(), url),
            b's' => push_encoded(self.word, url),
            b'y' => push_encoded(&self.reported_at.minute(), url),
            b'n' => push_plain(self.part, url),
            b'j' => push_encoded(self.error, url),
            b'C' => push_plain(self.campaign, url),
            b'S' => push_plain(self.sending, url),
            _ => return false,
        }
        true
    }
}

/// Appends what is digits only and so needs no encoding.
fn push_plain(number: impl fmt::Display, url: &mut String) {
    let _ = write!(url, "{number}"); // a String takes every write
}

fn push_encoded(value: &str, url: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.push(hex(byte >> 4));
            url.push(hex(byte & 0x0F));
        }
    }
}

fn hex(nibble: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(nibble & 0x0F)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> Values<'static> {
        Values {
            message: MessageId(102_648_819),
            report: 1,
            sender: "ACME",
            recipient: Phone::from_stored(34_666_555_444),
            sent_at: Instant::parse_compact("20200921141859").ok(),
            cost: Some(Money::from_micros(65_000)),
            word: "DELIVRD",
            reported_at: Instant::parse_compact("20200921141900").expect("a date"),
            part: 2,
            error: "0x1 &",
            campaign: CampaignId(0),
            sending: SendingId(77),
        }
    }

    fn expand(template: &str) -> String {
        Template::parse(template).expect("a good template").expand(&values())
    }

    #[test]
    fn each_escape_stands_for_its_value() {
        for (escape, value) in [
            ("%i", "102648819"),
            ("%d", "1"),
            ("%p", "ACME"),
            ("%P", "34666555444"),
            ("%t", "2020-09-21%2014%3A18"),
            ("%c", "0.065"),
            ("%s", "DELIVRD"),
            ("%y", "2020-09-21%2014%3A19"),
            ("%n", "2"),
            ("%j", "0x1%20%26"),
            ("%C", "0"),
            ("%S", "77"),
        ] {
            let in_query = format!("https://example.com/dlr?v={escape}");
            assert_eq!(expand(&in_query), format!("https://example.com/dlr?v={value}"));
            let in_path = format!("https://example.com/{escape}/{escape}&{escape}");
            assert_eq!(expand(&in_path), format!("https://example.com/{value}/{value}&{value}"));
        }
    }

    #[test]
    fn an_absent_value_is_empty() {
        let template = Template::parse("http://example.com/?t=%t&c=%c&j=%j.").expect("good");
        let values = Values { sent_at: None, cost: None, error: "", ..values() };
        assert_eq!(template.expand(&values), "http://example.com/?t=&c=&j=.");
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for same in [
            "https://example.com",
            "https://example.com/a%20b%2F%C3%A1",
            "https://example.com/?a=%d0&b=%c3&c=%C3&d=%dA&e=%25d",
            "https://example.com/?x=%x&q=%q&T=%T&I=%I",
            "https://example.com/?p=%%d&e=%e&f=%f",
            "https://example.com/?end=%",
            "https://example.com/?ñ=%ñ&日=%日",
            "https://example.com/a?b=c#%d",
            "https://%69.example.com/",
            "https://%p:%P@example.com/",
            "HTTPS://example.com:8443?",
        ] {
            assert_eq!(expand(same), same);
        }
    }

    #[test]
    fn an_escape_before_no_two_hex_digits_is_one() {
        assert_eq!(expand("http://a.example/%d?%d=%c/%dg%d"), "http://a.example/1?1=0.065/1g1");
        assert_eq!(expand("http://a.example/%d%20%d"), "http://a.example/1%201");
        assert_eq!(expand("http://a.example/%%%d"), "http://a.example/%%1");
        assert_eq!(expand("http://a.example?%i%n"), "http://a.example?1026488192");
    }

    #[test]
    fn a_value_is_never_scanned_again() {
        let template = Template::parse("http://example.com/?j=%j&p=%p").expect("good");
        let values = Values { error: "%i", sender: "%25/?#@é", ..values() };
        let url = "http://example.com/?j=%25i&p=%2525%2F%3F%23%40%C3%A9";
        assert_eq!(template.expand(&values), url);
    }

    #[test]
    fn a_bad_callback_url_is_refused() {
        let long = format!("https://example.com/{}", "a".repeat(CALLBACK_URL_BYTES_MAX));
        for bad in [
            "",
            "example.com/dlr",
            "/dlr?id=%i",
            "//example.com/dlr",
            "ftp://example.com/",
            "javascript://example.com/",
            "mailto:a@example.com",
            "https:example.com",
            "https:/example.com",
            "https://",
            "https:///example.com",
            "https://?id=%i",
            "https://#",
            "https://:80/",
            "https://user@/",
            "https://example.com:99999/",
            "https://example.com:%d/",
            "https://%p.example.com/",
            "https://exa mple.com/",
            "https://good.example\\@evil.example/",
            "https://[::1/",
            "https://example.com/\nHost: evil",
            "https://user\t@example.com/",
            " https://example.com/",
            &long,
        ] {
            assert_eq!(Template::parse(bad), Err(BadCallbackUrl), "{bad:?}");
        }
        assert!(Template::parse("http://[::1]:8080/dlr").is_ok());
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text: String, tail: String) {
            let stored = Template::from_stored(text.clone()).expand(&values());
            prop_assert!(stored.len() >= text.len() / 2);
            let _ = Template::parse(&text);
            if let Ok(template) = Template::parse(&format!("https://example.com/{tail}")) {
                prop_assert_eq!(&Template::from_stored(template.as_str().to_owned()), &template);
                prop_assert!(template.expand(&values()).starts_with("https://example.com/"));
            }
        }

        #[test]
        fn no_value_leads_to_another_server(
            template in "https?://[a-z%:@.]{1,12}[/?#]?[a-z%#@/?]{0,12}",
            evil in "[@:/?#%a-z.]{0,12}",
        ) {
            if let Ok(template) = Template::parse(&template) {
                let before = url::Url::parse(template.as_str());
                let values = Values { sender: &evil, word: &evil, error: &evil, ..values() };
                let after = url::Url::parse(&template.expand(&values));
                let origin = |url: url::Url| (url.scheme().to_owned(), url.authority().to_owned());
                prop_assert_eq!(before.map(origin), after.map(origin));
            }
        }
    }
}

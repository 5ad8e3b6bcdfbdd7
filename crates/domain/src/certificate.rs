//! The evidence of a certified message: a chain whose first link is what was accepted, and whose
//! others are what happened, each bound to the one before it by a hash.
//!
//! A link is a list of texts. Its hash is the SHA-256 of the hash before it (nothing, for the first)
//! and of each text as a netstring: its length in octets of UTF-8, `:`, the text, `,`. So whoever
//! holds the texts can reckon the chain again with a few lines of any language.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::address::Phone;
use crate::id::{AccountId, MessageId, PartId, RouteId};
use crate::message::{EventKind, PartState};
use crate::money::Money;
use crate::sms::Encoding;
use crate::time::Instant;

/// A link's hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What a link with these texts has, after another one or as the first.
    #[must_use]
    pub fn of(before: Option<Self>, texts: &[String]) -> Self {
        let mut hasher = Sha256::new();
        if let Some(Self(before)) = before {
            hasher.update(before);
        }
        for text in texts {
            hasher.update(text.len().to_string());
            hasher.update(":");
            hasher.update(text);
            hasher.update(",");
        }
        Self(hasher.finalize().into())
    }

    /// Reads a stored one; what is none fits no link.
    #[must_use]
    pub fn from_stored(octets: &[u8]) -> Self {
        Self(octets.try_into().unwrap_or_default())
    }

    /// The octets to store.
    #[must_use]
    pub const fn stored(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the texts of the first link are. A changed list needs a new number in `chain`.
pub const ACCEPTED: [&str; 13] = [
    "chain",
    "message",
    "account",
    "accepted",
    "due",
    "sender",
    "recipient",
    "text",
    "encoding",
    "split",
    "flash",
    "expires",
    "prices",
];

/// What the texts of every other link are.
pub const HAPPENED: [&str; 10] =
    ["part", "event", "kind", "route", "at", "before", "word", "code", "detail", "state"];

/// A message as it was accepted.
#[derive(Debug, Clone)]
pub struct Accepted<'a> {
    /// Its number.
    pub message: MessageId,
    /// Whose.
    pub account: AccountId,
    /// When.
    pub at: Instant,
    /// Not to be sent before; the same, where nothing was asked.
    pub due: Instant,
    /// The sender shown.
    pub sender: &'a str,
    /// To whom.
    pub to: Phone,
    /// What it says; `****` for a one-time code.
    pub text: &'a str,
    /// Its alphabet.
    pub encoding: Encoding,
    /// Independent messages rather than a concatenated one.
    pub split: bool,
    /// Shown at once on the screen.
    pub flash: bool,
    /// Worthless after.
    pub expires: Option<Instant>,
    /// What each of its parts costs.
    pub prices: &'a [Money],
}

impl Accepted<'_> {
    /// The texts of its link: see [`ACCEPTED`]. Times are microseconds since 1970, prices are
    /// micro-units, and truths are 0 or 1.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let prices: Vec<String> = self.prices.iter().map(|p| p.micros().to_string()).collect();
        vec![
            "1".to_owned(),
            self.message.to_string(),
            self.account.0.to_string(),
            self.at.micros().to_string(),
            self.due.micros().to_string(),
            self.sender.to_owned(),
            self.to.to_string(),
            self.text.to_owned(),
            self.encoding.as_str().to_owned(),
            u8::from(self.split).to_string(),
            u8::from(self.flash).to_string(),
            self.expires.map(|at| at.micros().to_string()).unwrap_or_default(),
            prices.join(" "),
        ]
    }
}

/// An event of one of its parts.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// Which part.
    pub part: PartId,
    /// The event's number.
    pub event: i64,
    /// What.
    pub kind: EventKind,
    /// On which route.
    pub route: RouteId,
    /// When.
    pub at: Instant,
    /// The part's event before this one; 0: none.
    pub before: i64,
    /// The carrier's word.
    pub word: &'a str,
    /// The carrier's error code.
    pub code: &'a str,
    /// The carrier's id or words.
    pub detail: &'a str,
    /// Where the part stood then.
    pub state: PartState,
}

impl Happened<'_> {
    /// The texts of its link: see [`HAPPENED`]. Parts count from 1.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        vec![
            (self.part.idx() + 1).to_string(),
            self.event.to_string(),
            match self.kind {
                EventKind::Refused => "refused", // By nobody but us: it is not charged.
                kind => kind.as_str(),
            }
            .to_owned(),
            self.route.0.to_string(),
            self.at.micros().to_string(),
            self.before.to_string(),
            self.word.to_owned(),
            self.code.to_owned(),
            self.detail.to_owned(),
            self.state.as_str().to_owned(),
        ]
    }
}

/// Where the store and the chain do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// What is stored of this link is another thing than was chained; 0 is what was accepted.
    Link(i64),
    /// The part, counted from 1, stands otherwise than its last link says.
    Part(u8),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(0) => {
                f.write_str("what was accepted is stored otherwise than it was chained")
            }
            Self::Link(n) => write!(f, "event {n} is stored otherwise than it was chained"),
            Self::Part(n) => write!(f, "part {n} stands otherwise than its chain says"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_hash_is_that_of_netstrings_behind_the_hash_before() {
        // printf '5:hello,0:,' | sha256sum
        let first = Hash::of(None, &texts(&["hello", ""]));
        assert_eq!(
            first.to_string(),
            "ba33c4121f78062c217db804bc2053871278e2a83acfcd1771d5395250821aff"
        );
        // "é" is two octets.
        let second = Hash::of(Some(first), &texts(&["é"]));
        assert_eq!(
            second.to_string(),
            "62c1d126eade3b793f3b488367f4bd0281433b03ec9ff76f59750eca37a1a9cc"
        );
        assert_eq!(Hash::from_stored(second.stored()), second);
        assert_ne!(Hash::from_stored(b"short"), second);
    }

    #[test]
    fn no_two_lists_of_texts_run_together() {
        let lists = [&["ab", "c"][..], &["a", "bc"], &["abc"], &["abc", ""], &["2:ab,1:c,"], &[]];
        for (i, one) in lists.iter().enumerate() {
            for other in &lists[i + 1..] {
                let (a, b) = (Hash::of(None, &texts(one)), Hash::of(None, &texts(other)));
                assert_ne!(a, b, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn every_text_of_a_link_has_its_name() {
        let accepted = Accepted {
            message: MessageId(1),
            account: AccountId(2),
            at: Instant::from_micros(3),
            due: Instant::from_micros(3),
            sender: "S",
            to: Phone::from_stored(34_600_000_000),
            text: "Olá",
            encoding: Encoding::Gsm,
            split: false,
            flash: true,
            expires: None,
            prices: &[Money::from_micros(60_000), Money::from_micros(50_000)],
        };
        let texts = accepted.texts();
        assert_eq!(texts.len(), ACCEPTED.len());
        assert_eq!(texts[9..], ["0", "1", "", "60000 50000"]);
        let happened = Happened {
            part: MessageId(1).part(1),
            event: 9,
            kind: EventKind::Sent,
            route: RouteId(1),
            at: Instant::from_micros(4),
            before: 0,
            word: "ACCEPTD",
            code: "",
            detail: "ID",
            state: PartState::Sent,
        };
        let texts = happened.texts();
        assert_eq!(texts.len(), HAPPENED.len());
        assert_eq!(texts, ["2", "9", "sent", "1", "4", "0", "ACCEPTD", "", "ID", "sent"]);
    }
}

//! Which routes may carry a message, and in which order they are tried.

mod choice;
mod failover;
mod senders;

use std::fmt;
use std::time::Duration;

use crate::address::Sender;
use crate::country::Affixes;
use crate::health::Floor;
use crate::id::{AccountId, RouteId};
use crate::message::Category;
use crate::money::Money;
use crate::price::Network;

pub use choice::{Choice, Choose, Order, Why, choose, order};
pub use failover::{Failover, Failure};
pub use senders::SenderPattern;

/// What to do with a part whose submission got no stored answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncertainPolicy {
    /// Submit it again, under the same concatenation reference: at least once.
    Resend,
    /// Wait for a receipt that tells: at most once.
    Wait,
    /// Leave it to the operator.
    Hold,
}

/// A route's policy for parts in doubt, by the law's kind of message: a code sent twice annoys, an
/// alarm not sent at all may do worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UncertainPolicies {
    /// For transactional messages.
    pub transactional: UncertainPolicy,
    /// For marketing.
    pub marketing: UncertainPolicy,
}

impl UncertainPolicies {
    /// The policy for a message of this kind.
    #[must_use]
    pub const fn of(self, category: Category) -> UncertainPolicy {
        match category {
            Category::Transactional => self.transactional,
            Category::Marketing => self.marketing,
        }
    }
}

impl From<UncertainPolicy> for UncertainPolicies {
    fn from(policy: UncertainPolicy) -> Self {
        Self { transactional: policy, marketing: policy }
    }
}

/// How a route's receipts spell the id that its submit answer gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptId {
    /// Learn it from unambiguous hits, then lock it.
    Auto,
    /// The same spelling.
    Same,
    /// Hexadecimal in the answer, decimal in the receipt.
    HexToDec,
    /// Decimal in the answer, hexadecimal in the receipt.
    DecToHex,
}

/// Networks that a route carries to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Networks {
    /// All of a mobile country code.
    Country(u16),
    /// One.
    One(Network),
}

impl Networks {
    /// Reads `214`, `214-07` or `21407`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mcc, mnc) = text.split_at_checked(3)?;
        match mnc.strip_prefix('-').unwrap_or(mnc) {
            "" if mnc.is_empty() => Network::parse(mcc, "0").map(|any| Self::Country(any.mcc)),
            mnc => Network::parse(mcc, mnc).map(Self::One),
        }
    }

    /// Whether this network is one of them.
    #[must_use]
    pub fn hold(self, network: Network) -> bool {
        match self {
            Self::Country(mcc) => network.mcc == mcc,
            Self::One(one) => network == one,
        }
    }
}

impl fmt::Display for Networks {
    /// As [`Networks::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(mcc) => write!(f, "{mcc:03}"),
            Self::One(network) => network.fmt(f),
        }
    }
}

/// What a route takes, and how it is to be used. Knows no protocol.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its number in the store.
    pub id: RouteId,
    /// Its name in the configuration.
    pub name: String,
    /// ISO 3166 codes it carries to; empty or `*` means all.
    pub countries: Vec<String>,
    /// Networks it carries to; empty means all, also those that nobody knows.
    pub networks: Vec<Networks>,
    /// Senders it carries; empty means all.
    pub senders: Vec<SenderPattern>,
    /// Accounts it serves, by number; empty means all.
    pub accounts: Vec<AccountId>,
    /// Categories it carries; empty means both.
    pub categories: Vec<Category>,
    /// Lower is tried first.
    pub priority: u32,
    /// Share among routes of one priority; zero is never chosen first.
    pub weight: u32,
    /// What the carrier asks per part, where known.
    pub buy_price: Option<Money>,
    /// Parts a second over all links; `None`: no limit.
    pub rate: Option<f64>,
    /// Unanswered parts per link.
    pub window: usize,
    /// Parallel links.
    pub links: usize,
    /// For parts in doubt.
    pub uncertain: UncertainPolicies,
    /// When a carrier did not deliver.
    pub failover: Failover,
    /// What it must deliver to be chosen.
    pub floor: Floor,
    /// For matching receipts.
    pub receipt_id: ReceiptId,
    /// Longest validity the carrier allows.
    pub validity_max: Duration,
    /// What the carrier wants of marketing.
    pub affixes: Affixes,
}

/// What the choice of a route looks at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who sends.
    pub account: AccountId,
    /// ISO 3166 code of the recipient's country, or empty where a number has none.
    pub country: &'a str,
    /// The recipient's network, where the operator's table of prefixes knows it.
    pub network: Option<Network>,
    /// The sender shown.
    pub sender: &'a Sender,
    /// The law's kind.
    pub category: Category,
    /// Anything even-spread; chooses among routes of one priority by weight.
    pub spread: u64,
}

impl Route {
    /// A route that takes everything, with the defaults of the configuration.
    #[must_use]
    pub fn to_all(name: &str) -> Self {
        Self {
            id: RouteId(0),
            name: name.to_owned(),
            countries: vec!["*".to_owned()],
            networks: Vec::new(),
            senders: Vec::new(),
            accounts: Vec::new(),
            categories: Vec::new(),
            priority: 10,
            weight: 1,
            buy_price: None,
            rate: None,
            window: 100,
            links: 1,
            uncertain: UncertainPolicy::Resend.into(),
            failover: Failover::default(),
            floor: Floor::default(),
            receipt_id: ReceiptId::Auto,
            validity_max: Duration::from_secs(172_800),
            affixes: Affixes::default(),
        }
    }

    /// Whether it carries to this country for this account, from some sender.
    #[must_use]
    pub fn reaches(&self, account: AccountId, country: &str) -> bool {
        let country_fits = self.countries.is_empty()
            || self.countries.iter().any(|c| c == "*" || c.eq_ignore_ascii_case(country));
        country_fits && (self.accounts.is_empty() || self.accounts.contains(&account))
    }

    /// Whether it carries to this network; one that is not known is carried to only by a route for
    /// all networks.
    #[must_use]
    pub fn reaches_network(&self, network: Option<Network>) -> bool {
        self.networks.is_empty()
            || network.is_some_and(|network| self.networks.iter().any(|own| own.hold(network)))
    }

    /// Whether this route may carry it.
    #[must_use]
    pub fn takes(&self, q: &Question<'_>) -> bool {
        self.reaches(q.account, q.country)
            && self.reaches_network(q.network)
            && (self.senders.is_empty() || self.senders.iter().any(|s| s.fits(q.sender.as_str())))
            && (self.categories.is_empty() || self.categories.contains(&q.category))
    }
}

//! Which routes may carry a message, and in which order they are tried.

use std::time::Duration;

use crate::address::Sender;
use crate::id::{AccountId, RouteId};
use crate::message::Category;
use crate::money::Money;

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

/// What a route takes, and how it is to be used. Knows no protocol.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its number in the store.
    pub id: RouteId,
    /// Its name in the configuration.
    pub name: String,
    /// ISO 3166 codes it carries to; empty or `*` means all.
    pub countries: Vec<String>,
    /// Senders it carries, exactly; empty means all.
    pub senders: Vec<String>,
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
    /// For matching receipts.
    pub receipt_id: ReceiptId,
    /// Longest validity the carrier allows.
    pub validity_max: Duration,
}

/// What the choice of a route looks at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who sends.
    pub account: AccountId,
    /// ISO 3166 code of the recipient's country, or empty where a number has none.
    pub country: &'a str,
    /// The sender shown.
    pub sender: &'a Sender,
    /// The law's kind.
    pub category: Category,
    /// Anything even-spread; chooses among routes of one priority by weight.
    pub spread: u64,
}

impl Route {
    /// Whether it carries to this country for this account, from some sender.
    #[must_use]
    pub fn reaches(&self, account: AccountId, country: &str) -> bool {
        let country_fits = self.countries.is_empty()
            || self.countries.iter().any(|c| c == "*" || c.eq_ignore_ascii_case(country));
        country_fits && (self.accounts.is_empty() || self.accounts.contains(&account))
    }

    /// Whether this route may carry it.
    #[must_use]
    pub fn takes(&self, q: &Question<'_>) -> bool {
        self.reaches(q.account, q.country)
            && (self.senders.is_empty() || self.senders.iter().any(|s| s == q.sender.as_str()))
            && (self.categories.is_empty() || self.categories.contains(&q.category))
    }
}

/// The route to use: the lowest priority number first, shared by weight among equals, leaving out
/// those for which `usable` says no (down, paused, just tried). `None`: no route may carry it.
pub fn choose(
    routes: &[Route],
    q: &Question<'_>,
    usable: impl Fn(RouteId) -> bool,
) -> Option<RouteId> {
    let fits = |r: &&Route| r.takes(q) && usable(r.id);
    let best = routes.iter().filter(fits).map(|r| r.priority).min()?;
    let equals = || routes.iter().filter(|r| r.priority == best).filter(fits);
    let total: u64 = equals().map(|r| u64::from(r.weight)).sum();
    if total == 0 {
        return equals().next().map(|r| r.id);
    }
    let mut at = q.spread % total;
    for route in equals() {
        let weight = u64::from(route.weight);
        if at < weight {
            return Some(route.id);
        }
        at -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(id: i64, priority: u32, weight: u32) -> Route {
        Route {
            id: RouteId(id),
            name: format!("route-{id}"),
            countries: vec!["*".into()],
            senders: vec![],
            accounts: vec![],
            categories: vec![],
            priority,
            weight,
            buy_price: None,
            rate: None,
            window: 10,
            links: 1,
            uncertain: UncertainPolicy::Resend.into(),
            receipt_id: ReceiptId::Auto,
            validity_max: Duration::from_secs(172_800),
        }
    }

    fn question(sender: &Sender, spread: u64) -> Question<'_> {
        let account = AccountId(1);
        Question { account, country: "ES", sender, category: Category::Transactional, spread }
    }

    #[test]
    fn the_first_priority_is_used_until_it_cannot_be() {
        let sender = Sender::parse("TEST").expect("a sender");
        let routes = [route(1, 20, 1), route(2, 10, 1)];
        let q = question(&sender, 0);
        assert_eq!(choose(&routes, &q, |_| true), Some(RouteId(2)));
        assert_eq!(choose(&routes, &q, |r| r != RouteId(2)), Some(RouteId(1)));
        assert_eq!(choose(&routes, &q, |_| false), None);
    }

    #[test]
    fn equals_share_by_weight() {
        let sender = Sender::parse("TEST").expect("a sender");
        let routes = [route(1, 10, 3), route(2, 10, 1)];
        let first = (0..400)
            .filter(|&i| choose(&routes, &question(&sender, i), |_| true) == Some(RouteId(1)))
            .count();
        assert_eq!(first, 300);
    }

    #[test]
    fn a_route_carries_only_what_it_was_given() {
        let sender = Sender::parse("TEST").expect("a sender");
        let mut only_fr = route(1, 10, 1);
        only_fr.countries = vec!["FR".into()];
        let mut only_other_sender = route(2, 10, 1);
        only_other_sender.senders = vec!["OTHER".into()];
        let mut only_marketing = route(3, 10, 1);
        only_marketing.categories = vec![Category::Marketing];
        let routes = [only_fr, only_other_sender, only_marketing];
        assert_eq!(choose(&routes, &question(&sender, 0), |_| true), None);
    }
}

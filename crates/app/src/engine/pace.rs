//! How fast an account may go over all routes together, and over all nodes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::rate::Bucket;
use pombo_domain::time::Instant;

use crate::accounts::Accounts;

/// Seconds of an account's rate that may lie on one desk: what a link that was stopped sends at once when
/// it goes on.
const AHEAD_S: f64 = 0.5;

/// What is kept of each account that has a limit; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AccountPaces {
    accounts: Accounts,
    paced: Arc<Mutex<HashMap<AccountId, Paced>>>,
    /// Nodes that an account's messages go by.
    n_nodes: Arc<AtomicUsize>,
}

/// An account that has a limit.
#[derive(Debug)]
struct Paced {
    bucket: Bucket,
    /// Of each route, its parts that were claimed, or are being, and no link has taken yet: what lies for
    /// one keeps nothing from going by another.
    lying: HashMap<RouteId, usize>,
}

impl AccountPaces {
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self { accounts, paced: Arc::default(), n_nodes: Arc::new(AtomicUsize::new(1)) }
    }

    /// Each of so many nodes lets an account go at an equal part of its rate.
    pub(crate) fn share_among(&self, n_nodes: usize) {
        self.n_nodes.store(n_nodes, Ordering::Relaxed);
    }

    /// How many parts the account may claim for a route now.
    pub(crate) fn allowance(&self, (account, route): (AccountId, RouteId), now: Instant) -> usize {
        self.with(account, now, |paced| paced.allowance(route, now)).unwrap_or(usize::MAX)
    }

    /// Sets parts apart that are about to be claimed, at most so many; answers how many. No other route
    /// can claim by the same allowance meanwhile.
    pub(crate) fn reserve(
        &self,
        (account, route): (AccountId, RouteId),
        most: usize,
        now: Instant,
    ) -> usize {
        let reserved = self.with(account, now, |paced| {
            let n = most.min(paced.allowance(route, now));
            paced.bucket.take(n);
            *paced.lying.entry(route).or_default() += n;
            n
        });
        reserved.unwrap_or(most)
    }

    /// Of the parts that were set apart so many were claimed; a message's parts stay together, so it may
    /// be more.
    pub(crate) fn claimed(
        &self,
        (account, route): (AccountId, RouteId),
        reserved: usize,
        n: usize,
    ) {
        if let Some(paced) = self.lock().get_mut(&account) {
            paced.bucket.give_back(reserved);
            paced.bucket.take(n);
            let lying = paced.lying.entry(route).or_default();
            *lying = (*lying + n).saturating_sub(reserved);
        }
    }

    /// Parts lie on a route's desk no more.
    pub(crate) fn left(&self, route: RouteId, parts: impl Iterator<Item = (AccountId, usize)>) {
        let mut paced = self.lock();
        if paced.is_empty() {
            return;
        }
        for (account, n) in parts {
            let lying = paced.get_mut(&account).and_then(|paced| paced.lying.get_mut(&route));
            if let Some(lying) = lying {
                *lying = lying.saturating_sub(n);
            }
        }
    }

    /// Does something with what is kept of an account; `None` where it has no limit.
    fn with<T>(
        &self,
        account: AccountId,
        now: Instant,
        what: impl FnOnce(&mut Paced) -> T,
    ) -> Option<T> {
        let limit = self.accounts.by_id(account).and_then(|account| account.rate_per_s);
        let mut paced = self.lock();
        let Some(limit) = limit else {
            paced.remove(&account);
            return None;
        };
        #[expect(clippy::cast_precision_loss, reason = "a count of nodes")]
        let n_nodes = self.n_nodes.load(Ordering::Relaxed) as f64;
        let rate = (f64::from(limit) / n_nodes).max(0.001);
        let new = || Paced { bucket: Bucket::new(rate, now), lying: HashMap::new() };
        let paced = paced.entry(account).or_insert_with(new);
        if (paced.bucket.per_second() - rate).abs() > f64::EPSILON {
            paced.bucket.set_rate(rate, now);
        }
        Some(what(paced))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Paced>> {
        self.paced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Paced {
    fn allowance(&mut self, route: RouteId, now: Instant) -> usize {
        let n_lying = self.lying.get(&route).copied().unwrap_or(0);
        let ahead = self.bucket.within(AHEAD_S);
        self.bucket.available(now).min(ahead.saturating_sub(n_lying))
    }
}

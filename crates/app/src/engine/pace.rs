//! How fast an account may go over all routes together, and over all nodes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pombo_domain::id::AccountId;
use pombo_domain::rate::Bucket;
use pombo_domain::time::Instant;

use crate::accounts::Accounts;

/// One bucket per account that has a limit; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AccountPaces {
    accounts: Accounts,
    buckets: Arc<Mutex<HashMap<AccountId, Bucket>>>,
    /// Nodes that an account's messages go by.
    n_nodes: Arc<AtomicUsize>,
}

impl AccountPaces {
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self { accounts, buckets: Arc::default(), n_nodes: Arc::new(AtomicUsize::new(1)) }
    }

    /// Each of so many nodes lets an account go at an equal part of its rate.
    pub(crate) fn share_among(&self, n_nodes: usize) {
        self.n_nodes.store(n_nodes, Ordering::Relaxed);
    }

    /// How many parts the account may claim now, and how long until it may claim one.
    pub(crate) fn allowance(&self, account: AccountId, now: Instant) -> (usize, Duration) {
        let Some(rate) = self.accounts.by_id(account).and_then(|account| account.rate_per_s) else {
            return (usize::MAX, Duration::ZERO);
        };
        #[expect(clippy::cast_precision_loss, reason = "a count of nodes")]
        let n_nodes = self.n_nodes.load(Ordering::Relaxed) as f64;
        let rate = (f64::from(rate) / n_nodes).max(0.001);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(account).or_insert_with(|| Bucket::new(rate, now));
        if (bucket.per_second() - rate).abs() > f64::EPSILON {
            bucket.set_rate(rate, now);
        }
        (bucket.available(now), bucket.wait())
    }

    /// Parts were claimed.
    pub(crate) fn took(&self, account: AccountId, n: usize) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&account) {
            bucket.take(n);
        }
    }
}

//! How fast an account may go over all routes together.

use std::collections::HashMap;
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
}

impl AccountPaces {
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self { accounts, buckets: Arc::default() }
    }

    /// How many parts the account may claim now, and how long until it may claim one.
    pub(crate) fn allowance(&self, account: AccountId, now: Instant) -> (usize, Duration) {
        let Some(rate) = self.accounts.by_id(account).and_then(|account| account.rate_per_s) else {
            return (usize::MAX, Duration::ZERO);
        };
        let rate = f64::from(rate).max(0.001);
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

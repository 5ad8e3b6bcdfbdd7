//! What operators see of one-time codes from the command line: which ranges of numbers use them.

use std::collections::{BTreeMap, HashMap};

use pombo_domain::id::AccountId;
use pombo_domain::otp;
use pombo_store::Store;
use pombo_store::operation::account;
use pombo_store::operation::otp as op;

use crate::clock::Clock;
use crate::operate::Problem;
use crate::operate_opt_out::account_named;

/// Rows read at a time.
const PAGE: i64 = 1_000;

/// How the recipients of one range use the codes that an account has made for them. Each counts
/// once for an `appId`, by the newest code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeUse {
    /// The account's name.
    pub account: String,
    /// The numbers without their last four digits, or the mail domain.
    pub range: String,
    /// Recipients with a code.
    pub n_recipients: usize,
    /// Of these, who has used it.
    pub n_used: usize,
    /// Who still may.
    pub n_pending: usize,
}

impl RangeUse {
    /// Recipients who let theirs go by, or guessed wrong.
    #[must_use]
    pub const fn n_unused(&self) -> usize {
        self.n_recipients - self.n_used - self.n_pending
    }
}

/// The ranges of the codes that are still known, of one account or of all; the most unused first.
pub fn ranges(
    (store, clock): (&Store, &Clock),
    name: Option<&str>,
) -> Result<Vec<RangeUse>, Problem> {
    let only = name.map(|name| account_named(store, name)).transpose()?;
    let accounts = store.ask_blocking(account::List)?.into_iter();
    let names: HashMap<AccountId, String> = accounts.map(|a| (a.id, a.name)).collect();
    let now = clock.now();
    let mut found: BTreeMap<(AccountId, String), RangeUse> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = store.ask_blocking(op::Recent { after, limit: PAGE })?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for code in page.iter().filter(|code| only.is_none_or(|only| only == code.account)) {
            let range = otp::range(&code.recipient);
            let seen = found.entry((code.account, range.clone())).or_insert_with(|| RangeUse {
                account: names.get(&code.account).cloned().unwrap_or_default(),
                range,
                n_recipients: 0,
                n_used: 0,
                n_pending: 0,
            });
            seen.n_recipients += 1;
            seen.n_used += usize::from(code.used);
            seen.n_pending += usize::from(!code.used && code.tries_left > 0 && code.expires > now);
        }
    }
    let mut found: Vec<RangeUse> = found.into_values().collect();
    found.sort_by_key(|range| std::cmp::Reverse(range.n_unused()));
    Ok(found)
}

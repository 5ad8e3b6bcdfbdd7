//! What operators do about opt-outs from the command line, on the open store.

use pombo_domain::id::AccountId;
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::opt_out::{Address, Channel, Source};
use pombo_store::Store;
use pombo_store::operation::account;
use pombo_store::operation::opt_out as op;
pub use pombo_store::operation::opt_out::{Ended, Entry};

use crate::clock::Clock;
use crate::operate::Problem;

/// Entries read at a time.
const PAGE: i64 = 1_000;

/// The account of a name.
pub fn account_named(store: &Store, name: &str) -> Result<AccountId, Problem> {
    let found = store.ask_blocking(account::Find::Name(name.to_owned()))?;
    found.map(|account| account.id).ok_or_else(|| Problem::NoAccount(name.to_owned()))
}

/// The newest entries of an account's list, at most `limit`.
pub fn list(
    store: &Store,
    name: &str,
    channel: Option<Channel>,
    limit: usize,
) -> Result<Vec<Entry>, Problem> {
    let account = account_named(store, name)?;
    let mut entries: Vec<Entry> = Vec::new();
    while entries.len() < limit {
        let skip = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let found = store.ask_blocking(op::List { account, channel, skip, limit: PAGE })?.entries;
        let is_last = i64::try_from(found.len()).unwrap_or(PAGE) < PAGE;
        entries.extend(found);
        if is_last {
            break;
        }
    }
    entries.truncate(limit);
    Ok(entries)
}

/// The newest entries that were taken off an account's list.
pub fn ended(store: &Store, name: &str, limit: i64) -> Result<Vec<Ended>, Problem> {
    Ok(store.ask_blocking(op::ListEnded { account: account_named(store, name)?, limit })?)
}

/// Puts addresses on an account's list; answers how many were not on it. `progress` is told how
/// many are done.
pub fn add(
    (store, clock): (&Store, &Clock),
    account: AccountId,
    addresses: &[Address],
    reason: &str,
    progress: &mut dyn FnMut(usize),
) -> Result<usize, Problem> {
    let (mut n, mut done) = (0, 0);
    for piece in addresses.chunks(ROWS_PER_OPERATION_MAX) {
        n += store.run_blocking(op::Add {
            account,
            addresses: piece.to_vec(),
            source: Source::Operator,
            reason: reason.to_owned(),
            now: clock.now(),
        })?;
        done += piece.len();
        progress(done);
    }
    Ok(n)
}

/// Takes addresses off an account's list; answers how many were on it.
pub fn remove(
    (store, clock): (&Store, &Clock),
    account: AccountId,
    addresses: &[Address],
    reason: &str,
) -> Result<usize, Problem> {
    let mut n = 0;
    for piece in addresses.chunks(ROWS_PER_OPERATION_MAX) {
        n += store.run_blocking(op::Remove {
            account,
            addresses: piece.to_vec(),
            source: Source::Operator,
            reason: reason.to_owned(),
            now: clock.now(),
        })?;
    }
    Ok(n)
}

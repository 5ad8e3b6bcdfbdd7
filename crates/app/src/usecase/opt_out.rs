//! `opt_out`: whom an account does not message, as its owner lists, adds and removes them.

use std::num::NonZeroUsize;

use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::opt_out::{Address, Channel, Source};
use pombo_store::operation::opt_out as op;
pub use pombo_store::operation::opt_out::{Entry, Listed};

use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// A page of the caller's list, newest first.
pub async fn opt_outs(
    app: &App,
    caller: &Caller,
    channel: Option<Channel>,
    (page, limit): (NonZeroUsize, usize),
) -> Result<Listed, Fault> {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let skip = number((page.get() - 1).saturating_mul(limit));
    let list = op::List { account: caller.account(), channel, skip, limit: number(limit) };
    Ok(app.inner.store.ask(list).await?)
}

/// Those of some addresses that are on the caller's list.
pub async fn opted_out(
    app: &App,
    caller: &Caller,
    addresses: &[Address],
) -> Result<Vec<Entry>, Fault> {
    let mut found = Vec::new();
    for piece in addresses.chunks(ROWS_PER_OPERATION_MAX) {
        let find = op::Find { account: caller.account(), addresses: piece.to_vec() };
        found.extend(app.inner.store.ask(find).await?);
    }
    Ok(found)
}

/// Puts addresses on the caller's list, and answers their entries; those that were on it keep
/// what was known of them.
pub async fn opt_out(
    app: &App,
    caller: &Caller,
    addresses: Vec<Address>,
    reason: &str,
) -> Result<Vec<Entry>, Fault> {
    for piece in addresses.chunks(ROWS_PER_OPERATION_MAX) {
        let add = op::Add {
            account: caller.account(),
            addresses: piece.to_vec(),
            source: Source::Api,
            reason: reason.to_owned(),
            now: app.inner.clock.now(),
        };
        app.inner.store.run(add).await?;
    }
    opted_out(app, caller, &addresses).await
}

/// Takes addresses off the caller's list; answers how many were on it.
pub async fn opt_in(
    app: &App,
    caller: &Caller,
    addresses: &[Address],
    reason: &str,
) -> Result<usize, Fault> {
    let mut n = 0;
    for piece in addresses.chunks(ROWS_PER_OPERATION_MAX) {
        let remove = op::Remove {
            account: caller.account(),
            addresses: piece.to_vec(),
            source: Source::Api,
            reason: reason.to_owned(),
            now: app.inner.clock.now(),
        };
        n += app.inner.store.run(remove).await?;
    }
    Ok(n)
}

//! What operators do about notifications from the command line, on the open store.

use std::time::Duration;

use pombo_domain::id::{AccountId, EventId};
use pombo_domain::notification::parse_url;
use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation::account;
use pombo_store::operation::notification as op;
pub use pombo_store::operation::notification::Found;
pub use pombo_store::operation::notification::dead::DeadLetter;

use crate::clock::Clock;
use crate::operate::Problem;
pub use crate::usecase::notifications::{Change, OVERLAP};
use crate::usecase::notifications::{OVERLAP_MAX, new_secret};

fn find(store: &Store, name: &str) -> Result<AccountId, Problem> {
    let found = store.ask_blocking(account::Find::Name(name.to_owned()))?;
    found.map(|account| account.id).ok_or_else(|| Problem::NoAccount(name.to_owned()))
}

fn no_url(name: &str) -> Problem {
    let how = format!("`pombo account set {name} --notify-url URL`");
    Problem::Refused(format!("{name} has no notification URL; {how} sets one"))
}

/// Every account with settings, by number, with its name.
pub fn list(store: &Store) -> Result<Vec<(String, Found)>, Problem> {
    let mut rows = Vec::new();
    for settings in store.ask_blocking(op::List)? {
        let account = store.ask_blocking(account::Find::Id(settings.account))?;
        let found = store.ask_blocking(op::Find(settings.account))?;
        rows.extend(account.map(|account| account.name).zip(found));
    }
    Ok(rows)
}

/// Changes an account's settings; answers the secret where it was made now.
pub fn set(
    store: &Store,
    clock: &Clock,
    name: &str,
    change: Change,
) -> Result<Option<String>, Problem> {
    if let Some(url) = change.url.as_deref().filter(|url| !url.is_empty()) {
        parse_url(url).map_err(|bad| Problem::Refused(bad.to_string()))?;
    }
    let (set, secret) = change.command(find(store, name)?, clock);
    Ok(store.run_blocking(set)?.then_some(secret))
}

/// Tells an account's events again from now on, or no more.
pub fn enable(store: &Store, clock: &Clock, name: &str, enabled: bool) -> Result<(), Problem> {
    let account = find(store, name)?;
    if store.ask_blocking(op::Find(account))?.is_none() {
        return Err(no_url(name));
    }
    set(store, clock, name, Change { enabled: Some(enabled), ..Change::default() }).map(drop)
}

/// Makes a new secret; the one before signs too for the overlap.
pub fn rotate(
    store: &Store,
    clock: &Clock,
    name: &str,
    overlap: Duration,
) -> Result<String, Problem> {
    let (account, secret) = (find(store, name)?, new_secret());
    let until = clock.now().plus(overlap.min(OVERLAP_MAX));
    let rotated = store.run_blocking(op::Rotate { account, secret: secret.clone(), until })?;
    if rotated { Ok(secret) } else { Err(no_url(name)) }
}

/// Tells an account's events anew from a time on, and enables them.
pub fn replay(store: &Store, name: &str, from: Instant) -> Result<(), Problem> {
    let account = find(store, name)?;
    loop {
        match store.run_blocking(op::Replay { account, from })? {
            op::Replayed::Some => {}
            op::Replayed::Begins => return Ok(()),
            op::Replayed::Nobody => return Err(no_url(name)),
        }
    }
}

/// The oldest dead letters of an account.
pub fn dead_letters(store: &Store, name: &str, limit: i64) -> Result<Vec<DeadLetter>, Problem> {
    let list = op::dead::List { account: find(store, name)?, after: EventId(0), limit };
    Ok(store.ask_blocking(list)?)
}

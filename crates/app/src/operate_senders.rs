//! What operators decide about senders from the command line, on the open store.

use pombo_domain::address::{Country, Sender, Standing};
use pombo_domain::limits::SENDERS_MAX;
use pombo_store::Store;
use pombo_store::operation::account;
use pombo_store::operation::sender as op;
pub use pombo_store::operation::sender::Entry;

use crate::clock::Clock;
use crate::operate::Problem;
use crate::operate_opt_out::account_named;

/// Entries read at a time.
const PAGE: i64 = 1_000;

/// A sender and whose it is.
#[derive(Debug, Clone)]
pub struct OfAccount {
    /// The account's name.
    pub account: String,
    /// The sender.
    pub entry: Entry,
}

/// What was asked for, oldest first: by one account or by all, standing so or however.
pub fn list(
    store: &Store,
    name: Option<&str>,
    standing: Option<Standing>,
) -> Result<Vec<OfAccount>, Problem> {
    let account = name.map(|name| account_named(store, name)).transpose()?;
    let names = store.ask_blocking(account::List)?;
    let name = |entry: &Entry| {
        let found = names.iter().find(|account| account.id == entry.account);
        found.map(|account| account.name.clone()).unwrap_or_default()
    };
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let page = store.ask_blocking(op::List { account, standing, after, limit: PAGE })?;
        let Some(last) = page.last() else { return Ok(entries) };
        after = last.id;
        entries.extend(page.into_iter().map(|entry| OfAccount { account: name(&entry), entry }));
    }
}

/// Decides about one sender by its number.
pub fn decide(
    (store, clock): (&Store, &Clock),
    id: i64,
    standing: Standing,
    reason: &str,
) -> Result<Entry, Problem> {
    let decide = op::Decide { id, standing, reason: reason.to_owned(), now: clock.now() };
    store.run_blocking(decide)?.ok_or(Problem::NoSender(id))
}

/// Approves a sender that its account need not have asked for.
pub fn add(
    (store, clock): (&Store, &Clock),
    name: &str,
    sender: Sender,
    country: Option<Country>,
) -> Result<Entry, Problem> {
    let account = account_named(store, name)?;
    let asked = store.run_blocking(op::Ask { account, sender, country, now: clock.now() })?;
    let (op::Asked::New(entry) | op::Asked::Known(entry)) = asked else {
        return Err(Problem::Refused(format!(
            "{name:?} has {SENDERS_MAX} senders already; let it withdraw some by DELETE /senders/ID"
        )));
    };
    decide((store, clock), entry.id, Standing::Approved, "")
}

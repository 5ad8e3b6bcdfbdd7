//! `senders`: what an account wants to show as its sender, and how its operator stands to it.

use pombo_domain::address::{Country, Sender};
use pombo_store::operation::sender as op;
pub use pombo_store::operation::sender::{Asked, Entry};

use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// All that the caller asked for, oldest first.
pub async fn senders(app: &App, caller: &Caller) -> Result<Vec<Entry>, Fault> {
    Ok(app.inner.store.ask(op::OfAccount(caller.account())).await?)
}

/// Asks for a sender, to one country or to all.
pub async fn ask_for_sender(
    app: &App,
    caller: &Caller,
    sender: Sender,
    country: Option<Country>,
) -> Result<Asked, Fault> {
    let (account, now) = (caller.account(), app.inner.clock.now());
    Ok(app.inner.store.run(op::Ask { account, sender, country, now }).await?)
}

/// Withdraws a sender by its number; whether the caller had it.
pub async fn withdraw_sender(app: &App, caller: &Caller, id: i64) -> Result<bool, Fault> {
    Ok(app.inner.store.run(op::Remove { account: caller.account(), id }).await?)
}

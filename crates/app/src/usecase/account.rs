//! `account`: what an account may know of itself.

use pombo_domain::money::Money;
use pombo_domain::time::Instant;
use pombo_store::operation as op;

use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// An account as its owner sees it.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Its name.
    pub name: String,
    /// What it can spend.
    pub balance: Money,
    /// ISO 4217 code.
    pub currency: String,
    /// When it was made.
    pub created: Instant,
}

/// Reads the caller's account.
pub async fn account_view(app: &App, caller: &Caller) -> Result<AccountView, Fault> {
    let found = app.inner.store.ask(op::account::Find::Id(caller.account())).await?;
    let settings = caller.settings();
    let balance = found.map_or(Money::ZERO, |account| account.balance);
    Ok(AccountView {
        name: settings.name.clone(),
        balance,
        currency: settings.currency.clone(),
        created: settings.created,
    })
}

//! `inbound`: what recipients wrote back, as the account they wrote to lists it.

use std::num::NonZeroUsize;

use pombo_domain::time::Instant;
use pombo_store::operation::inbound as op;
pub use pombo_store::operation::inbound::{Listed, Message};

use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// What a list is filtered by.
#[derive(Debug, Clone)]
pub struct Filter {
    /// From this number; empty: from any.
    pub from: String,
    /// To this number; empty: to any.
    pub to: String,
    /// At or after this.
    pub after: Option<Instant>,
    /// Before this.
    pub before: Option<Instant>,
    /// From 1.
    pub page: NonZeroUsize,
    /// Messages of a page.
    pub limit: usize,
}

/// A page of the caller's messages, newest first.
pub async fn inbound(app: &App, caller: &Caller, filter: Filter) -> Result<Listed, Fault> {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let list = op::List {
        account: Some(caller.account()),
        from: filter.from,
        to: filter.to,
        after: filter.after.unwrap_or(Instant::from_micros(i64::MIN)),
        before: filter.before.unwrap_or(Instant::from_micros(i64::MAX)),
        skip: number((filter.page.get() - 1).saturating_mul(filter.limit)),
        limit: number(filter.limit),
    };
    Ok(app.inner.store.ask(list).await?)
}

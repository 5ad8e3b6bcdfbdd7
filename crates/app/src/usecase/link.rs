//! `link`: someone opens a short link.

use std::sync::LazyLock;

use pombo_domain::link::{Code, Target, Visit};
use pombo_store::operation as op;
use pombo_store::seldom::Seldom;

use crate::App;
use crate::error::Fault;

/// Complaints of clicks that were not kept.
static NOT_KEPT: LazyLock<Seldom> = LazyLock::new(Seldom::default);

/// Where a short link leads, by its code as it was called; `None` where there is none. A person's
/// visit is kept as a click before anyone is sent on.
pub async fn follow(app: &App, code: &str, visit: Visit) -> Result<Option<Target>, Fault> {
    let now = app.inner.clock.now();
    let Some(code) = Code::parse(code, now.day()) else { return Ok(None) };
    let target = app.inner.store.ask(op::link::Find(code)).await?;
    if target.is_some()
        && let Visit::Person(visitor) = visit
    {
        // Whoever follows a link gets there, also when nothing can be written.
        if let Err(error) = app.inner.store.run(op::link::Click { code, visitor, now }).await
            && let Some(n_more) = NOT_KEPT.turn()
        {
            tracing::warn!(%error, n_more, "a click was not kept");
        }
    }
    Ok(target)
}

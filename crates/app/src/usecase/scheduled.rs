//! `scheduled`: what waits for its time, as its owner lists, moves and withdraws it.

use std::num::NonZeroUsize;

use pombo_domain::id::MessageId;
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::time::Instant;
use pombo_store::operation::schedule::{self, Change, Changed, Place};
pub use pombo_store::operation::schedule::{Listed, Scheduled};

use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// Scheduled messages that a list counts, at most: more are told as so many.
pub const COUNT_MAX: u64 = 1_000_000;

/// Which scheduled messages are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of the caller's.
    All,
    /// These, where they are the caller's and still wait.
    These(Vec<MessageId>),
}

/// One scheduled message; `None` where it is not the caller's or waits for nothing (any more).
pub async fn scheduled_one(
    app: &App,
    caller: &Caller,
    id: MessageId,
) -> Result<Option<Scheduled>, Fault> {
    let now = app.inner.clock.now();
    Ok(app.inner.store.ask(schedule::One { account: caller.account(), id, now }).await?)
}

/// A page of the caller's scheduled messages, counted from 1.
pub async fn scheduled_list(
    app: &App,
    caller: &Caller,
    (page, limit): (NonZeroUsize, usize),
) -> Result<Listed, Fault> {
    let skip = (page.get() - 1).saturating_mul(limit);
    let list = schedule::List {
        account: caller.account(),
        now: app.inner.clock.now(),
        skip: u64::try_from(skip).unwrap_or(u64::MAX),
        limit,
        count_max: COUNT_MAX,
    };
    Ok(app.inner.store.ask(list).await?)
}

/// Sends them at another time; a time that has passed means now. Answers how many were moved.
pub async fn reschedule(
    app: &App,
    caller: &Caller,
    which: Which,
    at: Instant,
) -> Result<u64, Fault> {
    let due = at.max(app.inner.clock.now());
    change(app, caller, which, Change::MoveTo(due)).await
}

/// Withdraws them, and gives back what they had reserved. Answers how many.
pub async fn cancel_scheduled(app: &App, caller: &Caller, which: Which) -> Result<u64, Fault> {
    change(app, caller, which, Change::Cancel).await
}

async fn change(app: &App, caller: &Caller, which: Which, change: Change) -> Result<u64, Fault> {
    let account = caller.account();
    // It may take long: each piece has its own time, so that none touches what has left meanwhile.
    let now = || app.inner.clock.now();
    let mut n = 0;
    match which {
        Which::These(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            for ids in ids.chunks(ROWS_PER_OPERATION_MAX) {
                let these =
                    schedule::ChangeThese { account, ids: ids.to_vec(), change, now: now() };
                n += told(app, caller, change, app.inner.store.run(these).await?);
            }
        }
        Which::All => {
            let mut next = Some(Place::default());
            while let Some(at) = next {
                let all = schedule::ChangeAll { account, at, change, now: now() };
                let changed = app.inner.store.run(all).await?;
                next = changed.next;
                n += told(app, caller, change, changed);
            }
        }
    }
    Ok(n)
}

/// Tells the engine what waits anew; answers how many messages were changed.
fn told(app: &App, caller: &Caller, change: Change, changed: Changed) -> u64 {
    if let Change::MoveTo(due) = change {
        for (route, lane) in changed.queues {
            app.inner.engine.ring(route, lane, caller.account(), due);
        }
    }
    changed.n
}

//! `notifications`: where an account's events are told, as its owner and operators see and set it.

use std::time::Duration;

use pombo_domain::id::{AccountId, EventId};
use pombo_domain::notification::signature::Secret;
use pombo_domain::notification::{Format, OwnEvents};
use pombo_domain::time::Instant;
use pombo_store::operation::notification as op;
pub use pombo_store::operation::notification::Found;
pub use pombo_store::operation::notification::dead::DeadLetter;

use crate::App;
use crate::auth::{self, Caller};
use crate::clock::Clock;
use crate::error::Fault;

/// How long the secret before signs too, where nobody says.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// And at most.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Dead letters of one page.
pub const DEAD_LETTERS_MAX: i64 = 1_000;

/// What is to change; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The URL, as `domain::notification::parse_url` gave it; empty: nowhere.
    pub url: Option<String>,
    /// How the body is written.
    pub format: Option<Format>,
    /// The events of our own that are told too.
    pub events: Option<OwnEvents>,
    /// Whether anything is told.
    pub enabled: Option<bool>,
}

impl Change {
    /// Whether everything stays.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { url, format, events, enabled } = self;
        url.is_none() && format.is_none() && events.is_none() && enabled.is_none()
    }

    /// The store's command, and the secret that is the account's if it has none yet.
    pub(crate) fn command(self, account: AccountId, clock: &Clock) -> (op::Set, String) {
        let secret = new_secret();
        let names = |events: OwnEvents| events.names().into_iter().map(str::to_owned).collect();
        let set = op::Set {
            account,
            url: self.url,
            format: self.format,
            events: self.events.map(names),
            enabled: self.enabled,
            secret: secret.clone(),
            now: clock.now(),
        };
        (set, secret)
    }
}

pub(crate) fn new_secret() -> String {
    Secret::new(auth::random()).reveal()
}

/// The caller's settings; `None` where there never were any.
pub async fn notifications(app: &App, caller: &Caller) -> Result<Option<Found>, Fault> {
    Ok(app.inner.store.ask(op::Find(caller.account())).await?)
}

/// Changes the caller's settings. Answers the secret where it was made now: it is shown once.
pub async fn set_notifications(
    app: &App,
    caller: &Caller,
    change: Change,
) -> Result<Option<String>, Fault> {
    let (set, secret) = change.command(caller.account(), &app.inner.clock);
    let is_new = app.inner.store.run(set).await?;
    app.inner.subscriptions.refresh(&app.inner.store).await?;
    Ok(is_new.then_some(secret))
}

/// Makes a new secret, shown once; the one before signs too for the overlap. `None` where there are
/// no settings.
pub async fn rotate_secret(
    app: &App,
    caller: &Caller,
    overlap: Duration,
) -> Result<Option<String>, Fault> {
    let (account, secret) = (caller.account(), new_secret());
    let until = app.inner.clock.now().plus(overlap.min(OVERLAP_MAX));
    let rotated =
        app.inner.store.run(op::Rotate { account, secret: secret.clone(), until }).await?;
    app.inner.subscriptions.refresh(&app.inner.store).await?;
    Ok(rotated.then_some(secret))
}

/// Tells the caller's events anew from a time on, and enables them. `false` where there are no settings.
pub async fn replay_notifications(
    app: &App,
    caller: &Caller,
    from: Instant,
) -> Result<bool, Fault> {
    let replay = op::Replay { account: caller.account(), from };
    let replayed = loop {
        match app.inner.store.run(replay).await? {
            op::Replayed::Some => {}
            done => break done,
        }
    };
    app.inner.subscriptions.refresh(&app.inner.store).await?;
    Ok(replayed == op::Replayed::Begins)
}

/// A page of the caller's dead letters, oldest first, after an event.
pub async fn dead_letters(
    app: &App,
    caller: &Caller,
    (after, limit): (EventId, i64),
) -> Result<Vec<DeadLetter>, Fault> {
    let limit = limit.clamp(1, DEAD_LETTERS_MAX);
    let list = op::dead::List { account: caller.account(), after, limit };
    Ok(app.inner.store.ask(list).await?)
}

//! Where each account's events are told, in memory: read anew when the store has changed.

use std::collections::HashMap;
use std::sync::Arc;

use pombo_domain::id::{AccountId, EventId};
use pombo_domain::notification::signature::Secret;
use pombo_domain::notification::{Format, OwnEvents};
use pombo_domain::time::Instant;
use pombo_store::operation::notification::{List, Settings};
use pombo_store::{Error, Store};

use crate::current::Current;

/// An account that is notified, or was until it failed too long.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) url: String,
    pub(super) format: Format,
    pub(super) events: OwnEvents,
    pub(super) is_disabled: bool,
    /// Told up to here, behind everybody else.
    pub(super) replay: Option<EventId>,
    secret: Option<Secret>,
    old_secret: Option<(Secret, Instant)>,
}

impl Subscription {
    pub(super) fn new(settings: Settings) -> Self {
        let (old, until) = settings.old_secret;
        Self {
            url: settings.url,
            format: settings.format,
            events: OwnEvents::parse(settings.events.iter().map(String::as_str))
                .unwrap_or_default(),
            is_disabled: settings.disabled.is_some(),
            replay: settings.replay,
            secret: Secret::parse(&settings.secret).ok(),
            old_secret: Secret::parse(&old).ok().map(|old| (old, until)),
        }
    }

    /// What signs at a time, the newest first.
    pub(super) fn secrets_at(&self, now: Instant) -> impl Iterator<Item = &Secret> {
        let old = self.old_secret.as_ref().filter(|(_, until)| now < *until);
        self.secret.iter().chain(old.map(|(secret, _)| secret))
    }
}

/// All with a URL.
pub(super) type Snapshot = HashMap<AccountId, Subscription>;

/// The newest snapshot; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscriptions {
    current: Current<Snapshot>,
    /// Held while the store is read, so that nothing older overwrites what is newer.
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl Subscriptions {
    pub(crate) async fn load(store: &Store) -> Result<Self, Error> {
        let subscriptions = Self::default();
        subscriptions.refresh(store).await?;
        Ok(subscriptions)
    }

    /// Reads all settings anew.
    pub(crate) async fn refresh(&self, store: &Store) -> Result<(), Error> {
        let _alone = self.reading.lock().await;
        let all = store.ask(List).await?.into_iter().filter(|settings| !settings.url.is_empty());
        let snapshot = all.map(|settings| (settings.account, Subscription::new(settings)));
        self.current.set(snapshot.collect());
        Ok(())
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.get()
    }

    /// How many are told nothing because they failed too long.
    pub(crate) fn n_disabled(&self) -> usize {
        self.snapshot().values().filter(|subscription| subscription.is_disabled).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_before_signs_too_until_its_time_is_over() {
        let secret = |n: u8| Secret::new([n; 32]);
        let until = Instant::from_micros(1_000);
        let subscription = Subscription::new(Settings {
            account: AccountId(1),
            url: "https://example.com/".into(),
            format: Format::Form,
            events: vec!["cancelled".into()],
            secret: secret(2).reveal(),
            old_secret: (secret(1).reveal(), until),
            disabled: None,
            replay: None,
        });
        let at = |micros| -> Vec<_> {
            subscription.secrets_at(Instant::from_micros(micros)).cloned().collect()
        };
        assert_eq!(at(999), [secret(2), secret(1)]);
        assert_eq!(at(1_000), [secret(2)]);
    }
}

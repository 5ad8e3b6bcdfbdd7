//! Accounts that are told their events anew: each behind a cursor of its own, until it has caught up
//! with everybody else's. And accounts whose endpoint fails too long, which are told nothing more.

use super::calls::events_of;
use super::*;

/// Events of the log that one read for a replay looks at.
const EVENTS_AT_ONCE: usize = 1_000;
/// An endpoint that took nothing for so long is disabled,
const PATIENCE: Duration = Duration::from_secs(3_600);
/// where so many tries failed.
const FAILURES_MIN: u32 = 6;

/// One account's replay.
#[derive(Debug)]
pub(super) struct Replay {
    read_to: EventId,
    /// As the store has it.
    stored: EventId,
    /// Read, and neither over nor filed.
    outstanding: HashSet<EventId>,
    stage: Stage,
    is_storing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is more.
    Reading,
    /// The account is told with everybody else again; the last ones are on their way.
    CaughtUp,
}

impl Replay {
    fn from(cursor: EventId) -> Self {
        Self {
            read_to: cursor,
            stored: cursor,
            outstanding: HashSet::new(),
            stage: Stage::Reading,
            is_storing: false,
        }
    }

    fn is_idle(&self) -> bool {
        self.stage == Stage::Reading
            && self.outstanding.is_empty()
            && self.read_to == self.stored
            && !self.is_storing
    }
}

/// Since when an endpoint has taken nothing, and how many tries failed.
#[derive(Debug)]
pub(super) struct Failing {
    since: Instant,
    n: u32,
}

impl Notifier {
    /// Takes the newest settings.
    pub(super) fn follow_settings(&mut self) {
        let newest = self.subscriptions.snapshot();
        if Arc::ptr_eq(&newest, &self.subscribed) {
            return;
        }
        self.subscribed = newest;
        for (account, subscription) in self.subscribed.iter() {
            let Some(cursor) = subscription.replay else { continue };
            self.replays.entry(*account).or_insert_with(|| Replay::from(cursor));
        }
        let subscribed = &self.subscribed;
        self.replays.retain(|account, _| subscribed.contains_key(account));
        self.gather_audience();
    }

    /// Who is told what is read next.
    fn gather_audience(&mut self) {
        let is_behind = |account: &AccountId| {
            self.replays.get(account).is_some_and(|replay| replay.stage == Stage::Reading)
        };
        let told = self.subscribed.iter().filter(|(_, to)| !to.is_disabled);
        let told = told.filter(|(account, _)| !is_behind(account));
        self.audience = Arc::new(told.map(|(account, to)| (*account, to.events)).collect());
    }

    /// Accounts whose notifications are left alone.
    pub(super) fn disabled(&self) -> HashSet<AccountId> {
        let disabled = self.subscribed.iter().filter(|(_, to)| to.is_disabled);
        disabled.map(|(account, _)| *account).collect()
    }

    /// The next account of which something is to be told anew, and how much its endpoint takes.
    pub(super) fn next_replay(&self) -> Option<(AccountId, usize)> {
        let now = self.clock.steady();
        let mut idle = self.replays.iter().filter(|(_, replay)| replay.is_idle());
        idle.find_map(|(account, _)| {
            let is_told = self.subscribed.get(account).is_some_and(|to| !to.is_disabled);
            let room = self.endpoints.room_at(&events_of(*account), now);
            (is_told && room > 0).then_some((*account, room))
        })
    }

    /// Reads more for a replay. Nothing else is read meanwhile, so that whoever has caught up at its
    /// end has missed nothing.
    pub(super) fn read_again(&mut self, (account, room): (AccountId, usize)) {
        let (Some(replay), Some(to)) = (self.replays.get(&account), self.subscribed.get(&account))
        else {
            return;
        };
        self.is_reading = true;
        let question = op::notification::owed::Again {
            account,
            asked: to.events,
            cursor: replay.read_to,
            to: self.progress.read_to(),
            limit: EVENTS_AT_ONCE,
            room,
        };
        let store = self.store.clone();
        self.work.push(Box::pin(async move {
            Done::ReadAgain(account, or_pause(store.ask(question).await).await)
        }));
    }

    pub(super) fn call_again(&mut self, account: AccountId, owed: AgainOwed) {
        let Some(replay) = self.replays.get_mut(&account) else { return };
        replay.read_to = EventId(owed.cursor);
        replay.outstanding.extend(owed.notifications.iter().map(|owed| owed.event));
        if replay.read_to >= self.progress.read_to() {
            replay.stage = Stage::CaughtUp;
            self.gather_audience();
        }
        self.notify(owed.notifications);
        self.store_replay(account);
    }

    /// One that was told anew is over or filed.
    pub(super) fn replayed(&mut self, debt: Debt, account: AccountId) {
        if self.replays.is_empty() || debt.to != Target::Notification {
            return;
        }
        let Some(replay) = self.replays.get_mut(&account) else { return };
        if replay.outstanding.remove(&debt.event) {
            self.store_replay(account);
        }
    }

    /// Notes how far a replay has come, once all that was read is over or filed.
    pub(super) fn store_replay(&mut self, account: AccountId) {
        let Some(replay) = self.replays.get_mut(&account) else { return };
        let is_news = replay.stage == Stage::CaughtUp || replay.read_to != replay.stored;
        if !replay.outstanding.is_empty() || replay.is_storing || !is_news {
            return;
        }
        replay.is_storing = true;
        let to = (replay.stage == Stage::Reading).then_some(replay.read_to);
        let advance = op::notification::Advance { account, from: replay.stored, to };
        let (store, subscriptions) = (self.store.clone(), self.subscriptions.clone());
        self.work.push(Box::pin(async move {
            let advanced = or_pause(store.run(advance).await).await;
            if to.is_none() || matches!(advanced, Ok(false)) {
                // So that the settings do not ask for it again; should it fail, it is told once more.
                let _ = subscriptions.refresh(&store).await;
            }
            Done::Advanced(account, to, advanced)
        }));
    }

    pub(super) fn advanced(&mut self, account: AccountId, to: Option<EventId>, was_there: bool) {
        let Some(replay) = self.replays.get_mut(&account) else { return };
        replay.is_storing = false;
        match to {
            Some(to) if was_there => replay.stored = to,
            _ => {
                // It is over, or was begun anew: the settings tell.
                self.replays.remove(&account);
                self.follow_settings();
                tracing::info!(account = account.0, "an account's events were told anew");
            }
        }
    }

    /// What could not be noted is tried again.
    pub(super) fn not_advanced(&mut self, account: AccountId) {
        if let Some(replay) = self.replays.get_mut(&account) {
            replay.is_storing = false;
        }
        self.store_replay(account);
    }

    /// Learns how an account's endpoint does, and disables one that takes nothing for too long.
    pub(super) fn note_health(&mut self, account: AccountId, failure: Option<&str>, is_gone: bool) {
        let Some(failure) = failure else {
            self.failing.remove(&account);
            return;
        };
        // A clock that is set forward is no hour of failures.
        let steady = self.clock.steady();
        let failing = self.failing.entry(account).or_insert(Failing { since: steady, n: 0 });
        failing.n = failing.n.saturating_add(1);
        let is_hopeless = failing.n >= FAILURES_MIN && steady.since(failing.since) >= PATIENCE;
        if !is_gone && !is_hopeless {
            return;
        }
        self.failing.remove(&account);
        let reason = if is_gone {
            "it answered 410: gone".to_owned()
        } else {
            format!("it took nothing for an hour; the last try: {failure}")
        };
        let now = self.clock.now();
        let disable = op::notification::Disable { account, reason: reason.clone(), now };
        let (store, subscriptions) = (self.store.clone(), self.subscriptions.clone());
        self.work.push(Box::pin(async move {
            let disabled = store.run(disable).await;
            if matches!(disabled, Ok(true)) {
                // At once rather than at the next look; should it fail, that one mends it.
                let _ = subscriptions.refresh(&store).await;
            }
            Done::Disabled(account, reason, disabled)
        }));
    }

    pub(super) fn was_disabled(&mut self, account: AccountId, reason: &str) {
        metrics::counter!("pombo_notifications_disabled_total").increment(1);
        tracing::warn!(
            account = account.0,
            %reason,
            "an account's notifications are disabled; `pombo notifications enable` or its owner ends that"
        );
        self.follow_settings();
    }
}

//! The notifier's work: read, call, and write down what became of it.
//!
//! Nothing here waits for the store while callbacks are on their way: reading, looking and saving
//! are futures among theirs, one of each kind at a time.

mod calls;
mod filed;
mod replay;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use pombo_domain::channel::BoxFuture;
use pombo_domain::id::{AccountId, EventId, MessageId, PartId};
use pombo_domain::time::Instant;
use pombo_store::operation as op;
use pombo_store::operation::callback::Owed;
use pombo_store::operation::callback_due::{
    Dead, Debt, Deferred, Due, DueCallback, DueCallbacks, Endpoint, GiveUp, KEPT, Target,
};
use pombo_store::operation::notification::ENDPOINT;
use pombo_store::operation::notification::owed::{AgainOwed, Audience, OwedNotification};
use pombo_store::{Error, Store};
use tokio::sync::oneshot;

use super::counters::{Became, Counters};
use super::endpoints::{CALLS_MAX, Endpoints, Place};
use super::progress::{Counts, Progress, Saving};
use super::subscriptions::{Snapshot, Subscriptions};
use super::url::{endpoint_of, expand, is_passing};
use super::{Post, Unanswered};
use crate::clock::Clock;
pub(super) use calls::Call;
use calls::{Line, LineKey, Told};
use filed::Look;
use replay::{Failing, Replay};

/// Callbacks in memory above which nothing more is read.
const IN_MEMORY_MAX: usize = 10_000;
/// Callbacks in line before fast hosts above which nothing more is read: it is a short wait.
const WAITING_MAX: usize = 2_000;
/// But where the events read are older than this, the fast hosts' callbacks are put off too.
const PATIENCE: Duration = Duration::from_secs(5);
/// Events read at a time.
const EVENTS_AT_ONCE: usize = 500;
/// Results in memory above which nothing more is read before they are written down.
const UNSAVED_MAX: usize = 1_000;
/// Pause between two reads that found few, and between two looks where there are many filed callbacks.
const READ_EVERY: Duration = Duration::from_millis(10);
/// How often what is done is written down.
const SAVE_EVERY: Duration = Duration::from_millis(100);
/// How often filed callbacks are looked at otherwise.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A call that takes longer is filed while it is on its way, so that it does not hold the cursor back.
const SLOW: Duration = Duration::from_secs(2);
/// Pause while nobody knows whether another node tells what this one would.
const UNSURE_PAUSE: Duration = Duration::from_millis(100);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// What it knows: the next events, and the callbacks that are not over.
pub(super) struct Notifier {
    store: Store,
    clock: Clock,
    post: Arc<dyn Post>,
    submitted: bool,
    events: tokio::sync::watch::Receiver<i64>,
    /// Rings when another node has committed.
    woken: tokio::sync::watch::Receiver<u64>,
    progress: Progress,
    /// Where settings are found, those that are followed, and whom they have told of what is read.
    subscriptions: Subscriptions,
    subscribed: Arc<Snapshot>,
    audience: Arc<Audience>,
    replays: HashMap<AccountId, Replay>,
    failing: HashMap<AccountId, Failing>,
    /// Parts and messages with a call on its way, and what waits behind it.
    lines: HashMap<LineKey, Line>,
    n_in_line: usize,
    /// Lines of which nothing is on its way, until all readers of the store see what was filed.
    leaving: VecDeque<(Counts, LineKey)>,
    /// Filed calls that are being tried now, and the endpoint of each.
    retrying: HashMap<Debt, Endpoint>,
    /// Calls on their way that are not filed: since when, by a clock that nobody sets.
    fresh: HashMap<Debt, (Instant, Arc<Call>)>,
    endpoints: Endpoints,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// There may be events that were not read.
    has_news: bool,
    /// There are many of them.
    is_behind: bool,
    is_reading: bool,
    /// The last read was for a replay: others come first.
    was_replay: bool,
    /// The events read happened long ago.
    is_late: bool,
    is_stopping: bool,
    look: Look,
    counters: Counters,
}

/// What has been waited for.
enum Done {
    Told(Told),
    Read(Result<Owed, Error>),
    ReadAgain(AccountId, Result<AgainOwed, Error>),
    /// Where a replay is to be, and whether it was where it was thought to be.
    Advanced(AccountId, Option<EventId>, Result<bool, Error>),
    /// Why, and whether it was not so already.
    Disabled(AccountId, String, Result<bool, Error>),
    Looked(Result<DueCallbacks, Error>),
    /// How many were given up.
    GaveUp(Result<usize, Error>),
    /// What was written down, or not.
    Saved(Saving, Result<(), Error>),
}

impl Notifier {
    pub(super) fn new(
        (store, clock): (Store, Clock),
        post: Arc<dyn Post>,
        subscriptions: Subscriptions,
        submitted: bool,
    ) -> Self {
        Self {
            events: store.events(),
            woken: store.woken(),
            store,
            clock,
            post,
            submitted,
            progress: Progress::at(EventId(0)),
            subscriptions,
            subscribed: Arc::default(),
            audience: Arc::default(),
            replays: HashMap::new(),
            failing: HashMap::new(),
            lines: HashMap::new(),
            n_in_line: 0,
            leaving: VecDeque::new(),
            retrying: HashMap::new(),
            fresh: HashMap::new(),
            endpoints: Endpoints::default(),
            work: FuturesUnordered::new(),
            has_news: true,
            is_behind: false,
            is_reading: false,
            was_replay: false,
            is_late: false,
            is_stopping: false,
            look: Look::default(),
            counters: Counters::new(),
        }
    }

    /// Runs until it is stopped or the store is closed.
    pub(super) async fn run(&mut self, mut stop: oneshot::Receiver<()>) {
        if !self.read_cursor().await {
            return;
        }
        self.follow_settings();
        let mut tick = tokio::time::interval(SAVE_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let pause = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(pause);
        loop {
            let has_room = self.has_room();
            let may_read = has_room && !self.is_reading;
            let may_look = has_room && self.may_look();
            let again = if may_read { self.next_replay() } else { None };
            tokio::select! {
                biased;
                _ = &mut stop, if !self.is_stopping => self.stop(),
                Some(done) = self.work.next(), if !self.work.is_empty() => {
                    if self.take(done).is_err() {
                        return;
                    }
                    if std::mem::take(&mut self.is_behind) {
                        pause.as_mut().reset(tokio::time::Instant::now());
                    }
                }
                _ = tick.tick() => self.tick(),
                changed = self.events.changed(), if may_read && !self.has_news => match changed {
                    Ok(()) => self.has_news = true,
                    Err(_) => return,
                },
                Ok(()) = self.woken.changed(), if may_read && !self.has_news => {
                    self.has_news = true;
                }
                () = &mut pause,
                    if may_read && self.has_news || may_look && self.look.more || again.is_some() =>
                {
                    let is_turn = !self.has_news || !self.was_replay;
                    self.was_replay = is_turn && again.is_some();
                    if let Some(again) = again.filter(|_| is_turn) {
                        self.read_again(again);
                    } else if may_read && self.has_news {
                        self.read();
                    }
                    if may_look && self.look.more {
                        self.look();
                    }
                    // Every commit rings; some milliseconds' events are read together.
                    pause.as_mut().reset(tokio::time::Instant::now() + READ_EVERY);
                }
            }
            if self.progress.n_unsaved() >= UNSAVED_MAX {
                self.save();
            }
            self.look.more |= self.endpoints.take_room_for_filed();
            if self.is_stopping && self.endpoints.n_calls() == 0 {
                self.save(); // What is not written down is told once more.
                if self.work.is_empty() {
                    return;
                }
            }
        }
    }

    /// Continues where the last run left off; `false` when the store is closed.
    async fn read_cursor(&mut self) -> bool {
        loop {
            match self.store.ask(op::callback::Cursor).await {
                Ok(cursor) => {
                    self.progress = Progress::at(cursor);
                    return true;
                }
                Err(Error::Closed) => return false,
                Err(error) => {
                    tracing::warn!(%error, "the callback cursor cannot be read yet");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    /// Whether more may be taken into memory.
    fn has_room(&self) -> bool {
        let n_waiting = self.endpoints.n_waiting();
        !self.is_stopping
            && self.endpoints.n_calls() + self.n_in_line + n_waiting < IN_MEMORY_MAX
            && (n_waiting < WAITING_MAX || self.is_late)
            && self.progress.n_unsaved() < UNSAVED_MAX
    }

    fn take(&mut self, done: Done) -> Result<(), Closed> {
        match done {
            Done::Told(told) => self.settle(told),
            Done::Read(owed) => {
                self.is_reading = false;
                match owed {
                    Ok(owed) => self.call_owed(owed),
                    Err(error) => {
                        failed("events cannot be read", &error)?;
                        self.has_news = true;
                    }
                }
                self.let_leave();
            }
            Done::ReadAgain(account, owed) => {
                self.is_reading = false;
                match owed {
                    Ok(owed) => self.call_again(account, owed),
                    Err(error) => failed("events cannot be read anew", &error)?,
                }
                self.let_leave();
            }
            Done::Advanced(account, to, Ok(was_there)) => self.advanced(account, to, was_there),
            Done::Advanced(account, _, Err(error)) => {
                failed("a replay cannot be written down", &error)?;
                self.not_advanced(account);
            }
            Done::Disabled(account, reason, Ok(true)) => self.was_disabled(account, &reason),
            Done::Disabled(_, _, Ok(false)) => {}
            Done::Disabled(_, _, Err(error)) => failed("notifications cannot be disabled", &error)?,
            Done::Looked(due) => {
                self.look.is_looking = false;
                match due {
                    Ok(due) => self.call_due(due),
                    Err(error) => failed("filed callbacks cannot be read", &error)?,
                }
            }
            Done::GaveUp(Ok(n)) => {
                if n > 0 {
                    self.counters.count(Became::GivenUp, Target::Callback, n);
                    tracing::warn!(n, "callbacks were given up: their server does not answer");
                }
            }
            Done::GaveUp(Err(error)) => failed("callbacks cannot be given up", &error)?,
            Done::Saved(saving, Ok(())) => self.saved(&saving),
            Done::Saved(saving, Err(error)) => {
                self.progress.not_saved(saving);
                failed("callbacks cannot be written down", &error)?;
            }
        }
        Ok(())
    }

    /// Ten times a second.
    fn tick(&mut self) {
        self.follow_settings();
        self.put_off_tired();
        self.file_slow(SLOW);
        self.save();
        self.look.n_ticks += 1;
        if SAVE_EVERY * self.look.n_ticks >= LOOK_EVERY {
            self.look.more = true;
            self.has_news = true; // Another process rings no bell here.
        }
    }

    /// Nothing more is called; what is on its way may end.
    fn stop(&mut self) {
        self.is_stopping = true;
        self.file_slow(Duration::ZERO);
        self.put_off_tired();
    }

    /// A look that saw what is just being written down would have it called once more.
    fn may_look(&self) -> bool {
        let has_room = self.endpoints.n_calls() < CALLS_MAX / 2;
        has_room && !self.look.is_looking && !self.progress.is_saving()
    }

    /// Reads the next events.
    fn read(&mut self) {
        self.follow_settings(); // What was set before an event came holds for it.
        (self.is_reading, self.has_news) = (true, false);
        let question = op::callback::After {
            cursor: self.progress.read_to(),
            limit: EVENTS_AT_ONCE,
            submitted: self.submitted,
            audience: Arc::clone(&self.audience),
        };
        let store = self.store.clone();
        self.work
            .push(Box::pin(async move { Done::Read(or_pause(store.ask(question).await).await) }));
    }

    fn call_owed(&mut self, owed: Owed) {
        let now = self.clock.now();
        let last = [
            owed.callbacks.last().map(|callback| callback.at),
            owed.notifications.last().map(|notification| notification.at),
        ];
        let last = last.into_iter().flatten().max().unwrap_or(now);
        self.is_late = now.since(last) > PATIENCE;
        for callback in owed.callbacks {
            let (part, is_passing) = (Some(callback.part), is_passing(callback.kind));
            let (url, endpoint) = (expand(&callback), endpoint_of(&callback));
            let call = Call::callback(callback.event, url, endpoint, part, is_passing);
            self.progress.begin(call.debt);
            self.take_up(call);
        }
        for owed in &owed.notifications {
            self.progress.begin(Debt { event: owed.event, to: Target::Notification });
        }
        self.notify(owed.notifications);
        self.progress.read(EventId(owed.cursor));
        self.is_behind = owed.n_seen == EVENTS_AT_ONCE;
        self.has_news |= self.is_behind || owed.may_be_more;
    }

    /// Tells notifications, in the order of their events.
    fn notify(&mut self, owed: Vec<OwedNotification>) {
        for owed in owed {
            let is_behind = owed.is_behind;
            let call = Call::notification(owed);
            if is_behind && call.line.is_some_and(|key| !self.lines.contains_key(&key)) {
                self.take_up_behind(&call);
            } else {
                self.take_up(call);
            }
        }
    }

    /// Writes down what is over, what is filed, and how far the cursor may move.
    fn save(&mut self) {
        if self.look.is_looking {
            return;
        }
        let Some(saving) = self.progress.save() else { return };
        let store = self.store.clone();
        self.work.push(Box::pin(async move {
            let saved = or_pause(store.run(saving.settle.clone()).await).await;
            Done::Saved(saving, saved)
        }));
    }

    fn saved(&mut self, saving: &Saving) {
        self.progress.saved(saving);
        let settle = &saving.settle;
        // What was put off may go as soon as there is a place.
        self.look.more |= !settle.deferred.is_empty() || !settle.done.is_empty();
        for debt in settle.deferred.iter().map(|filed| &filed.debt).chain(&settle.done) {
            self.retrying.remove(debt);
        }
        for filed in &settle.deferred {
            self.replayed(filed.debt, filed.endpoint.account);
        }
        if !self.is_reading {
            self.let_leave();
        }
    }
}

/// The store is closed: nothing is left to do.
struct Closed;

fn failed(what: &str, error: &Error) -> Result<(), Closed> {
    if matches!(error, Error::Closed) {
        return Err(Closed);
    }
    tracing::warn!(%error, "{what} yet; trying again");
    Ok(())
}

/// Lets some time pass after a failure of the store.
async fn or_pause<T>(answer: Result<T, Error>) -> Result<T, Error> {
    if answer.as_ref().is_err_and(|error| !matches!(error, Error::Closed)) {
        tokio::time::sleep(STORE_PAUSE).await;
    }
    answer
}

//! The notifier's work: read, call, and write down what became of it.
//!
//! Nothing here waits for the store while callbacks are on their way: reading, looking and saving
//! are futures among theirs, one of each kind at a time.

mod filed;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use pombo_domain::channel::BoxFuture;
use pombo_domain::id::{EventId, PartId};
use pombo_domain::time::Instant;
use pombo_store::operation as op;
use pombo_store::operation::callback::Owed;
use pombo_store::operation::callback_due::{
    Deferred, Due, DueCallback, DueCallbacks, Endpoint, GiveUp, KEPT,
};
use pombo_store::{Error, Store};
use tokio::sync::oneshot;

use super::Post;
use super::endpoints::{CALLS_MAX, Endpoints, Place};
use super::progress::{Progress, Saving};
use super::url::{endpoint_of, expand, is_passing};
use crate::clock::Clock;
use filed::Look;

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
/// Waits before the second to the sixth try (360NRS: five retries, each this long after the one before).
const RETRY_MINUTES: [u64; 5] = [1, 2, 3, 4, 5];
/// Pause between two reads, and between two looks where there are many filed callbacks.
const READ_EVERY: Duration = Duration::from_millis(4);
/// How often what is done is written down.
const SAVE_EVERY: Duration = Duration::from_millis(100);
/// How often filed callbacks are looked at otherwise.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A call that takes longer is filed while it is on its way, so that it does not hold the cursor back.
const SLOW: Duration = Duration::from_secs(2);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// What it knows: the next events, and the callbacks that are not over.
pub(super) struct Notifier {
    store: Store,
    clock: Clock,
    post: Arc<dyn Post>,
    submitted: bool,
    events: tokio::sync::watch::Receiver<i64>,
    progress: Progress,
    /// Parts with a callback on its way, and what waits behind it.
    lines: HashMap<PartId, Line>,
    n_in_line: usize,
    /// Filed callbacks that are being tried now, and the endpoint of each.
    retrying: HashMap<EventId, Endpoint>,
    /// Callbacks on their way that are not filed: since when.
    fresh: HashMap<EventId, (Instant, Call)>,
    endpoints: Endpoints,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// There may be events that were not read.
    has_news: bool,
    is_reading: bool,
    /// The events read happened long ago.
    is_late: bool,
    is_stopping: bool,
    look: Look,
}

/// What waits behind a part's callback.
#[derive(Debug, Default)]
struct Line {
    calls: VecDeque<Call>,
    /// The one on its way is filed and may take long: what comes now is filed too.
    is_filed: bool,
}

/// One callback.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) event: EventId,
    pub(super) url: String,
    pub(super) endpoint: Endpoint,
    /// Tries before this one; `None` for one that was never filed.
    filed: Option<u8>,
    /// The part it tells of; unknown of one whose day is forgotten.
    part: Option<PartId>,
    /// It tells of no end (`%d` = 4): worthless once the end can be told.
    is_passing: bool,
}

impl Call {
    pub(super) fn first(
        event: EventId,
        url: String,
        endpoint: Endpoint,
        part: Option<PartId>,
        is_passing: bool,
    ) -> Self {
        Self { event, url, endpoint, filed: None, part, is_passing }
    }
}

/// How a call ended.
struct Told {
    call: Call,
    /// Its endpoint had never answered when it went.
    stranger: bool,
    took: Duration,
    result: Result<u16, String>,
}

/// What has been waited for.
enum Done {
    Told(Told),
    Read(Result<Owed, Error>),
    Looked(Result<DueCallbacks, Error>),
    /// How many were given up.
    GaveUp(Result<usize, Error>),
    /// What was written down, or not.
    Saved(Saving, Result<(), Error>),
}

impl Notifier {
    pub(super) fn new(store: Store, clock: Clock, post: Arc<dyn Post>, submitted: bool) -> Self {
        Self {
            events: store.events(),
            store,
            clock,
            post,
            submitted,
            progress: Progress::at(EventId(0)),
            lines: HashMap::new(),
            n_in_line: 0,
            retrying: HashMap::new(),
            fresh: HashMap::new(),
            endpoints: Endpoints::default(),
            work: FuturesUnordered::new(),
            has_news: true,
            is_reading: false,
            is_late: false,
            is_stopping: false,
            look: Look::default(),
        }
    }

    /// Runs until it is stopped or the store is closed.
    pub(super) async fn run(&mut self, mut stop: oneshot::Receiver<()>) {
        if !self.read_cursor().await {
            return;
        }
        let mut tick = tokio::time::interval(SAVE_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let pause = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(pause);
        loop {
            let has_room = self.has_room();
            let may_read = has_room && !self.is_reading;
            let may_look = has_room && self.may_look();
            tokio::select! {
                biased;
                _ = &mut stop, if !self.is_stopping => self.stop(),
                Some(done) = self.work.next(), if !self.work.is_empty() => {
                    if self.take(done).is_err() {
                        return;
                    }
                }
                _ = tick.tick() => self.tick(),
                changed = self.events.changed(), if may_read && !self.has_news => match changed {
                    Ok(()) => self.has_news = true,
                    Err(_) => return,
                },
                () = &mut pause, if may_read && self.has_news || may_look && self.look.more => {
                    if may_read && self.has_news {
                        self.read();
                    }
                    if may_look && self.look.more {
                        self.look();
                    }
                    // Every commit rings; a few milliseconds' events are read together.
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
            }
            Done::Looked(due) => {
                self.look.is_looking = false;
                match due {
                    Ok(due) => self.call_due(due),
                    Err(error) => failed("filed callbacks cannot be read", &error)?,
                }
            }
            Done::GaveUp(Ok(n)) => {
                if n > 0 {
                    metrics::counter!("pombo_callbacks_total", "result" => "given_up")
                        .increment(n as u64);
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
        (self.is_reading, self.has_news) = (true, false);
        let question = op::callback::After {
            cursor: self.progress.read_to(),
            limit: EVENTS_AT_ONCE,
            submitted: self.submitted,
        };
        let store = self.store.clone();
        self.work
            .push(Box::pin(async move { Done::Read(or_pause(store.ask(question).await).await) }));
    }

    fn call_owed(&mut self, owed: Owed) {
        let now = self.clock.now();
        let last = owed.callbacks.last().map_or(now, |callback| callback.at);
        self.is_late = now.since(last) > PATIENCE;
        for callback in owed.callbacks {
            let event = callback.event;
            self.progress.begin(event);
            let (part, is_passing) = (Some(callback.part), is_passing(callback.kind));
            let (url, endpoint) = (expand(&callback), endpoint_of(&callback));
            let call = Call::first(event, url, endpoint, part, is_passing);
            match self.lines.get_mut(&callback.part) {
                Some(line) if line.is_filed => self.put_off(&call, "it waits behind another"),
                Some(line) => {
                    line.calls.push_back(call);
                    self.n_in_line += 1;
                }
                None => {
                    self.lines.insert(callback.part, Line::default());
                    self.call(call);
                }
            }
        }
        self.progress.read(EventId(owed.cursor));
        self.has_news |= owed.n_seen == EVENTS_AT_ONCE;
    }

    /// Sends a callback off, or files it, and then those that wait behind it.
    fn call(&mut self, call: Call) {
        let mut next = Some(call);
        while let Some(call) = next {
            let now = self.clock.now();
            let patience = call.filed.is_none() && !self.is_late;
            let place = if self.is_stopping {
                Place::Full // It is told after the next start.
            } else {
                self.endpoints.place_for(&call.endpoint, now, patience)
            };
            match place {
                Place::Free { stranger } => return self.send(call, stranger),
                Place::Soon => return self.endpoints.wait(call),
                Place::Full => self.put_off(&call, "its server is busy"),
                // As good as a try: it would fail, and slowly.
                Place::Down if call.filed.is_none() => {
                    self.failed(&call, "its server does not answer");
                }
                Place::Down => self.put_off(&call, "its server does not answer"),
            }
            next = self.next_in_line(&call);
        }
    }

    fn send(&mut self, call: Call, stranger: bool) {
        let (request, clock) = (self.post.get(call.url.clone()), self.clock.clone());
        let started = clock.now();
        if call.filed.is_none() {
            self.fresh.insert(call.event, (started, call.clone()));
        }
        self.work.push(Box::pin(async move {
            let result = request.await;
            Done::Told(Told { call, stranger, took: clock.now().since(started), result })
        }));
    }

    /// The part's next callback, now that this one is not on its way any more. One that tells of no
    /// end is not worth telling where another waits behind it.
    fn next_in_line(&mut self, call: &Call) -> Option<Call> {
        let part = call.part?;
        loop {
            let line = &mut self.lines.get_mut(&part)?.calls;
            let Some(next) = line.pop_front() else {
                self.lines.remove(&part);
                return None;
            };
            self.n_in_line -= 1;
            if !next.is_passing || line.is_empty() {
                return Some(next);
            }
            self.over(&next);
        }
    }

    fn settle(&mut self, told: Told) {
        let Told { mut call, stranger, took, result } = told;
        let now = self.clock.now();
        self.endpoints.leave((&call.endpoint, stranger), result.is_ok(), took, now);
        while let Some(next) = self.endpoints.next_waiting(&call.endpoint) {
            self.call(next);
        }
        if call.filed.is_none() && self.fresh.remove(&call.event).is_none() {
            call.filed = Some(0); // It took long, and was filed meanwhile.
        }
        let failure = match result {
            Ok(status) if (200..300).contains(&status) => None,
            Ok(status) => Some(format!("answered with status {status}")),
            Err(why) => Some(why),
        };
        match failure {
            None => {
                counted("delivered");
                self.over(&call);
            }
            Some(failure) => self.failed(&call, &failure),
        }
        if let Some(next) = self.next_in_line(&call) {
            self.call(next);
        }
    }

    /// A try failed: the next one is filed, or there is none.
    fn failed(&mut self, call: &Call, failure: &str) {
        let tries = call.filed.unwrap_or(0);
        tracing::debug!(event = call.event.0, tries, %failure, "a callback failed");
        let line = call.part.and_then(|part| self.lines.get(&part));
        let is_overtaken = call.is_passing && line.is_some_and(|line| !line.calls.is_empty());
        match RETRY_MINUTES.get(usize::from(tries)) {
            Some(_) if is_overtaken => {
                counted("failed");
                self.over(call);
            }
            Some(minutes) => {
                counted("failed");
                let retry = Call { filed: Some(tries + 1), ..call.clone() };
                self.file(&retry, Duration::from_secs(minutes * 60), failure);
            }
            None => {
                counted("given_up");
                tracing::info!(event = call.event.0, %failure, "a callback was given up after six tries");
                self.over(call);
            }
        }
    }

    /// Nothing more is to be done for this callback.
    fn over(&mut self, call: &Call) {
        if call.filed.is_some() {
            self.progress.filed_is_over(call.event);
        } else {
            self.progress.over(call.event);
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
        self.look.more |= !settle.deferred.is_empty();
        for event in settle.deferred.iter().map(|filed| &filed.event).chain(&settle.done) {
            self.retrying.remove(event);
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

fn counted(result: &'static str) {
    metrics::counter!("pombo_callbacks_total", "result" => result).increment(1);
}

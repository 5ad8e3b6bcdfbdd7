//! The notifier's work: read, call, and write down what became of it.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use pombo_domain::channel::BoxFuture;
use pombo_domain::id::{EventId, PartId};
use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation as op;
use pombo_store::operation::callback::Deferred;
use tokio::sync::oneshot;

use super::Post;
use super::hosts::{Hosts, Place};
use super::url::{PASSING, expand, report_number};
use crate::clock::Clock;

/// Callbacks on their way at a time, over all hosts.
const IN_FLIGHT_MAX: usize = 4_000;
/// Callbacks in line before quick hosts above which nothing more is read: it is a short wait.
const WAITING_MAX: usize = 1_000;
/// Events read at a time, and filed callbacks.
const EVENTS_AT_ONCE: usize = 500;
/// Results in memory above which they are written down before anything else is read.
const UNSAVED_MAX: usize = 500;
/// Waits before the second to the sixth try (360NRS: five retries, each this long after the one before).
const RETRY_MINUTES: [u64; 5] = [1, 2, 3, 4, 5];
/// How long a callback for a busy host is filed away.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Pause between two reads that found few events.
const READ_EVERY: Duration = Duration::from_millis(4);
/// How often what is done is written down.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// How often filed callbacks are looked at.
const DUE_EVERY: Duration = Duration::from_secs(1);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// What it knows: the next events, and the callbacks that are not over.
pub(super) struct Notifier {
    store: Store,
    clock: Clock,
    post: Arc<dyn Post>,
    submitted: bool,
    events: tokio::sync::watch::Receiver<i64>,
    /// The last event read.
    read_to: EventId,
    /// The cursor as stored.
    told_to: EventId,
    /// Events read whose callback is not over yet.
    outstanding: BTreeSet<EventId>,
    /// Parts with a callback on its way, and what waits behind it.
    lines: HashMap<PartId, VecDeque<Call>>,
    n_in_line: usize,
    /// Filed callbacks that are being tried now.
    retrying: HashSet<EventId>,
    on_the_way: FuturesUnordered<BoxFuture<'static, Told>>,
    hosts: Hosts,
    unsaved: op::callback::Settle,
}

/// One callback.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) event: EventId,
    pub(super) url: String,
    /// Tries before this one; `None` for one that was never filed.
    filed: Option<u8>,
    /// The part it tells of; unknown of a filed one.
    part: Option<PartId>,
    /// It tells of no end (`%d` = 4): worthless once the end can be told.
    is_passing: bool,
}

impl Call {
    pub(super) fn first(
        event: EventId,
        url: String,
        part: Option<PartId>,
        is_passing: bool,
    ) -> Self {
        Self { event, url, filed: None, part, is_passing }
    }
}

/// How a call ended.
struct Told {
    call: Call,
    started: Instant,
    result: Result<u16, String>,
}

impl Notifier {
    pub(super) fn new(store: Store, clock: Clock, post: Arc<dyn Post>, submitted: bool) -> Self {
        Self {
            events: store.events(),
            store,
            clock,
            post,
            submitted,
            read_to: EventId(0),
            told_to: EventId(0),
            outstanding: BTreeSet::new(),
            lines: HashMap::new(),
            n_in_line: 0,
            retrying: HashSet::new(),
            on_the_way: FuturesUnordered::new(),
            hosts: Hosts::default(),
            unsaved: op::callback::Settle::default(),
        }
    }

    /// Runs until it is stopped or the store is closed.
    pub(super) async fn run(&mut self, mut stop: oneshot::Receiver<()>) {
        if !self.read_cursor().await {
            return;
        }
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        let mut due = tokio::time::interval(DUE_EVERY);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let pause = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(pause);
        let mut more = true;
        let mut more_filed = false;
        let mut stopping = false;
        loop {
            if stopping && self.on_the_way.is_empty() {
                let _ = self.flush().await; // What is not written down is told once more.
                return;
            }
            let is_full = self.n_unsaved() >= UNSAVED_MAX;
            let has_room = !stopping
                && !is_full
                && self.n_in_memory() < IN_FLIGHT_MAX
                && self.hosts.n_waiting() < WAITING_MAX;
            let done = tokio::select! {
                biased;
                _ = &mut stop, if !stopping => {
                    stopping = true;
                    Ok(())
                }
                Some(told) = self.on_the_way.next(), if !self.on_the_way.is_empty() => {
                    self.settle(told);
                    Ok(())
                }
                () = std::future::ready(()), if is_full => self.flush().await,
                _ = flush.tick() => {
                    self.put_off_tired();
                    self.flush().await
                }
                _ = due.tick(), if has_room => {
                    // Another process rings no bell here.
                    more = true;
                    self.try_filed().await.map(|full| more_filed = full)
                }
                () = std::future::ready(()), if has_room && more_filed => {
                    self.try_filed().await.map(|full| more_filed = full)
                }
                changed = self.events.changed(), if has_room && !more => match changed {
                    Ok(()) => { more = true; Ok(()) }
                    Err(_) => return,
                },
                () = &mut pause, if has_room && more => self.read().await.map(|full| {
                    more = full;
                    // Every commit rings; a few milliseconds' events are read together.
                    let wait = if full { Duration::ZERO } else { READ_EVERY };
                    pause.as_mut().reset(tokio::time::Instant::now() + wait);
                }),
            };
            match done {
                Ok(()) => {}
                Err(pombo_store::Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "callbacks wait for the store");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    /// Continues where the last run left off; `false` when the store is closed.
    async fn read_cursor(&mut self) -> bool {
        loop {
            match self.store.ask(op::callback::Cursor).await {
                Ok(cursor) => {
                    (self.read_to, self.told_to) = (cursor, cursor);
                    return true;
                }
                Err(pombo_store::Error::Closed) => return false,
                Err(error) => {
                    tracing::warn!(%error, "the callback cursor cannot be read yet");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    fn n_unsaved(&self) -> usize {
        self.unsaved.deferred.len() + self.unsaved.done.len()
    }

    fn n_in_memory(&self) -> usize {
        self.on_the_way.len() + self.n_in_line + self.hosts.n_waiting()
    }

    /// Reads the next events; says whether there may be more.
    async fn read(&mut self) -> Result<bool, pombo_store::Error> {
        let question = op::callback::After {
            cursor: self.read_to,
            limit: EVENTS_AT_ONCE,
            submitted: self.submitted,
        };
        let owed = self.store.ask(question).await?;
        for callback in owed.callbacks {
            let event = callback.event;
            self.outstanding.insert(event);
            let is_passing = report_number(callback.kind) == PASSING;
            let part = Some(callback.part);
            let call = Call::first(event, expand(&callback), part, is_passing);
            match self.lines.get_mut(&callback.part) {
                Some(line) => {
                    line.push_back(call);
                    self.n_in_line += 1;
                }
                None => {
                    self.lines.insert(callback.part, VecDeque::new());
                    self.call(call);
                }
            }
        }
        self.read_to = EventId(owed.cursor);
        Ok(owed.n_seen == EVENTS_AT_ONCE)
    }

    /// Filed callbacks whose time has come; says whether there may be more that can go now.
    async fn try_filed(&mut self) -> Result<bool, pombo_store::Error> {
        // Those that are being tried are still filed, and come first.
        let limit = EVENTS_AT_ONCE + self.retrying.len();
        let question = op::callback::Due { now: self.clock.now(), limit };
        let (mut due, _) = self.store.ask(question).await?;
        let filed_before = self.unsaved.deferred.len();
        let is_full_page = due.len() == limit;
        due.retain(|filed| !self.retrying.contains(&filed.event));
        let events = due.iter().map(|filed| filed.event).collect();
        let overtaken = self.store.ask(op::callback::Overtaken { events }).await?;
        for filed in due {
            self.retrying.insert(filed.event);
            if overtaken.contains(&filed.event) {
                self.unsaved.done.push(filed.event);
            } else {
                self.call(Call {
                    event: filed.event,
                    url: filed.url,
                    filed: Some(filed.tries),
                    part: None,
                    is_passing: false,
                });
            }
        }
        // Where one had to be filed again, more would be too.
        Ok(is_full_page && self.unsaved.deferred.len() == filed_before)
    }

    /// Sends a callback off, or files it, and then those that wait behind it.
    fn call(&mut self, call: Call) {
        let mut next = Some(call);
        while let Some(call) = next {
            let started = self.clock.now();
            match self.hosts.place_for(&call.url, started) {
                Place::Free => {
                    let request = self.post.get(call.url.clone());
                    let told = async move { Told { call, started, result: request.await } };
                    self.on_the_way.push(Box::pin(told));
                    return;
                }
                Place::Soon => return self.hosts.wait(call),
                Place::Full => self.file(&call, BUSY_WAIT, "its host is busy"),
                // As good as a try: it would fail, and slowly.
                Place::Down => self.failed(&call, "its host does not answer"),
            }
            next = self.next_in_line(&call);
        }
    }

    /// Files what waits in line before hosts that are quick no more.
    fn put_off_tired(&mut self) {
        for call in self.hosts.tired(self.clock.now()) {
            self.file(&call, BUSY_WAIT, "its host became slow");
            if let Some(next) = self.next_in_line(&call) {
                self.call(next);
            }
        }
    }

    /// The part's next callback, now that this one is not on its way any more.
    fn next_in_line(&mut self, call: &Call) -> Option<Call> {
        let part = call.part?;
        let next = self.lines.get_mut(&part)?.pop_front();
        match next {
            Some(_) => self.n_in_line -= 1,
            None => drop(self.lines.remove(&part)),
        }
        next
    }

    fn settle(&mut self, told: Told) {
        let Told { call, started, result } = told;
        let now = self.clock.now();
        self.hosts.leave(&call.url, result.is_ok(), now.since(started), now);
        if let Some(next) = self.hosts.next_waiting(&call.url) {
            self.call(next);
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
        let is_overtaken = call.is_passing
            && call.part.is_some_and(|part| self.lines.get(&part).is_some_and(|l| !l.is_empty()));
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

    /// Files a callback for another try; the number of tries is the call's.
    fn file(&mut self, call: &Call, wait: Duration, failure: &str) {
        self.unsaved.deferred.push(Deferred {
            event: call.event,
            due: self.clock.now().plus(wait),
            tries: call.filed.unwrap_or(0),
            url: call.url.clone(),
            failure: failure.to_owned(),
        });
    }

    /// Nothing more is to be done for this callback.
    fn over(&mut self, call: &Call) {
        if call.filed.is_some() {
            self.unsaved.done.push(call.event);
        } else {
            self.outstanding.remove(&call.event);
        }
    }

    /// Writes down what is over, what is filed, and how far the cursor may move.
    async fn flush(&mut self) -> Result<(), pombo_store::Error> {
        let mut settle = std::mem::take(&mut self.unsaved);
        // What is filed in this very commit is no reason to hold the cursor back.
        for filed in &settle.deferred {
            self.outstanding.remove(&filed.event);
        }
        let safe_to = match self.outstanding.first() {
            Some(first) => EventId(first.0 - 1),
            None => self.read_to,
        };
        if safe_to > self.told_to {
            settle.cursor = Some(safe_to);
        }
        if settle.cursor.is_none() && settle.deferred.is_empty() && settle.done.is_empty() {
            return Ok(());
        }
        match self.store.run(settle.clone()).await {
            Ok(()) => {
                self.told_to = self.told_to.max(safe_to);
                for event in settle.deferred.iter().map(|filed| filed.event).chain(settle.done) {
                    self.retrying.remove(&event);
                }
                Ok(())
            }
            Err(error) => {
                self.outstanding.extend(settle.deferred.iter().map(|filed| filed.event));
                self.unsaved.deferred.extend(settle.deferred);
                self.unsaved.done.extend(settle.done);
                Err(error)
            }
        }
    }
}

fn counted(result: &'static str) {
    metrics::counter!("pombo_callbacks_total", "result" => result).increment(1);
}

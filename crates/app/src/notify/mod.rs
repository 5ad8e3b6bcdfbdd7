//! The notifier: reads the event log behind a cursor and tells callbacks, each host at its own pace.
//!
//! The cursor moves past an event only when its callback was delivered or filed for another try, so
//! a crash repeats a callback rather than lose it. What is in memory is bounded: a host that takes
//! too long fills its own places, and what comes for it beyond them is filed in the store.

mod hosts;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use pombo_domain::callback::{Template, Values};
use pombo_domain::channel::BoxFuture;
use pombo_domain::id::{CampaignId, EventId, SendingId};
use pombo_domain::message::EventKind;
use pombo_store::Store;
use pombo_store::operation as op;
use pombo_store::operation::callback::{Deferred, OwedCallback};

use crate::clock::Clock;
use hosts::{Hosts, Place};

/// Makes one HTTP request; the channel that speaks HTTP implements it.
pub trait Post: Send + Sync {
    /// GETs a URL; answers the status, or what failed in words.
    fn get(&self, url: String) -> BoxFuture<'static, Result<u16, String>>;
}

/// Callbacks on their way at a time, over all hosts.
const IN_FLIGHT_MAX: usize = 4_000;
/// Events read at a time.
const EVENTS_AT_ONCE: usize = 500;
/// Waits before the second to the sixth try (360NRS: five retries, each this long after the one before).
const RETRY_MINUTES: [u64; 5] = [1, 2, 3, 4, 5];
/// How long a callback for a busy host is filed away.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// How often what is done is written down.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// How often filed callbacks are looked at.
const DUE_EVERY: Duration = Duration::from_secs(1);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Starts the notifier; it ends with the store.
pub(crate) fn start(store: Store, clock: Clock, post: Arc<dyn Post>, submitted: bool) {
    tokio::spawn(async move {
        let mut notifier = Notifier {
            events: store.events(),
            store,
            clock,
            post,
            submitted,
            read_to: EventId(0),
            told_to: EventId(0),
            outstanding: BTreeSet::new(),
            retrying: HashSet::new(),
            on_the_way: FuturesUnordered::new(),
            hosts: Hosts::default(),
            unsaved: op::callback::Settle::default(),
        };
        notifier.run().await;
    });
}

struct Notifier {
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
    /// Filed callbacks that are being tried now.
    retrying: HashSet<EventId>,
    on_the_way: FuturesUnordered<BoxFuture<'static, Told>>,
    hosts: Hosts,
    unsaved: op::callback::Settle,
}

/// One callback.
#[derive(Debug, Clone)]
struct Call {
    event: EventId,
    url: String,
    /// Tries before this one; `None` for one that was never filed.
    filed: Option<u8>,
}

/// How a call ended.
struct Told {
    call: Call,
    result: Result<u16, String>,
}

impl Notifier {
    async fn run(&mut self) {
        loop {
            match self.store.ask(op::callback::Cursor).await {
                Ok(cursor) => {
                    (self.read_to, self.told_to) = (cursor, cursor);
                    break;
                }
                Err(pombo_store::Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the callback cursor cannot be read yet");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        let mut due = tokio::time::interval(DUE_EVERY);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut more = true;
        loop {
            let has_room = self.on_the_way.len() < IN_FLIGHT_MAX;
            let done = tokio::select! {
                biased;
                Some(told) = self.on_the_way.next(), if !self.on_the_way.is_empty() => {
                    self.settle(told);
                    Ok(())
                }
                _ = flush.tick() => self.flush().await,
                _ = due.tick(), if has_room => self.try_filed().await,
                changed = self.events.changed(), if has_room && !more => match changed {
                    Ok(()) => { more = true; Ok(()) }
                    Err(_) => return,
                },
                () = std::future::ready(()), if has_room && more => {
                    self.read().await.map(|full| more = full)
                }
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
            let url = expand(&callback);
            self.call(Call { event, url, filed: None });
        }
        self.read_to = EventId(owed.cursor);
        Ok(owed.n_seen == EVENTS_AT_ONCE)
    }

    /// Filed callbacks whose time has come.
    async fn try_filed(&mut self) -> Result<(), pombo_store::Error> {
        let limit = IN_FLIGHT_MAX - self.on_the_way.len().min(IN_FLIGHT_MAX);
        let question = op::callback::Due { now: self.clock.now(), limit };
        let (due, _) = self.store.ask(question).await?;
        for filed in due {
            if self.retrying.insert(filed.event) {
                self.call(Call { event: filed.event, url: filed.url, filed: Some(filed.tries) });
            }
        }
        Ok(())
    }

    fn call(&mut self, call: Call) {
        match self.hosts.place_for(&call.url, self.clock.now()) {
            Place::Free => {
                let request = self.post.get(call.url.clone());
                self.on_the_way.push(Box::pin(async move { Told { call, result: request.await } }));
            }
            Place::Taken => self.file(&call, BUSY_WAIT, "its host is busy or down"),
        }
    }

    fn settle(&mut self, told: Told) {
        let Told { call, result } = told;
        let now = self.clock.now();
        let failure = match result {
            Ok(status) if (200..300).contains(&status) => None,
            Ok(status) => Some(format!("answered with status {status}")),
            Err(why) => Some(why),
        };
        self.hosts.leave(&call.url, failure.is_none(), now);
        let counted = |result: &'static str| {
            metrics::counter!("pombo_callbacks_total", "result" => result).increment(1);
        };
        let Some(failure) = failure else {
            counted("delivered");
            return self.over(&call);
        };
        let tries = usize::from(call.filed.unwrap_or(0));
        match RETRY_MINUTES.get(tries) {
            Some(minutes) => {
                counted("failed");
                let retry = Call { filed: Some(call.filed.unwrap_or(0) + 1), ..call };
                self.file(&retry, Duration::from_secs(minutes * 60), &failure);
            }
            None => {
                counted("given_up");
                tracing::info!(event = call.event.0, %failure, "a callback was given up after six tries");
                self.over(&call);
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

/// Fills the URL template in.
fn expand(callback: &OwedCallback) -> String {
    let values = Values {
        message: callback.part.message(),
        report: report_number(callback.kind),
        sender: &callback.from,
        recipient: callback.to,
        sent_at: Some(callback.created),
        cost: Some(callback.price),
        word: &callback.word,
        reported_at: callback.at,
        part: callback.part.idx() + 1,
        error: &callback.code,
        campaign: CampaignId(callback.campaign),
        sending: SendingId(callback.sending),
    };
    Template::from_stored(callback.template.clone()).expand(&values)
}

/// `%d` of a callback: 1 delivered, 2 not delivered, 4 with the operator, 16 refused at submission.
const fn report_number(kind: EventKind) -> u8 {
    match kind {
        EventKind::Delivered => 1,
        EventKind::Undelivered
        | EventKind::Expired
        | EventKind::Rejected
        | EventKind::Cancelled => 2,
        EventKind::Sent | EventKind::Buffered | EventKind::Uncertain | EventKind::Deferred => 4,
        EventKind::Refused => 16,
    }
}

/// The scheme, host and port of a URL: who is paced together.
fn host_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_paced_by_scheme_host_and_port() {
        for (url, host) in [
            ("https://example.com/dlr?id=1", "https://example.com"),
            ("http://example.com:8080?x", "http://example.com:8080"),
            ("http://example.com", "http://example.com"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }

    #[test]
    fn the_numbers_of_the_reports_are_the_documented_ones() {
        assert_eq!(report_number(EventKind::Delivered), 1);
        assert_eq!(report_number(EventKind::Expired), 2);
        assert_eq!(report_number(EventKind::Rejected), 2);
        assert_eq!(report_number(EventKind::Buffered), 4);
        assert_eq!(report_number(EventKind::Refused), 16);
    }
}

//! The callbacks that wait in the store: how they get there, and how they come back.

use std::collections::hash_map::Entry;

use super::*;
use crate::notify::endpoints::PER_STRANGER;

/// Filed callbacks looked up at a time.
const FILED_AT_ONCE: usize = 500;
/// When such a one would be called again, were this process to die: later than any call lasts.
const SURELY_OVER: Duration = Duration::from_secs(60);

/// How far the filed callbacks were looked through.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) is_looking: bool,
    /// The endpoint after which the next look begins; `None`: from the first.
    after: Option<Endpoint>,
    /// Whether a look before this one left some.
    pub(super) more: bool,
    /// Ticks since the last look.
    pub(super) n_ticks: u32,
}

impl Notifier {
    /// Looks for filed callbacks whose time has come.
    pub(super) fn look(&mut self) {
        let mut rooms = self.endpoints.rooms(self.clock.now());
        // Those that are being tried are still filed, and come first.
        for endpoint in self.retrying.values() {
            if let Some(room) = rooms.get_mut(endpoint).filter(|room| **room > 0) {
                *room += 1;
            }
        }
        let question = Due {
            now: self.clock.now(),
            after: self.look.after.take().unwrap_or(Endpoint::first()),
            limit: FILED_AT_ONCE,
            rooms,
            room: PER_STRANGER,
            busy: self.endpoints.busy(),
        };
        self.look = Look { is_looking: true, ..Look::default() };
        let store = self.store.clone();
        self.work
            .push(Box::pin(async move { Done::Looked(or_pause(store.ask(question).await).await) }));
    }

    pub(super) fn call_due(&mut self, due: DueCallbacks) {
        // From the start again, where there was nothing after the last one.
        self.look.more |= due.next.is_some();
        self.look.after = due.next;
        for event in due.overtaken {
            if let Entry::Vacant(place) = self.retrying.entry(event) {
                place.insert(Endpoint::first());
                self.progress.filed_is_over(event);
            }
        }
        for DueCallback { callback: filed, told } in due.callbacks {
            let (part, kind) = told.unzip();
            // What is told of its part just now comes first; then it is found here again.
            let is_behind = part.is_some_and(|part| self.lines.contains_key(&part));
            if is_behind || self.retrying.contains_key(&filed.event) {
                continue;
            }
            if let Some(part) = part {
                self.lines.insert(part, Line { is_filed: true, ..Line::default() });
            }
            self.retrying.insert(filed.event, filed.endpoint.clone());
            self.call(Call {
                event: filed.event,
                url: filed.url,
                endpoint: filed.endpoint,
                filed: Some(filed.tries),
                part,
                is_passing: kind.is_some_and(is_passing),
            });
        }
        for endpoint in due.stale {
            // What became due while this process did not run has the same hour.
            if self.endpoints.was_dead_for(&endpoint, KEPT, self.clock.now()) {
                self.give_up(endpoint);
            }
        }
        for endpoint in due.waiting {
            self.endpoints.has_filed(&endpoint, self.clock.now());
        }
    }

    /// What its server did not take for an hour of trying will not be told.
    fn give_up(&mut self, endpoint: Endpoint) {
        let (store, now) = (self.store.clone(), self.clock.now());
        self.work
            .push(Box::pin(async move { Done::GaveUp(store.run(GiveUp { endpoint, now }).await) }));
    }

    /// A callback for which there is no place now waits in the store; it counts as no try.
    pub(super) fn put_off(&mut self, call: &Call, why: &str) {
        if call.filed.is_some() {
            self.retrying.remove(&call.event); // It is there already.
        } else {
            counted("put_off");
            self.file(call, Duration::ZERO, why);
        }
    }

    /// Puts off what waits in line before endpoints that are quick no more.
    pub(super) fn put_off_tired(&mut self) {
        for call in self.endpoints.tired(self.clock.now(), self.is_stopping) {
            self.put_off(&call, "its server became slow");
            if let Some(next) = self.next_in_line(&call) {
                self.call(next);
            }
        }
    }

    /// Files what has been on its way for long, and what waits behind it.
    pub(super) fn file_slow(&mut self, slow: Duration) {
        let now = self.clock.now();
        let is_slow = |since: Instant| now.since(since) >= slow;
        let events: Vec<EventId> = self
            .fresh
            .iter()
            .filter(|(_, (since, _))| is_slow(*since))
            .map(|(event, _)| *event)
            .collect();
        for event in events {
            let Some((_, call)) = self.fresh.remove(&event) else { continue };
            self.retrying.insert(event, call.endpoint.clone());
            self.file(&call, SURELY_OVER, "it was on its way when the notifier stopped");
            let mut behind = VecDeque::new();
            if let Some(line) = call.part.and_then(|part| self.lines.get_mut(&part)) {
                line.is_filed = true;
                behind = std::mem::take(&mut line.calls);
            }
            self.n_in_line -= behind.len();
            for call in behind {
                self.file(&call, SURELY_OVER, "it waited behind another");
            }
        }
    }

    /// Files a callback for another try; the number of tries is the call's.
    pub(super) fn file(&mut self, call: &Call, wait: Duration, failure: &str) {
        self.progress.file(Deferred {
            event: call.event,
            due: self.clock.now().plus(wait),
            tries: call.filed.unwrap_or(0),
            url: call.url.clone(),
            endpoint: call.endpoint.clone(),
            failure: failure.to_owned(),
        });
    }
}

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
        let mut rooms = self.endpoints.rooms(self.clock.steady());
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
            disabled: self.disabled(),
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
        for debt in due.overtaken {
            self.forget(debt);
        }
        for DueCallback { callback: filed, told, notification } in due.callbacks {
            let (debt, endpoint, tries) = (filed.debt, filed.endpoint, Some(filed.tries));
            let call = match (debt.to, notification) {
                (Target::Notification, Some(owed)) => Call::notification(owed),
                (Target::Notification, None) => {
                    self.forget(debt); // Its history has gone.
                    continue;
                }
                (Target::Callback, _) => {
                    let (part, kind) = told.unzip();
                    let is_passing = kind.is_some_and(is_passing);
                    Call::callback(debt.event, filed.url, endpoint.clone(), part, is_passing)
                }
            };
            // What is told of its part or message just now comes first; then it is found here again.
            let is_behind = call.line.is_some_and(|key| self.lines.contains_key(&key));
            if is_behind || self.retrying.contains_key(&debt) {
                continue;
            }
            if let Some(key) = call.line {
                self.lines.insert(key, Line { is_filed: true, ..Line::default() });
            }
            self.retrying.insert(debt, endpoint);
            self.call(Call { filed: tries, ..call });
        }
        for endpoint in due.stale {
            // What became due while this process did not run has the same hour.
            if self.endpoints.was_dead_for(&endpoint, KEPT, self.clock.steady()) {
                self.give_up(endpoint);
            }
        }
        for endpoint in due.waiting {
            self.endpoints.has_filed(&endpoint, self.clock.steady());
        }
    }

    /// A filed one is worth no try any more.
    fn forget(&mut self, debt: Debt) {
        if let Entry::Vacant(place) = self.retrying.entry(debt) {
            place.insert(Endpoint::first());
            self.progress.filed_is_over(debt);
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
            self.retrying.remove(&call.debt); // It is there already.
        } else {
            self.counters.count(Became::PutOff, call.debt.to, 1);
            self.file(call, Duration::ZERO, why);
        }
    }

    /// Puts off what waits in line before endpoints that are quick no more.
    pub(super) fn put_off_tired(&mut self) {
        for call in self.endpoints.tired(self.clock.steady(), self.is_stopping) {
            self.put_off(&call, "its server became slow");
            if let Some(next) = self.next_in_line(&call) {
                self.call(next);
            }
        }
    }

    /// Files what has been on its way for long, and what waits behind it.
    pub(super) fn file_slow(&mut self, slow: Duration) {
        let now = self.clock.steady();
        let is_slow = |since: Instant| now.since(since) >= slow;
        let debts: Vec<Debt> = self
            .fresh
            .iter()
            .filter(|(_, (since, _))| is_slow(*since))
            .map(|(debt, _)| *debt)
            .collect();
        for debt in debts {
            let Some((_, call)) = self.fresh.remove(&debt) else { continue };
            self.retrying.insert(debt, call.endpoint.clone());
            self.file(&call, SURELY_OVER, "it was on its way when the notifier stopped");
            let mut behind = VecDeque::new();
            if let Some(line) = call.line.and_then(|key| self.lines.get_mut(&key)) {
                line.is_filed = true;
                behind = std::mem::take(&mut line.calls);
            }
            self.n_in_line -= behind.len();
            for call in behind {
                self.file(&call, SURELY_OVER, "it waited behind another");
            }
        }
    }
}

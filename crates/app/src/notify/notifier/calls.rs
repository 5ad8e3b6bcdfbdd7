//! One call after the other: what waits behind which, how a call goes off, and how it ends.

use super::*;
use crate::notify::subscriptions::Subscription;
use crate::notify::{endpoints, letter};

/// Waits before the second to the sixth try (360NRS: five retries, each this long after the one before).
const RETRY_MINUTES: [u64; 5] = [1, 2, 3, 4, 5];
/// Before a call that found too many others waiting for its server goes again.
const CROWDED_PAUSE: Duration = Duration::from_secs(1);
/// A server that has done nothing but ask to come later for so long is waited for no more: that counts as
/// a try.
const WAITED_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Tries of a notification that is given up.
const TRIES: u8 = 6;
/// The receiver wants no more (Standard Webhooks: disable the endpoint).
const GONE: u16 = 410;

/// What is told one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::notify) enum LineKey {
    /// A part's callbacks.
    Part(PartId),
    /// A message's notifications.
    Message(MessageId),
}

/// What waits behind a call.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) calls: VecDeque<Call>,
    /// The one before is filed: what comes now is filed too.
    pub(super) is_filed: bool,
    /// It may go once all that was known then is saved.
    pub(super) leaves: Option<Counts>,
}

/// What is called.
#[derive(Debug, Clone)]
pub(in crate::notify) enum What {
    /// This URL.
    Callback(String),
    /// The account's URL, with this.
    Notification(Box<OwedNotification>),
}

/// One callback or notification.
#[derive(Debug, Clone)]
pub(in crate::notify) struct Call {
    pub(in crate::notify) debt: Debt,
    pub(super) what: What,
    pub(in crate::notify) endpoint: Endpoint,
    /// Tries before this one; `None` for one that was never filed.
    pub(super) filed: Option<u8>,
    /// Where it stands; unknown of a part whose day is forgotten.
    pub(super) line: Option<LineKey>,
    /// It tells of no end (`%d` = 4): worthless once the end can be told.
    pub(super) is_passing: bool,
}

impl Call {
    pub(in crate::notify) fn callback(
        event: EventId,
        url: String,
        endpoint: Endpoint,
        part: Option<PartId>,
        is_passing: bool,
    ) -> Self {
        let debt = Debt { event, to: Target::Callback };
        let line = part.map(LineKey::Part);
        Self { debt, what: What::Callback(url), endpoint, filed: None, line, is_passing }
    }

    pub(super) fn notification(owed: OwedNotification) -> Self {
        Self {
            debt: Debt { event: owed.event, to: Target::Notification },
            endpoint: events_of(owed.account),
            filed: None,
            line: Some(LineKey::Message(owed.message)),
            is_passing: false,
            what: What::Notification(Box::new(owed)),
        }
    }

    fn deferred(&self, due: Instant, failure: &str) -> Deferred {
        let message = match self.line {
            Some(LineKey::Message(message)) => Some(message),
            _ => None,
        };
        let url = match &self.what {
            What::Callback(url) => url.clone(),
            What::Notification(_) => String::new(),
        };
        Deferred {
            debt: self.debt,
            due,
            tries: self.filed.unwrap_or(0),
            url,
            message,
            endpoint: self.endpoint.clone(),
            failure: failure.to_owned(),
        }
    }
}

/// Where an account's notifications queue.
pub(super) fn events_of(account: AccountId) -> Endpoint {
    Endpoint { account, base: ENDPOINT.to_owned() }
}

/// How a call ended.
pub(super) struct Told {
    call: Arc<Call>,
    /// Its endpoint had never answered when it went.
    stranger: bool,
    took: Duration,
    result: Result<u16, Unanswered>,
}

impl Notifier {
    /// Calls, where nothing of the same line comes first.
    pub(super) fn take_up(&mut self, call: Call) {
        let Some(key) = call.line else { return self.call(call) };
        match self.lines.get_mut(&key) {
            Some(line) if line.is_filed => {
                let is_leaving = line.leaves.is_some();
                self.put_off(&call, "it waits behind another");
                if is_leaving {
                    self.leave_later(key);
                }
            }
            Some(line) => {
                line.calls.push_back(call);
                self.n_in_line += 1;
            }
            None => {
                self.lines.insert(key, Line::default());
                self.call(call);
            }
        }
    }

    /// Files a notification behind one that the store has.
    pub(super) fn take_up_behind(&mut self, call: &Call) {
        let Some(key) = call.line else { return };
        self.lines.entry(key).or_default();
        self.put_off(call, "it waits behind another");
        self.leave_later(key);
    }

    /// Sends a call off, or files it, and then those that wait behind it.
    pub(super) fn call(&mut self, call: Call) {
        let mut next = Some(call);
        while let Some(call) = next {
            let now = self.clock.steady();
            let patience = call.filed.is_none() && !self.is_late;
            let place = match self.subscription(&call) {
                _ if self.is_stopping => Place::Full, // It is told after the next start.
                Some(None) => {
                    self.over(&call); // Its account wants none any more.
                    next = self.next_in_line(&call);
                    continue;
                }
                Some(Some(to)) if to.is_disabled => Place::Full,
                _ => self.endpoints.place_for(&call.endpoint, now, patience),
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

    /// Where a notification goes: `Some(None)` is nowhere; `None` for a callback.
    fn subscription(&self, call: &Call) -> Option<Option<&Subscription>> {
        let is_notification = call.debt.to == Target::Notification;
        is_notification.then(|| self.subscribed.get(&call.endpoint.account))
    }

    fn send(&mut self, call: Call, stranger: bool) {
        let (at, started) = (self.clock.now(), self.clock.steady());
        let request = match (&call.what, self.subscription(&call).flatten()) {
            (What::Callback(url), _) => self.post.get(url.clone()),
            (What::Notification(owed), Some(to)) => {
                self.post.post(to.url.clone(), letter::write(owed, to, at))
            }
            (What::Notification(_), None) => Box::pin(std::future::ready(Err(Unanswered::Failed(
                "there is no URL any more".to_owned(),
            )))),
        };
        let call = Arc::new(call);
        if call.filed.is_none() {
            self.fresh.insert(call.debt, (started, Arc::clone(&call)));
        }
        let (store, clock) = (self.store.clone(), self.clock.clone());
        self.work.push(Box::pin(async move {
            while !store.may_send() {
                // Another node may be telling it by now.
                tokio::time::sleep(UNSURE_PAUSE).await;
            }
            let asked = clock.steady();
            let result = request.await;
            Done::Told(Told { call, stranger, took: clock.steady().since(asked), result })
        }));
    }

    /// The line's next call, now that this one is not on its way any more. One that tells of no
    /// end is not worth telling where another waits behind it.
    pub(super) fn next_in_line(&mut self, call: &Call) -> Option<Call> {
        let key = call.line?;
        loop {
            let line = self.lines.get_mut(&key)?;
            if line.is_filed && matches!(key, LineKey::Message(_)) {
                self.leave_later(key);
                return None;
            }
            let calls = &mut line.calls;
            let Some(next) = calls.pop_front() else {
                self.lines.remove(&key);
                return None;
            };
            self.n_in_line -= 1;
            if !next.is_passing || calls.is_empty() {
                return Some(next);
            }
            self.over(&next);
        }
    }

    /// Nothing of a message is on its way, but who reads the store may not see yet what was filed.
    fn leave_later(&mut self, key: LineKey) {
        let counts = self.progress.counts();
        if let Some(line) = self.lines.get_mut(&key) {
            line.is_filed = true;
            line.leaves = Some(counts);
            self.leaving.push_back((counts, key));
        }
    }

    /// Forgets the lines whose filed calls every read from now on will see.
    pub(super) fn let_leave(&mut self) {
        while let Some(&(counts, key)) = self.leaving.front() {
            if !self.progress.has_saved(counts) {
                return;
            }
            self.leaving.pop_front();
            if self.lines.get(&key).is_some_and(|line| line.leaves == Some(counts)) {
                self.lines.remove(&key);
            }
        }
    }

    pub(super) fn settle(&mut self, told: Told) {
        let Told { call, stranger, took, result } = told;
        let now = self.clock.steady();
        let was_filed = call.filed.is_none() && self.fresh.remove(&call.debt).is_none();
        let mut call = Arc::unwrap_or_clone(call);
        if was_filed {
            call.filed = Some(0); // It took long, and was filed meanwhile.
        }
        self.endpoints.leave((&call.endpoint, stranger), &result, took, now);
        while let Some(next) = self.endpoints.next_waiting(&call.endpoint) {
            self.call(next);
        }
        match result {
            Err(Unanswered::Unsent) => {
                self.later(&call, CROWDED_PAUSE, "too many calls wait for its server");
            }
            Err(Unanswered::Later(_))
                if self.endpoints.was_sated_for(&call.endpoint, WAITED_MAX, now) =>
            {
                self.tried(&call, Some("its server asks to come later, for a day"), false);
            }
            Err(Unanswered::Later(wait)) => {
                self.later(&call, endpoints::pause(wait), "its server asks to come later");
            }
            Err(Unanswered::Failed(why)) => self.tried(&call, Some(&why), false),
            Ok(status) if self.takes(&call, status) => self.tried(&call, None, false),
            Ok(status) => {
                let failure = format!("answered with status {status}");
                self.tried(&call, Some(&failure), status == GONE);
            }
        }
        if let Some(next) = self.next_in_line(&call) {
            self.call(next);
        }
    }

    /// Whether a status says that the call was taken.
    fn takes(&self, call: &Call, status: u16) -> bool {
        match self.subscription(call) {
            Some(to) => to.map_or(status == 200, |to| to.format.takes(status)),
            None => (200..300).contains(&status),
        }
    }

    /// A call was tried, and was taken where nothing failed.
    fn tried(&mut self, call: &Call, failure: Option<&str>, is_gone: bool) {
        if call.debt.to == Target::Notification {
            self.note_health(call.endpoint.account, failure, is_gone);
        }
        match failure {
            None => {
                self.counters.count(Became::Delivered, call.debt.to, 1);
                self.over(call);
            }
            Some(failure) => self.failed(call, failure),
        }
    }

    /// A try failed: the next one is filed, or there is none.
    fn failed(&mut self, call: &Call, failure: &str) {
        let (tries, Debt { event, to }) = (call.filed.unwrap_or(0), call.debt);
        tracing::debug!(event = event.0, tries, %failure, "a callback failed");
        match RETRY_MINUTES.get(usize::from(tries)) {
            Some(_) if self.is_overtaken(call) => {
                self.counters.count(Became::Failed, to, 1);
                self.over(call);
            }
            Some(minutes) => {
                self.counters.count(Became::Failed, to, 1);
                let retry = Call { filed: Some(tries + 1), ..call.clone() };
                self.file(&retry, Duration::from_secs(minutes * 60), failure);
            }
            None => {
                self.counters.count(Became::GivenUp, to, 1);
                tracing::info!(event = event.0, %failure, "a callback was given up after six tries");
                if to == Target::Notification {
                    let (account, at) = (call.endpoint.account, self.clock.now());
                    let failure = failure.to_owned();
                    self.progress.dies(Dead { event, account, at, tries: TRIES, failure });
                }
                self.over(call);
            }
        }
    }

    /// Files a call whose time has not come, which is no try.
    fn later(&mut self, call: &Call, wait: Duration, why: &str) {
        if self.is_overtaken(call) {
            return self.over(call);
        }
        if call.filed.is_none() {
            self.counters.count(Became::PutOff, call.debt.to, 1);
        }
        self.file(call, wait, why);
    }

    /// Whether it tells of no end, and another of its line can be told by now.
    fn is_overtaken(&self, call: &Call) -> bool {
        let line = call.line.and_then(|key| self.lines.get(&key));
        call.is_passing && line.is_some_and(|line| !line.calls.is_empty())
    }

    /// Nothing more is to be done for this call.
    fn over(&mut self, call: &Call) {
        if call.filed.is_some() {
            self.progress.filed_is_over(call.debt);
        } else {
            self.progress.over(call.debt);
            self.replayed(call.debt, call.endpoint.account);
        }
    }

    /// Files a call for another try, and behind it what waits for the same message; the number of
    /// tries is the call's.
    pub(super) fn file(&mut self, call: &Call, wait: Duration, failure: &str) {
        let now = self.clock.now();
        self.progress.file(call.deferred(now.plus(wait), failure));
        let Some(key @ LineKey::Message(_)) = call.line else { return };
        let Some(line) = self.lines.get_mut(&key) else { return };
        line.is_filed = true;
        let behind = std::mem::take(&mut line.calls);
        self.n_in_line -= behind.len();
        for call in behind {
            self.progress.file(call.deferred(now, "it waits behind another"));
        }
    }
}

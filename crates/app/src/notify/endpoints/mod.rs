//! Each endpoint has its own places and a short line before them; what is beyond waits in the
//! store. A dead endpoint is left alone a while, and an account has only so many calls at a time.
//!
//! Every `now` here is [`Clock::steady`](crate::clock::Clock::steady): a clock that is set makes no
//! endpoint dead, and none alive.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use pombo_domain::id::AccountId;
use pombo_domain::time::Instant;
use pombo_store::operation::callback_due::Endpoint;

use super::Unanswered;
use super::notifier::Call;

/// Calls to one endpoint at a time, once it has shown that it answers.
const PER_ENDPOINT: usize = 32;
/// And before it has: each answer brings a place more, each failure halves them.
pub(super) const PER_STRANGER: usize = 4;
/// Calls of one account at a time.
const PER_ACCOUNT: usize = 500;
/// Among them, calls to endpoints that have never answered.
const STRANGERS_PER_ACCOUNT: usize = 32;
/// Calls at a time. Each may need a socket.
pub(super) const CALLS_MAX: usize = 2_000;
/// Times in a row that an endpoint did not answer at all, after which it is left alone.
const FAILURES_MAX: u32 = 8;
/// For how long; then one call sees whether it is back.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// The line before an endpoint is no longer than what it answers within this time.
const LINE: Duration = Duration::from_millis(200);
/// The line before an endpoint, at most.
const LINE_MAX: usize = 1_000;
/// Answers a second from which an endpoint is fast: who reads the log may wait for it a little.
const FAST: u128 = 1_000;
/// An endpoint that owes answers and has given none for this long has no line.
const STILL_QUICK: Duration = Duration::from_millis(500);
/// How long an endpoint that asks to come later is waited for, where it does not say how long,
const LATER: Duration = Duration::from_secs(10);
/// and where it does, at least and at most.
const LATER_MIN: Duration = Duration::from_secs(1);
const LATER_MAX: Duration = Duration::from_secs(3_600);
/// Endpoints remembered; beyond, those without calls on the way are forgotten.
const ENDPOINTS_MAX: usize = 10_000;

/// How each endpoint does.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    states: HashMap<Endpoint, State>,
    accounts: HashMap<AccountId, Calls>,
    n_calls: usize,
    n_waiting: usize,
    /// Some endpoint has got room for what waits in the store.
    has_room_for_filed: bool,
}

/// Calls of one account on the way.
#[derive(Debug, Default)]
struct Calls {
    all: usize,
    strangers: usize,
}

impl Calls {
    fn has_room(&self, stranger: bool) -> bool {
        self.all < PER_ACCOUNT && (!stranger || self.strangers < STRANGERS_PER_ACCOUNT)
    }
}

#[derive(Debug)]
struct State {
    on_the_way: usize,
    places: usize,
    failures: u32,
    left_alone_until: Option<Instant>,
    /// It answers, and asks for no more calls before.
    held_until: Option<Instant>,
    /// Since when it has said nothing else.
    sated_since: Option<Instant>,
    /// Since when it is being left alone, again and again.
    dead_since: Option<Instant>,
    waiting: VecDeque<Call>,
    /// More is due in the store than there was room for.
    has_filed: bool,
    /// How long answers took of late.
    usual: Option<Duration>,
    /// Since when it owes an answer: the last one, or the call after a time without any.
    owes_since: Instant,
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            on_the_way: 0,
            places: PER_STRANGER,
            failures: 0,
            left_alone_until: None,
            held_until: None,
            sated_since: None,
            dead_since: None,
            waiting: VecDeque::new(),
            has_filed: false,
            usual: None,
            owes_since: now,
        }
    }

    /// How many it answers within `time`.
    fn answers_within(&self, time: Duration, now: Instant) -> u128 {
        let is_late = self.on_the_way > 0 && now.since(self.owes_since) >= STILL_QUICK;
        match self.usual {
            Some(usual) if !is_late && self.left_alone_until.is_none() => {
                time.as_micros() * self.places as u128 / usual.as_micros().max(1)
            }
            _ => 0,
        }
    }

    fn is_fast(&self, now: Instant) -> bool {
        self.answers_within(Duration::from_secs(1), now) >= FAST
    }

    /// How many may wait in line.
    fn line(&self, now: Instant) -> usize {
        usize::try_from(self.answers_within(LINE, now)).unwrap_or(LINE_MAX).min(LINE_MAX)
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    /// How many more it could take.
    fn room(&self, now: Instant) -> usize {
        if self.is_held(now) {
            return 0;
        }
        match self.left_alone_until {
            Some(until) if now < until => 0,
            Some(_) => 1, // To see whether it is back.
            None => {
                let busy = self.on_the_way + self.waiting.len();
                (self.places + self.line(now)).saturating_sub(busy)
            }
        }
    }

    fn answered(&mut self, took: Duration, now: Instant) {
        self.usual = Some(self.usual.map_or(took, |usual| (usual * 7 + took) / 8));
        self.spoke(now);
        self.sated_since = None;
        self.places = (self.places + 1).min(PER_ENDPOINT);
    }

    /// It has said something.
    fn spoke(&mut self, now: Instant) {
        self.owes_since = now;
        self.failures = 0;
        self.left_alone_until = None;
        self.dead_since = None;
    }

    /// It has enough for now.
    fn has_enough(&mut self, wait: Option<Duration>, now: Instant) {
        self.makes_room();
        self.spoke(now);
        self.sated_since.get_or_insert(now);
        self.held_until = self.held_until.max(Some(now.plus(pause(wait))));
    }

    /// Halves its places.
    fn makes_room(&mut self) {
        self.places = (self.places / 2).max(PER_STRANGER);
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.makes_room();
        if self.failures >= FAILURES_MAX {
            self.left_alone_until = Some(now.plus(LEFT_ALONE));
            self.dead_since.get_or_insert(now);
        }
    }
}

/// How long to wait where a server asks for that.
pub(super) fn pause(wait: Option<Duration>) -> Duration {
    wait.unwrap_or(LATER).clamp(LATER_MIN, LATER_MAX)
}

/// Whether a call may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Yes; a place was taken. Whether as one who has never answered.
    Free { stranger: bool },
    /// Its places are taken, for a short while.
    Soon,
    /// Its places are taken, and the line before them is long.
    Full,
    /// It did not answer of late.
    Down,
}

impl Endpoints {
    /// Takes a place at the endpoint, where one is free. With `patience` the line before a fast one
    /// may be as long as the caller likes.
    pub(super) fn place_for(&mut self, to: &Endpoint, now: Instant, patience: bool) -> Place {
        if self.states.len() >= ENDPOINTS_MAX {
            self.states.retain(|_, state| state.on_the_way > 0 || !state.waiting.is_empty());
        }
        let state = match self.states.get_mut(to) {
            Some(state) => state,
            None => self.states.entry(to.clone()).or_insert_with(|| State::new(now)),
        };
        let stranger = state.usual.is_none();
        if state.is_held(now) {
            return Place::Full;
        }
        match state.left_alone_until {
            Some(until) if now < until => return Place::Down,
            Some(_) => {} // One is let through to see.
            None if state.on_the_way >= state.places => {
                let is_short =
                    state.waiting.len() < state.line(now) || (patience && state.is_fast(now));
                return if is_short { Place::Soon } else { Place::Full };
            }
            None => {}
        }
        let has_room = |calls: &Calls| calls.has_room(stranger);
        if self.n_calls >= CALLS_MAX || !self.accounts.get(&to.account).is_none_or(has_room) {
            return Place::Full;
        }
        if state.left_alone_until.is_some() {
            state.left_alone_until = Some(now.plus(LEFT_ALONE));
        }
        if state.on_the_way == 0 {
            state.owes_since = now;
        }
        state.on_the_way += 1;
        self.n_calls += 1;
        let calls = self.accounts.entry(to.account).or_default();
        calls.all += 1;
        calls.strangers += usize::from(stranger);
        Place::Free { stranger }
    }

    /// Gives the place back and learns whether the endpoint is alive: a refusal is an answer too.
    pub(super) fn leave(
        &mut self,
        (from, stranger): (&Endpoint, bool),
        result: &Result<u16, Unanswered>,
        took: Duration,
        now: Instant,
    ) {
        self.n_calls -= 1;
        if let Some(calls) = self.accounts.get_mut(&from.account) {
            calls.all -= 1;
            calls.strangers -= usize::from(stranger);
            if calls.all == 0 {
                self.accounts.remove(&from.account);
            }
        }
        let Some(state) = self.states.get_mut(from) else {
            return;
        };
        state.on_the_way -= 1;
        match result {
            Ok(_) => state.answered(took, now),
            Err(Unanswered::Failed(_)) => state.failed(now),
            Err(Unanswered::Later(wait)) => state.has_enough(*wait, now),
            // Others, of other endpoints too, wait for its server.
            Err(Unanswered::Unsent) => state.makes_room(),
        }
        // A few at a time, so that one look serves them together.
        if state.has_filed && 2 * state.room(now) >= state.places {
            state.has_filed = false;
            self.has_room_for_filed = true;
        }
    }

    /// Whether it has been tried for so long, and has never answered.
    pub(super) fn was_dead_for(&self, at: &Endpoint, time: Duration, now: Instant) -> bool {
        let since = self.states.get(at).and_then(|state| state.dead_since);
        since.is_some_and(|since| now.since(since) >= time)
    }

    /// Whether it has asked to come later for so long, and has answered nothing else.
    pub(super) fn was_sated_for(&self, at: &Endpoint, time: Duration, now: Instant) -> bool {
        let since = self.states.get(at).and_then(|state| state.sated_since);
        since.is_some_and(|since| now.since(since) >= time)
    }

    /// More is due of this endpoint in the store than there was room for.
    pub(super) fn has_filed(&mut self, at: &Endpoint, now: Instant) {
        if let Some(state) = self.states.get_mut(at) {
            if state.on_the_way == 0 && state.room(now) > 0 {
                self.has_room_for_filed = true; // Nothing comes back that could tell.
            } else {
                state.has_filed = true;
            }
        }
    }

    /// Whether some endpoint has got room for what waits in the store, since it was last asked.
    pub(super) fn take_room_for_filed(&mut self) -> bool {
        std::mem::take(&mut self.has_room_for_filed)
    }

    /// How many more calls the endpoints known here could take; others take [`PER_STRANGER`].
    pub(super) fn rooms(&self, now: Instant) -> HashMap<Endpoint, usize> {
        self.states.iter().map(|(endpoint, state)| (endpoint.clone(), state.room(now))).collect()
    }

    /// How many more calls this endpoint could take.
    pub(super) fn room_at(&self, at: &Endpoint, now: Instant) -> usize {
        self.states.get(at).map_or(PER_STRANGER, |state| state.room(now))
    }

    /// Accounts that have as many calls on the way as they may.
    pub(super) fn busy(&self) -> HashSet<AccountId> {
        let is_busy = |calls: &Calls| !calls.has_room(true);
        let busy = self.accounts.iter().filter(|(_, calls)| is_busy(calls));
        busy.map(|(account, _)| *account).collect()
    }

    /// Puts a call in line.
    pub(super) fn wait(&mut self, call: Call) {
        if let Some(state) = self.states.get_mut(&call.endpoint) {
            state.waiting.push_back(call);
            self.n_waiting += 1;
        }
    }

    /// Calls in line, over all endpoints.
    pub(super) fn n_waiting(&self) -> usize {
        self.n_waiting
    }

    /// Calls on the way.
    pub(super) fn n_calls(&self) -> usize {
        self.n_calls
    }

    /// The next in line, where there is a place for it.
    pub(super) fn next_waiting(&mut self, at: &Endpoint) -> Option<Call> {
        let state = self.states.get_mut(at)?;
        if state.left_alone_until.is_none() && state.on_the_way >= state.places {
            return None;
        }
        let next = state.waiting.pop_front()?;
        self.n_waiting -= 1;
        Some(next)
    }

    /// The lines before endpoints that are quick no more; all of them where nothing more is called.
    pub(super) fn tired(&mut self, now: Instant, all: bool) -> Vec<Call> {
        let mut calls = Vec::new();
        if self.n_waiting > 0 {
            for state in self.states.values_mut() {
                if !state.waiting.is_empty() && (all || state.line(now) == 0) {
                    calls.extend(state.waiting.drain(..));
                }
            }
            self.n_waiting -= calls.len();
        }
        calls
    }
}

#[cfg(test)]
mod tests;

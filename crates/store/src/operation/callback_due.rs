//! Callbacks and notifications to be tried (again): a queue for each endpoint of each account.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use pombo_domain::id::{AccountId, EventId, MessageId, PartId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::time::Instant;

use super::notification::ENDPOINT;
use super::notification::owed::{self, OwedNotification};
use super::{Operation, Question, View};
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    SET_CURSOR = "insert into event_cursor (reader, event) values ('callback', $1) \
        on conflict (reader) do update set event = excluded.event";
    NEXT = "select account, endpoint, due from callback_due \
        where (account, endpoint) > ($1, $2) order by account, endpoint, due limit 1";
    DUE = "select event, due, tries, url, target, message from callback_due where account = $1 \
        and endpoint = $2 and due <= $3 order by due, event limit $4";
    TOLD = "select part, kind from event_{day} where id = $1";
    STATE = "select state from part_{day} where id = $1";
    DEFER = "insert into callback_due (event, target, due, tries, url, failure, account, endpoint, \
        message) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (event, target) do update \
        set due = excluded.due, tries = excluded.tries, failure = excluded.failure";
    FIRST_OF = "select min(event) from callback_due where target = 1 and message = $1";
    DONE = "delete from callback_due where event = $1 and target = $2 returning message";
    OVER = "delete from callback_due where event = $1 and target = $2";
    WAKE = "update callback_due set due = 0 where target = 1 and message = $1 and due = $2 \
        and event = (select min(event) from callback_due where target = 1 and message = $1)";
    DIE = "insert into dead_letter (account, event, at, tries, failure) values ($1, $2, $3, $4, $5) \
        on conflict (account, event) do update set at = excluded.at, tries = excluded.tries, \
        failure = excluded.failure";
    /// The same event may owe a notification too, which is not given up with it.
    GIVE_UP = "delete from callback_due where target = 0 and event in \
        (select event from callback_due where target = 0 and account = $1 and endpoint = $2 \
        and due < $3 order by due limit $4)";
}

/// How long a callback waits for a server that does not answer at all, from when it was due.
pub const KEPT: Duration = Duration::from_secs(3_600);

/// Where callbacks go, as far as they share a fate: an account's URLs up to the query.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Whose.
    pub account: AccountId,
    /// The URL template up to its query.
    pub base: String,
}

impl Endpoint {
    /// Before every endpoint.
    #[must_use]
    pub const fn first() -> Self {
        Self { account: AccountId(-1), base: String::new() }
    }
}

/// What an event may owe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Target {
    /// A callback to its request's URL.
    Callback = 0,
    /// A notification to its account's URL.
    Notification = 1,
}

/// One thing that an event owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Debt {
    /// The event.
    pub event: EventId,
    /// To whom.
    pub to: Target,
}

/// The due time of a notification that waits for one before it.
const ASLEEP: i64 = i64::MAX;

/// A callback or notification to be tried (again). A notification that is filed behind another of its
/// message sleeps until that one is over.
#[derive(Debug, Clone)]
pub struct Deferred {
    /// What is owed.
    pub debt: Debt,
    /// Not before.
    pub due: Instant,
    /// Tries so far.
    pub tries: u8,
    /// The whole URL of a callback.
    pub url: String,
    /// The message of a notification.
    pub message: Option<MessageId>,
    /// Whose queue it stands in.
    pub endpoint: Endpoint,
    /// Why the last try failed; empty where none was made yet.
    pub failure: String,
}

/// What became of callbacks.
#[derive(Debug, Clone, Default)]
pub struct Settle {
    /// Every event up to here is done or deferred.
    pub cursor: Option<EventId>,
    /// To be tried (again).
    pub deferred: Vec<Deferred>,
    /// Deferred ones that are over: delivered, or given up.
    pub done: Vec<Debt>,
    /// Notifications among them that were given up.
    pub dead: Vec<Dead>,
}

/// A notification that is given up.
#[derive(Debug, Clone)]
pub struct Dead {
    /// The event.
    pub event: EventId,
    /// Whose.
    pub account: AccountId,
    /// The last try.
    pub at: Instant,
    /// Tries.
    pub tries: u8,
    /// Why the last one failed.
    pub failure: String,
}

impl Operation for Settle {
    const LOOKS_AT_QUEUES: bool = false;

    type Answer = ();

    fn rows(&self) -> usize {
        1 + self.deferred.len() + self.done.len() + self.dead.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        for callback in &self.deferred {
            let due = if is_behind(work, callback)? { ASLEEP } else { callback.due.micros() };
            work.prepare(DEFER)?.write(values![
                callback.debt.event.0,
                callback.debt.to as i64,
                due,
                callback.tries,
                callback.url,
                callback.failure,
                callback.endpoint.account.0,
                callback.endpoint.base,
                callback.message.map_or(0, |message| message.0),
            ])?;
        }
        for dead in &self.dead {
            work.prepare(DIE)?.write(values![
                dead.account.0,
                dead.event.0,
                dead.at.micros(),
                dead.tries,
                dead.failure,
            ])?;
        }
        for debt in &self.done {
            if debt.to == Target::Callback {
                work.prepare(OVER)?.write([debt.event.0, debt.to as i64])?;
                continue;
            }
            let message: Option<i64> =
                work.prepare(DONE)?.first([debt.event.0, debt.to as i64], |row| row.get(0))?;
            if let Some(message) = message {
                work.prepare(WAKE)?.execute([message, ASLEEP])?;
            }
        }
        if let Some(cursor) = self.cursor {
            work.prepare(SET_CURSOR)?.write([cursor.0])?;
        }
        Ok(())
    }
}

/// Whether another notification of its message comes first.
fn is_behind(work: &Work<'_>, callback: &Deferred) -> Result<bool> {
    let Some(message) = callback.message else { return Ok(false) };
    let first: Option<i64> = work.prepare(FIRST_OF)?.one([message.0], |row| row.get(0))?;
    Ok(first.is_some_and(|first| first < callback.debt.event.0))
}

/// Deferred callbacks that are due, a few of each endpoint, endpoint after endpoint.
#[derive(Debug, Clone)]
pub struct Due {
    /// The time.
    pub now: Instant,
    /// Looks at the endpoints after this one.
    pub after: Endpoint,
    /// In all, roughly so many.
    pub limit: usize,
    /// Of these endpoints, at most so many each.
    pub rooms: HashMap<Endpoint, usize>,
    /// And of any other.
    pub room: usize,
    /// Accounts that have enough to do.
    pub busy: HashSet<AccountId>,
    /// Accounts whose notifications are left alone.
    pub disabled: HashSet<AccountId>,
}

/// A callback that is due.
#[derive(Debug, Clone)]
pub struct DueCallback {
    /// It.
    pub callback: Deferred,
    /// Of which part it tells, and what; `None` where its day is forgotten.
    pub told: Option<(PartId, EventKind)>,
    /// What a notification says; `None` where its day is forgotten.
    pub notification: Option<OwedNotification>,
}

/// The answer to [`Due`].
#[derive(Debug, Default)]
pub struct DueCallbacks {
    /// Each endpoint's in the order in which they are due.
    pub callbacks: Vec<DueCallback>,
    /// Those that are no longer worth telling: their part has come to another end since.
    pub overtaken: Vec<Debt>,
    /// Where to go on; `None`: there was nothing after.
    pub next: Option<Endpoint>,
    /// Endpoints of which more is due than there was room for.
    pub waiting: Vec<Endpoint>,
    /// Endpoints of which something has been due for longer than [`KEPT`].
    pub stale: Vec<Endpoint>,
}

/// Endpoints that one look may visit, so that it stays short whatever their number.
const ENDPOINTS_PER_LOOK: usize = 1_000;
/// Sorts after every URL.
const LAST: &str = "\u{10FFFF}";

impl Question for Due {
    type Answer = DueCallbacks;

    fn answer(self, view: &mut View<'_>) -> Result<DueCallbacks> {
        let mut found = DueCallbacks::default();
        let mut at = self.after.clone();
        let mut next = view.prepare(NEXT)?;
        for _ in 0..ENDPOINTS_PER_LOOK {
            if found.callbacks.len() >= self.limit {
                break;
            }
            let row = next.first(values![at.account.0, at.base], |row| {
                let account = AccountId(row.get(0)?);
                let due: i64 = row.get(2)?;
                Ok((Endpoint { account, base: row.get(1)? }, due))
            })?;
            let Some((endpoint, due)) = row else { return Ok(found) };
            at = endpoint;
            if self.busy.contains(&at.account) {
                at.base = LAST.to_owned();
            } else if due <= self.now.micros() {
                let is_notified = at.base == ENDPOINT;
                if is_notified && self.disabled.contains(&at.account) {
                    continue;
                }
                if !is_notified && due < self.now.minus(KEPT).micros() {
                    found.stale.push(at.clone());
                }
                self.of_endpoint(view, &at, &mut found)?;
            }
        }
        found.next = Some(at);
        Ok(found)
    }
}

impl Due {
    fn of_endpoint(
        &self,
        view: &mut View<'_>,
        endpoint: &Endpoint,
        found: &mut DueCallbacks,
    ) -> Result<()> {
        let room = self.rooms.get(endpoint).copied().unwrap_or(self.room);
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let (account, now) = (endpoint.account.0, self.now.micros());
        let due = view.prepare(DUE)?.all(values![account, endpoint.base, now, limit], |row| {
            let target: i64 = row.get(4)?;
            let is_notified = target == Target::Notification as i64;
            let to = if is_notified { Target::Notification } else { Target::Callback };
            let message: i64 = row.get(5)?;
            Ok(Deferred {
                debt: Debt { event: EventId(row.get(0)?), to },
                message: is_notified.then_some(MessageId(message)),
                due: Instant::from_micros(row.get(1)?),
                tries: row.get(2)?,
                url: row.get(3)?,
                endpoint: endpoint.clone(),
                failure: String::new(),
            })
        })?;
        if due.len() == room {
            found.waiting.push(endpoint.clone());
        }
        for callback in due {
            let debt = callback.debt;
            if debt.to == Target::Notification {
                let notification = owed::of_filed(view, debt.event)?;
                found.callbacks.push(DueCallback { callback, told: None, notification });
                continue;
            }
            let told = told(view, debt.event)?;
            match told {
                Some((part, kind)) if is_overtaken(view, part, kind)? => {
                    found.overtaken.push(debt);
                }
                _ => found.callbacks.push(DueCallback { callback, told, notification: None }),
            }
        }
        Ok(())
    }
}

/// What an event tells, and of which part.
fn told(view: &mut View<'_>, event: EventId) -> Result<Option<(PartId, EventKind)>> {
    let Some(mut told) = view.prepare_for(TOLD, event.0)? else { return Ok(None) };
    let told: Option<(i64, i64)> = told.first([event.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(told.and_then(|(part, kind)| Some((PartId(part), EventKind::from_stored(kind)?))))
}

/// Whether the part has come to another end since.
fn is_overtaken(view: &mut View<'_>, part: PartId, kind: EventKind) -> Result<bool> {
    let Some(mut state) = view.prepare_for(STATE, part.message().0)? else {
        return Ok(false);
    };
    let state: Option<i64> = state.first([part.0], |row| row.get(0))?;
    let state = state.and_then(PartState::from_stored);
    Ok(state.is_some_and(|state| state.is_final() && kind.end() != Some(state)))
}

/// Gives up what an endpoint was owed for too long.
#[derive(Debug, Clone)]
pub struct GiveUp {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The time.
    pub now: Instant,
}

impl Operation for GiveUp {
    /// How many callbacks; where they are many, others may be left.
    type Answer = usize;

    fn rows(&self) -> usize {
        ROWS_PER_OPERATION_MAX
    }

    fn run(&self, work: &mut Work<'_>) -> Result<usize> {
        let limit = i64::try_from(ROWS_PER_OPERATION_MAX).unwrap_or(i64::MAX);
        work.prepare(GIVE_UP)?.execute(values![
            self.endpoint.account.0,
            self.endpoint.base,
            self.now.minus(KEPT).micros(),
            limit,
        ])
    }
}

//! Callbacks to be tried (again): a queue for each endpoint of each account.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use pombo_domain::id::{AccountId, EventId, PartId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::time::Instant;

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
    DUE = "select event, due, tries, url from callback_due where account = $1 and endpoint = $2 \
        and due <= $3 order by due, event limit $4";
    TOLD = "select part, kind from event_{day} where id = $1";
    STATE = "select state from part_{day} where id = $1";
    DEFER = "insert into callback_due (event, due, tries, url, failure, account, endpoint) \
        values ($1, $2, $3, $4, $5, $6, $7) on conflict (event) do update set due = excluded.due, \
        tries = excluded.tries, failure = excluded.failure";
    DONE = "delete from callback_due where event = $1";
    GIVE_UP = "delete from callback_due where event in (select event from callback_due \
        where account = $1 and endpoint = $2 and due < $3 order by due limit $4)";
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

/// A callback to be tried (again).
#[derive(Debug, Clone)]
pub struct Deferred {
    /// The event it tells.
    pub event: EventId,
    /// Not before.
    pub due: Instant,
    /// Tries so far.
    pub tries: u8,
    /// The whole URL.
    pub url: String,
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
    pub done: Vec<EventId>,
}

impl Operation for Settle {
    type Answer = ();

    fn rows(&self) -> usize {
        1 + self.deferred.len() + self.done.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        for callback in &self.deferred {
            work.prepare(DEFER)?.execute(values![
                callback.event.0,
                callback.due.micros(),
                callback.tries,
                callback.url,
                callback.failure,
                callback.endpoint.account.0,
                callback.endpoint.base,
            ])?;
        }
        for event in &self.done {
            work.prepare(DONE)?.execute([event.0])?;
        }
        if let Some(cursor) = self.cursor {
            work.prepare(SET_CURSOR)?.execute([cursor.0])?;
        }
        Ok(())
    }
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
}

/// A callback that is due.
#[derive(Debug, Clone)]
pub struct DueCallback {
    /// It.
    pub callback: Deferred,
    /// Of which part it tells, and what; `None` where its day is forgotten.
    pub told: Option<(PartId, EventKind)>,
}

/// The answer to [`Due`].
#[derive(Debug, Default)]
pub struct DueCallbacks {
    /// Each endpoint's in the order in which they are due.
    pub callbacks: Vec<DueCallback>,
    /// Those that are no longer worth telling: their part has come to another end since.
    pub overtaken: Vec<EventId>,
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
                if due < self.now.minus(KEPT).micros() {
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
            Ok(Deferred {
                event: EventId(row.get(0)?),
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
            let told = told(view, callback.event)?;
            match told {
                Some((part, kind)) if is_overtaken(view, part, kind)? => {
                    found.overtaken.push(callback.event);
                }
                _ => found.callbacks.push(DueCallback { callback, told }),
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

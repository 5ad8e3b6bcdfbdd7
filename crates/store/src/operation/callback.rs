//! What the notifier reads and writes: events that owe a callback, and those to be tried again.

use std::collections::HashMap;

use pombo_domain::address::Phone;
use pombo_domain::id::{EventId, MessageId, PartId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::time::Instant;
use rusqlite::{OptionalExtension, params};

use super::request::{self, Request};
use super::{Operation, Question, View};
use crate::sqlite::{Work, day_of};
use crate::statement::statements;

statements! {
    AFTER = "select id, part, kind, at, word, code from event_{day} where id > $1 \
        order by id limit $2";
    RECIPIENT = "select recipient, price from part_{day} where id = $1";
    CURSOR = "select event from event_cursor where reader = 'callback'";
    SET_CURSOR = "insert into event_cursor (reader, event) values ('callback', $1) \
        on conflict (reader) do update set event = excluded.event";
    NEXT_HOST = "select host, due from callback_due where host > $1 order by host, due limit 1";
    DUE = "select event, due, tries, url from callback_due where host = $1 and due <= $2 \
        order by due, event limit $3";
    TOLD = "select part, kind from event_{day} where id = $1";
    STATE = "select state from part_{day} where id = $1";
    DEFER = "insert into callback_due (event, due, tries, url, failure, host) \
        values ($1, $2, $3, $4, $5, $6) on conflict (event) do update set due = excluded.due, \
        tries = excluded.tries, failure = excluded.failure";
    DONE = "delete from callback_due where event = $1";
}

/// The events after a point that owe their request a callback.
#[derive(Debug, Clone, Copy)]
pub struct After {
    /// The last event looked at.
    pub cursor: EventId,
    /// Events to look at, at most.
    pub limit: usize,
    /// Whether the carrier's acceptance owes one too.
    pub submitted: bool,
}

/// The answer to [`After`].
#[derive(Debug, Default)]
pub struct Owed {
    /// Callbacks, in the order of events.
    pub callbacks: Vec<OwedCallback>,
    /// The last event looked at.
    pub cursor: i64,
    /// How many events were looked at.
    pub n_seen: usize,
}

/// One callback with everything that its URL may ask for.
#[derive(Debug, Clone)]
pub struct OwedCallback {
    /// The event it tells.
    pub event: EventId,
    /// The URL template.
    pub template: String,
    /// The part it is about.
    pub part: PartId,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Instant,
    /// The carrier's word.
    pub word: String,
    /// The carrier's error code.
    pub code: String,
    /// The sender.
    pub from: String,
    /// The recipient.
    pub to: Phone,
    /// What the part costs.
    pub price: Money,
    /// When the request was accepted.
    pub created: Instant,
    /// The campaign; 0 where the request named none.
    pub campaign: i64,
    /// The sending.
    pub sending: i64,
}

struct Event {
    id: i64,
    part: PartId,
    kind: EventKind,
    at: Instant,
    word: String,
    code: String,
}

impl Question for After {
    type Answer = Owed;

    fn answer(self, view: &mut View<'_>) -> rusqlite::Result<Owed> {
        let events = self.events(view)?;
        let mut owed = Owed { cursor: self.cursor.0, n_seen: events.len(), ..Owed::default() };
        let mut requests = Requests::default();
        for event in events {
            owed.cursor = event.id;
            if !self.tells(event.kind) {
                continue;
            }
            let message = event.part.message();
            let Some(request) = requests.of(view, message)? else {
                continue;
            };
            if request.callback.is_empty() && !request.callback_each {
                continue;
            }
            let request = request.clone_for_callback();
            let template = if request.each {
                request::callback_of(view, message)?.unwrap_or_default()
            } else {
                request.template
            };
            let Some(mut recipient) = view.prepare_for(RECIPIENT, message.0)? else {
                continue;
            };
            let found: Option<(i64, i64)> = recipient
                .query_row([event.part.0], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((to, price)) = found else { continue };
            owed.callbacks.push(OwedCallback {
                event: EventId(event.id),
                template,
                part: event.part,
                kind: event.kind,
                at: event.at,
                word: event.word,
                code: event.code,
                from: request.sender,
                to: Phone::from_stored(to.unsigned_abs()),
                price: Money::from_micros(price),
                created: request.created,
                campaign: request.campaign,
                sending: request.sending,
            });
        }
        Ok(owed)
    }
}

impl After {
    fn events(&self, view: &mut View<'_>) -> rusqlite::Result<Vec<Event>> {
        let mut events = Vec::new();
        for day in view.days_since(day_of(self.cursor.0))? {
            let room = self.limit - events.len();
            if room == 0 {
                break;
            }
            let room = i64::try_from(room).unwrap_or(i64::MAX);
            let mut after = view.prepare_on(AFTER, day)?;
            let rows = after.query_map([self.cursor.0, room], |row| {
                Ok(Event {
                    id: row.get(0)?,
                    part: PartId(row.get(1)?),
                    kind: EventKind::from_stored(row.get(2)?).unwrap_or(EventKind::Deferred),
                    at: Instant::from_micros(row.get(3)?),
                    word: row.get(4)?,
                    code: row.get(5)?,
                })
            })?;
            for event in rows {
                events.push(event?);
            }
        }
        Ok(events)
    }

    /// Immediate refusals by us are in the API's answer already; everything a carrier said is told.
    fn tells(&self, kind: EventKind) -> bool {
        match kind {
            EventKind::Delivered
            | EventKind::Undelivered
            | EventKind::Expired
            | EventKind::Rejected
            | EventKind::Refused
            | EventKind::Buffered => true,
            EventKind::Sent => self.submitted,
            EventKind::Uncertain | EventKind::Deferred | EventKind::Cancelled => false,
        }
    }
}

/// The requests met in one answer: events of one request come together.
#[derive(Default)]
struct Requests {
    last: Option<Request>,
    by_id: HashMap<i64, Request>,
}

struct ForCallback {
    template: String,
    each: bool,
    sender: String,
    created: Instant,
    campaign: i64,
    sending: i64,
}

impl Request {
    fn clone_for_callback(&self) -> ForCallback {
        ForCallback {
            template: self.callback.clone(),
            each: self.callback_each,
            sender: self.sender.clone(),
            created: self.created,
            campaign: if self.campaign_named { self.campaign.0 } else { 0 },
            sending: self.sending.0,
        }
    }
}

impl Requests {
    fn of(&mut self, view: &mut View<'_>, id: MessageId) -> rusqlite::Result<Option<&Request>> {
        let holds = |request: &Request| {
            (request.id.0..request.id.0 + i64::from(request.n_messages)).contains(&id.0)
        };
        if !self.last.as_ref().is_some_and(holds) {
            if let Some(before) = self.last.take()
                && before.n_messages > 1
            {
                self.by_id.insert(before.id.0, before);
            }
            self.last = match self.by_id.values().find(|r| holds(r)).map(|r| r.id.0) {
                Some(known) => self.by_id.remove(&known),
                None => request::seen(view, id)?,
            };
        }
        Ok(self.last.as_ref())
    }
}

/// Where the notifier left off.
#[derive(Debug, Clone, Copy)]
pub struct Cursor;

impl Question for Cursor {
    type Answer = EventId;

    fn answer(self, view: &mut View<'_>) -> rusqlite::Result<EventId> {
        let mut cursor = view.prepare(CURSOR)?;
        let mut rows = cursor.query([])?;
        Ok(EventId(rows.next()?.map_or(Ok(0), |row| row.get(0))?))
    }
}

/// What became of callbacks.
#[derive(Debug, Clone, Default)]
pub struct Settle {
    /// Everything up to here is done or deferred.
    pub cursor: Option<EventId>,
    /// To be tried (again): event, when, tries so far, URL, why.
    pub deferred: Vec<Deferred>,
    /// Deferred ones that are over: delivered, or given up.
    pub done: Vec<EventId>,
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
    /// The scheme, host and port of the URL: whose queue it stands in.
    pub host: String,
    /// Why the last try failed; empty where none was made yet.
    pub failure: String,
}

impl Operation for Settle {
    type Answer = ();

    fn rows(&self) -> usize {
        1 + self.deferred.len() + self.done.len()
    }

    fn run(&self, work: &mut Work<'_>) -> rusqlite::Result<()> {
        for callback in &self.deferred {
            work.prepare(DEFER)?.execute(params![
                callback.event.0,
                callback.due.micros(),
                callback.tries,
                callback.url,
                callback.failure,
                callback.host
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

/// Deferred callbacks that are due, a few of each host, host after host.
#[derive(Debug, Clone)]
pub struct Due {
    /// The time.
    pub now: Instant,
    /// Looks at the hosts after this one; empty: from the first.
    pub after: String,
    /// In all, roughly so many.
    pub limit: usize,
    /// Of these hosts, at most so many each.
    pub rooms: HashMap<String, usize>,
    /// And of any other.
    pub room: usize,
}

/// The answer to [`Due`].
#[derive(Debug, Default)]
pub struct DueCallbacks {
    /// Each host's in the order in which they are due.
    pub callbacks: Vec<Deferred>,
    /// Those that tell of no end while their part has ended since: no longer worth telling.
    pub overtaken: Vec<EventId>,
    /// The last host looked at; empty: there was none after it.
    pub last_host: String,
    /// Whether a host may have more that are due.
    pub more: bool,
}

/// Hosts that one look may visit, so that it stays short whatever their number.
const HOSTS_PER_LOOK: usize = 1_000;

impl Question for Due {
    type Answer = DueCallbacks;

    fn answer(self, view: &mut View<'_>) -> rusqlite::Result<DueCallbacks> {
        let mut found = DueCallbacks { last_host: self.after.clone(), ..DueCallbacks::default() };
        let mut next_host = view.prepare(NEXT_HOST)?;
        for _ in 0..HOSTS_PER_LOOK {
            if found.callbacks.len() >= self.limit {
                found.more = true;
                return Ok(found);
            }
            let next: Option<(String, i64)> = next_host
                .query_row([&found.last_host], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((host, due)) = next else {
                found.last_host.clear();
                return Ok(found);
            };
            let room = self.rooms.get(&host).copied().unwrap_or(self.room);
            if due <= self.now.micros() && room > 0 {
                self.of_host(view, (&host, room), &mut found)?;
            }
            found.last_host = host;
        }
        Ok(found)
    }
}

impl Due {
    fn of_host(
        &self,
        view: &mut View<'_>,
        (host, room): (&str, usize),
        found: &mut DueCallbacks,
    ) -> rusqlite::Result<()> {
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let due = view
            .prepare(DUE)?
            .query_map(params![host, self.now.micros(), limit], |row| {
                Ok(Deferred {
                    event: EventId(row.get(0)?),
                    due: Instant::from_micros(row.get(1)?),
                    tries: row.get(2)?,
                    url: row.get(3)?,
                    host: host.to_owned(),
                    failure: String::new(),
                })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        found.more |= due.len() == room;
        for callback in due {
            if is_overtaken(view, callback.event)? {
                found.overtaken.push(callback.event);
            } else {
                found.callbacks.push(callback);
            }
        }
        Ok(())
    }
}

/// Whether an event tells of no end while its part has ended since.
fn is_overtaken(view: &mut View<'_>, event: EventId) -> rusqlite::Result<bool> {
    let Some(mut told) = view.prepare_for(TOLD, event.0)? else { return Ok(false) };
    let told: Option<(i64, i64)> =
        told.query_row([event.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((part, kind)) = told else { return Ok(false) };
    if !matches!(EventKind::from_stored(kind), Some(EventKind::Sent | EventKind::Buffered)) {
        return Ok(false);
    }
    let Some(mut state) = view.prepare_for(STATE, PartId(part).message().0)? else {
        return Ok(false);
    };
    let state: Option<i64> = state.query_row([part], |row| row.get(0)).optional()?;
    Ok(state.and_then(PartState::from_stored).is_some_and(PartState::is_final))
}

//! `status`: what an owner can read of a message.

use std::collections::HashMap;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId, PartId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::time::Instant;

use super::request::{self, Request};
use super::{Question, View, text};
use crate::error::Result;
use crate::statement::statements;

statements! {
    PARTS = "select id, recipient, route, state, event, price from part_{day} \
        where id between $1 and $2 order by id";
    ROUTES = "select id, name from route";
    EVENT = "select kind, route, at, prev, word, code, detail from event_{day} where id = $1";
}

/// The messages of one account among these ids.
#[derive(Debug, Clone)]
pub struct Status {
    /// Whose.
    pub account: AccountId,
    /// Which; unknown ones and those of others are left out.
    pub ids: Vec<MessageId>,
}

/// One message.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// Its request.
    pub request: Request,
    /// What it says.
    pub text: String,
    /// To whom.
    pub to: Phone,
    /// Its parts, in order.
    pub parts: Vec<PartView>,
    /// What happened to its parts, in the order in which it happened.
    pub events: Vec<EventView>,
}

/// One part.
#[derive(Debug, Clone)]
pub struct PartView {
    /// Where it stands.
    pub state: PartState,
    /// The name of the route it is on.
    pub route: String,
    /// What it costs where a carrier takes it.
    pub price: Money,
}

/// One event of a part.
#[derive(Debug, Clone)]
pub struct EventView {
    /// Zero-based index of the part.
    pub part_idx: u8,
    /// What.
    pub kind: EventKind,
    /// The name of the route.
    pub route: String,
    /// When.
    pub at: Instant,
    /// The carrier's word.
    pub word: String,
    /// The carrier's error code.
    pub code: String,
    /// The carrier's id or words.
    pub detail: String,
}

impl Question for Status {
    type Answer = Vec<MessageView>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<MessageView>> {
        let routes = view.prepare(ROUTES)?.all((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let routes: HashMap<i64, String> = routes.into_iter().collect();
        let mut found = Vec::new();
        let mut current: Option<Request> = None;
        for id in self.ids {
            // Ids of one request come together more often than not.
            let near = current.take().filter(|request| {
                (request.id.0..request.id.0 + i64::from(request.n_messages)).contains(&id.0)
            });
            let request = match near {
                Some(request) => request,
                None => match request::seen(view, id)? {
                    Some(request) => request,
                    None => continue,
                },
            };
            if request.account == self.account
                && let Some(message) = message(view, id, &request, &routes)?
            {
                found.push(message);
            }
            current = Some(request);
        }
        Ok(found)
    }
}

fn message(
    view: &mut View<'_>,
    id: MessageId,
    request: &Request,
    routes: &HashMap<i64, String>,
) -> Result<Option<MessageView>> {
    let Some(mut parts) = view.prepare_for(PARTS, id.0)? else {
        return Ok(None);
    };
    let name = |route: i64| routes.get(&route).cloned().unwrap_or_default();
    let rows: Vec<(PartId, i64, i64, PartView)> =
        parts.all([id.part(0).0, id.part(15).0], |row| {
            let state = PartState::from_stored(row.get(3)?).unwrap_or(PartState::Uncertain);
            let price = Money::from_micros(row.get(5)?);
            let part = PartView { state, route: name(row.get(2)?), price };
            Ok((PartId(row.get(0)?), row.get(1)?, row.get(4)?, part))
        })?;
    let Some(&(_, recipient, ..)) = rows.first() else {
        return Ok(None);
    };
    let mut events = Vec::new();
    for &(part, _, newest, _) in &rows {
        events.extend(history(view, part, newest, &name)?);
    }
    events.sort_by_key(|(event, _)| *event);
    Ok(Some(MessageView {
        id,
        text: text::seen(view, request, id)?.unwrap_or_else(|| request.text.clone()),
        request: request.clone(),
        to: Phone::from_stored(recipient.unsigned_abs()),
        parts: rows.into_iter().map(|(.., part)| part).collect(),
        events: events.into_iter().map(|(_, event)| event).collect(),
    }))
}

/// A part's events, newest first, with their ids.
fn history(
    view: &mut View<'_>,
    part: PartId,
    newest: i64,
    name: &impl Fn(i64) -> String,
) -> Result<Vec<(i64, EventView)>> {
    let mut events = Vec::new();
    let mut next = newest;
    while next != 0 {
        let Some(mut event) = view.prepare_for(EVENT, next)? else {
            break;
        };
        let row = event.first([next], |row| {
            let kind = EventKind::from_stored(row.get(0)?).unwrap_or(EventKind::Deferred);
            let event = EventView {
                part_idx: part.idx(),
                kind,
                route: name(row.get(1)?),
                at: Instant::from_micros(row.get(2)?),
                word: row.get(4)?,
                code: row.get(5)?,
                detail: row.get(6)?,
            };
            Ok((event, row.get::<i64>(3)?))
        })?;
        let Some((event, prev)) = row else { break };
        events.push((next, event));
        next = prev;
    }
    Ok(events)
}

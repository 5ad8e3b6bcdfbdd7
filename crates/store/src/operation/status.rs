//! `status`: what an owner can read of a message.

use std::collections::HashMap;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId, PartId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::price::Refund;
use pombo_domain::time::Instant;

use super::request::{self, Request};
use super::{Question, View, history, route, text};
use crate::error::Result;
use crate::statement::statements;

statements! {
    PARTS = "select id, recipient, route, state, event, price, refund from part_{day} \
        where id between $1 and $2 order by id";
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
    /// Whether that is given back.
    pub refund: Refund,
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
        let routes = route::names(view)?;
        let mut found = Vec::new();
        let mut current: Option<Request> = None;
        for id in self.ids {
            // Ids of one request come together more often than not.
            let near = current.take().filter(|request| request.holds(id));
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

/// One message, as its owner sees it.
pub(super) fn message(
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
            let refund = Refund::from_stored(row.get(6)?);
            let part = PartView { state, route: name(row.get(2)?), price, refund };
            Ok((PartId(row.get(0)?), row.get(1)?, row.get(4)?, part))
        })?;
    let Some(&(_, recipient, ..)) = rows.first() else {
        return Ok(None);
    };
    let mut events = Vec::new();
    let told = history::events(view, rows.iter().map(|(_, _, newest, _)| *newest))?;
    for ((part, ..), told) in rows.iter().zip(told) {
        events.extend(told.into_iter().map(|event| seen(*part, event, &name)));
    }
    events.sort_by_key(|(event, _)| *event);
    Ok(Some(MessageView {
        id,
        text: text::shown(view, request, id)?,
        request: request.clone(),
        to: Phone::from_stored(recipient.unsigned_abs()),
        parts: rows.into_iter().map(|(.., part)| part).collect(),
        events: events.into_iter().map(|(_, event)| event).collect(),
    }))
}

/// A part's event as it is shown, with its id.
fn seen(part: PartId, event: history::Event, name: &impl Fn(i64) -> String) -> (i64, EventView) {
    let seen = EventView {
        part_idx: part.idx(),
        kind: event.kind,
        route: name(event.route.0),
        at: event.at,
        word: event.word,
        code: event.code,
        detail: event.detail,
    };
    (event.id, seen)
}

//! What an event owes its account's URL, and the events of one account read anew.

use std::collections::HashMap;
use std::ops::ControlFlow;

use pombo_domain::id::{AccountId, CampaignId, EventId, MessageId};
use pombo_domain::link::Click;
use pombo_domain::message::EventKind;
use pombo_domain::notification::{OwnEvents, is_state, moves_message};
use pombo_domain::time::Instant;

use super::super::callback::{self, Event, Requests};
use super::super::inbound::{self, Message};
use super::super::request::Request;
use super::super::{Question, View, history};
use crate::error::Result;
use crate::statement::statements;

statements! {
    PARTS = "select id, event from part_{day} where id between $1 and $2 order by id";
    EVENT = "select id, part, kind, at, word, code, prev from event_{day} where id = $1";
    CLICK = "select detail from event_{day} where id = $1";
    CAMPAIGN = "select name from campaign where id = $1";
    WAITS = "select min(event) from callback_due where target = 1 and message = $1";
}

/// Who is told: each account with the events of our own that it asked for.
pub type Audience = HashMap<AccountId, OwnEvents>;

/// One notification with everything that its body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedNotification {
    /// The event it tells.
    pub event: EventId,
    /// Whose.
    pub account: AccountId,
    /// The message it is about.
    pub message: MessageId,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Instant,
    /// The campaign; 0 where the request named none.
    pub campaign: CampaignId,
    /// Its name.
    pub campaign_name: String,
    /// The link that was followed, of a click.
    pub clicked: Option<String>,
    /// What the recipient wrote, of an answer and what it did.
    pub inbound: Option<Box<Message>>,
    /// Another of the same message waits in the store, and comes first.
    pub is_behind: bool,
}

/// The notification that an event owes, where it owes one to this audience.
pub(crate) fn of_event(
    view: &mut View<'_>,
    event: &Event,
    request: &Request,
    audience: &Audience,
) -> Result<Option<OwedNotification>> {
    let asked = audience.get(&request.account);
    if !asked.is_some_and(|asked| asked.tells(event.kind)) {
        return Ok(None);
    }
    if request.n_parts > 1 && is_state(event.kind) && !moves(view, event)? {
        return Ok(None);
    }
    if event.is_repeated(view)? {
        return Ok(None);
    }
    told(view, event, request).map(Some)
}

fn told(view: &mut View<'_>, event: &Event, request: &Request) -> Result<OwedNotification> {
    let message = event.part.message();
    let first: Option<i64> = view.prepare(WAITS)?.one([message.0], |row| row.get(0))?;
    let campaign = if request.campaign_named { request.campaign } else { CampaignId(0) };
    let campaign_name = match request.campaign_named {
        true => view.prepare(CAMPAIGN)?.first([campaign.0], |row| row.get(0))?,
        false => None,
    };
    let clicked = match (event.kind, view.prepare_for(CLICK, event.id)?) {
        (EventKind::Clicked, Some(mut click)) => {
            let stored: Option<String> = click.first([event.id], |row| row.get(0))?;
            stored.map(|stored| Click::from_stored(&stored).url)
        }
        _ => None,
    };
    let inbound = written(view, event)?;
    Ok(OwedNotification {
        event: EventId(event.id),
        account: request.account,
        message,
        kind: event.kind,
        at: event.at,
        campaign,
        campaign_name: campaign_name.unwrap_or_default(),
        clicked,
        inbound,
        is_behind: first.is_some_and(|first| first < event.id),
    })
}

/// What the recipient wrote, where the event tells of that.
fn written(view: &mut View<'_>, event: &Event) -> Result<Option<Box<Message>>> {
    if !event.kind.is_of_recipient() || event.kind == EventKind::Clicked {
        return Ok(None);
    }
    let Some(mut detail) = view.prepare_for(CLICK, event.id)? else { return Ok(None) };
    let stored: Option<String> = detail.first([event.id], |row| row.get(0))?;
    match stored.and_then(|id| id.parse().ok()) {
        Some(id) => Ok(inbound::seen(view, id)?.map(Box::new)),
        None => Ok(None),
    }
}

/// The notification of what somebody wrote who answers no message of ours; its part is the number
/// of what they wrote, negative.
pub(crate) fn of_inbound(
    view: &mut View<'_>,
    event: &Event,
    audience: &Audience,
) -> Result<Option<OwedNotification>> {
    let Some(inbound) = inbound::seen(view, event.part.0.saturating_neg())? else {
        return Ok(None);
    };
    let Some(account) = inbound.account else { return Ok(None) };
    if !audience.get(&account).is_some_and(|asked| asked.tells(event.kind)) {
        return Ok(None);
    }
    let message = MessageId(event.part.0);
    let first: Option<i64> = view.prepare(WAITS)?.one([message.0], |row| row.get(0))?;
    Ok(Some(OwedNotification {
        event: EventId(event.id),
        account,
        message,
        kind: event.kind,
        at: event.at,
        campaign: CampaignId(0),
        campaign_name: String::new(),
        clicked: None,
        inbound: Some(Box::new(inbound)),
        is_behind: first.is_some_and(|first| first < event.id),
    }))
}

/// Whether the event of a part moves its message, by what all parts had come to before it.
fn moves(view: &mut View<'_>, event: &Event) -> Result<bool> {
    let message = event.part.message();
    let Some(mut parts) = view.prepare_for(PARTS, message.0)? else { return Ok(false) };
    let parts: Vec<(i64, i64)> =
        parts.all([message.part(0).0, message.part(15).0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (mut before, mut others) = (None, Vec::with_capacity(parts.len()));
    for (part, newest) in parts {
        let state = state_before(view, newest, event.id)?;
        if part == event.part.0 {
            before = state;
        } else {
            others.push(state);
        }
    }
    Ok(moves_message(event.kind, before, &others))
}

/// Where a part had come to before an event.
fn state_before(view: &mut View<'_>, newest: i64, event: i64) -> Result<Option<EventKind>> {
    let mut state = None;
    history::kinds(view, newest, |id, kind| {
        if id < event && is_state(kind) {
            state = Some(kind);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(state)
}

/// The notification of an event that was filed; `None` where its day is forgotten.
pub(crate) fn of_filed(view: &mut View<'_>, event: EventId) -> Result<Option<OwedNotification>> {
    let Some(mut row) = view.prepare_for(EVENT, event.0)? else { return Ok(None) };
    let Some(event) = row.first([event.0], Event::from_row)? else {
        return Ok(None);
    };
    if event.part.0 < 0 {
        let Some(inbound) = inbound::seen(view, event.part.0.saturating_neg())? else {
            return Ok(None);
        };
        let audience = inbound.account.map(|account| (account, OwnEvents::ALL));
        return of_inbound(view, &event, &audience.into_iter().collect());
    }
    match Requests::default().of(view, event.part.message())? {
        Some(request) => told(view, &event, &request.clone()).map(Some),
        None => Ok(None),
    }
}

/// The events of one account after a point, once more.
#[derive(Debug, Clone, Copy)]
pub struct Again {
    /// Whose.
    pub account: AccountId,
    /// The events of our own that it asked for.
    pub asked: OwnEvents,
    /// The last event looked at.
    pub cursor: EventId,
    /// And none after this one.
    pub to: EventId,
    /// Events of the log to look at, at most.
    pub limit: usize,
    /// Notifications at most.
    pub room: usize,
}

/// The answer to [`Again`].
#[derive(Debug, Default)]
pub struct AgainOwed {
    /// Notifications, in the order of events.
    pub notifications: Vec<OwedNotification>,
    /// The last event looked at; `to` where there is none after it.
    pub cursor: i64,
}

impl Question for Again {
    type Answer = AgainOwed;

    fn answer(self, view: &mut View<'_>) -> Result<AgainOwed> {
        let events = callback::events(view, self.cursor, self.limit)?;
        let is_all = events.len() < self.limit || events.iter().any(|e| e.id > self.to.0);
        let audience = Audience::from([(self.account, self.asked)]);
        let mut owed = AgainOwed { cursor: self.cursor.0, ..AgainOwed::default() };
        let mut requests = Requests::default();
        for event in events.into_iter().take_while(|event| event.id <= self.to.0) {
            if owed.notifications.len() >= self.room {
                return Ok(owed);
            }
            owed.cursor = event.id;
            if event.part.0 < 0 {
                owed.notifications.extend(of_inbound(view, &event, &audience)?);
                continue;
            }
            let Some(request) = requests.of(view, event.part.message())? else { continue };
            if request.account != self.account {
                continue;
            }
            let request = request.clone();
            owed.notifications.extend(of_event(view, &event, &request, &audience)?);
        }
        if is_all {
            owed.cursor = self.to.0;
        }
        Ok(owed)
    }
}

//! What an event owes its account's URL, and the events of one account read anew.

use std::collections::{BTreeSet, HashMap};
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
    DETAIL = "select detail from event_{day} where id = $1";
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
    /// What there is to tell besides.
    pub detail: Detail,
    /// Another of the same message waits in the store, and comes first.
    pub is_behind: bool,
}

/// What an event tells besides that it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// The link that was followed, of a click.
    Link(String),
    /// What the recipient wrote, of an answer and what it did.
    Written(Box<Message>),
    /// As it was written down: the `extra` of the notification.
    Kept(String),
}

/// The notification that an event owes, where it owes one to this audience; [`complete`] it.
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

/// Says of notifications what is not the event's own: their campaigns' names, and whether others
/// come first.
pub(crate) fn complete(view: &mut View<'_>, owed: &mut [OwedNotification]) -> Result<()> {
    if owed.is_empty() {
        return Ok(());
    }
    let messages = owed.iter().map(|owed| [owed.message.0]);
    let first: Vec<Option<i64>> = view
        .prepare(WAITS)?
        .first_of_each(messages, |row| row.get(0))?
        .into_iter()
        .map(Option::flatten)
        .collect();
    let named = owed.iter().map(|owed| owed.campaign.0).filter(|campaign| *campaign != 0);
    let named: BTreeSet<i64> = named.collect();
    let names = view
        .prepare(CAMPAIGN)?
        .first_of_each(named.iter().map(|campaign| [*campaign]), |row| row.get::<String>(0))?;
    let names: HashMap<i64, Option<String>> = named.into_iter().zip(names).collect();
    for (owed, first) in owed.iter_mut().zip(first) {
        owed.is_behind = first.is_some_and(|first| first < owed.event.0);
        owed.campaign_name = names.get(&owed.campaign.0).cloned().flatten().unwrap_or_default();
    }
    Ok(())
}

fn told(view: &mut View<'_>, event: &Event, request: &Request) -> Result<OwedNotification> {
    let message = event.part.message();
    let campaign = if request.campaign_named { request.campaign } else { CampaignId(0) };
    let detail = match event.kind {
        EventKind::Clicked => detail(view, event)?
            .map_or(Detail::None, |stored| Detail::Link(Click::from_stored(&stored).url)),
        kind if kind.is_of_recipient() => {
            written(view, event)?.map_or(Detail::None, Detail::Written)
        }
        _ => Detail::None,
    };
    Ok(OwedNotification {
        event: EventId(event.id),
        account: request.account,
        message,
        kind: event.kind,
        at: event.at,
        campaign,
        campaign_name: String::new(),
        detail,
        is_behind: false,
    })
}

fn detail(view: &mut View<'_>, event: &Event) -> Result<Option<String>> {
    match view.prepare_for(DETAIL, event.id)? {
        Some(mut detail) => detail.first([event.id], |row| row.get(0)),
        None => Ok(None),
    }
}

/// What the recipient wrote.
fn written(view: &mut View<'_>, event: &Event) -> Result<Option<Box<Message>>> {
    match detail(view, event)?.and_then(|id| id.parse().ok()) {
        Some(id) => Ok(inbound::seen(view, id)?.map(Box::new)),
        None => Ok(None),
    }
}

/// The notification of an event of no message of ours; [`complete`] it. Its part is a number, negative:
/// the account's where a limit was met; else that of what somebody wrote who answers no message.
/// Without an audience it is owed whoever asked.
pub(crate) fn of_no_message(
    view: &mut View<'_>,
    event: &Event,
    audience: Option<&Audience>,
) -> Result<Option<OwedNotification>> {
    let number = event.part.0.saturating_neg();
    let (account, told) = if event.kind == EventKind::CodesLimited {
        let told = detail(view, event)?.map_or(Detail::None, Detail::Kept);
        (AccountId(number), told)
    } else {
        let Some(inbound) = inbound::seen(view, number)? else { return Ok(None) };
        let Some(account) = inbound.account else { return Ok(None) };
        (account, Detail::Written(Box::new(inbound)))
    };
    let asks =
        |audience: &Audience| audience.get(&account).is_some_and(|asked| asked.tells(event.kind));
    if !audience.is_none_or(asks) {
        return Ok(None);
    }
    let message = MessageId(event.part.0);
    Ok(Some(OwedNotification {
        event: EventId(event.id),
        account,
        message,
        kind: event.kind,
        at: event.at,
        campaign: CampaignId(0),
        campaign_name: String::new(),
        detail: told,
        is_behind: false,
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
    let mut owed = if event.part.0 < 0 {
        of_no_message(view, &event, None)?
    } else if let Some(request) = Requests::default().of(view, event.part.message())? {
        Some(told(view, &event, request)?)
    } else {
        None
    };
    complete(view, owed.as_mut_slice())?;
    Ok(owed)
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
        let mut is_all = events.len() < self.limit || events.iter().any(|e| e.id > self.to.0);
        let audience = Audience::from([(self.account, self.asked)]);
        let mut owed = AgainOwed { cursor: self.cursor.0, ..AgainOwed::default() };
        let mut requests = Requests::default();
        requests.read_ahead(view, events.iter().map(|event| event.part.message()))?;
        for event in events.into_iter().take_while(|event| event.id <= self.to.0) {
            if owed.notifications.len() >= self.room {
                is_all = false;
                break;
            }
            owed.cursor = event.id;
            if event.part.0 < 0 {
                owed.notifications.extend(of_no_message(view, &event, Some(&audience))?);
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
        complete(view, &mut owed.notifications)?;
        Ok(owed)
    }
}

//! Events that owe a callback or a notification, behind the notifier's cursor.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, EventId, MessageId, PartId};
use pombo_domain::message::EventKind;
use pombo_domain::money::Money;
use pombo_domain::time::Instant;

use super::notification::owed::{self, Audience, OwedNotification};
use super::request::{self, Request};
use super::{Question, View, history};
use crate::error::Result;
use crate::sql::Row;
use crate::statement::statements;
use crate::work::{day_of, first_of_day};

statements! {
    AFTER = "select id, part, kind, at, word, code, prev from event_{day} where id > $1 \
        order by id limit $2";
    RECIPIENT = "select recipient, price from part_{day} where id = $1";
    CURSOR = "select event from event_cursor where reader = 'callback'";
}

/// The events after a point that owe their request a callback, or their account a notification.
#[derive(Debug, Clone)]
pub struct After {
    /// The last event looked at.
    pub cursor: EventId,
    /// Events to look at, at most.
    pub limit: usize,
    /// Whether the carrier's acceptance owes one too.
    pub submitted: bool,
    /// The accounts that are notified.
    pub audience: Arc<Audience>,
}

/// The answer to [`After`].
#[derive(Debug, Default)]
pub struct Owed {
    /// Callbacks, in the order of events.
    pub callbacks: Vec<OwedCallback>,
    /// Notifications, in the order of events.
    pub notifications: Vec<OwedNotification>,
    /// The last event looked at.
    pub cursor: i64,
    /// How many events were looked at.
    pub n_seen: usize,
    /// There may be more of them, however few these are.
    pub may_be_more: bool,
}

/// One callback with everything that its URL may ask for.
#[derive(Debug, Clone)]
pub struct OwedCallback {
    /// The event it tells.
    pub event: EventId,
    /// Whose.
    pub account: AccountId,
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
    /// When the request was accepted, or was to be sent where that was later.
    pub sent: Instant,
    /// The campaign; 0 where the request named none.
    pub campaign: i64,
    /// The sending.
    pub sending: i64,
}

/// A line of the log.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) part: PartId,
    pub(crate) kind: EventKind,
    pub(crate) at: Instant,
    pub(crate) word: String,
    pub(crate) code: String,
    /// The part's event before it.
    pub(crate) prev: i64,
    /// The part's recipient, and its price, where they are known already.
    pub(crate) to: Option<(Phone, Money)>,
}

impl Event {
    /// Whether another carrier had taken the part before: who was told so is not told again.
    pub(crate) fn is_repeated(&self, view: &mut View<'_>) -> Result<bool> {
        let mut is_repeated = false;
        if self.kind == EventKind::Sent {
            history::kinds(view, self.prev, |_, kind| {
                is_repeated |= kind == EventKind::Sent;
                ControlFlow::Continue(())
            })?;
        }
        Ok(is_repeated)
    }

    pub(crate) fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            part: PartId(row.get(1)?),
            kind: EventKind::from_stored(row.get(2)?).unwrap_or(EventKind::Deferred),
            at: Instant::from_micros(row.get(3)?),
            word: row.get(4)?,
            code: row.get(5)?,
            prev: row.get(6)?,
            to: None,
        })
    }
}

/// The events after a point.
pub(crate) fn events(view: &mut View<'_>, cursor: EventId, limit: usize) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for day in view.days_since(day_of(cursor.0))? {
        let room = limit - events.len();
        if room == 0 {
            break;
        }
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        events.extend(view.prepare_on(AFTER, day)?.all([cursor.0, room], Event::from_row)?);
    }
    Ok(events)
}

impl Question for After {
    type Answer = Owed;

    fn answer(self, view: &mut View<'_>) -> Result<Owed> {
        let recent = view.lately.log.between(self.cursor, view.log_to, self.limit);
        let may_be_more = !recent.is_empty();
        let events = if may_be_more { recent } else { events(view, self.cursor, self.limit)? };
        let (cursor, n_seen) = (self.cursor.0, events.len());
        let mut owed = Owed { cursor, n_seen, may_be_more, ..Owed::default() };
        let mut requests = Requests::default();
        let is_owed = |event: &&Event| self.tells(event.kind) || !self.audience.is_empty();
        let messages = events.iter().filter(is_owed).map(|event| event.part.message());
        requests.read_ahead(view, messages)?;
        let mut callbacks = Vec::new();
        for event in events {
            owed.cursor = event.id;
            let is_told = self.tells(event.kind);
            if !is_told && self.audience.is_empty() {
                continue;
            }
            if event.part.0 < 0 {
                owed.notifications.extend(owed::of_no_message(view, &event, Some(&self.audience))?);
                continue;
            }
            let Some(request) = requests.of(view, event.part.message())? else { continue };
            if self.audience.contains_key(&request.account) {
                owed.notifications.extend(owed::of_event(view, &event, request, &self.audience)?);
            }
            let has_url = !request.callback.is_empty() || request.callback_each;
            if is_told && has_url && !event.is_repeated(view)? {
                callbacks.push((event, request.clone_for_callback()));
            }
        }
        owed::complete(view, &mut owed.notifications)?;
        owed.callbacks = addressed(view, callbacks)?;
        Ok(owed)
    }
}

/// The callbacks of events, with what their parts and messages have for themselves; those of one day
/// are looked up together.
fn addressed(
    view: &mut View<'_>,
    mut events: Vec<(Event, ForCallback)>,
) -> Result<Vec<OwedCallback>> {
    let mut callbacks = Vec::with_capacity(events.len());
    while let Some((first, _)) = events.first() {
        let day = day_of(first.part.message().0);
        let is_other = |(event, _): &(Event, ForCallback)| day_of(event.part.message().0) != day;
        let others = events.iter().position(is_other).unwrap_or(events.len());
        let later = events.split_off(others);
        complete(view, day, &mut events)?;
        let own = events.iter().filter(|(_, request)| request.each);
        let own: Vec<MessageId> = own.map(|(event, _)| event.part.message()).collect();
        let mut urls = request::callbacks_of(view, &own)?.into_iter();
        for (event, mut request) in events {
            if request.each {
                request.template = urls.next().flatten().unwrap_or_default();
            }
            callbacks.extend(callback_of(event, request));
        }
        events = later;
    }
    Ok(callbacks)
}

/// Reads to whom the parts of a day's events are, where that is not known.
fn complete(view: &mut View<'_>, day: i64, events: &mut [(Event, ForCallback)]) -> Result<()> {
    let unknown = events.iter_mut().map(|(event, _)| event).filter(|event| event.to.is_none());
    let unknown: Vec<&mut Event> = unknown.collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let Some(mut recipient) = view.prepare_for(RECIPIENT, first_of_day(day))? else {
        return Ok(());
    };
    let parts = unknown.iter().map(|event| [event.part.0]);
    let found: Vec<Option<(i64, i64)>> =
        recipient.first_of_each(parts, |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (event, found) in unknown.into_iter().zip(found) {
        event.to = found
            .map(|(to, price)| (Phone::from_stored(to.unsigned_abs()), Money::from_micros(price)));
    }
    Ok(())
}

/// `None` where the part is forgotten.
fn callback_of(event: Event, request: ForCallback) -> Option<OwedCallback> {
    let (to, price) = event.to?;
    Some(OwedCallback {
        event: EventId(event.id),
        account: request.account,
        template: request.template,
        part: event.part,
        kind: event.kind,
        at: event.at,
        word: event.word,
        code: event.code,
        from: request.sender,
        to,
        price,
        sent: request.sent,
        campaign: request.campaign,
        sending: request.sending,
    })
}

impl After {
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
            EventKind::Uncertain
            | EventKind::Deferred
            | EventKind::Cancelled
            | EventKind::Clicked
            | EventKind::Inbound
            | EventKind::Unsubscribed
            | EventKind::Resubscribed
            | EventKind::CodesLimited => false,
        }
    }
}

/// The requests met in one answer: events of one request come together.
#[derive(Default)]
pub(crate) struct Requests {
    last: Option<Arc<Request>>,
    by_id: BTreeMap<i64, Arc<Request>>,
}

struct ForCallback {
    account: AccountId,
    template: String,
    each: bool,
    sender: String,
    sent: Instant,
    campaign: i64,
    sending: i64,
}

impl Request {
    fn clone_for_callback(&self) -> ForCallback {
        ForCallback {
            account: self.account,
            template: self.callback.clone(),
            each: self.callback_each,
            sender: self.sender.clone(),
            sent: self.created.max(self.due),
            campaign: if self.campaign_named { self.campaign.0 } else { 0 },
            sending: self.sending.0,
        }
    }
}

impl Requests {
    /// Reads those of many messages, where looking up each takes long.
    pub(super) fn read_ahead(
        &mut self,
        view: &mut View<'_>,
        messages: impl Iterator<Item = MessageId>,
    ) -> Result<()> {
        if !view.is_far() {
            return Ok(());
        }
        let mut days: BTreeMap<i64, BTreeSet<MessageId>> = BTreeMap::new();
        for message in messages {
            if self.place_of(message).is_some() {
                continue;
            }
            match view.lately.requests.of_message(message) {
                Some(request) => drop(self.by_id.insert(request.id.0, request)),
                None => drop(days.entry(day_of(message.0)).or_default().insert(message)),
            }
        }
        let n_at_hand = self.by_id.len();
        for mut messages in days.into_values() {
            if let (Some(first), Some(last)) = (messages.first(), messages.last()) {
                // Those at hand may lie between them.
                let limit = messages.len() + n_at_hand;
                self.keep(request::between(view, (*first, *last), limit)?);
            }
            messages.retain(|message| self.place_of(*message).is_none());
            // Many of one request, or one of many.
            if let Some(first) = messages.pop_first() {
                self.keep(request::seen(view, first)?);
                messages.retain(|message| self.place_of(*message).is_none());
            }
            self.keep(request::seen_each(view, &messages)?);
        }
        Ok(())
    }

    fn keep(&mut self, found: impl IntoIterator<Item = Request>) {
        self.by_id.extend(found.into_iter().map(|request| (request.id.0, Arc::new(request))));
    }

    /// Where the request of a message is kept, where it is.
    fn place_of(&self, id: MessageId) -> Option<i64> {
        let (place, known) = self.by_id.range(..=id.0).next_back()?;
        known.holds(id).then_some(*place)
    }

    pub(crate) fn of(&mut self, view: &mut View<'_>, id: MessageId) -> Result<Option<&Request>> {
        if !self.last.as_ref().is_some_and(|request| request.holds(id)) {
            if let Some(before) = self.last.take()
                && (before.n_messages > 1 || view.is_far())
            {
                self.by_id.insert(before.id.0, before);
            }
            self.last = match self.place_of(id) {
                Some(place) => self.by_id.remove(&place),
                None => match view.lately.requests.of_message(id) {
                    Some(request) => Some(request),
                    None => request::seen(view, id)?.map(Arc::new),
                },
            };
        }
        Ok(self.last.as_deref())
    }
}

/// Where the notifier left off.
#[derive(Debug, Clone, Copy)]
pub struct Cursor;

impl Question for Cursor {
    type Answer = EventId;

    fn answer(self, view: &mut View<'_>) -> Result<EventId> {
        let cursor = view.prepare(CURSOR)?.first((), |row| row.get(0))?;
        Ok(EventId(cursor.unwrap_or(0)))
    }
}

/// An event of that number.
#[cfg(test)]
pub(crate) fn event(id: i64) -> Event {
    let (kind, at) = (EventKind::Sent, Instant::from_micros(0));
    let (word, code) = (String::new(), String::new());
    Event { id, part: PartId(16), kind, at, word, code, prev: 0, to: None }
}

//! The lives of a sending's parts, a page at a time: what reports tell, and what totals must equal.

use pombo_domain::address::Phone;
use pombo_domain::campaign::Totals;
use pombo_domain::id::{MessageId, PartId, SendingId};
use pombo_domain::limits::PARTS_MAX;
use pombo_domain::link::Click;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::price::Refund;
use pombo_domain::time::Instant;

use crate::error::Result;
use crate::operation::{Question, View, history};
use crate::sql::Row;
use crate::statement::statements;
use crate::work::day_of;

statements! {
    REQUESTS = "select id, messages from request_{day} where sending = $1 and id >= $2 \
        order by id limit $3";
    PARTS = "select id, recipient, state, price, event, refund from part_{day} \
        where id between $1 and $2 order by id limit $3";
    /// The detail of a click only: 11 is its kind.
    EVENT = "select prev, kind, at, case when kind = 11 then detail else '' end \
        from event_{day} where id = $1";
}

/// Requests that one page may touch, where each has few parts.
const REQUESTS_MAX: usize = 2_000;

/// A page of the lives of a sending's parts, message by message, in the order of acceptance.
#[derive(Debug, Clone, Copy)]
pub struct Lives {
    /// Which; the caller has seen whose it is.
    pub sending: SendingId,
    /// Where to go on.
    pub at: Place,
    /// Parts, roughly: a message is not cut.
    pub limit: usize,
}

/// A place among a sending's parts. The default is the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The request, or the first that it may be.
    request: i64,
    /// The next part of that request; 0: its first.
    part: i64,
}

/// One part and all that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Which.
    pub part: PartId,
    /// Parts of its message.
    pub n_parts: u8,
    /// To whom.
    pub to: Phone,
    /// Where it stands.
    pub state: PartState,
    /// Its price.
    pub price: Money,
    /// Whether that is given back.
    pub refund: Refund,
    /// What happened, oldest first.
    pub events: Vec<LifeEvent>,
}

/// One thing that happened to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeEvent {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Instant,
    /// Who followed which link, of a click.
    pub click: Option<Box<Click>>,
}

/// The answer to [`Lives`].
#[derive(Debug, Default)]
pub struct LivesPage {
    /// The parts.
    pub lives: Vec<Life>,
    /// Where to go on; `None`: that was all.
    pub next: Option<Place>,
}

impl Question for Lives {
    type Answer = LivesPage;

    fn answer(self, view: &mut View<'_>) -> Result<LivesPage> {
        let (found, next) = self.parts(view)?;
        let newest = found.iter().map(|(_, newest)| *newest);
        let events = history::chains(view, EVENT, newest, LifeEvent::from_row)?;
        let lives = found.into_iter().zip(events).map(|((life, _), mut events)| {
            events.reverse();
            Life { events, ..life }
        });
        Ok(LivesPage { lives: lives.collect(), next })
    }
}

/// A part without its events, and the newest of those.
type Found = (Life, i64);

impl Lives {
    /// The parts of whole messages, and where to go on; `None`: that was all.
    fn parts(self, view: &mut View<'_>) -> Result<(Vec<Found>, Option<Place>)> {
        let (mut found, mut at) = (Vec::new(), self.at);
        let mut n_requests = 0;
        for day in view.days_since(day_of(at.request))? {
            loop {
                if found.len() >= self.limit || n_requests >= REQUESTS_MAX {
                    return Ok((found, Some(at)));
                }
                let room = self.limit - found.len();
                let requests =
                    self.requests(view, (day, at), room.min(REQUESTS_MAX - n_requests))?;
                if requests.is_empty() {
                    break;
                }
                n_requests += requests.len();
                // A message more, so as to end between two.
                let limit = room + usize::from(PARTS_MAX);
                let bounds = requests.iter().map(|(id, n_messages)| {
                    let is_begun = id.0 == at.request && at.part != 0;
                    let from = if is_begun { at.part } else { id.part(0).0 };
                    let last = MessageId(id.0 + n_messages - 1).part(15).0;
                    [from, last, i64::try_from(limit).unwrap_or(i64::MAX)]
                });
                let parts = view.prepare_on(PARTS, day)?.each(bounds, Life::from_row)?;
                for ((id, _), parts) in requests.into_iter().zip(parts) {
                    if found.len() >= self.limit {
                        break;
                    }
                    at = match take_messages(parts, limit, self.limit, &mut found) {
                        Some(part) => Place { request: id.0, part },
                        None => Place { request: id.0 + 1, part: 0 },
                    };
                }
            }
        }
        Ok((found, None))
    }

    /// The next requests and how many messages each has: no more than may be needed, as a message
    /// has a part at least.
    fn requests(
        self,
        view: &mut View<'_>,
        (day, at): (i64, Place),
        limit: usize,
    ) -> Result<Vec<(MessageId, i64)>> {
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut requests: Vec<(MessageId, i64)> =
            view.prepare_on(REQUESTS, day)?.all([self.sending.0, at.request, wanted], |row| {
                Ok((MessageId(row.get(0)?), row.get(1)?))
            })?;
        let mut n_messages = 0;
        let is_enough = requests.iter().position(|(_, n)| {
            n_messages += n;
            n_messages >= wanted
        });
        requests.truncate(is_enough.map_or(requests.len(), |last| last + 1));
        Ok(requests)
    }
}

/// Takes the messages of a request, read up to `limit`, as long as fewer than `full` parts are found;
/// answers with which part to go on, where that were not all.
fn take_messages(
    mut parts: Vec<Found>,
    limit: usize,
    full: usize,
    found: &mut Vec<Found>,
) -> Option<i64> {
    let mut next = None;
    if parts.len() == limit
        && let Some(last) = parts.last().map(|(life, _)| life.part.message())
    {
        next = Some(last.part(0).0);
        parts.retain(|(life, _)| life.part.message() != last); // It may be cut.
    }
    for message in parts.chunk_by(|(a, _), (b, _)| a.part.message() == b.part.message()) {
        if found.len() >= full {
            return message.first().map(|(life, _)| life.part.0);
        }
        let n_parts = u8::try_from(message.len()).unwrap_or(u8::MAX);
        found
            .extend(message.iter().map(|(life, event)| (Life { n_parts, ..life.clone() }, *event)));
    }
    next
}

impl Life {
    fn from_row(row: &Row<'_>) -> Result<Found> {
        let life = Self {
            part: PartId(row.get(0)?),
            n_parts: 0,
            to: Phone::from_stored(row.get::<i64>(1)?.unsigned_abs()),
            state: PartState::from_stored(row.get(2)?).unwrap_or(PartState::Uncertain),
            price: Money::from_micros(row.get(3)?),
            refund: Refund::from_stored(row.get(5)?),
            events: Vec::new(),
        };
        Ok((life, row.get(4)?))
    }
}

impl LifeEvent {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let kind = history::kind_of(row)?;
        let click = (kind == EventKind::Clicked)
            .then(|| row.str(3).map(|stored| Box::new(Click::from_stored(stored))))
            .transpose()?;
        Ok(Self { kind, at: Instant::from_micros(row.get(2)?), click })
    }
}

/// Counts a page of lives from their events alone, but for what they cost.
#[must_use]
pub fn recount(lives: &[Life]) -> Totals {
    let mut totals = Totals::default();
    for message in lives.chunk_by(|a, b| a.part.message() == b.part.message()) {
        totals.messages += 1;
        let states: Vec<PartState> = message.iter().map(|life| life.state).collect();
        totals.count(&states, 1);
        let n_of = |kind: EventKind| {
            let events = message.iter().flat_map(|life| &life.events);
            events.filter(|event| event.kind == kind).count()
        };
        totals.count_clicks(n_of(EventKind::Clicked));
        let n_unsubscribed = n_of(EventKind::Unsubscribed);
        totals.unsubscribed += i64::try_from(n_unsubscribed).unwrap_or(i64::MAX);
        for life in message {
            let is_sent =
                |event: &LifeEvent| matches!(event.kind, EventKind::Sent | EventKind::Buffered);
            if life.events.iter().any(is_sent) {
                totals.count_sent(life.part);
            }
        }
    }
    totals
}

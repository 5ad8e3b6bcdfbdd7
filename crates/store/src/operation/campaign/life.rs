//! The lives of a sending's parts, a page at a time: what reports tell, and what totals must equal.

use std::collections::HashMap;

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
use crate::operation::{Question, View};
use crate::sql::Prepared;
use crate::statement::statements;
use crate::work::day_of;

statements! {
    REQUEST = "select id, messages from request_{day} where sending = $1 and id >= $2 \
        order by id limit 1";
    PARTS = "select id, recipient, state, price, event, refund from part_{day} \
        where id between $1 and $2 order by id limit $3";
    /// The detail of a click only: 11 is its kind.
    EVENT = "select kind, at, prev, case when kind = 11 then detail else '' end \
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
        let mut page = LivesPage::default();
        let mut at = self.at;
        let mut events = Events::default();
        let mut n_requests = 0;
        for day in view.days_since(day_of(at.request))? {
            let mut request = view.prepare_on(REQUEST, day)?;
            while let Some((id, n_messages)) = request
                .first([self.sending.0, at.request], |row| {
                    Ok((MessageId(row.get(0)?), row.get::<i64>(1)?))
                })?
            {
                if page.lives.len() >= self.limit || n_requests == REQUESTS_MAX {
                    page.next = Some(at);
                    return Ok(page);
                }
                n_requests += 1;
                let room = self.limit - page.lives.len();
                // A message more, so as to end between two.
                let limit = room + usize::from(PARTS_MAX);
                let from = if id.0 == at.request && at.part != 0 { at.part } else { id.part(0).0 };
                let last = MessageId(id.0 + n_messages - 1).part(15).0;
                let bounds = [from, last, i64::try_from(limit).unwrap_or(i64::MAX)];
                let room = (room, &mut page.lives);
                let more = read_parts(view, day, bounds, &mut events, room)?;
                at = match page.lives.last() {
                    Some(life) if more => Place { request: id.0, part: life.part.0 + 1 },
                    _ => Place { request: id.0 + 1, part: 0 },
                };
            }
        }
        Ok(page)
    }
}

/// Reads the parts of whole messages with their events; answers whether there may be more.
fn read_parts<'c>(
    view: &mut View<'c>,
    day: i64,
    bounds: [i64; 3],
    events: &mut Events<'c>,
    (room, lives): (usize, &mut Vec<Life>),
) -> Result<bool> {
    let mut rows: Vec<(Life, i64)> = view.prepare_on(PARTS, day)?.all(bounds, |row| {
        let life = Life {
            part: PartId(row.get(0)?),
            n_parts: 0,
            to: Phone::from_stored(row.get::<i64>(1)?.unsigned_abs()),
            state: PartState::from_stored(row.get(2)?).unwrap_or(PartState::Uncertain),
            price: Money::from_micros(row.get(3)?),
            refund: Refund::from_stored(row.get(5)?),
            events: Vec::new(),
        };
        Ok((life, row.get(4)?))
    })?;
    let mut more = i64::try_from(rows.len()).is_ok_and(|n| n == bounds[2]);
    if more && let Some(last) = rows.last().map(|(life, _)| life.part.message()) {
        rows.retain(|(life, _)| life.part.message() != last); // It may be cut.
    }
    let full = lives.len() + room;
    for message in rows.chunk_by(|(a, _), (b, _)| a.part.message() == b.part.message()) {
        if lives.len() >= full {
            more = true;
            break;
        }
        let n_parts = u8::try_from(message.len()).unwrap_or(u8::MAX);
        for (life, newest) in message {
            lives.push(Life { n_parts, events: events.of(view, *newest)?, ..life.clone() });
        }
    }
    Ok(more)
}

/// The statements that read events, one for each day, held as long as the page is read.
#[derive(Default)]
struct Events<'c>(HashMap<i64, Option<Prepared<'c>>>);

impl<'c> Events<'c> {
    /// A part's events, oldest first, from the newest on; those of forgotten days are left out.
    fn of(&mut self, view: &mut View<'c>, newest: i64) -> Result<Vec<LifeEvent>> {
        let mut found = Vec::new();
        let mut next = newest;
        while next != 0 {
            let statement = match self.0.entry(day_of(next)) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    new.insert(view.prepare_for(EVENT, next)?)
                }
            };
            let Some(statement) = statement else { break };
            let event = statement.first([next], |row| {
                let kind = EventKind::from_stored(row.get(0)?).unwrap_or(EventKind::Deferred);
                let click = (kind == EventKind::Clicked)
                    .then(|| row.str(3).map(|stored| Box::new(Click::from_stored(stored))))
                    .transpose()?;
                Ok((LifeEvent { kind, at: Instant::from_micros(row.get(1)?), click }, row.get(2)?))
            })?;
            let Some((event, prev)) = event else { break };
            found.push(event);
            next = prev;
        }
        found.reverse();
        Ok(found)
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

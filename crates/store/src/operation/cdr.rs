//! `cdr`: every part with what became of it and what it cost, page by page.

use std::collections::HashMap;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::price::{Refund, charged};
use pombo_domain::time::Instant;

use super::callback::Requests;
use super::request::Request;
use super::{Question, View, history, route};
use crate::error::Result;
use crate::statement::statements;
use crate::work::first_of_day;

statements! {
    PARTS = "select id, recipient, route, state, event, price, refund from part_{day} where id > $1 \
        order by id limit $2";
    ACCOUNTS = "select id, name, currency from account";
}

/// A page of the parts of a day, in the order in which they were accepted.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The day whose tables hold them.
    pub day: i64,
    /// The last part of the page before; 0 for the first.
    pub after: PartId,
    /// Parts of a page.
    pub limit: i64,
}

/// A part.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which.
    pub part: PartId,
    /// Whose, by number.
    pub account: AccountId,
    /// Its account's name.
    pub account_name: String,
    /// Its account's currency.
    pub currency: String,
    /// Its request.
    pub request: Request,
    /// To whom.
    pub to: Phone,
    /// The route that it is on.
    pub route: RouteId,
    /// The route's name.
    pub route_name: String,
    /// Where it stands.
    pub state: PartState,
    /// Its price.
    pub price: Money,
    /// Of the price, what it cost: nothing where no carrier took it, or where it was given back.
    pub charged: Money,
    /// Of the price, what was given back after a carrier took it.
    pub refunded: Money,
    /// When a carrier took it first.
    pub sent: Option<Instant>,
    /// The carrier's id for it.
    pub carrier_id: String,
    /// When it ended.
    pub done: Option<Instant>,
    /// The carrier's word at the end.
    pub word: String,
    /// The carrier's error code at the end.
    pub code: String,
    /// Which of its tries by carriers it is, from 1; only the last is charged.
    pub try_number: u8,
}

impl Question for Page {
    /// The parts, and the last part looked at; `None`: the day has no more.
    type Answer = (Vec<Record>, Option<PartId>);

    fn answer(self, view: &mut View<'_>) -> Result<Self::Answer> {
        let Some(mut parts) = view.prepare_for(PARTS, first_of_day(self.day))? else {
            return Ok((Vec::new(), None));
        };
        let rows: Vec<[i64; 7]> = parts.all([self.after.0, self.limit], |row| {
            let mut cells = [0; 7];
            for (idx, cell) in cells.iter_mut().enumerate() {
                *cell = row.get(idx)?;
            }
            Ok(cells)
        })?;
        let last = rows.last().map(|row| PartId(row[0]));
        let names = Names::read(view)?;
        let mut records = Vec::with_capacity(rows.len());
        let mut requests = Requests::default();
        requests.read_ahead(view, rows.iter().map(|row| PartId(row[0]).message()))?;
        let stories = history::events(view, rows.iter().map(|row| row[4]))?;
        for ([id, recipient, route, state, _, price, refund], events) in
            rows.into_iter().zip(stories)
        {
            // Parts whose request is still coming in are nobody's yet.
            let Some(request) = requests.of(view, PartId(id).message())? else { continue };
            let story = Story::of(events);
            records.extend(names.records(
                [id, recipient, route, state, price, refund],
                request,
                story,
            ));
        }
        Ok((records, last))
    }
}

/// Names for numbers.
struct Names {
    routes: HashMap<i64, String>,
    accounts: HashMap<i64, (String, String)>,
}

impl Names {
    fn read(view: &mut View<'_>) -> Result<Self> {
        let accounts = view.prepare(ACCOUNTS)?.all((), |row| {
            let id: i64 = row.get(0)?;
            let (name, currency): (String, String) = (row.get(1)?, row.get(2)?);
            Ok((id, (name, currency)))
        })?;
        Ok(Self { routes: route::names(view)?, accounts: accounts.into_iter().collect() })
    }

    /// A part's tries by carriers, from its row.
    fn records(
        &self,
        [id, recipient, route, state, price, refund]: [i64; 6],
        request: &Request,
        story: Story,
    ) -> Vec<Record> {
        let state = PartState::from_stored(state).unwrap_or(PartState::Uncertain);
        let price = Money::from_micros(price);
        let refund = Refund::from_stored(refund);
        let charged = charged(price, refund, state, &story.kinds);
        let refunded = if refund == Refund::Given { price } else { Money::ZERO };
        let (account_name, currency) = self.account(request.account);
        let n_tries = story.tries.len();
        let record = |(number, own): (usize, Try)| {
            let is_last = number == n_tries;
            let route = if is_last { route } else { own.route };
            Record {
                part: PartId(id),
                account: request.account,
                account_name: account_name.clone(),
                currency: currency.clone(),
                request: request.clone(),
                to: Phone::from_stored(recipient.unsigned_abs()),
                route: RouteId(route),
                route_name: self.routes.get(&route).cloned().unwrap_or_default(),
                state: if is_last { state } else { PartState::Undelivered },
                price,
                charged: if is_last { charged } else { Money::ZERO },
                refunded: if is_last { refunded } else { Money::ZERO },
                sent: own.sent,
                carrier_id: own.carrier_id,
                done: own.done,
                word: own.word,
                code: own.code,
                try_number: u8::try_from(number).unwrap_or(u8::MAX),
            }
        };
        (1..).zip(story.tries).map(record).collect()
    }

    fn account(&self, account: AccountId) -> (String, String) {
        self.accounts.get(&account.0).cloned().unwrap_or_default()
    }
}

/// What a part's events tell.
#[derive(Default)]
struct Story {
    /// What was tried by carriers, at least one; the last is how the part stands.
    tries: Vec<Try>,
    /// All that happened to it.
    kinds: Vec<EventKind>,
}

/// What became of a part with one carrier.
#[derive(Default)]
struct Try {
    route: i64,
    sent: Option<Instant>,
    carrier_id: String,
    done: Option<Instant>,
    word: String,
    code: String,
}

impl Try {
    fn ends(&mut self, event: history::Event) {
        (self.done, self.word, self.code) = (Some(event.at), event.word, event.code);
    }
}

impl Story {
    fn of(mut events: Vec<history::Event>) -> Self {
        events.reverse();
        let kinds = events.iter().map(|event| event.kind).collect();
        let (mut tries, mut current) = (Vec::new(), Try::default());
        for event in events {
            if event.kind == EventKind::Sent {
                // Of one carrier's tries the first counts: the others are of doubt.
                if current.sent.is_none() {
                    (current.sent, current.carrier_id) = (Some(event.at), event.detail);
                }
            } else if event.kind == EventKind::Deferred && !event.word.is_empty() {
                // Its carrier did not deliver it, and it went by another route.
                current.route = event.route.0;
                current.ends(event);
                tries.push(std::mem::take(&mut current));
            } else if event.kind.end().is_some() {
                current.ends(event);
            }
        }
        tries.push(current);
        Self { tries, kinds }
    }
}

//! `cdr`: every part with what became of it and what it cost, page by page.

use std::collections::HashMap;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::{EventKind, PartState, was_taken};
use pombo_domain::money::Money;
use pombo_domain::time::Instant;

use super::request::{self, Request};
use super::{Question, View, history, route};
use crate::error::Result;
use crate::statement::statements;
use crate::work::first_of_day;

statements! {
    PARTS = "select id, recipient, route, state, event, price from part_{day} where id > $1 \
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
    /// Of the price, what it cost: nothing where no carrier took it.
    pub charged: Money,
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
}

impl Question for Page {
    /// The parts, and the last part looked at; `None`: the day has no more.
    type Answer = (Vec<Record>, Option<PartId>);

    fn answer(self, view: &mut View<'_>) -> Result<Self::Answer> {
        let Some(mut parts) = view.prepare_for(PARTS, first_of_day(self.day))? else {
            return Ok((Vec::new(), None));
        };
        let rows: Vec<[i64; 6]> = parts.all([self.after.0, self.limit], |row| {
            let mut cells = [0; 6];
            for (idx, cell) in cells.iter_mut().enumerate() {
                *cell = row.get(idx)?;
            }
            Ok(cells)
        })?;
        let last = rows.last().map(|row| PartId(row[0]));
        let names = Names::read(view)?;
        let mut records = Vec::with_capacity(rows.len());
        let mut current: Option<Request> = None;
        for [id, recipient, route, state, event, price] in rows {
            let message = PartId(id).message();
            if !current.as_ref().is_some_and(|request| request.holds(message)) {
                current = request::seen(view, message)?;
            }
            // Parts whose request is still coming in are nobody's yet.
            let Some(request) = &current else { continue };
            let story = Story::read(view, event)?;
            let state = PartState::from_stored(state).unwrap_or(PartState::Uncertain);
            let price = Money::from_micros(price);
            let (account_name, currency) = names.account(request.account);
            records.push(Record {
                part: PartId(id),
                account: request.account,
                account_name,
                currency,
                request: request.clone(),
                to: Phone::from_stored(recipient.unsigned_abs()),
                route: RouteId(route),
                route_name: names.routes.get(&route).cloned().unwrap_or_default(),
                state,
                price,
                charged: if state.is_final() && !story.was_taken { Money::ZERO } else { price },
                sent: story.sent,
                carrier_id: story.carrier_id,
                done: story.done,
                word: story.word,
                code: story.code,
            });
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

    fn account(&self, account: AccountId) -> (String, String) {
        self.accounts.get(&account.0).cloned().unwrap_or_default()
    }
}

/// What a part's events tell.
#[derive(Default)]
struct Story {
    sent: Option<Instant>,
    carrier_id: String,
    done: Option<Instant>,
    word: String,
    code: String,
    /// A carrier took it, or may have: what it reserved is not given back.
    was_taken: bool,
}

impl Story {
    fn read(view: &mut View<'_>, newest: i64) -> Result<Self> {
        let mut story = Self::default();
        let events = history::events(view, newest)?;
        let kinds: Vec<EventKind> = events.iter().rev().map(|event| event.kind).collect();
        story.was_taken = was_taken(&kinds);
        for event in events {
            if event.kind == EventKind::Sent {
                (story.sent, story.carrier_id) = (Some(event.at), event.detail);
            } else if event.kind.end().is_some() && story.done.is_none() {
                (story.done, story.word, story.code) = (Some(event.at), event.word, event.code);
            }
        }
        Ok(story)
    }
}

//! `certificate`: the chain that binds what happened to a certified message, and whether what is
//! stored still fits it.
//!
//! A link is written with its event, in one commit. The first event writes the link of what was
//! accepted before its own: messages that are not certified have no rows here, and no look is
//! taken for them ([`pombo_domain::campaign::Tally`] tells).

use pombo_domain::address::Phone;
use pombo_domain::certificate::{ACCEPTED, Accepted, Broken, HAPPENED, Happened, Hash};
use pombo_domain::id::{AccountId, EventId, MessageId, PartId, RouteId};
use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_domain::time::Instant;

use super::part::Step;
use super::request::{self, Request};
use super::status::{self, MessageView};
use super::{Question, View, history, route, text};
use crate::error::Result;
use crate::sql::{Row, storable, values};
use crate::statement::statements;
use crate::work::Work;

statements! {
    LAST = "select n, hash from chain_{day} where message = $1 order by n desc limit 1";
    NEW_LINK = "insert into chain_{day} (message, n, event, state, hash) \
        values ($1, $2, $3, $4, $5)";
    PRICES = "select recipient, price from part_{day} where id between $1 and $2 order by id";
    LINKS = "select n, event, state, hash from chain_{day} where message = $1 order by n";
    STANDS = "select id, state, event from part_{day} where id between $1 and $2 order by id";
    EVENT = "select prev, kind, part, route, at, word, code, detail from event_{day} where id = $1";
}

/// Binds an event, which followed that one, to those before.
pub(super) fn chain(
    work: &mut Work<'_>,
    (event, before): (EventId, i64),
    step: &Step<'_>,
    state: PartState,
) -> Result<()> {
    let message = step.part.message();
    let last = work
        .prepare_for(LAST, message.0)?
        .first([message.0], |row| Ok((row.get::<i64>(0)?, hash_of(row, 1)?)))?;
    let (n, hash) = match last {
        Some(last) => last,
        None => {
            let Some(texts) = accepted(work, message)? else { return Ok(()) };
            let hash = Hash::of(None, &texts);
            work.prepare_for(NEW_LINK, message.0)?.write(values![
                message.0,
                0,
                0,
                0,
                hash.stored()
            ])?;
            (0, hash)
        }
    };
    // As it is read back.
    let (word, code, detail) = (storable(step.word), storable(step.code), storable(step.detail));
    let happened = Happened {
        part: step.part,
        event: event.0,
        kind: step.kind,
        route: step.route,
        at: step.at,
        before,
        word: &word,
        code: &code,
        detail: &detail,
        state,
    };
    let hash = Hash::of(Some(hash), &happened.texts());
    work.prepare_for(NEW_LINK, message.0)?.write(values![
        message.0,
        n + 1,
        event.0,
        state as i64,
        hash.stored()
    ])
}

fn hash_of(row: &Row<'_>, column: usize) -> Result<Hash> {
    Ok(Hash::from_stored(&row.get::<Vec<u8>>(column)?))
}

/// What was accepted; `None` where nothing is known of it.
fn accepted(work: &mut Work<'_>, message: MessageId) -> Result<Option<Vec<String>>> {
    let Some(request) = request::of_message(work, message)? else { return Ok(None) };
    let text = text::shown_to_all(work, &request, message)?;
    let parts: Vec<(i64, i64)> = work
        .prepare_for(PRICES, message.0)?
        .all([message.part(0).0, message.part(15).0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some((to, _)) = parts.first() else { return Ok(None) };
    let to = Phone::from_stored(to.unsigned_abs());
    let prices: Vec<Money> = parts.iter().map(|(_, price)| Money::from_micros(*price)).collect();
    Ok(Some(first_texts(&request, message, to, &text, &prices)))
}

fn first_texts(
    request: &Request,
    message: MessageId,
    to: Phone,
    text: &str,
    prices: &[Money],
) -> Vec<String> {
    Accepted {
        message,
        account: request.account,
        at: request.created,
        due: request.due,
        sender: &storable(&request.sender),
        to,
        text: &storable(text),
        encoding: request.encoding,
        split: request.split,
        flash: request.flash,
        expires: request.expires,
        prices,
    }
    .texts()
}

/// The evidence of a message.
#[derive(Debug, Clone, Copy)]
pub struct Certificate {
    /// Which.
    pub message: MessageId,
    /// Only where it is this account's.
    pub account: Option<AccountId>,
}

/// What there is of it.
#[derive(Debug)]
pub enum Certified {
    /// There is no such message, or it is not certified.
    Unknown,
    /// More is expected of it.
    Open,
    /// Some of its history went with the days of [`super::retention`].
    Gone,
    /// What is stored is not what was chained.
    Broken(Broken),
    /// All of it.
    Whole(Box<Evidence>),
}

/// All that is known of a message that is over.
#[derive(Debug)]
pub struct Evidence {
    /// As its owner sees it.
    pub message: MessageView,
    /// The chain, from what was accepted on.
    pub links: Vec<Link>,
}

/// A link of the chain.
#[derive(Debug, Clone)]
pub struct Link {
    /// What its texts are.
    pub names: &'static [&'static str],
    /// What it says.
    pub texts: Vec<String>,
    /// What binds it to those before.
    pub hash: Hash,
}

impl Question for Certificate {
    type Answer = Certified;

    fn answer(self, view: &mut View<'_>) -> Result<Certified> {
        let found = request::seen(view, self.message)?.filter(|request| {
            request.certified && self.account.is_none_or(|account| account == request.account)
        });
        let Some(request) = found else { return Ok(Certified::Unknown) };
        let routes = route::names(view)?;
        let Some(message) = status::message(view, self.message, &request, &routes)? else {
            return Ok(Certified::Unknown);
        };
        if !message.parts.iter().all(|part| part.state.is_final()) {
            return Ok(Certified::Open);
        }
        links(view, message)
    }
}

/// A row of the chain.
struct Stored {
    n: i64,
    event: i64,
    state: PartState,
    hash: Hash,
}

/// Reckons the chain again over what is stored.
fn links(view: &mut View<'_>, message: MessageView) -> Result<Certified> {
    let id = message.id;
    let Some(mut rows) = view.prepare_for(LINKS, id.0)? else { return Ok(Certified::Gone) };
    let rows = rows.all([id.0], |row| {
        let state = PartState::from_stored(row.get(2)?).unwrap_or(PartState::Uncertain);
        Ok(Stored { n: row.get(0)?, event: row.get(1)?, state, hash: hash_of(row, 3)? })
    })?;
    let prices: Vec<Money> = message.parts.iter().map(|part| part.price).collect();
    let texts = first_texts(&message.request, id, message.to, &message.text, &prices);
    let mut links: Vec<Link> = Vec::with_capacity(rows.len());
    let mut newest = [(0, PartState::Queued); 16];
    for (n, row) in (0..).zip(rows) {
        let (names, texts): (&[&str], _) = match n {
            0 => (&ACCEPTED, texts.clone()),
            _ => match happened(view, (id, &row), &mut newest)? {
                Ok(texts) => (&HAPPENED, texts),
                Err(missing) => return Ok(missing),
            },
        };
        let hash = Hash::of(links.last().map(|link| link.hash), &texts);
        if (row.n, row.hash) != (n, hash) {
            return Ok(Certified::Broken(Broken::Link(n)));
        }
        links.push(Link { names, texts, hash });
    }
    let mut parts = view.prepare_for(STANDS, id.0)?;
    let stands: Vec<(PartId, PartState, i64)> = match &mut parts {
        Some(parts) => parts.all([id.part(0).0, id.part(15).0], |row| {
            let state = PartState::from_stored(row.get(1)?).unwrap_or(PartState::Uncertain);
            Ok((PartId(row.get(0)?), state, row.get(2)?))
        })?,
        None => Vec::new(),
    };
    for (part, state, event) in stands {
        // What is final has at least one event.
        if event == 0 || newest[usize::from(part.idx())] != (event, state) {
            return Ok(Certified::Broken(Broken::Part(part.idx() + 1)));
        }
    }
    Ok(Certified::Whole(Box::new(Evidence { message, links })))
}

/// What a link says by the event as it is stored; how its part stood then is noted.
fn happened(
    view: &mut View<'_>,
    (message, row): (MessageId, &Stored),
    newest: &mut [(i64, PartState); 16],
) -> Result<std::result::Result<Vec<String>, Certified>> {
    let Some(mut event) = view.prepare_for(EVENT, row.event)? else {
        return Ok(Err(Certified::Gone));
    };
    let texts = event.first([row.event], |found| {
        let part = PartId(found.get(2)?);
        let (word, code, detail): (String, String, String) =
            (found.get(5)?, found.get(6)?, found.get(7)?);
        let happened = Happened {
            part,
            event: row.event,
            kind: history::kind_of(found)?,
            route: RouteId(found.get(3)?),
            at: Instant::from_micros(found.get(4)?),
            before: found.get(0)?,
            word: &word,
            code: &code,
            detail: &detail,
            state: row.state,
        };
        Ok((part, happened.texts()))
    })?;
    Ok(match texts {
        Some((part, texts)) if part.message() == message => {
            newest[usize::from(part.idx())] = (row.event, row.state);
            Ok(texts)
        }
        _ => Err(Certified::Broken(Broken::Link(row.n))),
    })
}

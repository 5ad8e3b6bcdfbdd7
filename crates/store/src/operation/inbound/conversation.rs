//! Which of our messages an answer answers: the last to that telephone that bears the number written
//! to as its sender, or went by the route that the answer came by.
//!
//! No index tells it, because one by recipient would make every message dearer. Whoever asks goes
//! back through the parts, newest first, a piece at a time, for all answers that wait together.

use std::collections::HashMap;
use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId, PartId, RouteId};
use pombo_domain::message::PartState;

use super::super::{Question, View, request};
use crate::error::Result;
use crate::statement::statements;
use crate::work::first_of_day;

statements! {
    BACK = "select id, recipient, route, state from part_{day} where id < $1 \
        order by id desc limit $2";
}

/// An answer whose message is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The answer.
    pub inbound: i64,
    /// Whose it is, where that is known.
    pub account: Option<AccountId>,
    /// The number written to.
    pub to: String,
    /// The route it came by.
    pub route: RouteId,
}

/// Goes back a piece.
#[derive(Debug, Clone)]
pub struct Back {
    /// The answers, by who wrote them.
    pub wanted: Arc<HashMap<Phone, Vec<Wanted>>>,
    /// Parts before this one; `None`: from the newest.
    pub before: Option<PartId>,
    /// None older than this day.
    pub oldest_day: i64,
    /// Parts to look at, at most.
    pub limit: usize,
}

/// The answer to [`Back`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Answers with the account and the message.
    pub found: Vec<(i64, AccountId, MessageId)>,
    /// Where to go on; `None`: that was all.
    pub next: Option<PartId>,
    /// Parts looked at.
    pub n_seen: usize,
}

impl Question for Back {
    type Answer = Found;

    fn answer(self, view: &mut View<'_>) -> Result<Found> {
        let mut found = Found::default();
        let mut before = self.before.map_or(i64::MAX, |part| part.0);
        let mut days = view.days_since(self.oldest_day)?;
        days.reverse();
        // A day whose first message is not before it has been gone through.
        days.retain(|day| MessageId(first_of_day(*day)).part(0).0 < before);
        for day in days {
            let room = self.limit.saturating_sub(found.n_seen);
            if room == 0 {
                found.next = Some(PartId(before));
                return Ok(found);
            }
            let bounds = [before, i64::try_from(room).unwrap_or(i64::MAX)];
            let mut hits: Vec<(PartId, Phone, RouteId)> = Vec::new();
            let mut last = None;
            view.prepare_on(BACK, day)?.all(bounds, |row| {
                let part = PartId(row.get(0)?);
                last = Some(part);
                found.n_seen += 1;
                let to = Phone::from_stored(row.get::<i64>(1)?.unsigned_abs());
                let has_left = !matches!(
                    PartState::from_stored(row.get(3)?),
                    Some(PartState::Queued | PartState::Cancelled | PartState::Rejected) | None
                );
                if part.idx() == 0 && has_left && self.wanted.contains_key(&to) {
                    hits.push((part, to, RouteId(row.get(2)?)));
                }
                Ok(())
            })?;
            for (part, to, route) in hits {
                self.judge(view, (part.message(), to, route), &mut found)?;
            }
            if let Some(last) = last {
                before = last.0;
            }
            if found.n_seen >= self.limit {
                found.next = Some(PartId(before));
                return Ok(found);
            }
        }
        Ok(found)
    }
}

impl Back {
    fn judge(
        &self,
        view: &mut View<'_>,
        (message, to, route): (MessageId, Phone, RouteId),
        found: &mut Found,
    ) -> Result<()> {
        let Some(wanted) = self.wanted.get(&to) else { return Ok(()) };
        let is_open = |w: &Wanted| !found.found.iter().any(|(inbound, ..)| *inbound == w.inbound);
        let open: Vec<&Wanted> = wanted.iter().filter(|w| is_open(w)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let Some(request) = request::seen(view, message)? else { return Ok(()) };
        for w in open {
            let is_its = w.account.is_none_or(|account| account == request.account);
            if is_its && (request.sender == w.to || route == w.route) {
                found.found.push((w.inbound, request.account, message));
            }
        }
        Ok(())
    }
}

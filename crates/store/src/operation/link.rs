//! Short links: where one leads, and the click on it, which is an event of its message.

use std::ops::ControlFlow;

use pombo_domain::campaign::Totals;
use pombo_domain::id::MessageId;
use pombo_domain::limits::LINK_CLICKS_MAX;
use pombo_domain::link::{self, Code, Target, Visitor};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::time::Instant;

use super::part::{self, Step};
use super::{Operation, Question, View, history};
use crate::error::Result;
use crate::statement::statements;
use crate::work::Work;

statements! {
    TARGET = "select target from link_{day} where code = $1";
    CLICKED = "update link_{day} set clicks = clicks + 1 \
        where code = $1 and clicks < $2 returning message, target, clicks";
}

/// Where a link leads; `None` where there is no such link (any more).
#[derive(Debug, Clone, Copy)]
pub struct Find(pub Code);

impl Question for Find {
    type Answer = Option<Target>;

    fn answer(self, view: &mut View<'_>) -> Result<Option<Target>> {
        let Self(code) = self;
        if !view.days_since(code.day())?.contains(&code.day()) {
            return Ok(None);
        }
        let mut target = view.prepare_on(TARGET, code.day())?;
        target.first([code.key()], |row| row.get(0).map(Target::from_stored))
    }
}

/// Someone followed a link.
#[derive(Debug, Clone, Copy)]
pub struct Click {
    /// Which link.
    pub code: Code,
    /// Who.
    pub visitor: Visitor,
    /// When.
    pub now: Instant,
}

impl Operation for Click {
    /// Whether it was kept: of each link only so many are ([`LINK_CLICKS_MAX`]).
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        work.now_is(self.now);
        if !work.has_day(self.code.day()) {
            return Ok(false);
        }
        let clicked: Option<(i64, String, i64)> = work
            .prepare_on(CLICKED, self.code.day())?
            .first([self.code.key(), i64::from(LINK_CLICKS_MAX)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let Some((message, url, n_of_link)) = clicked else { return Ok(false) };
        let first = MessageId(message).part(0);
        let Some(before) = part::find(work, first)? else { return Ok(false) };
        let step = Step {
            part: first,
            kind: EventKind::Clicked,
            route: before.route,
            at: self.now,
            word: "",
            code: "",
            detail: &link::Click::of(&self.visitor, &url).to_stored(),
        };
        let n_before = n_clicks(work, before.event)?;
        if n_before >= LINK_CLICKS_MAX {
            return Ok(false);
        }
        if let Some((sending, _)) = before.tally.sending() {
            let clicked_unique = i64::from(n_of_link == 1 && n_before == 0);
            work.totals().add(sending, Totals { clicked: 1, clicked_unique, ..Totals::default() });
        }
        // A part without events that stands as queued may be in a range of the queue, which an
        // event would take it out of: this one is in the log alone.
        if before.state == PartState::Queued && before.event == 0 {
            part::log(work, &step)?;
        } else {
            part::advance(work, &before, before.state, &step)?;
        }
        Ok(true)
    }
}

/// How many clicks are among a part's events, of which this is the newest.
fn n_clicks(work: &mut Work<'_>, newest: i64) -> Result<u32> {
    let mut n = 0;
    history::kinds(work, newest, |_, kind| {
        n += u32::from(kind == EventKind::Clicked);
        ControlFlow::Continue(())
    })?;
    Ok(n)
}

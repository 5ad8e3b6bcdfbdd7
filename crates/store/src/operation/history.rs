//! What happened to parts, from the newest event back: each event names the one before it.

use std::ops::ControlFlow;

use pombo_domain::id::RouteId;
use pombo_domain::message::EventKind;
use pombo_domain::time::Instant;

use super::View;
use crate::error::Result;
use crate::sql::{Prepared, Row};
use crate::statement::{Statement, statements};
use crate::work::{Work, day_of};

statements! {
    KIND = "select prev, kind from event_{day} where id = $1";
    WHOLE = "select prev, kind, at, route, word, code, detail, id from event_{day} where id = $1";
}

/// Whoever reads the tables of days: a question, or a command.
pub(super) trait Tables<'c> {
    /// A statement on the tables of the day that holds `id`; `None` where it is forgotten.
    fn prepare_where(&mut self, statement: Statement, id: i64) -> Result<Option<Prepared<'c>>>;
}

impl<'c> Tables<'c> for View<'c> {
    fn prepare_where(&mut self, statement: Statement, id: i64) -> Result<Option<Prepared<'c>>> {
        self.prepare_for(statement, id)
    }
}

impl<'c> Tables<'c> for Work<'c> {
    fn prepare_where(&mut self, statement: Statement, id: i64) -> Result<Option<Prepared<'c>>> {
        self.has_day_of(id).then(|| self.prepare_for(statement, id)).transpose()
    }
}

/// Goes from event to event, as long as `each` says and their days are there. The first column of
/// the statement is the event before.
pub(super) fn walk<'c>(
    tables: &mut impl Tables<'c>,
    statement: Statement,
    newest: i64,
    mut each: impl FnMut(i64, &Row<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut next = newest;
    while next != 0 {
        let Some(mut event) = tables.prepare_where(statement, next)? else { break };
        match event.first([next], |row| Ok((row.get(0)?, each(next, row)?)))? {
            Some((prev, ControlFlow::Continue(()))) => next = prev,
            Some((_, ControlFlow::Break(()))) | None => break,
        }
    }
    Ok(())
}

/// What happened to many parts, each from its newest event back as long as the days are there: a
/// server is asked once for each step back. The first column of the statement is the event before.
pub(super) fn chains<'c, T>(
    tables: &mut impl Tables<'c>,
    statement: Statement,
    newest: impl ExactSizeIterator<Item = i64>,
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let mut found: Vec<Vec<T>> = (0..newest.len()).map(|_| Vec::new()).collect();
    let mut steps: Vec<(usize, i64)> = newest.enumerate().filter(|(_, id)| *id != 0).collect();
    while !steps.is_empty() {
        let mut further = Vec::with_capacity(steps.len());
        steps.sort_by_key(|(_, id)| day_of(*id));
        for of_day in steps.chunk_by(|(_, a), (_, b)| day_of(*a) == day_of(*b)) {
            let Some(mut event) = tables.prepare_where(statement, of_day[0].1)? else { continue };
            let ids = of_day.iter().map(|(_, id)| [*id]);
            let rows = event.first_of_each(ids, |row| Ok((row.get::<i64>(0)?, read(row)?)))?;
            for ((idx, _), row) in of_day.iter().zip(rows) {
                let Some((prev, event)) = row else { continue };
                if let Some(chain) = found.get_mut(*idx) {
                    chain.push(event);
                }
                further.extend((prev != 0).then_some((*idx, prev)));
            }
        }
        steps = further;
    }
    Ok(found)
}

/// The kind in a row's second column.
pub(super) fn kind_of(row: &Row<'_>) -> Result<EventKind> {
    Ok(EventKind::from_stored(row.get(1)?).unwrap_or(EventKind::Deferred))
}

/// Goes from event to event by what they were.
pub(super) fn kinds<'c>(
    tables: &mut impl Tables<'c>,
    newest: i64,
    mut each: impl FnMut(i64, EventKind) -> ControlFlow<()>,
) -> Result<()> {
    walk(tables, KIND, newest, |id, row| Ok(each(id, kind_of(row)?)))
}

/// An event as it is stored.
pub(super) struct Event {
    pub(super) id: i64,
    pub(super) kind: EventKind,
    pub(super) at: Instant,
    pub(super) route: RouteId,
    pub(super) word: String,
    pub(super) code: String,
    pub(super) detail: String,
}

/// All events of parts, newest first, from the newest of each.
pub(super) fn events(
    view: &mut View<'_>,
    newest: impl ExactSizeIterator<Item = i64>,
) -> Result<Vec<Vec<Event>>> {
    chains(view, WHOLE, newest, |row| {
        Ok(Event {
            kind: kind_of(row)?,
            at: Instant::from_micros(row.get(2)?),
            route: RouteId(row.get(3)?),
            word: row.get(4)?,
            code: row.get(5)?,
            detail: row.get(6)?,
            id: row.get(7)?,
        })
    })
}

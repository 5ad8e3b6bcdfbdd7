//! Dead letters: notifications that six tries did not deliver.

use pombo_domain::id::{AccountId, EventId, MessageId};
use pombo_domain::message::EventKind;
use pombo_domain::time::Instant;

use super::super::{Question, View};
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;

statements! {
    AFTER = "select event, at, tries, failure from dead_letter where account = $1 and event > $2 \
        order by event limit $3";
    TOLD = "select part, kind, at from event_{day} where id = $1";
}

/// An account's dead letters, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Whose.
    pub account: AccountId,
    /// Those after this event.
    pub after: EventId,
    /// So many at most.
    pub limit: i64,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event.
    pub event: EventId,
    /// Its message, what happened to it, and when; `None` where the history has gone.
    pub told: Option<(MessageId, EventKind, Instant)>,
    /// The last try.
    pub at: Instant,
    /// Tries.
    pub tries: u8,
    /// Why the last one failed.
    pub failure: String,
}

impl Question for List {
    type Answer = Vec<DeadLetter>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<DeadLetter>> {
        let mut letters =
            view.prepare(AFTER)?.all(values![self.account.0, self.after.0, self.limit], |row| {
                Ok(DeadLetter {
                    event: EventId(row.get(0)?),
                    told: None,
                    at: Instant::from_micros(row.get(1)?),
                    tries: row.get(2)?,
                    failure: row.get(3)?,
                })
            })?;
        for letter in &mut letters {
            let Some(mut told) = view.prepare_for(TOLD, letter.event.0)? else { continue };
            let told: Option<(i64, i64, i64)> =
                told.first([letter.event.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            letter.told = told.and_then(|(part, kind, at)| {
                let message = pombo_domain::id::PartId(part).message();
                Some((message, EventKind::from_stored(kind)?, Instant::from_micros(at)))
            });
        }
        Ok(letters)
    }
}

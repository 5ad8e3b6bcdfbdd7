//! Receipts that fit nothing, for those who look after the carriers.

use pombo_domain::time::Instant;

use super::{Question, View};
use crate::error::Result;
use crate::statement::statements;

statements! {
    COUNT_UNMATCHED = "select count(1) from unmatched";
    LIST_UNMATCHED = "select u.at, coalesce(r.name, ''), u.carrier_id, u.address_a, u.address_b, \
        u.word, u.text_start from unmatched u left join route r on r.id = u.route \
        order by u.id desc limit $1";
}

/// The newest receipts that fit nothing.
#[derive(Debug, Clone, Copy)]
pub struct Unmatched {
    /// At most so many.
    pub limit: i64,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct UnmatchedRow {
    /// When it came.
    pub at: Instant,
    /// By which route.
    pub route: String,
    /// The carrier's id as the receipt spells it.
    pub carrier_id: String,
    /// Its two addresses.
    pub addresses: [String; 2],
    /// What it tells.
    pub word: String,
    /// The start of the message, where it repeats it.
    pub text_start: String,
}

impl Question for Unmatched {
    type Answer = Vec<UnmatchedRow>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<UnmatchedRow>> {
        view.prepare(LIST_UNMATCHED)?.all([self.limit], |row| {
            Ok(UnmatchedRow {
                at: Instant::from_micros(row.get(0)?),
                route: row.get(1)?,
                carrier_id: row.get(2)?,
                addresses: [row.get(3)?, row.get(4)?],
                word: row.get(5)?,
                text_start: row.get(6)?,
            })
        })
    }
}

/// How many receipts fit nothing: the gauge `pombo_receipts_unmatched`.
#[derive(Debug, Clone, Copy)]
pub struct CountUnmatched;

impl Question for CountUnmatched {
    type Answer = i64;

    fn answer(self, view: &mut View<'_>) -> Result<i64> {
        view.prepare(COUNT_UNMATCHED)?.one((), |row| row.get(0))
    }
}

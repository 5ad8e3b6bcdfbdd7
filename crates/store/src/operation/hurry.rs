//! `hurry`: what a clock that was set back would keep waiting goes at once.
//!
//! What leaves at once stands in the queue under the time at which it was accepted. Where the clock
//! was ahead then and is right now, that time is still to come.

use std::time::Duration;

use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::message::Lane;
use pombo_domain::retry::WAIT_MAX;
use pombo_domain::time::Instant;

use super::Operation;
use super::queue::{QueueRow, put, take};
use crate::error::Result;
use crate::statement::statements;
use crate::work::Work;

statements! {
    /// What was tried before may wait for its next try, but not longer than any wait is.
    IN_VAIN = "select due, first, last, tries, scheduled, route, lane, account from queue \
        where scheduled = 0 and due > $1 and (tries = 0 or due > $2) \
        order by route, lane, account, due, first limit $3";
}

/// A clock that was set back by less delays nothing that anyone would notice.
const LITTLE: Duration = Duration::from_secs(1);

/// Lets a piece of what waits in vain go; to be run again while it says that there is more. It
/// looks for none unless something was written at a time that is still to come.
#[derive(Debug, Clone, Copy)]
pub struct Hurry {
    /// The time.
    pub now: Instant,
    /// Rows of the queue at a time.
    pub limit: i64,
}

/// What it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hurried {
    /// Rows of the queue that go now.
    pub n: usize,
    /// Whether there may be more.
    pub more: bool,
}

impl Operation for Hurry {
    type Answer = Hurried;

    fn rows(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Hurried> {
        if !work.has_written_after(self.now.plus(LITTLE)) {
            return Ok(Hurried { n: 0, more: false });
        }
        let latest = self.now.plus(WAIT_MAX).micros();
        let rows: Vec<((RouteId, Lane, AccountId), QueueRow)> =
            work.prepare(IN_VAIN)?.all([self.now.micros(), latest, self.limit], |row| {
                let lane = Lane::from_stored(row.get(6)?);
                let queue = (RouteId(row.get(5)?), lane, AccountId(row.get(7)?));
                Ok((queue, QueueRow::from_row(row)?))
            })?;
        for (queue, row) in &rows {
            take(work, *queue, row)?;
            // A part that went to another route and came back stands beside the range that begins
            // with it: both cannot have the same place.
            put(work, *queue, &QueueRow { due: self.now.micros(), ..*row })?;
        }
        Ok(Hurried { n: rows.len(), more: rows.len() >= self.rows() })
    }
}

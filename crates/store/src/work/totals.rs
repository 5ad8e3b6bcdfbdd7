//! Totals of sendings within one commit: added up in memory, written once for each sending.

use std::collections::BTreeMap;

use pombo_domain::campaign::Totals;
use pombo_domain::id::SendingId;

use crate::error::Result;
use crate::sql::Database;
use crate::statement::statements;

statements! {
    ADD = "update sending set messages = messages + $1, waiting = waiting + $2, sent = sent + $3, \
        delivered = delivered + $4, undelivered = undelivered + $5, expired = expired + $6, \
        rejected = rejected + $7, cancelled = cancelled + $8, parts_sent = parts_sent + $9, \
        cost = cost + $10, clicked = clicked + $11, clicked_unique = clicked_unique + $12, \
        unsubscribed = unsubscribed + $13 where id = $14";
}

/// What one transaction adds to totals. In order, so that two nodes take the rows in turn.
#[derive(Debug, Default)]
pub(crate) struct TotalsBook {
    sendings: BTreeMap<SendingId, Totals>,
}

impl TotalsBook {
    /// Adds to a sending's totals.
    pub(crate) fn add(&mut self, sending: SendingId, change: Totals) {
        *self.sendings.entry(sending).or_default() += change;
    }

    /// Writes the changes; the last thing before the commit.
    pub(crate) fn flush(&mut self, database: Database<'_>) -> Result<()> {
        while let Some((sending, change)) = self.sendings.pop_first() {
            if change == Totals::default() {
                continue;
            }
            database.prepare(ADD.sql)?.write([
                change.messages,
                change.waiting,
                change.sent,
                change.delivered,
                change.undelivered,
                change.expired,
                change.rejected,
                change.cancelled,
                change.parts_sent,
                change.cost.micros(),
                change.clicked,
                change.clicked_unique,
                change.unsubscribed,
                sending.0,
            ])?;
        }
        Ok(())
    }

    /// Forgets everything: the transaction was rolled back.
    pub(crate) fn clear(&mut self) {
        self.sendings.clear();
    }
}

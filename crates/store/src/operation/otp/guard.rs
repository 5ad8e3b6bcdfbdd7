//! The guard's counts: looked at before anything is written, so that what is refused counts nothing.

use std::collections::BTreeMap;

use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::EventKind;
use pombo_domain::notification::limited_extra;
use pombo_domain::opt_out::Address;
use pombo_domain::otp::{Count, Limits, Scope};
use pombo_domain::time::Instant;

use super::super::part::{self, Step};
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    COUNTED = "select n from otp_count \
        where account = $1 and scope = $2 and name = $3 and since = $4";
    ADD = "insert into otp_count (account, scope, name, since, until, n) \
        values ($1, $2, $3, $4, $5, $6) on conflict (account, scope, name, since) \
        do update set n = otp_count.n + excluded.n";
    TOLD = "insert into otp_count (account, scope, name, since, until, n) \
        values ($1, $2, $3, $4, $5, 1) on conflict do nothing";
    OVER = "delete from otp_count where (account, scope, name, since) in \
        (select account, scope, name, since from otp_count where until < $1 \
        order by until limit $2)";
}

/// Added to a scope's number, a row that says that its limit was met and told of.
const TOLD_SCOPES: i64 = 16;

/// A limit that would be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// Which.
    pub scope: Scope,
    /// When it counts anew.
    pub until: Instant,
}

/// What codes add to counts.
pub(in crate::operation) struct Counts(AccountId, BTreeMap<Count, i64>);

/// What codes for some recipients would add; or the first limit that they would exceed, of which
/// the account is told.
pub(in crate::operation) fn judge(
    work: &mut Work<'_>,
    (account, limits): (AccountId, &Limits),
    recipients: impl Iterator<Item = Address>,
    now: Instant,
) -> Result<std::result::Result<Counts, Limited>> {
    let mut counts = BTreeMap::new();
    if !limits.are_none() {
        for recipient in recipients {
            for count in limits.counts(&recipient, now) {
                *counts.entry(count).or_insert(0) += 1;
            }
        }
    }
    for (count, more) in &counts {
        let (scope, since) = (count.scope as i64, count.since.micros());
        let key = values![account.0, scope, count.name, since];
        let before: Option<i64> = work.prepare(COUNTED)?.first(key, |row| row.get(0))?;
        if before.unwrap_or(0) + more > i64::from(count.most) {
            tell(work, account, count, now)?;
            return Ok(Err(Limited { scope: count.scope, until: count.until }));
        }
    }
    Ok(Ok(Counts(account, counts)))
}

/// Writes the event of a limit that was met: once for each count.
fn tell(work: &mut Work<'_>, account: AccountId, count: &Count, now: Instant) -> Result<()> {
    let scope = TOLD_SCOPES + count.scope as i64;
    let (since, until) = (count.since.micros(), count.until.micros());
    let row = values![account.0, scope, count.name, since, until];
    if work.prepare(TOLD)?.execute(row)? == 0 {
        return Ok(());
    }
    let step = Step {
        part: PartId(-account.0),
        kind: EventKind::CodesLimited,
        route: RouteId(0),
        at: now,
        word: "",
        code: "",
        detail: &limited_extra(count),
    };
    part::log(work, &step).map(drop)
}

impl Counts {
    /// Counts them.
    pub(in crate::operation) fn write(&self, work: &Work<'_>) -> Result<()> {
        let Self(account, counts) = self;
        for (count, more) in counts {
            let (since, until) = (count.since.micros(), count.until.micros());
            let scope = count.scope as i64;
            let row = values![account.0, scope, count.name, since, until, *more];
            work.prepare(ADD)?.execute(row)?;
        }
        Ok(())
    }
}

/// Forgets some that are over; answers how many.
pub(super) fn sweep(work: &Work<'_>, now: Instant, limit: i64) -> Result<usize> {
    work.prepare(OVER)?.execute([now.micros(), limit])
}

//! What leaves at once: a message that was just accepted is claimed in the same transaction where its
//! route's outlet has room for it. What has none goes to its queue.

use std::collections::BTreeMap;

use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::Lane;

use super::queue::{QueueRow, put_new};
use crate::error::Result;
use crate::work::Work;

/// Puts into their queues what might have left at once: somebody is about to look at them.
pub(crate) fn put_fresh(work: &mut Work<'_>) -> Result<()> {
    let rows = std::mem::take(work.leaving().fresh());
    rows.into_iter().try_for_each(|row| put_new(work, row))
}

/// Claims what may leave at once, and puts the others into their queues.
pub(crate) fn leave(work: &mut Work<'_>) -> Result<()> {
    let mut routes: BTreeMap<RouteId, BTreeMap<(Lane, AccountId), Vec<QueueRow>>> = BTreeMap::new();
    for ((route, lane, account), row) in std::mem::take(work.leaving().fresh()) {
        routes.entry(route).or_default().entry((lane, account)).or_default().push(row);
    }
    for (route, mut queues) in routes {
        take_what_has_room(work, route, &mut queues)?;
        for ((lane, account), rows) in queues {
            rows.into_iter().try_for_each(|row| put_new(work, ((route, lane, account), row)))?;
        }
    }
    Ok(())
}

/// Takes what the outlet claims out of what was accepted for its route.
fn take_what_has_room(
    work: &mut Work<'_>,
    route: RouteId,
    queues: &mut BTreeMap<(Lane, AccountId), Vec<QueueRow>>,
) -> Result<()> {
    let n_parts = |row: &QueueRow| usize::from(PartId(row.last).idx()) + 1;
    let fresh: Vec<_> = queues
        .iter()
        .map(|((lane, account), rows)| (*lane, *account, rows.iter().map(n_parts).sum()))
        .collect();
    let (first, claims) = work.leaving().ask(route, &fresh);
    for (number, claim) in (first..).zip(claims) {
        let Some(rows) = queues.get_mut(&(claim.lane, claim.account)) else { continue };
        let (claimed, n_done) = claim.take_fresh(work, rows)?;
        rows.drain(..n_done);
        work.leaving().claimed(number, claimed);
    }
    Ok(())
}

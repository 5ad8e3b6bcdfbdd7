//! `failover`: a part that its carrier took and did not deliver goes by another route. It was charged
//! when it was taken first, and stays so whatever becomes of it.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::campaign::Stop;
use pombo_domain::channel::Receipt;
use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::route;
use pombo_domain::time::Instant;

use super::history;
use super::part::{self, Part, Step};
use super::queue::enqueue;
use super::request::{self, Request};
use crate::error::Result;
use crate::statement::statements;
use crate::work::Work;

statements! {
    TRY = "select prev, kind, route, at from event_{day} where id = $1";
}

/// What the part's history says of such a receipt.
const GOES_ON: &str = "not delivered; it goes by another route";

/// Names another route than those that had it.
pub type Choose = Arc<dyn Fn(&Request, Phone, &[RouteId]) -> Option<RouteId> + Send + Sync>;

/// A route's rule, and what finds the next route.
#[derive(Clone)]
pub struct Failover {
    /// After which receipts.
    pub rule: route::Failover,
    /// Decides.
    pub choose: Choose,
}

impl fmt::Debug for Failover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// A queue that holds something new, and since when.
pub(super) type Queued = (RouteId, Lane, AccountId, Instant);

/// Sends on what the receipt says was not delivered, where the rule has it so; `parts` are all that
/// the receipt speaks of. `None`: it ends.
pub(super) fn go_on(
    work: &mut Work<'_>,
    failover: &Failover,
    route: RouteId,
    parts: &[(PartId, Part)],
    receipt: &Receipt,
) -> Result<Option<Queued>> {
    let Some(&(first, before)) = parts.first() else { return Ok(None) };
    let is_with = |(_, part): &(PartId, Part)| part.state == PartState::Sent && part.route == route;
    let is_negative = receipt.state.is_final() && receipt.state != PartState::Delivered;
    if !is_negative || !parts.iter().all(is_with) {
        return Ok(None);
    }
    let Some(request) = request::of_message(work, first.message())? else { return Ok(None) };
    let is_worthless = request.expires.is_some_and(|end| end <= receipt.at)
        || work.stopped().get(&request.sending) == Some(&Stop::Cancelled);
    if is_worthless || !(request.split || is_whole(work, parts)?) {
        return Ok(None);
    }
    let (mut tried, mut last) = (Vec::new(), None);
    history::walk(work, TRY, before.event, |_, row| {
        // Of a part that was in doubt only a receipt said that its carrier had it.
        let is_try = match history::kind_of(row)? {
            EventKind::Sent => true,
            EventKind::Uncertain => last.is_none(),
            _ => false,
        };
        if is_try {
            last.get_or_insert(Instant::from_micros(row.get(3)?));
            tried.push(RouteId(row.get(2)?));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let age = receipt.at.since(last.unwrap_or(receipt.at));
    if !failover.rule.goes_on((receipt.word, &receipt.error), age, tried.len()) {
        return Ok(None);
    }
    let Some(next) = (failover.choose)(&request, before.recipient, &tried) else {
        return Ok(None);
    };
    for (id, before) in parts {
        let step = Step {
            part: *id,
            kind: EventKind::Deferred,
            route,
            at: receipt.at,
            word: receipt.word,
            code: &receipt.error,
            detail: GOES_ON,
        };
        let event = part::advance(work, before, PartState::Queued, &step)?;
        part::set(work, *id, PartState::Queued, event.0, next)?;
        let queue = (next, request.lane, request.account);
        enqueue(work, queue, (*id, *id), (receipt.at.micros(), 0))?;
    }
    Ok(Some((next, request.lane, request.account, receipt.at)))
}

/// Whether these are all parts of their message: what is left of a joined message with one carrier
/// is of no use from another.
fn is_whole(work: &mut Work<'_>, parts: &[(PartId, Part)]) -> Result<bool> {
    let Some((first, _)) = parts.first() else { return Ok(false) };
    let Ok(n) = u8::try_from(parts.len()) else { return Ok(false) };
    let are_first = parts.iter().all(|(id, _)| id.idx() < n);
    Ok(are_first && (n == 16 || part::find(work, first.message().part(n))?.is_none()))
}

/// Whether some carrier has taken a part, by its newest event.
pub(super) fn was_sent(work: &mut Work<'_>, newest: i64) -> Result<bool> {
    // One that was in doubt has been taken where a receipt says that it is on its way.
    let is_taken = |kind| matches!(kind, EventKind::Sent | EventKind::Buffered);
    Ok(newest_of(work, newest, is_taken)?.is_some())
}

/// Before a part moves to sent: where a carrier has taken it before, it is counted once.
pub(super) fn count_once(work: &mut Work<'_>, id: PartId, before: &Part) -> Result<()> {
    if before.state != PartState::Sent && was_sent(work, before.event)? {
        part::uncount_sent(work, id, before.tally);
    }
    Ok(())
}

/// The last event by which a carrier took a part, or may have.
pub(super) fn newest_try(work: &mut Work<'_>, newest: i64) -> Result<Option<i64>> {
    newest_of(work, newest, |kind| matches!(kind, EventKind::Sent | EventKind::Uncertain))
}

fn newest_of(
    work: &mut Work<'_>,
    newest: i64,
    is_one: impl Fn(EventKind) -> bool,
) -> Result<Option<i64>> {
    let mut found = None;
    history::kinds(work, newest, |id, kind| {
        if is_one(kind) {
            found = Some(id);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

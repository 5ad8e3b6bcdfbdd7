//! Messages that wait for the hours of their recipients' countries: at the door, and where a claim
//! finds that they became late.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use pombo_domain::address::Phone;
use pombo_domain::country::{Leave, Rules, Timetable};
use pombo_domain::id::{PartId, RouteId};
use pombo_domain::message::Category;
use pombo_domain::time::Instant;
use pombo_domain::window::AvailableTimes;

use super::accept::Recipient;
use super::request::Request;

/// Messages of other routes that one range may span in a row.
const RANGE_GAP_MAX: usize = 1_000;

/// When hours that never meet their owner's times are looked at again: an operator may change them.
const LOOK_AGAIN: Duration = Duration::from_secs(24 * 3_600);

/// Recipients in a row who are due later than their request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which, by their place.
    pub recipients: Range<usize>,
    /// When.
    pub due: Instant,
}

/// A place in the queue of a route: from the first to the last of its recipients.
pub(super) struct QueuePlace {
    pub(super) route: RouteId,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) due: Instant,
}

/// One place in the queue per route: the range from its first to its last recipient. It is cut
/// where the route has none for long, so that no claim reads far for its next part, and where the
/// next is due at another time: ranges of one route never overlap.
pub(super) fn places(recipients: &[Recipient], held: &[Held], due: Instant) -> Vec<QueuePlace> {
    let mut places: Vec<QueuePlace> = Vec::new();
    let mut last: BTreeMap<RouteId, usize> = BTreeMap::new();
    let mut held = held.iter().peekable();
    for (offset, recipient) in recipients.iter().enumerate() {
        while held.next_if(|held| held.recipients.end <= offset).is_some() {}
        let own = held.peek().filter(|held| held.recipients.contains(&offset));
        let due = own.map_or(due, |held| held.due);
        let route = recipient.route;
        match last.get(&route).and_then(|last| places.get_mut(*last)) {
            Some(last) if last.due == due && offset - last.to <= RANGE_GAP_MAX => last.to = offset,
            _ => {
                last.insert(route, places.len());
                places.push(QueuePlace { route, from: offset, to: offset, due });
            }
        }
    }
    places.sort_by_key(|place| (place.route, place.from));
    places
}

/// Sorts the parts of one row of a queue: those that may leave, and those that wait.
pub(super) struct Holds<'r> {
    table: Timetable<'r>,
    now: Instant,
    expires: Option<Instant>,
    /// Parts in a row that are due together.
    rows: Vec<(PartId, PartId, Instant)>,
    /// The last part waits too: a row may go on with it.
    goes_on: bool,
}

impl<'r> Holds<'r> {
    /// `None` where nothing may hold a message of the request.
    pub(super) fn of(rules: &'r Rules, request: &Request, now: Instant) -> Option<Self> {
        if request.category != Category::Marketing || !rules.have_hours() {
            return None;
        }
        let times = AvailableTimes::from_stored(&request.windows);
        let table = Timetable::new(rules, now, times);
        Some(Self { table, now, expires: request.expires, rows: Vec::new(), goes_on: false })
    }

    /// Until when it may leave now; or puts it among those that wait, no longer than until it
    /// expires, so that it ends then.
    pub(super) fn leave(&mut self, part: PartId, to: Phone) -> Result<Option<Instant>, Waits> {
        let due = match self.table.leave(to, || to.country()) {
            Leave::AnyTime => {
                self.goes_on = false;
                return Ok(None);
            }
            Leave::Within(opening) if opening.at <= self.now => {
                self.goes_on = false;
                return Ok(Some(opening.closes));
            }
            Leave::Within(opening) => opening.at,
            Leave::Never => self.now.plus(LOOK_AGAIN),
        };
        let due = self.expires.map_or(due, |end| due.min(end));
        match self.rows.last_mut() {
            Some((_, last, its)) if self.goes_on && *its == due => *last = part,
            _ => self.rows.push((part, part, due)),
        }
        self.goes_on = true;
        Err(Waits)
    }

    /// The rows of those that wait: first part, last part, due.
    pub(super) fn into_rows(self) -> Vec<(PartId, PartId, Instant)> {
        self.rows
    }
}

/// It may not leave now.
pub(super) struct Waits;

//! What was committed lately, for the writer and for the readers: none of it is read back.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pombo_domain::id::EventId;

use super::requests::{New, Requests};
use crate::operation::callback::Event;

/// Events at hand, at most.
const KEPT_MAX: usize = 4_096;

/// Requests, and the end of the log.
#[derive(Debug, Default)]
pub(crate) struct Lately {
    pub(crate) requests: Requests,
    pub(crate) log: Log,
}

/// What a transaction has written, until it is committed.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    pub(super) requests: New,
    pub(super) events: Vec<Event>,
}

impl Lately {
    /// It is committed.
    pub(crate) fn keep(&self, fresh: Fresh) {
        self.requests.keep(fresh.requests);
        self.log.keep(fresh.events);
    }
}

/// The end of the log, as far as this process has written it and no other has in between. Whoever has
/// read up to where it begins finds here what comes next: ids rise with the commits, whosever they are.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<End>);

#[derive(Debug)]
struct End {
    /// No event is missing between this one and the first.
    since: i64,
    events: VecDeque<Event>,
}

impl Default for End {
    fn default() -> Self {
        Self { since: i64::MAX, events: VecDeque::new() }
    }
}

impl Log {
    /// Forgets all. Between this number and the event that is committed next there is no other.
    pub(crate) fn begin(&self, since: i64) {
        *self.lock() = End { since, events: VecDeque::new() };
    }

    fn keep(&self, events: Vec<Event>) {
        let mut end = self.lock();
        end.events.extend(events);
        while end.events.len() > KEPT_MAX
            && let Some(oldest) = end.events.pop_front()
        {
            end.since = end.since.max(oldest.id);
        }
    }

    /// The newest event.
    pub(crate) fn last(&self) -> EventId {
        EventId(self.lock().events.back().map_or(0, |event| event.id))
    }

    /// The first events after one and up to another. None where there are none here: the tables may
    /// have some.
    pub(crate) fn between(&self, after: EventId, to: EventId, limit: usize) -> Vec<Event> {
        let end = self.lock();
        if after.0 < end.since {
            return Vec::new();
        }
        let first = end.events.partition_point(|event| event.id <= after.0);
        let found = end.events.range(first..).take_while(|event| event.id <= to.0);
        found.take(limit).cloned().collect()
    }

    /// Whoever panicked had not begun to change it, or had done so.
    fn lock(&self) -> MutexGuard<'_, End> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::callback::event;

    fn log(since: i64, ids: std::ops::RangeInclusive<i64>) -> Log {
        let log = Log::default();
        log.begin(since);
        log.keep(ids.map(event).collect());
        log
    }

    fn ids(log: &Log, after: i64, to: i64, limit: usize) -> Vec<i64> {
        let found = log.between(EventId(after), EventId(to), limit);
        found.iter().map(|event| event.id).collect()
    }

    #[test]
    fn it_tells_what_comes_next_only_to_whom_it_knows_to_miss_nothing() {
        let log = log(10, 12..=15);
        assert_eq!(ids(&log, 10, 99, 9), [12, 13, 14, 15]);
        assert_eq!(ids(&log, 12, 14, 9), [13, 14]);
        assert_eq!(ids(&log, 12, 99, 1), [13]);
        assert!(ids(&log, 9, 99, 9).is_empty(), "there may be another before the first");
        assert!(ids(&log, 15, 99, 9).is_empty());
        log.begin(17);
        log.keep(vec![event(18)]);
        assert!(ids(&log, 15, 99, 9).is_empty(), "somebody else has written in between");
        assert_eq!(ids(&log, 17, 99, 9), [18]);
    }

    #[test]
    fn it_keeps_the_newest() {
        let n = i64::try_from(KEPT_MAX).expect("few");
        let log = log(0, 1..=n + 5);
        assert!(ids(&log, 4, n, 1).is_empty());
        assert_eq!(ids(&log, 5, n, 1), [6]);
        assert_eq!(log.last(), EventId(n + 5));
        // Those of a commit that had its answer after another had written: the other's are not here.
        log.begin(2 * n);
        log.keep((n + 6..=n + 8).map(event).collect());
        log.keep((2 * n + 1..=3 * n).map(event).collect());
        assert!(ids(&log, n + 8, 3 * n, 1).is_empty());
        assert_eq!(ids(&log, 2 * n, 3 * n, 1), [2 * n + 1]);
    }
}

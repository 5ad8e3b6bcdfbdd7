//! What became of the callbacks read so far, until it is written down: what is filed, what is over,
//! and how far the cursor may move.

use std::collections::BTreeSet;

use pombo_domain::id::EventId;
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_store::operation::callback_due::{Deferred, Settle};

/// From the stored cursor to the last event read.
#[derive(Debug)]
pub(super) struct Progress {
    /// The last event read.
    read_to: EventId,
    /// The cursor as stored.
    told_to: EventId,
    /// Events read whose callback is neither over nor filed.
    outstanding: BTreeSet<EventId>,
    unsaved: Settle,
    is_saving: bool,
}

/// What is being written down.
#[derive(Debug, Clone)]
pub(super) struct Saving {
    pub(super) settle: Settle,
    safe_to: EventId,
}

impl Progress {
    /// Continues at the stored cursor.
    pub(super) fn at(cursor: EventId) -> Self {
        Self {
            read_to: cursor,
            told_to: cursor,
            outstanding: BTreeSet::new(),
            unsaved: Settle::default(),
            is_saving: false,
        }
    }

    /// The last event read.
    pub(super) fn read_to(&self) -> EventId {
        self.read_to
    }

    /// Events were read up to here; those that owe a callback have [begun](Self::begin).
    pub(super) fn read(&mut self, to: EventId) {
        self.read_to = to;
    }

    /// An event owes a callback.
    pub(super) fn begin(&mut self, event: EventId) {
        self.outstanding.insert(event);
    }

    /// Nothing more is to be done for an event that was never filed.
    pub(super) fn over(&mut self, event: EventId) {
        self.outstanding.remove(&event);
    }

    /// Nothing more is to be done for a filed one.
    pub(super) fn filed_is_over(&mut self, event: EventId) {
        self.unsaved.done.push(event);
    }

    /// To be tried (again) later.
    pub(super) fn file(&mut self, callback: Deferred) {
        self.unsaved.deferred.push(callback);
    }

    /// Results that are only in memory.
    pub(super) fn n_unsaved(&self) -> usize {
        self.unsaved.deferred.len() + self.unsaved.done.len()
    }

    /// What is to be written down now; [`Self::saved`] or [`Self::not_saved`] must follow.
    pub(super) fn save(&mut self) -> Option<Saving> {
        if self.is_saving {
            return None;
        }
        let unsaved = &mut self.unsaved;
        let n = unsaved.deferred.len().min(ROWS_PER_OPERATION_MAX);
        let deferred: Vec<_> = unsaved.deferred.drain(..n).collect();
        // One may be filed and over: never the other way round.
        let n = if unsaved.deferred.is_empty() { ROWS_PER_OPERATION_MAX - n } else { 0 };
        let done: Vec<_> = unsaved.done.drain(..n.min(unsaved.done.len())).collect();
        // What is filed in this very commit is no reason to hold the cursor back.
        for filed in &deferred {
            self.outstanding.remove(&filed.event);
        }
        let safe_to = match self.outstanding.first() {
            Some(first) => EventId(first.0 - 1),
            None => self.read_to,
        };
        if safe_to <= self.told_to && deferred.is_empty() && done.is_empty() {
            return None;
        }
        self.is_saving = true;
        let cursor = (safe_to > self.told_to).then_some(safe_to);
        Some(Saving { settle: Settle { cursor, deferred, done }, safe_to })
    }

    /// Whether something is being written down.
    pub(super) fn is_saving(&self) -> bool {
        self.is_saving
    }

    /// It is on disk.
    pub(super) fn saved(&mut self, saving: &Saving) {
        self.is_saving = false;
        self.told_to = self.told_to.max(saving.safe_to);
    }

    /// It is not: it comes before what was settled meanwhile.
    pub(super) fn not_saved(&mut self, saving: Saving) {
        self.is_saving = false;
        self.outstanding.extend(saving.settle.deferred.iter().map(|filed| filed.event));
        self.unsaved.deferred.splice(0..0, saving.settle.deferred);
        self.unsaved.done.splice(0..0, saving.settle.done);
    }
}

#[cfg(test)]
mod tests {
    use pombo_store::operation::callback_due::Endpoint;

    use super::*;

    fn filed(event: i64) -> Deferred {
        Deferred {
            event: EventId(event),
            due: pombo_domain::time::Instant::from_micros(0),
            tries: 1,
            url: "http://sink.example/".to_owned(),
            endpoint: Endpoint::first(),
            failure: String::new(),
        }
    }

    fn read(events: std::ops::RangeInclusive<i64>) -> Progress {
        let mut progress = Progress::at(EventId(0));
        let last = *events.end();
        events.for_each(|event| progress.begin(EventId(event)));
        progress.read(EventId(last));
        progress
    }

    #[test]
    fn the_cursor_moves_past_what_is_over_or_filed_and_no_further() {
        let mut progress = read(1..=5);
        progress.over(EventId(1));
        progress.file(filed(2));
        progress.over(EventId(4));
        let saving = progress.save().expect("two are done with");
        assert_eq!(saving.settle.cursor, Some(EventId(2)));
        assert_eq!(saving.settle.deferred.len(), 1);
        progress.saved(&saving);
        assert!(progress.save().is_none(), "3 and 5 are on their way");
        progress.over(EventId(3));
        progress.over(EventId(5));
        assert_eq!(progress.save().expect("all").settle.cursor, Some(EventId(5)));
    }

    #[test]
    fn what_could_not_be_saved_is_saved_next_and_holds_the_cursor_until_then() {
        let mut progress = read(1..=2);
        progress.file(filed(1));
        let saving = progress.save().expect("one is filed");
        assert!(progress.save().is_none(), "one at a time");
        progress.file(filed(2));
        progress.not_saved(saving);
        let again = progress.save().expect("both");
        let events: Vec<_> = again.settle.deferred.iter().map(|filed| filed.event.0).collect();
        assert_eq!((events, again.settle.cursor), (vec![1, 2], Some(EventId(2))));
    }

    #[test]
    fn what_is_filed_and_over_is_written_in_that_order() {
        let mut progress = read(1..=1_500);
        (1..=1_500).for_each(|event| progress.file(filed(event)));
        progress.filed_is_over(EventId(1_400));
        let first = progress.save().expect("a thousand are filed");
        assert_eq!((first.settle.deferred.len(), first.settle.done.len()), (1_000, 0));
        assert_eq!(first.settle.cursor, Some(EventId(1_000)));
        progress.saved(&first);
        let second = progress.save().expect("the others");
        assert_eq!((second.settle.deferred.len(), second.settle.done.len()), (500, 1));
    }
}

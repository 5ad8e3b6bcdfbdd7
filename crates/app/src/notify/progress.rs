//! What became of the callbacks read so far, until it is written down: what is filed, what is over,
//! and how far the cursor may move.

use std::collections::BTreeSet;

use pombo_domain::id::EventId;
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_store::operation::callback_due::{Dead, Debt, Deferred, Settle};

/// From the stored cursor to the last event read.
#[derive(Debug)]
pub(super) struct Progress {
    /// The last event read.
    read_to: EventId,
    /// The cursor as stored.
    told_to: EventId,
    /// Events read whose callback is neither over nor filed.
    outstanding: BTreeSet<Debt>,
    unsaved: Settle,
    is_saving: bool,
    pushed: Counts,
    saved: Counts,
}

/// How many were filed, and how many filed ones were over, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    filed: u64,
    over: u64,
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
            pushed: Counts::default(),
            saved: Counts::default(),
        }
    }

    /// What is known now, for [`Self::has_saved`].
    pub(super) fn counts(&self) -> Counts {
        self.pushed
    }

    /// Whether all that was known then is on disk.
    pub(super) fn has_saved(&self, then: Counts) -> bool {
        self.saved.filed >= then.filed && self.saved.over >= then.over
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
    pub(super) fn begin(&mut self, debt: Debt) {
        self.outstanding.insert(debt);
    }

    /// Nothing more is to be done for an event that was never filed.
    pub(super) fn over(&mut self, debt: Debt) {
        self.outstanding.remove(&debt);
    }

    /// Nothing more is to be done for a filed one.
    pub(super) fn filed_is_over(&mut self, debt: Debt) {
        self.pushed.over += 1;
        self.unsaved.done.push(debt);
    }

    /// A notification is given up; [`Self::filed_is_over`] follows.
    pub(super) fn dies(&mut self, dead: Dead) {
        self.unsaved.dead.push(dead);
    }

    /// To be tried (again) later.
    pub(super) fn file(&mut self, callback: Deferred) {
        self.pushed.filed += 1;
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
        let dead = std::mem::take(&mut unsaved.dead);
        // What is filed in this very commit is no reason to hold the cursor back.
        for filed in &deferred {
            self.outstanding.remove(&filed.debt);
        }
        let safe_to = match self.outstanding.first() {
            Some(first) => EventId(first.event.0 - 1),
            None => self.read_to,
        };
        if safe_to <= self.told_to && deferred.is_empty() && done.is_empty() && dead.is_empty() {
            return None;
        }
        self.is_saving = true;
        let cursor = (safe_to > self.told_to).then_some(safe_to);
        Some(Saving { settle: Settle { cursor, deferred, done, dead }, safe_to })
    }

    /// Whether something is being written down.
    pub(super) fn is_saving(&self) -> bool {
        self.is_saving
    }

    /// It is on disk.
    pub(super) fn saved(&mut self, saving: &Saving) {
        self.is_saving = false;
        self.told_to = self.told_to.max(saving.safe_to);
        self.saved.filed += saving.settle.deferred.len() as u64;
        self.saved.over += saving.settle.done.len() as u64;
    }

    /// It is not: it comes before what was settled meanwhile.
    pub(super) fn not_saved(&mut self, saving: Saving) {
        self.is_saving = false;
        self.outstanding.extend(saving.settle.deferred.iter().map(|filed| filed.debt));
        self.unsaved.deferred.splice(0..0, saving.settle.deferred);
        self.unsaved.done.splice(0..0, saving.settle.done);
        self.unsaved.dead.splice(0..0, saving.settle.dead);
    }
}

#[cfg(test)]
mod tests {
    use pombo_store::operation::callback_due::{Endpoint, Target};

    use super::*;

    fn debt(event: i64) -> Debt {
        Debt { event: EventId(event), to: Target::Callback }
    }

    fn filed(event: i64) -> Deferred {
        Deferred {
            debt: debt(event),
            message: None,
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
        events.for_each(|event| progress.begin(debt(event)));
        progress.read(EventId(last));
        progress
    }

    #[test]
    fn the_cursor_moves_past_what_is_over_or_filed_and_no_further() {
        let mut progress = read(1..=5);
        progress.over(debt(1));
        progress.file(filed(2));
        progress.over(debt(4));
        let saving = progress.save().expect("two are done with");
        assert_eq!(saving.settle.cursor, Some(EventId(2)));
        assert_eq!(saving.settle.deferred.len(), 1);
        progress.saved(&saving);
        assert!(progress.save().is_none(), "3 and 5 are on their way");
        progress.over(debt(3));
        progress.over(debt(5));
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
        let events: Vec<_> = again.settle.deferred.iter().map(|filed| filed.debt.event.0).collect();
        assert_eq!((events, again.settle.cursor), (vec![1, 2], Some(EventId(2))));
    }

    #[test]
    fn what_is_filed_and_over_is_written_in_that_order() {
        let mut progress = read(1..=1_500);
        (1..=1_500).for_each(|event| progress.file(filed(event)));
        progress.filed_is_over(debt(1_400));
        let first = progress.save().expect("a thousand are filed");
        assert_eq!((first.settle.deferred.len(), first.settle.done.len()), (1_000, 0));
        assert_eq!(first.settle.cursor, Some(EventId(1_000)));
        progress.saved(&first);
        let second = progress.save().expect("the others");
        assert_eq!((second.settle.deferred.len(), second.settle.done.len()), (500, 1));
    }
    #[test]
    fn what_was_filed_is_saved_once_all_that_was_filed_before_is() {
        let mut progress = read(1..=1_500);
        (1..=1_500).for_each(|event| progress.file(filed(event)));
        let then = progress.counts();
        let first = progress.save().expect("a thousand");
        progress.saved(&first);
        assert!(!progress.has_saved(then));
        let second = progress.save().expect("the others");
        progress.saved(&second);
        assert!(progress.has_saved(then));
    }
}

//! Arrivals on their way to the store; the carrier gets its answers when they are safe.
//!
//! One batch is being stored while the next one gathers: reading and submitting go on meanwhile.

use pombo_domain::channel::{Arrival, BoxFuture, Desk, NotStored};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;

/// Unanswered arrivals per connection; when there are more, nothing more is read.
const UNANSWERED_MAX: usize = 10_000;

/// An answer that the carrier waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// The request's number.
    pub(super) sequence: u32,
    /// Whether it was a data_sm; else a deliver_sm.
    pub(super) is_data: bool,
}

/// The arrivals of one connection.
pub(super) struct Inbox<'a> {
    desk: &'a dyn Desk,
    gathered: Vec<Arrival>,
    gathered_answers: Vec<Answer>,
    storing: Option<BoxFuture<'a, Result<(), NotStored>>>,
    storing_answers: Vec<Answer>,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(desk: &'a dyn Desk) -> Self {
        Self {
            desk,
            gathered: Vec::new(),
            gathered_answers: Vec::new(),
            storing: None,
            storing_answers: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, arrival: Arrival, answer: Answer) {
        self.gathered.push(arrival);
        self.gathered_answers.push(answer);
    }

    pub(super) fn has_room(&self) -> bool {
        self.gathered_answers.len() + self.storing_answers.len() < UNANSWERED_MAX
    }

    pub(super) fn is_idle(&self) -> bool {
        self.storing.is_none() && self.gathered.is_empty()
    }

    pub(super) fn is_storing(&self) -> bool {
        self.storing.is_some()
    }

    /// Hands what has gathered to the store, as much as one operation takes, unless a batch is still on its way there.
    pub(super) fn store(&mut self) {
        if self.storing.is_none() && !self.gathered.is_empty() {
            let n = self.gathered.len().min(ROWS_PER_OPERATION_MAX);
            self.storing = Some(self.desk.received(self.gathered.drain(..n).collect()));
            self.storing_answers = self.gathered_answers.drain(..n).collect();
        }
    }

    /// Waits for the batch on its way: its answers, and whether it is safe. Cancel-safe.
    pub(super) async fn stored(&mut self) -> (Vec<Answer>, bool) {
        let Some(storing) = self.storing.as_mut() else {
            return std::future::pending().await;
        };
        let is_safe = storing.as_mut().await.is_ok();
        self.storing = None;
        (std::mem::take(&mut self.storing_answers), is_safe)
    }

    /// Stores all that is left, though nobody can be answered any more: the link is gone.
    pub(super) async fn finish(&mut self) {
        self.store();
        while self.is_storing() {
            self.stored().await;
            self.store();
        }
    }
}

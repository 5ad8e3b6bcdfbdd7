//! Requests that were accepted or looked up lately, for the writer and for the readers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pombo_domain::id::MessageId;

use crate::operation::request::Request;

/// Requests at hand, at most.
const KEPT_MAX: usize = 4_096;

/// By the ids of their first messages.
type ById = BTreeMap<i64, Arc<Request>>;

/// What was just accepted need not be read back, by whoever sends it nor by whoever tells what became
/// of it. Only what is committed is here, and a request never changes after that.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// The younger, and the older half.
    halves: Mutex<[ById; 2]>,
}

impl Requests {
    /// Keeps those that a transaction has committed.
    pub(crate) fn keep(&self, New(new): New) {
        if new.is_empty() {
            return;
        }
        let mut halves = self.lock();
        let [young, old] = &mut *halves;
        if young.len() + new.len() > KEPT_MAX / 2 {
            *old = std::mem::take(young);
        }
        // Not `append`, which makes the whole map anew.
        young.extend(new);
    }

    /// The request of a message.
    pub(crate) fn of_message(&self, message: MessageId) -> Option<Arc<Request>> {
        self.lock().iter().find_map(|half| of_message(half, message))
    }

    pub(crate) fn clear(&self) {
        self.lock().iter_mut().for_each(BTreeMap::clear);
    }

    /// Whoever panicked had not begun to change it, or had done so.
    fn lock(&self) -> MutexGuard<'_, [ById; 2]> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of a transaction that is not committed yet: the writer's own.
#[derive(Debug, Default)]
pub(crate) struct New(ById);

impl New {
    pub(crate) fn add(&mut self, request: Arc<Request>) {
        if self.0.len() >= KEPT_MAX / 2 {
            self.0.pop_first();
        }
        self.0.insert(request.id.0, request);
    }

    /// The request of a message.
    pub(crate) fn of_message(&self, message: MessageId) -> Option<Arc<Request>> {
        of_message(&self.0, message)
    }
}

fn of_message(requests: &ById, message: MessageId) -> Option<Arc<Request>> {
    let (_, request) = requests.range(..=message.0).next_back()?;
    request.holds(message).then(|| Arc::clone(request))
}

//! Follows every message of a run by its recipient: sent when, submitted and called back how often.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pombo_peers::load::Histogram;

/// Message `idx` goes to this number plus `idx`: a valid Spanish mobile number each.
const FIRST_RECIPIENT: u64 = 34_600_000_000;

/// One run's messages.
pub(crate) struct Ledger {
    start: Instant,
    /// Microseconds from `start` to when the message's request was due.
    due_us: Vec<AtomicU32>,
    /// What the SMSC got.
    pub(crate) submitted: Arrivals,
    /// What the sink got.
    pub(crate) called: Arrivals,
    /// From due to the SMSC.
    to_submit: Mutex<Histogram>,
}

/// The ledger of the round that goes on, for those who note what arrives.
#[derive(Clone)]
pub(crate) struct Current(Arc<Mutex<Arc<Ledger>>>);

/// What arrived at one place.
pub(crate) struct Arrivals {
    times: Vec<AtomicU8>,
    /// Arrivals of warm-up messages.
    warm: AtomicU64,
    count: AtomicU64,
    strange: AtomicU64,
    first_us: AtomicU64,
    last_us: AtomicU64,
}

impl Ledger {
    /// A run of `n_messages`; those with higher numbers only warm up.
    pub(crate) fn new(n_messages: usize) -> Self {
        Self {
            start: Instant::now(),
            due_us: (0..n_messages).map(|_| AtomicU32::new(0)).collect(),
            submitted: Arrivals::new(n_messages),
            called: Arrivals::new(n_messages),
            to_submit: Mutex::default(),
        }
    }

    /// The recipient of message `idx`.
    pub(crate) fn recipient(idx: u64) -> u64 {
        FIRST_RECIPIENT + idx
    }

    /// Notes when the request of message `idx` was due.
    pub(crate) fn due(&self, idx: usize, at: Instant) {
        let after_us = u32::try_from((at - self.start).as_micros()).unwrap_or(u32::MAX);
        if let Some(due_us) = self.due_us.get(idx) {
            due_us.store(after_us, Ordering::Relaxed);
        }
    }

    /// Notes that a message to `recipient` (its digits) reached the SMSC.
    pub(crate) fn submit(&self, recipient: &[u8], at: Instant) {
        if let Some(idx) = self.submitted.arrive(recipient, at - self.start) {
            let due = Duration::from_micros(self.due_us[idx].load(Ordering::Relaxed).into());
            let waited = (at - self.start).saturating_sub(due);
            self.to_submit.lock().unwrap_or_else(PoisonError::into_inner).record(waited);
        }
    }

    /// Notes that the callback for `recipient` (its digits) reached the sink.
    pub(crate) fn call(&self, recipient: &[u8], at: Instant) {
        self.called.arrive(recipient, at - self.start);
    }

    /// From when a message was due to its submit_sm.
    pub(crate) fn to_submit(&self) -> Histogram {
        self.to_submit.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Current {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    pub(crate) fn get(&self) -> Arc<Ledger> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new round begins.
    pub(crate) fn set(&self, ledger: Arc<Ledger>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ledger;
    }
}

impl Arrivals {
    fn new(n_messages: usize) -> Self {
        Self {
            times: (0..n_messages).map(|_| AtomicU8::new(0)).collect(),
            warm: AtomicU64::new(0),
            count: AtomicU64::new(0),
            strange: AtomicU64::new(0),
            first_us: AtomicU64::new(u64::MAX),
            last_us: AtomicU64::new(0),
        }
    }

    /// Counts an arrival and tells which message of the run it was.
    fn arrive(&self, recipient: &[u8], after: Duration) -> Option<usize> {
        let after_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let digits = std::str::from_utf8(recipient).ok()?;
        let number: Option<u64> = digits.trim_start_matches('+').parse().ok();
        let idx = number.and_then(|number| number.checked_sub(FIRST_RECIPIENT));
        let Some(idx) = idx.and_then(|idx| usize::try_from(idx).ok()) else {
            self.strange.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        if idx >= self.times.len() {
            self.warm.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.times[idx].fetch_add(1, Ordering::Relaxed);
        self.first_us.fetch_min(after_us, Ordering::Relaxed);
        self.last_us.fetch_max(after_us, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(idx)
    }

    /// Arrivals, repeated ones included.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Arrivals of warm-up messages.
    pub(crate) fn warm(&self) -> u64 {
        self.warm.load(Ordering::Relaxed)
    }

    /// Arrivals for what is no recipient of ours.
    pub(crate) fn strange(&self) -> u64 {
        self.strange.load(Ordering::Relaxed)
    }

    /// Messages that arrived at least once.
    pub(crate) fn distinct(&self) -> u64 {
        self.times.iter().filter(|times| times.load(Ordering::Relaxed) > 0).map(|_| 1).sum()
    }

    /// Arrivals beyond the first of each message.
    pub(crate) fn repeated(&self) -> u64 {
        self.count() - self.distinct()
    }

    /// Arrivals a second, from the first to the last.
    pub(crate) fn rate(&self) -> f64 {
        let first = self.first_us.load(Ordering::Relaxed);
        let last = self.last_us.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "counts and microseconds of one run")]
        let (count, micros) = (self.count() as f64, last.saturating_sub(first) as f64);
        if micros > 0.0 { count * 1e6 / micros } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_repeated_warm_and_strange_messages_are_told_apart() {
        let ledger = Ledger::new(3);
        let now = Instant::now();
        for recipient in ["34600000000", "+34600000001", "34600000001", "34600000003", "1"] {
            ledger.submit(recipient.as_bytes(), now);
        }
        let seen = &ledger.submitted;
        assert_eq!((seen.distinct(), seen.repeated()), (2, 1));
        assert_eq!((seen.warm(), seen.strange()), (1, 1));
        assert_eq!(ledger.to_submit().count(), 3);
    }
}

//! The only reader of the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use pombo_domain::time::Instant;

/// Tells the time: the system's, or one that a test sets.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Microseconds since the epoch, where a test holds the clock still.
    held: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self { held: None }
    }

    /// A clock that stands at `at` until it is moved.
    #[must_use]
    pub fn held(at: Instant) -> Self {
        Self { held: Some(Arc::new(AtomicI64::new(at.micros()))) }
    }

    /// Moves a held clock; the system's stays as it is.
    pub fn move_to(&self, at: Instant) {
        if let Some(held) = &self.held {
            held.store(at.micros(), Ordering::Relaxed);
        }
    }

    /// Now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
    pub fn now(&self) -> Instant {
        match &self.held {
            Some(held) => Instant::from_micros(held.load(Ordering::Relaxed)),
            None => {
                let since = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                Instant::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
        }
    }
}

//! The only reader of the time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use pombo_domain::time::Instant;

/// When this process first asked how long it runs.
static BEGAN: LazyLock<tokio::time::Instant> = LazyLock::new(tokio::time::Instant::now);

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

    /// A time that nobody sets: only how far two of them are apart means anything. Of a held clock
    /// it is the time that a test sets.
    #[must_use]
    pub fn steady(&self) -> Instant {
        match &self.held {
            Some(_) => self.now(),
            None => {
                let since = BEGAN.elapsed();
                Instant::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
        }
    }
}

//! What became of callbacks and notifications, for the operator's metrics.

use metrics::Counter;
use pombo_store::operation::callback_due::Target;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    Delivered,
    Failed,
    GivenUp,
    PutOff,
}

/// Counts it without looking the metric up by its name.
pub(super) struct Counters {
    callbacks: [Counter; 4],
    notifications: [Counter; 4],
}

impl Counters {
    /// Registers them, so that an alarm sees them rise.
    pub(super) fn new() -> Self {
        let of = |name: &'static str| {
            ["delivered", "failed", "given_up", "put_off"]
                .map(|result| metrics::counter!(name, "result" => result))
        };
        Self {
            callbacks: of("pombo_callbacks_total"),
            notifications: of("pombo_notifications_total"),
        }
    }

    pub(super) fn count(&self, became: Became, to: Target, n: usize) {
        let counters = match to {
            Target::Callback => &self.callbacks,
            Target::Notification => &self.notifications,
        };
        counters[became as usize].increment(n as u64);
    }
}

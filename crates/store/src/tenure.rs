//! Whether this node may send: it is one of those that serve from a database, and lately was told so.
//!
//! A node that is cut off from the database cannot know whether another has taken over what it had
//! claimed. So what lies on the desks is handed out only for a moment after the server last said that
//! the node is still one; and whoever takes over has seen it stand still for longer than that moment.
//! Two never send the same at the same time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

/// How long the server's word is good for.
const LASTS: Duration = Duration::from_secs(4);

/// How long a node has stood still when another takes over: clocks differ a little, and bytes take
/// their time.
pub(crate) const OVER_AFTER: Duration = Duration::from_secs(5);

/// The time since the machine started, while it slept too: others go on meanwhile.
pub(crate) fn since_boot() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

/// The time of a node.
#[derive(Debug)]
pub(crate) struct Tenure {
    /// Until when it may send: microseconds [`since_boot`].
    until: AtomicU64,
    /// Why it is over for good.
    over: watch::Sender<Option<String>>,
}

impl Tenure {
    /// Begins now.
    pub(crate) fn new() -> Self {
        let tenure = Self { until: AtomicU64::new(0), over: watch::Sender::new(None) };
        tenure.prove(since_boot());
        tenure
    }

    /// Of one that nobody can take over.
    pub(crate) fn for_ever() -> Self {
        let tenure = Self::new();
        tenure.until.store(u64::MAX, Ordering::Release);
        tenure
    }

    /// It was a node at a time after `asked`, which is [`since_boot`].
    pub(crate) fn prove(&self, asked: Duration) {
        self.until.store(micros(asked + LASTS), Ordering::Release);
    }

    /// It sends nothing from now on, until it is proved again.
    pub(crate) fn suspend(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Another has taken over: what this process knows of messages is not true any more.
    pub(crate) fn end(&self, why: &str) {
        self.suspend();
        self.over.send_replace(Some(why.to_owned()));
    }

    /// Whether it may send now.
    pub(crate) fn holds(&self) -> bool {
        micros(since_boot()) < self.until.load(Ordering::Acquire)
    }

    /// Why it is over for good, where it is.
    pub(crate) fn over(&self) -> Option<String> {
        self.over.borrow().clone()
    }

    /// Waits until it is over for good, and says why.
    pub(crate) async fn ended(&self) -> String {
        let mut over = self.over.subscribe();
        match over.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_from_when_it_was_asked_for() {
        let tenure = Tenure::new();
        assert!(tenure.holds());
        tenure.prove(since_boot().saturating_sub(LASTS));
        assert!(!tenure.holds());
        tenure.prove(since_boot());
        assert!(tenure.holds());
        tenure.suspend();
        assert!(!tenure.holds());
        assert!(LASTS < OVER_AFTER);
    }
}

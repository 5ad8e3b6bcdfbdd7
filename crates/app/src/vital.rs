//! The tasks that a process cannot do without. Half a process would keep some of what it has waiting for
//! ever, where one that is started anew finds all that was stored: so it ends as a whole.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Starts such tasks, and tells when one of them has ended by a defect; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Vital(watch::Sender<Option<&'static str>>);

impl Vital {
    /// Starts a task that runs until it is told to end; `what` it does, in words.
    pub fn spawn(
        &self,
        what: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let broken = self.0.clone();
        tokio::spawn(async move {
            // Nothing of it is used any more.
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                broken.send_replace(Some(what));
            }
        })
    }

    /// Waits until a task has ended by a defect; what it did.
    pub async fn broken(&self) -> &'static str {
        let mut broken = self.0.subscribe();
        match broken.wait_for(Option::is_some).await {
            Ok(what) => what.unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_defect_is_told_and_an_end_or_an_abort_is_not() {
        let vital = Vital::default();
        let ended = vital.spawn("ends", async {});
        let aborted = vital.spawn("is aborted", std::future::pending());
        aborted.abort();
        assert!(ended.await.is_ok());
        assert!(aborted.await.is_err());
        assert!(vital.broken().now_or_never().is_none());
        let panics = vital.spawn("panics", async { panic!("a defect") });
        assert!(panics.await.is_ok());
        assert_eq!(vital.broken().await, "panics");
    }
}

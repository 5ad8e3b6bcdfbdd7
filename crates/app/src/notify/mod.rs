//! The notifier: reads the event log behind a cursor and tells callbacks and notifications, each
//! endpoint at its own pace.
//!
//! The cursor moves past an event only when its callback was delivered or filed for another try, so
//! a crash repeats a callback rather than lose it. What is in memory is bounded: an endpoint that takes
//! too long fills its own places, and what comes for it beyond them waits in the store, in a queue of
//! its own. The callbacks of one part, and the notifications of one message, go one
//! after the other.

mod counters;
mod endpoints;
mod letter;
mod notifier;
mod progress;
mod subscriptions;
mod url;

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::channel::BoxFuture;
use pombo_store::Store;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::vital::Vital;
pub use letter::Letter;
use notifier::Notifier;
pub(crate) use subscriptions::Subscriptions;

/// Makes one HTTP request; the channel that speaks HTTP implements it.
pub trait Post: Send + Sync {
    /// GETs a URL; answers the status.
    fn get(&self, url: String) -> BoxFuture<'static, Result<u16, Unanswered>>;

    /// POSTs a letter to a URL, likewise.
    fn post(&self, url: String, letter: Letter) -> BoxFuture<'static, Result<u16, Unanswered>>;
}

/// Why a request brought no status that says whether it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// Too many others wait for the same server, or it has waited too long for its turn there: it was
    /// not sent, and is no try.
    Unsent,
    /// The server asks to be called again, after this long where it says so.
    Later(Option<Duration>),
    /// It was tried; what failed, in words.
    Failed(String),
}

/// A running notifier.
#[derive(Debug)]
pub(crate) struct Handle {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Handle {
    /// Waits for the callbacks on their way, at most `patience`, and writes down what is done.
    pub(crate) async fn stop(self, patience: Duration) {
        let _ = self.stop.send(()); // It may have ended with the store.
        let mut task = self.task;
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Starts the notifier; it ends with the store. Of several nodes the first tells everything, and the
/// next takes it up where that one has written that it was: what was just being told is told again.
pub(crate) fn start(
    (store, clock, vital): (Store, Clock, &Vital),
    post: Arc<dyn Post>,
    subscriptions: Subscriptions,
    submitted: bool,
) -> Handle {
    let (stop, mut stopped) = oneshot::channel();
    let mut notifier = Notifier::new((store.clone(), clock), post, subscriptions, submitted);
    let mut nodes = store.nodes();
    let task = vital.spawn("tells callbacks", async move {
        let is_first = async { nodes.wait_for(|nodes| nodes.is_first()).await.is_ok() };
        tokio::select! {
            true = is_first => {}
            _ = &mut stopped => return,
        }
        notifier.run(stopped).await;
    });
    Handle { stop, task }
}

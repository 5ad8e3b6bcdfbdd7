//! The readers: a few threads with a connection each, that answer questions from committed state.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::operation::{Question, View};
use crate::sql::Database;
use crate::work::Days;

/// A connection that reads, whichever engine it is of.
pub(crate) trait Snapshots: Send + 'static {
    /// The connection.
    fn database(&self) -> Database<'_>;
    /// Opens a snapshot: what is committed later is not seen until it ends.
    fn open(&mut self) -> Result<()>;
    /// Ends it.
    fn end(&mut self);
}

type Job = Box<dyn FnOnce(Result<View<'_>>) + Send>;

/// The readers' side that everyone sees; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    jobs: Sender<Job>,
}

impl Readers {
    pub(crate) fn start<S: Snapshots>(connections: Vec<S>) -> Self {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for (number, mut connection) in connections.into_iter().enumerate() {
            let queue = Arc::clone(&queue);
            let name = format!("store-read-{number}");
            let run = move || read(&mut connection, &queue);
            if let Err(error) = std::thread::Builder::new().name(name).spawn(run) {
                tracing::error!(%error, "a reader thread could not be started");
            }
        }
        Self { jobs }
    }

    pub(crate) fn submit<Q: Question>(
        &self,
        question: Q,
    ) -> Result<oneshot::Receiver<Result<Q::Answer>>> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |view| {
            let answer = view.and_then(|mut view| question.answer(&mut view));
            // Whoever asked may have gone away; then nobody wants the answer.
            let _ = reply.send(answer);
        });
        self.jobs.send(job).map_err(|_| Error::Closed)?;
        Ok(answer)
    }
}

/// Takes jobs until the senders are gone.
fn read(connection: &mut impl Snapshots, queue: &Mutex<Receiver<Job>>) {
    let mut days = Days::default();
    loop {
        let Ok(next) = queue.lock() else { return };
        let Ok(job) = next.recv() else { return };
        drop(next);
        // One snapshot for the whole question: a commit between two of its statements must not
        // show it a later event and hide an earlier one.
        let opened = connection.open();
        // A question that panics is a defect; it must not take the others' reader with it.
        let done = catch_unwind(AssertUnwindSafe(|| {
            let database = connection.database();
            job(opened.map(|()| View { database, days: &mut days, looked: false }));
        }));
        if done.is_err() {
            tracing::error!("a question panicked");
        }
        connection.end();
    }
}

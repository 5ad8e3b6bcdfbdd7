//! The readers: a few threads with a connection each, that answer questions from committed state.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::day::Days;
use crate::Error;
use crate::operation::{Question, View};

type Job = Box<dyn FnOnce(&mut View<'_>) + Send>;

#[derive(Debug)]
pub(crate) struct Readers {
    jobs: Sender<Job>,
}

impl Readers {
    pub(crate) fn start(connections: Vec<Connection>) -> Self {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for (number, connection) in connections.into_iter().enumerate() {
            let queue = Arc::clone(&queue);
            let name = format!("store-read-{number}");
            let run = move || read(&connection, &queue);
            if let Err(error) = std::thread::Builder::new().name(name).spawn(run) {
                tracing::error!(%error, "a reader thread could not be started");
            }
        }
        Self { jobs }
    }

    pub(crate) fn submit<Q: Question>(
        &self,
        question: Q,
    ) -> Result<oneshot::Receiver<Result<Q::Answer, Error>>, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |view| {
            // Whoever asked may have gone away; then nobody wants the answer.
            let _ = reply.send(question.answer(view).map_err(Error::from));
        });
        self.jobs.send(job).map_err(|_| Error::Closed)?;
        Ok(answer)
    }
}

/// Takes jobs until the senders are gone.
fn read(connection: &Connection, queue: &Mutex<Receiver<Job>>) {
    let mut days = Days::default();
    loop {
        let Ok(next) = queue.lock() else { return };
        let Ok(job) = next.recv() else { return };
        drop(next);
        // One snapshot for the whole question: a commit between two of its statements must not
        // show it a later event and hide an earlier one.
        if let Err(error) = connection.execute_batch("begin") {
            tracing::warn!(%error, "a question is answered without a snapshot");
        }
        // A question that panics is a defect; it must not take the others' reader with it.
        let done = catch_unwind(AssertUnwindSafe(|| {
            job(&mut View { connection, days: &mut days, looked: false });
        }));
        if done.is_err() {
            tracing::error!("a question panicked");
        }
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("rollback")
        {
            tracing::warn!(%error, "a reader cannot end its snapshot");
        }
    }
}

//! The readers: a few threads with a connection each, that answer questions from committed state.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::operation::{Question, View};
use crate::sql::Database;
use crate::trouble::Trouble;
use crate::work::{Days, Lately};

/// A connection that reads, whichever engine it is of.
pub(crate) trait Snapshots: Send + 'static {
    /// The connection.
    fn database(&self) -> Database<'_>;
    /// Opens a snapshot: what is committed later is not seen until it ends.
    fn open(&mut self) -> Result<()>;
    /// Ends it.
    fn end(&mut self);
}

/// Questions that wait, at most: more than come over all connections that HTTP accepts.
const QUESTIONS_MAX: usize = 10_000;

/// A question with the one who waits for its answer.
trait Job: Send {
    fn is_awaited(&self) -> bool;
    /// Answers it; what went wrong, where something did.
    fn answer(self: Box<Self>, view: Result<View<'_>>) -> Option<Error>;
}

struct Asked<Q: Question> {
    question: Q,
    reply: oneshot::Sender<Result<Q::Answer>>,
}

impl<Q: Question> Job for Asked<Q> {
    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn answer(self: Box<Self>, view: Result<View<'_>>) -> Option<Error> {
        let Self { question, reply } = *self;
        // A question that panics is a defect; it must not take the others' reader with it.
        let asked = AssertUnwindSafe(|| view.and_then(|mut view| question.answer(&mut view)));
        let panicked = |_| Err(Error::Failed("a question panicked".into()));
        let answer = catch_unwind(asked).unwrap_or_else(panicked);
        let wrong = answer.as_ref().err().cloned();
        // Whoever asked may have gone away; then nobody wants the answer.
        let _ = reply.send(answer);
        wrong
    }
}

/// The readers' side that everyone sees; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    jobs: SyncSender<Box<dyn Job>>,
}

impl Readers {
    pub(crate) fn start<S: Snapshots>(
        connections: Vec<S>,
        trouble: &Arc<Trouble>,
        lately: &Arc<Lately>,
    ) -> Self {
        let (jobs, queue) = sync_channel(QUESTIONS_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for (number, mut connection) in connections.into_iter().enumerate() {
            let (queue, trouble) = (Arc::clone(&queue), Arc::clone(trouble));
            let lately = Arc::clone(lately);
            let name = format!("store-read-{number}");
            let run = move || read(&mut connection, &queue, &trouble, &lately);
            if let Err(error) = std::thread::Builder::new().name(name).spawn(run) {
                tracing::error!(%error, "a reader thread could not be started");
            }
        }
        Self { jobs }
    }

    /// # Errors
    /// [`Error::Unavailable`] where too many wait.
    pub(crate) fn submit<Q: Question>(
        &self,
        question: Q,
    ) -> Result<oneshot::Receiver<Result<Q::Answer>>> {
        let (reply, answer) = oneshot::channel();
        match self.jobs.try_send(Box::new(Asked { question, reply })) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => {
                Err(Error::Unavailable("too many questions wait for the store".into()))
            }
            Err(TrySendError::Disconnected(_)) => Err(Error::Closed),
        }
    }
}

/// Takes jobs until the senders are gone.
fn read(
    connection: &mut impl Snapshots,
    queue: &Mutex<Receiver<Box<dyn Job>>>,
    trouble: &Trouble,
    lately: &Lately,
) {
    let mut days = Days::default();
    loop {
        let Ok(next) = queue.lock() else { return };
        let Ok(job) = next.recv() else { return };
        drop(next);
        if !job.is_awaited() {
            continue;
        }
        // One snapshot for the whole question: a commit between two of its statements must not
        // show it a later event and hide an earlier one.
        let log_to = lately.log.last();
        let opened = connection.open();
        let database = connection.database();
        let view =
            opened.map(|()| View { database, days: &mut days, looked: false, lately, log_to });
        if let Some(error) = job.answer(view) {
            trouble.met(&error);
        }
        connection.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rusqlite::Connection;

    use super::*;

    /// A connection that answers nothing until the gate is open.
    struct Held {
        connection: Connection,
        gate: Arc<Mutex<()>>,
        n_answered: Arc<AtomicUsize>,
    }

    impl Snapshots for Held {
        fn database(&self) -> Database<'_> {
            Database::Sqlite(&self.connection)
        }

        fn open(&mut self) -> Result<()> {
            drop(self.gate.lock());
            self.n_answered.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }

        fn end(&mut self) {}
    }

    struct Anything;

    impl Question for Anything {
        type Answer = ();

        fn answer(self, _view: &mut View<'_>) -> Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Question for Broken {
        type Answer = ();

        fn answer(self, _view: &mut View<'_>) -> Result<()> {
            panic!("a defect")
        }
    }

    #[test]
    fn whoever_asks_what_cannot_be_answered_is_told_and_the_next_is_answered() {
        let connection = Connection::open_in_memory().expect("it opens");
        let (gate, n_answered) = Default::default();
        let held = Held { connection, gate, n_answered };
        let readers = Readers::start(vec![held], &Arc::default(), &Arc::default());
        let asked = readers.submit(Broken).expect("it is taken");
        let told = asked.blocking_recv().expect("it is told");
        assert!(matches!(told, Err(Error::Failed(_))), "not as if the store were closed");
        let next = readers.submit(Anything).expect("it is taken");
        assert!(next.blocking_recv().expect("it is told").is_ok());
    }

    #[test]
    fn too_many_questions_are_refused_for_now_and_what_nobody_waits_for_is_not_answered() {
        let (gate, n_answered) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
        let connection = Connection::open_in_memory().expect("it opens");
        let held =
            Held { connection, gate: Arc::clone(&gate), n_answered: Arc::clone(&n_answered) };
        let closed = gate.lock().expect("nobody has it");
        let readers = Readers::start(vec![held], &Arc::default(), &Arc::default());
        let mut waiting = Vec::new();
        let refused = loop {
            match readers.submit(Anything) {
                Ok(answer) => waiting.push(answer),
                Err(refused) => break refused,
            }
        };
        assert!(refused.is_passing(), "{refused}");
        // The reader may have taken one.
        assert!((QUESTIONS_MAX..=QUESTIONS_MAX + 1).contains(&waiting.len()));
        let last = waiting.pop().expect("some wait");
        drop(waiting);
        drop(closed);
        last.blocking_recv().expect("it is told").expect("it is answered");
        assert!(n_answered.load(Ordering::Relaxed) <= 2, "nobody waits for the others");
        assert!(readers.submit(Anything).is_ok());
    }
}

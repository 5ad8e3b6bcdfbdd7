//! The writer: one thread that takes all commands that wait, commits them together, and repeats.
//!
//! Group commit without a timer: while one transaction is being synced, the next group gathers.
//! Commands decide before they write, so the happy path needs no savepoints. When one of a group
//! fails all the same, the whole transaction is rolled back and each command is run again in a
//! transaction of its own: the failing one is told, the others lose nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::{oneshot, watch};

use crate::error::{Error, Result};
use crate::operation::leave::{leave, put_fresh};
use crate::operation::queue::put_gathered;
use crate::operation::{Foreseen, Operation, read_ahead};
use crate::outlet::{Leaving, Outlets};
use crate::seldom::Seldom;
use crate::sql::Database;
use crate::trouble::Trouble;
use crate::work::{Lately, Shelf, Work};

/// Rows after which a group is committed even if more commands wait.
const GROUP_ROWS_MAX: usize = 8_000;

/// Rows that wait, beyond which nobody's command is taken. Requests stay far below it: they are asked to
/// come later long before.
const BACKLOG_MAX: usize = 400_000;

/// A command with the one who waits for it.
trait Job: Send {
    fn rows(&self) -> usize;
    fn foresee(&self, foreseen: &mut Foreseen);
    fn run(&mut self, work: &mut Work<'_>) -> Result<()>;
    fn reply(self: Box<Self>, committed: Result<()>);
}

struct Waiting<O: Operation> {
    operation: O,
    answer: Option<O::Answer>,
    reply: oneshot::Sender<Result<O::Answer>>,
}

impl<O: Operation> Job for Waiting<O> {
    fn rows(&self) -> usize {
        self.operation.rows()
    }

    fn foresee(&self, foreseen: &mut Foreseen) {
        self.operation.foresee(foreseen);
    }

    fn run(&mut self, work: &mut Work<'_>) -> Result<()> {
        if O::LOOKS_AT_QUEUES {
            put_fresh(work)?;
        }
        self.answer = Some(self.operation.run(work)?);
        put_gathered(work)
    }

    fn reply(self: Box<Self>, committed: Result<()>) {
        let answer = match (committed, self.answer) {
            (Ok(()), Some(answer)) => Ok(answer),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(Error::Failed("a command was never run".into())),
        };
        // The one who asked may have gone away; the command is done all the same.
        let _ = self.reply.send(answer);
    }
}

enum Message {
    Job(Box<dyn Job>),
    Close(Sender<()>),
}

/// A connection that writes, whichever engine it is of.
pub(crate) trait Engine: Send + 'static {
    /// The connection.
    fn database(&self) -> Database<'_>;
    /// Opens a transaction. No other process has one open until it ends.
    fn begin(&mut self) -> Result<()>;
    /// What is to blame where a command has failed: itself, or that it was run unaware of another
    /// process's commit. Then it may be run again.
    fn blame(&mut self, error: Error) -> Error {
        error
    }
    /// Makes it durable. Where nobody knows at first whether it is, `is_open` is called again and
    /// again, with the reason, until that is known, or until it says that there is no time left.
    fn commit(
        &mut self,
        is_open: &mut dyn FnMut(&Error) -> bool,
    ) -> std::result::Result<(), NotCommitted>;
    /// Undoes what is open, if anything is.
    fn roll_back(&mut self);
    /// What is to be done between two transactions.
    fn tend(&mut self);
    /// What is to be done after the last.
    fn close(&mut self);
}

/// A commit that failed.
pub(crate) enum NotCommitted {
    /// Nothing of it was kept.
    Undone(Error),
    /// Nobody knows: its commands must not be run again.
    Unknown(Error),
}

/// The writer's side that everyone sees: commands go in, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: Sender<Message>,
    backlog: Arc<AtomicUsize>,
    events: watch::Receiver<i64>,
    outlets: Outlets,
}

impl Writer {
    /// Starts its thread. `node` is whose it is; 0 where only one can serve, or none does.
    pub(crate) fn start<E: Engine>(
        engine: E,
        node: i64,
        (trouble, lately): (Arc<Trouble>, Arc<Lately>),
    ) -> Result<Self> {
        let (queue, commands) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let shelf = Shelf::load(engine.database(), node, lately)?;
        let (tell, events) = watch::channel(shelf.last_event());
        let commands = Commands { queue: commands, backlog: Arc::clone(&backlog), closing: None };
        let passing = Seldom::default();
        let outlets = Outlets::default();
        let mut loop_ = Loop {
            engine,
            shelf,
            commands,
            events: tell,
            passing,
            trouble,
            outlets: outlets.clone(),
        };
        let run = move || loop_.run();
        if let Err(error) = std::thread::Builder::new().name("store-write".into()).spawn(run) {
            tracing::error!(%error, "the writer thread could not be started");
        }
        Ok(Self { queue, backlog, events, outlets })
    }

    /// # Errors
    /// [`Error::Unavailable`] where too much waits.
    pub(crate) fn submit<O: Operation>(
        &self,
        operation: O,
    ) -> Result<oneshot::Receiver<Result<O::Answer>>> {
        if self.backlog() >= BACKLOG_MAX {
            return Err(Error::Unavailable("too many commands wait for the store".into()));
        }
        let (reply, answer) = oneshot::channel();
        self.backlog.fetch_add(operation.rows(), Ordering::Relaxed);
        let job = Box::new(Waiting { operation, answer: None, reply });
        self.queue.send(Message::Job(job)).map_err(|_| Error::Closed)?;
        Ok(answer)
    }

    pub(crate) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    pub(crate) fn events(&self) -> watch::Receiver<i64> {
        self.events.clone()
    }

    pub(crate) const fn outlets(&self) -> &Outlets {
        &self.outlets
    }

    pub(crate) fn close(&self) {
        let (done, closed) = channel();
        if self.queue.send(Message::Close(done)).is_ok() {
            // The writer ends without a word only where it closes already.
            let _ = closed.recv();
        }
    }
}

/// A transaction that was rolled back, or never began.
struct Failed {
    error: Error,
    /// Whether its commands may be run again, each alone.
    again: bool,
    /// Whether what would have left at once may be to blame, and none of them.
    by_leaving: bool,
}

/// What waits to be run.
struct Commands {
    queue: Receiver<Message>,
    backlog: Arc<AtomicUsize>,
    /// Whoever waits for the end.
    closing: Option<Sender<()>>,
}

impl Commands {
    /// Waits for something, and takes all that waits then, as far as one transaction takes it; nothing
    /// where the store is to be closed.
    fn group(&mut self) -> Vec<Box<dyn Job>> {
        let mut group = Vec::new();
        match self.queue.recv() {
            Ok(message) => drop(self.take(message, &mut group)),
            // Whoever could have waited for the end is gone.
            Err(_) => self.closing = Some(channel().0),
        }
        self.join(&mut group);
        group
    }

    /// Adds what has come meanwhile, as far as one transaction takes it.
    fn join(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let mut rows: usize = group.iter().map(|job| job.rows()).sum();
        while self.closing.is_none()
            && rows < GROUP_ROWS_MAX
            && let Ok(message) = self.queue.try_recv()
        {
            rows += self.take(message, group);
        }
    }

    /// Takes one out of the queue; answers its rows.
    fn take(&mut self, message: Message, group: &mut Vec<Box<dyn Job>>) -> usize {
        match message {
            Message::Job(job) => {
                let rows = job.rows();
                self.backlog.fetch_sub(rows, Ordering::Relaxed);
                group.push(job);
                rows
            }
            Message::Close(done) => {
                self.closing = Some(done);
                0
            }
        }
    }

    /// Refuses all that waits: it was not begun. Answers whether the store is to stay open.
    fn refuse(&mut self, error: &Error) -> bool {
        while self.closing.is_none()
            && let Ok(message) = self.queue.try_recv()
        {
            match message {
                Message::Job(job) => {
                    self.backlog.fetch_sub(job.rows(), Ordering::Relaxed);
                    job.reply(Err(Error::Unavailable(error.to_string())));
                }
                Message::Close(done) => self.closing = Some(done),
            }
        }
        self.closing.is_none()
    }
}

struct Loop<E: Engine> {
    engine: E,
    shelf: Shelf,
    commands: Commands,
    events: watch::Sender<i64>,
    /// Complaints of what passes.
    passing: Seldom,
    trouble: Arc<Trouble>,
    outlets: Outlets,
}

impl<E: Engine> Loop<E> {
    fn run(&mut self) {
        loop {
            let group = self.commands.group();
            if !group.is_empty() {
                self.commit(group);
            }
            if let Some(done) = self.commands.closing.take() {
                self.engine.close();
                let _ = done.send(());
                return;
            }
        }
    }

    /// Commits the group, or each of its commands alone where the group as a whole fails.
    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let mut done = self.transaction(&mut group, true);
        // A connection that was lost blames no command: the next one may carry them all.
        if done.as_ref().is_err_and(|failed| failed.again && failed.error.is_passing()) {
            done = self.transaction(&mut group, true);
        }
        match done {
            Ok(()) => group.into_iter().for_each(|job| job.reply(Ok(()))),
            // Where no transaction could be opened no command is to blame; where nobody knows
            // whether it was kept, running them again could do everything twice.
            Err(Failed { error, again, by_leaving })
                if (group.len() == 1 && !by_leaving) || !again =>
            {
                self.log(&error, group.len(), "rolled back");
                group.into_iter().for_each(|job| job.reply(Err(error.clone())));
            }
            Err(Failed { error, .. }) => {
                self.log(&error, group.len(), "commands failed together; each goes alone");
                let mut gone = None;
                for job in group {
                    if let Some(error) = &gone {
                        job.reply(Err(Error::clone(error)));
                        continue;
                    }
                    let mut alone = vec![job];
                    let done = self.transaction(&mut alone, false).map_err(|failed| {
                        // Where nothing can be begun any more, the others need not find out.
                        if !failed.again {
                            gone = Some(failed.error.clone());
                        }
                        failed.error
                    });
                    alone.into_iter().for_each(|job| job.reply(done.clone()));
                }
            }
        }
        self.engine.tend();
    }

    /// Logs that a transaction was undone; where it is not for its commands, once a second.
    fn log(&self, error: &Error, commands: usize, what: &'static str) {
        if !error.is_passing() {
            tracing::warn!(%error, commands, "{what}");
        } else if let Some(n_more) = self.passing.turn() {
            tracing::warn!(%error, commands, n_more, "{what}");
        }
    }

    /// Where others write too, the turn is waited for: what comes meanwhile joins a group that may grow.
    fn transaction(
        &mut self,
        group: &mut Vec<Box<dyn Job>>,
        may_grow: bool,
    ) -> std::result::Result<(), Failed> {
        if let Err(error) = self.engine.begin() {
            self.engine.roll_back();
            self.trouble.failed(&error);
            return Err(Failed { error, again: false, by_leaving: false });
        }
        if may_grow {
            self.commands.join(group);
        }
        // What is run alone is to blame for nothing but itself.
        let mut leaving = Leaving::by(&self.outlets, may_grow);
        let done = self.work(group, &mut leaving);
        match &done {
            Ok(()) => {
                self.shelf.committed();
                self.trouble.wrote();
            }
            Err(failed) => {
                self.engine.roll_back();
                // Read anew by the next transaction: between two, others may write.
                self.shelf.forget();
                self.trouble.failed(&failed.error);
            }
        }
        leaving.tell(&done.as_ref().copied().map_err(|failed| failed.error.clone()));
        // Before the answers, so that whoever has one finds the bell rung.
        let last = self.shelf.last_event();
        self.events.send_if_modified(|seen| std::mem::replace(seen, last) != last);
        done
    }

    fn work(
        &mut self,
        group: &mut [Box<dyn Job>],
        leaving: &mut Leaving,
    ) -> std::result::Result<(), Failed> {
        self.run_all(group, leaving).map_err(|error| {
            let error = self.engine.blame(error);
            Failed { error, again: true, by_leaving: leaving.has_begun() }
        })?;
        let Self { engine, commands, .. } = self;
        engine.commit(&mut |error| commands.refuse(error)).map_err(|failed| {
            let (error, again) = match failed {
                NotCommitted::Undone(error) => (error, true),
                NotCommitted::Unknown(error) => (error, false),
            };
            Failed { error, again, by_leaving: leaving.has_begun() }
        })
    }

    fn run_all(&mut self, group: &mut [Box<dyn Job>], leaving: &mut Leaving) -> Result<()> {
        self.shelf.begin(self.engine.database())?;
        let mut work = Work::new(self.engine.database(), &mut self.shelf, leaving);
        if work.is_far() {
            let mut foreseen = Foreseen::default();
            group.iter().for_each(|job| job.foresee(&mut foreseen));
            read_ahead(&mut work, &foreseen)?;
        }
        // A panic is a defect of one command: the rollback undoes it, and `Shelf::reset` forgets what
        // it left in memory, so the writer goes on.
        let panicked = |_| Error::Failed("a command panicked".into());
        for job in group.iter_mut() {
            catch_unwind(AssertUnwindSafe(|| job.run(&mut work))).map_err(panicked)??;
        }
        catch_unwind(AssertUnwindSafe(|| leave(&mut work))).map_err(panicked)??;
        work.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Options, Store};

    /// Waits until the gate is open.
    struct Wait(Arc<Mutex<()>>, usize);

    impl Operation for Wait {
        type Answer = ();

        fn rows(&self) -> usize {
            self.1
        }

        fn run(&self, _work: &mut Work<'_>) -> Result<()> {
            drop(self.0.lock());
            Ok(())
        }
    }

    #[test]
    fn where_too_much_waits_commands_are_refused_for_now() {
        let folder = std::env::temp_dir().join(format!("pombo-writer-{}", std::process::id()));
        let url = format!("sqlite:{}", folder.join("pombo.db").display());
        let store = Store::open(&url, &Options::default()).expect("it can be made");
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().expect("nobody has it");
        let submit = |rows| store.writer.submit(Wait(Arc::clone(&gate), rows));
        let first = submit(1).expect("it is taken");
        while store.backlog() > 0 {
            std::thread::yield_now();
        }
        let much = submit(BACKLOG_MAX).expect("nothing waits yet");
        let refused = submit(1).expect_err("too much waits");
        assert!(refused.is_passing(), "{refused}");
        drop(closed);
        for answer in [first, much] {
            answer.blocking_recv().expect("it is told").expect("it is done");
        }
        assert!(submit(1).is_ok());
        store.close();
        let _ = std::fs::remove_dir_all(&folder);
    }
}

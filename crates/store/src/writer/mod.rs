//! The writer: one thread that takes all commands that wait, commits them together, and repeats.
//!
//! Group commit without a timer: while one transaction is being synced, the next group gathers; where
//! the engine is a server, it is run meanwhile, and is undone with the one before it where that fails.
//! Commands decide before they write, so the happy path needs no savepoints. When one of a group
//! fails all the same, the whole transaction is rolled back and each command is run again in a
//! transaction of its own: the failing one is told, the others lose nothing.

mod commands;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use tokio::sync::{oneshot, watch};

use crate::error::{Error, Result};
use crate::operation::leave::leave;
use crate::operation::{Foreseen, Operation, read_ahead};
use crate::outlet::{Leaving, Outlets};
use crate::seldom::Seldom;
use crate::sql::Database;
use crate::trouble::Trouble;
use crate::work::{Fresh, Lately, Shelf, Work};
use commands::{Commands, Job, Message, Waiting, rows_of};

/// Rows of a group that is run while the one before it is made durable, at most: whoever waits for that
/// is told once they are.
const OVERLAP_ROWS_MAX: usize = 256;

/// Rows that wait, beyond which nobody's command is taken. Requests stay far below it: they are asked to
/// come later long before.
const BACKLOG_MAX: usize = 400_000;

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
    /// Lets whoever keeps the data have what was written so far, and does not wait for it.
    fn send(&mut self) -> Result<()> {
        Ok(())
    }
    /// Tells it to end where the next may begin before it is known to be durable: `commit` waits for it
    /// then, and may do so once that one has begun.
    fn end_ahead(&mut self) -> bool {
        false
    }
    /// Whether a transaction that has begun behind another is open still.
    fn is_open(&self) -> bool {
        true
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
        let shelf = Shelf::load(engine.database(), node, Arc::clone(&lately))?;
        let (tell, events) = watch::channel(shelf.last_event());
        let commands = Commands { queue: commands, backlog: Arc::clone(&backlog), closing: None };
        let passing = Seldom::default();
        let outlets = Outlets::default();
        let mut loop_ = Loop {
            engine,
            shelf,
            lately,
            commands,
            events: tell,
            passing,
            trouble,
            outlets: outlets.clone(),
            ending: None,
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

/// How a group is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// With what comes meanwhile; the next may begin before it is durable.
    First,
    /// With what comes meanwhile.
    Again,
    /// One command, and nothing else.
    Alone,
}

/// A transaction that was told to end.
struct Ending {
    group: Vec<Box<dyn Job>>,
    leaving: Leaving,
    fresh: Fresh,
    /// The newest event.
    last: i64,
}

/// A transaction that was rolled back, or never began.
struct Failed {
    error: Error,
    /// Whether its commands may be run again, each alone.
    again: bool,
    /// Whether what would have left at once may be to blame, and none of them.
    by_leaving: bool,
}

struct Loop<E: Engine> {
    engine: E,
    shelf: Shelf,
    lately: Arc<Lately>,
    commands: Commands,
    events: watch::Sender<i64>,
    /// Complaints of what passes.
    passing: Seldom,
    trouble: Arc<Trouble>,
    outlets: Outlets,
    /// What was told to end, and is not known to be durable.
    ending: Option<Ending>,
}

impl<E: Engine> Loop<E> {
    fn run(&mut self) {
        loop {
            let group = match self.ending {
                Some(_) => self.commands.waiting(),
                None => self.commands.group(),
            };
            if group.is_empty() {
                self.conclude(&mut Vec::new());
            } else {
                self.commit(group);
            }
            if let Some(done) = self.commands.closing.take() {
                self.conclude(&mut Vec::new());
                self.engine.close();
                let _ = done.send(());
                return;
            }
        }
    }

    /// Commits the group, or each of its commands alone where the group as a whole fails.
    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        if let Err(failed) = self.transaction(&mut group, Way::First) {
            self.make_up_for(failed, group);
        }
        self.engine.tend();
    }

    /// Runs the commands of a transaction that was undone.
    fn make_up_for(&mut self, mut failed: Failed, mut group: Vec<Box<dyn Job>>) {
        // All of them were refused meanwhile.
        if group.is_empty() {
            return;
        }
        // A connection that was lost blames no command: the next one may carry them all.
        if failed.again && failed.error.is_passing() {
            match self.transaction(&mut group, Way::Again) {
                Ok(()) => return,
                Err(once_more) => failed = once_more,
            }
        }
        let Failed { error, again, by_leaving } = failed;
        // Where no transaction could be opened no command is to blame; where nobody knows
        // whether it was kept, running them again could do everything twice.
        if (group.len() == 1 && !by_leaving) || !again {
            self.log(&error, group.len(), "rolled back");
            group.into_iter().for_each(|job| job.reply(Err(error.clone())));
            return;
        }
        self.log(&error, group.len(), "commands failed together; each goes alone");
        let mut gone = None;
        for job in group {
            if let Some(error) = &gone {
                job.reply(Err(Error::clone(error)));
                continue;
            }
            let mut alone = vec![job];
            let Err(failed) = self.transaction(&mut alone, Way::Alone) else { continue };
            alone.into_iter().for_each(|job| job.reply(Err(failed.error.clone())));
            // Where nothing can be begun any more, the others need not find out.
            if !failed.again {
                gone = Some(failed.error);
            }
        }
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
    /// A group that is committed is taken, and told so once that is durable.
    fn transaction(
        &mut self,
        group: &mut Vec<Box<dyn Job>>,
        way: Way,
    ) -> std::result::Result<(), Failed> {
        if let Err(error) = self.engine.begin() {
            // What was told to end before has an answer of its own.
            self.conclude(group);
            self.engine.roll_back();
            self.trouble.failed(&error);
            return Err(Failed { error, again: false, by_leaving: false });
        }
        if way != Way::Alone {
            self.commands.join(group);
        }
        // What is run alone is to blame for nothing but itself.
        let mut leaving = Leaving::by(&self.outlets, way != Way::Alone);
        match self.work(group, &mut leaving, way) {
            Ok(is_durable) => {
                let group = std::mem::take(group);
                let (fresh, last) = (self.shelf.take_fresh(), self.shelf.last_event());
                let ending = Ending { group, leaving, fresh, last };
                if is_durable {
                    self.kept(ending);
                } else {
                    self.ending = Some(ending);
                }
                Ok(())
            }
            Err(failed) => {
                self.undo(&failed.error, leaving);
                Err(failed)
            }
        }
    }

    /// Runs all and tells the transaction to end; answers whether it is durable already.
    fn work(
        &mut self,
        group: &mut Vec<Box<dyn Job>>,
        leaving: &mut Leaving,
        way: Way,
    ) -> std::result::Result<bool, Failed> {
        let undone = || {
            let error = Error::Unavailable("what was written before had no answer".into());
            Failed { error, again: true, by_leaving: false }
        };
        // What takes its time is begun when those before it are told.
        if rows_of(group) > OVERLAP_ROWS_MAX && !self.conclude(group) {
            return Err(undone());
        }
        // A panic is a defect of one command: the rollback undoes it, and `Shelf::reset` forgets what
        // it left in memory, so the writer goes on.
        let run = catch_unwind(AssertUnwindSafe(|| self.run_all(group, leaving)));
        let mut done = run.unwrap_or_else(|_| Err(Error::Failed("a command panicked".into())));
        if done.is_ok() && self.ending.is_some() {
            done = self.engine.send();
        }
        if !self.conclude(group) {
            return Err(undone());
        }
        done.map_err(|error| {
            let error = self.engine.blame(error);
            Failed { error, again: true, by_leaving: leaving.has_begun() }
        })?;
        if way == Way::First && self.engine.end_ahead() {
            return Ok(false);
        }
        self.make_durable(&mut Vec::new(), leaving).map(|()| true)
    }

    /// Where nobody knows for a while whether it is, those `behind` it are refused, and what waits.
    fn make_durable(
        &mut self,
        behind: &mut Vec<Box<dyn Job>>,
        leaving: &Leaving,
    ) -> std::result::Result<(), Failed> {
        let Self { engine, commands, .. } = self;
        let mut refuse = |error: &Error| {
            let error = Error::Unavailable(error.to_string());
            behind.drain(..).for_each(|job| job.reply(Err(error.clone())));
            commands.refuse(&error)
        };
        engine.commit(&mut refuse).map_err(|failed| {
            let (error, again) = match failed {
                NotCommitted::Undone(error) => (error, true),
                NotCommitted::Unknown(error) => (error, false),
            };
            Failed { error, again, by_leaving: leaving.has_begun() }
        })
    }

    /// Waits until what was told to end is durable; where it is not, its commands are run again. Answers
    /// whether what has begun behind it is open still: where the answer was no, or none, it is not.
    fn conclude(&mut self, behind: &mut Vec<Box<dyn Job>>) -> bool {
        let Some(ending) = self.ending.take() else { return true };
        let Err(failed) = self.make_durable(behind, &ending.leaving) else {
            self.kept(ending);
            return self.engine.is_open();
        };
        self.undo(&failed.error, ending.leaving);
        self.make_up_for(failed, ending.group);
        false
    }

    /// Tells everyone that a transaction is durable.
    fn kept(&mut self, ending: Ending) {
        let Ending { group, leaving, fresh, last } = ending;
        self.lately.keep(fresh);
        self.trouble.wrote();
        leaving.tell(&Ok(()));
        // Before the answers, so that whoever has one finds the bell rung.
        self.events.send_if_modified(|seen| std::mem::replace(seen, last) != last);
        group.into_iter().for_each(|job| job.reply(Ok(())));
    }

    fn undo(&mut self, error: &Error, leaving: Leaving) {
        self.engine.roll_back();
        // Read anew by the next transaction: between two, others may write.
        self.shelf.forget();
        self.trouble.failed(error);
        leaving.tell(&Err(error.clone()));
    }

    fn run_all(&mut self, group: &mut [Box<dyn Job>], leaving: &mut Leaving) -> Result<()> {
        self.shelf.begin(self.engine.database())?;
        let mut work = Work::new(self.engine.database(), &mut self.shelf, leaving);
        if work.is_far() {
            let mut foreseen = Foreseen::default();
            group.iter().for_each(|job| job.foresee(&mut foreseen));
            read_ahead(&mut work, &foreseen)?;
        }
        group.iter_mut().try_for_each(|job| job.run(&mut work))?;
        leave(&mut work)?;
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

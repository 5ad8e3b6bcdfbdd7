//! What the writer is asked to do, until it does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::operation::leave::put_fresh;
use crate::operation::queue::put_gathered;
use crate::operation::{Foreseen, Operation};
use crate::work::Work;

/// Rows after which a group is committed even if more commands wait.
const GROUP_ROWS_MAX: usize = 8_000;

/// A command with the one who waits for it.
pub(super) trait Job: Send {
    fn rows(&self) -> usize;
    fn foresee(&self, foreseen: &mut Foreseen);
    fn run(&mut self, work: &mut Work<'_>) -> Result<()>;
    fn reply(self: Box<Self>, committed: Result<()>);
}

pub(super) struct Waiting<O: Operation> {
    pub(super) operation: O,
    pub(super) answer: Option<O::Answer>,
    pub(super) reply: oneshot::Sender<Result<O::Answer>>,
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

pub(super) enum Message {
    Job(Box<dyn Job>),
    Close(Sender<()>),
}

/// Rows of a group.
pub(super) fn rows_of(group: &[Box<dyn Job>]) -> usize {
    group.iter().map(|job| job.rows()).sum()
}

/// What waits to be run.
pub(super) struct Commands {
    pub(super) queue: Receiver<Message>,
    pub(super) backlog: Arc<AtomicUsize>,
    /// Whoever waits for the end.
    pub(super) closing: Option<Sender<()>>,
}

impl Commands {
    /// All that waits, as far as one transaction takes it.
    pub(super) fn waiting(&mut self) -> Vec<Box<dyn Job>> {
        let mut group = Vec::new();
        self.join(&mut group);
        group
    }

    /// The same, once there is something; nothing where the store is to be closed.
    pub(super) fn group(&mut self) -> Vec<Box<dyn Job>> {
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
    pub(super) fn join(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let mut rows = rows_of(group);
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
    pub(super) fn refuse(&mut self, error: &Error) -> bool {
        while self.closing.is_none()
            && let Ok(message) = self.queue.try_recv()
        {
            match message {
                Message::Job(job) => {
                    self.backlog.fetch_sub(job.rows(), Ordering::Relaxed);
                    job.reply(Err(error.clone()));
                }
                Message::Close(done) => self.closing = Some(done),
            }
        }
        self.closing.is_none()
    }
}

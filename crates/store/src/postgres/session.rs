//! One connection: a client with a small runtime of its own, so that the store's threads can wait.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn, ready};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Client;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::call::{Line, call, find};
use super::limits::Limits;
use super::pipe::{self, Answer, Pipe, Sent};
use super::place::Place;
use super::prepared::{Known, Statements};
use super::together::{self, Message};
use super::turn::{Ahead, Taken};
use crate::error::{Error, Result};
use crate::sql::Value;

/// What is done when another node has said a word.
pub(super) type Heard = Arc<dyn Fn(&str) + Send + Sync>;

/// A connection. It is mended by [`Session::revive`], between two transactions.
pub(crate) struct Session {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    place: Place,
    limits: Limits,
    heard: Option<Heard>,
    line: Line,
    /// How often it was called again.
    n_calls: Cell<i64>,
    /// Whether nobody waits for its answers any more.
    hung_up: Cell<bool>,
    /// Whether a statement has failed since the transaction began: the server undoes it all then, and
    /// answers a commit as if it had been one.
    failed: Cell<bool>,
    /// Whether a statement has failed because others held what it wanted.
    hindered: Cell<bool>,
    pub(super) statements: Statements,
    /// What is to be written before the next answer.
    pipe: RefCell<Pipe>,
    /// What was sent already, whose answers nobody has waited for yet.
    sent: RefCell<Vec<Sent>>,
    /// A turn that nobody has waited for yet.
    ahead: RefCell<Option<Ahead>>,
    /// What the open transaction was told with its turn.
    pub(super) taken: Cell<Option<Taken>>,
    /// How often tables have come and gone, as of the open snapshot; `None` where it is to be asked.
    pub(super) shape: Cell<Option<i64>>,
}

/// Tells that number.
pub(crate) const SHAPE: &str = "select number from shape";

/// A lock was not given in time, or to those who waited for each other.
const HINDERED: [SqlState; 2] = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];

/// How often whoever waits for an answer looks whether it can still come.
const LOOK_UP: Duration = Duration::from_secs(1);

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let origin = self.line.origin;
        f.debug_struct("Session").field("origin", &origin).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn open(place: Place, limits: Limits) -> Result<Self> {
        Self::listening(place, limits, None)
    }

    /// The same, for one that listens to what others say.
    pub(super) fn listening(place: Place, limits: Limits, heard: Option<Heard>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Error::Unavailable(why.to_string()))?;
        let line = runtime.block_on(call(&place, limits, heard.as_ref()))?;
        Ok(Self {
            runtime: Some(runtime),
            place,
            limits,
            heard,
            line,
            n_calls: Cell::new(0),
            hung_up: Cell::new(false),
            failed: Cell::new(false),
            hindered: Cell::new(false),
            statements: Statements::default(),
            pipe: RefCell::default(),
            sent: RefCell::default(),
            ahead: RefCell::default(),
            taken: Cell::new(None),
            shape: Cell::new(None),
        })
    }

    /// Gives the server these limits from now on.
    pub(super) fn limit(&mut self, limits: Limits) -> Result<()> {
        self.limits = limits;
        self.batch(&limits.words())
    }

    /// Calls the server again where the connection was lost; says whether it was.
    pub(super) fn revive(&mut self) -> Result<bool> {
        if !self.is_lost() {
            return Ok(false);
        }
        self.forget_statements();
        self.forget_writes();
        self.forget_turn();
        let runtime = self.runtime.as_ref().ok_or(Error::Closed)?;
        let heard = self.heard.as_ref();
        self.line = runtime.block_on(call(&self.place, self.limits, heard))?;
        self.hung_up.set(false);
        self.n_calls.set(self.n_calls.get() + 1);
        tracing::info!("connected to PostgreSQL again");
        Ok(true)
    }

    /// Looks whether another server has taken the place of the one that is used, where `store.url` names
    /// several: then every connection that leads there is lost.
    pub(super) fn look_around(&self) {
        if self.place.doors.len() < 2 {
            return;
        }
        if let Some(runtime) = &self.runtime
            && let Ok(line) = runtime.block_on(find(&self.place, None))
        {
            line.task.abort();
        }
    }

    /// Rests, all ears, until the time is over or somebody rings.
    pub(super) fn rest(&self, span: Duration, ring: &Notify) {
        if let Some(runtime) = &self.runtime {
            // Whichever comes first.
            let _ = runtime.block_on(async { tokio::time::timeout(span, ring.notified()).await });
        }
    }

    /// Whether the connection is of no use any more; also where another server has taken the place of
    /// the one that it leads to.
    pub(super) fn is_lost(&self) -> bool {
        self.hung_up.get() || self.line.client.is_closed() || self.is_replaced()
    }

    /// Whether another server has taken the place of the one that it leads to.
    pub(super) fn is_replaced(&self) -> bool {
        self.place.newest.is_beyond(self.line.origin)
    }

    /// Waits for an answer, but not for ever: a server that says nothing is given up, and the
    /// connection with it.
    pub(super) fn wait<T>(
        &self,
        future: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let answer = self.answer(future);
        self.failed.set(self.failed.get() || answer.is_err());
        answer
    }

    /// Whether a statement has failed since this was last asked.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.take()
    }

    /// Whether a statement has failed because others held what it wanted, since this was last asked.
    pub(super) fn was_hindered(&self) -> bool {
        self.hindered.take()
    }

    fn answer<T>(
        &self,
        future: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let runtime = self.runtime.as_ref().ok_or(Error::Closed)?;
        if self.hung_up.get() {
            return Err(silent());
        }
        let answer = match self.limits.patience() {
            Some(patience) => runtime.block_on(self.patiently(patience, future)),
            None => Ok(runtime.block_on(future)),
        };
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error.as_db_error().is_some_and(is_last_word) {
                    self.hang_up(runtime);
                }
                if error.code().is_some_and(|code| HINDERED.contains(code)) {
                    self.hindered.set(true);
                }
                Err(error.into())
            }
            Err(_) => {
                self.hang_up(runtime);
                Err(silent())
            }
        }
    }

    /// Waits so long for an answer, and no longer than until another server has taken the place of the
    /// one that was asked: that has none to give any more.
    async fn patiently<T>(
        &self,
        patience: Duration,
        future: impl Future<Output = T>,
    ) -> std::result::Result<T, Elapsed> {
        let until = Instant::now() + patience;
        let mut future = std::pin::pin!(future);
        loop {
            let next = until.min(Instant::now() + LOOK_UP);
            match timeout_at(next, &mut future).await {
                Err(_) if next < until && !self.place.newest.is_beyond(self.line.origin) => {}
                done => return done,
            }
        }
    }

    /// The task goes, and the socket with it.
    fn hang_up(&self, runtime: &Runtime) {
        self.hung_up.set(true);
        self.line.task.abort();
        runtime.block_on(yield_now());
    }

    pub(super) const fn client(&self) -> &Arc<Client> {
        &self.line.client
    }

    /// Writes at some time before the next answer.
    pub(super) fn write(&self, known: &Known, values: &[Value<'_>]) -> Result<()> {
        let write = self.write_of(known)?;
        let is_time = self.pipe.borrow_mut().push(&write, values)?;
        if is_time { self.send_ahead() } else { Ok(()) }
    }

    /// What is to be written, as it is sent.
    fn messages(&self) -> Result<Vec<Message>> {
        let gathered = self.pipe.borrow_mut().take();
        let mut messages = Vec::new();
        for batches in together::arranged(gathered) {
            match self.together(&batches)? {
                Some(statement) => messages.push(Message::Together(batches, statement)),
                None => messages.extend(batches.into_iter().map(Message::One)),
            }
        }
        Ok(messages)
    }

    /// Sends what is to be written so far, so that the server works while this thread does.
    pub(super) fn send_ahead(&self) -> Result<()> {
        let messages = self.messages()?;
        if messages.is_empty() {
            return Ok(());
        }
        let sent = self.begin(together::send_all(messages, Arc::clone(&self.line.client)))?;
        self.sent.borrow_mut().push(sent);
        Ok(())
    }

    /// Runs something beside this thread, which goes on once that was looked at: what it sends at once is
    /// on its way before all that is sent later, a transaction's last word above all.
    fn begin<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        let runtime = self.runtime.as_ref().ok_or(Error::Closed)?;
        let (begun, was_begun) = oneshot::channel();
        let task = runtime.spawn(async {
            let (mut what, mut begun) = (std::pin::pin!(what), Some(begun));
            poll_fn(|context| {
                let done = what.as_mut().poll(context);
                // Whoever waits for it is told once.
                let _ = begun.take().map(|begun| begun.send(()));
                done
            })
            .await
        });
        // A task that panics is answered for by its handle.
        let _ = runtime.block_on(was_begun);
        Ok(task)
    }

    /// Asks for the turn, and does not wait for it: the next answer is told only if it is what the
    /// caller expects.
    pub(super) fn take_ahead(
        &self,
        take: &Arc<Known>,
        own: [i64; 2],
        expected: Taken,
    ) -> Result<()> {
        let asked = Taken::ask(Arc::clone(&self.line.client), Arc::clone(take), own);
        let answer = self.begin(asked)?;
        *self.ahead.borrow_mut() = Some(Ahead { answer: Some(answer), expected });
        Ok(())
    }

    /// Waits until it is known whether the turn is what it was taken for.
    pub(super) fn confirm(&self) -> Result<()> {
        self.write_and(async { Ok(self.told().await?.then_some(())) })
    }

    /// Whether that is not known.
    pub(super) fn is_ahead(&self) -> bool {
        self.ahead.borrow().is_some()
    }

    /// Sends what is to be written, and behind it a question; waits for all the answers at once.
    pub(super) fn ask<T>(
        &self,
        question: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.write_and(async {
            let (answer, is_ours) = tokio::try_join!(question, self.told())?;
            Ok(is_ours.then_some(answer))
        })
    }

    /// Sends what is to be written, and the word that ends the transaction as soon as it is known that
    /// the turn is what it was taken for. Waits until all is written; what became of the word is the
    /// answer.
    pub(super) fn end(&self, word: String) -> Result<Answer<'static>> {
        self.write_and(async {
            if !self.told().await? {
                return Ok(None);
            }
            let client = Arc::clone(self.client());
            let mut answer: Answer<'static> =
                Box::pin(async move { client.batch_execute(&word).await });
            // It is sent when it is first looked at, and once the connection's task was here.
            let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
            yield_now().await;
            Ok(Some(match first {
                Poll::Ready(done) => Box::pin(ready(done)),
                Poll::Pending => answer,
            }))
        })
    }

    /// Whether the turn is what it was taken for.
    async fn told(&self) -> std::result::Result<bool, tokio_postgres::Error> {
        let is_ours = poll_fn(|context| {
            let mut ahead = self.ahead.borrow_mut();
            ahead.as_mut().map_or(Poll::Ready(Ok(true)), |ahead| ahead.is_as_expected(context))
        });
        let is_ours = is_ours.await?;
        if is_ours {
            self.ahead.borrow_mut().take();
        }
        Ok(is_ours)
    }

    /// Waits for all that is to be written and for one more, which gives nothing where the turn is not
    /// what it was taken for.
    fn write_and<T>(
        &self,
        last: impl Future<Output = std::result::Result<Option<T>, tokio_postgres::Error>>,
    ) -> Result<T> {
        let messages = self.messages()?;
        let mut writes: Vec<_> = self.sent.take().into_iter().map(pipe::answer).collect();
        writes.extend(together::writing(&messages, self.client()));
        let mut last = std::pin::pin!(last);
        let mut answer = None;
        let answered = self.wait(poll_fn(|context| {
            // The rest is sent when it is first looked at: in this order, and the question last.
            let written = pipe::poll_all(&mut writes, context);
            if let Poll::Ready(Err(error)) = written {
                return Poll::Ready(Err(error));
            }
            if answer.is_none()
                && let Poll::Ready(done) = last.as_mut().poll(context)
            {
                answer = Some(done);
            }
            match answer.take() {
                Some(done) if written.is_ready() => Poll::Ready(done),
                waiting => {
                    answer = waiting;
                    Poll::Pending
                }
            }
        }))?;
        answered.ok_or_else(|| Error::Unavailable("another process has written meanwhile".into()))
    }

    /// What was to be written is of a transaction that is no more.
    pub(super) fn forget_writes(&self) {
        self.pipe.borrow_mut().take();
        self.sent.take();
    }

    /// The turn is over.
    pub(super) fn forget_turn(&self) {
        self.ahead.borrow_mut().take();
        self.taken.set(None);
        self.shape.set(None);
    }

    /// How often others have committed, where this connection has just taken its turn.
    pub(crate) fn turn(&self) -> Option<i64> {
        self.taken.get().map(|taken| taken.others)
    }

    /// How often the server was called again.
    pub(crate) const fn n_calls(&self) -> i64 {
        self.n_calls.get()
    }

    /// The open transaction's number among those of all that write, where it has one.
    pub(crate) fn transaction(&self) -> Option<i64> {
        self.taken.get().map(|taken| taken.number)
    }

    /// How often tables have come and gone, where a snapshot is open.
    pub(crate) fn shape(&self) -> Option<i64> {
        self.shape.get()
    }

    /// Tells the others that tables have come or gone.
    pub(crate) fn change_shape(&self) -> Result<()> {
        self.shape.set(None);
        self.batch("update shape set number = number + 1")
    }

    pub(crate) fn batch(&self, text: &str) -> Result<()> {
        self.ask(self.line.client.batch_execute(text))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whoever drops it may be on a runtime of its own, which must not wait for this one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether a connection is of no use after this: its end may come a moment later. One that cannot be
/// written leads to another server than it did.
fn is_last_word(told: &DbError) -> bool {
    let last = [Some(Severity::Fatal), Some(Severity::Panic)];
    last.contains(&told.parsed_severity()) || *told.code() == SqlState::READ_ONLY_SQL_TRANSACTION
}

pub(super) fn silent() -> Error {
    Error::Unavailable("PostgreSQL does not answer".into())
}

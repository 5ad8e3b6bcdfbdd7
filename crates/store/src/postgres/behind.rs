//! Tests of what begins behind a commit, before that has its answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pombo_peers::postgres::Database as Peer;
use pombo_peers::proxy::Proxy;

use super::connection::Writing;
use super::limits::Limits;
use super::place::Place;
use super::session::Session;
use crate::error::{Error, Result};
use crate::node::Membership;
use crate::operation::Operation;
use crate::sql::Database;
use crate::work::Work;
use crate::writer::{Engine, NotCommitted, Writer};

pub(super) const ADD: &str = "update sequence set next = next + $1 where name = 'campaign'";

fn next(server: &Peer) -> i64 {
    let next = server.run("select next from sequence where name = 'campaign'");
    next.parse().expect("a number")
}

#[test]
fn what_has_begun_behind_a_commit_is_kept_where_that_has_an_answer() {
    let server = Peer::fresh();
    drop(super::migrated(&server.url()));
    let way = Proxy::to(&Peer::socket());
    let url = format!("{}?connect_timeout=1", server.url_by(way.address()));
    let limits = Limits { statement: Some(Duration::from_secs(1)), ..Limits::NONE };
    let session = Session::open(Place::parse(&url).expect("a URL"), limits);
    let mut writing =
        Writing::new(session.expect("the server runs"), 1, Arc::new(Membership::alone()));
    let first: i64 = next(&server);
    let add = |writing: &mut Writing, n: i64| {
        writing.begin().expect("it begins");
        super::write(writing.database(), ADD, [n]);
    };
    writing.begin().expect("it begins");
    assert!(writing.commit(&mut |_| true).is_ok());
    // So that nobody has the answer before the way to it is silent.
    server.run(
        "create function rest() returns trigger language plpgsql as \
         $$ begin perform pg_sleep(0.2); return null; end $$; \
         create constraint trigger rests after update on sequence \
         deferrable initially deferred for each row execute function rest()",
    );
    for is_answered in [true, false] {
        add(&mut writing, 1);
        assert!(writing.end_ahead(), "nobody else writes");
        way.be_silent(!is_answered);
        add(&mut writing, 10);
        let mut asked = 0;
        let known = writing.commit(&mut |_| {
            way.be_silent(false);
            asked += 1;
            true
        });
        assert_eq!(asked == 0, is_answered);
        assert!(known.is_ok(), "the server heard the word");
        assert_eq!(writing.commit(&mut |_| true).is_ok(), is_answered);
        writing.roll_back();
    }
    assert_eq!(next(&server), first + 12);
}

/// Adds, or fails where there is nothing to add; one that has many rows waits until it is done.
struct Add {
    n: i64,
    rows: usize,
}

impl Add {
    const fn one(n: i64) -> Self {
        Self { n, rows: 1 }
    }
}

impl Operation for Add {
    type Answer = ();

    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let mut add = work.database().prepare(ADD)?;
        match (self.n, self.rows) {
            (0, _) => Err(Error::Failed("nothing to add".into())),
            (n, 1) => add.write([n]),
            (n, _) => add.execute([n]).map(drop),
        }
    }
}

/// What a writer does with its connection, and what goes wrong with that.
#[derive(Debug, Default)]
struct Course {
    steps: Mutex<Vec<&'static str>>,
    /// The next transaction cannot begin.
    is_shut: AtomicBool,
    /// Nobody knows at first what became of the next commit.
    is_doubtful: AtomicBool,
    /// The answer to the next commit is lost, and what became of it is known at once.
    is_lost: AtomicBool,
}

/// A connection that tells, and ends no transaction before it may.
struct Watched {
    writing: Writing,
    course: Arc<Course>,
    may_end: Receiver<()>,
}

impl Watched {
    fn step(&self, step: &'static str) {
        self.course.steps.lock().expect("nobody panics").push(step);
    }
}

impl Engine for Watched {
    fn database(&self) -> Database<'_> {
        self.writing.database()
    }

    fn begin(&mut self) -> Result<()> {
        self.step("begin");
        match self.course.is_shut.swap(false, Ordering::Relaxed) {
            true => Err(Error::Unavailable("shut".into())),
            false => self.writing.begin(),
        }
    }

    fn blame(&mut self, error: Error) -> Error {
        self.writing.blame(error)
    }

    fn send(&mut self) -> Result<()> {
        self.step("send");
        self.writing.send()
    }

    fn is_open(&self) -> bool {
        self.writing.is_open()
    }

    fn end_ahead(&mut self) -> bool {
        self.step("end");
        // Whoever lets it go may be gone.
        let _ = self.may_end.recv();
        self.writing.end_ahead()
    }

    fn commit(
        &mut self,
        is_open: &mut dyn FnMut(&Error) -> bool,
    ) -> std::result::Result<(), NotCommitted> {
        self.step("commit");
        let is_doubtful = self.course.is_doubtful.swap(false, Ordering::Relaxed);
        let is_lost = self.course.is_lost.swap(false, Ordering::Relaxed);
        if is_doubtful {
            is_open(&Error::Unavailable("it does not answer".into()));
        }
        let known = self.writing.commit(is_open);
        if is_doubtful || is_lost {
            self.writing.roll_back();
        }
        known
    }

    fn roll_back(&mut self) {
        self.step("undo");
        self.writing.roll_back();
    }

    fn tend(&mut self) {}

    fn close(&mut self) {
        self.step("close");
        self.writing.close();
    }
}

/// A writer at a fresh database, which has written once, and lets each transaction end when it is told.
fn watched(server: &Peer) -> (Writer, Arc<Course>, Sender<()>) {
    let (session, _) = super::migrated(&server.url());
    let writing = Writing::new(session, 1, Arc::new(Membership::alone()));
    let (let_end, may_end) = channel();
    let course = Arc::new(Course::default());
    let engine = Watched { writing, course: Arc::clone(&course), may_end };
    let writer = Writer::start(engine, 0, Default::default()).expect("it starts");
    let first = writer.submit(Add::one(1)).expect("nothing waits");
    let_end.send(()).expect("it waits");
    first.blocking_recv().expect("it is told").expect("it is written");
    course.steps.lock().expect("nobody panics").clear();
    (writer, course, let_end)
}

fn wait_for(course: &Course, step: &str) {
    while course.steps.lock().expect("nobody panics").last() != Some(&step) {
        std::thread::yield_now();
    }
}

/// What becomes of a second one that comes while the first is being told to end, of which is said what
/// goes wrong; and what the writer did.
fn behind_another(second: Add, goes_wrong: impl Fn(&Course)) -> (Result<()>, Vec<&'static str>) {
    let server = Peer::fresh();
    let (writer, course, let_end) = watched(&server);
    let before = next(&server);
    let one = writer.submit(Add::one(1)).expect("nothing waits");
    wait_for(&course, "end");
    let added = second.n;
    let two = writer.submit(second).expect("nothing waits");
    goes_wrong(&course);
    for _ in 0..2 {
        let_end.send(()).expect("it waits");
    }
    one.blocking_recv().expect("it is told").expect("it was told to end");
    let two = two.blocking_recv().expect("it is told");
    let steps = course.steps.lock().expect("nobody panics").clone();
    let_end.send(()).expect("it waits");
    let three = writer.submit(Add::one(100)).expect("nothing waits");
    three.blocking_recv().expect("it is told").expect("it is written");
    let added = if two.is_ok() { added } else { 0 };
    assert_eq!(next(&server), before + 1 + added + 100);
    (two, steps)
}

#[test]
fn the_next_begins_before_the_last_commit_has_its_answer() {
    let (two, steps) = behind_another(Add::one(10), |_| {});
    assert!(two.is_ok());
    assert_eq!(steps, ["begin", "end", "begin", "send", "commit", "end", "commit"]);
}

#[test]
fn one_that_fails_takes_nothing_with_it_that_was_told_to_end() {
    let (two, steps) = behind_another(Add::one(0), |_| {});
    assert!(two.is_err_and(|error| !error.is_passing()));
    assert_eq!(steps, ["begin", "end", "begin", "commit", "undo"]);
    let shut = |course: &Course| course.is_shut.store(true, Ordering::Relaxed);
    let (two, steps) = behind_another(Add::one(10), shut);
    assert!(two.is_err_and(|error| error.is_passing()));
    assert_eq!(steps, ["begin", "end", "begin", "commit", "undo"]);
}

#[test]
fn what_takes_its_time_is_run_when_those_before_it_are_told() {
    let many = || Add { n: 10, rows: 300 };
    let (two, steps) = behind_another(many(), |_| {});
    assert!(two.is_ok());
    assert_eq!(steps, ["begin", "end", "begin", "commit", "end", "commit"]);
}

#[test]
fn what_stands_behind_a_commit_whose_answer_is_lost_is_run_once() {
    for second in [Add { n: 10, rows: 300 }, Add::one(10)] {
        let lost = |course: &Course| course.is_lost.store(true, Ordering::Relaxed);
        let (two, steps) = behind_another(second, lost);
        assert!(two.is_ok());
        assert_eq!(steps.iter().filter(|step| **step == "undo").count(), 1, "{steps:?}");
    }
}

#[test]
fn who_stands_behind_a_commit_in_doubt_is_refused_at_once() {
    let doubtful = |course: &Course| course.is_doubtful.store(true, Ordering::Relaxed);
    let (two, steps) = behind_another(Add::one(10), doubtful);
    assert!(two.is_err_and(|error| error.is_passing()));
    assert_eq!(steps[..5], ["begin", "end", "begin", "send", "commit"]);
}

#[test]
fn what_was_told_to_end_has_its_answer_when_the_store_is_closed() {
    let server = Peer::fresh();
    let (writer, course, let_end) = watched(&server);
    let before = next(&server);
    let one = writer.submit(Add::one(1)).expect("nothing waits");
    wait_for(&course, "end");
    std::thread::scope(|scope| {
        scope.spawn(|| writer.close());
        let_end.send(()).expect("it waits");
    });
    one.blocking_recv().expect("it is told").expect("it was told to end");
    assert_eq!(*course.steps.lock().expect("nobody panics"), ["begin", "end", "commit", "close"]);
    assert_eq!(next(&server), before + 1);
}

//! What one connection does for the writer.

use std::sync::Arc;
use std::time::Duration;

use super::pipe::Answer;
use super::session::Session;
use super::turn::{BEGIN, TAKE, Taken, WOKEN};
use crate::error::{Error, Result};
use crate::node::Membership;
use crate::seldom::Seldom;
use crate::sql::Database;
use crate::writer::{Engine, NotCommitted};

/// The writer's. One process writes at a time: it holds the store's turn from the begin of a
/// transaction to its end, as the embedded engine's lock has it, so that operations may decide
/// before they write.
pub(super) struct Writing {
    session: Session,
    /// This opening of the store, among all that have it open.
    own: i64,
    /// What it is among those that serve; alone where it does not.
    membership: Arc<Membership>,
    /// The turn of the transaction that was told to end last, where it has told all there was to tell.
    last: Option<Taken>,
    /// What became of the last that was told to end, where nobody has waited for it yet.
    ended: Option<Ended>,
    /// Complaints of commits of which nobody knows at first.
    in_doubt: Seldom,
}

/// What becomes of a node that others did not hear of for too long.
pub(super) const TAKEN_OVER: &str = "this node was not heard of for some seconds, and another has \
     taken over what it had: what was on its way here may be sent again; start it anew";

/// Whether a transaction of ours, or one after it, was kept. It is written anew: where the commit of that
/// has an answer, what it tells is on the disk too, and on a standby where commits wait for one.
const WRITTEN: &str = "update written set number = number where writer = $1 returning number";

/// After how long the server is asked again what became of a commit.
const ASKED_AGAIN: Duration = Duration::from_millis(250);
/// How often, once the store is to be closed.
const LAST_ASKED: usize = 20;
/// Every how many times it is complained of.
const COMPLAINED: usize = 40;

/// What became of a transaction that was to end.
enum Ended {
    /// The word that ends it was not sent.
    Undone(Error),
    /// It may have been: the transaction's number, and what went wrong.
    InDoubt(i64, Error),
    /// It was, of the transaction with this number, when the server had been called so often.
    Sent { number: i64, n_calls: i64, answer: Answer<'static> },
}

impl Writing {
    pub(super) fn new(session: Session, own: i64, membership: Arc<Membership>) -> Self {
        Self { session, own, membership, last: None, ended: None, in_doubt: Seldom::default() }
    }

    fn take_turn(&mut self) -> Result<()> {
        self.session.has_failed();
        let take = self.session.known(TAKE)?;
        let own = [self.own, self.membership.own()];
        // One who writes alone knows what it will be told.
        if let Some(last) = self.last.take().filter(|_| !self.membership.has_others()) {
            self.session.take_ahead(&take, own, last.next())?;
            self.begun(last.next());
            return Ok(());
        }
        let taken = self.session.wait(Taken::ask(Arc::clone(self.session.client()), take, own))?;
        self.begun(taken);
        if self.membership.own() > 0 && !taken.is_member {
            self.membership.tenure.end(TAKEN_OVER);
            return Err(Error::Unavailable(TAKEN_OVER.into()));
        }
        Ok(())
    }

    fn begun(&mut self, taken: Taken) {
        self.session.taken.set(Some(taken));
        self.session.shape.set(Some(taken.shape));
    }

    /// Tells the open transaction to end.
    fn end(&mut self) -> Ended {
        // Gone with the connection, when it was asked what became of the one before.
        let Some(open) = self.session.taken.get() else {
            return Ended::Undone(Error::Unavailable("the connection was lost".into()));
        };
        if self.session.has_failed() {
            let why = "a statement of the transaction had failed";
            return Ended::Undone(Error::Failed(why.into()));
        }
        let last_word = match self.membership.has_others() {
            true => format!("notify {WOKEN}, '{}'; commit", self.membership.own()),
            false => "commit".to_owned(),
        };
        match self.session.end(last_word) {
            Ok(answer) => {
                let shape = self.session.shape.get();
                self.last = shape.map(|shape| Taken { shape, ..open });
                Ended::Sent { number: open.number, n_calls: self.session.n_calls(), answer }
            }
            Err(error) if self.session.is_ahead() => Ended::Undone(self.blame(error)),
            Err(error) => Ended::InDoubt(open.number, error),
        }
    }

    /// The answer to a transaction's last word. One that was called again since has none to give: the
    /// server that was told may have been replaced by one that never heard of it.
    fn answer(&self, n_calls: i64, answer: Answer<'static>) -> Result<()> {
        match n_calls == self.session.n_calls() && !self.session.is_replaced() {
            true => self.session.wait(answer),
            false => Err(Error::Unavailable("the connection was lost".into())),
        }
    }

    /// Whether a transaction was kept. It is over once its turn is free, and until then
    /// nobody knows.
    fn was_kept(&mut self, number: i64) -> Result<bool> {
        self.session.revive()?;
        // What was never told to end must not answer for itself.
        let turn = format!("rollback; {BEGIN}");
        let asked = self.session.batch(&turn).and_then(|()| {
            let written = Database::Postgres(&self.session)
                .prepare(WRITTEN)?
                .first([self.own], |row| row.get::<i64>(0))?;
            self.session.batch("commit")?;
            Ok(written)
        });
        self.roll_back();
        Ok(asked?.is_some_and(|written| written >= number))
    }
}

impl Engine for Writing {
    fn database(&self) -> Database<'_> {
        Database::Postgres(&self.session)
    }

    fn begin(&mut self) -> Result<()> {
        if let Some(why) = self.membership.tenure.over() {
            return Err(Error::Unavailable(why));
        }
        self.session.revive()?;
        match self.take_turn() {
            // The server was started anew while nothing was asked of it, and nothing is written yet.
            Err(_) if self.session.is_lost() => {
                self.session.revive()?;
                self.take_turn()
            }
            done => done,
        }
    }

    fn blame(&mut self, error: Error) -> Error {
        if !self.session.is_ahead() {
            return error;
        }
        self.session.forget_writes();
        self.session.confirm().err().unwrap_or(error)
    }

    fn send(&mut self) -> Result<()> {
        self.session.send_ahead()
    }

    fn is_open(&self) -> bool {
        self.session.taken.get().is_some()
    }

    fn end_ahead(&mut self) -> bool {
        let ended = self.end();
        let is_sent = matches!(ended, Ended::Sent { .. });
        self.ended = Some(ended);
        is_sent && self.last.is_some() && !self.membership.has_others()
    }

    fn commit(
        &mut self,
        is_open: &mut dyn FnMut(&Error) -> bool,
    ) -> std::result::Result<(), NotCommitted> {
        let (number, error) = match self.ended.take().unwrap_or_else(|| self.end()) {
            Ended::Undone(error) => return Err(NotCommitted::Undone(error)),
            Ended::InDoubt(number, error) => (number, error),
            Ended::Sent { number, n_calls, answer } => match self.answer(n_calls, answer) {
                Ok(()) => return Ok(()),
                Err(error) => (number, error),
            },
        };
        // What has begun behind it, too.
        self.roll_back();
        if let Some(n_more) = self.in_doubt.turn() {
            tracing::warn!(%error, n_more, "a commit was not confirmed; asking what became of it");
        }
        let mut last = LAST_ASKED;
        for n in 1_usize.. {
            match self.was_kept(number) {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(NotCommitted::Undone(error)),
                Err(why) if n.is_multiple_of(COMPLAINED) => {
                    tracing::error!(error = %why, "what became of a commit is not known yet");
                }
                Err(_) => {}
            }
            if !is_open(&error) {
                last -= 1;
                if last == 0 {
                    break;
                }
            }
            std::thread::sleep(ASKED_AGAIN);
        }
        let why = format!("nobody knows whether the last commit was kept: {error}");
        Err(NotCommitted::Unknown(Error::Unavailable(why)))
    }

    fn roll_back(&mut self) {
        self.last = None;
        self.session.forget_turn();
        self.session.forget_writes();
        // Where the connection is lost, the server rolls back by itself.
        if !self.session.is_lost()
            && let Err(error) = self.session.batch("rollback")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
        // Tables made meanwhile are gone, and with them what was prepared on them.
        self.session.forget_statements();
    }

    fn tend(&mut self) {}

    fn close(&mut self) {
        if self.membership.own() == 0 {
            return;
        }
        self.membership.leave();
        let leave = format!("delete from node where id = {}", self.membership.own());
        if let Err(error) = self.session.revive().and_then(|_| self.session.batch(&leave)) {
            tracing::warn!(%error, "no leave could be taken; others take over after a few seconds");
        }
    }
}

#[cfg(test)]
mod tests {
    use pombo_peers::cluster::Cluster;
    use pombo_peers::postgres::Database as Peer;
    use pombo_peers::proxy::Proxy;

    use tokio::time::Instant;

    use super::super::behind::ADD;
    use super::super::limits::Limits;
    use super::super::place::Place;
    use super::*;

    const CUT_OFF: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
         where pid <> pg_backend_pid() and datname = current_database()";

    fn alone() -> Arc<Membership> {
        Arc::new(Membership::alone())
    }

    fn patient(_: &Error) -> bool {
        true
    }

    /// Begins as one who knows of nobody's commit.
    fn begin(writing: &mut Writing) {
        writing.last = None;
        writing.begin().expect("it begins");
    }

    #[test]
    fn after_a_lost_answer_the_server_tells_what_became_of_the_commit() {
        let server = Peer::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, alone());
        let (other, _) = super::super::migrated(&server.url());
        let mut other = Writing::new(other, 2, alone());
        for (last_word, kept) in [("commit", true), ("rollback", false)] {
            begin(&mut writing);
            writing.session.batch(last_word).expect("it ends");
            // Whoever writes meanwhile does not make the answer less certain.
            for _ in 0..3 {
                begin(&mut other);
                assert!(other.commit(&mut patient).is_ok());
            }
            server.run(CUT_OFF);
            match (writing.commit(&mut patient), kept) {
                (Ok(()), true) | (Err(NotCommitted::Undone(_)), false) => {}
                _ => panic!("{last_word}: the wrong answer"),
            }
        }
        // Cut off before the last word, nothing was kept, and the next transaction works.
        begin(&mut writing);
        server.run(CUT_OFF);
        assert!(matches!(writing.commit(&mut patient), Err(NotCommitted::Undone(_))));
        writing.roll_back();
        begin(&mut writing);
        assert!(writing.commit(&mut patient).is_ok());
    }

    #[test]
    fn what_was_begun_unaware_of_anothers_commit_is_undone_and_works_the_next_time() {
        const NEXT: &str = "select next from sequence where name = 'campaign'";
        let server = Peer::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, alone());
        let (other, _) = super::super::migrated(&server.url());
        let mut other = Writing::new(other, 2, alone());
        let add = |writing: &Writing| super::super::write(writing.database(), ADD, [1]);
        let next =
            |writing: &Writing| writing.database().prepare(NEXT)?.one((), |row| row.get::<i64>(0));
        let commit = |writing: &mut Writing| {
            add(writing);
            assert!(writing.commit(&mut patient).is_ok());
        };
        writing.begin().expect("it begins");
        let first = next(&writing).expect("it is told");
        commit(&mut writing);
        for asks in [false, true] {
            begin(&mut other);
            commit(&mut other);
            writing.begin().expect("nobody has asked yet");
            assert!(writing.session.is_ahead());
            add(&writing);
            if asks {
                assert!(next(&writing).is_err_and(|error| error.is_passing()));
            }
            assert!(matches!(writing.commit(&mut patient), Err(NotCommitted::Undone(_))));
            writing.roll_back();
            writing.begin().expect("it begins again");
            assert!(!writing.session.is_ahead());
            commit(&mut writing);
            // Alone, it does not wait, and is told the same as if it had.
            writing.begin().expect("it begins");
            assert!(writing.session.is_ahead());
            commit(&mut writing);
        }
        writing.begin().expect("it begins");
        assert_eq!(next(&writing).expect("it is told"), first + 1 + 2 * 3);
    }

    #[test]
    fn an_answer_of_a_connection_that_was_given_up_is_not_believed() {
        let server = Peer::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, alone());
        for n_more in [0, 1] {
            begin(&mut writing);
            writing.end_ahead();
            if let Some(Ended::Sent { n_calls, .. }) = &mut writing.ended {
                *n_calls -= n_more;
            }
            assert!(writing.commit(&mut patient).is_ok());
            // Who asks undoes what has begun since.
            assert_eq!(writing.is_open(), n_more == 0);
        }
    }

    #[test]
    fn what_became_of_a_commit_is_asked_until_it_is_known_or_the_store_is_closed() {
        let server = Peer::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, alone());
        let rename = |from: &str, to: &str| format!("alter table {from} rename to {to}");
        for closes in [false, true] {
            begin(&mut writing);
            writing.session.batch("commit").expect("it ends");
            server.run(CUT_OFF);
            // The question has no answer for a while.
            server.run(&rename("written", "away"));
            let mut asked = 0;
            let known = writing.commit(&mut |_| {
                asked += 1;
                if asked == 8 && !closes {
                    server.run(&rename("away", "written"));
                }
                !closes
            });
            match (known, closes) {
                (Ok(()), false) => assert_eq!(asked, 8),
                (Err(NotCommitted::Unknown(_)), true) => assert_eq!(asked, LAST_ASKED),
                _ => panic!("the wrong answer"),
            }
        }
    }

    #[test]
    fn a_silent_server_is_given_up_and_its_commit_is_asked_for_until_it_speaks_again() {
        let server = Peer::fresh();
        drop(super::super::migrated(&server.url()));
        let way = Proxy::to(&Peer::socket());
        let url = format!("{}?connect_timeout=1", server.url_by(way.address()));
        let limits = Limits { statement: Some(Duration::from_secs(1)), ..Limits::NONE };
        let session = Session::open(Place::parse(&url).expect("a URL"), limits);
        let mut writing = Writing::new(session.expect("the server runs"), 1, alone());
        begin(&mut writing);
        way.be_silent(true);
        let begun = Instant::now();
        let mut asked = 0;
        let known = writing.commit(&mut |_| {
            asked += 1;
            way.be_silent(asked < 2);
            true
        });
        // The server never heard the word, and gives the transaction up by itself.
        assert!(matches!(known, Err(NotCommitted::Undone(_))));
        assert!(asked >= 2);
        way.be_silent(true);
        assert!(writing.begin().is_err());
        assert!(begun.elapsed() < Duration::from_secs(50));
        way.be_silent(false);
        writing.begin().expect("it begins again");
        assert!(writing.commit(&mut patient).is_ok());
    }

    #[test]
    fn a_server_that_was_started_anew_leaves_nothing_in_doubt_that_was_not_told_to_end() {
        let server = Peer::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, alone());
        for is_first in [true, false, false] {
            server.run(CUT_OFF);
            writing.begin().expect("it begins, or nobody has asked yet");
            if !is_first {
                assert!(matches!(writing.commit(&mut patient), Err(NotCommitted::Undone(_))));
                writing.roll_back();
                writing.begin().expect("it begins again");
            }
            assert!(writing.commit(&mut patient).is_ok());
        }
    }

    #[test]
    fn what_only_the_primary_has_was_not_kept_until_its_standby_has_it() {
        let folder = std::env::temp_dir().join(format!("pombo-standby-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let primary = Cluster::start(&folder.join("primary"));
        let standby = primary.standby(&folder.join("standby"));
        drop(super::super::migrated(&primary.url()));
        let limits = Limits { statement: Some(Duration::from_secs(1)), ..Limits::NONE };
        let session = Session::open(Place::parse(&primary.url()).expect("a URL"), limits);
        let mut writing = Writing::new(session.expect("the server runs"), 1, alone());
        writing.begin().expect("it begins");
        standby.stop();
        let last_word = "set local synchronous_commit = local; commit";
        writing.session.batch(last_word).expect("it ends");
        let _ = primary.run(CUT_OFF);
        let mut asked = 0;
        let known = writing.commit(&mut |_| {
            asked += 1;
            if asked == 2 {
                standby.start_again();
            }
            true
        });
        assert!(known.is_ok());
        assert!(asked >= 2, "it was believed without the standby");
        drop((standby, primary));
        // What is left behind lies in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&folder);
    }
}

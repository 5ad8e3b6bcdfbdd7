//! What one connection does for the writer, and for a reader.

use std::sync::Arc;
use std::time::Duration;

use super::session::{SHAPE, Session};
use crate::error::{Error, Result};
use crate::node::Membership;
use crate::reader::Snapshots;
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
    /// The open transaction's number among those of all that write.
    number: i64,
}

/// The number of the lock that is the turn.
pub(super) const TURN: i64 = 0x706f_6d62_6f00;

/// Takes the turn. A transaction sees what the one before it wrote because each statement looks anew.
const BEGIN: &str = "begin isolation level read committed read write";

/// Everyone sees that there was a commit, the next writer whether it was another's, and this one
/// later whether it was kept; and a node whether it still is one.
const TAKE: &str = "with taken as (update turn set number = number + 1, \
     others = others + (case when writer = $1 then 0 else 1 end), writer = $1 \
     returning number, others) \
     insert into written (writer, number) select cast($1 as bigint), number from taken \
     on conflict (writer) do update set number = excluded.number \
     returning number, (select others from taken), (select count(1) from node where id = $2), \
     (select number from shape)";

/// What the others listen to.
pub(super) const WOKEN: &str = "pombo_woken";

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

impl Writing {
    pub(super) const fn new(session: Session, own: i64, membership: Arc<Membership>) -> Self {
        Self { session, own, membership, number: 0 }
    }

    fn take_turn(&mut self) -> Result<()> {
        self.session.has_failed();
        // Prepared outside of the transaction, so that one way and back is enough for it.
        let take = self.session.known(TAKE)?;
        let client = self.session.client();
        let turn = format!("{BEGIN}; select pg_advisory_xact_lock({TURN})");
        let row = self.session.wait(async {
            let node = self.membership.own();
            let own: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&self.own, &node];
            let (begun, taken) =
                tokio::join!(client.batch_execute(&turn), client.query_one(&take.one, &own));
            begun?;
            taken
        })?;
        self.number = row.try_get(0)?;
        self.session.number.set(Some(self.number));
        self.session.turn.set(Some(row.try_get(1)?));
        self.session.shape.set(Some(row.try_get(3)?));
        if self.membership.own() > 0 && row.try_get::<_, i64>(2)? == 0 {
            self.membership.tenure.end(TAKEN_OVER);
            return Err(Error::Unavailable(TAKEN_OVER.into()));
        }
        Ok(())
    }

    /// Whether the last transaction was kept. It is over once its turn is free, and until then
    /// nobody knows.
    fn was_kept(&mut self) -> Result<bool> {
        self.session.revive()?;
        // What was never told to end must not answer for itself.
        let turn = format!("rollback; {BEGIN}; select pg_advisory_xact_lock({TURN})");
        let asked = self.session.batch(&turn).and_then(|()| {
            let written = Database::Postgres(&self.session)
                .prepare(WRITTEN)?
                .first([self.own], |row| row.get::<i64>(0))?;
            self.session.batch("commit")?;
            Ok(written)
        });
        self.roll_back();
        Ok(asked?.is_some_and(|written| written >= self.number))
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

    fn commit(
        &mut self,
        is_open: &mut dyn FnMut(&Error) -> bool,
    ) -> std::result::Result<(), NotCommitted> {
        if self.session.has_failed() {
            let why = "a statement of the transaction had failed";
            return Err(NotCommitted::Undone(Error::Failed(why.into())));
        }
        let last_word = match self.membership.has_others() {
            true => format!("notify {WOKEN}, '{}'; commit", self.membership.own()),
            false => "commit".to_owned(),
        };
        let Err(error) = self.session.batch(&last_word) else {
            return Ok(());
        };
        tracing::warn!(%error, "a commit had no answer; asking what became of it");
        let mut last = LAST_ASKED;
        for n in 1_usize.. {
            match self.was_kept() {
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
        self.session.turn.set(None);
        self.session.number.set(None);
        self.session.shape.set(None);
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

/// A reader's.
pub(super) struct Reading(pub(super) Session);

impl Reading {
    fn begin(&mut self) -> Result<()> {
        self.0.revive()?;
        let shape = self.0.known(SHAPE)?;
        let client = self.0.client();
        let row = self.0.wait(async {
            let (begun, told) = tokio::join!(
                client.batch_execute("begin isolation level repeatable read, read only"),
                client.query_one(&shape.one, &[])
            );
            begun?;
            told
        })?;
        self.0.shape.set(Some(row.try_get(0)?));
        Ok(())
    }
}

impl Snapshots for Reading {
    fn database(&self) -> Database<'_> {
        Database::Postgres(&self.0)
    }

    fn open(&mut self) -> Result<()> {
        match self.begin() {
            Err(_) if self.0.is_lost() => self.begin(),
            done => done,
        }
    }

    fn end(&mut self) {
        self.0.shape.set(None);
        if !self.0.is_lost()
            && let Err(error) = self.0.batch("rollback")
        {
            tracing::warn!(%error, "a reader cannot end its snapshot");
        }
    }
}

#[cfg(test)]
mod tests {
    use pombo_peers::cluster::Cluster;
    use pombo_peers::postgres::Database as Peer;
    use pombo_peers::proxy::Proxy;

    use tokio::time::Instant;

    use super::super::place::Place;
    use super::super::session::Limits;
    use super::*;

    const CUT_OFF: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
         where pid <> pg_backend_pid() and datname = current_database()";

    fn alone() -> Arc<Membership> {
        Arc::new(Membership::alone())
    }

    fn patient(_: &Error) -> bool {
        true
    }

    #[test]
    fn after_a_lost_answer_the_server_tells_what_became_of_the_commit() {
        let server = Peer::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, alone());
        let (other, _) = super::super::migrated(&server.url());
        let mut other = Writing::new(other, 2, alone());
        for (last_word, kept) in [("commit", true), ("rollback", false)] {
            writing.begin().expect("it begins");
            writing.session.batch(last_word).expect("it ends");
            // Whoever writes meanwhile does not make the answer less certain.
            for _ in 0..3 {
                other.begin().expect("it begins");
                assert!(other.commit(&mut patient).is_ok());
            }
            server.run(CUT_OFF);
            match (writing.commit(&mut patient), kept) {
                (Ok(()), true) | (Err(NotCommitted::Undone(_)), false) => {}
                _ => panic!("{last_word}: the wrong answer"),
            }
        }
        // Cut off before the last word, nothing was kept, and the next transaction works.
        writing.begin().expect("it begins");
        server.run(CUT_OFF);
        assert!(matches!(writing.commit(&mut patient), Err(NotCommitted::Undone(_))));
        writing.roll_back();
        writing.begin().expect("it begins again");
        assert!(writing.commit(&mut patient).is_ok());
    }

    #[test]
    fn what_became_of_a_commit_is_asked_until_it_is_known_or_the_store_is_closed() {
        let server = Peer::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, alone());
        let rename = |from: &str, to: &str| format!("alter table {from} rename to {to}");
        for closes in [false, true] {
            writing.begin().expect("it begins");
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
        writing.begin().expect("it begins");
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
    fn a_server_that_was_started_anew_is_noticed_before_anything_is_written() {
        let server = Peer::fresh();
        let (session, _) = super::super::migrated(&server.url());
        let mut writing = Writing::new(session, 1, alone());
        for _ in 0..3 {
            server.run(CUT_OFF);
            writing.begin().expect("it begins");
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

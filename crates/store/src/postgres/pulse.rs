//! The pulse of a node: it tells the others that it lives, sees who they are, and takes over from one
//! that has stood still.
//!
//! On a connection and a thread of its own, so that a long transaction or a slow disk, which holds all
//! writers up alike, is no death.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::TAKEN_OVER;
use super::limits::{Limits, name_of};
use super::place::Place;
use super::session::Session;
use super::turn::LOCK;
use crate::error::{Error, Result};
use crate::node::{Membership, Nodes};
use crate::operation::node::{NodeRow, list};
use crate::process;
use crate::sql::{Database, values};
use crate::tenure::{OVER_AFTER, since_boot};

/// How often it beats.
const EVERY: Duration = Duration::from_millis(500);

/// Every how many beats it looks whether another server can be written: one that is cut off from the
/// standby that took its place says nothing of it.
const LOOKS: u32 = 8;

/// A beat is of use only while it is fresh.
const LIMITS: Limits =
    Limits { statement: Some(Duration::from_millis(1_600)), node: 0, listens: true };

/// For what takes longer than a beat: taking the turn from those who have it. Short enough that the
/// own pulse does not stop for it.
const TURN_MS: i64 = 1_000;

const BEAT: &str = "update node set beat = beat + 1, seen = $1, up = $2 where id = $3";
const SILENCE: &str = "select cast(count(pg_terminate_backend(pid)) as bigint) \
     from pg_stat_activity where datname = current_database() and application_name = $1";
const CONNECTED: &str = "select cast(count(pid) as bigint) from pg_stat_activity \
     where datname = current_database() and application_name = $1";
const TAKE_OVER: &str = "delete from node where id = $1 and beat = $2";

/// Joins those that serve: in its turn, so that numbers rise in the order of the joinings.
pub(super) fn join(session: &Session) -> Result<i64> {
    session.batch(&format!("begin; {LOCK}"))?;
    let database = Database::Postgres(session);
    let id = database
        .prepare("insert into node (seen, beat, up, process) values (0, 0, '', $1) returning id")?
        .one(values![process::own()], |row| row.get(0))?;
    database.prepare("update node set seen = id where id = $1")?.execute([id])?;
    session.batch("commit")?;
    Ok(id)
}

/// When another node's beat was first seen as it is.
struct Life {
    beat: i64,
    since: Instant,
}

/// The thread's.
pub(super) struct Pulse {
    session: Session,
    membership: Arc<Membership>,
    lives: HashMap<i64, Life>,
    /// Its last beat.
    last: Instant,
}

impl Pulse {
    /// Starts it; it ends when the node leaves, or is one no more.
    pub(super) fn start(place: Place, membership: Arc<Membership>) -> Result<()> {
        let (own, woken) = (membership.own(), Arc::clone(&membership));
        let heard = Arc::new(move |from: &str| {
            if from != own.to_string() {
                woken.wake();
            }
        });
        let session = Session::listening(place, LIMITS.of_node(own), Some(heard))?;
        let (lives, last) = (HashMap::new(), Instant::now());
        let mut pulse = Self { session, membership, lives, last };
        // Whoever opens the store knows who is there, and who was killed on this machine.
        if let Some(still) = pulse.beat()?
            && !still.is_empty()
        {
            pulse.inherit(still);
            pulse.beat()?;
        }
        std::thread::Builder::new()
            .name("store-pulse".into())
            .spawn(move || {
                let ran = catch_unwind(AssertUnwindSafe(|| pulse.run()));
                if ran.is_err() {
                    pulse.membership.tenure.end("this node has lost its pulse; start it anew");
                }
            })
            .map(drop)
            .map_err(|why| Error::Unavailable(why.to_string()))
    }

    fn run(&mut self) {
        for n in (1..=LOOKS).cycle() {
            self.session.rest(EVERY, &self.membership.leaving);
            if self.membership.has_left() {
                return;
            }
            if n == LOOKS {
                self.session.look_around();
            }
            match self.beat() {
                Ok(Some(still)) => self.inherit(still),
                Ok(None) => {
                    if !self.membership.has_left() {
                        self.membership.tenure.end(TAKEN_OVER);
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the other nodes cannot be told that this one lives");
                    if !self.membership.tenure.holds() {
                        self.membership.lose_touch();
                    }
                }
            }
        }
    }

    /// Beats once, and looks who has stood still, and where; `None` where it is no node any more.
    fn beat(&mut self) -> Result<Option<Vec<(i64, i64)>>> {
        self.session.revive()?;
        let (asked, begun) = (since_boot(), Instant::now());
        let database = Database::Postgres(&self.session);
        let own = self.membership.own();
        let (seen, up) = (self.membership.acts_by(), self.membership.up());
        if database.prepare(BEAT)?.execute(values![seen, up, own])? == 0 {
            return Ok(None);
        }
        self.membership.tenure.prove(asked);
        if begun - self.last > 3 * EVERY {
            // What held this one up may have held up the others.
            self.lives.clear();
        }
        self.last = Instant::now();
        let rows = list(database)?;
        let mut still = self.look(&rows);
        for NodeRow { node, beat, process } in &rows {
            if process::is_gone(process) && !self.is_connected(node.id)? {
                still.push((node.id, *beat));
            }
        }
        let nodes = rows.into_iter().map(|row| row.node).collect();
        self.membership.saw(Nodes::seen_by(own, nodes));
        Ok(Some(still))
    }

    /// Takes over from those who have stood still.
    fn inherit(&mut self, still: Vec<(i64, i64)>) {
        for (node, beat) in still {
            if let Err(error) = self.take_over(node, beat) {
                tracing::warn!(node, %error, "a node that is not heard of cannot be taken over yet");
            }
            // That took its time, which says nothing of the others.
            self.last = Instant::now();
        }
    }

    /// Looks at the others' beats; answers who has stood still for too long, and where.
    fn look(&mut self, rows: &[NodeRow]) -> Vec<(i64, i64)> {
        let now = Instant::now();
        self.lives.retain(|id, _| rows.iter().any(|row| row.node.id == *id));
        let mut still = Vec::new();
        for NodeRow { node, beat, .. } in
            rows.iter().filter(|row| row.node.id != self.membership.own())
        {
            let life = self.lives.entry(node.id).or_insert(Life { beat: *beat, since: now });
            if life.beat != *beat {
                *life = Life { beat: *beat, since: now };
            } else if now - life.since >= OVER_AFTER {
                still.push((node.id, *beat));
            }
        }
        still
    }

    /// Whether the server still has a connection of it.
    fn is_connected(&self, node: i64) -> Result<bool> {
        let mut connected = Database::Postgres(&self.session).prepare(CONNECTED)?;
        connected.one(values![name_of(node)], |row| Ok(row.get::<i64>(0)? > 0))
    }

    /// Ends what the server still holds for a node that has stood still, and takes its row away, in
    /// the turn: whatever it wrote is there, and it writes nothing more.
    fn take_over(&self, node: i64, beat: i64) -> Result<()> {
        let database = Database::Postgres(&self.session);
        database.prepare(SILENCE)?.all(values![name_of(node)], |_| Ok(()))?;
        let turn = format!("begin; set local lock_timeout = {TURN_MS}; {LOCK}");
        let taken = self.session.batch(&turn).and_then(|()| {
            let taken = database.prepare(TAKE_OVER)?.execute([node, beat])?;
            // This one is to be found on the disk.
            self.session.batch("set local synchronous_commit = on; commit")?;
            Ok(taken)
        });
        match taken {
            Ok(0) => Ok(()),
            Ok(_) => {
                tracing::warn!(node, "a node was not heard of any more; the others take over");
                Ok(())
            }
            Err(error) => {
                self.session.batch("rollback")?;
                Err(error)
            }
        }
    }
}

//! What a session is told at its begin, and how long it waits.

use std::time::Duration;

use super::session::Session;
use super::turn::WOKEN;
use crate::error::Result;
use crate::sql::Database;

/// A commit waits for the disk; one that waits for a standby too goes on doing so.
const SYNCED: &str = "select set_config('synchronous_commit', 'on', false) \
     where current_setting('synchronous_commit') = 'off'";

/// Settings by which a server forgets what it has synced when its machine stops.
const FORGETFUL: &str = "select name from pg_settings \
     where name in ('fsync', 'full_page_writes') and setting = 'off' order by name";

/// The settings by which this server would forget what it says is stored.
pub(super) fn forgetful(session: &Session) -> Result<Vec<String>> {
    Database::Postgres(session).prepare(FORGETFUL)?.all((), |row| row.get(0))
}

/// What a server is given time for before it is believed to be gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// One statement; `None`: as long as it takes.
    pub(super) statement: Option<Duration>,
    /// The node that it is of; 0: none.
    pub(super) node: i64,
    /// Whether it is told what others do.
    pub(super) listens: bool,
}

impl Limits {
    /// For what changes the tables' form.
    pub(super) const NONE: Self = Self { statement: None, node: 0, listens: false };
    /// For what serves: no statement of it takes a second.
    pub(super) const SERVING: Self =
        Self { statement: Some(Duration::from_secs(20)), ..Self::NONE };
    /// For commands: an audit reads everything.
    pub(super) const COMMAND: Self =
        Self { statement: Some(Duration::from_secs(1_800)), ..Self::NONE };

    /// Of that node.
    pub(super) const fn of_node(self, node: i64) -> Self {
        Self { node, ..self }
    }

    /// How long an answer is waited for: the server itself gives up sooner.
    pub(super) fn patience(self) -> Option<Duration> {
        self.statement.map(|statement| statement * 5 / 4)
    }

    /// What a session is told at its begin. A transaction whose client has gone silent must not
    /// keep the others waiting, and neither must a table that somebody else holds.
    pub(super) fn words(self) -> String {
        let statement_ms = self.statement.unwrap_or_default().as_millis();
        // What serves asks by keys, and its plans must not depend on what a table held once; they
        // are made once.
        let plans = match self.statement {
            Some(limit) if limit <= Duration::from_secs(60) => {
                "; set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; \
                 set plan_cache_mode = force_generic_plan"
            }
            _ => "",
        };
        let lock_ms = if self.statement.is_some() { 10_000 } else { 0 };
        let name = if self.node > 0 { name_of(self.node) } else { "pombo".to_owned() };
        // Nobody needs to find on the disk what a pulse writes. What anybody else has written is there
        // before it is answered, whatever the database, the role or the server have as their default.
        let last = match self.listens {
            true => format!("; set synchronous_commit = off; listen {WOKEN}"),
            false => format!("; {SYNCED}"),
        };
        format!(
            "set application_name = '{name}'; set statement_timeout = {statement_ms}; set lock_timeout = {lock_ms}; \
             set idle_in_transaction_session_timeout = 30000; set tcp_keepalives_idle = 5; \
             set tcp_keepalives_interval = 3; set tcp_keepalives_count = 3; \
             set tcp_user_timeout = 10000; set jit = off{plans}{last}"
        )
    }
}

/// What the server calls a node's connections.
pub(super) fn name_of(node: i64) -> String {
    format!("pombo node {node}")
}

#[cfg(test)]
mod tests {
    use pombo_peers::postgres::Database as Peer;

    use super::super::place::Place;
    use super::*;

    #[test]
    fn a_server_that_does_not_sync_is_known() {
        let server = Peer::fresh();
        let place = Place::parse(&server.url()).expect("a URL");
        let session = Session::open(place, Limits::SERVING).expect("the server runs");
        // What tests write may go with their machine.
        assert_eq!(forgetful(&session).expect("it tells"), ["fsync"]);
    }

    #[test]
    fn what_is_written_is_synced_whatever_the_databases_default_but_for_a_pulse() {
        let server = Peer::fresh();
        let name = server.run("select current_database()");
        for default in ["off", "remote_write"] {
            server.run(&format!("alter database {name} set synchronous_commit = {default}"));
            let seen = |limits| {
                let place = Place::parse(&server.url()).expect("a URL");
                let session = Session::open(place, limits).expect("the server runs");
                let tell =
                    "create table told as select current_setting('synchronous_commit') as word";
                session.batch(tell).expect("it is told");
                let word = server.run("select word from told");
                session.batch("drop table told").expect("it goes");
                word
            };
            let expected = if default == "off" { "on" } else { default };
            assert_eq!(seen(Limits::SERVING), expected);
            assert_eq!(seen(Limits::COMMAND), expected);
            assert_eq!(seen(Limits { listens: true, ..Limits::SERVING }), "off");
        }
    }
}

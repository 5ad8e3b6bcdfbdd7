//! Brings the schema up to date: the same numbered steps as the embedded engine's.
//!
//! A step is written once, in the words of the embedded engine; the few that differ are exchanged.

use std::time::Duration;

use tokio::time::Instant;

use super::session::Session;
use super::turn;
use crate::OpenError;
use crate::error::{Error, Result};
use crate::migration::{self, STEPS, Step};
use crate::sql::Database;

/// Held while a schema is looked at and changed, so that nodes which start together take turns.
const LOCK: i64 = 0x706f_6d62_6f01;

/// What only this engine needs: whose commits came last, how far each that writes has come, and how
/// often tables of days have come and gone.
const OWN: &str = "create table if not exists turn \
         (writer bigint not null, number bigint not null, others bigint not null); \
     insert into turn (writer, number, others) select 0, 0, 0 where not exists (select 1 from turn); \
     create table if not exists written (writer bigint primary key, number bigint not null); \
     delete from written where number < (select number from turn) - 100000; \
     create table if not exists shape (number bigint not null); \
     insert into shape (number) select 0 where not exists (select 1 from shape)";

/// How long a step waits for a table that somebody reads. Whoever reads it next waits behind the step, and
/// a reader who has one table may wait for another that the step has: the server would end the reader
/// after a second (`deadlock_timeout`), so the step gives way sooner.
const LOCK_MS: u64 = 500;
/// After how long it tries again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it tries.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn migrate(session: &Session, place: &str) -> std::result::Result<(), OpenError> {
    let start = Instant::now();
    loop {
        session.was_hindered();
        let Err(error) = attempt(session, place) else { return Ok(()) };
        if !session.was_hindered() {
            return Err(error);
        }
        if start.elapsed() > PATIENCE {
            let why = "somebody has read a table that is to be changed for two minutes; wait until \
                 that is over, or end it (pg_stat_activity names it)";
            return Err(OpenError::Server { place: place.to_owned(), why: why.to_owned() });
        }
        tracing::info!("waiting for those who read a table that is to be changed");
        let undone = session.batch("rollback");
        undone.map_err(|why| unusable(place, why))?;
        std::thread::sleep(PAUSE);
    }
}

fn unusable(place: &str, why: Error) -> OpenError {
    OpenError::Server { place: place.to_owned(), why: why.to_string() }
}

fn attempt(session: &Session, place: &str) -> std::result::Result<(), OpenError> {
    let unusable = |why| unusable(place, why);
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let begin = format!(
        "begin; select pg_advisory_xact_lock({LOCK}); \
         create table if not exists schema_version (version bigint not null)"
    );
    session.batch(&begin).map_err(unusable)?;
    let found = Database::Postgres(session).version().map_err(unusable)?;
    if found > known {
        return Err(OpenError::Newer { path: place.to_owned(), found, known });
    }
    let tables = || Database::Postgres(session).tables("").map_err(unusable);
    if found == 0
        && let Some(table) = migration::foreign(&tables()?)
    {
        return Err(OpenError::Foreign { place: place.to_owned(), table: table.clone() });
    }
    let done = usize::try_from(found).unwrap_or(0);
    if found < known {
        // Those who write meanwhile wait, rather than meet half-way.
        let turn = format!("{}; set local lock_timeout = {LOCK_MS}", turn::LOCK);
        session.batch(&turn).map_err(unusable)?;
    }
    if found == known
        && let Some(table) = migration::missing(&tables()?, true)
    {
        return Err(OpenError::Incomplete { place: place.to_owned(), table: table.to_owned() });
    }
    for (from, step) in (0..).zip(STEPS).skip(done) {
        run(session, step).map_err(|why| match why.is_passing() {
            true => unusable(why),
            false => OpenError::of_step(place, from, why),
        })?;
    }
    // Those who serve meanwhile forget what they know of tables that were changed.
    let told = if found < known { "update turn set others = others + 1, writer = 0; " } else { "" };
    let finish = format!(
        "{OWN}; {told}delete from schema_version; \
         insert into schema_version (version) values ({known}); commit"
    );
    session.batch(&finish).map_err(unusable)
}

fn run(session: &Session, step: &Step) -> Result<()> {
    session.batch(&translated(step.once, true))?;
    if step.each_day.is_empty() {
        return Ok(());
    }
    let each_day = translated(step.each_day, false);
    for name in Database::Postgres(session).tables("part_")? {
        session.batch(&each_day.replace("{day}", &name["part_".len()..]))?;
    }
    Ok(())
}

/// The step in this engine's words. `numbered`: keys that nobody names are given by the server.
pub(crate) fn translated(step: &str, numbered: bool) -> String {
    let key = match numbered {
        true => " bigint generated by default as identity primary key",
        false => " bigint primary key",
    };
    let mut text = String::with_capacity(step.len());
    for line in step.lines() {
        let code = line.split("--").next().unwrap_or("");
        text.push_str(code);
        text.push('\n');
    }
    text.replace(") strict, without rowid;", ");")
        .replace(") strict;", ");")
        .replace(" integer primary key", key)
        .replace(" integer", " bigint")
        .replace(" blob", " bytea")
        .replace("unixepoch()", "cast(extract(epoch from now()) as bigint)")
        .replace("instr(url, '?')", "strpos(url, '?')")
}

#[cfg(test)]
mod tests {
    use pombo_peers::postgres::Database as Peer;

    use super::super::limits::Limits;
    use super::super::place::Place;
    use super::*;

    /// As the database was before the step that gave it nodes.
    const BEFORE_NODES: &str = "drop table node; alter table intent drop column node; \
         alter table staging drop column node; update schema_version set version = 18";

    /// What waits in a database of the first version.
    const WAITING: &str = "insert into queue (route, lane, account, due, first, last, tries) values \
             (1, 0, 1, 1, 16, 16, 0), (1, 0, 1, 9000000000000000, 32, 32, 0), \
             (1, 0, 1, 9000000000000000, 48, 48, 2); \
         insert into callback_due (event, due, tries, url, failure) values \
             (1, 1, 0, 'https://example.com/dlr?id=1', ''); \
         create table part_20000 (id bigint primary key); \
         create table event_20000 (id bigint primary key, part bigint); \
         create table request_20000 (id bigint primary key, messages bigint, sending bigint)";

    const WAITS: &str = "select count(1) from pg_locks where not granted and locktype = 'relation' \
         and database = (select oid from pg_database where datname = current_database())";

    #[test]
    fn a_database_of_the_first_version_keeps_what_waits_in_it() {
        let server = Peer::fresh();
        let place = Place::parse(&server.url()).expect("a URL");
        let session = Session::open(place, Limits::NONE).expect("the server runs");
        run(&session, &STEPS[0]).expect("the first step");
        let version = "create table schema_version (version bigint not null); \
             insert into schema_version (version) values (1)";
        session.batch(&format!("{WAITING}; {version}")).expect("it is filled");
        migrate(&session, "here").expect("it is brought up to date");
        let scheduled = server.run("select first from queue where scheduled = 1");
        let endpoint = server.run("select endpoint from callback_due");
        assert_eq!((scheduled.as_str(), endpoint.as_str()), ("32", "https://example.com/dlr"));
        // The days that it had made get the tables that came since.
        let days = "select count(1) from pg_tables where tablename in ('text_20000', 'link_20000')";
        assert_eq!(server.run(days), "2");
    }

    #[test]
    fn a_step_gives_way_to_those_who_read() {
        let server = Peer::fresh();
        drop(super::super::migrated(&server.url()));
        server.run(BEFORE_NODES);
        let open = |limits| Session::open(Place::parse(&server.url()).expect("a URL"), limits);
        let reader = open(Limits::SERVING).expect("the server runs");
        let other = open(Limits::SERVING).expect("the server runs");
        reader.batch("begin; select count(1) from staging").expect("it reads");
        std::thread::scope(|scope| {
            let stepping = scope.spawn(|| {
                let session = open(Limits::NONE).expect("the server runs");
                migrate(&session, "here")
            });
            let waits = || {
                while server.run(WAITS) == "0" {
                    assert!(!stepping.is_finished(), "nothing was in its way");
                }
            };
            // It has changed one table, and wants the other: whoever reads that next waits behind it.
            waits();
            let begun = Instant::now();
            other.batch("select count(1) from staging").expect("it reads");
            assert!(begun.elapsed() < 6 * PAUSE, "it was held up");
            // Now each waits for the other.
            waits();
            reader.batch("select count(1) from intent").expect("it goes on reading");
            // It tries again, also where the first is read by now.
            waits();
            reader.batch("rollback").expect("it ends");
            stepping.join().expect("no panic").expect("it is done");
        });
        assert_eq!(server.run("select version from schema_version"), STEPS.len().to_string());
        assert_eq!(server.run("select count(node) from intent"), "0");
    }
}

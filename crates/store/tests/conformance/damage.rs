//! Stores that are not as they should be: half a schema, a damaged page, no right to write.

use pombo_peers::postgres::Database;
use pombo_store::{Error, OpenError, Store};

use crate::place::{Folder, Place, SHARED};
use crate::world::{on_every_store, on_files, on_servers};

/// In the way of a step in the midst of them.
const OBSTACLE: &str = "create table node (x int)";
const OUT_OF_THE_WAY: &str = "drop table node";

#[test]
fn a_step_of_the_schema_that_fails_leaves_a_file_as_it_was() {
    let folder = Folder::new();
    let file = rusqlite::Connection::open(folder.file()).unwrap();
    file.execute_batch(OBSTACLE).unwrap();
    let opened = Store::open(&folder.url(), &SHARED);
    let opened = opened.unwrap_err().to_string();
    let words = "could not be brought from version 18 to 19";
    assert!(opened.contains(words) && opened.lines().count() == 1, "{opened}");
    let read = |sql| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(read("select count(1) from sqlite_master"), 1, "nothing but what was in the way");
    assert_eq!(read("pragma user_version"), 0);
    file.execute_batch(OUT_OF_THE_WAY).unwrap();
    Store::open(&folder.url(), &SHARED).unwrap().close();
}

#[test]
fn a_step_of_the_schema_that_fails_leaves_a_server_as_it_was() {
    let database = Database::fresh();
    database.run(OBSTACLE);
    let opened = Store::open(&database.url(), &SHARED);
    assert!(matches!(opened, Err(OpenError::Step { from: 18, to: 19, .. })), "{opened:?}");
    let tables = "select string_agg(tablename, ',') from pg_tables where schemaname = 'public'";
    assert_eq!(database.run(tables), "node", "nothing but what was in the way");
    database.run(OUT_OF_THE_WAY);
    Store::open(&database.url(), &SHARED).unwrap().close();
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_was() {
    let database = Database::fresh();
    database.run("create table guests (name text)");
    let opened = Store::open(&database.url(), &SHARED).unwrap_err();
    assert!(matches!(&opened, OpenError::Foreign { table, .. } if table == "guests"), "{opened}");
    let tables = "select string_agg(tablename, ',') from pg_tables where schemaname = 'public'";
    assert_eq!(database.run(tables), "guests");
}

#[test]
fn a_store_without_one_of_its_tables_is_refused() {
    on_every_store(|w| {
        w.store.close();
        let drop_it = "drop table ledger";
        match &w.place {
            Place::Sqlite(folder) => {
                let file = rusqlite::Connection::open(folder.file()).unwrap();
                file.execute_batch(drop_it).unwrap();
            }
            place => drop(place.database().run(drop_it)),
        }
        let opened = Store::open(&w.place.url(), &SHARED).unwrap_err();
        assert!(
            matches!(&opened, OpenError::Incomplete { table, .. } if table == "ledger"),
            "{opened}"
        );
    });
}

#[test]
fn a_damaged_file_is_told_as_such_until_a_backup_is_in_its_place() {
    on_files(|w| {
        let message = w.message();
        let (request, account) = (w.request(1), w.account);
        let place = w.close();
        let path = place.folder().file();
        let good = std::fs::read(&path).unwrap();
        let file = rusqlite::Connection::open(&path).unwrap();
        let parts = "select rootpage from sqlite_master where name like 'part\\_%' escape '\\'";
        let page = file.query_row(parts, [], |row| row.get::<_, u32>(0)).unwrap() as usize;
        drop(file);
        let mut bad = good.clone();
        bad[(page - 1) * 4_096..page * 4_096].fill(0xff);
        std::fs::write(&path, bad).unwrap();
        let store = Store::open(&place.url(), &SHARED).unwrap();
        let refused = store.run_blocking(request.clone()).unwrap_err();
        assert!(matches!(refused, Error::Damaged(_)) && refused.is_passing(), "{refused:?}");
        assert!(store.damage().is_some() && store.trouble().is_some());
        store.close();
        drop(store);
        std::fs::write(&path, good).unwrap();
        let store = Store::open(&place.url(), &SHARED).unwrap();
        store.run_blocking(request).unwrap();
        let one = pombo_store::operation::status::Status { account, ids: vec![message] };
        assert_eq!(store.ask_blocking(one).unwrap().len(), 1);
        assert!(store.trouble().is_none());
    });
}

/// Somebody who may do nothing yet; gone with the database.
struct Clerk<'d> {
    name: String,
    database: &'d Database,
}

impl<'d> Clerk<'d> {
    fn of(database: &'d Database) -> Self {
        let name = format!("clerk_{}", database.run("select current_database()"));
        database.run(&format!("create role {name} login"));
        Self { name, database }
    }

    fn url(&self) -> String {
        self.database.url().replace("pombo@", &format!("{}@", self.name))
    }

    fn may(&self, what: &str) {
        self.database.run(&format!("grant {what} to {}", self.name));
    }

    fn may_no_longer(&self, what: &str) {
        self.database.run(&format!("revoke {what} from {}", self.name));
    }
}

impl Drop for Clerk<'_> {
    fn drop(&mut self) {
        let name = &self.name;
        self.database.run(&format!("drop owned by {name}; drop role {name}"));
    }
}

#[test]
fn who_may_make_no_tables_is_told_so_at_the_start() {
    let database = Database::fresh();
    let clerk = Clerk::of(&database);
    let opened = Store::open(&clerk.url(), &SHARED).unwrap_err();
    let OpenError::Server { why, .. } = &opened else { panic!("{opened:?}") };
    assert!(why.contains("permission denied"), "{why}");
}

#[test]
fn who_may_not_write_for_a_while_is_refused_for_a_while() {
    on_servers(|w| {
        w.message();
        let clerk = Clerk::of(w.place.database());
        clerk.may("all on schema public");
        clerk.may("all on all tables in schema public");
        clerk.may("all on all sequences in schema public");
        let store = Store::open(&clerk.url(), &SHARED).unwrap();
        store.run_blocking(w.request(1)).unwrap();
        clerk.may_no_longer("insert on queue");
        let refused = store.run_blocking(w.request(1)).unwrap_err();
        assert!(
            matches!(&refused, Error::Unavailable(why) if why.contains("queue")),
            "{refused:?}"
        );
        assert_eq!(w.claim(10).work.len(), 2, "nothing of what was refused");
        clerk.may("insert on queue");
        store.run_blocking(w.request(1)).unwrap();
        store.close();
        drop(store);
    });
}

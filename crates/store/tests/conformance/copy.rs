//! From a file into a database: the same rows, whatever they hold, also after it was broken off.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pombo_domain::money::Money;
use pombo_peers::postgres::Database;
use pombo_store::copy::{CopyError, Progress, copy};
use pombo_store::operation::accept::Accept;
use pombo_store::operation::account::Credit;
use pombo_store::{OpenError, Options, Store};

use proptest::prelude::*;
use rusqlite::Connection;

use crate::dump::{everything, shapes};
use crate::model::{Model, apply, check, drain};
use crate::steps::steps;
use crate::world::{CREDIT, World, on_files, parts_of};

fn silent(_: Progress<'_>) {}

/// A few messages, some of them away, some sent.
fn fill(w: &World) {
    w.sent_message("abc");
    w.accept(w.request(3));
    w.claim(2);
    w.accept(Accept { text: "ñandú €".to_owned(), ..w.request(500) });
}

#[test]
fn a_copy_has_the_same_rows_and_goes_on_numbering() {
    on_files(|w| {
        fill(&w);
        let shapes = shapes(&w);
        let before = everything(&w, &shapes);
        let n: u64 = before.values().map(|rows| rows.len() as u64).sum();
        let database = Database::fresh();
        let url = database.url();
        let mut done = None;
        let w = w.moved(database, |file| done = copy(file, &url, &mut silent).ok());
        let done = done.unwrap();
        assert_eq!((done.rows, done.tables), (n, before.len() as u64));
        assert!(!done.was_begun);
        assert_eq!(everything(&w, &shapes), before);
        // New rows of tables that the database numbers, among those that were copied.
        fill(&w);
        assert_eq!(w.balance() + w.spent(), CREDIT);
    });
}

/// The tables of a file, each with the names and types of its columns.
fn tables(file: &Connection) -> Vec<(String, Vec<(String, String)>)> {
    let ask = |text: &str| {
        let mut asked = file.prepare(text).unwrap();
        let rows = asked.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect::<Vec<(String, String)>>()
    };
    let names = ask("select name, type from sqlite_schema where type = 'table'");
    let columns =
        |table: &str| ask(&format!("select name, lower(type) from pragma_table_info('{table}')"));
    names.into_iter().map(|(table, _)| (table.clone(), columns(&table))).collect()
}

/// What a table holds, in few words that both engines tell.
fn summary(table: &str, columns: &[(String, String)]) -> String {
    let sums = columns.iter().map(|(name, kind)| match kind.as_str() {
        "integer" => format!("coalesce(sum({name} % 1000003), 0)"),
        _ => format!("coalesce(sum(length({name})), 0)"),
    });
    let sums = sums.map(|sum| format!("cast({sum} as text)")).collect::<Vec<_>>();
    format!("select cast(count(1) as text) || ' ' || {} from {table}", sums.join(" || ' ' || "))
}

#[test]
fn a_copy_has_the_rows_of_every_table_there_is() {
    on_files(|w| {
        fill(&w);
        let place = w.close();
        let file = place.folder().file();
        let opened = Connection::open(&file).unwrap();
        let tables = tables(&opened);
        // What no life of a test comes by is written as it could stand there.
        for (table, columns) in &tables {
            let n: i64 = opened
                .query_row(&format!("select count(1) from {table}"), [], |row| row.get(0))
                .unwrap();
            for i in (0..5).take_while(|_| n == 0) {
                let values = (0_i64..).zip(columns).map(|(at, (_, kind))| match kind.as_str() {
                    "integer" => (i * 1_000_000_007 - at).to_string(),
                    "text" => format!("'ñ€ {i} {at}'"),
                    _ => format!("x'00ff0{i}0{}'", at % 10),
                });
                let values = values.collect::<Vec<_>>().join(", ");
                opened.execute(&format!("insert into {table} values ({values})"), []).unwrap();
            }
        }
        let told = |text: &str| opened.query_row(text, [], |row| row.get::<_, String>(0)).unwrap();
        let asked = tables.iter().map(|(table, columns)| summary(table, columns));
        let asked: Vec<String> = asked.collect();
        let before: Vec<String> = asked.iter().map(|text| told(text)).collect();
        let database = Database::fresh();
        copy(&file, &database.url(), &mut silent).unwrap();
        // Who serves a file does not serve its copy.
        let copied = |(text, _): &(&String, String)| !text.ends_with(" from node");
        for (text, before) in asked.iter().zip(before).filter(copied) {
            assert_eq!(database.run(text), before, "{text}");
        }
    });
}

#[test]
fn a_copy_that_was_broken_off_is_nobodys_store_and_goes_on_where_it_was() {
    on_files(|w| {
        fill(&w);
        let shapes = shapes(&w);
        let before = everything(&w, &shapes);
        let database = Database::fresh();
        let url = database.url();
        let w = w.moved(database, |file| {
            for table in ["part_", "request_"] {
                let mut stop = |progress: Progress<'_>| {
                    let is_there = progress.table.starts_with(table) && progress.done > 0;
                    assert!(!is_there, "broken off");
                };
                let broken = catch_unwind(AssertUnwindSafe(|| copy(file, &url, &mut stop)));
                assert!(broken.is_err());
                let beside = Options { exclusive: false, ..Options::default() };
                let opened = Store::open(&url, &beside);
                assert!(matches!(opened, Err(OpenError::Unfinished { .. })), "{opened:?}");
            }
            assert!(copy(file, &url, &mut silent).unwrap().was_begun);
        });
        assert_eq!(everything(&w, &shapes), before);
        assert_eq!(parts_of(&w.claim(1_000)).len(), 501);
    });
}

#[test]
fn a_copy_goes_only_into_an_empty_database_of_this_version() {
    on_files(|w| {
        w.message();
        let place = w.close();
        let file = place.folder().file();
        let into = |database: &Database| copy(&file, &database.url(), &mut silent);
        let taken = Database::fresh();
        into(&taken).unwrap();
        let again = into(&taken).unwrap_err();
        assert!(matches!(again, CopyError::NotEmpty { .. }), "{again}");
        for version in [1, 9_999] {
            let other = Database::fresh();
            other.run("create table schema_version (version bigint not null)");
            other.run(&format!("insert into schema_version values ({version})"));
            let refused = into(&other).unwrap_err();
            assert!(matches!(refused, CopyError::OtherVersion { .. }), "{refused}");
        }
    });
}

#[test]
fn a_file_that_is_served_is_not_copied_and_a_change_meanwhile_is_found() {
    on_files(|w| {
        let file = w.place.folder().file();
        w.message();
        let served = copy(&file, &Database::fresh().url(), &mut silent).unwrap_err();
        assert!(matches!(served, CopyError::Open(OpenError::InUse { .. })), "{served}");
        let now = w.now();
        let _place = w.close();
        let database = Database::fresh();
        let serving = Store::open(&database.url(), &Options::default()).unwrap();
        let served = copy(&file, &database.url(), &mut silent).unwrap_err();
        assert!(matches!(served, CopyError::Open(OpenError::InUse { .. })), "{served}");
        serving.close();
        let mut touched = false;
        let changed = copy(&file, &database.url(), &mut |progress| {
            if progress.is_comparing && !std::mem::replace(&mut touched, true) {
                database.run("update route set name = 'another' where id = 1");
            }
        });
        let changed = changed.unwrap_err();
        assert!(changed.to_string().contains("the table route differs"), "{changed}");
        let another = Database::fresh();
        let mut touched = false;
        let changed = copy(&file, &another.url(), &mut |progress| {
            // Where its tables were compared already: they go in the order of their names.
            let is_over = progress.is_comparing && progress.table > "ledger";
            if is_over && !std::mem::replace(&mut touched, true) {
                let url = format!("sqlite:{}", file.display());
                let beside = Options { exclusive: false, ..Options::default() };
                let beside = Store::open(&url, &beside).unwrap();
                let amount = Money::from_micros(50_000_000);
                let credit = Credit { name: "alpha".to_owned(), amount, now };
                beside.run_blocking(credit).unwrap().expect("there is such an account");
                beside.close();
            }
        });
        let changed = changed.unwrap_err();
        assert!(matches!(changed, CopyError::WrittenTo { .. }), "{changed}");
        for unfinished in [database, another] {
            let opened = Store::open(&unfinished.url(), &Options::default());
            assert!(matches!(opened, Err(OpenError::Unfinished { .. })));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        max_shrink_iters: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happened_before_a_copy_everything_goes_on_after_it(
        before in proptest::collection::vec(steps(), 1..40),
        after in proptest::collection::vec(steps(), 1..20),
    ) {
        on_files(|world| {
            let mut model = Model::default();
            let mut world = before.iter().fold(world, |world, step| apply(world, &mut model, step));
            let database = Database::fresh();
            let url = database.url();
            world = world.moved(database, |file| {
                copy(file, &url, &mut silent).unwrap();
            });
            check(&world, &model);
            world = after.iter().fold(world, |world, step| apply(world, &mut model, step));
            check(&world, &model);
            drain(&world, &mut model);
        });
    }
}

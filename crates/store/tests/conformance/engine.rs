//! The engine under the commands: groups, several processes on one store, opening, backup, closing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_store::operation::claim::Claim;
use pombo_store::operation::{Operation, account, route};
use pombo_store::{Error, OpenError, Options, Store, Work};

use crate::place::{Folder, SHARED};
use crate::world::{CREDIT, PRICE, on_every_store, on_files, parts_of};

/// Holds the writer until it is told to go on, so that a group gathers behind it.
struct Gate {
    reached: Sender<()>,
    opened: Mutex<Receiver<()>>,
}

impl Operation for Gate {
    type Answer = ();

    fn run(&self, _: &mut Work<'_>) -> Result<(), Error> {
        self.reached.send(()).unwrap();
        self.opened.lock().unwrap().recv().unwrap();
        Ok(())
    }
}

/// Runs `meanwhile` while the writer is held, and lets it go on afterwards.
fn while_the_writer_is_held(store: &Store, meanwhile: impl FnOnce()) {
    let ((reached, at_gate), (open, opened)) = (channel(), channel());
    let gate = Gate { reached, opened: Mutex::new(opened) };
    std::thread::scope(|scope| {
        let held = scope.spawn(move || store.run_blocking(gate));
        at_gate.recv().unwrap();
        meanwhile();
        open.send(()).unwrap();
        held.join().unwrap().unwrap();
    });
}

/// Writes all that an acceptance writes, and then fails.
struct Broken {
    inner: pombo_store::operation::accept::Accept,
    panics: bool,
}

impl Operation for Broken {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<(), Error> {
        self.inner.run(work)?;
        assert!(!self.panics, "a defect");
        Err(Error::Failed("broken".into()))
    }
}

fn wait_for_backlog(store: &Store, rows: usize) {
    while store.backlog() < rows {
        std::thread::yield_now();
    }
}

#[test]
fn one_failing_command_in_a_group_does_not_hurt_the_others() {
    for panics in [false, true] {
        on_every_store(|w| {
            w.message();
            let answers: Vec<_> = std::thread::scope(|scope| {
                let store = &w.store;
                let mut threads = Vec::new();
                while_the_writer_is_held(store, || {
                    for n in 1..=5 {
                        let request = w.request(n);
                        threads.push(scope.spawn(move || store.run_blocking(request).is_ok()));
                    }
                    let broken = Broken { inner: w.request(3), panics };
                    threads.push(scope.spawn(move || store.run_blocking(broken).is_ok()));
                    // Five requests of three rows more than their parts, and the broken one.
                    wait_for_backlog(store, 15 + 15 + 1);
                });
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(answers, [true, true, true, true, true, false]);
            assert_eq!(w.spent(), PRICE.times(1 + 15).unwrap());
            assert_eq!(parts_of(&w.claim(100)).len(), 16);
            assert_eq!(w.store.backlog(), 0);
            let w = w.reopened();
            assert_eq!(w.spent(), PRICE.times(16).unwrap());
        });
    }
}

#[test]
fn a_failing_command_leaves_nothing_in_memory() {
    on_every_store(|w| {
        // The first of a day: its tables are made and undone.
        w.pass(crate::world::DAY);
        let broken = Broken { inner: w.request(2), panics: false };
        assert!(matches!(w.store.run_blocking(broken), Err(Error::Failed(_))));
        assert_eq!(w.balance(), CREDIT);
        assert!(w.is_queue_empty());
        let message = w.message();
        assert_eq!((w.state(message), w.spent()), (PartState::Queued, PRICE));
    });
}

#[test]
fn another_processs_commits_are_seen() {
    on_every_store(|w| {
        let beside = Store::open(&w.place.url(), &SHARED).unwrap();
        let mut seen = Vec::new();
        for round in 0..10 {
            seen.push(w.message());
            let request = w.request(2);
            let theirs = crate::world::first(beside.run_blocking(request).unwrap());
            seen.extend([theirs, theirs.plus(1)]);
            let amount = Money::from_micros(round);
            let credit = account::Credit { name: "alpha".to_owned(), amount, now: w.now() };
            beside.run_blocking(credit).unwrap();
        }
        assert!(seen.is_sorted_by(|a, b| a < b), "no id twice");
        assert_eq!(w.spent(), PRICE.times(30).unwrap() - Money::from_micros(45));
        assert_eq!(parts_of(&w.claim(100)).len(), 30);
        let claim = Claim {
            route: w.route,
            lane: pombo_domain::message::Lane::Transactional,
            account: w.account,
            room: 100,
            rules: std::sync::Arc::default(),
            now: w.now(),
        };
        assert!(beside.run_blocking(claim).unwrap().work.is_empty());
    });
}

#[test]
fn another_processs_commits_are_seen_after_a_command_of_ours_was_undone() {
    on_every_store(|w| {
        let beside = Store::open(&w.place.url(), &SHARED).unwrap();
        let theirs = |n| crate::world::first(beside.run_blocking(w.request(n)).unwrap());
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(theirs(1));
            let broken = Broken { inner: w.request(2), panics: false };
            assert!(w.store.run_blocking(broken).is_err());
            seen.extend([theirs(1), w.message()]);
        }
        assert!(seen.is_sorted_by(|a, b| a < b), "no id twice");
        assert_eq!(parts_of(&w.claim(100)).len(), 15);
    });
}

#[test]
fn two_processes_that_write_at_once_spend_no_credit_twice() {
    on_every_store(|w| {
        let amount = PRICE.times(60).unwrap() - CREDIT;
        w.run(account::Credit { name: "alpha".to_owned(), amount, now: w.now() });
        let beside = Store::open(&w.place.url(), &SHARED).unwrap();
        std::thread::scope(|scope| {
            for store in [&w.store, &beside, &w.store, &beside] {
                let requests: Vec<_> = (0..20).map(|_| w.request(1)).collect();
                scope.spawn(move || {
                    for request in requests {
                        store.run_blocking(request).unwrap();
                    }
                });
            }
        });
        assert_eq!(w.balance(), Money::ZERO);
        assert_eq!(parts_of(&w.claim(100)).len(), 60);
    });
}

#[test]
fn the_version_changes_with_every_commit_of_anyone_and_only_then() {
    on_every_store(|w| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let version = || runtime.block_on(w.store.version()).unwrap();
        let beside = Store::open(&w.place.url(), &SHARED).unwrap();
        let mut before = version();
        for _ in 0..20 {
            assert_eq!(version(), before);
            beside.run_blocking(route::Pause { name: "one".to_owned(), paused: true }).unwrap();
            let paused = version();
            assert_ne!(paused, before);
            beside.run_blocking(route::Pause { name: "one".to_owned(), paused: false }).unwrap();
            before = version();
            assert_ne!(before, paused);
        }
    });
}

#[test]
fn the_bell_rings_when_the_event_log_has_grown() {
    on_every_store(|w| {
        let mut events = w.store.events();
        let (message, _) = w.flying();
        assert!(!events.has_changed().unwrap());
        w.settle(vec![w.sent(message.part(0), "1")]);
        assert!(events.has_changed().unwrap());
        let newest = *events.borrow_and_update();
        w.message();
        assert!(!events.has_changed().unwrap());
        assert_eq!(*w.reopened().store.events().borrow(), newest);
    });
}

#[test]
fn a_backup_of_a_live_store_is_an_equal_store() {
    on_files(|w| {
        let message = w.sent_message("1");
        let to = w.place.folder().path().join("copy.db");
        let mut told = Vec::new();
        w.store.backup(&to, &mut |done, all| told.push((done, all))).unwrap();
        assert!(told.last().is_some_and(|(done, all)| done == all && *all > 0));
        assert!(w.store.backup(&to, &mut |_, _| ()).is_err(), "it overwrites nothing");
        let other = w.place.folder().path().join("other.db");
        let part = w.place.folder().path().join("other.db.part");
        std::fs::write(&part, "").unwrap();
        let refused = w.store.backup(&other, &mut |_, _| ()).unwrap_err();
        assert!(refused.to_string().contains("was broken off"), "{refused}");
        assert!(!other.exists() && part.exists(), "only a whole backup has its name");
        w.message();
        let copy = Store::open(&format!("sqlite:{}", to.display()), &Options::default()).unwrap();
        let status = pombo_store::operation::status::Status {
            account: w.account,
            ids: vec![message, message.plus(1)],
        };
        let seen = copy.ask_blocking(status).unwrap();
        assert_eq!((seen.len(), seen[0].parts[0].state), (1, PartState::Sent));
        let found = copy.ask_blocking(account::Find::Id(w.account)).unwrap().unwrap();
        assert_eq!(found.balance, CREDIT - PRICE);
        copy.run_blocking(w.request(1)).unwrap();
    });
}

#[test]
fn a_second_serve_is_refused_and_a_command_beside_it_is_not() {
    on_files(|w| {
        let url = w.place.url();
        let second = Store::open(&url, &Options::default());
        assert!(matches!(second, Err(OpenError::InUse { .. })));
        assert!(Store::open(&url, &SHARED).is_ok());
        w.store.close();
        drop(w.store);
        assert!(Store::open(&url, &Options::default()).is_ok());
    });
}

#[test]
fn a_store_of_the_first_version_keeps_what_waits_in_it() {
    let folder = Folder::new();
    let file = rusqlite::Connection::open(folder.file()).unwrap();
    file.execute_batch(include_str!("../../migrations/0001_foundation.sql")).unwrap();
    file.execute_batch(
        "pragma user_version = 1;
         insert into queue (route, lane, account, due, first, last, tries) values
             (1, 0, 1, 1, 16, 16, 0), (1, 0, 1, 9000000000000000, 32, 32, 0),
             (1, 0, 1, 9000000000000000, 48, 48, 2);
         insert into callback_due (event, due, tries, url, failure) values
             (1, 1, 0, 'https://example.com/dlr?id=1', '');
         create table part_20000 (id integer primary key);
         create table event_20000 (id integer primary key, part integer);
         create table request_20000 (id integer primary key, messages integer, sending integer);",
    )
    .unwrap();
    drop(file);
    Store::open(&folder.url(), &SHARED).unwrap().close();
    let file = rusqlite::Connection::open(folder.file()).unwrap();
    let scheduled = "select group_concat(first) from queue where scheduled = 1";
    let endpoint = "select endpoint from callback_due";
    let read = |sql| file.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!((read(scheduled), read(endpoint)), ("32".into(), "https://example.com/dlr".into()));
    // The days that it had made get the tables that came since.
    let tables =
        "select group_concat(name) from sqlite_master where name in ('text_20000', 'link_20000')";
    assert_eq!(read(tables), "text_20000,link_20000");
}

#[test]
fn a_store_of_a_newer_pombo_is_refused() {
    on_files(|w| {
        w.store.close();
        let file = rusqlite::Connection::open(w.place.folder().file()).unwrap();
        file.pragma_update(None, "user_version", 4_711).unwrap();
        drop(file);
        let opened = Store::open(&w.place.url(), &SHARED);
        assert!(matches!(opened, Err(OpenError::Newer { found: 4_711, .. })));
    });
}

#[test]
fn what_is_not_a_store_is_refused_and_left_alone() {
    let folder = Folder::new();
    let text = "Dear diary, ".repeat(1_000);
    std::fs::write(folder.file(), &text).unwrap();
    let opened = Store::open(&folder.url(), &Options::default());
    assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{opened:?}");
    assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), text);
    let file = rusqlite::Connection::open(folder.path().join("theirs.db")).unwrap();
    file.execute_batch("create table customers (name text)").unwrap();
    let theirs = format!("sqlite:{}/theirs.db", folder.path().display());
    let opened = Store::open(&theirs, &Options::default()).unwrap_err();
    assert!(opened.to_string().contains("\"customers\", which is not pombo's"), "{opened}");
    let tables =
        file.query_row("select count(1) from sqlite_master", [], |row| row.get::<_, i64>(0));
    assert_eq!(tables.unwrap(), 1);
    for url in [
        "",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:file:x?mode=memory",
        "mysql://localhost",
        "pombo.db",
    ] {
        assert!(matches!(Store::open(url, &SHARED), Err(OpenError::Url(_))), "{url}");
    }
    let nowhere = format!("sqlite:{}/pombo.db", folder.file().display());
    assert!(matches!(Store::open(&nowhere, &SHARED), Err(OpenError::Path { .. })));
}

#[test]
fn closing_finishes_what_waits_and_refuses_what_comes_later() {
    on_every_store(|w| {
        std::thread::scope(|scope| {
            let store = &w.store;
            let mut waiting = Vec::new();
            while_the_writer_is_held(store, || {
                for _ in 0..4 {
                    let request = w.request(1);
                    waiting.push(scope.spawn(move || store.run_blocking(request)));
                }
                wait_for_backlog(store, 16);
                scope.spawn(|| store.close());
            });
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap().is_ok()));
        });
        assert!(matches!(w.store.run_blocking(w.request(1)), Err(Error::Closed)));
        w.store.close();
        assert_eq!(w.reopened().spent(), PRICE.times(4).unwrap());
    });
}

#[test]
fn a_closing_store_may_be_told_so_from_within_a_runtime() {
    on_every_store(|w| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            w.store.run(w.request(1)).await.unwrap();
            w.store.close();
            assert!(matches!(w.store.run(w.request(1)).await, Err(Error::Closed)));
        });
    });
}

#[test]
fn the_log_of_writes_stays_short_under_load() {
    on_files(|w| {
        for _ in 0..60 {
            w.accept(w.request(1_000));
        }
        let wal = w.place.folder().path().join("pombo.db-wal");
        let n_bytes = std::fs::metadata(wal).map_or(0, |log| log.len());
        assert!(n_bytes < 192 << 20, "{n_bytes} bytes");
    });
}

#[test]
fn a_disk_is_short_when_it_could_not_hold_what_is_owed() {
    const MIB: u64 = 1 << 20;
    for (free, total, n_owed, is_short) in [
        (65 * MIB, 100_000 * MIB, 0, false),
        (63 * MIB, 100_000 * MIB, 0, true),
        (2 * MIB, 16 * MIB, 0, false),
        (MIB, 16 * MIB, 0, true),
        (600 * MIB, 100_000 * MIB, 1_000_000, true),
        (700 * MIB, 100_000 * MIB, 1_000_000, false),
    ] {
        let room = pombo_store::Room { free, total };
        assert_eq!(room.is_short(n_owed), is_short, "{room:?}, {n_owed} owed");
    }
}

/// A command that takes a while, as one on a slow disk does.
struct Slow;

impl Operation for Slow {
    type Answer = ();

    fn run(&self, _: &mut Work<'_>) -> Result<(), Error> {
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    }
}

#[test]
fn a_command_beside_a_server_that_always_writes_has_its_turn() {
    on_every_store(|w| {
        let beside = Store::open(&w.place.url(), &SHARED).unwrap();
        let (store, is_over) = (&w.store, AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        store.run_blocking(Slow).unwrap();
                    }
                });
            }
            for _ in 0..20 {
                let done = beside.run_blocking(w.request(1));
                assert!(done.is_ok(), "{done:?}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(parts_of(&w.claim(100)).len(), 20);
    });
}

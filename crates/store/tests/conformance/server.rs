//! What only a server can do to a store: end its connections, and have another come first.

use std::time::Duration;

use pombo_store::{Error, OpenError, Options, Store};
use tokio::time::Instant;

use crate::world::{World, on_servers, parts_of};

/// Ends every connection of ours, as a restart does.
const END: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
     where application_name = 'pombo' and datname = current_database()";

/// The number of the lock of the one that serves.
const SERVED: i64 = 0x706f_6d62_6f02;

fn end_connections(w: &World) {
    w.place.database().run(END);
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn after_its_connections_were_ended_a_store_goes_on_and_nobody_is_refused() {
    on_servers(|w| {
        let before = w.accept(w.request(3));
        for _ in 0..3 {
            end_connections(&w);
            w.message();
        }
        let claimed = w.claim(10);
        assert_eq!(parts_of(&claimed).len(), 6);
        assert_eq!(claimed.work[0].message, before);
        assert!(w.store.may_send());
        let second = Store::open(&w.place.url(), &Options::default());
        assert!(matches!(second, Err(OpenError::InUse { .. })), "it serves again");
    });
}

#[test]
fn a_serve_that_rests_takes_its_lock_again_by_itself() {
    on_servers(|w| {
        let holder = || {
            w.place.database().run(&format!(
                "select coalesce(max(pid), 0) from pg_locks where locktype = 'advisory' \
                 and ((classid::bigint << 32) | objid::bigint) = {SERVED} and database = \
                 (select oid from pg_database where datname = current_database())"
            ))
        };
        let before = holder();
        end_connections(&w);
        wait_until("another connection has the lock", || !["0", &before].contains(&&*holder()));
        assert!(w.store.may_send());
        let second = Store::open(&w.place.url(), &Options::default());
        assert!(matches!(second, Err(OpenError::InUse { .. })));
    });
}

#[test]
fn who_lost_the_store_to_another_sends_and_writes_nothing_more() {
    on_servers(|w| {
        let (message, _) = w.flying();
        // Another stands in line for the lock, has it as soon as our connection is gone, and serves.
        let another = format!(
            "{END}; select pg_advisory_lock({SERVED}); \
             update served set number = number + 1; select pg_sleep(2)"
        );
        std::thread::scope(|scope| {
            scope.spawn(|| w.place.database().run(&another));
            wait_until("it sends nothing", || !w.store.may_send());
            let written = w.store.run_blocking(w.request(1));
            assert!(matches!(written, Err(Error::Unavailable(_))));
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended =
            async { tokio::time::timeout(Duration::from_secs(20), w.store.superseded()).await };
        let why = runtime.block_on(ended).unwrap();
        assert!(why.contains("another pombo has served"), "{why}");
        for _ in 0..3 {
            assert!(!w.store.may_send());
            let settled = w.store.run_blocking(w.request(1));
            assert!(matches!(settled, Err(Error::Unavailable(_))));
        }
        assert_eq!(w.kinds(message), []);
    });
}

#[test]
fn whoever_follows_one_that_took_no_leave_waits_until_it_sends_nothing_more() {
    on_servers(|w| {
        let url = w.place.url();
        let opened = || {
            let start = Instant::now();
            Store::open(&url, &Options::default()).unwrap().close();
            start.elapsed()
        };
        w.store.close();
        assert!(opened() < Duration::from_secs(4), "it took leave");
        w.place.database().run("update served set open = 1");
        assert!(opened() > Duration::from_secs(4), "it took none");
    });
}

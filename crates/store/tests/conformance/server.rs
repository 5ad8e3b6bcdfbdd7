//! What only a server can do to a store: end its connections, and have another come first.

use pombo_store::{Error, OpenError, Options, Store};

use crate::world::{Place, World, on_servers, parts_of};

/// The server ends every connection of ours, as a restart does.
fn end_connections(w: &World) {
    let Place::Postgres(database) = &w.place else { panic!("no server") };
    database.run(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity \
         where application_name = 'pombo' and datname = current_database()",
    );
}

#[test]
fn after_its_connections_were_ended_a_store_goes_on_and_has_lost_nothing() {
    on_servers(|w| {
        let before = w.accept(w.request(3));
        end_connections(&w);
        // Whoever writes next may be the one who notices.
        let request = w.request(2);
        while let Err(error) = w.store.run_blocking(request.clone()) {
            assert!(matches!(error, Error::Unavailable(_)), "{error}");
        }
        let claimed = w.claim(10);
        assert_eq!(parts_of(&claimed).len(), 5);
        assert_eq!(claimed.work[0].message, before);
        let second = Store::open(&w.place.url(), &Options::default());
        assert!(matches!(second, Err(OpenError::InUse { .. })), "it serves again");
    });
}

#[test]
fn who_lost_the_store_to_another_writes_nothing_while_that_one_serves() {
    on_servers(|w| {
        end_connections(&w);
        let other = Store::open(&w.place.url(), &Options::default()).unwrap();
        for _ in 0..5 {
            let written = w.store.run_blocking(w.request(1));
            assert!(matches!(written, Err(Error::Unavailable(_))));
        }
        other.close();
        while w.store.run_blocking(w.request(1)).is_err() {}
        assert_eq!(w.claim(10).work.len(), 1);
    });
}

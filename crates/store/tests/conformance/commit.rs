//! What a server can do to commits, while what came behind them has begun.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pombo_store::operation::accept::{Accept, Accepted};

use crate::server::END;
use crate::world::{World, first, on_servers, parts_of};

/// Those who send at once.
const SENDERS: usize = 16;

/// Lets many send so many requests each at once, each with a sender of its own; answers which of them
/// were accepted as far as they were told.
fn sent_by_many(w: &World, n: usize) -> BTreeMap<String, bool> {
    // Some take so many rows that they do not begin behind a commit, and none of these leaves at once.
    let request = |sender: String| {
        let n = if sender.starts_with("S1") { 40 } else { 1 };
        Accept { sender, ..w.request(n) }
    };
    w.door.open(w, usize::MAX);
    let store = &w.store;
    let named = |sender: usize| (0..n).map(move |n| format!("S{sender}N{n}"));
    let requests: Vec<Vec<(String, Accept)>> = (0..SENDERS)
        .map(|sender| named(sender).map(|name| (name.clone(), request(name))).collect())
        .collect();
    std::thread::scope(|scope| {
        let send = |requests: Vec<(String, Accept)>| {
            requests.into_iter().map(|(name, request)| match store.run_blocking(request) {
                Ok(accepted @ Accepted::Done { .. }) => (name, first(accepted).0 > 0),
                Ok(refused) => panic!("{name}: {refused:?}"),
                Err(_) => (name, false),
            })
        };
        let sending: Vec<_> = requests
            .into_iter()
            .map(|requests| scope.spawn(move || send(requests).collect::<Vec<_>>()))
            .collect();
        sending.into_iter().flat_map(|one| one.join().expect("none panics")).collect()
    })
}

/// Each is there once, or not at all, as was told; and has been paid for.
fn assert_is_as_told(w: &World, told: &BTreeMap<String, bool>) {
    let day = w.now().day();
    let stored = w.place.database().run(&format!(
        "select coalesce(string_agg(sender, ' ' order by sender collate \"C\"), '') from request_{day} \
         where sender <> 'SENDER'"
    ));
    let accepted = told.iter().filter(|(_, accepted)| **accepted).map(|(name, _)| name.as_str());
    assert_eq!(stored.split_whitespace().collect::<Vec<_>>(), accepted.collect::<Vec<_>>());
    // What has left at once, and what waits, is all that there is, each once.
    let left = w.door.left();
    let mut parts: Vec<_> = left.iter().flat_map(|(.., claimed)| parts_of(claimed)).collect();
    assert!(!parts.is_empty());
    loop {
        let claimed = parts_of(&w.claim(500));
        if claimed.is_empty() {
            break;
        }
        parts.extend(claimed);
    }
    parts.sort_unstable();
    let stored = w.place.database().run(&format!("select count(1) from part_{day}"));
    assert_eq!(parts.len().to_string(), stored);
    parts.dedup();
    assert_eq!(parts.len().to_string(), stored);
    // Its ledger tells the same.
    w.balance();
    let wanted = "select sum(amount) from ledger where kind = 1";
    let prices = format!("select -sum(price) from part_{day}");
    assert_eq!(w.place.database().run(wanted), w.place.database().run(&prices));
}

#[test]
fn a_commit_that_the_server_refuses_takes_nothing_with_it_that_came_behind() {
    on_servers(|w| {
        w.message();
        let day = w.now().day();
        w.place.database().run(&format!(
            "create function refuse() returns trigger language plpgsql as $$ begin \
             if new.sender like '%N%7' then raise exception 'not this one'; end if; \
             return null; end $$; \
             create constraint trigger refused after insert on request_{day} \
             deferrable initially deferred for each row execute function refuse()"
        ));
        let told = sent_by_many(&w, 40);
        let refused = told.iter().filter(|(_, accepted)| !**accepted);
        assert!(refused.clone().all(|(name, _)| name.ends_with('7')));
        assert_eq!(refused.count(), SENDERS * 4);
        assert_is_as_told(&w, &told);
    });
}

#[test]
fn a_connection_that_is_lost_at_any_moment_leaves_each_request_as_was_told() {
    on_servers(|w| {
        w.message();
        let (place, is_over) = (&w.place, AtomicBool::new(false));
        let told = std::thread::scope(|scope| {
            let ends = scope.spawn(|| {
                let mut n = 0;
                while !is_over.load(Ordering::Relaxed) {
                    place.database().run(END);
                    n += 1;
                    std::thread::sleep(Duration::from_millis(7));
                }
                n
            });
            let told = sent_by_many(&w, 600);
            is_over.store(true, Ordering::Relaxed);
            assert!(ends.join().expect("it does not panic") > 3);
            told
        });
        assert!(told.values().any(|accepted| *accepted));
        assert_is_as_told(&w, &told);
    });
}

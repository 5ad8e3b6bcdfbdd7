//! Callbacks: every event that owes one is told once, in order, also after a stop.

use std::collections::HashMap;
use std::time::Duration;

use pombo_domain::id::EventId;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::time::Instant;
use pombo_store::operation::accept::{Accept, CallbackUrls, Campaign};
use pombo_store::operation::callback::{After, Cursor, Deferred, Due, DueCallbacks, Owed, Settle};

use crate::world::{PRICE, World, on_every_store, phone};

fn after(w: &World, cursor: i64, limit: usize) -> Owed {
    w.ask(After { cursor: EventId(cursor), limit, submitted: false })
}

fn with_url(request: Accept) -> Accept {
    Accept { callbacks: CallbackUrls::One("https://example.com/dlr?s=%d".to_owned()), ..request }
}

#[test]
fn an_event_is_told_with_all_that_its_url_may_ask_for() {
    on_every_store(|w| {
        let campaign = Campaign::Named { name: "spring".to_owned(), tags: vec![] };
        let request = Accept { campaign, ..with_url(w.request(1)) };
        let message = w.accept(request);
        w.claim(1);
        w.settle(vec![w.sent(message.part(0), "1"), w.receipt("1", PartState::Delivered, 0)]);
        let owed = after(&w, 0, 100);
        assert_eq!((owed.callbacks.len(), owed.n_seen), (1, 2));
        let told = &owed.callbacks[0];
        assert_eq!(told.template, "https://example.com/dlr?s=%d");
        assert_eq!((told.part, told.kind), (message.part(0), EventKind::Delivered));
        assert_eq!((told.to, told.price), (phone(0), PRICE));
        assert_eq!((told.from.as_str(), told.word.as_str()), ("SENDER", "DELIVRD"));
        assert_eq!((told.at, told.created), (w.now(), w.now()));
        let request = w.view(message).request;
        assert_eq!((told.campaign, told.sending), (request.campaign.0, request.sending.0));
        assert_eq!(owed.cursor, told.event.0);
        let submitted = After { cursor: EventId(0), limit: 9, submitted: true };
        assert_eq!(w.ask(submitted).callbacks.len(), 2);
        assert!(after(&w, owed.cursor, 100).callbacks.is_empty());
    });
}

#[test]
fn only_requests_with_a_url_owe_a_callback() {
    on_every_store(|w| {
        let silent = w.accept(w.request(1));
        let urls = ["https://example.com/a".to_owned(), "https://example.com/b".to_owned()];
        let callbacks = CallbackUrls::Each(urls.to_vec().into());
        let each = w.accept(Accept { callbacks, ..w.request(2) });
        w.claim(3);
        w.settle(vec![
            w.sent(silent.part(0), "1"),
            w.sent(each.part(0), "2"),
            w.sent(each.plus(1).part(0), "3"),
            w.receipt("1", PartState::Delivered, 0),
            w.receipt("3", PartState::Expired, 1),
            w.receipt("2", PartState::Undelivered, 0),
        ]);
        let told = after(&w, 0, 100).callbacks;
        let told: Vec<_> = told.iter().map(|c| (c.template.as_str(), c.kind)).collect();
        let (a, b) = ("https://example.com/a", "https://example.com/b");
        assert_eq!(told, [(b, EventKind::Expired), (a, EventKind::Undelivered)]);
    });
}

#[test]
fn the_log_is_read_in_pieces_and_the_place_survives() {
    on_every_store(|w| {
        let first = w.accept(with_url(w.request(10)));
        w.claim(10);
        let sent = |i: usize| w.sent(first.plus(i).part(0), &format!("id{i}"));
        w.settle((0..10).map(sent).collect());
        w.settle((0..10).map(|i| w.receipt(&format!("id{i}"), PartState::Delivered, i)).collect());
        assert_eq!(w.ask(Cursor), EventId(0));
        let mut w = w;
        let mut told = Vec::new();
        loop {
            let owed = after(&w, w.ask(Cursor).0, 3);
            if owed.n_seen == 0 {
                break;
            }
            told.extend(owed.callbacks.iter().map(|callback| callback.part));
            let cursor = Some(EventId(owed.cursor));
            w.run(Settle { cursor, ..Settle::default() });
            w = w.reopened();
        }
        let expected: Vec<_> = (0..10).map(|i| first.plus(i).part(0)).collect();
        assert_eq!(told, expected);
    });
}

fn deferred(event: i64, host: &str, due: Instant, tries: u8) -> Deferred {
    Deferred {
        event: EventId(event),
        due,
        tries,
        url: format!("https://{host}/{event}"),
        host: format!("https://{host}"),
        failure: "500".to_owned(),
    }
}

fn due(w: &World, now: Instant) -> DueCallbacks {
    w.ask(Due { now, after: String::new(), limit: 10, rooms: HashMap::new(), room: 10 })
}

fn events(due: &DueCallbacks) -> Vec<i64> {
    due.callbacks.iter().map(|callback| callback.event.0).collect()
}

#[test]
fn what_failed_is_due_again_until_it_is_done() {
    on_every_store(|w| {
        let soon = w.now().plus(Duration::from_secs(60));
        let later = w.now().plus(Duration::from_secs(600));
        let file = |event, due, tries| deferred(event, "example.com", due, tries);
        let both = vec![file(1, later, 1), file(2, soon, 1)];
        w.run(Settle { cursor: Some(EventId(2)), deferred: both, done: vec![] });
        assert_eq!(events(&due(&w, w.now())), []);
        let now = due(&w, soon).callbacks;
        assert_eq!((now.len(), now[0].event, now[0].tries), (1, EventId(2), 1));
        assert_eq!(now[0].url, "https://example.com/2");
        w.run(Settle { deferred: vec![file(2, later, 2)], ..Settle::default() });
        let w = w.reopened();
        assert_eq!(events(&due(&w, later)), [1, 2]);
        w.run(Settle { done: vec![EventId(1), EventId(2)], ..Settle::default() });
        assert_eq!(events(&due(&w, later)), []);
        assert_eq!(w.ask(Cursor), EventId(2));
    });
}

#[test]
fn a_hosts_long_queue_hides_no_other_hosts() {
    on_every_store(|w| {
        let mut filed: Vec<_> =
            (1..=50).map(|event| deferred(event, "a.example", w.now(), 1)).collect();
        let later = w.now().plus(Duration::from_secs(1));
        filed.extend([deferred(51, "b.example", later, 1), deferred(52, "c.example", later, 1)]);
        w.run(Settle { deferred: filed, ..Settle::default() });
        let ask = |after: &str, rooms: &[(&str, usize)], limit| {
            let rooms = rooms.iter().map(|(host, room)| ((*host).to_owned(), *room)).collect();
            w.ask(Due { now: later, after: after.to_owned(), limit, rooms, room: 2 })
        };
        let found = ask("", &[], 100);
        assert_eq!((events(&found), found.more), (vec![1, 2, 51, 52], true));
        assert_eq!(found.last_host, "", "there was none after the last");
        let found = ask("", &[("https://a.example", 0)], 100);
        assert_eq!((events(&found), found.more), (vec![51, 52], false));
        let found = ask("", &[("https://a.example", 5)], 5);
        assert_eq!((events(&found), found.more), (vec![1, 2, 3, 4, 5], true));
        let found = ask(&found.last_host, &[], 5);
        assert_eq!(events(&found), [51, 52]);
    });
}

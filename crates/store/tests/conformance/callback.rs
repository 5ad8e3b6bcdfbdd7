//! Callbacks: every event that owes one is told once, in order, also after a stop.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::channel::Cause;
use pombo_domain::id::{AccountId, EventId, MessageId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::time::Instant;
use pombo_store::operation::accept::{Accept, CallbackUrls, Campaign};
use pombo_store::operation::callback::{After, Cursor, Owed};
use pombo_store::operation::callback_due::{
    Debt, Deferred, Due, DueCallbacks, Endpoint, GiveUp, Settle, Target,
};
use pombo_store::operation::notification::ENDPOINT;
use pombo_store::operation::settle::Fate;
use pombo_store::operation::{self as op, Operation};
use pombo_store::{Error, Store, Work};

use crate::place::SHARED;
use crate::world::{HOUR, PRICE, World, cause, on_every_store, phone};

fn after(w: &World, cursor: i64, limit: usize) -> Owed {
    w.ask(After { cursor: EventId(cursor), limit, submitted: false, audience: Arc::default() })
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
        assert_eq!((told.at, told.sent), (w.now(), w.now()));
        assert_eq!(told.account, w.account);
        let request = w.view(message).request;
        assert_eq!((told.campaign, told.sending), (request.campaign.0, request.sending.0));
        assert_eq!(owed.cursor, told.event.0);
        let submitted =
            After { cursor: EventId(0), limit: 9, submitted: true, audience: Arc::default() };
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

fn at(account: i64, base: &str) -> Endpoint {
    Endpoint { account: AccountId(account), base: base.to_owned() }
}

fn debt(event: EventId) -> Debt {
    Debt { event, to: Target::Callback }
}

fn deferred(event: i64, endpoint: &Endpoint, due: Instant, tries: u8) -> Deferred {
    Deferred {
        debt: debt(EventId(event)),
        message: None,
        due,
        tries,
        url: format!("{}/{event}", endpoint.base),
        endpoint: endpoint.clone(),
        failure: "500".to_owned(),
    }
}

fn due(now: Instant) -> Due {
    Due {
        now,
        after: Endpoint::first(),
        limit: 100,
        rooms: HashMap::new(),
        room: 10,
        busy: HashSet::new(),
        disabled: HashSet::new(),
    }
}

fn events(due: &DueCallbacks) -> Vec<i64> {
    due.callbacks.iter().map(|due| due.callback.debt.event.0).collect()
}

#[test]
fn what_failed_is_due_again_until_it_is_done() {
    on_every_store(|w| {
        let soon = w.now().plus(Duration::from_secs(60));
        let later = w.now().plus(Duration::from_secs(600));
        let file = |event, due, tries| deferred(event, &at(1, "https://example.com"), due, tries);
        let both = vec![file(1, later, 1), file(2, soon, 1)];
        w.run(Settle { cursor: Some(EventId(2)), deferred: both, ..Settle::default() });
        assert_eq!(events(&w.ask(due(w.now()))), []);
        let now = w.ask(due(soon)).callbacks;
        assert_eq!(
            (now.len(), now[0].callback.debt.event, now[0].callback.tries),
            (1, EventId(2), 1)
        );
        assert_eq!(now[0].callback.url, "https://example.com/2");
        w.run(Settle { deferred: vec![file(2, later, 2)], ..Settle::default() });
        let w = w.reopened();
        assert_eq!(events(&w.ask(due(later))), [1, 2]);
        w.run(Settle {
            done: [1, 2].map(|event| debt(EventId(event))).to_vec(),
            ..Settle::default()
        });
        assert_eq!(events(&w.ask(due(later))), []);
        assert_eq!(w.ask(Cursor), EventId(2));
    });
}

#[test]
fn an_endpoints_long_queue_hides_no_other() {
    on_every_store(|w| {
        let (a, b, c) = (at(1, "http://a"), at(1, "http://b"), at(2, "http://a"));
        let mut filed: Vec<_> = (1..=50).map(|event| deferred(event, &a, w.now(), 1)).collect();
        let later = w.now().plus(Duration::from_secs(1));
        filed.extend([deferred(51, &b, later, 1), deferred(52, &c, later, 1)]);
        w.run(Settle { deferred: filed, ..Settle::default() });
        let found = w.ask(Due { room: 2, ..due(later) });
        assert_eq!(events(&found), [1, 2, 51, 52]);
        assert_eq!((found.waiting, found.next), (vec![a.clone()], None));
        let found = w.ask(Due { rooms: [(a.clone(), 0)].into(), ..due(later) });
        assert_eq!((events(&found), found.waiting), (vec![51, 52], vec![a.clone()]));
        let found = w.ask(Due { busy: [AccountId(1)].into(), ..due(later) });
        assert_eq!((events(&found), found.next), (vec![52], None));
        let found = w.ask(Due { rooms: [(a, 5)].into(), limit: 5, ..due(later) });
        assert_eq!(events(&found), [1, 2, 3, 4, 5]);
        let found = w.ask(Due { after: found.next.unwrap(), ..due(later) });
        assert_eq!((events(&found), found.next), (vec![51, 52], None));
    });
}

#[test]
fn what_was_due_for_too_long_is_given_up() {
    on_every_store(|w| {
        let to = at(1, "http://dead");
        let old = [1, 2].map(|event| deferred(event, &to, w.now(), 1));
        w.run(Settle { deferred: old.to_vec(), ..Settle::default() });
        let new = deferred(3, &to, w.now().plus(HOUR), 1);
        w.run(Settle { deferred: vec![new], ..Settle::default() });
        // The same event owes its account a notification, which waits for another server.
        let notified = Debt { event: EventId(1), to: Target::Notification };
        let other = Deferred { debt: notified, ..deferred(1, &at(1, ENDPOINT), w.now(), 1) };
        w.run(Settle { deferred: vec![other], ..Settle::default() });
        let give_up = |w: &World| w.run(GiveUp { endpoint: to.clone(), now: w.now() });
        assert!(w.ask(due(w.now())).stale.is_empty());
        assert_eq!(give_up(&w), 0);
        w.pass(HOUR + Duration::from_secs(1));
        assert_eq!(w.ask(due(w.now())).stale, vec![to.clone()]);
        assert_eq!(give_up(&w), 2);
        assert_eq!(events(&w.ask(due(w.now()))), [1, 3]);
    });
}

#[test]
fn an_end_is_not_told_once_another_has_come() {
    on_every_store(|w| {
        let message = w.sent_message("A");
        w.settle(vec![w.receipt("A", PartState::Expired, 0)]);
        let all = w.ask(After {
            cursor: EventId(0),
            limit: 9,
            submitted: true,
            audience: Arc::default(),
        });
        assert_eq!(all.n_seen, 2);
        let expired = EventId(all.cursor);
        let filed = Deferred { debt: debt(expired), ..deferred(0, &at(1, "http://a"), w.now(), 1) };
        w.run(Settle { deferred: vec![filed], ..Settle::default() });
        assert_eq!(events(&w.ask(due(w.now()))), [expired.0]);
        w.settle(vec![w.receipt("A", PartState::Delivered, 0)]);
        assert_eq!(w.state(message), PartState::Delivered);
        let found = w.ask(due(w.now()));
        assert_eq!((events(&found), found.overtaken), (vec![], vec![debt(expired)]));
    });
}

fn refused(w: &World, message: MessageId) -> op::settle::Settle {
    let fate = Fate::Ended { state: PartState::Rejected, cause: cause("no") };
    w.to_settle(vec![w.settled(message.part(0), fate)])
}

/// The messages that are told next, to the end.
fn told_next(w: &World, cursor: &mut i64) -> Vec<MessageId> {
    let mut told = Vec::new();
    loop {
        let owed = after(w, *cursor, 100);
        told.extend(owed.callbacks.iter().map(|callback| callback.part.message()));
        *cursor = owed.cursor;
        if owed.n_seen == 0 {
            return told;
        }
        assert!(owed.callbacks.iter().all(|callback| callback.price == PRICE));
    }
}

#[test]
fn what_another_process_writes_in_between_is_told_in_its_place() {
    on_every_store(|w| {
        let first = w.accept(with_url(w.request(9)));
        w.claim(9);
        let beside = Store::open(&w.place.url(), &SHARED).unwrap();
        let mut cursor = 0;
        // Who writes, one after another, before each look.
        let (mut next, looks) = (0, ["a", "b", "ab", "ba", "bab"]);
        for writers in looks {
            let from = next;
            for writer in writers.chars() {
                let refused = refused(&w, first.plus(next));
                match writer {
                    'a' => drop(w.run(refused)),
                    _ => drop(beside.run_blocking(refused).unwrap()),
                }
                next += 1;
            }
            let expected: Vec<_> = (from..next).map(|i| first.plus(i)).collect();
            assert_eq!(told_next(&w, &mut cursor), expected, "{writers}");
        }
        beside.close();
    });
}

#[test]
fn an_event_is_told_as_it_is_stored_whoever_remembers_it() {
    on_every_store(|mut w| {
        let message = w.accept(with_url(w.request(1)));
        w.claim(1);
        let cause = Cause { code: "8\0".to_owned(), text: "no".to_owned() };
        let fate = Fate::Ended { state: PartState::Rejected, cause };
        w.settle(vec![w.settled(message.part(0), fate)]);
        for _ in 0..2 {
            let told = after(&w, 0, 100).callbacks;
            assert_eq!(told[0].code, "8\u{fffd}");
            w = w.reopened();
        }
    });
}

/// A command that fails once it has written something.
struct FailsLate(op::settle::Settle);

impl Operation for FailsLate {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<(), Error> {
        self.0.run(work)?;
        Err(Error::Failed("it fails".into()))
    }
}

#[test]
fn what_was_undone_is_not_told() {
    on_every_store(|w| {
        let first = w.accept(with_url(w.request(2)));
        w.claim(2);
        let mut cursor = 0;
        assert!(w.store.run_blocking(FailsLate(refused(&w, first))).is_err());
        assert!(told_next(&w, &mut cursor).is_empty());
        w.run(refused(&w, first.plus(1)));
        assert_eq!(told_next(&w, &mut cursor), [first.plus(1)]);
    });
}

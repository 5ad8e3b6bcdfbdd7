//! Notifications: a message's events once each and in order, kept settings, replays, dead letters.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::id::{AccountId, EventId, MessageId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::notification::{Format, OwnEvents};
use pombo_domain::time::Instant;
use pombo_store::operation::accept::{Accept, Campaign};
use pombo_store::operation::callback::After;
use pombo_store::operation::callback_due::{
    Dead, Debt, Deferred, Due, DueCallbacks, Endpoint, Settle, Target,
};
use pombo_store::operation::notification::owed::{Again, Audience, OwedNotification};
use pombo_store::operation::notification::{
    Advance, Disable, ENDPOINT, Find, List, Replay, Replayed, Rotate, Set, dead,
};

use crate::world::{HOUR, World, of_parts, on_every_store};

fn owed_to(w: &World, audience: Audience) -> Vec<OwedNotification> {
    let audience = Arc::new(audience);
    w.ask(After { cursor: EventId(0), limit: 100, submitted: false, audience }).notifications
}

fn kinds(owed: &[OwedNotification]) -> Vec<EventKind> {
    owed.iter().map(|owed| owed.kind).collect()
}

#[test]
fn each_event_of_a_notified_account_is_owed_with_all_that_its_body_says() {
    on_every_store(|w| {
        let campaign = Campaign::Named { name: "spring".to_owned(), tags: vec![] };
        let message = w.accept(Accept { campaign, ..w.request(1) });
        w.claim(1);
        w.settle(vec![w.sent(message.part(0), "1"), w.receipt("1", PartState::Delivered, 0)]);
        let owed = owed_to(&w, [(w.account, OwnEvents::NONE)].into());
        assert_eq!(kinds(&owed), [EventKind::Sent, EventKind::Delivered]);
        let request = w.view(message).request;
        assert_eq!((owed[0].message, owed[0].account), (message, w.account));
        assert_eq!(
            (owed[0].campaign, owed[0].campaign_name.as_str()),
            (request.campaign, "spring")
        );
        assert_eq!((owed[0].at, owed[0].is_behind), (w.now(), false));
        assert_eq!(owed_to(&w, [(w.other_account, OwnEvents::ALL)].into()), []);
        assert_eq!(owed_to(&w, Audience::new()), []);
    });
}

#[test]
fn a_message_of_several_parts_is_told_of_once() {
    on_every_store(|w| {
        let long = |w: &World| of_parts(3, w.request(1));
        let (good, bad) = (w.accept(long(&w)), w.accept(long(&w)));
        w.claim(6);
        for idx in 0..3 {
            w.settle(vec![w.sent(good.part(idx), &format!("g{idx}"))]);
            w.settle(vec![w.sent(bad.part(idx), &format!("b{idx}"))]);
        }
        for idx in [2, 0, 1] {
            w.settle(vec![w.receipt(&format!("g{idx}"), PartState::Delivered, 0)]);
        }
        let end = |idx: u8| if idx == 1 { PartState::Delivered } else { PartState::Undelivered };
        for idx in 0..3 {
            w.settle(vec![w.receipt(&format!("b{idx}"), end(idx), 0)]);
        }
        let owed = owed_to(&w, [(w.account, OwnEvents::ALL)].into());
        let of = |message: MessageId| -> Vec<EventKind> {
            let owed = owed.iter().filter(|owed| owed.message == message);
            owed.map(|owed| owed.kind).collect()
        };
        assert_eq!(of(good), [EventKind::Sent, EventKind::Delivered]);
        assert_eq!(of(bad), [EventKind::Sent, EventKind::Undelivered]);
    });
}

fn debt(event: i64) -> Debt {
    Debt { event: EventId(event), to: Target::Notification }
}

fn endpoint(account: AccountId) -> Endpoint {
    Endpoint { account, base: ENDPOINT.to_owned() }
}

fn filed(w: &World, owed: &OwedNotification, due: Instant) -> Deferred {
    Deferred {
        debt: debt(owed.event.0),
        due,
        tries: 1,
        url: String::new(),
        message: Some(owed.message),
        endpoint: endpoint(w.account),
        failure: "500".to_owned(),
    }
}

fn due(w: &World, now: Instant) -> DueCallbacks {
    w.ask(Due {
        now,
        after: Endpoint::first(),
        limit: 100,
        rooms: HashMap::new(),
        room: 100,
        busy: HashSet::new(),
        disabled: HashSet::new(),
    })
}

fn events(due: &DueCallbacks) -> Vec<i64> {
    due.callbacks.iter().map(|due| due.callback.debt.event.0).collect()
}

/// A message that was sent and delivered, and what it owes.
fn told_twice(w: &World, id: &str) -> [OwedNotification; 2] {
    let message = w.sent_message(id);
    w.settle(vec![w.receipt(id, PartState::Delivered, 0)]);
    let mut owed = owed_to(w, [(w.account, OwnEvents::NONE)].into());
    owed.retain(|owed| owed.message == message);
    owed.try_into().unwrap()
}

#[test]
fn a_messages_second_notification_sleeps_until_its_first_is_over() {
    on_every_store(|w| {
        let [sent, delivered] = told_twice(&w, "A");
        let soon = w.now().plus(Duration::from_secs(60));
        w.run(Settle { deferred: vec![filed(&w, &sent, soon)], ..Settle::default() });
        let again = owed_to(&w, [(w.account, OwnEvents::NONE)].into());
        assert!(again[1].is_behind && !again[0].is_behind);
        w.run(Settle { deferred: vec![filed(&w, &delivered, w.now())], ..Settle::default() });
        assert_eq!(events(&due(&w, w.now())), []);
        let far = w.now().plus(100 * HOUR);
        let found = due(&w, far);
        assert_eq!(events(&found), [sent.event.0]);
        assert_eq!(found.callbacks[0].notification, Some(OwedNotification { ..sent.clone() }));
        assert!(found.stale.is_empty(), "notifications are disabled, not given up");
        w.run(Settle { done: vec![debt(sent.event.0)], ..Settle::default() });
        let w = w.reopened();
        assert_eq!(events(&due(&w, w.now())), [delivered.event.0]);
        let same_event = Deferred {
            debt: Debt { to: Target::Callback, ..debt(delivered.event.0) },
            message: None,
            ..filed(&w, &delivered, w.now())
        };
        w.run(Settle { deferred: vec![same_event], ..Settle::default() });
        assert_eq!(due(&w, w.now()).callbacks.len(), 2, "one event may owe both");
    });
}

#[test]
fn disabled_accounts_are_left_alone_and_others_are_not() {
    on_every_store(|w| {
        let [sent, _] = told_twice(&w, "A");
        w.run(Settle { deferred: vec![filed(&w, &sent, w.now())], ..Settle::default() });
        let look = |disabled: HashSet<AccountId>| Due {
            now: w.now(),
            after: Endpoint::first(),
            limit: 9,
            rooms: HashMap::new(),
            room: 9,
            busy: HashSet::new(),
            disabled,
        };
        assert_eq!(w.ask(look([w.account].into())).callbacks.len(), 0);
        assert_eq!(w.ask(look([w.other_account].into())).callbacks.len(), 1);
    });
}

fn set(w: &World) -> Set {
    Set {
        account: w.account,
        url: Some("https://example.com/".to_owned()),
        format: None,
        events: None,
        enabled: None,
        secret: "whsec_one".to_owned(),
        now: w.now(),
    }
}

#[test]
fn settings_are_kept_and_a_secret_is_given_once_and_rotated() {
    on_every_store(|w| {
        assert!(w.ask(Find(w.account)).is_none());
        assert!(w.run(set(&w)), "the secret is taken");
        let events = Some(vec!["cancelled".to_owned(), "buffered".to_owned()]);
        let more = Set { url: None, format: Some(Format::Json), events, ..set(&w) };
        assert!(!w.run(Set { secret: "whsec_two".to_owned(), ..more }), "it has one");
        let until = w.now().plus(HOUR);
        assert!(!w.run(Rotate { account: w.other_account, secret: "x".to_owned(), until }));
        assert!(w.run(Rotate { account: w.account, secret: "whsec_3".to_owned(), until }));
        let w = w.reopened();
        let settings = w.ask(Find(w.account)).unwrap().settings;
        assert_eq!(
            (settings.url.as_str(), settings.format),
            ("https://example.com/", Format::Json)
        );
        assert_eq!(settings.events, ["cancelled", "buffered"]);
        assert_eq!(settings.secret, "whsec_3");
        assert_eq!(settings.old_secret, ("whsec_one".to_owned(), until));
        assert_eq!(w.ask(List), [settings]);
    });
}

#[test]
fn a_disabled_account_stays_so_until_it_is_enabled() {
    on_every_store(|w| {
        let disable = |why: &str| Disable { account: w.account, reason: why.into(), now: w.now() };
        assert!(!w.run(disable("unknown")));
        w.run(set(&w));
        assert!(w.run(disable("it answers 500")));
        assert!(!w.run(disable("again")), "it is already");
        let standing = || w.ask(Find(w.account)).unwrap().settings.disabled;
        assert_eq!(standing(), Some((w.now(), "it answers 500".to_owned())));
        w.run(Set { format: Some(Format::Json), ..set(&w) });
        assert!(standing().is_some());
        w.run(Set { enabled: Some(true), ..set(&w) });
        assert_eq!(standing(), None);
    });
}

#[test]
fn a_replay_reads_one_accounts_events_in_pieces_from_a_time_on() {
    on_every_store(|w| {
        let [old, _] = told_twice(&w, "A");
        w.pass(HOUR);
        let from = w.now();
        let [sent, delivered] = told_twice(&w, "B");
        w.run(set(&w));
        w.run(Settle { deferred: vec![filed(&w, &sent, w.now())], ..Settle::default() });
        w.run(Settle { deferred: vec![filed(&w, &old, w.now())], ..Settle::default() });
        assert_eq!(w.run(Replay { account: w.other_account, from }), Replayed::Nobody);
        assert_eq!(w.run(Replay { account: w.account, from }), Replayed::Begins);
        assert_eq!(events(&due(&w, w.now())), [old.event.0], "what is told anew waits no more");
        let start = w.ask(Find(w.account)).unwrap().settings.replay.unwrap();
        let to = EventId(delivered.event.0 + 5);
        let (mut told, mut cursor) = (Vec::new(), start);
        for _ in 0..20 {
            let (account, asked) = (w.account, OwnEvents::NONE);
            let again = w.ask(Again { account, asked, cursor, to, limit: 2, room: 1 });
            told.extend(again.notifications.iter().map(|owed| owed.event));
            let next = EventId(again.cursor);
            assert!(w.run(Advance { account, from: cursor, to: Some(next) }));
            cursor = next;
        }
        assert_eq!((told, cursor), (vec![sent.event, delivered.event], to));
        assert!(!w.run(Advance { account: w.account, from: start, to: None }), "begun anew");
        assert!(w.run(Advance { account: w.account, from: to, to: None }));
        assert_eq!(w.ask(Find(w.account)).unwrap().settings.replay, None);
    });
}

#[test]
fn who_takes_his_url_away_is_told_nothing_anew() {
    on_every_store(|w| {
        w.run(set(&w));
        let replay = |w: &World| w.run(Replay { account: w.account, from: w.now() });
        assert_eq!(replay(&w), Replayed::Begins);
        w.run(Set { url: Some(String::new()), ..set(&w) });
        assert_eq!(w.ask(Find(w.account)).unwrap().settings.replay, None);
        assert_eq!(replay(&w), Replayed::Nobody);
    });
}

#[test]
fn what_no_try_delivered_is_listed_until_it_is_replayed() {
    on_every_store(|w| {
        let [sent, delivered] = told_twice(&w, "A");
        w.run(set(&w));
        let both = [&sent, &delivered].map(|owed| filed(&w, owed, w.now())).to_vec();
        w.run(Settle { deferred: both, ..Settle::default() });
        let failure = "answered with status 500".to_owned();
        let dead = Dead { event: sent.event, account: w.account, at: w.now(), tries: 6, failure };
        w.run(Settle { done: vec![debt(sent.event.0)], dead: vec![dead], ..Settle::default() });
        assert_eq!(events(&due(&w, w.now())), [delivered.event.0], "the next is due");
        let list = |account, after| w.ask(dead::List { account, after: EventId(after), limit: 9 });
        let letters = list(w.account, 0);
        assert_eq!((letters.len(), letters[0].tries), (1, 6));
        assert_eq!(letters[0].told, Some((sent.message, EventKind::Sent, sent.at)));
        assert_eq!(list(w.other_account, 0), []);
        assert_eq!(list(w.account, sent.event.0), []);
        let found = w.ask(Find(w.account)).unwrap();
        assert_eq!((found.n_waiting, found.n_dead), (1, 1));
        w.run(Replay { account: w.account, from: w.now() });
        let found = w.ask(Find(w.account)).unwrap();
        assert_eq!((found.n_waiting, found.n_dead), (0, 0));
    });
}

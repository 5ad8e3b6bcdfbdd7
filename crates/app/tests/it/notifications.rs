//! Notifications: each message's events to its account's URL, in order, again when they fail, anew
//! from any time, and no more to who takes nothing.

use std::sync::Arc;
use std::time::Duration;

use pombo_app::notify::Letter;
use pombo_domain::channel::Arrival;
use pombo_domain::id::{EventId, MessageId};
use pombo_domain::notification::Format;
use pombo_domain::time::Instant;
use pombo_store::operation::notification::{Find, Found, Replay, Replayed, Set, dead};

use crate::carrier::{Carrier, Says, delivered};
use crate::house::{Folder, House, NOON, a_while, long_text, numbers, sms, until};
use crate::notify::{Host, Sink, all_filed, delivers, filed, minutes, none_filed, on, told};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Tells the events of account `one` to this host.
async fn subscribe(house: &House, host: &str) {
    let account = house.account("one").await.account();
    let set = Set {
        account,
        url: Some(format!("http://{host}/events")),
        format: Some(Format::Form),
        events: None,
        enabled: None,
        secret: SECRET.into(),
        now: house.clock.now(),
    };
    house.store.run(set).await.unwrap();
    // Within half a second the settings are seen.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}

async fn found(house: &House) -> Found {
    let account = house.account("one").await.account();
    house.store.ask(Find(account)).await.unwrap().unwrap()
}

async fn until_found(house: &House, is_so: impl Fn(&Found) -> bool) {
    for _ in 0..6_000 {
        if is_so(&found(house).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it stayed so: {:?}", found(house).await);
}

/// The messages and events told, in order.
fn said(letters: &[Letter]) -> Vec<String> {
    let field = |letter: &Letter, name: &str| {
        let start = format!("{name}=");
        let pair = letter.body.split('&').find_map(|pair| pair.strip_prefix(start.as_str()));
        pair.unwrap().to_owned()
    };
    let line = |letter| format!("{} {}", field(letter, "id"), field(letter, "event"));
    letters.iter().map(line).collect()
}

async fn until_said(sink: &Sink, host: &str, n: usize) -> Vec<String> {
    until("that many are told", || sink.letters(host).len() >= n).await;
    a_while().await;
    said(&sink.letters(host))
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_and_delivered_are_told_once_for_a_message_of_many_parts() {
    let (house, caller, sink) = told(false).await;
    subscribe(&house, "events.example").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let id = house
        .send(
            &caller,
            pombo_app::usecase::send::SendSms {
                text: pombo_app::usecase::send::Text::Same(long_text()),
                ..sms(1)
            },
        )
        .await[0];
    until("it is sent", || carrier.n_taken() == 3).await;
    delivers(&house, id, 0..3).await;
    let lines = until_said(&sink, "events.example", 2).await;
    assert_eq!(lines, [format!("{id} sent"), format!("{id} delivered")]);
    let letters = sink.letters("events.example");
    assert_eq!(letters[0].media_type, "application/x-www-form-urlencoded");
    let names: Vec<_> = letters[0].headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["webhook-id", "webhook-timestamp", "webhook-signature"]);
    assert_ne!(letters[0].headers[0], letters[1].headers[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_waits_until_the_first_is_taken_and_both_keep_their_ids() {
    let (house, caller, sink) = told(false).await;
    subscribe(&house, "events.example").await;
    sink.host("events.example", Host::Answers(204)); // Not 200: a form is not taken.
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let id = house.send(&caller, sms(1)).await[0];
    filed(&house, minutes(1)).await;
    delivers(&house, id, 0..1).await;
    until_found(&house, |found| found.n_waiting == 2).await;
    assert_eq!(said(&sink.letters("events.example")), [format!("{id} sent")]);
    sink.host("events.example", Host::Answers(200));
    house.clock.move_to(minutes(1));
    let lines = until_said(&sink, "events.example", 3).await;
    assert_eq!(lines[1..], [format!("{id} sent"), format!("{id} delivered")]);
    none_filed(&house).await;
    let letters = sink.letters("events.example");
    let header = |n: usize, at: usize| letters[n].headers[at].1.clone();
    assert_eq!(header(0, 0), header(1, 0), "the id stays");
    assert_ne!(header(0, 1), header(1, 1), "the time is the try's");
}

/// Lets a message's first notification fail six times.
async fn fails_six_times(house: &House, sink: &Sink, host: &str) {
    let mut at = 0;
    for (tries, wait) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)] {
        until("it is tried", || sink.letters(host).len() == tries).await;
        filed(house, minutes(at + wait)).await;
        at += wait;
        house.clock.move_to(minutes(at));
    }
    until("the last try", || sink.letters(host).len() >= 6).await;
    none_filed(house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_six_tries_it_is_a_dead_letter_until_it_is_replayed() {
    let (house, caller, sink) = told(false).await;
    subscribe(&house, "events.example").await;
    sink.host("events.example", Host::Answers(500));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    let id = house.send(&caller, sms(1)).await[0];
    fails_six_times(&house, &sink, "events.example").await;
    let account = caller.account();
    let list = dead::List { account, after: EventId(0), limit: 10 };
    let letters = house.store.ask(list).await.unwrap();
    assert_eq!((letters.len(), letters[0].tries), (1, 6));
    assert_eq!(letters[0].failure, "answered with status 500");
    assert_eq!(letters[0].told.map(|(message, ..)| message), Some(id));
    sink.host("events.example", Host::Answers(200));
    replay(&house, NOON).await;
    let lines = until_said(&sink, "events.example", 7).await;
    assert_eq!(lines[6..], [format!("{id} rejected")]);
    assert_eq!(found(&house).await.n_dead, 0);
}

async fn replay(house: &House, from: Instant) {
    let account = house.account("one").await.account();
    while house.store.run(Replay { account, from }).await.unwrap() != Replayed::Begins {}
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_for_an_hour_is_disabled_and_told_all_when_replayed() {
    let (house, caller, sink) = told(false).await;
    subscribe(&house, "events.example").await;
    sink.host("events.example", Host::Answers(500));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    let mut ids = house.send(&caller, sms(3)).await;
    until("three are tried", || sink.letters("events.example").len() == 3).await;
    a_while().await;
    house.clock.move_to(minutes(61));
    until("they are tried again", || sink.letters("events.example").len() >= 6).await;
    until_found(&house, |found| found.settings.disabled.is_some()).await;
    let (since, reason) = found(&house).await.settings.disabled.unwrap();
    assert_eq!(since, minutes(61));
    assert!(reason.ends_with("status 500"), "{reason}");
    let n = sink.letters("events.example").len();
    sink.host("events.example", Host::Answers(200));
    ids.extend(house.send(&caller, sms(600)).await);
    until("all are refused", || house.row("a").queued == 0).await;
    a_while().await;
    assert_eq!(sink.letters("events.example").len(), n, "nothing is told");
    replay(&house, NOON).await;
    let lines = until_said(&sink, "events.example", n + ids.len()).await;
    let expected: Vec<_> = ids.iter().map(|id| format!("{id} rejected")).collect();
    let mut told = lines[n..].to_vec();
    told.sort();
    assert_eq!(told, sorted(expected));
    // It is told with everybody else again.
    let last = house.send(&caller, sms(1)).await[0];
    let lines = until_said(&sink, "events.example", n + ids.len() + 1).await;
    assert_eq!(lines.last(), Some(&format!("{last} rejected")));
    assert_eq!(found(&house).await.settings.replay, None);
    assert!(all_filed(&house).await.is_empty());
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_it_is_gone_is_disabled_at_once() {
    let (house, caller, sink) = told(false).await;
    subscribe(&house, "events.example").await;
    sink.host("events.example", Host::Answers(410));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, sms(1)).await;
    until_found(&house, |found| found.settings.disabled.is_some()).await;
    assert_eq!(sink.letters("events.example").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_owes_its_callback_and_its_notification_and_neither_waits_for_the_other() {
    let (house, caller, sink) = told(false).await;
    subscribe(&house, "events.example").await;
    sink.host("events.example", Host::Hangs);
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    let template = pombo_domain::callback::Template::parse("http://dlr.example/?%i").unwrap();
    let callbacks = pombo_app::usecase::send::Callbacks::One(template);
    let send = pombo_app::usecase::send::SendSms { callbacks, ..sms(50) };
    let ids: Vec<MessageId> = house.send(&caller, send).await;
    until("the callbacks are told", || sink.seen("dlr.example").len() == ids.len()).await;
    assert!(sink.letters("events.example").len() <= 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_a_stop_and_is_told_in_order() {
    let (house, caller, sink) = told(false).await;
    subscribe(&house, "events.example").await;
    sink.host("events.example", Host::Hangs);
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let id = house.send(&caller, sms(1)).await[0];
    until("the first is under way", || sink.letters("events.example").len() == 1).await;
    delivers(&house, id, 0..1).await;
    a_while().await;
    let folder = Arc::clone(&house.folder);
    carrier.stop(&Says::Accept);
    house.app.stop(Duration::from_secs(10)).await;
    drop((house, caller));
    let (house, _caller, sink) = on(folder, false).await;
    house.clock.move_to(minutes(2));
    let lines = until_said(&sink, "events.example", 2).await;
    assert_eq!(lines, [format!("{id} sent"), format!("{id} delivered")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_now_and_then_gets_each_messages_events_in_order_and_all_of_them() {
    const N: usize = 60;
    let (house, caller, sink) = told(false).await;
    subscribe(&house, "events.example").await;
    sink.host("events.example", Host::Flaky);
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let ids = house.send(&caller, sms(N)).await;
    until("all are sent", || carrier.n_taken() == N).await;
    let desk = house.desk("a");
    for (id, to) in ids.iter().zip(numbers(N)) {
        let (to, _) = to.phone.unwrap();
        let receipt = Arrival::Receipt(delivered(&id.part(0).to_string(), to, desk.now()));
        desk.received(vec![receipt]).await.unwrap();
    }
    for minute in 1..=40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        house.clock.move_to(minutes(minute));
        if sink.taken().len() >= 2 * N && found(&house).await.n_waiting == 0 {
            break;
        }
    }
    until("all are taken", || sink.taken().len() >= 2 * N).await;
    let taken = said(&sink.taken());
    assert_eq!(taken.len(), 2 * N, "each once");
    for id in &ids {
        let start = id.to_string();
        let of: Vec<_> = taken.iter().filter(|line| line.starts_with(&start)).collect();
        assert_eq!(of, [&format!("{id} sent"), &format!("{id} delivered")]);
    }
    assert!(sink.letters("events.example").len() > 2 * N, "some were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_goes_on_after_a_hard_stop_and_leaves_none_out() {
    let folder = Arc::new(Folder::new());
    let first = Arc::clone(&folder);
    let ids = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let ids = runtime.block_on(async {
            let (house, caller, sink) = on(first, false).await;
            subscribe(&house, "events.example").await;
            let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
            let ids = house.send(&caller, sms(100)).await;
            until("all are told", || sink.taken().len() == 100).await;
            sink.host("events.example", Host::Hangs);
            replay(&house, NOON).await;
            until("some are under way", || sink.letters("events.example").len() > 100).await;
            a_while().await;
            ids
        });
        drop(runtime);
        ids
    })
    .await
    .unwrap();
    let (house, _caller, sink) = on(folder, false).await;
    until_found(&house, |found| found.settings.replay.is_none()).await;
    house.clock.move_to(minutes(5));
    none_filed(&house).await;
    let told: std::collections::BTreeSet<String> = said(&sink.taken()).into_iter().collect();
    for id in ids {
        assert!(told.contains(&format!("{id} rejected")), "{id}");
    }
}

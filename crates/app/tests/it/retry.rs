//! Again or not: classes, backoff, other routes, and parts of long messages.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pombo_app::clock::Clock;
use pombo_app::operate;
use pombo_app::usecase::send::{SendSms, Text};
use pombo_domain::channel::{Outcome, Report};
use pombo_domain::message::EventKind;

use crate::carrier::{Carrier, Says};
use crate::house::{Folder, House, NOON, a_while, long_text, ops, route, sms, until};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_error_is_tried_again_later_and_later_and_then_rejected() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Defer(s(30), Some(2)));
    let id = house.send(&caller, sms(1)).await[0];
    let mut at = NOON;
    for (tries, wait) in [(1, 30), (2, 60)] {
        until("the try is made", || carrier.n_taken() == tries && house.row("a").queued == 1).await;
        house.move_to(at.plus(s(wait - 1)));
        a_while().await;
        assert_eq!(carrier.n_taken(), tries);
        at = at.plus(s(wait));
        house.move_to(at);
    }
    house.until_event(&caller, id, EventKind::Refused).await;
    let tries: Vec<u8> = carrier.taken().iter().map(|attempt| attempt.try_number).collect();
    assert_eq!(tries, [1, 2, 3]);
    let events = house.events(&caller, id).await;
    assert_eq!(events, [EventKind::Deferred, EventKind::Deferred, EventKind::Refused]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_has_its_try_before_a_try_is_used_up() {
    let (mut second, mut third) = (route("b"), route("c"));
    (second.priority, third.priority) = (20, 30);
    let house = House::held(vec![route("a"), second, third]).await;
    let caller = house.account("one").await;
    let failing = |name: &str| Carrier::start(house.desk(name), |_, _| Says::Defer(s(30), Some(1)));
    let carriers = ["a", "b", "c"].map(failing);
    let n_taken = || carriers.iter().map(Carrier::n_taken).sum::<usize>();
    let id = house.send(&caller, sms(1)).await[0];
    until("each has had its try", || n_taken() == 3).await;
    a_while().await;
    assert!(!house.events(&caller, id).await.contains(&EventKind::Refused), "one more is due");
    house.move_to(NOON.plus(s(30)));
    house.until_event(&caller, id, EventKind::Refused).await;
    assert_eq!(n_taken(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_costs_no_try() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let n = AtomicUsize::new(0);
    let carrier = Carrier::start(house.desk("a"), move |_, _| {
        if n.fetch_add(1, Ordering::Relaxed) < 40 { Says::Defer(s(1), None) } else { Says::Accept }
    });
    let id = house.send(&caller, sms(1)).await[0];
    for tries in 1..=40 {
        until("the try is made", || carrier.n_taken() == tries && house.row("a").queued == 1).await;
        house.move_to(NOON.plus(s(tries as u64)));
    }
    house.until_event(&caller, id, EventKind::Sent).await;
    assert!(carrier.taken().iter().all(|attempt| attempt.try_number == 1));
    assert_eq!(house.events(&caller, id).await, [EventKind::Sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_error_goes_to_the_next_route_at_once_and_comes_back_after_its_wait() {
    let (mut second, mut third) = (route("b"), route("c"));
    (second.priority, third.priority) = (20, 30);
    let house = House::held(vec![route("a"), second, third]).await;
    let caller = house.account("one").await;
    let failing = |name: &str| Carrier::start(house.desk(name), |_, _| Says::Defer(s(30), Some(9)));
    let (a, b, c) = (failing("a"), failing("b"), failing("c"));
    let id = house.send(&caller, sms(1)).await[0];
    until("each has had its try", || (a.n_taken(), b.n_taken(), c.n_taken()) == (1, 1, 1)).await;
    a_while().await;
    assert_eq!((a.n_taken(), b.n_taken(), c.n_taken()), (1, 1, 1), "now the wait counts");
    house.move_to(NOON.plus(s(120)));
    until("it comes back", || (a.n_taken(), b.n_taken(), c.n_taken()) == (2, 2, 2)).await;
    let events = house.events(&caller, id).await;
    assert!(events.iter().all(|kind| *kind == EventKind::Deferred), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_wait_goes_by_another_route() {
    let mut second = route("b");
    second.priority = 20;
    let house = House::held(vec![route("a"), second]).await;
    let caller = house.account("one").await;
    let _a = Carrier::start(house.desk("a"), |_, _| Says::Defer(s(30), Some(2)));
    let _b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    let soon = SendSms { expires: Some(NOON.plus(s(20))), ..sms(1) };
    let id = house.send(&caller, soon).await[0];
    house.until_event(&caller, id, EventKind::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_changes_routes_within_its_request_is_sent_once() {
    let house = House::held(vec![route("a"), route("b")]).await;
    let caller = house.account("one").await;
    // Both routes are up when it is accepted, so that each gets every other recipient; b is slow.
    let b = Carrier::link(house.desk("b"), 0, 1, |_, _| Says::Hold);
    let a = Carrier::start(house.desk("a"), |_, _| Says::Defer(s(30), Some(2)));
    let sent = house.send(&caller, sms(100)).await;
    until("all of a's have moved to b", || a.n_taken() == 50 && house.row("a").queued == 0).await;
    until("b has taken everything", || {
        b.answer_held(1);
        b.n_taken() >= 100
    })
    .await;
    for _ in 0..5 {
        b.answer_held(10);
        a_while().await;
    }
    assert_eq!(b.n_taken(), 100, "none twice");
    let taken: HashSet<_> = b.taken().iter().map(|attempt| attempt.message).collect();
    assert_eq!(taken.len(), sent.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_long_message_go_together_and_only_the_failed_one_again() {
    let house = House::held(vec![route("a"), route("b")]).await;
    let caller = house.account("one").await;
    let failed = AtomicUsize::new(0);
    let script = move |_: &_, idx| match idx {
        1 if failed.fetch_add(1, Ordering::Relaxed) == 0 => Says::Defer(s(30), Some(2)),
        _ => Says::Accept,
    };
    let carrier = Carrier::start(house.desk("a"), script);
    let id = house.send(&caller, SendSms { text: Text::Same(long_text()), ..sms(1) }).await[0];
    until("the second part waits", || carrier.n_taken() == 3 && house.row("a").queued == 1).await;
    // Another route is up now, and must not get a single part.
    let other = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    house.move_to(NOON.plus(s(30)));
    until("it is sent again", || carrier.n_taken() == 4).await;
    let taken = carrier.taken();
    assert_eq!((taken[0].parts, taken[1].parts), (0b111, 0b010));
    assert_eq!(taken[0].concat_ref, taken[1].concat_ref);
    assert_eq!(taken[1].try_number, 2);
    assert_eq!(other.n_taken(), 0);
    house.until_event(&caller, id, EventKind::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_of_which_no_carrier_has_a_part_goes_by_another_route_as_a_whole() {
    let mut second = route("b");
    second.priority = 20;
    let house = House::held(vec![route("a"), second]).await;
    let caller = house.account("one").await;
    let _a = Carrier::start(house.desk("a"), |_, _| Says::Defer(s(30), Some(2)));
    let b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    let id = house.send(&caller, SendSms { text: Text::Same(long_text()), ..sms(1) }).await[0];
    until("the other has all of it", || b.n_taken() == 3).await;
    house.until_event(&caller, id, EventKind::Sent).await;
    let taken = b.taken();
    assert_eq!((taken.len(), taken[0].parts), (1, 0b111), "together, under one reference");
    assert_eq!(house.row("a").queued, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_long_message_whose_other_parts_were_taken_stays_with_their_carrier() {
    let mut second = route("b");
    second.priority = 20;
    let house = House::held(vec![route("a"), second]).await;
    let caller = house.account("one").await;
    let script = |_: &_, idx| if idx == 2 { Says::Accept } else { Says::Defer(s(30), Some(2)) };
    let a = Carrier::start(house.desk("a"), script);
    let b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    house.send(&caller, SendSms { text: Text::Same(long_text()), ..sms(1) }).await;
    until("two parts wait", || a.n_taken() == 3 && house.row("a").queued == 2).await;
    a_while().await;
    assert_eq!(b.n_taken(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn consecutive_long_messages_have_different_references() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    for n in [1, 3, 2] {
        house.send(&caller, SendSms { text: Text::Same(long_text()), ..sms(n) }).await;
    }
    until("all are taken", || carrier.taken().len() == 6).await;
    let references: HashSet<_> = carrier.taken().iter().map(|a| a.concat_ref).collect();
    assert_eq!(references.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_told_twice_counts_once() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let desk = house.desk("a");
    desk.link(0, pombo_domain::channel::LinkState::Up);
    let id = house.send(&caller, sms(1)).await[0];
    let told = |try_number, outcome: &Outcome| {
        let part = id.part(0);
        desk.report(vec![Report { part, try_number, at: desk.now(), outcome: outcome.clone() }]);
    };
    let cause = pombo_domain::channel::Cause { code: String::new(), text: String::new() };
    let deferred = Outcome::Deferred { wait: s(30), tries_max: Some(5), cause };
    let accepted = Outcome::Accepted { carrier_id: "x1".into() };
    assert_eq!(desk.next(1).await.len(), 1);
    told(1, &deferred);
    told(1, &deferred);
    until("it waits for its second try", || house.row("a").queued == 1).await;
    house.move_to(NOON.plus(s(60)));
    let again = desk.next(1).await;
    assert_eq!(again[0].try_number, 2);
    told(1, &accepted); // The answer to the first try, told when the second is on its way.
    told(2, &Outcome::Unsent);
    let third = Arc::clone(&desk).next(1).await;
    assert_eq!(third[0].try_number, 2, "given back: as if it had never been taken");
    told(2, &accepted);
    told(2, &accepted);
    house.until_event(&caller, id, EventKind::Sent).await;
    assert_eq!(house.events(&caller, id).await, [EventKind::Deferred, EventKind::Sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_route_that_stays_down_goes_by_another() {
    let mut second = route("b");
    second.priority = 20;
    let house = House::held(vec![route("a"), second]).await;
    let caller = house.account("one").await;
    let a = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    a.down();
    let ids = house.send(&caller, SendSms { text: Text::Same(long_text()), ..sms(5) }).await;
    let b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    tokio::time::sleep(s(3)).await;
    assert_eq!(b.n_taken(), 0, "a carrier that restarts gets its own");
    house.move_to(NOON.plus(s(60)));
    until("b has taken all", || b.n_taken() == 15).await;
    house.until_event(&caller, ids[4], EventKind::Sent).await;
    assert_eq!((a.n_taken(), house.row("a").queued), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_paused_route_waits() {
    let mut second = route("b");
    second.priority = 20;
    let house = House::held(vec![route("a"), second]).await;
    let caller = house.account("one").await;
    ops(|| operate::routes_pause(&house.store, "a", true)).unwrap();
    until("it is paused", || house.row("a").paused).await;
    // Neither can send when it is accepted, so that it waits for the first.
    house.send(&caller, sms(2)).await;
    let b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    house.move_to(NOON.plus(s(3_600)));
    tokio::time::sleep(s(3)).await;
    assert_eq!((house.row("a").queued, b.n_taken()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_route_that_is_not_configured_any_more_goes_by_another() {
    let folder = Arc::new(Folder::new());
    let house = House::on(Arc::clone(&folder), Clock::held(NOON), vec![route("gone")]).await;
    let caller = house.account("one").await;
    house.send(&caller, sms(3)).await;
    house.app.stop(s(5)).await;
    drop((house, caller));
    let house = House::on(folder, Clock::held(NOON), vec![route("b")]).await;
    let b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    until("b has taken all", || b.n_taken() == 3).await;
}

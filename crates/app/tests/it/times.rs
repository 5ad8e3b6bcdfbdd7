//! When things go: due times, the sender's hours, and what becomes worthless on the way.

use std::time::Duration;

use pombo_app::usecase::send::SendSms;
use pombo_domain::channel::LinkState;
use pombo_domain::message::EventKind;
use pombo_domain::window::{AvailableTimes, Window};

use crate::carrier::{Carrier, Says};
use crate::house::{House, NOON, a_while, route, sms, until};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

fn only(from: &str, to: &str) -> Option<AvailableTimes> {
    Some(AvailableTimes::new(vec![Window::parse(None, from, to).unwrap()]).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_leaves_at_its_time_and_not_before() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    house.send(&caller, SendSms { schedule: Some(NOON.plus(HOUR)), ..sms(3) }).await;
    house.send(&caller, sms(1)).await;
    until("what is due now goes", || carrier.n_taken() == 1).await;
    house.move_to(NOON.plus(HOUR - MINUTE));
    a_while().await;
    assert_eq!(carrier.n_taken(), 1);
    house.move_to(NOON.plus(HOUR));
    until("its time has come", || carrier.n_taken() == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_the_senders_hours_also_when_it_missed_them() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    house.send(&caller, SendSms { windows: only("13:00", "14:00"), ..sms(1) }).await;
    house.send(&caller, SendSms { windows: only("11:00", "12:30"), ..sms(2) }).await;
    // The route is down during its first hours; at 12:45 it is too late for some.
    house.move_to(NOON.plus(45 * MINUTE));
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    a_while().await;
    assert_eq!(carrier.n_taken(), 0);
    house.move_to(NOON.plus(HOUR));
    until("13:00", || carrier.n_taken() == 1).await;
    house.move_to(NOON.plus(22 * HOUR));
    a_while().await;
    assert_eq!(carrier.n_taken(), 1);
    house.move_to(NOON.plus(23 * HOUR));
    until("11:00 the next day", || carrier.n_taken() == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_in_its_queue_is_not_sent_and_costs_nothing() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let before = balance(&house).await;
    let id = house.send(&caller, SendSms { expires: Some(NOON.plus(HOUR)), ..sms(1) }).await[0];
    house.move_to(NOON.plus(HOUR));
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    house.until_event(&caller, id, EventKind::Expired).await;
    assert_eq!(carrier.n_taken(), 0);
    assert_eq!(balance(&house).await, before);
}

async fn balance(house: &House) -> pombo_domain::money::Money {
    let find = pombo_store::operation::account::Find::Name("one".into());
    house.store.ask(find).await.unwrap().unwrap().balance
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_expire_while_their_route_is_down() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let id = house.send(&caller, SendSms { expires: Some(NOON.plus(HOUR)), ..sms(1) }).await[0];
    house.move_to(NOON.plus(2 * HOUR));
    house.until_event(&caller, id, EventKind::Expired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_on_the_desk_is_not_handed_out() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    let ids = house.send(&caller, SendSms { expires: Some(NOON.plus(HOUR)), ..sms(15) }).await;
    until("all are claimed", || house.row("a").in_flight == 15).await;
    until("the window is full", || carrier.n_taken() == 10).await;
    house.move_to(NOON.plus(HOUR));
    carrier.answer_held(10);
    house.until_event(&caller, ids[14], EventKind::Expired).await;
    assert_eq!(carrier.n_taken(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lay_on_the_desk_when_the_link_went_expires_too() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    let ids = house.send(&caller, SendSms { expires: Some(NOON.plus(HOUR)), ..sms(15) }).await;
    until("all are claimed", || house.row("a").in_flight == 15 && carrier.n_taken() == 10).await;
    carrier.stop(&Says::Accept);
    until("the rest is back in its queue", || house.row("a").queued == 5).await;
    house.move_to(NOON.plus(HOUR));
    house.desk("a").link(0, LinkState::Up);
    house.until_event(&caller, ids[14], EventKind::Expired).await;
    let first = house.events(&caller, ids[0]).await;
    assert_eq!(first, [EventKind::Sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_would_come_too_late_ends_as_expired() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Defer(2 * HOUR, Some(3)));
    let id = house.send(&caller, SendSms { expires: Some(NOON.plus(HOUR)), ..sms(1) }).await[0];
    house.until_event(&caller, id, EventKind::Expired).await;
    assert_eq!(carrier.n_taken(), 1);
}

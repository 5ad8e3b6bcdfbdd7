//! Who goes first: lanes, accounts, pauses, and how far ahead of the carrier anything is claimed.

use std::time::Duration;

use pombo_app::operate;
use pombo_app::usecase::send::{CampaignRef, SendSms};
use pombo_domain::message::Category;

use crate::carrier::{Carrier, Says};
use crate::house::{House, a_while, ops, route, sms, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_message_is_never_behind_a_campaign() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let campaign = Some(CampaignRef { name: "spring".into(), tags: vec![] });
    let campaign = house.send(&caller, SendSms { campaign, ..sms(1_000) }).await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    until("two windows are claimed", || house.row("a").in_flight == 20).await;
    let code = house.send(&caller, sms(1)).await[0];
    // The first free place still goes to what lies on the desk; it makes room for a claim.
    carrier.answer_held(1);
    until("the code is claimed", || {
        carrier.n_taken() == 11 && house.row("a").in_flight >= 20 && house.row("a").queued == 980
    })
    .await;
    // It is counted as claimed a moment before it lies on the desk.
    a_while().await;
    carrier.answer_held(1);
    until("the next is taken", || carrier.n_taken() >= 12).await;
    let place = carrier.taken().iter().position(|attempt| attempt.message == code);
    assert!(place.is_some_and(|place| place <= 11), "{place:?} of {}", campaign.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_room_is_away_once_it_is_accepted_and_goes_behind_what_waits() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    let mut sent = Vec::new();
    for n in 1..=20 {
        sent.push(house.send(&caller, sms(1)).await[0]);
        let row = house.row("a");
        assert_eq!((row.in_flight, row.queued), (n, 0));
    }
    // Both windows are full.
    for n in 1..=5 {
        sent.push(house.send(&caller, sms(1)).await[0]);
        let row = house.row("a");
        assert_eq!((row.in_flight, row.queued), (20, n));
    }
    for n in 1..=25 {
        until("the next is taken", || carrier.n_taken() >= n).await;
        carrier.answer_held(1);
    }
    let taken: Vec<_> = carrier.taken().iter().map(|attempt| attempt.message).collect();
    assert_eq!(taken, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_account_is_served_in_the_first_rounds_of_a_large_one() {
    let house = House::new(vec![route("a")]).await;
    let (large, small) = (house.account("large").await, house.account("small").await);
    let bulk = || SendSms { category: Some(Category::Marketing), ..sms(500) };
    for _ in 0..50 {
        house.send(&large, bulk()).await;
    }
    let mut singles = Vec::new();
    for _ in 0..10 {
        let single = SendSms { category: Some(Category::Marketing), ..sms(1) };
        singles.push(house.send(&small, single).await[0]);
    }
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    until("much is taken", || carrier.n_taken() >= 100).await;
    let first: Vec<_> = carrier.taken().iter().take(100).map(|attempt| attempt.message).collect();
    assert!(singles.iter().all(|single| first.contains(single)), "{singles:?} {first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_two_windows_a_link_are_claimed_ahead() {
    let mut one = route("a");
    one.links = 2;
    let house = House::new(vec![one]).await;
    let caller = house.account("one").await;
    house.send(&caller, sms(1_000)).await;
    let first = Carrier::link(house.desk("a"), 0, 10, |_, _| Says::Hold);
    until("two windows", || house.row("a").in_flight == 20).await;
    let second = Carrier::link(house.desk("a"), 1, 10, |_, _| Says::Hold);
    until("four windows", || house.row("a").in_flight == 40).await;
    a_while().await;
    assert_eq!(house.row("a").in_flight, 40);
    assert_eq!(first.n_taken() + second.n_taken(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_slow_rate_half_a_seconds_worth_is_claimed_ahead() {
    let mut slow = route("a");
    slow.rate = Some(10.0);
    slow.window = 100;
    let house = House::held(vec![slow]).await;
    let caller = house.account("one").await;
    house.send(&caller, sms(1_000)).await;
    let carrier = Carrier::link(house.desk("a"), 0, 100, |_, _| Says::Hold);
    until("one is taken and five lie on the desk", || house.row("a").in_flight == 6).await;
    a_while().await;
    assert_eq!((house.row("a").in_flight, carrier.n_taken()), (6, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_answers_late_still_gets_the_routes_rate() {
    let mut slow = route("a");
    slow.rate = Some(10.0);
    slow.window = 100;
    let house = House::held(vec![slow]).await;
    let caller = house.account("one").await;
    house.send(&caller, sms(1_000)).await;
    let carrier = Carrier::link(house.desk("a"), 0, 100, |_, _| Says::Hold);
    for tenth in 1..=40 {
        until("its tenth of a second is taken", || carrier.n_taken() == tenth).await;
        house.move_to(crate::house::NOON.plus(Duration::from_millis(100 * tenth as u64)));
    }
}

async fn until_paused(house: &House, paused: bool) {
    for _ in 0..2_000 {
        if house.app.readiness().await.routes[0].2 == paused {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the command was never seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_route_hands_nothing_out_and_goes_on_when_resumed() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let beside = house.folder.open_beside();
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    ops(|| operate::routes_pause(&beside, "a", true)).unwrap();
    until_paused(&house, true).await;
    house.send(&caller, sms(50)).await;
    a_while().await;
    assert_eq!((carrier.n_taken(), house.row("a").in_flight), (0, 0));
    ops(|| operate::routes_pause(&beside, "a", false)).unwrap();
    until("it goes on", || carrier.n_taken() == 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_gives_back_what_lies_on_the_desk() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    house.send(&caller, sms(50)).await;
    until("two windows are claimed", || house.row("a").in_flight == 20).await;
    ops(|| operate::routes_pause(&house.store, "a", true)).unwrap();
    until("only what the carrier has is away", || house.row("a").in_flight == 10).await;
    carrier.answer_held(10);
    a_while().await;
    assert_eq!(carrier.n_taken(), 10);
    ops(|| operate::routes_pause(&house.store, "a", false)).unwrap();
    until("the rest is taken", || {
        carrier.answer_held(10);
        carrier.n_taken() == 50
    })
    .await;
    let mut taken: Vec<_> = carrier.taken().iter().map(|attempt| attempt.message).collect();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), 50, "none twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_a_restart() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    house.send(&caller, sms(5)).await;
    ops(|| operate::routes_pause(&house.store, "a", true)).unwrap();
    let folder = std::sync::Arc::clone(&house.folder);
    house.app.stop(Duration::from_secs(10)).await;
    drop((house, caller));
    let house = House::on(folder, pombo_app::clock::Clock::system(), vec![route("a")]).await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    a_while().await;
    assert_eq!(carrier.n_taken(), 0);
}

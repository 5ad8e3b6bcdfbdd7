//! How a route does is measured, told, and judged against what it must deliver.

use std::time::Duration;

use pombo_app::operate;
use pombo_domain::channel::{Arrival, Receipt};
use pombo_domain::health::Floor;
use pombo_domain::message::PartState;
use pombo_domain::route::Route;

use crate::carrier::{Carrier, Says, delivered};
use crate::house::{House, ops, route, sms, until};

/// The carrier tells that it did not deliver the parts that it took.
async fn fails(carrier: &Carrier) {
    for attempt in carrier.taken() {
        let id = attempt.message.part(0).to_string();
        let told = delivered(&id, attempt.to, carrier.desk.now());
        let failed = Receipt { state: PartState::Undelivered, word: "UNDELIV", ..told };
        carrier.desk.received(vec![Arrival::Receipt(failed)]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_delivers_too_little_is_left_out_and_comes_back() {
    let floor = Floor { percent: 50, of: 10 };
    let first = Route { floor, priority: 1, ..route("a") };
    let house = House::new(vec![first, route("b")]).await;
    let caller = house.account("one").await;
    let a = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    for id in house.send(&caller, sms(10)).await {
        house.until_event(&caller, id, pombo_domain::message::EventKind::Sent).await;
    }
    fails(&a).await;
    let row = || {
        let rows = ops(|| operate::routes_health(&house.store)).unwrap();
        rows.into_iter().find(|row| row.route == "a" && row.country == "ES")
    };
    until("it is known to the commands", || row().is_some_and(|row| row.is_below)).await;
    let counts = row().unwrap().counts;
    assert_eq!((counts.ended, counts.delivered), (10, 0));
    let all = ops(|| operate::routes_health(&house.store)).unwrap().remove(0);
    assert_eq!((all.country.as_str(), all.counts.answered, all.counts.taken), ("", 10, 10));
    house.send(&caller, sms(1)).await;
    until("the other has it", || b.n_taken() == 1).await;
    assert_eq!(a.n_taken(), 10);
    b.down();
    house.send(&caller, sms(1)).await;
    until("better than none", || a.n_taken() == 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_counted_with_its_time() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let a = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let id = house.send(&caller, sms(1)).await[0];
    house.until_event(&caller, id, pombo_domain::message::EventKind::Sent).await;
    let attempt = a.taken().remove(0);
    let at = a.desk.now().plus(Duration::from_secs(4));
    let told = delivered(&attempt.message.part(0).to_string(), attempt.to, at);
    a.desk.received(vec![Arrival::Receipt(told)]).await.unwrap();
    let counts = || ops(|| operate::routes_health(&house.store)).unwrap().first().map(|r| r.counts);
    until("it is told", || counts().is_some_and(|counts| counts.delivered == 1)).await;
    let time = counts().unwrap().delivery_time().unwrap();
    assert!((4.0..5.0).contains(&time.as_secs_f64()), "{time:?}");
}

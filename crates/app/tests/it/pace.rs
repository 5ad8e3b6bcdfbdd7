//! How fast: a route over all its links, an account over all its routes, and an account's day.

use std::time::Duration;

use pombo_app::error::{Error, Refusal};
use pombo_app::operate;
use pombo_app::usecase::send::{SendSms, send_sms};
use pombo_domain::channel::LinkState;
use pombo_domain::message::Category;

use crate::carrier::{Carrier, Says};
use crate::house::{House, NOON, a_while, ops, route, sms, until};

const TENTH: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_routes_rate_holds_over_all_its_links() {
    let mut limited = route("a");
    limited.rate = Some(50.0);
    limited.links = 3;
    let house = House::held(vec![limited]).await;
    let caller = house.account("one").await;
    house.send(&caller, sms(500)).await;
    let links: Vec<_> =
        (0..3).map(|n| Carrier::link(house.desk("a"), n, 10, |_, _| Says::Accept)).collect();
    let taken = || links.iter().map(Carrier::n_taken).sum::<usize>();
    // The burst is a tenth of a second's worth; then a tenth's worth each tenth of a second.
    for tenth in 0..20_u8 {
        until("what the rate allows is taken", || taken() == 5 + 5 * usize::from(tenth)).await;
        if tenth == 10 {
            a_while().await;
            assert_eq!(taken(), 55, "and not more");
        }
        house.move_to(NOON.plus(TENTH * (u32::from(tenth) + 1)));
    }
    house.move_to(NOON.plus(Duration::from_secs(100)));
    a_while().await;
    assert!(taken() <= 5 + 5 * 20 + 5, "idle time saves no more than one burst: {}", taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_route_goes_slower() {
    let mut limited = route("a");
    limited.rate = Some(100.0);
    let house = House::held(vec![limited]).await;
    let caller = house.account("one").await;
    let desk = house.desk("a");
    for _ in 0..40 {
        desk.throttled();
    }
    let carrier = Carrier::start(desk, |_, _| Says::Accept);
    house.send(&caller, sms(100)).await;
    until("the smallest burst is taken", || carrier.n_taken() >= 1).await;
    house.move_to(NOON.plus(TENTH));
    a_while().await;
    assert!(carrier.n_taken() < 10, "{}", carrier.n_taken());
}

/// A house with a route for each category.
async fn two_routes() -> House {
    let of = |name, category| {
        let mut route = route(name);
        route.categories = vec![category];
        route
    };
    let marketing = of("marketing", Category::Marketing);
    House::held(vec![marketing, of("other", Category::Transactional)]).await
}

/// Limits the account to ten parts a second.
async fn ten_a_second(house: &House) {
    let settings = operate::Settings { rate_per_s: Some(Some(10)), ..Default::default() };
    ops(|| operate::account_set(&house.store, &house.clock, "one", settings)).unwrap();
    // The watch reads settings twice a second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}

/// Lets these tenths of a second pass.
async fn pass(house: &House, tenths: std::ops::RangeInclusive<u32>) {
    for tenth in tenths {
        house.move_to(NOON.plus(TENTH * tenth));
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_rate_holds_over_two_routes() {
    let house = two_routes().await;
    let caller = house.account("one").await;
    let free = house.account("free").await;
    ten_a_second(&house).await;
    let of = |category| SendSms { category: Some(category), ..sms(200) };
    house.send(&caller, of(Category::Marketing)).await;
    house.send(&caller, of(Category::Transactional)).await;
    let links = ["marketing", "other"]
        .map(|name| Carrier::link(house.desk(name), 0, 100, |_, _| Says::Accept));
    let taken = || links.iter().map(Carrier::n_taken).sum::<usize>();
    until("the burst goes", || taken() >= 1).await;
    pass(&house, 1..=30).await;
    a_while().await;
    assert!((15..=31).contains(&taken()), "three seconds and one burst: {}", taken());
    let before = taken();
    house.send(&free, sms(100)).await;
    until("another account does not wait for it", || taken() >= before + 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_link_did_not_take_does_not_all_go_when_it_goes_on() {
    let house = two_routes().await;
    let caller = house.account("one").await;
    ten_a_second(&house).await;
    // It is up, and takes nothing: its carrier has throttled it.
    house.desk("marketing").link(0, LinkState::Up);
    let of = |category, n| SendSms { category: Some(category), ..sms(n) };
    house.send(&caller, of(Category::Marketing, 200)).await;
    pass(&house, 1..=30).await;
    let healthy = Carrier::link(house.desk("other"), 0, 100, |_, _| Says::Accept);
    house.send(&caller, of(Category::Transactional, 3)).await;
    pass(&house, 31..=50).await;
    until("what goes by another route does not wait for it", || healthy.n_taken() == 3).await;
    let carrier = Carrier::link(house.desk("marketing"), 0, 100, |_, _| Says::Accept);
    until("what lay there goes", || carrier.n_taken() >= 5).await;
    a_while().await;
    assert!(carrier.n_taken() <= 6, "half a second's worth, and a burst: {}", carrier.n_taken());
    pass(&house, 51..=60).await;
    until("it goes on at its rate", || carrier.n_taken() >= 12).await;
    a_while().await;
    assert!(carrier.n_taken() <= 17, "and no faster: {}", carrier.n_taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_sends_no_more_messages_a_day_than_it_may() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let settings = operate::Settings { per_day: Some(Some(10)), ..Default::default() };
    ops(|| operate::account_set(&house.store, &house.clock, "one", settings)).unwrap();
    house.send(&caller, sms(7)).await;
    let refused = send_sms(&house.app, &caller, sms(4)).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::DailyLimit { .. }))), "{refused:?}");
    house.send(&caller, sms(3)).await;
    let refused = send_sms(&house.app, &caller, sms(1)).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::DailyLimit { .. }))), "{refused:?}");
    house.move_to(NOON.plus(Duration::from_secs(12 * 3_600)));
    house.send(&caller, sms(10)).await;
}

//! Which route a message goes by: prices, networks and senders, at the door and after an error.

use std::time::Duration;

use pombo_app::Config;
use pombo_app::books;
use pombo_app::usecase::send::{Fate, SendSms, send_sms};
use pombo_domain::address::{Country, Sender};
use pombo_domain::money::Money;
use pombo_domain::price::{Network, Prefix, Row, Scope};
use pombo_domain::route::{Choose, Networks, Route, SenderPattern};
use pombo_domain::time::Instant;
use pombo_store::operation::price::Kind;
use std::sync::Arc;

use crate::carrier::{Carrier, Says};
use crate::house::{Folder, House, NOON, a_while, ops, route, sms, until};
use pombo_app::clock::Clock;

fn asking(name: &str, priority: u32, price: &str) -> Route {
    Route { priority, buy_price: Money::parse(price).ok(), ..route(name) }
}

async fn house(choose: Choose, routes: Vec<Route>) -> House {
    let config = Config {
        sms_default_price: Money::parse("0.05").unwrap(),
        sms_certified_price: Money::ZERO,
        public_url: "https://sms.example.com".into(),
        callbacks_submitted: false,
        otp_limits: pombo_domain::otp::Guard::default(),
        countries: pombo_domain::country::Rules::default(),
        choose,
        routes,
    };
    House::with(Arc::new(Folder::new()), Clock::held(NOON), config).await
}

/// What a dry run says of the first recipient.
async fn planned(house: &House, send: SendSms) -> (String, &'static str) {
    let caller = house.account("one").await;
    let sent = send_sms(&house.app, &caller, SendSms { dry_run: true, ..send }).await.unwrap();
    match &sent.fates[0].1 {
        Fate::Planned(planned) => (planned.route.clone(), planned.route_why),
        other => panic!("not planned: {other:?}"),
    }
}

fn movistar() -> Network {
    Network::parse("214", "07").unwrap()
}

/// The numbers of the tests are Movistar's, and carrier `list` asks this much for it.
async fn import(house: &House, list: &str, price: &str) {
    let since = Instant::from_micros(0);
    let route = house.app.routes().iter().find(|route| route.name == list).unwrap().id;
    let kind = Kind::Buy { route, currency: "EUR".into() };
    let row = Row {
        scope: Scope { country: Country::parse("ES").unwrap(), network: Some(movistar()) },
        name: "Movistar".into(),
        price: Money::parse(price).ok(),
        refunds: false,
        since,
    };
    ops(|| {
        let (store, clock) = (&house.store, &house.clock);
        books::import_prices(store, clock, (kind, since), &[row], &mut |_| {}).unwrap();
        let prefix = (Prefix::parse("346").unwrap(), Some(movistar()));
        books::import_ranges(store, clock, since, &[prefix], &mut |_| {}).unwrap();
    });
}

async fn until_planned(house: &House, wanted: (&str, &str)) {
    for _ in 0..400 {
        let (route, why) = planned(house, sms(1)).await;
        if (route.as_str(), why) == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it stayed {:?}", planned(house, sms(1)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cheapest_carries_and_after_an_error_the_next_cheapest() {
    let routes = vec![asking("a", 1, "0.03"), asking("b", 2, "0.02"), asking("c", 3, "0.01")];
    let house = house(Choose::Cost, routes).await;
    let caller = house.account("one").await;
    assert_eq!(planned(&house, sms(1)).await, ("c".into(), "none available"));
    let c = Carrier::start(house.desk("c"), |_, _| Says::Defer(Duration::from_secs(30), Some(2)));
    assert_eq!(planned(&house, sms(1)).await, ("c".into(), "others unavailable"));
    let a = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    assert_eq!(planned(&house, sms(1)).await, ("c".into(), "cost"));
    house.send(&caller, sms(1)).await;
    until("the next has it", || b.n_taken() == 1).await;
    a_while().await;
    assert_eq!((c.n_taken(), a.n_taken()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carriers_price_for_the_recipients_network_counts() {
    let house = house(Choose::Cost, vec![asking("a", 10, "0.03"), asking("b", 10, "0.02")]).await;
    let _up = ["a", "b"].map(|name| Carrier::start(house.desk(name), |_, _| Says::Accept));
    assert_eq!(planned(&house, sms(1)).await, ("b".into(), "cost"));
    import(&house, "a", "0.01").await;
    until_planned(&house, ("a", "cost")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_for_a_network_and_one_for_a_senders_pattern_take_just_those() {
    let network =
        Route { networks: vec![Networks::One(movistar())], priority: 1, ..route("network") };
    let senders = vec![SenderPattern::new("SHOP*")];
    let sender = Route { senders, priority: 0, ..route("sender") };
    let house = house(Choose::Priority, vec![network, sender, route("rest")]).await;
    let _up = ["network", "sender", "rest"]
        .map(|name| Carrier::start(house.desk(name), |_, _| Says::Accept));
    assert_eq!(planned(&house, sms(1)).await, ("rest".into(), "only"), "nobody knows the network");
    import(&house, "rest", "0.01").await;
    until_planned(&house, ("network", "priority")).await;
    let shop = SendSms { from: Sender::parse("SHOP7").unwrap(), ..sms(1) };
    assert_eq!(planned(&house, shop).await, ("sender".into(), "priority"));
}

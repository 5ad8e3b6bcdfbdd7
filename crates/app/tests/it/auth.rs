//! The door: who gets in, what that costs, and who is kept waiting.

use std::net::IpAddr;
use std::time::Duration;

use pombo_app::auth::Denied;
use pombo_app::operate;

use crate::house::{House, a_while, basic, cheap_hash, ops, poll_once, route};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn tries(house: &House, header: &str, from: &str) -> Result<String, Denied> {
    house.app.authenticate(Some(header), ip(from)).await.map(|caller| caller.name().to_owned())
}

async fn until_denied(house: &House, header: &str, from: &str) -> Denied {
    for _ in 0..1_000 {
        if let Err(denied) = tries(house, header, from).await {
            return denied;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("still let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_pair_gets_in_and_nothing_else_does() {
    let house = House::new(vec![route("a")]).await;
    house.account("one").await;
    assert_eq!(tries(&house, &basic("one", "secret-1"), "192.0.2.1").await.unwrap(), "one");
    let long = format!("{}{}", basic("one", "secret-1"), " ".repeat(1_024));
    for (n, header) in [
        basic("one", "secret-2").as_str(),
        &basic("One", "secret-1"),
        &basic("nobody", "secret-1"),
        &basic("", ""),
        "",
        "Basic",
        "Basic \u{fffd}",
        "Bearer abc",
        &long,
    ]
    .iter()
    .enumerate()
    {
        // Each from an address of its own: nobody is slowed.
        let denied = tries(&house, header, &format!("198.51.100.{n}")).await;
        assert!(matches!(denied, Err(Denied::UnknownCredentials)), "{header:?}: {denied:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_names_no_account_is_refused_without_a_wait() {
    let house = House::new(vec![route("a")]).await;
    house.account("one").await;
    let began = tokio::time::Instant::now();
    for _ in 0..100 {
        let denied = house.app.authenticate(None, ip("192.0.2.1")).await;
        assert!(matches!(denied, Err(Denied::UnknownCredentials)));
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_called_only_from_its_addresses() {
    let house = House::new(vec![route("a")]).await;
    house.account("one").await;
    ops(|| operate::account_allow(&house.store, "one", vec!["198.51.100.0/24".into()])).unwrap();
    let header = basic("one", "secret-1");
    let denied = until_denied(&house, &header, "192.0.2.1").await;
    assert!(matches!(denied, Denied::AddressNotAllowed), "{denied:?}");
    tries(&house, &header, "198.51.100.7").await.unwrap();
    tries(&house, &header, "::ffff:198.51.100.7").await.unwrap();
    let wrong = tries(&house, &basic("one", "wrong"), "203.0.113.3").await;
    assert!(matches!(wrong, Err(Denied::UnknownCredentials)), "a list tells strangers nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_and_an_old_password_are_turned_away() {
    let house = House::new(vec![route("a")]).await;
    house.account("one").await;
    let header = basic("one", "secret-1");
    ops(|| operate::account_passwd(&house.store, "one", Some("secret-2".into()))).unwrap();
    let denied = until_denied(&house, &header, "192.0.2.1").await;
    assert!(matches!(denied, Denied::UnknownCredentials), "{denied:?}");
    let header = basic("one", "secret-2");
    tries(&house, &header, "192.0.2.1").await.unwrap();
    ops(|| operate::account_disable(&house.store, "one", true)).unwrap();
    let denied = until_denied(&house, &header, "192.0.2.2").await;
    assert!(matches!(denied, Denied::UnknownCredentials), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_account_and_a_fresh_password_work_at_once() {
    let house = House::new(vec![route("a")]).await;
    house.account("one").await;
    ops(|| operate::account_passwd(&house.store, "one", Some("secret-2".into()))).unwrap();
    tries(&house, &basic("one", "secret-2"), "192.0.2.1").await.unwrap();
    let add = pombo_store::operation::account::Add {
        name: "two".into(),
        password_hash: cheap_hash("p"),
        credit: pombo_domain::money::Money::ZERO,
        currency: "EUR".into(),
        now: house.clock.now(),
    };
    house.store.run(add).await.unwrap();
    tries(&house, &basic("two", "p"), "192.0.2.1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_was_right_once_gets_in_without_a_check_or_a_wait() {
    let house = House::new(vec![route("a")]).await;
    house.account("one").await;
    let began = tokio::time::Instant::now();
    for _ in 0..12 {
        tries(&house, &basic("one", "wrong"), "192.0.2.1").await.unwrap_err();
    }
    assert!(began.elapsed() > Duration::from_secs(15), "{:?}", began.elapsed());
    // From the very address whose failures are slowed: there is no hashing thread, no store and
    // no clock between the question and the answer.
    let header = basic("one", "secret-1");
    let right = std::pin::pin!(tries(&house, &header, "192.0.2.1"));
    assert!(matches!(poll_once(right).await, std::task::Poll::Ready(Ok(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_guesses_turns_no_right_pair_away_that_was_never_checked() {
    let house = House::new(vec![route("a")]).await;
    house.account("one").await;
    let guesses: Vec<_> = (0..700)
        .map(|n| {
            let (app, header) = (house.app.clone(), basic("one", &format!("guess-{n}")));
            let source = "203.0.113.3".parse().unwrap();
            tokio::spawn(async move { app.authenticate(Some(&header), source).await.map(drop) })
        })
        .collect();
    a_while().await;
    // A second password of the same account, so that nothing is remembered of this pair.
    ops(|| operate::account_passwd(&house.store, "one", Some("secret-2".into()))).unwrap();
    tries(&house, &basic("one", "secret-2"), "192.0.2.1").await.unwrap();
    for guess in guesses {
        guess.abort();
    }
}

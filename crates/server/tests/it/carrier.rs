//! The whole way: HTTP, SMPP, receipt, callback; and what becomes of doubt.

use std::time::{Duration, Instant};

use pombo::config::Config;
use pombo_peers::sink::{self, Answer, Sink};
use pombo_peers::smsc::{Behaviour, Ids, Reaction, Receipts, Smsc};

use crate::cli::good;
use crate::house::House;

/// A house with one route to this carrier, and more of the route's keys.
fn house(smsc: &Smsc, keys: &str) -> House {
    let toml = format!(
        "[[sms.routes]]\nname = \"carrier-a\"\naddress = \"{}\"\nsystem_id = \"pombo\"\n\
         password = \"secret\"\n{keys}",
        smsc.addr
    );
    let routes = pombo::config::resolve(Some(("test", &toml)), &[]).unwrap().routes;
    House::with(|config: &mut Config| {
        config.routes = routes;
        config.callbacks.allow_private_networks = true;
    })
}

/// Waits until it is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let over = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < over, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn send(house: &House, more: &str) -> String {
    let json = format!(r#"{{"to":["34666555444"],"from":"TEST"{more}}}"#);
    let answer = house.send(&json);
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["result"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn each_part_is_submitted_reported_and_called_back() {
    let smsc = Smsc::start(Behaviour::recording().with_receipts(Receipts::default())).unwrap();
    let sink = Sink::start(sink::Behaviour::recording(Answer::Status(200)));
    let house = house(&smsc, "");
    let url = sink.url("/dlr?id=%i&d=%d&s=%s&n=%n&from=%p&to=%P&cost=%c&camp=%C");
    let text = "a".repeat(200);
    let id = send(&house, &format!(r#","message":"{text}","parts":2,"notificationUrl":"{url}""#));
    house.until(&id, |sms| sms["isDelivered"] == true);
    until("two callbacks", || sink.count() >= 2);
    let mut targets = sink.targets();
    targets.sort();
    let expected = |n: u8| {
        format!("/dlr?id={id}&d=1&s=DELIVRD&n={n}&from=TEST&to=34666555444&cost=0.05&camp=0")
    };
    assert_eq!(targets, [expected(1), expected(2)]);
    let parts = smsc.received();
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.destination == 34_666_555_444));
}

#[test]
fn ids_in_another_base_are_learned() {
    let receipts = Receipts { ids: Some(Ids::Decimal), ..Receipts::default() };
    let hex = Behaviour { ids: Ids::Hex, ..Behaviour::default() };
    let smsc = Smsc::start(hex.with_receipts(receipts)).unwrap();
    let house = house(&smsc, "");
    let id = send(&house, r#","message":"spelled otherwise""#);
    house.until(&id, |sms| sms["isDelivered"] == true);
}

#[test]
fn a_carrier_that_throttles_gets_everything_later() {
    let throttling = |n: u64, _: &str| match n {
        1..=3 => Reaction::Status(88),
        _ => Reaction::Accept,
    };
    let behaviour = Behaviour::default().with_receipts(Receipts::default()).reacting(throttling);
    let smsc = Smsc::start(behaviour).unwrap();
    let house = house(&smsc, "");
    let id = send(&house, r#","message":"patience""#);
    house.until(&id, |sms| sms["isDelivered"] == true);
}

#[test]
fn what_the_carrier_refuses_is_rejected_and_not_paid() {
    let smsc = Smsc::start(Behaviour::default().reacting(|_, _| Reaction::Status(11))).unwrap();
    let house = house(&smsc, "");
    let id = send(&house, r#","message":"refused""#);
    house.until(&id, |sms| sms["events"][0]["type"] == "rejected");
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 100.0);
}

#[test]
fn a_part_in_doubt_is_held_listed_and_sent_again_by_the_operator() {
    let once = |n: u64, _: &str| if n == 1 { Reaction::HangUp } else { Reaction::Accept };
    let behaviour = Behaviour::default().with_receipts(Receipts::default()).reacting(once);
    let smsc = Smsc::start(behaviour).unwrap();
    let house = house(&smsc, "uncertain = \"hold\"\n");
    let folder = &house.folder;
    let toml = format!("[store]\nurl = \"sqlite:{}\"\n", folder.join("pombo.db").display());
    std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    let list = || -> serde_json::Value {
        let arguments = ["uncertain", "list", "--json", "--config", "pombo.toml"];
        serde_json::from_str(&good(folder, &arguments)).unwrap()
    };
    let id = send(&house, r#","message":"did it arrive?""#);
    until("one part in doubt", || list()[0]["resolution"] == "open");
    let row = &list()[0];
    assert_eq!((&row["message"], &row["route"]), (&id.as_str().into(), &"carrier-a".into()));
    let part = row["part"].as_str().unwrap().to_owned();
    let said = good(folder, &["uncertain", "resend", &part, "--config", "pombo.toml"]);
    assert_eq!(said, "1 parts will be sent again\n");
    house.until(&id, |sms| sms["isDelivered"] == true);
    assert_eq!(list()[0]["resolution"], "resent");
}

#[test]
fn a_route_is_checked_from_the_command_line() {
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let folder = crate::house::folder();
    let configure = |address: &str| {
        let toml = format!(
            "[[sms.routes]]\nname = \"carrier-a\"\naddress = \"{address}\"\nsystem_id = \"x\"\n"
        );
        std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    };
    let check = ["routes", "check", "--config", "pombo.toml"];
    configure(&smsc.addr.to_string());
    assert_eq!(good(&folder, &check), "carrier-a: ok: bound\n");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    configure(&nobody.to_string());
    let output = crate::cli::run(&folder, &check);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("carrier-a: FAILED: "), "{text}");
}

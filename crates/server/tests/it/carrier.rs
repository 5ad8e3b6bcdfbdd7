//! The whole way: HTTP, SMPP, receipt, callback; and what becomes of doubt.

use std::time::Duration;

use pombo::config::Config;
use pombo_peers::sink::{self, Answer, Sink};
use pombo_peers::smsc::{Behaviour, Ids, Reaction, Receipts, Smsc};

use crate::cli::good;
use crate::house::{House, until};

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
fn what_one_carrier_does_not_deliver_goes_by_the_next_and_is_told_once() {
    let refusing = Receipts { stat: "UNDELIV", ..Receipts::default() };
    let first = Smsc::start(Behaviour::recording().with_receipts(refusing)).unwrap();
    let second = Smsc::start(Behaviour::recording().with_receipts(Receipts::default())).unwrap();
    let sink = Sink::start(sink::Behaviour::recording(Answer::Status(200)));
    let more = format!(
        "failover_on_receipt = [\"UNDELIV\"]\n\n[[sms.routes]]\nname = \"carrier-b\"\naddress = \"{}\"\n\
         system_id = \"pombo\"\npassword = \"secret\"\npriority = 20\n",
        second.addr
    );
    let house = house(&first, &more);
    until("both are up", || house.call("GET", "/readyz", "").body.matches("\"up\"").count() == 2);
    let url = sink.url("/dlr?d=%d&s=%s&cost=%c");
    let id = send(&house, &format!(r#","message":"hello","notificationUrl":"{url}""#));
    house.until(&id, |sms| sms["isDelivered"] == true);
    until("a callback", || sink.count() >= 1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(sink.targets(), ["/dlr?d=1&s=DELIVRD&cost=0.05"], "one end is told");
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
    let details = house.call("GET", &format!("/api/rest/sms/{id}?details=1"), "").json();
    let history: Vec<String> = details["data"][0]["parts"][0]["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{} {} {}", e["type"], e["route"], e["status"]).replace('"', ""))
        .collect();
    assert_eq!(
        history,
        [
            "sent carrier-a ACCEPTD",
            "deferred carrier-a UNDELIV",
            "sent carrier-b ACCEPTD",
            "delivered carrier-b DELIVRD",
        ]
    );
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"].to_string(), "99.95", "charged once: {account}");
}

#[test]
fn the_carrier_gets_each_recipients_own_text_and_a_click_owes_no_callback() {
    let smsc = Smsc::start(Behaviour::recording().with_receipts(Receipts::default())).unwrap();
    let sink = Sink::start(sink::Behaviour::recording(Answer::Status(200)));
    let house = house(&smsc, "");
    let long = "b".repeat(200);
    let answer = house.send(&format!(
        r#"{{"to":["34666555444","34666555333","34666555222"],"from":"TEST","parts":2,
            "message":"{{name|upper}} {{url|shorten}}","notificationUrl":"{}",
            "sub":[{{"name":"ana","url":"https://example.com/1"}},
                   {{"name":"{long}","url":"https://example.com/2"}},
                   {{"name":"zoe","url":"https://example.com/3"}}]}}"#,
        sink.url("/dlr?to=%P&d=%d&n=%n")
    ));
    assert_eq!(answer.status, 202, "{}", answer.body);
    let ids: Vec<String> =
        (0..3).map(|i| answer.json()["result"][i]["id"].as_str().unwrap().to_owned()).collect();
    ids.iter().for_each(|id| drop(house.until(id, |sms| sms["isDelivered"] == true)));
    until("a callback per part", || sink.count() == 4);
    let mut parts = smsc.received();
    parts.sort_by_key(|part| (part.destination, part.piece));
    let texts: Vec<String> = parts
        .iter()
        .map(|part| String::from_utf8_lossy(&part.whole.as_ref().unwrap().text).into_owned())
        .collect();
    assert_eq!(texts.len(), 4);
    assert!(texts[0].starts_with("ZOE https://sms.example.com/s/"), "{texts:?}");
    assert!(texts[1].contains("BBB") && texts[2].contains("https://sms"), "{texts:?}");
    assert!(texts[3].starts_with("ANA https://sms.example.com/s/"), "{texts:?}");

    let path = &texts[3][texts[3].find("/s/").unwrap()..];
    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/17.4.1 Mobile/15E148 Safari/604.1";
    let opened = house.call_with("GET", path, &[("User-Agent", phone)], b"");
    assert_eq!(opened.header("location"), Some("https://example.com/1"));
    house.until(&ids[0], |sms| sms["isClicked"] == true && sms["isDelivered"] == true);
    // Another message's callback would come after the click's, were there one.
    send(&house, &format!(r#","message":"next","notificationUrl":"{}""#, sink.url("/next")));
    until("the next callback", || sink.targets().iter().any(|target| target == "/next"));
    assert_eq!(sink.count(), 5, "{:?}", sink.targets());
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

//! The whole way back: a handset writes, over SMPP and in the sandbox; it is listed, told, obeyed and
//! answered.

use std::time::{Duration, Instant};

use pombo::config::Config;
use pombo_peers::sink::{self, Answer, Sink};
use pombo_peers::smsc::{Behaviour, Handset, Receipts, Smsc};
use serde_json::{Value, json};

use crate::cli::good;
use crate::house::{self, House};

const OURS: &str = "34911222333";

/// A house with one route to this carrier.
fn house(smsc: &Smsc) -> House {
    House::with(|config: &mut Config| {
        config.routes = routes_to(smsc);
        config.callbacks.allow_private_networks = true;
    })
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let over = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < over, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn operate(house: &House, arguments: &[&str]) -> String {
    let url = house.folder.join("pombo.db");
    let toml = format!("[store]\nurl = \"sqlite:{}\"\n", url.display());
    std::fs::write(house.folder.join("pombo.toml"), toml).unwrap();
    good(&house.folder, &[arguments, &["--config", "pombo.toml"]].concat())
}

/// A handset writes to our number, by a carrier.
fn write(smsc: &Smsc, message: Handset<'_>) {
    assert!(smsc.hand_over(Handset { from: "34666555444", to: OURS, ..message }));
}

fn inbound(house: &House, query: &str) -> Vec<Value> {
    let list = house.call("GET", &format!("/api/rest/inbound{query}"), "");
    assert_eq!(list.status, 200, "{}", list.body);
    list.json()["data"].as_array().unwrap().clone()
}

fn looked_at(house: &House, n: usize) -> Vec<Value> {
    until("all are looked at", || inbound(house, "").len() == n);
    inbound(house, "")
}

#[test]
fn a_handset_answers_over_smpp_and_is_listed_told_obeyed_and_answered() {
    let receipts = Receipts::default();
    let smsc = Smsc::start(Behaviour::recording().with_receipts(receipts)).unwrap();
    let sink = Sink::start(sink::Behaviour::recording(Answer::Status(200)));
    let house = house(&smsc);
    operate(&house, &["numbers", "add", OURS, "--account", "username"]);
    operate(&house, &["blacklist", "answer", "username", "--out", "You get no more. START: again"]);
    let settings = json!({"url": sink.url("/events"), "format": "json", "events": ["inbound"]});
    house.call("PUT", "/api/rest/account/notifications", &settings.to_string());
    let send = format!(
        r#"{{"to":["34666555444"],"from":"{OURS}","message":"Offer","campaignName":"Spring"}}"#
    );
    let sent = house.send(&send).json();
    let id = sent["result"][0]["id"].as_str().unwrap().to_owned();
    house.until(&id, |sms| sms["isDelivered"] == true);

    // A long one, its last piece first and by parameters, with half a character in each.
    for (number, text) in [(2, &b"\xDC\x26\0!"[..]), (1, b"\0h\0i\xD8\x3D")] {
        let sar = Some((263, 2, number));
        write(&smsc, Handset { data_coding: 8, text, sar, ..Handset::default() });
    }
    let found = looked_at(&house, 1);
    assert_eq!(found[0]["text"], "hi🐦!");
    assert_eq!(found[0]["parts"], 2);
    until("it is told", || sink.hits().iter().any(|hit| hit.body.contains("\"inbound\"")));
    let hits = sink.hits();
    let told: Value = hits
        .iter()
        .map(|hit| serde_json::from_str::<Value>(&hit.body).unwrap())
        .find(|body| body["event"] == "inbound")
        .unwrap();
    assert_eq!((&told["id"], &told["campaignName"]), (&json!(id), &json!("Spring")));
    let extra: Value = serde_json::from_str(told["extra"].as_str().unwrap()).unwrap();
    assert_eq!((&extra["text"], &extra["to"]), (&json!("hi🐦!"), &json!(OURS)));
    assert_eq!(extra["from"], "34666555444");

    write(&smsc, Handset { text: b"Stop.", ..Handset::default() });
    until("the answer goes", || smsc.received().len() == 2);
    let answer = smsc.received().pop().unwrap();
    let whole = answer.whole.unwrap();
    assert_eq!((answer.destination, whole.source.2.as_str()), (34_666_555_444, OURS));
    assert_eq!(whole.text, b"You get no more. START: again");
    until("it is told", || sink.hits().iter().any(|hit| hit.body.contains("unsubscribed")));
    until("it is noted", || !inbound(&house, "")[0]["answerId"].is_null());
    let found = inbound(&house, "?from=%2B34666555444&limit=1");
    assert_eq!((&found[0]["effect"], &found[0]["messageId"]), (&json!("unsubscribed"), &json!(id)));
    let list = house.call("GET", "/api/rest/blacklist", "").json();
    assert_eq!(
        (&list["data"][0]["source"], &list["data"][0]["reason"]),
        (&json!("recipient"), &json!("Stop."))
    );
    let sending =
        house.call("GET", &format!("/api/rest/sendings/{}", sent["sendingId"]), "").json();
    assert_eq!(sending["data"]["events"]["unsubscribed"], 1);
    let report = format!("/api/rest/sendings/{}/reports/events", sent["sendingId"]);
    assert!(house.call("GET", &report, "").body.contains(",unsubscribed,34666555444,"));

    let called = format!(r#","notificationUrl":"{}"}}"#, sink.url("/dlr?d=%d&s=%s"));
    let refused = house.send(&send.replace('}', &called)).json();
    let refused = refused["result"][0]["id"].as_str().unwrap().to_owned();
    house.until(&refused, |sms| sms["events"][0]["type"] == "rejected");
    until("a callback", || sink.targets().iter().any(|t| t == "/dlr?d=16&s=REJECTD"));
    write(&smsc, Handset { text: b"STOP", ..Handset::default() });
    looked_at(&house, 3);
    write(&smsc, Handset { text: b"start", ..Handset::default() });
    looked_at(&house, 4);
    let again = house.send(&send).json();
    let again = again["result"][0]["id"].as_str().unwrap().to_owned();
    house.until(&again, |sms| sms["isDelivered"] == true);
    assert_eq!(smsc.received().len(), 3, "nobody was answered twice");
    assert_eq!(smsc.counts().refused, 0);
}

#[test]
fn a_long_message_is_joined_over_a_restart_and_two_binds() {
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let mut first = house(&smsc);
    let piece = |number: u8, text: &[u8]| [&[6, 8, 4, 1, 2, 3, number][..], text].concat();
    let say = |number: u8, text: &[u8]| {
        let octets = piece(number, text);
        write(&smsc, Handset { has_header: true, text: &octets, ..Handset::default() });
    };
    say(3, b"three");
    say(1, b"one ");
    say(3, b"three");
    until("they are acknowledged", || smsc.counts().delivered == 3);
    first.stop();
    // The same folder, another process's life.
    let listing = |folder: &std::path::Path| {
        let url = folder.join("pombo.db");
        let toml = format!("[store]\nurl = \"sqlite:{}\"\n", url.display());
        std::fs::write(folder.join("pombo.toml"), toml).unwrap();
        let arguments = ["inbound", "list", "--unassigned", "--json", "--config", "pombo.toml"];
        serde_json::from_str::<Value>(&good(folder, &arguments)).unwrap()
    };
    assert_eq!(listing(&first.folder), json!([]));
    let second = first.again(|config| config.routes = routes_to(&smsc));
    say(2, b"two ");
    until("it is whole", || listing(&second.folder)[0]["text"] == "one two three");
    let nobodys = listing(&second.folder);
    assert_eq!((&nobodys[0]["from"], &nobodys[0]["parts"]), (&json!("34666555444"), &json!(3)));
    let told = operate(&second, &["numbers", "add", OURS, "--account", "username"]);
    assert!(told.contains("1 messages"), "{told}");
    assert_eq!(looked_at(&second, 1)[0]["text"], "one two three");
}

fn routes_to(smsc: &Smsc) -> Vec<pombo::config::RouteConfig> {
    let toml = format!(
        "[[sms.routes]]\nname = \"carrier-a\"\naddress = \"{}\"\nsystem_id = \"pombo\"\n\
         password = \"secret\"\nbinds = 2\n",
        smsc.addr
    );
    pombo::config::resolve(Some(("test", &toml)), &[]).unwrap().routes
}

/// Writes on a simulated phone; the status.
fn reply(house: &House, host: &str, kind: &str, body: &Value) -> u16 {
    let headers = [("Host", host), ("Content-Type", kind)];
    let mut head = "POST /sandbox/replies HTTP/1.1\r\nConnection: close\r\n".to_owned();
    let body = body.to_string();
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let raw = house.raw(head.as_bytes());
    let status = String::from_utf8_lossy(&raw).split(' ').nth(1).unwrap_or_default().to_owned();
    status.parse().unwrap()
}

#[test]
fn a_simulated_phone_answers_in_the_demo() {
    let house = House::open();
    let send = format!(r#"{{"to":["34666555444"],"from":"{OURS}","message":"Hello"}}"#);
    let sent = house.send(&send).json();
    let id = sent["result"][0]["id"].as_str().unwrap().to_owned();
    house.until(&id, |sms| sms["isDelivered"] == true);
    let json_kind = "application/json";
    let long = format!("Olá ✓ {}", "a".repeat(200));
    let body = |text: &str| json!({"phone": "34666555444", "to": OURS, "text": text});
    for (host, kind, body, status) in [
        ("evil.example", json_kind, body("x"), 403),
        ("localhost", "text/plain", body("x"), 403),
        ("localhost", json_kind, json!([]), 400),
        ("localhost", json_kind, body(""), 422),
        ("localhost", json_kind, json!({"phone": "34666555444", "to": "SHOP", "text": "x"}), 422),
        ("localhost", json_kind, json!({"phone": "1", "to": OURS, "text": "x"}), 422),
        ("localhost", json_kind, body(&long), 204),
        ("localhost", json_kind, body("BAJA"), 204),
    ] {
        assert_eq!(reply(&house, host, kind, &body), status, "{host} {kind} {body}");
    }
    let found = looked_at(&house, 2);
    assert_eq!((&found[1]["text"], &found[1]["parts"]), (&json!(long), &json!(4)));
    assert_eq!((&found[0]["messageId"], &found[0]["effect"]), (&json!(id), &json!("unsubscribed")));
    for (query, n) in [("?to=34911222333", 2), ("?to=1", 0), ("?beforeDate=2020-01-01", 0)] {
        assert_eq!(inbound(&house, query).len(), n, "{query}");
    }
    for query in ["?limit=0", "?afterDate=x"] {
        assert_eq!(house.call("GET", &format!("/api/rest/inbound{query}"), "").status, 422);
    }
    let refused = house.send(&send).json();
    let refused = refused["result"][0]["id"].as_str().unwrap().to_owned();
    house.until(&refused, |sms| sms["events"][0]["type"] == "rejected");
    // Another account sees nothing of it.
    operate(&house, &["account", "add", "other", "--api-password", "correct-horse"]);
    let other = [("Authorization", "Basic b3RoZXI6Y29ycmVjdC1ob3JzZQ==")];
    let list = |path: &str| house.call_with("GET", path, &other, b"").json()["data"].clone();
    until("the account is known", || list("/api/rest/inbound").is_array());
    assert_eq!((list("/api/rest/inbound"), list("/api/rest/blacklist")), (json!([]), json!([])));
}

#[test]
fn words_are_set_and_listed_by_operators() {
    let folder = house::folder();
    std::fs::write(folder.join("pombo.toml"), "").unwrap();
    let with =
        |arguments: &[&str]| good(&folder, &[arguments, &["--config", "pombo.toml"]].concat());
    with(&["account", "add", "a", "--api-password", "correct-horse"]);
    let words = ["blacklist", "words"];
    let told = with(&[&words[..], &["set", "¡Básta!", "out-first", "--account", "a"]].concat());
    assert_eq!(told, "BASTA is out-first now\n");
    with(&[&words[..], &["set", "stop", "off"]].concat());
    let list = |more: &[&str]| -> Value {
        serde_json::from_str(&with(&[&words[..], &["list", "--json"], more].concat())).unwrap()
    };
    assert_eq!(
        list(&[]),
        json!([
            {"account": "", "word": "STOP", "rule": "off"},
            {"account": "a", "word": "BASTA", "rule": "out-first"},
        ])
    );
    assert!(list(&["--all"]).as_array().unwrap().len() > 20);
    with(&[&words[..], &["unset", "STOP"]].concat());
    assert_eq!(list(&[]).as_array().unwrap().len(), 1);
    crate::cli::bad(&folder, &["blacklist", "words", "set", "two words", "out"], "no single word");
    crate::cli::bad(&folder, &["numbers", "add", "x", "--account", "a"], "no number");
    crate::cli::bad(&folder, &["numbers", "remove", "3000"], "nobody's");
}

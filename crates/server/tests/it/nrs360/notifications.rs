//! `/account/notifications`, and what really comes to the URL: signed, in order, anew when asked for.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pombo_peers::sink::{Answer as Says, Behaviour, Hit, Sink};
use serde_json::{Value, json};

use crate::cli::{bad, good};
use crate::house::{Answer, House};

const PATH: &str = "/api/rest/account/notifications";

fn house() -> House {
    House::with(|config| config.callbacks.allow_private_networks = true)
}

/// Sets the settings; answers the secret.
fn set(house: &House, body: &Value) -> String {
    let answer = house.call("PUT", PATH, &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"]["secret"].as_str().unwrap_or_default().to_owned()
}

fn shown(house: &House) -> Value {
    house.call("GET", PATH, "").json()["data"].clone()
}

/// Waits until it is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let over = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < over, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends to so many; answers the ids.
fn send(house: &House, n: usize, more: &str) -> Vec<String> {
    let to: Vec<String> = (0..n).map(|n| format!("\"34666555{n:03}\"")).collect();
    let to = to.join(",");
    let answer = house.send(&format!(r#"{{"to":[{to}],"from":"TEST","message":"Hello"{more}}}"#));
    assert_eq!(answer.status, 202, "{}", answer.body);
    let result = answer.json()["result"].as_array().unwrap().clone();
    result.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// The message and the event of a JSON letter.
fn said(hit: &Hit) -> (String, String) {
    let body: Value = serde_json::from_str(&hit.body).unwrap();
    (body["id"].as_str().unwrap().to_owned(), body["event"].as_str().unwrap().to_owned())
}

/// The events of a message, in the order in which they came.
fn events_of(hits: &[Hit], id: &str) -> Vec<String> {
    hits.iter().map(said).filter(|(message, _)| message == id).map(|(_, event)| event).collect()
}

fn operate(house: &House, arguments: &[&str]) -> String {
    good(&house.folder, &[arguments, &["--config", config(house).as_str()]].concat())
}

fn config(house: &House) -> String {
    let file = house.folder.join("pombo.toml");
    let url = house.folder.join("pombo.db");
    std::fs::write(&file, format!("[store]\nurl = \"sqlite:{}\"\n", url.display())).unwrap();
    "pombo.toml".to_owned()
}

#[test]
fn a_form_comes_with_the_documents_fields_and_one_url_serves_a_campaign() {
    let (house, sink) = (house(), Sink::start(Behaviour::recording(Says::Status(200))));
    set(&house, &json!({"url": sink.url("/events?who=me")}));
    let id = send(&house, 1, r#","campaignName":"Spring & more""#).remove(0);
    until("sent and delivered are told", || sink.count() >= 2);
    let hits = sink.hits();
    assert_eq!(hits[0].target, "/events?who=me");
    assert_eq!(hits[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(hits[1].body.as_bytes()).into_owned().collect();
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["id", "channel", "contactId", "campaignId", "campaignName", "event", "eventDate"]
    );
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!((value("id"), value("channel")), (id, "sms".to_owned()));
    assert_eq!(
        (value("event"), value("campaignName")),
        ("delivered".into(), "Spring & more".into())
    );
    assert_ne!(value("campaignId"), "0");
    assert!(value("eventDate").ends_with("+00:00"));
}

#[test]
fn a_fast_receiver_is_told_every_event_once_in_order_over_few_connections() {
    let (house, sink) = (house(), Sink::start(Behaviour::recording(Says::Status(204))));
    set(&house, &json!({"url": sink.url("/"), "format": "json"}));
    let ids = send(&house, 300, "");
    until("all are told", || sink.count() >= 600);
    std::thread::sleep(Duration::from_millis(300));
    let hits = sink.hits();
    for id in &ids {
        assert_eq!(events_of(&hits, id), ["sent", "delivered"], "{id}");
    }
    assert_eq!(hits.len(), 600);
    let mut keys: Vec<_> = hits.iter().map(|hit| hit.header("webhook-id").unwrap()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 600);
    assert!(sink.connections() <= 40, "{}", sink.connections());
    assert_eq!(shown(&house)["waiting"], 0);
}

#[test]
fn what_a_receiver_refuses_waits_and_what_follows_waits_behind_it() {
    let refuses = |_: u64, _: &str| Says::Status(503);
    let behaviour = Behaviour::recording(Says::Choose(Arc::new(refuses)));
    let (house, sink) = (house(), Sink::start(behaviour));
    set(&house, &json!({"url": sink.url("/"), "format": "json"}));
    let ids = send(&house, 5, "");
    until("all wait", || shown(&house)["waiting"] == 10);
    let hits = sink.hits();
    for id in &ids {
        assert_eq!(events_of(&hits, id), ["sent"], "{id}");
    }
}

#[test]
fn a_receiver_that_hangs_delays_neither_callbacks_nor_messages() {
    let hanging = Sink::start(Behaviour::recording(Says::Hang));
    let quick = Sink::start(Behaviour::recording(Says::Status(200)));
    let house = house();
    set(&house, &json!({"url": hanging.url("/")}));
    let callback = format!(r#","notificationUrl":"{}""#, quick.url("/dlr?id=%i"));
    send(&house, 100, &callback);
    until("every callback is told", || quick.count() >= 100);
    assert!(hanging.count() <= 32, "{}", hanging.count());
}

#[test]
fn who_is_gone_is_disabled_and_replayed_by_owner_and_operator() {
    let (house, sink) = (house(), Sink::start(Behaviour::recording(Says::Status(410))));
    set(&house, &json!({"url": sink.url("/"), "format": "json"}));
    let first = send(&house, 1, "");
    until("it is disabled", || shown(&house)["enabled"] == false);
    assert_eq!(shown(&house)["disabledReason"], "it answered 410: gone");
    let list: Value =
        serde_json::from_str(&operate(&house, &["notifications", "list", "--json"])).unwrap();
    assert_eq!((&list[0]["account"], &list[0]["enabled"]), (&json!("username"), &json!(false)));
    let second = send(&house, 20, "");
    house.until(&second[19], |sms| sms["isDelivered"] == true);
    sink.set(Behaviour::recording(Says::Status(200)));
    std::thread::sleep(Duration::from_millis(500));
    let n = sink.count();
    let body = r#"{"from":"2020-01-01T00:00:00+00:00"}"#;
    let answer = house.call("POST", &format!("{PATH}/replay"), body);
    assert_eq!((answer.status, &answer.json()["data"]["enabled"]), (202, &json!(true)));
    until("all are told", || sink.count() >= n + 42);
    until("it is over", || shown(&house)["replaying"] == false);
    let hits = &sink.hits()[usize::try_from(n).unwrap()..];
    for id in first.iter().chain(&second) {
        assert_eq!(events_of(hits, id), ["sent", "delivered"], "{id}");
    }
    let said = operate(&house, &["notifications", "replay", "username", "--from", "2020-01-01"]);
    assert_eq!(said, "username is notified anew of all since 2020-01-01T00:00:00+00:00\n");
    until("all are told once more", || sink.count() >= n + 84);
    let third = send(&house, 1, "");
    until("it is told with everybody else", || events_of(&sink.hits(), &third[0]).len() == 2);
}

#[test]
fn events_beyond_the_documents_come_only_where_asked_for() {
    let (house, sink) = (house(), Sink::start(Behaviour::recording(Says::Status(200))));
    set(&house, &json!({"url": sink.url("/"), "format": "json"}));
    let later = r#","scheduleDate":"20990101120000""#;
    let withdraw = |id: &str| house.call("DELETE", &format!("/api/rest/scheduled?guid={id}"), "");
    let silent = send(&house, 1, later).remove(0);
    assert_eq!(withdraw(&silent).json()["result"]["deleted"], 1);
    let marker = send(&house, 1, "").remove(0);
    until("what came after is told", || events_of(&sink.hits(), &marker).len() == 2);
    assert!(events_of(&sink.hits(), &silent).is_empty());
    set(&house, &json!({"events": ["cancelled"]}));
    assert_eq!(shown(&house)["url"], sink.url("/"), "what is absent stays");
    let told = send(&house, 1, later).remove(0);
    withdraw(&told);
    until("it is told", || events_of(&sink.hits(), &told) == ["cancelled"]);
}

#[test]
fn a_secret_is_shown_once_and_the_one_before_signs_beside_a_new_one() {
    let (house, sink) = (house(), Sink::start(Behaviour::recording(Says::Status(200))));
    let first = set(&house, &json!({"url": sink.url("/")}));
    assert!(first.starts_with("whsec_"), "{first}");
    assert_eq!(set(&house, &json!({"url": sink.url("/x")})), "", "it is not shown again");
    assert_eq!(shown(&house).get("secret"), None);
    let answer = house.call("POST", &format!("{PATH}/secret"), "");
    let second = answer.json()["data"]["secret"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    send(&house, 1, "");
    until("two are told", || sink.count() >= 2);
    for hit in sink.hits() {
        for secret in [&first, &second] {
            for verifier in [("python3", "verify.py"), ("node", "verify.js")] {
                assert!(accepts(verifier, secret, &hit), "{verifier:?}");
            }
        }
        let stranger = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let changed = Hit { body: format!("{}x", hit.body), ..hit.clone() };
        for verifier in [("python3", "verify.py"), ("node", "verify.js")] {
            assert!(!accepts(verifier, stranger, &hit), "{verifier:?}");
            assert!(!accepts(verifier, &first, &changed), "{verifier:?}");
        }
    }
}

/// Whether a library that nobody here wrote takes the signature of what came.
fn accepts((program, script): (&str, &str), secret: &str, hit: &Hit) -> bool {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../peers/foreign/webhooks");
    for installed in ["site/standardwebhooks", "node_modules/standardwebhooks"] {
        let is_there = std::path::Path::new(folder).join(installed).is_dir();
        assert!(is_there, "{installed} is missing; run `cargo xtask setup`");
    }
    let header = |name: &str| (name.to_owned(), hit.header(name).unwrap().into());
    let headers: serde_json::Map<String, Value> =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header).into_iter().collect();
    let letter = json!({"secret": secret, "headers": headers, "body": hit.body}).to_string();
    let mut child = Command::new(program)
        .arg(format!("{folder}/{script}"))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask setup`"));
    child.stdin.take().unwrap().write_all(letter.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn the_receiver_of_the_documentation_takes_what_comes_and_refuses_a_forgery() {
    let page = include_str!("../../../../../docs/howto/notifications.md");
    let script = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let house = house();
    let url = format!("http://127.0.0.1:{port}/events");
    let secret = set(&house, &json!({"url": url}));
    let mut receiver = Command::new("python3")
        .args(["-c", &script.replace("8000", &port.to_string())])
        .env("SECRET", secret)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let forged = b"POST / HTTP/1.0\r\ncontent-length: 1\r\nwebhook-id: evt_1\r\n\
        webhook-timestamp: 1\r\nwebhook-signature: v1,AAAA\r\n\r\nx";
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(forged).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.contains(" 401 "), "{answer}");
    let id = send(&house, 1, "").remove(0);
    let output = std::io::BufReader::new(receiver.stdout.take().unwrap());
    let lines: Vec<String> =
        std::io::BufRead::lines(output).take(2).map(|line| line.unwrap()).collect();
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    assert!(lines[0].starts_with(&format!("{id} sent 2")), "{lines:?}");
    assert!(lines[1].starts_with(&format!("{id} delivered 2")), "{lines:?}");
}

#[test]
fn what_cannot_be_set_has_its_code_and_changes_nothing() {
    let house = house();
    let call = |method: &str, path: &str, body: &str| -> Answer {
        house.call(method, &format!("{PATH}{path}"), body)
    };
    for (method, path, body, code) in [
        ("PUT", "", r#"{"url":"example.com"}"#, 109),
        ("PUT", "", r#"{"url":"ftp://example.com/"}"#, 109),
        ("PUT", "", "nothing", 125),
        ("PUT", "", r#"{"url":5}"#, 422),
        ("PUT", "", r#"{"format":"xml"}"#, 422),
        ("PUT", "", r#"{"events":["delivered"]}"#, 422),
        ("PUT", "", r#"{"enabled":"perhaps"}"#, 422),
        ("POST", "/secret", "", 422),
        ("POST", "/replay", r#"{"from":"2020-01-01"}"#, 422),
        ("POST", "/replay", r#"{"from":"yesterday"}"#, 422),
        ("POST", "/replay", "", 422),
        ("GET", "/dead?after=x", "", 422),
        ("GET", "/dead?limit=-1", "", 422),
        ("POST", "", "", 405),
    ] {
        let answer = call(method, path, body);
        assert_eq!(answer.json()["error"]["code"], code, "{method} {path} {body}");
    }
    let nothing = json!({"url": "", "format": "form", "events": [], "enabled": true,
        "replaying": false, "waiting": 0, "deadLetters": 0});
    assert_eq!(shown(&house), nothing);
    assert_eq!(call("GET", "/dead", "").json(), json!({"data": []}));
}

#[test]
fn an_operator_sets_lists_rotates_and_an_owner_sees_only_his_own() {
    let house = house();
    operate(&house, &["account", "add", "other", "--api-password", "correct-horse"]);
    let url = ["account", "set", "other", "--notify-url", "https://example.com/events"];
    let said = operate(&house, &[&url[..], &["--notify-format", "json"]].concat());
    assert!(said.starts_with("other is set\nsecret whsec_"), "{said}");
    assert_eq!(operate(&house, &url), "other is set\n");
    assert_eq!(shown(&house)["url"], "");
    let list: Value =
        serde_json::from_str(&operate(&house, &["notifications", "list", "--json"])).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!((&list[0]["account"], &list[0]["format"]), (&json!("other"), &json!("json")));
    assert!(!list.to_string().contains("whsec_"));
    let rotated = operate(&house, &["notifications", "rotate", "other", "--overlap-hours", "1"]);
    assert!(rotated.starts_with("secret whsec_"), "{rotated}");
    let dead = operate(&house, &["notifications", "dead", "other"]);
    assert_eq!(dead, "nothing to list\n");
    operate(&house, &["notifications", "disable", "other"]);
    assert!(operate(&house, &["notifications", "list"]).contains("by its owner"));
    operate(&house, &["notifications", "enable", "other"]);
    let config = config(&house);
    for (arguments, why) in [
        (&["notifications", "enable", "username"][..], "has no notification URL"),
        (&["notifications", "rotate", "username"], "has no notification URL"),
        (&["notifications", "dead", "nobody"], "there is no account"),
        (&["account", "set", "other", "--notify-url", "example.com"], "must be an absolute"),
    ] {
        bad(&house.folder, &[arguments, &["--config", &config]].concat(), why);
    }
}

//! `sub`: texts with each recipient's values, and the short links in them, over HTTP.

use std::process::Command;
use std::time::{Duration, Instant};

use pombo_app::operate;
use pombo_peers::sink::{Behaviour, Sink};
use pombo_store::{Options, Store};

use crate::house::{Answer, House, story};

/// A phone's browser.
const PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/126.0.0.0 Mobile Safari/537.36";

fn send(message: &str, to: &[&str], sub: &str, more: &str) -> String {
    let to = serde_json::json!(to);
    format!(r#"{{"to":{to},"from":"TEST","message":{message:?},"sub":{sub}{more}}}"#)
}

/// The id of the recipient with this index.
fn id(answer: &Answer, i: usize) -> String {
    answer.json()["result"][i]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

fn text_of(house: &House, id: &str) -> String {
    let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
    status["data"][0]["message"].as_str().expect("a text").to_owned()
}

#[test]
fn each_recipient_gets_its_own_text() {
    let house = House::open();
    // The same phone twice: each entry has its own values.
    let to = ["34666555444", "34666555333", "34666555444"];
    let sub = r#"[{"name":"JOSÉ","sum":1234.56},{"name":"zoë","sum":"7"},{}]"#;
    let json = send("Hi {name|lower|capitalize}, {sum|formatDotComma} EUR", &to, sub, "");
    let json = json.replace("\"sub\"", "\"encoding\":\"utf-16\",\"sub\"");
    let answer = house.send(&json);
    assert_eq!(answer.status, 202, "{answer:?}");
    let texts: Vec<String> = (0..3).map(|i| text_of(&house, &id(&answer, i))).collect();
    assert_eq!(texts, ["Hi José, 1.234,56 EUR", "Hi Zoë, 7 EUR", "Hi ,  EUR"]);
    // What the simulated phone got is what the status says.
    for i in 0..3 {
        house.until(&id(&answer, i), |sms| sms["isDelivered"] == true);
    }
}

#[test]
fn one_recipient_whose_text_cannot_be_sent_stops_no_other() {
    let house = House::open();
    let to = ["34666555444", "34666555333", "nobody", "34666555222", "34666555111", "34666555000"];
    let long = "x".repeat(161);
    let sub = format!(
        r#"[{{"a":"fits","u":"https://example.com"}},{{"a":"{long}","u":"https://example.com"}},{{}},
            {{"a":"日","u":"https://example.com"}},{{"a":"no link","u":"example.com"}},
            {{"a":"fits too","u":"https://example.com/b"}}]"#
    );
    let json = send("{a} {u|shorten}", &to, &sub, "");
    let none = send("{a}", &["34666555444", "nobody"], r#"[{"a":""},{}]"#, "");
    let cut = "y".repeat(150);
    let split = send(
        &format!("{cut}{{a}} and so on"),
        &["34666555444", "34666555333"],
        r#"[{"a":"12345678901234567890"},{"a":"12345"}]"#,
        r#","splitParts":true"#,
    );
    let dry = send(
        "{a}",
        &["34666555444", "34666555333"],
        &format!(r#"[{{"a":"{long}"}},{{"a":"x"}}]"#),
        r#","parts":2"#,
    );
    let mut stories: Vec<String> =
        [json, none, split].iter().map(|json| story(json, &house.send(json))).collect();
    let planned = house.call("POST", "/api/rest/sms?dryRun=1", &dry);
    stories.push(story(&dry, &planned));
    insta::assert_snapshot!(stories.concat());
}

#[test]
fn each_text_is_paid_by_its_own_parts() {
    let house = House::open();
    let balance = |house: &House| house.call("GET", "/api/rest/account", "").body;
    let long = "x".repeat(200);
    let sub = format!(r#"[{{"a":"{long}"}},{{"a":"short"}}]"#);
    let json = send("{a}", &["34666555444", "34666555333"], &sub, r#","parts":3"#);
    let answer = house.send(&json);
    let parts: Vec<_> = (0..2).map(|i| answer.json()["result"][i]["parts"].clone()).collect();
    assert_eq!(parts, [2, 1]);
    assert!(balance(&house).contains("99.85"), "{}", balance(&house));
    for i in 0..2 {
        house.until(&id(&answer, i), |sms| sms["isDelivered"] == true);
    }
}

#[test]
fn a_scheduled_personal_text_is_shown_as_it_will_be_sent() {
    let house = House::open();
    let more = r#","scheduleDate":"20991231235959""#;
    let answer = house.send(&send("Hi {a}", &["34666555444"], r#"[{"a":"Ana"}]"#, more));
    let shown = house.call("GET", &format!("/api/rest/scheduled?guid={}", id(&answer, 0)), "");
    assert_eq!(shown.json()["result"]["content"]["message"], "Hi Ana");
}

/// Sends a text with a link to `target`; gives the message's id and the link's path.
fn linked(house: &House, target: &str) -> (String, String) {
    let sub = format!(r#"[{{"u":"{target}"}}]"#);
    let answer = house.send(&send("See {u|shorten} now", &["34666555444"], &sub, ""));
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = id(&answer, 0);
    let text = text_of(house, &id);
    let link = text.strip_prefix("See ").and_then(|rest| rest.strip_suffix(" now"));
    let link = link.unwrap_or_else(|| panic!("{text}"));
    let path = link.strip_prefix("https://sms.example.com").unwrap_or_else(|| panic!("{link}"));
    house.until(&id, |sms| sms["isDelivered"] == true);
    (id, path.to_owned())
}

#[test]
fn a_short_link_leads_where_its_message_said_and_the_click_is_told() {
    let house = House::open();
    let (id, path) = linked(&house, "https://example.com/offer?a=b");
    assert_eq!((path.len(), path.starts_with("/s/")), (15, true), "{path}");
    let answer = house.call_with("GET", &path, &[("User-Agent", PHONE)], b"");
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!(answer.header("location"), Some("https://example.com/offer?a=b"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let status = house.until(&id, |sms| sms["isClicked"] == true);
    let click = status["data"][0]["events"].as_array().expect("events").last().expect("a click");
    assert_eq!(
        (&click["type"], &click["isMobile"], &click["browser"], &click["os"], &click["device"]),
        (&"clicked".into(), &true.into(), &"Chrome".into(), &"Android".into(), &"mobile".into())
    );
    assert_eq!(click["url"], "https://example.com/offer?a=b");
}

/// A page that nobody here serves, in this test's own words.
const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
                    <!doctype html><title>Offer</title><p>Half price today</p>";

#[test]
fn a_browser_that_opens_a_short_link_shows_the_page_that_it_leads_to() {
    let house = House::open();
    let page = Sink::start(Behaviour::recording(pombo_peers::sink::Answer::Raw(PAGE.into())));
    let (id, path) = linked(&house, &page.url("/offer?a=b"));
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // Without a screen it would call itself a machine, and a machine's clicks do not count.
        .arg(format!("--user-agent={PHONE}"))
        .arg(format!("--user-data-dir={}", house.folder.join("browser").display()))
        .arg("--dump-dom")
        .arg(format!("http://{}{path}", house.address))
        .output()
        .unwrap_or_else(|error| panic!("chromium: {error}; run `cargo xtask setup`"));
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("<p>Half price today</p>"), "{output:?}");
    assert!(page.targets().contains(&"/offer?a=b".to_owned()), "{:?}", page.targets());
    let status = house.until(&id, |sms| sms["isClicked"] == true);
    let events = status["data"][0]["events"].as_array().expect("events");
    let clicks: Vec<_> = events.iter().filter(|event| event["type"] == "clicked").collect();
    assert_eq!(clicks.len(), 1, "{clicks:?}");
    assert_eq!((&clicks[0]["browser"], &clicks[0]["os"]), (&"Chrome".into(), &"Android".into()));
}

#[test]
fn who_only_looks_is_sent_on_and_not_counted() {
    let house = House::open();
    let (id, path) = linked(&house, "https://example.com/");
    for (method, headers) in [
        ("GET", &[("User-Agent", "WhatsApp/2.24.6.77 A")][..]),
        ("GET", &[("User-Agent", "TelegramBot (like TwitterBot)")]),
        ("GET", &[("User-Agent", PHONE), ("Sec-Purpose", "prefetch;prerender")]),
        ("GET", &[]),
        ("HEAD", &[("User-Agent", PHONE)]),
    ] {
        let answer = house.call_with(method, &path, headers, b"");
        assert_eq!(answer.status, 302, "{method} {headers:?}");
        assert_eq!(answer.header("location"), Some("https://example.com/"));
    }
    let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
    assert_eq!(status["data"][0]["isClicked"], false, "{status}");
}

#[test]
fn an_unknown_link_leads_nowhere_whatever_it_asks_for() {
    let house = House::open();
    let (_, path) = linked(&house, "https://example.com/");
    let other = if path.ends_with('0') { "1" } else { "0" };
    let changed = format!("{}{other}", &path[..path.len() - 1]);
    for path in [
        changed.as_str(),
        "/s/000000000000",
        "/s/short",
        "/s/%2e%2e%2f%2e%2e%2f",
        "/s/https:%2F%2Fevil.example",
        &format!("{path}x"),
    ] {
        let answer = house.call_with("GET", path, &[("User-Agent", PHONE)], b"");
        assert_eq!((answer.status, answer.header("location")), (404, None), "{path}");
        assert!(answer.body.contains("This link leads nowhere"), "{path}: {}", answer.body);
    }
    // The query and the host that was called change nothing of where it leads.
    let odd = format!("{path}?url=https://evil.example");
    let answer = house.call_with(
        "GET",
        &odd,
        &[("User-Agent", PHONE), ("X-Forwarded-Host", "evil.example")],
        b"",
    );
    assert_eq!(answer.header("location"), Some("https://example.com/"));
}

#[test]
fn a_large_personal_request_comes_in_by_pieces() {
    let house = House::open();
    let n = 1_500;
    let to: Vec<String> = (0..n).map(|i| (34_600_000_000_u64 + i).to_string()).collect();
    let sub: Vec<String> =
        (0..n).map(|i| format!(r#"{{"n":"{i}","u":"https://example.com/{i}"}}"#)).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let json = send(
        "No {n}: {u|shorten}",
        &to,
        &format!("[{}]", sub.join(",")),
        r#","scheduleDate":"20991231235959""#,
    );
    let answer = house.send(&json);
    assert_eq!(answer.status, 202, "{}", &answer.body[..answer.body.len().min(300)]);
    for i in [0, 332, 333, 334, 1_499] {
        let text = text_of(&house, &id(&answer, i));
        assert!(text.starts_with(&format!("No {i}: https://sms.example.com/s/")), "{text}");
        let path = &text[text.find("/s/").expect("a link")..];
        let leads = house.call_with("GET", path, &[], b"");
        assert_eq!(leads.header("location"), Some(format!("https://example.com/{i}").as_str()));
    }
}

#[test]
fn an_account_has_short_links_of_its_own_domain() {
    let house = House::open();
    let url = format!("sqlite:{}", house.folder.join("pombo.db").display());
    let beside = Options { exclusive: false, ..Options::default() };
    let store = Store::open(&url, &beside).expect("a store beside");
    let set = |link_url: &str| {
        let settings =
            operate::Settings { link_url: Some(Some(link_url.into())), ..Default::default() };
        operate::account_set(&store, &pombo_app::clock::Clock::system(), "username", settings)
    };
    for bad in ["go.example", "https://go.example/?a=b", "https://go.example/#x", "none at all"] {
        assert!(set(bad).is_err(), "{bad}");
    }
    set("https://Go.example/l/").expect("an address");
    let json = send("{u|shorten}", &["34666555444"], r#"[{"u":"https://example.com"}]"#, "");
    // The change takes effect within a second.
    let over = Instant::now() + Duration::from_secs(30);
    loop {
        let text = text_of(&house, &id(&house.send(&json), 0));
        if text.starts_with("https://go.example/l/s/") {
            assert_eq!(text.len(), "https://go.example/l/s/".len() + 12);
            break;
        }
        assert!(Instant::now() < over, "{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

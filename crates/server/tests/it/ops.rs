//! What operators and their tools see.

use std::io::Write;

use crate::house::House;

#[test]
fn life_and_readiness_are_told() {
    let house = House::open();
    assert_eq!(house.call_with("GET", "/healthz", &[], b"").status, 200);
    let ready = house.call_with("GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(ready.json()["routes"][0]["state"], "up");
}

#[test]
fn without_a_route_it_is_alive_and_not_ready() {
    let house = House::with(|config| config.routes.clear());
    assert_eq!(house.call_with("GET", "/healthz", &[], b"").status, 200);
    let ready = house.call_with("GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["reasons"][0], "no route is configured");
}

/// What pombo wrote about a message is all that is damaged, as by a disk that fails.
#[test]
fn a_damaged_store_refuses_for_a_while_and_says_when_to_come_again() {
    let house = House::open();
    let sent =
        house.send(r#"{"to":["34666555444"],"from":"TEST","message":"what was sound once"}"#);
    assert_eq!(sent.status, 202);
    let id = sent.json()["result"][0]["id"].as_str().unwrap().to_owned();
    house.until(&id, |sms| sms["isDelivered"] == true);
    // Once more, so that nothing of it is in memory.
    let house = house.again(|_| {});
    let file = house.folder.join("pombo.db");
    let mut octets = std::fs::read(&file).unwrap();
    let text = b"what was sound once";
    let has_text = |page: &&mut [u8]| page.windows(text.len()).any(|words| words == text);
    let damaged = octets.chunks_mut(4_096).filter(has_text).map(|page| page.fill(0xff)).count();
    assert!(damaged > 0, "the text is in no page");
    let mut disk = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    disk.write_all(&octets).unwrap();
    let ask = |method, target: &str, body| {
        let answer = house.call(method, target, body);
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(answer.json()["error"]["code"], 101, "{answer:?}");
    };
    ask("GET", &format!("/api/rest/sms/{id}"), "");
    ask("POST", "/api/rest/sms", r#"{"to":["34666555444"],"from":"TEST","message":"lost?"}"#);
    let ready = house.call_with("GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("damaged"), "{}", ready.body);
    assert_eq!(house.call_with("GET", "/healthz", &[], b"").status, 200);
}

#[test]
fn metrics_have_their_names() {
    let house = House::open();
    house.send(r#"{"to":["34666555444"],"from":"TEST","message":"counted"}"#);
    let metrics = house.call_with("GET", "/metrics", &[], b"").body;
    for name in ["pombo_http_requests_total", "pombo_route_up"] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    // Where tests share a process, those of others are counted too.
    let accepted =
        metrics.lines().find_map(|line| line.strip_prefix("pombo_messages_accepted_total "));
    assert!(accepted.unwrap().parse::<u64>().unwrap() >= 1, "{metrics}");
    assert!(!metrics.contains("34666555444"), "numbers are nobody's business");
}

#[test]
fn the_documentation_is_served_without_the_internet() {
    let house = House::open();
    let document = house.call_with("GET", "/openapi.json", &[], b"").json();
    assert!(document["paths"]["/api/rest/sms"]["post"].is_object());
    assert_eq!(document["servers"][0]["url"], "https://sms.example.com");
    let page = house.call_with("GET", "/docs/", &[], b"");
    assert_eq!(page.status, 200);
    for attribute in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(!page.body.contains(attribute), "the page loads something from elsewhere");
    }
    let script = house.call_with("GET", "/docs/swagger-ui-bundle.js", &[], b"");
    assert!(script.status == 200 && script.body.len() > 100_000);
}

#[test]
fn the_front_page_says_what_is_here() {
    let house = House::with(|config| config.brand.name = "<Doves & Co>".into());
    let page = house.call_with("GET", "/", &[], b"");
    assert!(page.body.contains("<h1>&lt;Doves &amp; Co&gt;</h1>"), "{}", page.body);
    assert!(page.body.contains("/sandbox"));
    assert!(page.body.contains("Help: support@example.com"), "who knows about a country's rules");
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
}

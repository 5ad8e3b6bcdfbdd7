//! What operators and their tools see.

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

#[test]
fn metrics_have_their_names() {
    let house = House::open();
    house.send(r#"{"to":["34666555444"],"from":"TEST","message":"counted"}"#);
    let metrics = house.call_with("GET", "/metrics", &[], b"").body;
    for name in ["pombo_messages_accepted_total 1", "pombo_http_requests_total", "pombo_route_up"] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
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

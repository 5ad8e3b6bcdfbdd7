//! `GET /sms/{ids}`: what became of messages.

use crate::house::{House, story};

fn send(house: &House, to: &str, more: &str) -> String {
    let json = format!(r#"{{"to":["{to}"],"from":"TEST","message":"text"{more}}}"#);
    let answer = house.send(&json);
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["result"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_delivered_message_tells_its_life() {
    let house = House::open();
    let id = send(&house, "34666555444", r#","campaignName":"Spring""#);
    house.until(&id, |sms| sms["isDelivered"] == true);
    let answer = house.call("GET", &format!("/api/rest/sms/{id}"), "");
    insta::assert_snapshot!(story("GET /api/rest/sms/ID", &answer));
}

#[test]
fn details_tell_each_parts_route_cost_and_history() {
    let house = House::open();
    let delivered = send(&house, "34699000007", "");
    let refused = send(&house, "34699000005", "");
    house.until(&refused, |sms| !sms["events"].as_array().unwrap().is_empty());
    house.until(&delivered, |sms| sms["isDelivered"] == true);
    let path = format!("/api/rest/sms/{delivered},{refused}?details=1");
    let answer = house.call("GET", &path, "");
    insta::assert_snapshot!(story("GET /api/rest/sms/ID,ID?details=1", &answer));
    let path = format!("/api/rest/sms/{delivered}?details=perhaps");
    assert_eq!(house.call("GET", &path, "").status, 422);
}

#[test]
fn each_outcome_has_its_event() {
    let house = House::open();
    let mut seen = Vec::new();
    for (to, last) in [
        ("34699000002", "undelivered"),
        ("34699000003", "expired"),
        ("34699000004", "rejected"),
        ("34699000005", "rejected"),
        ("34699000009", "delivered"),
        ("34699000010", "delivered"),
    ] {
        let id = send(&house, to, "");
        let status = house.until(&id, |sms| {
            sms["events"].as_array().and_then(|e| e.last()).is_some_and(|e| e["type"] == last)
        });
        let events = status["data"][0]["events"].as_array().unwrap();
        let words: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
        seen.push(format!("{to} {}", words.join(", ")));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn parts_are_told_apart() {
    let house = House::open();
    let long = format!(r#","message":"{}","parts":3"#, "a".repeat(300));
    let id = send(&house, "34666555444", &long);
    let status = house.until(&id, |sms| sms["isDelivered"] == true);
    let events = status["data"][0]["events"].as_array().unwrap();
    let mut parts: Vec<i64> = events
        .iter()
        .filter(|e| e["type"] == "delivered")
        .map(|e| e["part"].as_i64().unwrap())
        .collect();
    parts.sort_unstable();
    assert_eq!(parts, [1, 2]);
}

#[test]
fn unknown_ids_are_left_out_and_none_at_all_is_404() {
    let house = House::open();
    let id = send(&house, "34666555444", "");
    let other = send(&house, "34666555333", "");
    let path = format!("/api/rest/sms/1,{other},XXXX, {id},-5,99999999999999999999");
    let data = house.call("GET", &path.replace(' ', "%20"), "").json();
    let ids: Vec<&str> =
        data["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(ids[0], other);
    for path in ["/api/rest/sms/1", "/api/rest/sms/XXXXXXXXXXXXX", "/api/rest/sms/,,"] {
        assert_eq!(house.call("GET", path, "").status, 404, "{path}");
    }
}

#[test]
fn commas_may_be_percent_encoded() {
    let house = House::open();
    let (one, two) = (send(&house, "34666555444", ""), send(&house, "34666555333", ""));
    let data = house.call("GET", &format!("/api/rest/sms/{one}%2C%20{two}%2c"), "").json();
    assert_eq!(data["data"].as_array().unwrap().len(), 2);
}

#[test]
fn five_hundred_ids_are_answered_and_too_many_refused() {
    let house = House::open();
    let to: Vec<String> = (0..500).map(|n| format!("\"34600000{n:03}\"")).collect();
    let json = format!(r#"{{"to":[{}],"from":"TEST","message":"x"}}"#, to.join(","));
    let sent = house.send(&json).json();
    let ids: Vec<&str> =
        sent["result"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    let answer = house.call("GET", &format!("/api/rest/sms/{}", ids.join(",")), "");
    let found = answer.json();
    let found: Vec<&str> =
        found["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(found, ids);
    let many = vec!["1"; 1_001].join(",");
    assert_eq!(house.call("GET", &format!("/api/rest/sms/{many}"), "").status, 422);
}

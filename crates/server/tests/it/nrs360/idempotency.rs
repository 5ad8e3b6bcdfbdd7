//! `Idempotency-Key`: the same request is answered once.

use crate::house::{Answer, CREDENTIALS, House};

const JSON: &str = r#"{"to":["34666555444"],"from":"TEST","message":"once"}"#;

fn send(house: &House, key: &str, json: &str) -> Answer {
    let headers = [("Authorization", CREDENTIALS), ("Idempotency-Key", key)];
    house.call_with("POST", "/api/rest/sms", &headers, json.as_bytes())
}

#[test]
fn the_same_body_is_answered_again_and_paid_once() {
    let house = House::open();
    let first = send(&house, "order-1", JSON);
    let second = send(&house, "order-1", JSON);
    assert_eq!((first.status, &first.body), (202, &second.body));
    assert_ne!(send(&house, "order-2", JSON).body, first.body);
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 99.9);
}

#[test]
fn another_body_under_the_key_is_refused() {
    let house = House::open();
    assert_eq!(send(&house, "order-1", JSON).status, 202);
    let other = send(&house, "order-1", &JSON.replace("once", "twice"));
    assert_eq!(other.status, 422, "{}", other.body);
}

#[test]
fn a_refusal_is_not_remembered() {
    let house = House::open();
    assert_eq!(send(&house, "order-1", "{}").status, 400);
    assert_eq!(send(&house, "order-1", JSON).status, 202);
}

#[test]
fn a_key_is_1_to_255_visible_characters() {
    let house = House::open();
    for bad in ["", "two words", "ключ", &"k".repeat(256)] {
        assert_eq!(send(&house, bad, JSON).status, 422, "{bad:?}");
    }
    assert_eq!(send(&house, &"k".repeat(255), JSON).status, 202);
}

//! The document's own example answers: ours have all their fields, of the same kinds.

use serde_json::Value;

use super::Ids;
use crate::house::House;

/// Whether `ours` has whatever `sample` has, each of the same kind. What is null in one may be
/// anything in the other; lists are alike where their first items are.
fn assert_like(sample: &Value, ours: &Value, at: &str) {
    match (sample, ours) {
        (Value::Null, _) | (_, Value::Null) | (Value::Bool(_), Value::Bool(_)) => {}
        (Value::Number(a), Value::Number(b)) => {
            assert!(!a.is_i64() || b.is_i64(), "{at}: {b} is no integer as {a} is");
        }
        (Value::String(a), Value::String(b)) => {
            assert_eq!(is_date(a), is_date(b), "{at}: {b:?} is written otherwise than {a:?}");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert!(a.is_empty() || !b.is_empty(), "{at} is empty");
            if let (Some(a), Some(b)) = (a.first(), b.first()) {
                assert_like(a, b, &format!("{at}/0"));
            }
        }
        (Value::Object(a), Value::Object(b)) => {
            for (key, a) in a {
                let b = b.get(key).unwrap_or_else(|| panic!("{at} has no {key}: {ours}"));
                assert_like(a, b, &format!("{at}/{key}"));
            }
        }
        _ => panic!("{at}: {ours} is of another kind than {sample}"),
    }
}

/// How dates are written: ISO 8601 with an offset, or civil; `None` where it is no date.
fn is_date(text: &str) -> Option<usize> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    ["0000-00-00T00:00:00+00:00", "0000-00-00 00:00:00"].iter().position(|known| shape == *known)
}

#[test]
fn every_answer_has_the_fields_of_the_documents_examples() {
    let house = House::open();
    let ids = Ids::of(&house);
    for id in &ids.messages {
        house.until(id, |sms| sms["isDelivered"] == true);
    }
    let post = |path: &str, body: &str| house.call("POST", &format!("/api/rest{path}"), body);
    let get = |path: &str| house.call("GET", &format!("/api/rest{path}"), "");
    let send = |to: &str| {
        let later = r#""scheduleDate":"20990101000000","expirationDate":"20990102000000""#;
        post("/sms", &format!(r#"{{"to":[{to}],"from":"TEST","message":"x",{later}}}"#))
    };
    let said = r#"{"recipient":"34666555444","code":"x"}"#;
    let answers = [
        ("POST /sms", send("\"34666555444\"")),
        ("POST /sms, some refused", send("\"34\",\"34666555444\"")),
        ("GET /sms/{ids}", get(&format!("/sms/{}", ids.messages[0]))),
        ("GET /sms/{ids}, unknown", get("/sms/1")),
        ("GET /scheduled", get(&format!("/scheduled?guid={}", ids.scheduled[0]))),
        ("GET /campaigns", get("/campaigns")),
        ("GET /sendings", get("/sendings")),
        ("POST /otp/generate", post("/otp/generate", said)),
        ("POST /otp/check", post("/otp/check", said)),
        ("GET /coverage/sms", get("/coverage/sms")),
        ("GET /coverage/sms/countries", get("/coverage/sms/countries")),
        ("GET /account", get("/account")),
    ];
    let samples: Value = serde_json::from_str(include_str!("answers.json")).unwrap();
    assert_eq!(samples.as_object().unwrap().len(), answers.len() + 1, "the source, and these");
    for (what, answer) in &answers {
        let sample = samples.get(*what).unwrap_or_else(|| panic!("no example is for {what}"));
        assert_like(sample, &answer.json(), what);
    }
}

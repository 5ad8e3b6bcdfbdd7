//! `{OTP_CODE}` in texts: a code for each recipient, made when it leaves and shown to nobody else.

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};

use crate::house::{Answer, House};

const MESSAGE: &str = "{OTP_CODE} is your code";

fn send(house: &House, to: &[&str], more: Value) -> Answer {
    let mut body = json!({"to": to, "from": "TEST", "message": MESSAGE});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.send(&body.to_string())
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 202, "{}", answer.body);
    let result = answer.json()["result"].clone();
    result.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// What the phone of a number reads when so many messages have arrived, newest last.
fn phone(house: &House, number: &str, n: usize) -> Vec<String> {
    let mut stream = house.connect();
    stream.write_all(b"GET /sandbox/events HTTP/1.1\r\nHost: localhost:1\r\n\r\n").unwrap();
    for line in BufReader::new(stream).lines() {
        let line = line.expect("the stream goes on");
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let data: Value = serde_json::from_str(data).unwrap();
        if data["phone"] != number {
            continue;
        }
        let messages = data["messages"].as_array().unwrap();
        let arrived = messages.iter().filter(|m| m["arrived"] == m["parts"]);
        let mut texts: Vec<(String, String)> = arrived
            .map(|m| (m["at"].to_string(), m["text"].as_str().unwrap().to_owned()))
            .collect();
        if texts.len() == n {
            texts.sort();
            return texts.into_iter().map(|(_, text)| text).collect();
        }
    }
    panic!("the stream ended");
}

/// The code that a phone was told by its only message.
fn code(house: &House, number: &str) -> String {
    let text = phone(house, number, 1).remove(0);
    text.strip_suffix(" is your code").unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn check(house: &House, to: &str, code: &str) -> Value {
    check_for(house, to, code, "")
}

fn check_for(house: &House, to: &str, code: &str, app: &str) -> Value {
    let body = json!({"recipient": to, "code": code, "appId": app}).to_string();
    house.call("POST", "/api/rest/otp/check", &body).json()["data"].clone()
}

#[test]
fn each_recipient_is_told_a_code_of_its_own_with_the_documents_defaults() {
    let house = House::open();
    let answer = send(&house, &["34666555444", "34666555445"], json!({}));
    assert_eq!(ids(&answer).len(), 2);
    let codes = [code(&house, "34666555444"), code(&house, "34666555445")];
    assert!(codes.iter().all(|c| c.len() == 4 && c.bytes().all(|b| b.is_ascii_digit())));
    for (to, code) in ["34666555444", "34666555445"].iter().zip(&codes) {
        let checked = check(&house, to, code);
        assert_eq!(checked["reason"], "Valid");
        let otp = &checked["otp"]["data"];
        assert_eq!((&otp["maxAttempts"], &otp["maxSecondsValidity"]), (&json!(3), &json!(60)));
    }
}

#[test]
fn every_row_of_otp_config_is_obeyed() {
    let house = House::open();
    let to = "34666555444";
    let config = json!({"alpha": true, "length": 7, "maxAttempts": 1, "maxSecondsValidity": 90,
        "appId": "shop", "rejectIfPendingCode": true});
    ids(&send(&house, &[to], json!({"otpConfig": config})));
    let code = code(&house, to);
    assert!(
        code.len() == 7 && code.bytes().all(|c| b"23456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&c))
    );
    assert_eq!(check(&house, to, &code)["reason"], "NotFound", "another appId");
    let refused = send(&house, &[to], json!({"otpConfig": config}));
    assert_eq!(refused.status, 409, "{}", refused.body);
    let checked = check_for(&house, to, "2222222", "shop");
    let otp = &checked["otp"]["data"];
    assert_eq!((&otp["maxSecondsValidity"], &otp["appId"]), (&json!(90), &json!("shop")));
    assert_eq!(otp["code"], "****");
    assert_eq!(check_for(&house, to, &code, "shop")["reason"], "MaxAttempts");
    ids(&send(&house, &[to], json!({"otpConfig": config})));
}

#[test]
fn a_code_is_shown_on_the_phone_and_nowhere_else() {
    let house = House::open();
    let to = "34666555444";
    let sent = send(&house, &[to], json!({"campaignName": "Codes", "otpConfig": {"length": 9}}));
    let id = ids(&sent).remove(0);
    let code = code(&house, to);
    let status = house.until(&id, |sms| sms["isDelivered"] == true);
    assert_eq!(status["data"][0]["message"], "**** is your code");
    let sending = sent.json()["sendingId"].clone();
    let report = house.call("GET", &format!("/api/rest/sendings/{sending}/reports/events"), "");
    assert!(!report.body.contains(&code) && !status.to_string().contains(&code));
    for entry in std::fs::read_dir(&house.folder).unwrap() {
        let path = entry.unwrap().path();
        let octets = std::fs::read(&path).unwrap();
        let found = octets.windows(code.len()).any(|window| window == code.as_bytes());
        assert!(!found, "{} holds the code", path.display());
    }
}

#[test]
fn a_code_takes_its_length_in_parts_and_price_whatever_its_placeholder_takes() {
    let house = House::open();
    let to = "34666555444";
    for (length, filling, parts_max, status) in
        [(10, 150, 1, 202), (10, 151, 1, 400), (3, 157, 1, 202), (3, 158, 1, 400), (3, 158, 2, 202)]
    {
        let message = format!("{}{{OTP_CODE}}", "a".repeat(filling));
        for sub in [json!(null), json!([{}])] {
            let body = json!({"to": [to], "from": "TEST", "message": message, "parts": parts_max,
                "otpConfig": {"length": length}, "sub": sub});
            let answer = house.call("POST", "/api/rest/sms?dryRun=1", &body.to_string());
            assert_eq!(answer.status, status, "{length} {filling} {}", answer.body);
            if status == 202 {
                let result = &answer.json()["result"][0];
                assert_eq!(result["parts"], parts_max);
                assert_eq!(result["cost"].as_f64(), Some(0.05 * f64::from(parts_max)));
            } else {
                assert_eq!(answer.json()["error"]["code"], 105);
            }
        }
    }
    let cut = json!({"to": [to], "from": "TEST", "message": format!("{}{{OTP_CODE}}b", "a".repeat(158)),
        "splitParts": true});
    assert_eq!(house.send(&cut.to_string()).json()["error"]["code"], 142);
}

#[test]
fn values_and_filters_stand_beside_a_code() {
    let house = House::open();
    let to = "34666555444";
    let more = json!({"message": "{name|upper}: {OTP_CODE} is your code", "sub": [{"name": "Ana", "OTP_CODE": "x"}]});
    ids(&send(&house, &[to], more));
    let code = code(&house, to);
    let code = code.strip_prefix("ANA: ").unwrap();
    assert_eq!(check(&house, to, code)["reason"], "Valid");
}

#[test]
fn a_code_that_waits_is_none_yet_and_its_time_begins_when_it_leaves() {
    let house = House::open();
    let to = "34666555444";
    let more =
        json!({"scheduleDate": "20990101120000", "otpConfig": {"rejectIfPendingCode": true}});
    let id = ids(&send(&house, &[to], more.clone())).remove(0);
    assert_eq!(check(&house, to, "1234")["reason"], "NotFound");
    let listed = house.call("GET", &format!("/api/rest/scheduled?guid={id}"), "");
    assert!(listed.body.contains("**** is your code"), "{}", listed.body);
    assert_eq!(send(&house, &[to], more.clone()).status, 409, "one waits");
    let now = format!(r#"{{"guid":"{id}","scheduleDate":"20200101000000"}}"#);
    house.call("PUT", "/api/rest/scheduled", &now);
    let code = code(&house, to);
    assert_eq!(check(&house, to, &code)["reason"], "Valid");
    // What was withdrawn keeps nobody from a code.
    let id = ids(&send(&house, &[to], more.clone())).remove(0);
    house.call("DELETE", &format!("/api/rest/scheduled?guid={id}"), "");
    ids(&send(&house, &[to], more));
}

#[test]
fn recipients_of_whom_a_code_is_pending_are_left_out_and_the_others_get_theirs() {
    let house = House::open();
    let more = json!({"otpConfig": {"rejectIfPendingCode": true}});
    ids(&send(&house, &["34666555444"], more.clone()));
    let planned = house.call(
        "POST",
        "/api/rest/sms?dryRun=1",
        &json!({"to": ["34666555444", "34666555445"],
        "from": "TEST", "message": MESSAGE, "otpConfig": {"rejectIfPendingCode": true}})
        .to_string(),
    );
    assert_eq!(planned.json()["result"][0]["error"]["code"], 409);
    let mixed = send(&house, &["34666555444", "34666555445"], more.clone());
    assert_eq!(mixed.status, 207, "{}", mixed.body);
    let result = mixed.json()["result"].clone();
    assert_eq!((&result[0]["error"]["code"], &result[1]["accepted"]), (&json!(409), &json!(true)));
    let code = code(&house, "34666555445");
    assert_eq!(check(&house, "34666555445", &code)["reason"], "Valid");
    // Of many at once, one is accepted.
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |_| scope.spawn(|| send(&house, &["34666555446"], more.clone()).status);
        let asked: Vec<_> = (0..20).map(ask).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 19, "{statuses:?}");
}

#[test]
fn otp_config_without_a_code_in_the_text_means_nothing() {
    let house = House::open();
    let to = "34666555444";
    let id = ids(&send(&house, &[to], json!({"message": "plain", "otpConfig": {"length": 99}})))
        .remove(0);
    house.until(&id, |sms| sms["isDelivered"] == true && sms["message"] == "plain");
    assert_eq!(check(&house, to, "1234")["reason"], "NotFound");
}

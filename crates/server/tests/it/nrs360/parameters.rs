//! Every parameter of `POST /sms` and what the answer makes of it.

use crate::house::{House, story};

/// A request with more fields, to one recipient.
fn with(fields: &str) -> String {
    format!(r#"{{"to":["34666555444"],"from":"TEST","message":"SMS text message"{fields}}}"#)
}

#[test]
fn every_parameter_is_taken() {
    let house = House::open();
    let long = "a".repeat(161);
    let requests = [
        with(""),
        r#"{"to":["34666555444","34666555333"],"from":"346000000000","message":"two"}"#.into(),
        r#"{"to":[34666555444,"no number","34666555333"],"from":"TEST","message":"mixed"}"#.into(),
        r#"{"to":"34666555444","from":"TEST","message":"one bare recipient"}"#.into(),
        r#"{"to":["+34 666 555 444"],"from":"TEST","message":"spaces"}"#.into(),
        with(r#","encoding":"gsm""#),
        r#"{"to":["5511966778899"],"from":"TEST","message":"não há ação","encoding":"gsm-pt"}"#
            .into(),
        r#"{"to":["34666555444"],"from":"TEST","message":"你好","encoding":"utf-16"}"#.into(),
        format!(r#"{{"to":["34666555444"],"from":"TEST","message":"{long}","parts":2}}"#),
        format!(r#"{{"to":["34666555444"],"from":"TEST","message":"{long}","splitParts":true}}"#),
        r#"{"to":["34666555444"],"from":"TEST","message":"Não há ação nº 1","trans":1}"#.into(),
        with(r#","flash":true"#),
        with(r#","scheduleDate":"20991231235959""#),
        with(r#","scheduleDate":"20991231235959","expirationDate":"21000101000000""#),
        with(r#","expirationDate":"20991231235959""#),
        with(
            r#","availableTimes":[{"day":1,"from":"09:00","to":"21:00"},{"from":"00:00","to":"23:59"}]"#,
        ),
        with(r#","notificationUrl":"https://example.com/dlr?id=%i&estado=%d""#),
        with(r#","notificationUrl":["https://example.com/dlr?id=%i"]"#),
        with(r#","campaignName":"Spring","tags":["a","b"]"#),
        with(r#","campaignName":"Spring","tags":["c"]"#),
        with(r#","category":"marketing""#),
        with(r#","message":"Your code is {OTP_CODE}, {name|upper}","surprise":1"#),
    ];
    let stories: Vec<String> = requests.iter().map(|json| story(json, &house.send(json))).collect();
    insta::assert_snapshot!(stories.concat());
}

#[test]
fn an_answer_without_refusals_never_says_error() {
    let house = House::open();
    let answer = house.send(&with(""));
    assert_eq!(answer.status, 202);
    assert!(!answer.body.contains("error"), "{}", answer.body);
}

#[test]
fn the_content_type_does_not_matter() {
    let house = House::open();
    for content_type in ["application/json", "application/x-www-form-urlencoded", "text/plain", ""]
    {
        let headers =
            [("Authorization", crate::house::CREDENTIALS), ("Content-Type", content_type)];
        let answer = house.call_with("POST", "/api/rest/sms/", &headers, with("").as_bytes());
        assert_eq!(answer.status, 202, "{content_type:?}");
    }
}

#[test]
fn a_dry_run_decides_everything_and_sends_nothing() {
    let house = House::open();
    let json = r#"{"to":["34666555444","nobody"],"from":"TEST","message":"x"}"#;
    let mut stories = String::new();
    for query in ["?dryRun=1", "?dryRun", "?dryRun=true&x=y", "?dryRun=perhaps"] {
        let target = format!("/api/rest/sms{query}");
        stories.push_str(&story(&format!("{query} {json}"), &house.call("POST", &target, json)));
    }
    insta::assert_snapshot!(stories);
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 100.0);
    let many = (0..2_001).map(|n| format!("34600{n:06}")).collect::<Vec<_>>();
    let json = serde_json::json!({"to": many, "from": "TEST", "message": "x"}).to_string();
    let answers = ["?dryRun=1", ""].map(|query| {
        let answer = house.call("POST", &format!("/api/rest/sms{query}"), &json);
        (answer.status, answer.body)
    });
    assert_eq!(answers[0], answers[1], "what cannot be paid is refused alike");
    assert_eq!(answers[0].0, 402);
}

#[test]
fn what_is_accepted_is_paid_and_arrives() {
    let house = House::open();
    let answer = house.send(&with(""));
    let id = answer.json()["result"][0]["id"].as_str().unwrap().to_owned();
    house.until(&id, |sms| sms["isDelivered"] == true);
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 99.95);
}

//! The older form: `POST /Api/rest/message` and `GET /Api/get/send.php`.

use crate::house::{Answer, House, story};

const PAIR: &str = "username=username&password=apiPassword";

fn message(house: &House, json: &str) -> Answer {
    house.call("POST", "/Api/rest/message", json)
}

fn send_php(house: &House, query: &str) -> Answer {
    house.call_with("GET", &format!("/Api/get/send.php?{query}"), &[], b"")
}

#[test]
fn a_message_is_answered_with_an_array() {
    let house = House::open();
    let mut stories = String::new();
    for json in [
        r#"{"to":["34666555444"],"text":"Hello","from":"TEST"}"#,
        r#"{"to":["34666555444","34"],"text":"Hello","from":"TEST"}"#,
        r#"{"to":["34"],"text":"Hello","from":"TEST"}"#,
        r#"{"to":["34666555444"],"from":"TEST"}"#,
        r#"{"to":["34666555444"],"text":"Hello","from":"TEST","coding":"utf-8"}"#,
        r#"{"to":["34666555444"],"text":"Hello","from":"TEST","fsend":"tomorrow"}"#,
        r#"{"to":["34666555444"],"text":"Hello","from":"TEST","dlr-url":"ftp://x"}"#,
        "nothing",
    ] {
        stories.push_str(&story(&format!("POST /Api/rest/message {json}"), &message(&house, json)));
    }
    insta::assert_snapshot!(stories);
}

#[test]
fn the_older_names_of_fields_are_read() {
    let house = House::open();
    for (json, text) in [
        (r#""text":"ação","trsec":1"#, "aÇão"),
        (r#""text":"ação","tresc":"true""#, "aÇão"),
        (r#""text":"ação","trans":true"#, "aÇão"),
        (r#""text":"ação","coding":"utf-16""#, "ação"),
        (r#""text":"ação","encoding":"gsm-pt""#, "ação"),
        (r#""text":"plain","coding":0"#, "plain"),
        (r#""text":"plain","coding":"0","parts":"2","message":"other""#, "plain"),
    ] {
        let text = text.replace('ã', if text.contains('Ç') { "a" } else { "ã" });
        let json = format!(r#"{{"to":[34666555444],"from":"TEST",{json}}}"#);
        let answer = message(&house, &json);
        assert_eq!(answer.status, 202, "{json}: {}", answer.body);
        let id = answer.json()[0]["id"].as_str().unwrap().to_owned();
        let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
        assert_eq!(status["data"][0]["message"], text, "{json}");
    }
}

#[test]
fn credit_and_credentials_are_told_as_everywhere() {
    let house = House::open();
    let many: Vec<String> = (0..2_001).map(|n| format!("\"34600{n:06}\"")).collect();
    let json = format!(r#"{{"to":[{}],"text":"x","from":"TEST"}}"#, many.join(","));
    let answer = message(&house, &json);
    assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (402, Some(111)));
    let answer = house.call_with("POST", "/Api/rest/message", &[], b"{}");
    assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (401, Some(103)));
    assert_eq!(house.call("GET", "/Api/rest/message", "").status, 405);
}

#[test]
fn send_php_is_answered_with_a_line_of_text() {
    let house = House::open();
    let mut stories = String::new();
    for query in [
        format!("{PAIR}&to=34666555444&text=Hello&from=TEST"),
        format!("{PAIR}&to=34666555444+34666555333+34&text=Hello+you&from=TEST&coding=0"),
        format!("{PAIR}&to=34&text=Hello&from=TEST"),
        format!("{PAIR}&to=34666555444&text=&from=TEST"),
        format!("{PAIR}&to=34666555444&text=Hello"),
        "username=username&password=wrong&to=34666555444&text=Hello&from=TEST".to_owned(),
        String::new(),
    ] {
        stories.push_str(&story(&format!("GET {query}"), &send_php(&house, &query)));
    }
    insta::assert_snapshot!(stories);
}

#[test]
fn what_send_php_sends_arrives() {
    let house = House::open();
    // Several numbers have a plus between them, as it is, as a space, or written out.
    let query = format!("{PAIR}&to=34666555444+34666555445%2B%2B34666555446&text=x&from=TEST");
    assert_eq!(send_php(&house, &query).body.lines().count(), 3);
    let query = format!("{PAIR}&to=34666555444&text=a%20b%20%C3%A7&from=TEST&coding=gsm-pt");
    let answer = house.call_with("GET", &format!("/SEND.PHP?{query}"), &[], b"");
    let (_, id) = answer.body.split_once(" ID ").unwrap();
    let status = house.until(id, |sms| sms["isDelivered"] == true);
    assert_eq!(status["data"][0]["message"], "a b ç");
}

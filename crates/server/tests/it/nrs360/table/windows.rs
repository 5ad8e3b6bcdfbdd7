//! Each mistake in `availableTimes` by its code, and windows that overlap.

use super::{assert_refused, errors};
use crate::house::House;

fn refused(code: u16, times: &[&str]) {
    let house = House::open();
    let (_, words) = errors()[&code].clone();
    for times in times {
        let json = format!(
            r#"{{"to":["34666555444"],"from":"TEST","message":"x","availableTimes":{times}}}"#
        );
        assert_refused(&house.send(&json), code, &words, times);
    }
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 100.0, "a refused request costs nothing");
}

#[test]
fn code_183_what_is_no_list() {
    refused(183, &["\"always\"", "7", "true", r#"{"from":"09:00","to":"21:00"}"#, "{}"]);
}

#[test]
fn code_184_a_day_that_is_no_integer() {
    let of = |day: &str| format!(r#"[{{"day":{day},"from":"09:00","to":"21:00"}}]"#);
    let times: Vec<String> = ["\"x\"", "\"\"", "1.5", "true", "[1]", "{}"].map(of).into();
    refused(184, &times.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn code_185_a_day_out_of_the_week() {
    let of = |day: &str| format!(r#"[{{"day":{day},"from":"09:00","to":"21:00"}}]"#);
    let times: Vec<String> = ["0", "8", "-1", "\"9\"", "1000000000000"].map(of).into();
    refused(185, &times.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn code_186_a_from_that_is_no_time() {
    let of = |from: &str| format!(r#"[{{"from":{from},"to":"21:00"}}]"#);
    let times: Vec<String> =
        ["\"9:00\"", "\"09.00\"", "\"24:00\"", "\"09:60\"", "\"\"", "9", "[]"].map(of).into();
    refused(186, &times.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn code_187_a_to_that_is_no_time() {
    let of = |to: &str| format!(r#"[{{"from":"09:00","to":{to}}}]"#);
    let times: Vec<String> =
        ["\"21\"", "\"24:01\"", "\"21:60\"", "\"٢١:٠٠\"", "\"\"", "21", "{}"].map(of).into();
    refused(187, &times.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn code_188_a_from_after_its_to() {
    refused(
        188,
        &[
            r#"[{"from":"21:00","to":"09:00"}]"#,
            r#"[{"from":"00:01","to":"00:00"}]"#,
            // One good window does not mend another.
            r#"[{"from":"09:00","to":"21:00"},{"day":2,"from":"21:00","to":"20:59"}]"#,
        ],
    );
}

#[test]
fn code_189_a_window_without_its_properties() {
    refused(
        189,
        &[
            "[{}]",
            r#"[{"day":1}]"#,
            r#"[{"from":"09:00"}]"#,
            r#"[{"to":"21:00"}]"#,
            r#"[{"from":null,"to":"21:00"}]"#,
            "[5]",
            "[null]",
            r#"["09:00-21:00"]"#,
        ],
    );
}

#[test]
fn code_194_no_window_at_all() {
    refused(194, &["[]", "\"\""]);
}

#[test]
fn code_196_a_window_that_is_too_short() {
    refused(
        196,
        &[
            r#"[{"from":"09:00","to":"09:00"}]"#,
            r#"[{"from":"09:00","to":"09:14"}]"#,
            r#"[{"day":7,"from":"23:50","to":"24:00"}]"#,
        ],
    );
}

#[test]
fn windows_may_overlap_and_the_message_goes_in_either() {
    let house = House::open();
    // The whole day, in two windows that overlap, one of them twice.
    let times = r#"[{"from":"00:00","to":"13:00"},{"from":"12:00","to":"24:00"},
        {"from":"12:00","to":"24:00"}]"#;
    let json =
        format!(r#"{{"to":["34666555444"],"from":"TEST","message":"x","availableTimes":{times}}}"#);
    let sent = house.send(&json);
    assert_eq!(sent.status, 202, "{}", sent.body);
    let id = sent.json()["result"][0]["id"].as_str().unwrap().to_owned();
    house.until(&id, |sms| sms["isDelivered"] == true);
}

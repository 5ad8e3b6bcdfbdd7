//! `/otp/generate` and `/otp/check`: codes asked for and checked over HTTP.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::house::{Answer, House, story};

fn generate(house: &House, body: &str) -> Answer {
    house.call("POST", "/api/rest/otp/generate", body)
}

fn check(house: &House, body: &Value) -> Value {
    let answer = house.call("POST", "/api/rest/otp/check", &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"].clone()
}

fn code_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"]["code"].as_str().unwrap().to_owned()
}

/// Another code of the same form.
fn wrong(code: &str) -> String {
    let other = if code.starts_with('7') { "8" } else { "7" };
    format!("{other}{}", &code[1..])
}

#[test]
fn a_code_is_made_with_the_documents_defaults_and_checked() {
    let house = House::open();
    let mut stories = String::new();
    let mut tell = |house: &House, path: &str, body: &str, code: &str| {
        let answer = house.call("POST", &format!("/api/rest/otp/{path}"), body);
        let told = story(&format!("POST /otp/{path} {body}"), &answer);
        stories.push_str(&if code.is_empty() {
            told
        } else {
            told.replace(&format!("\"{code}\""), "\"CODE\"")
        });
        answer
    };
    let answer = generate(&house, r#"{"recipient":"+34 666 555 444"}"#);
    let code = code_of(&answer);
    assert!(code.len() == 4 && code.bytes().all(|c| c.is_ascii_digit()), "{code}");
    let told = answer.json()["data"].clone();
    for (key, value) in [
        ("recipient", json!("34666555444")),
        ("attempts", json!(0)),
        ("maxAttempts", json!(3)),
        ("maxSecondsValidity", json!(60)),
        ("appId", json!("")),
    ] {
        assert_eq!(told[key], value, "{key}");
    }
    assert_eq!(told["createdAt"], told["updatedAt"]);
    let body = |code: &str| json!({"recipient": "34666555444", "code": code}).to_string();
    tell(&house, "check", &body(&wrong(&code)), &wrong(&code));
    tell(&house, "check", &body(&code), &code);
    tell(&house, "check", &body(&code), &code);
    tell(&house, "check", r#"{"recipient":"34666555999","code":"1"}"#, "");
    insta::assert_snapshot!(stories);
}

#[test]
fn every_row_of_the_table_holds_its_range_and_says_so() {
    let house = House::open();
    for (field, good, bad) in [
        ("alpha", json!([true, false, 1, "yes", null]), json!(["maybe", 2, [], {}])),
        ("length", json!([3, 10, "4", null]), json!([2, 11, -1, "x", 4.5, true, []])),
        ("maxAttempts", json!([1, 10, null]), json!([0, 11, "x", {}])),
        ("maxSecondsValidity", json!([30, 600, null]), json!([29, 601, 6000, "x"])),
        ("appId", json!(["", "shop", 7, "x".repeat(64), null]), json!(["x".repeat(65), true, []])),
        ("rejectIfPendingCode", json!([false, 0, null]), json!(["maybe", 2, []])),
    ] {
        for value in good.as_array().unwrap() {
            let answer =
                generate(&house, &json!({"recipient": "34666555444", field: value}).to_string());
            assert_eq!(answer.status, 200, "{field} {value} {}", answer.body);
        }
        for value in bad.as_array().unwrap() {
            let answer =
                generate(&house, &json!({"recipient": "34666555444", field: value}).to_string());
            assert_eq!(answer.status, 422, "{field} {value} {}", answer.body);
            let words = answer.json()["error"]["description"].as_str().unwrap().to_owned();
            assert!(words.starts_with(&format!("The {field} field must ")), "{words}");
        }
    }
    let words = |body: &str| generate(&house, body).json()["error"]["description"].clone();
    assert_eq!(
        words(r#"{"recipient":"34666555444","length":2}"#),
        "The length field must be between 3 and 10."
    );
}

#[test]
fn alpha_and_length_are_as_asked_for() {
    let house = House::open();
    for length in 3..=10 {
        let ask = json!({"recipient": "34666555444", "alpha": true, "length": length});
        let code = code_of(&generate(&house, &ask.to_string()));
        assert_eq!(code.len(), length);
        assert!(code.bytes().all(|c| b"23456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&c)), "{code}");
        let checked =
            check(&house, &json!({"recipient": 34666555444_i64, "code": code.to_lowercase()}));
        assert_eq!(checked["reason"], "Valid");
        assert_eq!(checked["otp"]["data"]["code"], code);
    }
}

#[test]
fn max_attempts_ends_a_code_and_a_wrong_guess_is_not_told_the_right_one() {
    let house = House::open();
    let code = code_of(&generate(&house, r#"{"recipient":"34666555444","maxAttempts":2}"#));
    for n in 1..=2 {
        let checked = check(&house, &json!({"recipient": "34666555444", "code": wrong(&code)}));
        assert_eq!((&checked["valid"], &checked["reason"]), (&json!(false), &json!("Invalid")));
        let otp = &checked["otp"]["data"];
        assert_eq!((&otp["attempts"], &otp["code"]), (&json!(n), &json!("****")));
    }
    let checked = check(&house, &json!({"recipient": "34666555444", "code": code}));
    assert_eq!((&checked["valid"], &checked["reason"]), (&json!(false), &json!("MaxAttempts")));
    assert_eq!(checked["otp"]["data"]["attempts"], 2);
}

#[test]
fn reject_if_pending_code_answers_409_until_the_code_is_spent() {
    let house = House::open();
    let ask = r#"{"recipient":"Ana.Lopez@Example.com","rejectIfPendingCode":true}"#;
    let code = code_of(&generate(&house, ask));
    let refused = generate(&house, ask);
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &json!(409)));
    let other =
        r#"{"recipient":"ana.lopez@example.com","rejectIfPendingCode":true,"appId":"shop"}"#;
    assert_eq!(generate(&house, other).status, 200, "another appId has its own");
    let checked = check(&house, &json!({"recipient": "ana.lopez@EXAMPLE.com", "code": code}));
    assert_eq!(checked["reason"], "Valid");
    assert_eq!(checked["otp"]["data"]["recipient"], "ana.lopez@example.com");
    assert_eq!(generate(&house, ask).status, 200);
}

#[test]
fn what_is_no_recipient_or_no_code_is_told() {
    let house = House::open();
    let long = format!(r#"{{"recipient":"34666555444","code":"{}"}}"#, "1".repeat(33));
    for (path, body, code, words) in [
        ("generate", "nothing", 125, "Invalid JSON"),
        ("generate", "{}", 422, "The recipient field is required."),
        ("generate", r#"{"recipient":""}"#, 422, "The recipient field is required."),
        (
            "generate",
            r#"{"recipient":"34"}"#,
            422,
            "The recipient field must be a valid phone or email.",
        ),
        (
            "generate",
            r#"{"recipient":"a@b"}"#,
            422,
            "The recipient field must be a valid phone or email.",
        ),
        (
            "generate",
            r#"{"recipient":["34666555444"]}"#,
            422,
            "The recipient field must be a valid phone or email.",
        ),
        ("check", r#"{"code":"1234"}"#, 422, "The recipient field is required."),
        ("check", r#"{"recipient":"34666555444"}"#, 422, "The code field is required."),
        ("check", r#"{"recipient":"34666555444","code":" "}"#, 422, "The code field is required."),
        (
            "check",
            r#"{"recipient":"34666555444","code":[]}"#,
            422,
            "The code field must be a string.",
        ),
        ("check", &long, 422, "The code field must not be greater than 32 characters."),
        (
            "check",
            r#"{"recipient":"34666555444","code":"1","appId":[]}"#,
            422,
            "The appId field must be a string.",
        ),
    ] {
        let answer = house.call("POST", &format!("/api/rest/otp/{path}"), body);
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["code"], &error["description"]),
            (&json!(code), &json!(words)),
            "{body}"
        );
    }
    assert_eq!(house.call("GET", "/api/rest/otp/check", "").status, 405);
}

/// Many people at once, with the right code among wrong ones.
#[test]
fn of_parallel_checks_as_many_are_compared_as_may_be_and_one_is_right() {
    let house = House::open();
    for (n_right, attempts_max) in [(1_usize, 10_usize), (40, 3), (40, 1), (0, 5)] {
        let ask = json!({"recipient": "34666555444", "maxAttempts": attempts_max, "length": 10});
        let code = code_of(&generate(&house, &ask.to_string()));
        let reasons: Vec<String> = std::thread::scope(|scope| {
            let ask = |i: usize| {
                let (house, code) = (&house, &code);
                let guess = if i < n_right { code.clone() } else { wrong(code) };
                let body = json!({"recipient": "34666555444", "code": guess});
                scope.spawn(move || check(house, &body)["reason"].as_str().unwrap().to_owned())
            };
            let asked: Vec<_> = (0..40).map(ask).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for reason in &reasons {
            *counts.entry(reason.as_str()).or_default() += 1;
        }
        let of = |reason: &str| counts.get(reason).copied().unwrap_or(0);
        assert_eq!(counts.values().sum::<usize>(), 40);
        match n_right {
            0 => assert_eq!((of("Invalid"), of("MaxAttempts")), (attempts_max, 40 - attempts_max)),
            40 => assert_eq!((of("Valid"), of("NotFound")), (1, 39), "{counts:?}"),
            _ => {
                let compared = of("Valid") + of("Invalid");
                assert!(of("Valid") <= 1 && compared <= attempts_max, "{counts:?}");
                assert!(of("Valid") == 1 || compared == attempts_max, "{counts:?}");
            }
        }
    }
}

#[test]
fn the_operators_limits_refuse_what_is_too_much_and_say_when_to_come_again() {
    let house = House::with(|config| config.otp.every.recipient_hour = 2);
    let ask = || generate(&house, r#"{"recipient":"34666555444"}"#);
    let text = r#"{"to":["34666555444"],"from":"TEST","message":"{OTP_CODE}"}"#;
    assert_eq!((ask().status, house.send(text).status), (200, 202));
    for refused in [ask(), house.send(text)] {
        assert_eq!(refused.status, 429, "{}", refused.body);
        assert_eq!(refused.json()["error"]["description"], "Too many one-time codes");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&wait), "{wait}");
    }
    let other = text.replace("555444", "555445");
    assert_eq!(house.send(&other).status, 202);
    let plain = text.replace("{OTP_CODE}", "plain");
    assert_eq!(house.send(&plain).status, 202);
}

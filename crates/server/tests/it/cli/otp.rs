//! One-time codes between processes: parallel checks, a hard stop, and what operators see.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::serve::{BASIC, Server};
use super::{bad, good};
use crate::house::folder;

fn ask(server: &Server, path: &str, body: &Value) -> Value {
    let answer = server.post(&format!("/api/rest/otp/{path}"), BASIC, &body.to_string());
    let (head, json) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str::<Value>(json).unwrap()["data"].clone()
}

fn code(server: &Server, recipient: &str, attempts_max: usize) -> String {
    let body = json!({"recipient": recipient, "maxAttempts": attempts_max, "length": 10});
    ask(server, "generate", &body)["code"].as_str().unwrap().to_owned()
}

fn check(server: &Server, recipient: &str, guess: &str) -> String {
    let checked = ask(server, "check", &json!({"recipient": recipient, "code": guess}));
    checked["reason"].as_str().unwrap().to_owned()
}

/// Another code of the same form.
fn wrong(code: &str) -> String {
    let other = if code.starts_with('7') { "8" } else { "7" };
    format!("{other}{}", &code[1..])
}

/// What so many clients at once are told, counted.
fn together(server: &Server, recipient: &str, guesses: &[String]) -> HashMap<String, usize> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = guesses
            .iter()
            .map(|guess| scope.spawn(move || check(server, recipient, guess)))
            .collect();
        let mut counts = HashMap::new();
        for thread in asked {
            *counts.entry(thread.join().unwrap()).or_default() += 1;
        }
        counts
    })
}

#[test]
fn a_server_compares_as_many_parallel_checks_as_may_be_and_one_is_right() {
    let folder = folder();
    let server = Server::start(&folder, &["demo"]);
    let to = "34666555444";
    let of = |counts: &HashMap<String, usize>, reason: &str| {
        counts.get(reason).copied().unwrap_or_default()
    };
    for attempts_max in [1, 3, 10] {
        let bad = wrong(&code(&server, to, attempts_max));
        let counts = together(&server, to, &vec![bad; 60]);
        assert_eq!(of(&counts, "Invalid"), attempts_max, "{counts:?}");
        assert_eq!(of(&counts, "MaxAttempts"), 60 - attempts_max, "{counts:?}");
    }
    let right = code(&server, to, 3);
    let counts = together(&server, to, &vec![right; 60]);
    assert_eq!((of(&counts, "Valid"), of(&counts, "NotFound")), (1, 59), "{counts:?}");
}

#[test]
fn attempts_and_codes_outlive_a_hard_stop() {
    let folder = folder();
    let mut server = Server::start(&folder, &["demo"]);
    let (first, second) = ("34666555444", "34666555445");
    let codes = [code(&server, first, 2), code(&server, second, 2)];
    assert_eq!(check(&server, first, &wrong(&codes[0])), "Invalid");
    server.signal("-KILL");
    let server = Server::start(&folder, &["demo"]);
    assert_eq!(check(&server, first, &wrong(&codes[0])), "Invalid");
    assert_eq!(check(&server, first, &codes[0]), "MaxAttempts", "the one before counts");
    assert_eq!(check(&server, second, &codes[1]), "Valid", "the key is the same");
}

#[test]
fn operators_see_which_ranges_use_their_codes_beside_a_running_server() {
    let folder = folder();
    let server = Server::start(&folder, &["demo"]);
    let used = code(&server, "34666555444", 3);
    assert_eq!(check(&server, "34666555444", &used), "Valid");
    code(&server, "34666555445", 3);
    for number in ["351934500001", "351934500002", "351934500003"] {
        let guess = wrong(&code(&server, number, 1));
        assert_eq!(check(&server, number, &guess), "Invalid");
    }
    code(&server, "ana@example.com", 3);
    let ranges = |arguments: &[&str]| {
        let text = good(&folder, &[&["otp", "ranges", "--json"], arguments].concat());
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let row = |range: &str, recipients: u8, used: u8, pending: u8, unused: u8| {
        json!({
            "account": "demo", "range": range, "recipients": recipients, "used": used,
            "pending": pending, "unused": unused,
        })
    };
    let all = ranges(&[]);
    assert_eq!(all, ranges(&["demo"]));
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 3, "{all:?}");
    for expected in [row("3466655", 2, 1, 1, 0), row("example.com", 1, 0, 1, 0)] {
        assert!(all.contains(&expected), "{all:?}");
    }
    let pumped = &all[0];
    assert_eq!(*pumped, row("35193450", 3, 0, 0, 3), "the most unused comes first");
    assert!(good(&folder, &["otp", "ranges"]).contains("35193450"));
    bad(&folder, &["otp", "ranges", "nobody"], "there is no account \"nobody\"");
}

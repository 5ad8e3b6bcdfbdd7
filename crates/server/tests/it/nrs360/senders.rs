//! `/senders`, and messages that may only show what was approved.

use serde_json::json;

use crate::cli::good;
use crate::house::{Answer, House, story};

fn call(house: &House, method: &str, path: &str, body: &str) -> Answer {
    house.call(method, &format!("/api/rest/senders{path}"), body)
}

/// A house whose folder has a configuration for the commands.
fn house(change: impl FnOnce(&mut pombo::config::Config)) -> House {
    let house = House::with(change);
    let url = format!("[store]\nurl = \"sqlite:{}\"\n", house.folder.join("pombo.db").display());
    std::fs::write(house.folder.join("pombo.toml"), url).unwrap();
    house
}

fn pombo(house: &House, arguments: &[&str]) -> String {
    good(&house.folder, &[arguments, &["--config", "pombo.toml"]].concat())
}

fn asking(config: &mut pombo::config::Config) {
    config.rules.countries = config.rules.countries.clone().asking_for_approvals(true);
}

fn send(house: &House, to: &[&str], from: &str, category: &str) -> Answer {
    let body = json!({"to": to, "from": from, "message": TEXT, "category": category});
    house.send(&body.to_string())
}

/// Waits until what a command set is in force: at most a second, and what a loaded machine adds.
fn until(is_so: impl Fn() -> bool) {
    for _ in 0..100 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it never came into force");
}

/// What France allows marketing to say.
const TEXT: &str = "Soldes STOP au 36111";
const REUNION: &str = "262692123456";
const FRENCH: &str = "33612345678";
const SPANISH: &str = "34666555444";

#[test]
fn senders_are_asked_for_decided_listed_and_withdrawn() {
    let house = house(|_| {});
    let mut stories = String::new();
    let mut tell = |method: &str, path: &str, body: &str| {
        let answer = call(&house, method, path, body);
        stories.push_str(&story(&format!("{method} /senders{path} {body}"), &answer));
    };
    tell("POST", "", r#"{"sender":"TEST","countryIso":"es"}"#);
    tell("POST", "", r#"{"sender":"TEST","countryIso":"ES"}"#);
    tell("POST", "", r#"{"sender":"34666555444"}"#);
    tell("POST", "", r#"{"sender":"21700","countryIso":""}"#);
    pombo(&house, &["senders", "approve", "1", "2"]);
    pombo(&house, &["senders", "reject", "3", "--reason", "not your number"]);
    tell("GET", "", "");
    tell("DELETE", "/2", "");
    tell("DELETE", "/2", "");
    tell("GET", "/", "");
    insta::assert_snapshot!(stories);
}

#[test]
fn what_is_no_sender_or_no_country_is_refused_with_its_own_code() {
    let house = House::open();
    for (method, path, body, code) in [
        ("POST", "", "nothing", 125),
        ("POST", "", "[]", 125),
        ("POST", "", "{}", 106),
        ("POST", "", r#"{"sender":" "}"#, 106),
        ("POST", "", r#"{"sender":"TwelveLetter"}"#, 107),
        ("POST", "", r#"{"sender":"A-B"}"#, 422),
        ("POST", "", r#"{"sender":["A"]}"#, 422),
        ("POST", "", r#"{"sender":"A","countryIso":"QQ"}"#, 422),
        ("POST", "", r#"{"sender":"A","countryIso":"Spain"}"#, 422),
        ("POST", "", r#"{"sender":"A","countryIso":34}"#, 422),
        ("DELETE", "/9", "", 404),
        ("DELETE", "/x", "", 404),
        ("DELETE", "/99999999999999999999", "", 404),
        ("DELETE", "", "", 405),
        ("PUT", "", "{}", 405),
    ] {
        let answer = call(&house, method, path, body);
        assert_eq!(answer.json()["error"]["code"], code, "{method} {path} {body}");
    }
    assert_eq!(call(&house, "GET", "", "").json(), json!({"data": []}));
}

#[test]
fn nobody_needs_an_approval_where_nothing_was_configured() {
    let house = House::open();
    for category in ["marketing", "transactional"] {
        let answer = send(&house, &[FRENCH, "12025550123", SPANISH], "NeverAsked", category);
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
}

#[test]
fn marketing_to_a_country_that_asks_shows_only_what_was_approved_for_it() {
    let house = house(asking);
    let answer = send(&house, &[FRENCH, SPANISH], "ACME", "marketing");
    assert_eq!(answer.status, 207, "{}", answer.body);
    let result = &answer.json()["result"];
    assert_eq!(result[0]["error"], json!({"code": 115, "description": "Sender is not verified"}));
    assert_eq!(result[0]["rule"], "country.FR.approves_senders");
    assert_eq!(result[1]["accepted"], true);
    // Where it stands for all, it is the answer; nothing is kept and nothing charged.
    let answer = send(&house, &[FRENCH, "x"], "ACME", "marketing");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(115)));
    let balance = house.call("GET", "/api/rest/account", "").json()["data"]["balance"].clone();
    assert_eq!(balance, 99.95);
    assert_eq!(send(&house, &[FRENCH], "ACME", "transactional").status, 202);
    let dry = json!({"to": [FRENCH], "from": "ACME", "message": TEXT, "category": "marketing"});
    let dry = house.call("POST", "/api/rest/sms?dryRun=1", &dry.to_string());
    assert_eq!(dry.json()["error"]["code"], 115);
    // An approval counts at once, for its country and its spelling.
    pombo(&house, &["senders", "add", "username", "ACME", "--country", "ES"]);
    assert_eq!(send(&house, &[FRENCH], "ACME", "marketing").status, 400);
    pombo(&house, &["senders", "add", "username", "ACME", "--country", "FR"]);
    assert_eq!(send(&house, &[FRENCH], "ACME", "marketing").status, 202);
    assert_eq!(send(&house, &[FRENCH], "Acme", "marketing").status, 400);
    assert_eq!(send(&house, &[REUNION], "ACME", "marketing").status, 202, "its territory");
    assert_eq!(send(&house, &[REUNION], "Acme", "marketing").status, 400);
    pombo(&house, &["senders", "reject", "2"]);
    assert_eq!(send(&house, &[FRENCH], "ACME", "marketing").status, 400);
}

#[test]
fn an_account_that_is_set_so_shows_nothing_else_whatever_the_message_is() {
    let house = house(|_| {});
    pombo(&house, &["account", "set", "username", "--senders", "approved"]);
    until(|| send(&house, &[SPANISH], "ACME", "transactional").status == 400);
    call(&house, "POST", "", r#"{"sender":"ACME"}"#);
    assert_eq!(send(&house, &[SPANISH], "ACME", "transactional").status, 400, "it is pending");
    pombo(&house, &["senders", "approve", "1"]);
    assert_eq!(send(&house, &[SPANISH, FRENCH], "ACME", "marketing").status, 202);
    call(&house, "DELETE", "/1", "");
    assert_eq!(send(&house, &[SPANISH], "ACME", "transactional").status, 400);
    pombo(&house, &["account", "set", "username", "--senders", "any"]);
    until(|| send(&house, &[SPANISH], "ACME", "transactional").status == 202);
}

#[test]
fn the_older_form_tells_it_too() {
    let house = house(|_| {});
    pombo(&house, &["account", "set", "username", "--senders", "approved"]);
    let get = "/Api/get/send.php?username=username&password=apiPassword&to=34666555444&text=x\
        &from=ACME";
    until(|| house.call_with("GET", get, &[], b"").body == "115: Sender is not verified");
    let body = json!({"to": [SPANISH], "from": "ACME", "text": "x"}).to_string();
    let answer = house.call("POST", "/Api/rest/message", &body);
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(115)));
}

#[test]
fn the_command_tells_what_is_wrong_in_one_line() {
    let house = house(|_| {});
    let bad = |arguments: &[&str], why: &str| {
        crate::cli::bad(&house.folder, &[arguments, &["--config", "pombo.toml"]].concat(), why);
    };
    bad(&["senders", "approve", "7"], "there is no sender 7; `pombo senders list`");
    bad(&["senders", "list", "nobody"], "there is no account \"nobody\"");
    bad(&["senders", "list", "--status", "fine"], "write pending, approved or rejected");
    bad(&["senders", "add", "username", "A-B"], "a character that is not allowed");
    bad(&["senders", "add", "username", "A", "--country", "QQ"], "write a country by two letters");
    bad(&["account", "set", "username", "--senders", "some"], "write any or approved");
    call(&house, "POST", "", r#"{"sender":"ACME"}"#);
    let list = pombo(&house, &["senders", "list", "--status", "pending", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["account"], &list[0]["sender"]), (&json!("username"), &json!("ACME")));
}

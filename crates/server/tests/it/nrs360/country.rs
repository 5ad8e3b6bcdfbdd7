//! Marketing over HTTP, where a country has hours.

use pombo::config::Rules;
use pombo_app::clock::Clock;
use pombo_domain::time::Instant;

use crate::house::House;

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// The day after tomorrow's tomorrow: whenever the test runs, it is not today.
fn opening() -> Instant {
    let day = Clock::system().now().plus(3 * DAY);
    Instant::of_day(day.day()).plus(DAY / 3)
}

/// A server where Spain may be sent marketing on that day only, from 08:00 on.
fn house() -> House {
    let weekday = opening().civil().weekday().to_monday_one_offset();
    let rules = format!(
        "[country.ES]\nphone_prefixes = [\"34\"]\nzone_by_prefix = {{ \"34\" = \"UTC\" }}\n\
         windows = [{{ days = [{weekday}], from = \"08:00\", to = \"22:00\" }}]\n"
    );
    House::with(|config| config.rules = Rules::parse(&rules, "rules.toml").unwrap())
}

fn marketing(to: &str) -> String {
    format!(r#"{{"to":[{to}],"from":"SAMPLE","message":"Sale","category":"marketing"}}"#)
}

#[test]
fn who_may_not_be_reached_now_is_told_when_and_the_others_get_theirs() {
    let house = house();
    let answer = house.send(&marketing(r#""34666555444","351910000000""#));
    assert_eq!(answer.status, 202, "{}", answer.body);
    let result = answer.json()["result"].clone();
    let due = opening();
    assert_eq!(result[0]["scheduledAt"], due.iso8601());
    assert_eq!(result[1]["scheduledAt"], serde_json::Value::Null);
    let (held, gone) = (result[0]["id"].as_str().unwrap(), result[1]["id"].as_str().unwrap());
    house.until(gone, |sms| sms["isDelivered"] == true);
    let waits = || house.call("GET", &format!("/api/rest/scheduled?guid={held}"), "").json();
    assert_eq!(waits()["result"]["scheduled_at"], due.civil_seconds());
    // Its owner may ask for now: now is not allowed.
    let body = format!(r#"{{"guid":["{held}"],"scheduleDate":"20200101000000"}}"#);
    let moved = house.call("PUT", "/api/rest/scheduled", &body);
    assert_eq!(moved.body, r#"{"result":{"updated":1}}"#);
    house.until(held, |_| waits()["result"]["scheduled_at"] == due.civil_seconds());
    let status = house.call("GET", &format!("/api/rest/sms/{held}"), "").json();
    assert_eq!(status["data"][0]["events"], serde_json::json!([]));
    let dry = house.call("POST", "/api/rest/sms?dryRun=1", &marketing(r#""34666555444""#)).json();
    assert_eq!(dry["result"][0]["earliest"], due.iso8601());
}

#[test]
fn what_says_no_category_goes_as_it_always_went() {
    let house = house();
    let json = r#"{"to":["34666555444"],"from":"SAMPLE","message":"Your code is 1234"}"#;
    let result = house.send(json).json()["result"].clone();
    house.until(result[0]["id"].as_str().unwrap(), |sms| sms["isDelivered"] == true);
}

#[test]
fn an_expiry_before_the_opening_is_kept_beside_it() {
    let house = house();
    let json = r#"{"to":["34666555444"],"from":"SAMPLE","message":"Sale","category":"marketing",
        "availableTimes":[{"day":DAY,"from":"07:00","to":"08:15"}],"expirationDate":"20990101000000"}"#;
    let weekday = opening().civil().weekday().to_monday_one_offset();
    let answer = house.send(&json.replace("DAY", &weekday.to_string()));
    let result = answer.json()["result"].clone();
    assert_eq!(result[0]["scheduledAt"], opening().iso8601(), "{}", answer.body);
    assert_eq!(result[0]["expiresAt"], "2099-01-01T00:00:00+00:00");
    // A day on which Spain never allows it.
    let other = json.replace("DAY", &(weekday % 7 + 1).to_string());
    let answer = house.send(&other.replace(r#","expirationDate":"20990101000000""#, ""));
    assert_eq!(
        (answer.status, answer.json()["error"]["description"].as_str()),
        (422, Some("The availableTimes field leaves no time in which ES allows marketing.")),
        "{}",
        answer.body
    );
}

fn described(answer: &crate::house::Answer) -> (u16, String) {
    let error = &answer.json()["error"]["description"];
    (answer.status, error.as_str().unwrap_or_default().to_owned())
}

#[test]
fn what_a_country_refuses_is_told_with_the_rule_and_the_country() {
    let house = House::open();
    let mut told = String::new();
    for (to, text) in [
        ("33612345678", "Soldes!"),
        ("33612345678", "Soldes! STOP au [STOP_CODE]"),
        ("34666555444", "El CASINò te espera"),
        ("447400000000", "Poker tonight"),
        ("12015550123", "New shoes: https://bit.ly/shoes"),
    ] {
        let json = format!(
            r#"{{"to":["{to}"],"from":"SAMPLE","message":"{text}","category":"marketing"}}"#
        );
        let (status, description) = described(&house.send(&json));
        told.push_str(&format!("{to} {text}\n  {status} {description}\n"));
    }
    assert_eq!(
        told,
        "33612345678 Soldes!\n  \
         422 The message field must end with \"STOP au [STOP_CODE]\" for marketing to FR.\n\
         33612345678 Soldes! STOP au [STOP_CODE]\n  \
         422 The message field has [STOP_CODE], of which there is none for FR.\n\
         34666555444 El CASINò te espera\n  \
         422 The message field is about gambling, which ES does not allow.\n\
         447400000000 Poker tonight\n  \
         422 The message field is about gambling, which GB allows for verified adults only.\n\
         12015550123 New shoes: https://bit.ly/shoes\n  \
         422 The message field links to bit.ly; US does not allow public shorteners.\n"
    );
    let both = r#"{"to":["34666555444","351910000000"],"from":"SAMPLE","message":"Casino","category":"marketing"}"#;
    let answer = house.send(both);
    assert_eq!(answer.status, 207, "{}", answer.body);
    let error = &answer.json()["result"][0]["error"];
    assert_eq!(error["code"], 422);
    let fine = r#"{"to":["33612345678"],"from":"SAMPLE","message":"Soldes! STOP 36111","category":"marketing"}"#;
    assert_eq!(house.send(fine).status, 202);
}

#[test]
fn what_is_not_marketing_may_say_what_it_likes() {
    let house = House::open();
    let json = r#"{"to":["33612345678","34666555444","12015550123"],"from":"SAMPLE",
        "message":"Your table at the casino: https://bit.ly/table"}"#;
    assert_eq!(house.send(json).status, 202);
}

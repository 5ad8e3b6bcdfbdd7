//! Marketing over HTTP, where a country has hours.

use pombo::config::{RouteConfig, Rules};
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
    assert_eq!(dry["result"][0]["earliestReason"], "country.ES.windows");
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
    let result = answer.json()["result"][0].clone();
    assert_eq!(result["error"]["code"], 422);
    assert_eq!(result["rule"], "country.ES.prohibited");
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

/// France wants an ending, Spain no casinos and no marketing but on one day, Colombia goes by a
/// carrier that wants the sender's name and has its own number; no route goes to Portugal.
fn strict_house() -> House {
    let weekday = opening().civil().weekday().to_monday_one_offset();
    let rules = format!(
        r#"
        [country.FR]
        phone_prefixes = ["33"]
        ending = "STOP au [STOP_CODE]"
        stop_code = "36111"
        add_ending = true
        [country.ES]
        phone_prefixes = ["34"]
        zone_by_prefix = {{ "34" = "UTC" }}
        windows = [{{ days = [{weekday}], from = "08:00", to = "22:00" }}]
        prohibited = ["gambling"]
        [topics]
        gambling = ["casino"]
        "#
    );
    House::with(|config| {
        config.rules = Rules::parse(&rules, "rules.toml").unwrap();
        let mut carrier = RouteConfig::sandbox("andes");
        carrier.countries = vec!["CO".into()];
        carrier.affixes.prefix = "[SENDER]: ".into();
        carrier.affixes.stop_code = Some("38000".into());
        config.routes[0].countries = vec!["ES".into(), "FR".into(), "GB".into()];
        config.routes.push(carrier);
    })
}

#[test]
fn a_dry_run_names_the_rule_that_decides_for_each_recipient() {
    let house = strict_house();
    let ask = |message: &str, more: &str| {
        let json = format!(
            r#"{{"to":["33612345678","34666555444","573001234567","447400000000","351910000000"],
                "from":"ACME","message":"{message}","category":"marketing"{more}}}"#
        );
        let answer = house.call("POST", "/api/rest/sms?dryRun=1", &json).json();
        assert_eq!(answer["category"], "marketing");
        assert_eq!(answer["categoryReason"], "category");
        let told = |result: &serde_json::Value| {
            let keys = ["routeReason", "earliestReason", "message", "messageReasons", "rule"];
            let keys = keys.iter().filter(|key| !result[**key].is_null());
            keys.map(|key| format!("{key}={}", result[*key])).collect::<Vec<_>>().join(" ")
        };
        answer["result"].as_array().unwrap().iter().map(told).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(ask("Sale [STOP_CODE]", ""), @r#"
    routeReason="only" earliestReason="now" message="Sale 36111 STOP au 36111" messageReasons=["country.FR.ending","country.FR.stop_code"]
    routeReason="only" earliestReason="country.ES.windows"
    routeReason="only" earliestReason="now" message="ACME: Sale 38000" messageReasons=["route.andes.prefix","route.andes.stop_code"]
    routeReason="only" earliestReason="now"
    rule="routes"
    "#);
    insta::assert_snapshot!(ask("Casino", r#","scheduleDate":"20991231120000""#), @r#"
    routeReason="only" earliestReason="scheduleDate" message="Casino STOP au 36111" messageReasons=["country.FR.ending","country.FR.stop_code"]
    rule="country.ES.prohibited"
    routeReason="only" earliestReason="scheduleDate" message="ACME: Casino" messageReasons=["route.andes.prefix"]
    routeReason="only" earliestReason="scheduleDate"
    rule="routes"
    "#);
}

#[test]
fn what_a_carrier_wants_of_texts_is_sent_counted_and_paid() {
    let house = strict_house();
    let text = "0123456789".repeat(15);
    let send = |more: &str| {
        let json = format!(
            r#"{{"to":["573001234567"],"from":"ACME","message":"{text} [STOP_CODE]","parts":2{more}}}"#
        );
        house.send(&json).json()["result"][0].clone()
    };
    let result = send(r#","category":"marketing""#);
    assert_eq!(result["parts"], 2);
    let id = result["id"].as_str().unwrap();
    house.until(id, |sms| sms["isDelivered"] == true);
    let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
    assert_eq!(status["data"][0]["message"], format!("ACME: {text} 38000"));
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 99.9);
    // What is not marketing goes as it was written, 162 characters in two parts as well.
    let result = send("");
    let id = result["id"].as_str().unwrap();
    house.until(id, |sms| sms["isDelivered"] == true);
    let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
    assert_eq!(status["data"][0]["message"], format!("{text} [STOP_CODE]"));
}

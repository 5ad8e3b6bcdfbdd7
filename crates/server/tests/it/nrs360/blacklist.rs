//! `/blacklist`: whom the account does not message, and what becomes of messages to them.

use serde_json::json;

use crate::house::{Answer, House, story};

fn call(house: &House, method: &str, query: &str, body: &str) -> Answer {
    house.call(method, &format!("/api/rest/blacklist{query}"), body)
}

fn balance(house: &House) -> f64 {
    house.call("GET", "/api/rest/account", "").json()["data"]["balance"].as_f64().unwrap()
}

#[test]
fn addresses_are_added_listed_found_and_removed() {
    let house = House::open();
    let mut stories = String::new();
    for (method, query, body) in [
        ("POST", "", r#"{"phone":"+34 666 555 444","reason":"asked on the phone"}"#),
        ("POST", "", r#"{"phone":[34666555444,"34666555445","x"],"email":["Ana@Example.com"]}"#),
        ("GET", "?limit=2", ""),
        ("GET", "?channel=mailing", ""),
        ("GET", "?phone=34666555444,34666555999", ""),
        ("DELETE", "?phone[]=%2B34666555444&phone[]=34666555999", ""),
        ("DELETE", "", r#"{"email":"ANA@example.com","reason":"signed up again"}"#),
        ("GET", "", ""),
    ] {
        let answer = call(&house, method, query, body);
        stories.push_str(&story(&format!("{method} /blacklist{query} {body}"), &answer));
    }
    insta::assert_snapshot!(stories);
}

#[test]
fn what_is_no_address_is_told_and_changes_nothing() {
    let house = House::open();
    let many = format!(r#"{{"phone":[{}34666555444]}}"#, "34666555444,".repeat(10_000));
    let long = format!(r#"{{"phone":"34666555444","reason":"{}"}}"#, "x".repeat(201));
    for (method, query, body, code) in [
        ("POST", "", "nothing", 125),
        ("POST", "", "{}", 422),
        ("POST", "", r#"{"phone":[]}"#, 422),
        ("POST", "", r#"{"phone":"666"}"#, 422),
        ("POST", "", r#"{"phone":[true,null,{}]}"#, 422),
        ("POST", "", r#"{"email":"ana@example"}"#, 422),
        ("POST", "", r#"{"phone":"34666555444","channel":"mailing"}"#, 422),
        ("POST", "", r#"{"phone":"34666555444","channel":"fax"}"#, 422),
        ("POST", "", r#"{"phone":"34666555444","reason":7}"#, 422),
        ("POST", "", &long, 422),
        ("POST", "", &many, 422),
        ("DELETE", "", "", 422),
        ("DELETE", "?phone=34666555444,x", "", 422),
        ("GET", "?limit=0", "", 422),
        ("GET", "?page=x", "", 422),
        ("GET", "?channel=fax", "", 422),
        ("GET", "?email=x", "", 422),
        ("PUT", "", "", 405),
    ] {
        let answer = call(&house, method, query, body);
        let shown = &body[..body.len().min(60)];
        assert_eq!(answer.json()["error"]["code"], code, "{method} {query} {shown}");
    }
    assert_eq!(call(&house, "GET", "", "").json()["data"], json!([]));
}

#[test]
fn a_send_to_who_opted_out_has_an_id_and_ends_as_rejected_at_once_and_for_nothing() {
    let house = House::open();
    call(&house, "POST", "", r#"{"phone":["34666555444","34666555446"]}"#);
    let send = r#"{"to":["34666555444","34666555445"],"from":"SAMPLE","message":"x","campaignName":"Spring",
        "scheduleDate":"20990101120000"}"#;
    let planned = house.call("POST", "/api/rest/sms?dryRun=1", send).json();
    let result = &planned["result"];
    assert_eq!(result[0]["rejected"], "the recipient is on the opt-out list");
    assert_eq!((&result[0]["cost"], result[1]["cost"].as_f64()), (&json!(0.00), Some(0.05)));
    assert_eq!(result[1].get("rejected"), None);
    let answer = house.send(send);
    assert_eq!(answer.status, 202, "{}", answer.body);
    let sent = answer.json();
    let id = sent["result"][0]["id"].as_str().unwrap().to_owned();
    let status = house.call("GET", &format!("/api/rest/sms/{id}?details=1"), "").json();
    let message = &status["data"][0];
    assert_eq!(message["events"][0]["type"], "rejected");
    assert_eq!(message["events"][0]["detail"], "the recipient is on the opt-out list");
    assert_eq!(message["parts"][0]["cost"], 0.0);
    assert_eq!(balance(&house), 99.95);
    let sending = format!("/api/rest/sendings/{}", sent["sendingId"]);
    let totals = house.call("GET", &sending, "").json()["data"]["events"].clone();
    assert_eq!((&totals["rejected"], &totals["sent"]), (&json!(1), &json!(0)));
    let report = house.call("GET", &format!("{sending}/reports/events"), "").body;
    assert!(report.contains("rejected,34666555444,"), "{report}");
    // Who opts out while a message waits is not messaged either.
    let answer = house.send(&send.replace("555444", "555447")).json();
    let later = answer["result"][0]["id"].as_str().unwrap().to_owned();
    call(&house, "POST", "", r#"{"phone":34666555447}"#);
    let now = format!(r#"{{"guid":"{later}","scheduleDate":"20200101000000"}}"#);
    house.call("PUT", "/api/rest/scheduled", &now);
    house.until(&later, |sms| sms["events"][0]["type"] == "rejected");
    assert_eq!(balance(&house), 99.90);
}

#[test]
fn a_request_of_thousands_leaves_out_those_who_opted_out() {
    let house = House::open();
    call(&house, "POST", "", r#"{"phone":["34666550007","34666551500"]}"#);
    let to: Vec<String> = (0..1_600).map(|i| format!("3466655{i:04}")).collect();
    let send = json!({"to": to, "from": "SAMPLE", "message": "x"});
    let answer = house.send(&send.to_string());
    assert_eq!(answer.status, 202, "{}", answer.body);
    let sent = answer.json();
    for i in [7, 1_500] {
        let id = sent["result"][i]["id"].as_str().unwrap();
        let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
        assert_eq!(status["data"][0]["events"][0]["type"], "rejected");
    }
    assert_eq!(balance(&house), 20.1);
}

#[test]
fn another_process_adds_somebody_and_the_next_message_is_refused() {
    let house = House::open();
    let url = house.folder.join("pombo.db");
    let toml = format!("[store]\nurl = \"sqlite:{}\"\n", url.display());
    std::fs::write(house.folder.join("pombo.toml"), toml).unwrap();
    for i in 0..5 {
        let number = format!("3466655511{i}");
        let send = format!(r#"{{"to":["{number}"],"from":"SAMPLE","message":"x"}}"#);
        assert_eq!(house.send(&send).status, 202);
        let add = ["blacklist", "add", "username", &number, "--config", "pombo.toml"];
        crate::cli::good(&house.folder, &add);
        let id = house.send(&send).json()["result"][0]["id"].as_str().unwrap().to_owned();
        let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
        assert_eq!(status["data"][0]["events"][0]["type"], "rejected");
    }
}

//! `/campaigns` and `/sendings`: listed, read, paused, resumed, cancelled.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{Answer, House, story};

fn send(house: &House, to: &[&str], more: &str) -> Value {
    let to: Vec<String> = to.iter().map(|to| format!("\"{to}\"")).collect();
    let json = format!(r#"{{"to":[{}],"from":"TEST","message":"text"{more}}}"#, to.join(","));
    let answer = house.send(&json);
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()
}

fn get(house: &House, path: &str) -> Answer {
    house.call("GET", &format!("/api/rest{path}"), "")
}

fn post(house: &House, path: &str) -> Answer {
    house.call("POST", &format!("/api/rest{path}"), "")
}

/// Reads a sending until it is as wanted.
fn until(house: &House, sending: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let over = Instant::now() + Duration::from_secs(30);
    loop {
        let read = get(house, &format!("/sendings/{sending}")).json()["data"].clone();
        if wanted(&read) {
            return read;
        }
        assert!(Instant::now() < over, "this is how it stayed: {read}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn names(answer: &Answer) -> Vec<String> {
    let data = answer.json()["data"].as_array().unwrap().clone();
    let name = |one: &Value| one.get("name").or(one.get("campaignName")).cloned();
    data.iter().map(|one| name(one).unwrap().as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_campaign_tells_its_sending_and_its_totals() {
    let house = House::open();
    let more = r#","campaignName":"Black Friday","tags":["a","b"]"#;
    let sent = send(&house, &["34666555444", "34699000002"], more);
    let again = send(&house, &["34666555333"], r#","campaignName":"Black Friday","tags":["c"]"#);
    assert_eq!(
        (&again["campaignId"], &again["sendingId"]),
        (&sent["campaignId"], &sent["sendingId"])
    );
    let sending = &sent["sendingId"];
    until(&house, sending, |s| s["events"]["delivered"] == 2 && s["events"]["undelivered"] == 1);
    let mut stories = String::new();
    for path in [
        "/campaigns".to_owned(),
        format!("/campaigns/{}", sent["campaignId"]),
        "/sendings".to_owned(),
        format!("/sendings/{sending}"),
    ] {
        stories.push_str(&story(&format!("GET {path}"), &get(&house, &path)));
    }
    insta::assert_snapshot!(stories);
}

#[test]
fn lists_are_paged_and_filtered() {
    let house = House::open();
    for (name, tags) in [("one", "a"), ("two", "b"), ("three", "a")] {
        let more = format!(r#","campaignName":"{name}","tags":["{tags}"]"#);
        send(&house, &["34666555444"], &more);
    }
    send(&house, &["34666555444"], "");
    assert_eq!(names(&get(&house, "/campaigns")), ["three", "two", "one"]);
    assert_eq!(names(&get(&house, "/sendings?tags=a")), ["three", "one"]);
    assert_eq!(names(&get(&house, "/campaigns?tags[]=a&tags[]=b")), [""; 0]);
    assert_eq!(names(&get(&house, "/campaigns?channel=mailing")), [""; 0]);
    assert_eq!(
        names(&get(&house, "/campaigns?beforeDate=2019-01-01T00%3A00%3A00%2B00%3A00")),
        [""; 0]
    );
    assert_eq!(names(&get(&house, "/campaigns?afterDate=2019-01-01")).len(), 3);
    let page = get(&house, "/campaigns?limit=2&page=2&channel=sms");
    assert_eq!(names(&page), ["one"]);
    let expected = serde_json::json!({
        "total": 3, "count": 1, "per_page": 2, "current_page": 2, "total_pages": 2,
        "links": {"previous": "https://sms.example.com/api/rest/campaigns?limit=2&channel=sms&page=1"},
    });
    assert_eq!(page.json()["meta"]["pagination"], expected);
    let first = get(&house, "/sendings?limit=2").json();
    let next = &first["meta"]["pagination"]["links"]["next"];
    assert_eq!(next, "https://sms.example.com/api/rest/sendings?limit=2&page=2");
    assert_eq!(get(&house, "/campaigns?limit=0").status, 422);
}

#[test]
fn a_request_without_a_name_can_be_read_by_its_numbers_and_is_in_no_list() {
    let house = House::open();
    let sent = send(&house, &["34666555444", "34699000005"], "");
    let done = until(&house, &sent["sendingId"], |s| s["status"] == "FINISHED");
    assert_eq!((&done["total"], &done["processed"]), (&2.into(), &2.into()));
    let read = until(&house, &sent["sendingId"], |s| s["events"]["delivered"] == 1);
    assert_eq!((&read["events"]["rejected"], &read["cost"]), (&1.into(), &0.05.into()));
    let campaign = get(&house, &format!("/campaigns/{}", sent["campaignId"])).json();
    assert_eq!(campaign["data"]["sendings"]["data"][0]["id"], sent["sendingId"]);
    assert_eq!(get(&house, "/campaigns").json()["data"], serde_json::json!([]));
    let later = r#","scheduleDate":"20990101120000""#;
    let sent = send(&house, &["34666555444"], later);
    let read = get(&house, &format!("/sendings/{}", sent["sendingId"])).json();
    assert_eq!(read["data"]["status"], "PENDING");
    assert_eq!(read["data"]["scheduledAt"], "2099-01-01T12:00:00+00:00");
}

#[test]
fn what_is_not_there_is_not_found() {
    let house = House::open();
    for path in ["/campaigns/1", "/sendings/1", "/sendings/x", "/sendings/1/reports/events"] {
        assert_eq!(get(&house, path).status, 404, "{path}");
    }
    for path in ["/campaigns/1/pause", "/sendings/-1/cancel", "/sendings/1/stop"] {
        assert_eq!(post(&house, path).status, 404, "{path}");
    }
    assert_eq!(get(&house, "/sendings/1/pause").status, 405);
}

#[test]
fn a_paused_campaign_waits_and_a_resumed_one_goes() {
    let house = House::open();
    let named = r#","campaignName":"Spring""#;
    let later = format!(r#"{named},"scheduleDate":"20990101120000""#);
    let sent = send(&house, &["34666555444"], &later);
    let sending = &sent["sendingId"];
    let paused = post(&house, &format!("/sendings/{sending}/pause"));
    assert_eq!((paused.status, &paused.json()["data"]["status"]), (200, &"PAUSED".into()));
    let held = send(&house, &["34666555333"], named);
    let other = send(&house, &["34666555222"], r#","campaignName":"Other""#);
    until(&house, &other["sendingId"], |s| s["events"]["delivered"] == 1);
    let read = until(&house, sending, |_| true);
    assert_eq!((&read["total"], &read["processed"]), (&2.into(), &0.into()));
    let resumed = post(&house, &format!("/campaigns/{}/resume", sent["campaignId"])).json();
    assert_eq!(resumed["data"]["sendings"]["data"][0]["status"], "OPENED");
    let id = held["result"][0]["id"].as_str().unwrap();
    house.until(id, |sms| sms["isDelivered"] == true);
    assert_eq!(until(&house, sending, |_| true)["processed"], 1, "the other is not due yet");
}

#[test]
fn a_cancelled_campaign_ends_pays_back_and_takes_nothing_more() {
    let house = House::open();
    let named = r#","campaignName":"Spring""#;
    let later = format!(r#"{named},"scheduleDate":"20990101120000""#);
    let sent = send(&house, &["34666555444", "34666555333"], &later);
    let balance = || house.call("GET", "/api/rest/account", "").json()["data"]["balance"].clone();
    assert_eq!(balance(), 99.9);
    let cancelled = post(&house, &format!("/sendings/{}/cancel", sent["sendingId"])).json();
    let data = &cancelled["data"];
    assert_eq!((&data["status"], &data["events"]["cancelled"]), (&"CANCELLED".into(), &2.into()));
    assert_eq!((balance(), &data["cost"]), (100.0.into(), &0.0.into()));
    let id = sent["result"][0]["id"].as_str().unwrap();
    let status = house.call("GET", &format!("/api/rest/sms/{id}?details=1"), "").json();
    assert_eq!(status["data"][0]["parts"][0]["state"], "cancelled");
    let json = format!(r#"{{"to":["34666555444"],"from":"TEST","message":"text"{named}}}"#);
    let refused = house.send(&json);
    assert_eq!(refused.status, 422);
    let words = "The campaignName field names a campaign that was cancelled.";
    assert_eq!(refused.json()["error"]["description"], words);
    post(&house, &format!("/sendings/{}/resume", sent["sendingId"]));
    send(&house, &["34666555444"], named);
}

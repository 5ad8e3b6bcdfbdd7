//! `/reports/events`: CSV of what happened.

use std::time::{Duration, Instant};

use pombo_domain::money::Money;

use crate::house::{Answer, House};

fn send(house: &House, to: &str, more: &str) -> serde_json::Value {
    let json = format!(r#"{{"to":[{to}],"from":"TEST","message":"text"{more}}}"#);
    let answer = house.send(&json);
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()
}

fn report(house: &House, path: &str, query: &str) -> Answer {
    house.call("GET", &format!("/api/rest{path}/reports/events{query}"), "")
}

/// The body of an answer in pieces.
fn text(answer: &Answer) -> String {
    if answer.header("transfer-encoding") != Some("chunked") {
        return answer.body.clone();
    }
    let (mut out, mut rest) = (String::new(), answer.body.as_str());
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return out;
        }
        out.push_str(&more[..size]);
        rest = &more[size + 2..];
    }
    panic!("the body broke off: {:?}", answer.body);
}

/// Reads a report until it has so many rows.
fn until(house: &House, path: &str, query: &str, n_rows: usize) -> Vec<String> {
    let over = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = report(house, path, query);
        assert_eq!(answer.status, 200);
        let lines: Vec<String> = text(&answer).lines().map(str::to_owned).collect();
        if lines.len() == n_rows + 1 {
            return lines;
        }
        assert!(Instant::now() < over, "this is how it stayed: {lines:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_report_has_a_row_for_each_event() {
    let house = House::open();
    let name = r#","campaignName":"=cmd|' /C calc'!A0, \"x\"""#;
    let sent = send(&house, r#""34666555444","34699000005""#, name);
    let (campaign, sending) = (&sent["campaignId"], &sent["sendingId"]);
    let lines = until(&house, &format!("/sendings/{sending}"), "", 3);
    assert_eq!(
        lines[0],
        "campaignName,campaignId,sendingId,channel,event,phone,email,date,messageId,duration,\
         browser,os,extra"
    );
    let start = format!(r#""'=cmd|' /C calc'!A0, ""x""",{campaign},{sending},sms,"#);
    let id = |i: usize| sent["result"][i]["id"].as_str().unwrap().to_owned();
    for (line, (event, to, id)) in lines[1..].iter().zip([
        ("sent", "34666555444", id(0)),
        ("delivered", "34666555444", id(0)),
        ("rejected", "34699000005", id(1)),
    ]) {
        let rest = line.strip_prefix(&start).unwrap_or_else(|| panic!("{line}"));
        let cells: Vec<&str> = rest.split(',').collect();
        assert_eq!(cells.len(), 9, "{line}");
        assert_eq!((cells[0], cells[1], cells[4]), (event, to, id.as_str()), "{line}");
        assert!(cells[3].ends_with("+00:00"), "{line}");
    }
    let of_campaign = report(&house, &format!("/campaigns/{campaign}"), "");
    assert_eq!(of_campaign.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(text(&of_campaign).lines().collect::<Vec<_>>(), lines);
}

#[test]
fn dates_and_fields_are_as_asked() {
    let house = House::open();
    let sent = send(&house, "\"34666555444\"", "");
    let path = format!("/sendings/{}", sent["sendingId"]);
    let lines = until(&house, &path, "?showCustomFields=1&date=whatever", 2);
    assert!(lines[0].ends_with(",extra,customFields"));
    assert!(lines[1].ends_with(r#","{""email"":"""",""phone"":""34666555444"",""name"":""""}""#));
    until(&house, &path, "?afterDate=2019-01-01T00%3A00%3A00%2B00%3A00", 2);
    until(&house, &path, "?beforeDate=2019-01-01T00%3A00%3A00%2B00%3A00", 0);
    until(&house, &path, "?afterDate=2099-01-01", 0);
    let bad = report(&house, &path, "?afterDate=tomorrow");
    assert_eq!(bad.json()["error"]["description"], "The afterDate field must be a valid date.");
}

#[test]
fn parts_are_told_apart_and_long_reports_come_in_pieces() {
    let house = House::with(|config| config.prices.sms_default = Money::from_micros(1_000));
    let long = format!(r#","parts":2,"message":"{}","campaignName":"Long""#, "a".repeat(200));
    let sent = send(&house, "\"34666555444\"", &long);
    let lines = until(&house, &format!("/sendings/{}", sent["sendingId"]), "", 4);
    let parts: Vec<bool> = lines[1..].iter().map(|l| l.ends_with(r#""{""part"":2}""#)).collect();
    assert_eq!(parts, [false, false, true, true]);
    let to: Vec<String> = (0..1_900).map(|n| format!("\"3460000{n:04}\"")).collect();
    let mut sending = serde_json::Value::Null;
    for _ in 0..3 {
        let sent = send(&house, &to.join(","), r#","campaignName":"Many","flash":false"#);
        sending = sent["sendingId"].clone();
    }
    // Each page is a piece: 5,700 parts are more than one.
    let over = Instant::now() + Duration::from_secs(60);
    let path = format!("/sendings/{sending}");
    while text(&report(&house, &path, "")).lines().count() < 11_401 {
        assert!(Instant::now() < over, "they are not all delivered");
        std::thread::sleep(Duration::from_millis(300));
    }
    let whole = text(&report(&house, &path, ""));
    let mut rows: Vec<&str> = whole.lines().skip(1).collect();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 11_400, "none is missing and none is there twice");
}

#[test]
fn who_follows_a_link_is_in_the_report_and_in_the_totals() {
    let house = House::open();
    let more = r#","campaignName":"Spring","sub":[{"u":"https://example.com/a,b"}]"#;
    let json = format!(
        r#"{{"to":["34666555444"],"from":"TEST","message":"See {{u|shorten}} now"{more}}}"#
    );
    let sent = house.send(&json).json();
    let id = sent["result"][0]["id"].as_str().expect("an id").to_owned();
    let status = house.until(&id, |sms| sms["isDelivered"] == true);
    let message = status["data"][0]["message"].as_str().expect("a text").to_owned();
    let link = &message[message.find("/s/").expect("a link")..message.len() - " now".len()];
    let phone = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/126.0.0.0 Mobile Safari/537.36";
    for _ in 0..2 {
        assert_eq!(house.call_with("GET", link, &[("User-Agent", phone)], b"").status, 302);
    }
    let sending = format!("/sendings/{}", sent["sendingId"]);
    let rows = until(&house, &sending, "", 4);
    let clicks: Vec<&String> = rows.iter().filter(|row| row.contains(",clicked,")).collect();
    assert_eq!(clicks.len(), 2, "{rows:?}");
    let end = ",Chrome,Android,\"{\"\"url\"\":\"\"https%3A%2F%2Fexample.com%2Fa%2Cb\"\"}\"";
    assert!(clicks.iter().all(|row| row.ends_with(end)), "{clicks:?}");
    let totals = house.call("GET", &format!("/api/rest{sending}"), "").json();
    let events = &totals["data"]["events"];
    assert_eq!((&events["clicked"], &events["clicked_unique"]), (&2.into(), &1.into()));
}

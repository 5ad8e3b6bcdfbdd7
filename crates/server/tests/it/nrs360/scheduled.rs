//! `/scheduled`: listed, moved, withdrawn.

use crate::house::{Answer, House, story};

const FAR: &str = "20990101120000";

fn schedule(house: &House, n: usize) -> Vec<String> {
    let to: Vec<String> = (0..n).map(|n| format!("\"34666555{n:03}\"")).collect();
    let json = format!(
        r#"{{"to":[{}],"from":"SAMPLE","message":"This is a test","scheduleDate":"{FAR}"}}"#,
        to.join(",")
    );
    let answer = house.send(&json);
    assert_eq!(answer.status, 202, "{}", answer.body);
    let result = answer.json()["result"].as_array().unwrap().clone();
    result.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn call(house: &House, method: &str, query: &str, body: &str) -> Answer {
    house.call(method, &format!("/api/rest/scheduled{query}"), body)
}

fn balance(house: &House) -> f64 {
    house.call("GET", "/api/rest/account", "").json()["data"]["balance"].as_f64().unwrap()
}

#[test]
fn one_is_shown_with_its_text_and_several_without() {
    let house = House::open();
    let ids = schedule(&house, 2);
    let mut stories = String::new();
    let dates = |body: String| {
        let today = body.split("created_at\":\"").nth(1).map(|rest| rest[..19].to_owned());
        today.map_or(body.clone(), |date| body.replace(&date, "NOW"))
    };
    for query in [
        format!("?guid={}", ids[0]),
        format!("?guid[]={}&guid[]={}", ids[0], ids[1]),
        "?limit=1".to_owned(),
        "?guid=1".to_owned(),
        "?type=MAILING".to_owned(),
    ] {
        let mut answer = call(&house, "GET", &query, "");
        answer.body = dates(answer.body);
        let shown = ids.iter().fold(query, |query, id| query.replace(id, "ID"));
        stories.push_str(&story(&format!("GET /scheduled{shown}"), &answer));
    }
    insta::assert_snapshot!(stories);
}

#[test]
fn a_moved_message_goes_and_a_withdrawn_one_is_paid_back() {
    let house = House::open();
    let ids = schedule(&house, 3);
    assert_eq!(balance(&house), 99.85);
    let body = format!(r#"{{"guid":["{}"],"scheduleDate":"20200101000000"}}"#, ids[0]);
    assert_eq!(call(&house, "PUT", "", &body).body, r#"{"result":{"updated":1}}"#);
    house.until(&ids[0], |sms| sms["isDelivered"] == true);
    let answer = call(&house, "DELETE", &format!("?guid={}", ids[1]), "");
    assert_eq!(answer.body, r#"{"result":{"deleted":1}}"#);
    assert_eq!(balance(&house), 99.90);
    let both = format!(r#"{{"guid":[{},{}]}}"#, ids[0], ids[1]);
    assert_eq!(call(&house, "DELETE", "", &both).body, r#"{"result":{"deleted":0}}"#);
    let moved = call(&house, "PUT", &format!("?scheduleDate={FAR}"), "");
    assert_eq!(moved.body, r#"{"result":{"updated":0}}"#, "it is there already");
    assert_eq!(call(&house, "DELETE", "", "").body, r#"{"result":{"deleted":1}}"#);
    assert_eq!(call(&house, "GET", "", "").body, r#"{"result":[],"total":0}"#);
    assert_eq!(balance(&house), 99.95);
}

#[test]
fn bad_filters_have_their_codes_and_change_nothing() {
    let house = House::open();
    let ids = schedule(&house, 1);
    for (method, query, body, code) in [
        ("GET", "?guid=x", "", 120),
        ("GET", "?guid=-1", "", 120),
        ("DELETE", "", r#"{"guid":[]}"#, 120),
        ("DELETE", "", r#"{"guid":{}}"#, 120),
        ("DELETE", "", r#"{"guid":[true]}"#, 120),
        ("PUT", "", "", 121),
        ("PUT", "", r#"{"scheduleDate":"tomorrow"}"#, 121),
        ("PUT", "", r#"{"scheduleDate":null}"#, 121),
        ("PUT", "", "nothing", 125),
        ("GET", "?type=FAX", "", 422),
        ("GET", "?limit=0", "", 422),
        ("GET", "?page=x", "", 422),
    ] {
        let answer = call(&house, method, query, body);
        assert_eq!(answer.json()["error"]["code"], code, "{method} {query} {body}");
    }
    assert_eq!(call(&house, "GET", &format!("?guid={}", ids[0]), "").json()["total"], 1);
    assert_eq!(call(&house, "POST", "", "{}").status, 405);
}

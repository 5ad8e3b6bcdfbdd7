//! Every refusal of the SMS side: status, code and words.

use pombo_app::operate;

use crate::house::{CREDENTIALS, House, story};

fn with(fields: &str) -> String {
    format!(r#"{{"to":["34666555444"],"from":"TEST","message":"text",{fields}}}"#)
}

#[test]
fn every_refusal_has_its_code() {
    let house = House::open();
    let long = "a".repeat(161);
    let much = "a".repeat(2_296);
    let requests = [
        String::new(),
        "[]".into(),
        "{".into(),
        "{}".into(),
        r#"{"from":"TEST","to":["34666555444"]}"#.into(),
        r#"{"from":"TEST","to":["34666555444"],"message":""}"#.into(),
        r#"{"from":"TEST","message":"x"}"#.into(),
        r#"{"from":"TEST","message":"x","to":[]}"#.into(),
        r#"{"from":"TEST","message":"x","to":["34","abc"]}"#.into(),
        with(r#""from":"ABCDEFGHIJKL""#),
        with(r#""from":"CAFÉ""#),
        with(r#""from":["TEST"]"#),
        with(r#""message":5"#),
        with(r#""encoding":"ucs-7""#),
        with(r#""message":"olá","trans":0"#),
        with(r#""message":"你","encoding":"gsm-pt""#),
        with(r#""parts":0"#),
        with(r#""parts":"many""#),
        with(&format!(r#""message":"{long}""#)),
        with(&format!(r#""message":"{much}","parts":15"#)),
        with(r#""message":"ºª","trans":1"#),
        with(r#""scheduleDate":"20260230000000""#),
        with(r#""expirationDate":"20200101000000""#),
        with(r#""notificationUrl":"example.com/dlr""#),
        with(r#""notificationUrl":["https://a.example/","https://b.example/"]"#),
        with(r#""tags":["a"]"#),
        with(r#""availableTimes":"always""#),
        with(r#""availableTimes":[]"#),
        with(r#""availableTimes":[{"day":"x","from":"09:00","to":"21:00"}]"#),
        with(r#""availableTimes":[{"day":9,"from":"09:00","to":"21:00"}]"#),
        with(r#""availableTimes":[{"from":"9","to":"21:00"}]"#),
        with(r#""availableTimes":[{"from":"09:00","to":"9"}]"#),
        with(r#""availableTimes":[{"from":"21:00","to":"09:00"}]"#),
        with(r#""availableTimes":[{"from":"21:00"}]"#),
        with(r#""availableTimes":[{"from":"21:00","to":"21:01"}]"#),
        with(r#""flash":"perhaps""#),
        with(r#""trans":7"#),
        with(r#""category":"spam""#),
        with(r#""sub":[{"name":"x"},{}]"#),
        with(r#""message":"{OTP_CODE}","otpConfig":{"length":2}"#),
        with(r#""certified":"perhaps""#),
    ];
    let stories: Vec<String> = requests
        .iter()
        .map(|json| {
            if json.len() > 500 {
                (format!("{}…", &json[..80]), json)
            } else {
                (json.clone(), json)
            }
        })
        .map(|(shown, json)| story(&shown, &house.send(json)))
        .collect();
    insta::assert_snapshot!(stories.concat());
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 100.0, "a refused request costs nothing");
}

#[test]
fn paths_and_methods_that_do_not_exist_are_told() {
    let house = House::open();
    let stories: Vec<String> = [
        ("GET", "/api/rest"),
        ("GET", "/api/rest/"),
        ("GET", "/api/rest/nothing"),
        ("GET", "/api/rest/sms"),
        ("PUT", "/api/rest/sms"),
        ("POST", "/api/rest/sms/123"),
        ("DELETE", "/api/rest/account"),
        ("GET", "/api/rest/sms/1/2"),
        ("GET", "/nothing"),
    ]
    .iter()
    .map(|(method, path)| story(&format!("{method} {path}"), &house.call(method, path, "")))
    .collect();
    insta::assert_snapshot!(stories.concat());
}

#[test]
fn what_cannot_be_paid_is_refused_whole() {
    let house = House::open();
    let to: Vec<String> = (0..2_001).map(|n| format!("\"3460000{n:04}\"")).collect();
    let json = format!(r#"{{"to":[{}],"from":"TEST","message":"x"}}"#, to.join(","));
    let answer = house.send(&json);
    insta::assert_snapshot!(story("2,001 recipients at 0.05 with a balance of 100", &answer));
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 100.0);
}

#[test]
fn strangers_and_foreign_addresses_are_told_apart() {
    let house = House::with(|config| config.http.trusted_proxies = vec!["127.0.0.1".into()]);
    let config = pombo::config::Config {
        store: pombo::config::Store {
            url: format!("sqlite:{}", house.folder.join("pombo.db").display()),
        },
        ..Default::default()
    };
    let store = {
        let options = pombo_store::Options { exclusive: false, ..Default::default() };
        pombo::boot::open_store(&config, &options).unwrap()
    };
    operate::account_allow(&store, "username", vec!["192.0.2.0/24".into()]).unwrap();
    let mut stories = String::new();
    for (what, headers) in [
        ("no credentials", vec![]),
        ("another scheme", vec![("Authorization", "Bearer x")]),
        ("a wrong password", vec![("Authorization", "Basic dXNlcm5hbWU6d3Jvbmc=")]),
        ("not base64", vec![("Authorization", "Basic !!!")]),
        ("from elsewhere", vec![("Authorization", CREDENTIALS)]),
        (
            "forwarded from elsewhere",
            vec![("Authorization", CREDENTIALS), ("X-Forwarded-For", "192.0.2.1, 198.51.100.1")],
        ),
        (
            "forwarded from an allowed address",
            vec![("Authorization", CREDENTIALS), ("X-Forwarded-For", "192.0.2.1")],
        ),
    ] {
        // Allowing takes effect within a second.
        let mut answer = house.call_with("GET", "/api/rest/account", &headers, b"");
        for _ in 0..40 {
            if answer.status != 200 || what.ends_with("allowed address") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
            answer = house.call_with("GET", "/api/rest/account", &headers, b"");
        }
        stories.push_str(&story(what, &answer));
    }
    insta::assert_snapshot!(stories);
}

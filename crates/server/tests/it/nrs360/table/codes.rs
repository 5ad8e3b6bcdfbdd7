//! Every code of the error table: the request of the SMS side that provokes it, and the answer byte
//! for byte; or why no request of the SMS side can.

use pombo_app::operate;
use pombo_peers::postgres::Database;

use super::{Ids, Place, assert_refused, errors, tables};
use crate::cli::good;
use crate::house::{Answer, CREDENTIALS, House};

/// Codes of what is no part of the SMS side.
const ELSEWHERE: &[(std::ops::RangeInclusive<u16>, &str)] = &[
    (114..=114, "the subject of a mail"),
    (116..=118, "the answer address of a mail, and addresses that bounced"),
    (130..=134, "voice calls"),
    (140..=140, "templates of mails and landing pages"),
    (141..=141, "landing pages"),
    (150..=157, "billing: profiles, invoices and payments"),
    (160..=182, "interactive voice calls"),
    (190..=193, "interactive voice calls"),
    (195..=195, "recipients by the numbers of contacts"),
];

fn elsewhere(code: u16) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, why)| *why)
}

/// A send with some fields otherwise than usual.
fn send(house: &House, fields: &str) -> Answer {
    house.send(&format!(r#"{{"to":["34666555444"],"from":"TEST","message":"text",{fields}}}"#))
}

fn times(house: &House, times: &str) -> Answer {
    send(house, &format!("\"availableTimes\":{times}"))
}

/// The request that provokes a code.
fn provoke(house: &House, code: u16) -> Option<Answer> {
    let scheduled = |method: &str, body: &str| house.call(method, "/api/rest/scheduled", body);
    let (long, cut) = ("a".repeat(161), "a".repeat(158));
    let day =
        |day: &str| times(house, &format!(r#"[{{"day":{day},"from":"09:00","to":"21:00"}}]"#));
    let hours =
        |from: &str, to: &str| times(house, &format!(r#"[{{"from":"{from}","to":"{to}"}}]"#));
    Some(match code {
        101 => broken("drop table campaign cascade", "GET", "/api/rest/campaigns", ""),
        102 => send(house, r#""to":["34"]"#),
        103 => {
            let wrong = [("Authorization", "Basic dXNlcm5hbWU6d3Jvbmc=")];
            house.call_with("GET", "/api/rest/account", &wrong, b"")
        }
        104 => send(house, r#""message":"""#),
        105 => send(house, &format!(r#""message":"{long}""#)),
        106 => send(house, r#""from":null"#),
        107 => send(house, r#""from":"TwelveLetter""#),
        108 => send(house, r#""scheduleDate":"tomorrow""#),
        109 => send(house, r#""notificationUrl":"example.com""#),
        110 => send(house, r#""parts":16"#),
        111 => {
            let to: Vec<String> = (0..2_001).map(|n| format!("\"346000{n:05}\"")).collect();
            send(house, &format!(r#""to":[{}]"#, to.join(",")))
        }
        112 => from_a_foreign_address(),
        113 => send(house, r#""encoding":"ebcdic""#),
        115 => with_senders_to_approve(),
        119 => send(house, r#""expirationDate":"20130215142000""#),
        120 => scheduled("GET", r#"{"guid":"x"}"#),
        121 => scheduled("PUT", "{}"),
        122 => {
            let body = r#"{"scheduleDate":"20990101120000"}"#;
            broken("drop table queue cascade", "PUT", "/api/rest/scheduled", body)
        }
        123 => broken("drop table queue cascade", "DELETE", "/api/rest/scheduled", ""),
        125 => house.send("{"),
        126 => send(house, r#""tags":["a"]"#),
        142 => {
            let sub = r#""splitParts":true,"sub":[{"name":"Anabel"}]"#;
            send(house, &format!(r#""message":"{cut}{{name}}",{sub}"#))
        }
        183 => times(house, "\"always\""),
        184 => day("\"x\""),
        185 => day("8"),
        186 => hours("9", "21:00"),
        187 => hours("09:00", "21"),
        188 => hours("21:00", "09:00"),
        189 => times(house, r#"[{"from":"09:00"}]"#),
        194 => times(house, "[]"),
        196 => hours("09:00", "09:05"),
        _ => return None,
    })
}

/// Asks a server whose database has lost a table.
fn broken(sql: &str, method: &str, target: &str, body: &str) -> Answer {
    let database = Database::fresh();
    let house = House::with(|config| config.store.url = database.url());
    let later = r#"{"to":["34666555444"],"from":"TEST","message":"x","campaignName":"Spring",
        "scheduleDate":"20990101120000"}"#;
    assert_eq!(house.send(later).status, 202);
    database.run(sql);
    house.call(method, target, body)
}

fn from_a_foreign_address() -> Answer {
    let house = House::open();
    operate::account_allow(&house.store, "username", vec!["192.0.2.0/24".into()]).unwrap();
    let ask = || house.call("GET", "/api/rest/account", "");
    // It takes effect within a second.
    crate::house::until("the address is refused", || ask().status != 200);
    ask()
}

fn with_senders_to_approve() -> Answer {
    let house = House::open();
    let url = format!("[store]\nurl = \"sqlite:{}\"\n", house.folder.join("pombo.db").display());
    std::fs::write(house.folder.join("pombo.toml"), url).unwrap();
    let set = ["account", "set", "username", "--senders", "approved", "--config", "pombo.toml"];
    good(&house.folder, &set);
    let ask = || house.call("POST", "/api/rest/sms?dryRun=1", SAMPLE);
    crate::house::until("the sender is refused", || ask().status != 202);
    ask()
}

const SAMPLE: &str = r#"{"to":["34666555444"],"from":"TEST","message":"x"}"#;

#[test]
fn every_code_is_provoked_and_answered_byte_for_byte_or_is_of_another_channel() {
    let house = House::open();
    for (code, (http, words)) in errors() {
        match (elsewhere(code), code) {
            (Some(why), _) => {
                assert!(provoke(&house, code).is_none(), "{code} is provoked, and yet of {why}");
            }
            // The code of success is spelled out in the older form only.
            (None, 0) => {
                assert_eq!(house.send(SAMPLE).status, http);
                let query = "username=username&password=apiPassword&to=34666555444&from=A&text=x";
                let told = house.call_with("GET", &format!("/Api/get/send.php?{query}"), &[], b"");
                assert!(told.body.starts_with(&format!("0: {words}. ID ")), "{}", told.body);
            }
            // Its words are those of the field: the document's own example has them so.
            (None, 422) => {
                let answer = send(&house, r#""flash":"perhaps""#);
                let sentence = "The flash field must be true or false.";
                assert_refused(&answer, 422, sentence, "422");
                assert_eq!((answer.status, words.as_str()), (http, "Input validation error"));
            }
            // Beside it stands which rule asked for an approval.
            (None, 115) => {
                let mut answer = provoke(&house, 115).expect("it is provoked");
                answer.body = answer.body.replace(r#","rule":"account.senders""#, "");
                assert_refused(&answer, 115, &words, "code 115");
            }
            (None, code) => {
                let answer = provoke(&house, code)
                    .unwrap_or_else(|| panic!("no request provokes code {code}: {words}"));
                assert_refused(&answer, code, &words, &format!("code {code}"));
            }
        }
    }
}

#[test]
fn every_code_has_the_same_words_for_one_recipient_among_others() {
    let house = House::open();
    let cut = "a".repeat(158);
    let others = [
        (102, r#""to":["34666555444","34"],"message":"x""#.to_owned()),
        (104, r#""message":"{v}","sub":[{"v":"x"},{}]"#.to_owned()),
        (105, format!(r#""message":"{{v}}","sub":[{{"v":"x"}},{{"v":"{cut}long"}}]"#)),
        (142, {
            let sub = r#""splitParts":true,"sub":[{"v":"x"},{"v":"Anabel"}]"#;
            format!(r#""message":"{cut}{{v}}",{sub}"#)
        }),
    ];
    for (code, fields) in others {
        let json = format!(r#"{{"to":["34666555444","34666555333"],"from":"TEST",{fields}}}"#);
        let answer = house.call_with(
            "POST",
            "/api/rest/sms",
            &[("Authorization", CREDENTIALS)],
            json.as_bytes(),
        );
        assert_eq!(answer.status, 207, "{code}: {}", answer.body);
        let (_, words) = errors()[&code].clone();
        let told = format!(r#","error":{{"code":{code},"description":"{words}"}}}}]}}"#);
        assert!(answer.body.ends_with(&told), "{code}: {}", answer.body);
        assert!(answer.body.contains(r#""result":[{"accepted":true,"#), "{}", answer.body);
    }
}

#[test]
fn every_request_without_credentials_is_103_and_every_body_that_is_no_json_125() {
    let house = House::open();
    let words = |code| errors()[&code].1.clone();
    let mut n_bodies = 0;
    for table in tables(&Ids::default()) {
        let target = table.path.replace("{id}", "1").replace("{ids}", "1");
        let target = target.replace("{order}", "pause");
        let what = format!("{} {target}", table.method);
        let answer = house.call_with(table.method, &target, &[], b"");
        match table.lines {
            true => assert_eq!(answer.body, format!("103: {}", words(103)), "{what}"),
            false => assert_refused(&answer, 103, &words(103), &what),
        }
        if table.rows.iter().any(|row| matches!(row.place, Place::Body(_))) {
            n_bodies += 1;
            for body in ["{", "{\"a\":}", "\u{1}"] {
                let answer = house.call(table.method, &target, body);
                assert_refused(&answer, 125, &words(125), &what);
            }
        }
    }
    assert!(n_bodies >= 12, "{n_bodies}");
}

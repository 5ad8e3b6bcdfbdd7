//! Certified messages: accepted in every spelling, paid for, and certified once they are over.

use std::path::{Path, PathBuf};
use std::process::Command;

use pombo_domain::money::Money;
use sha2::{Digest, Sha256};

use crate::cli::command;
use crate::house::{Answer, House, until};

/// A text with letters of many scripts, a line end, and a character that no font of ours has.
const TEXT: &str = r"Olá María, não é €5: Привет Ελλάδα\nsecond line 🚀";

fn send(house: &House, more: &str) -> serde_json::Value {
    let json = format!(r#"{{"to":["34666555444"],"from":"TEST","message":"text"{more}}}"#);
    let answer = house.send(&json);
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()
}

fn id_of(sent: &serde_json::Value) -> String {
    sent["result"][0]["id"].as_str().expect("an id").to_owned()
}

fn certificate(house: &House, id: &str) -> Answer {
    house.call("GET", &format!("/api/rest/sms/certificates/{id}"), "")
}

/// A certified message with that text that was delivered.
fn delivered(house: &House) -> String {
    let text = format!(r#","certified":true,"encoding":"utf-16","parts":2,"message":"{TEXT}""#);
    let id = id_of(&send(house, &text));
    house.until(&id, |message| message["isDelivered"] == true);
    id
}

/// Runs a program that reads the paper, and gives what it prints.
fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; `cargo xtask setup` has it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {said}{output:?}");
    said
}

/// Fetches a certificate into a file, as a client does.
fn fetch(house: &House, target: &str, name: &str) -> PathBuf {
    let file = house.folder.join(name);
    let url = format!("http://{}/api/rest/sms/certificates/{target}", house.address);
    let to = file.to_str().expect("a name");
    tool("curl", &["-sS", "--fail-with-body", "-u", "username:apiPassword", "-o", to, &url]);
    file
}

fn text_of(file: &Path) -> String {
    tool("pdftotext", &["-layout", file.to_str().expect("a name"), "-"])
}

/// A command beside the server.
fn pombo(house: &House, arguments: &[&str]) -> std::process::Output {
    let url = format!("sqlite:{}", house.folder.join("pombo.db").display());
    command(&house.folder, arguments).env("POMBO_STORE__URL", url).output().expect("it runs")
}

#[test]
fn every_spelling_of_true_is_accepted_and_answered_as_ever() {
    let house = House::open();
    let plain = send(&house, "");
    for yes in ["true", "1", "\"1\"", "\"true\"", "\"yes\"", "\"YES\"", "\"on\""] {
        let sent = send(&house, &format!(r#","certified":{yes}"#));
        let id = id_of(&sent);
        let keys = |of: &serde_json::Value| -> Vec<String> {
            of["result"][0].as_object().expect("an object").keys().cloned().collect()
        };
        assert_eq!(keys(&sent), keys(&plain), "{yes}");
        house.until(&id, |message| message["isDelivered"] == true);
        assert_eq!(certificate(&house, &id).status, 200, "{yes}");
    }
    for no in ["false", "0", "\"no\"", "null", "\"\""] {
        let id = id_of(&send(&house, &format!(r#","certified":{no}"#)));
        house.until(&id, |message| message["isDelivered"] == true);
        assert_eq!(certificate(&house, &id).status, 404, "{no}");
    }
}

#[test]
fn who_asks_for_what_is_not_certified_or_not_theirs_finds_nothing() {
    let house = House::open();
    let id = delivered(&house);
    let not_found = r#"{"error":{"code":404,"description":"Resource not found"}}"#;
    for unknown in ["1", "0", "-1", "x", "99999999999999999999", &format!("{id}0")] {
        let answer = certificate(&house, unknown);
        assert_eq!((answer.status, answer.body.as_str()), (404, not_found), "{unknown}");
    }
    let added = pombo(&house, &["account", "add", "other", "--api-password", "correct-horse"]);
    assert!(added.status.success(), "{added:?}");
    let target = format!("/api/rest/sms/certificates/{id}");
    // other:correct-horse
    let basic = [("Authorization", "Basic b3RoZXI6Y29ycmVjdC1ob3JzZQ==")];
    let answer = house.call_with("GET", &target, &basic, b"");
    assert_eq!((answer.status, answer.body.as_str()), (404, not_found), "another's");
    assert_eq!(house.call_with("GET", &target, &[], b"").status, 401);
    assert_eq!(house.call("POST", &target, "").status, 405);
}

#[test]
fn a_message_that_is_not_over_is_a_conflict_for_now() {
    let house = House::open();
    let id = id_of(&send(&house, r#","certified":true,"scheduleDate":"20990101000000""#));
    let answer = certificate(&house, &id);
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.body,
        r#"{"error":{"code":409,"description":"The certificate is not ready: the message has no final state yet"}}"#
    );
    let withdrawn = house.call("DELETE", "/api/rest/scheduled", &format!(r#"{{"guid":"{id}"}}"#));
    assert_eq!(withdrawn.json()["result"]["deleted"], 1);
    let file = fetch(&house, &id, "withdrawn.pdf");
    assert!(text_of(&file).contains("cancelled"));
}

#[test]
fn a_certificate_is_pdf_a_with_the_whole_story_and_the_same_each_time() {
    let house = House::open();
    let id = delivered(&house);
    let answer = certificate(&house, &id);
    assert_eq!(answer.header("content-type"), Some("application/pdf"));
    let name = format!("attachment; filename=\"certificate-{id}.pdf\"");
    assert_eq!(answer.header("content-disposition"), Some(name.as_str()));
    let file = fetch(&house, &id, "one.pdf");
    let octets = std::fs::read(&file).expect("it is there");
    let again = fetch(&house, &id, "again.pdf");
    assert_eq!(std::fs::read(again).expect("it is there"), octets);
    let checked = tool("qpdf", &["--check", file.to_str().expect("a name")]);
    assert!(checked.contains("No syntax or stream encoding errors"), "{checked}");
    let head = String::from_utf8_lossy(&octets);
    assert!(head.contains("<pdfaid:part>3</pdfaid:part>"));
    assert!(head.contains("<pdfaid:conformance>B</pdfaid:conformance>"));
    let fonts = tool("pdffonts", &[file.to_str().expect("a name")]);
    let font = fonts.lines().nth(2).expect("a font");
    assert!(font.contains("+DejaVuSans") && font.contains("yes yes yes"), "{fonts}");
    let text = text_of(&file);
    for expected in [
        "Certificate of a text message",
        "pombo certifies",
        &id,
        "username",
        "TEST",
        "+34666555444",
        "Olá María, não é €5: Привет Ελλάδα",
        "second line [U+1F680]",
        "utf-16",
        "0.05 EUR",
        "delivered",
        "taken by the carrier",
        "route sandbox",
        "DELIVRD",
        "carrier's number",
        "support@example.com",
        "1/1",
    ] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
}

#[test]
fn the_file_inside_can_be_checked_by_anybody() {
    let house = House::open();
    let id = delivered(&house);
    let file = fetch(&house, &id, "certificate.pdf");
    let (file, inside) = (file.to_str().expect("a name"), house.folder.join("evidence.json"));
    tool("pdfdetach", &["-save", "1", "-o", inside.to_str().expect("a name"), file]);
    let json = std::fs::read_to_string(&inside).expect("it is there");
    let evidence: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(evidence["text"], TEXT.replace("\\n", "\n"));
    assert_eq!(evidence["parts"], serde_json::json!(["delivered"]));
    let mut hash: Vec<u8> = Vec::new();
    let links = evidence["chain"].as_array().expect("a list");
    for link in links {
        let mut hasher = Sha256::new();
        hasher.update(&hash);
        for text in link["texts"].as_array().expect("a list") {
            let text = text.as_str().expect("a text");
            hasher.update(format!("{}:{text},", text.len()));
        }
        hash = hasher.finalize().to_vec();
        let hex: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(link["hash"], hex.as_str());
    }
    assert_eq!(links.len(), 3);
    assert_eq!(evidence["head"], links[2]["hash"]);
    let text = text_of(Path::new(file));
    assert!(text.contains(evidence["head"].as_str().expect("a text")), "{text}");
}

#[test]
fn a_certificate_speaks_the_language_asked_for() {
    let house = House::open();
    let id = delivered(&house);
    for (language, expected) in [
        ("pt", "Certificado de uma mensagem de texto"),
        ("pt-BR", "aceite pela operadora"),
        ("es", "Certificado de un mensaje de texto"),
        ("xx", "Certificate of a text message"),
    ] {
        let file = fetch(&house, &format!("{id}?language={language}"), &format!("{language}.pdf"));
        let text = text_of(&file);
        assert!(text.contains(expected), "{language}:\n{text}");
    }
}

#[test]
fn a_changed_store_has_no_certificate_and_the_operator_learns_where() {
    let house = House::open();
    let id = delivered(&house);
    let checked = pombo(&house, &["sms", "certificate", &id, "--output", "mine.pdf"]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(said.contains("3 links, all as they were written"), "{checked:?}");
    let mine = std::fs::read(house.folder.join("mine.pdf")).expect("it is there");
    assert_eq!(std::fs::read(fetch(&house, &id, "theirs.pdf")).expect("it is there"), mine);
    let file = house.folder.join("pombo.db");
    let change = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=30)\n\
        t=c.execute(\"select name from sqlite_master where name glob 'event_[0-9]*'\")\n\
        n=[c.execute(f'update {t} set at=at-1000000 where kind=2').rowcount for (t,) in t.fetchall()]\n\
        assert sum(n)==1,n\nc.commit()";
    tool("python3", &["-c", change, file.to_str().expect("a name")]);
    let answer = certificate(&house, &id);
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body, r#"{"error":{"code":101,"description":"Internal Database error"}}"#);
    let checked = pombo(&house, &["sms", "certificate", &id]);
    let said = String::from_utf8_lossy(&checked.stderr);
    let expected = format!("message {id} has no certificate: event 2 is stored otherwise");
    assert!(!checked.status.success() && said.contains(&expected), "{said}");
    let none = pombo(&house, &["sms", "certificate", "1"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("no certified message 1"), "{none:?}");
}

#[test]
fn the_extra_price_is_told_asked_for_and_given_back() {
    let house = House::with(|config| config.prices.sms_certified = Money::from_micros(300_000));
    let balance = || house.call("GET", "/api/rest/account", "").json()["data"]["balance"].clone();
    let json = |to: &str| {
        format!(
            r#"{{"to":["{to}"],"from":"TEST","message":"{}","parts":2,"certified":true}}"#,
            "a".repeat(200)
        )
    };
    let dry = house.call("POST", "/api/rest/sms?dryRun=1", &json("34666555444"));
    assert_eq!(dry.json()["result"][0]["cost"], 0.4, "{}", dry.body);
    assert_eq!(balance(), 100.0);
    let sent = house.send(&json("34666555444"));
    let id = id_of(&sent.json());
    assert_eq!(balance(), 99.6, "reserved at once");
    house.until(&id, |message| message["isDelivered"] == true);
    assert_eq!(balance(), 99.6, "and charged");
    let file = fetch(&house, &id, "paid.pdf");
    assert!(text_of(&file).contains("0.40 EUR"), "{}", text_of(&file));
    // One that is refused costs nothing.
    let refused = id_of(&house.send(&json("34699000005")).json());
    until("it is over", || certificate(&house, &refused).status == 200);
    assert_eq!(balance(), 99.6, "given back");
    assert!(text_of(&fetch(&house, &refused, "refused.pdf")).contains("0.00 EUR"));
    // 300 recipients would cost 15.00 without, and 105.00 with certificates.
    let to: Vec<String> = (0..300).map(|n| format!("\"34600000{n:03}\"")).collect();
    let many =
        |more: &str| format!(r#"{{"to":[{}],"from":"TEST","message":"x"{more}}}"#, to.join(","));
    let answer = house.send(&many(r#","certified":1"#));
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (402, 111.into()));
    let dry = house.call("POST", "/api/rest/sms?dryRun=1", &many(r#","certified":1"#));
    assert_eq!(dry.status, 402);
    assert_eq!(house.send(&many("")).status, 202);
    let audit = pombo(&house, &["ledger", "audit"]);
    assert!(audit.status.success(), "{audit:?}");
}

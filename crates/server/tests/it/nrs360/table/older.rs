//! The older form, with its own names of the fields: as JSON, and as a query that is answered with
//! lines of text.

use super::{Row, Table, check, field, query};

pub(super) fn tables() -> Vec<Table> {
    let sample = r#""to":["34666555444"],"from":"TEST","text":"x""#;
    let query = "username=username&password=apiPassword&to=34666555444&from=TEST&text=x";
    let by_query = Table::new("GET", "/Api/get/send.php", 200, send_php()).besides(query);
    vec![
        Table::new("POST", "/api/rest/message", 202, message()).besides(sample),
        Table { lines: true, ..by_query },
    ]
}

const CEDILLA: &str = "Invalid coding: character \"ç\" (U+00E7) at position 2";
const NOT_TRANS: &str = "The selected trans is invalid.";

fn message() -> Vec<Row> {
    let accepted = "[{\"accepted\":true,\"to\":\"34666555444\",\"id\":\"";
    let long = format!("\"text\":\"{}\",\"parts\":$", "a".repeat(161));
    let cedilla = |name: &'static str| {
        field(name)
            .within(&format!(r#""text":"ação","{name}":$"#))
            .gives("1", accepted)
            .gives("true", accepted)
            .gives("\"true\"", accepted)
            .says(113, CEDILLA, &["0", "null", "false"])
            .says(422, NOT_TRANS, &["7", "\"x\""])
    };
    let coding = |name: &'static str| {
        field(name)
            .within(&format!(r#""text":"ação","{name}":$"#))
            .gives("\"gsm-pt\"", accepted)
            .gives("\"utf-16\"", accepted)
            .says(113, CEDILLA, &["\"gsm\"", "0", "\"0\"", "null"])
            .refuses(113, &["\"utf-8\"", "\"GSM\"", "\"\"", "7", "[]"])
    };
    vec![
        field("to")
            .gives("[\"34666555444\"]", accepted)
            .gives("34666555444", accepted)
            .refuses(102, &["null", "[]", "[\"34\"]", "\"x\""]),
        field("text").gives("\"hello\"", accepted).refuses(104, &["null", "\"\""]),
        field("from")
            .gives("\"TEST\"", accepted)
            .refuses(106, &["null", "\"\""])
            .refuses(107, &["\"ABCDEFGHIJKL\""]),
        coding("coding"),
        coding("encoding"),
        field("parts")
            .within(&long)
            .gives("2", accepted)
            .refuses(105, &["1", "null"])
            .refuses(110, &["0", "16", "\"x\""]),
        field("fsend")
            .gives("\"20991231235959\"", accepted)
            .gives("\"20130215142000\"", accepted)
            .gives("null", accepted)
            .refuses(108, &["\"tomorrow\"", "\"\"", "[]"]),
        cedilla("trans"),
        cedilla("trsec"),
        cedilla("tresc"),
        field("dlr-url")
            .gives("\"https://example.com/dlr?id=%i\"", accepted)
            .gives("null", accepted)
            .refuses(109, &["\"ftp://x\"", "\"example.com\"", "7"]),
    ]
}

fn send_php() -> Vec<Row> {
    let accepted = "0: Accepted for delivery. ID ";
    let long = format!("text={}&parts=$", "a".repeat(161));
    vec![
        query("username").gives("username", accepted).refuses(103, &["nobody"]),
        query("password").gives("apiPassword", accepted).refuses(103, &["wrong"]),
        query("to")
            .gives("34666555444", accepted)
            .gives("34666555444 34666555333", "\n0: Accepted for delivery. ID ")
            .gives("34666555444+34666555333", "\n0: Accepted for delivery. ID ")
            .gives("34666555444 34", "\n102: No valid recipients")
            .refuses(102, &["", "34", "x"]),
        query("text")
            .gives("Hello you", accepted)
            .refuses(104, &[""])
            .refuses(105, &["a".repeat(161)]),
        query("from")
            .gives("TEST", accepted)
            .refuses(106, &[""])
            .refuses(107, &["ABCDEFGHIJKL"])
            .says(422, "The from field format is invalid.", &["A B"]),
        query("coding")
            .with("text=a%C3%A7&coding=$")
            .gives("gsm-pt", accepted)
            .gives("utf-16", accepted)
            .says(113, CEDILLA, &["0", "gsm"])
            .refuses(113, &["utf-8", ""]),
        query("parts")
            .with(&long)
            .gives("2", accepted)
            .refuses(105, &["1"])
            .refuses(110, &["0", "16", "x", ""]),
        query("trsec")
            .with("text=a%C3%A7&trsec=$")
            .gives("1", accepted)
            .gives("true", accepted)
            .says(113, CEDILLA, &["0", ""])
            .says(422, NOT_TRANS, &["7"]),
        // It says which callbacks are wanted: all are made.
        query("dlr-mask").gives("8", accepted).takes(&["0", "x", ""]),
        query("dlr-url")
            .gives("https://example.com/dlr?id=%i", accepted)
            .refuses(109, &["ftp://x", "x", ""]),
        query("fsend")
            .gives("20991231235959", accepted)
            .gives("20130215142000", accepted)
            .refuses(108, &["tomorrow", ""]),
    ]
}

#[test]
fn every_parameter_of_the_older_form_is_taken_and_refused_as_said() {
    check(&["/api/rest/message", "/Api/get/send.php"]);
}

//! `pombo sms segments` against the published vectors.

use super::fed;
use crate::house::folder;

fn answer(arguments: &[&str], text: &str) -> serde_json::Value {
    let arguments: Vec<&str> = ["sms", "segments"].iter().chain(arguments).copied().collect();
    let output = fed(&folder(), &arguments, text.as_bytes());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The vectors of the domain, whose own tests cover all of them; here every seventh goes through
/// the command.
#[test]
fn the_vectors_come_out_of_the_command() {
    let vectors = include_str!("../../../../domain/data/segmentation.tsv");
    let rows = vectors.lines().filter(|line| !line.starts_with('#')).skip(1);
    for row in rows.step_by(7) {
        let cells: Vec<&str> = row.split('\t').collect();
        let runs: Vec<(String, usize)> = serde_json::from_str(cells[5]).unwrap();
        let text: String = runs.iter().map(|(part, n)| part.repeat(*n)).collect();
        let mut arguments = vec!["--encoding", cells[1], "--parts", cells[4]];
        if cells[2] != "-" {
            arguments.extend(["--tables", cells[2]]);
        }
        if cells[3] == "1" {
            arguments.push("--split");
        }
        let json = answer(&arguments, &text);
        let code = match cells[7] {
            "ok" => None,
            "not_encodable" => Some(113),
            other => other.parse::<i64>().ok(),
        };
        assert_eq!(json["error"]["code"].as_i64(), code, "{}: {json}", cells[0]);
        if cells[7] == "ok" {
            let list: Vec<String> =
                json["unitsPerPart"].as_array().unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(list.join(","), cells[11], "{}", cells[0]);
            assert_eq!(json["parts"].to_string(), cells[9], "{}", cells[0]);
            assert_eq!(json["units"].to_string(), cells[10], "{}", cells[0]);
            assert_eq!(json["udh"], cells[8].trim_matches('-'), "{}", cells[0]);
        }
    }
}

#[test]
fn standard_input_is_taken_byte_for_byte() {
    assert_eq!(answer(&["--encoding", "gsm"], "a\n")["units"], 2);
    assert_eq!(answer(&["--encoding", "gsm"], "{a}")["units"], 5);
    assert_eq!(answer(&["--encoding", "gsm", "--trans"], "não")["units"], 3);
    let output = fed(&folder(), &["sms", "segments", "--encoding", "gsm"], b"ol\xe1");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "pombo: standard input: byte 2 is not UTF-8; give the text in UTF-8\n");
}

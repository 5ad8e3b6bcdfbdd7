//! Several servers on one database: what each does, and what they do together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pombo_app::clock::Clock;
use pombo_peers::postgres::Database;
use pombo_peers::sink::{self, Answer, Sink};
use pombo_peers::smsc::{Behaviour, Receipts, Smsc};
use serde_json::Value;

use super::good;
use super::serve::{BASIC, Server};
use crate::house::{folder, until};

const SERVE: [&str; 3] = ["serve", "--config", "pombo.toml"];

/// A folder with an account and a route of two binds.
fn prepared(smsc: &Smsc, database: &Database) -> PathBuf {
    let folder = folder();
    let toml = format!(
        "[store]\nurl = \"{}\"\n[callbacks]\nallow_private_networks = true\n\
         [[sms.routes]]\nname = \"carrier-a\"\naddress = \"{}\"\nsystem_id = \"pombo\"\n\
         password = \"secret\"\nbinds = 2\n",
        database.url(),
        smsc.addr
    );
    std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    let account = ["account", "add", "demo", "--api-password", "correct-horse"];
    let rest = ["--credit", "10000.00", "--config", "pombo.toml"];
    good(&folder, &[&account[..], &rest].concat());
    folder
}

fn nodes(folder: &Path) -> Vec<Value> {
    let list = good(folder, &["nodes", "list", "--json", "--config", "pombo.toml"]);
    serde_json::from_str(&list).unwrap()
}

/// Sends to so many numbers from this one on.
fn send(server: &Server, from: u64, n: u64, more: &str) {
    let to: Vec<String> = (from..from + n).map(|to| format!("\"{to}\"")).collect();
    let json = format!(r#"{{"to":[{}],"from":"TEST","message":"x"{more}}}"#, to.join(","));
    let answer = server.post("/api/rest/sms", BASIC, &json);
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

/// How a schedule names the time so far ahead.
fn in_a_while(span: Duration) -> String {
    let digits = Clock::system().now().plus(span).iso8601();
    digits.chars().filter(char::is_ascii_digit).take(14).collect()
}

#[test]
fn several_nodes_share_the_links_send_once_and_tell_once_and_one_goes_on_alone() {
    const N: u64 = 100;
    let receipts = Receipts { delay: Duration::from_millis(20), ..Receipts::default() };
    let smsc = Smsc::start(Behaviour::recording().with_receipts(receipts)).unwrap();
    let sink = Sink::start(sink::Behaviour::recording(Answer::Status(200)));
    let database = Database::fresh();
    let folder = prepared(&smsc, &database);
    let (mut first, second) = (Server::start(&folder, &SERVE), Server::start(&folder, &SERVE));
    let up = |node: &Value| node["share"] == true && node["up"][0] == "carrier-a";
    until("both have a link", || {
        let nodes = nodes(&folder);
        nodes.len() == 2 && nodes.iter().all(up)
    });

    let told = format!(r#","notificationUrl":"{}""#, sink.url("/dlr?to=%P&d=%d"));
    let later = in_a_while(Duration::from_secs(4));
    send(&first, 34_600_000_000, N, &format!(r#"{told},"scheduleDate":"{later}""#));
    send(&second, 34_600_001_000, N, &told);
    let times = || -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for target in sink.targets() {
            *times.entry(target).or_default() += 1;
        }
        times
    };
    until("all were told", || times().len() as u64 == 2 * N);
    std::thread::sleep(Duration::from_millis(500));
    assert!(times().values().all(|n| *n == 1), "{:?}", times());
    assert_eq!(smsc.received().len() as u64, 2 * N, "each was sent once");

    // The first tells callbacks; without it the second does.
    first.signal("-KILL");
    send(&second, 34_600_002_000, N, &told);
    until("the second goes on alone", || times().len() as u64 == 3 * N);
    assert_eq!(smsc.received().len() as u64, 3 * N);
    let nodes = nodes(&folder);
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    assert_eq!((&nodes[0]["alive"], &nodes[0]["share"]), (&true.into(), &true.into()));
}

#[test]
fn in_a_file_there_are_no_nodes() {
    let folder = folder();
    good(&folder, &["migrate"]);
    assert_eq!(good(&folder, &["nodes", "list"]), "nothing to list\n");
}

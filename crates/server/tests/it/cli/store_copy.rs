//! `store copy`: a server is killed, its file becomes a database, and a server there goes on.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pombo_peers::postgres::Database;
use pombo_peers::sink::{self, Answer, Sink};
use pombo_peers::smsc::{Behaviour, Receipts, Smsc};

use super::serve::{BASIC, Server};
use super::{bad, command, good, run};
use crate::house::{folder, until};

const MESSAGES: usize = 200;
const CONFIG: [&str; 2] = ["--config", "pombo.toml"];

/// A folder with an account and a route that takes fifty a second.
fn prepared(smsc: &Smsc) -> std::path::PathBuf {
    let folder = folder();
    let toml = format!(
        "[store]\nurl = \"sqlite:pombo.db\"\n[callbacks]\nallow_private_networks = true\n\
         [[sms.routes]]\nname = \"carrier-a\"\naddress = \"{}\"\nsystem_id = \"pombo\"\n\
         password = \"secret\"\nrate = 50\n",
        smsc.addr
    );
    std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    let account = ["account", "add", "demo", "--api-password", "correct-horse"];
    good(&folder, &[&account[..], &["--credit", "10000.00"], &CONFIG].concat());
    folder
}

fn send(server: &Server, n: usize, more: &str) {
    let to: Vec<String> = (0..n).map(|i| format!("\"{}\"", 34_600_000_000 + i)).collect();
    let json = format!(r#"{{"to":[{}],"from":"TEST","message":"moved"{more}}}"#, to.join(","));
    let answer = server.post("/api/rest/sms", BASIC, &json);
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

/// Begins a copy, and kills it once it copies messages.
fn break_off(folder: &Path, to: &str) {
    let arguments = [&["store", "copy", "--to", to][..], &CONFIG].concat();
    let mut child =
        command(folder, &arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = lines.map_while(Result::ok).any(|line| line.starts_with("copying part_"));
    assert!(begun);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn after_a_copy_what_waits_is_sent_receipts_find_their_messages_and_callbacks_go_on() {
    let receipts = Receipts { delay: Duration::from_secs(1), ..Receipts::default() };
    let smsc = Smsc::start(Behaviour::recording().with_receipts(receipts)).unwrap();
    let sink = Sink::start(sink::Behaviour::recording(Answer::Status(200)));
    let folder = prepared(&smsc);
    let serve = [&["serve"][..], &CONFIG].concat();
    let mut server = Server::start(&folder, &serve);
    // So many rows that a copy takes a while.
    send(&server, 20_000, r#","scheduleDate":"20371231000000""#);
    let url = sink.url("/dlr?to=%P&d=%d");
    send(&server, MESSAGES, &format!(r#","notificationUrl":"{url}""#));
    until("some are away, and some are told", || smsc.received().len() > 60 && sink.count() > 0);
    server.signal("-KILL");
    assert!(smsc.received().len() < MESSAGES, "some still wait");

    let database = Database::fresh();
    let to = database.url();
    let copy = [&["store", "copy", "--to", &to][..], &CONFIG].concat();
    break_off(&folder, &to);
    let toml = std::fs::read_to_string(folder.join("pombo.toml")).unwrap();
    std::fs::write(folder.join("new.toml"), toml.replace("sqlite:pombo.db", &to)).unwrap();
    let there = ["--config", "new.toml"];
    let refused = run(&folder, &[&["serve"][..], &there].concat());
    assert_eq!(refused.status.code(), Some(1));
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains("a copy into this store was not finished"), "{refused}");
    let done = good(&folder, &copy);
    assert!(done.contains("before it was broken off and found to be the same"), "{done}");
    bad(&folder, &copy, "is not empty");

    let _server = Server::start(&folder, &[&["serve"][..], &there].concat());
    let told = || -> BTreeSet<String> {
        sink.targets().into_iter().filter(|target| target.ends_with("d=1")).collect()
    };
    until("every message is delivered and told", || told().len() == MESSAGES);
    let received = smsc.received();
    let distinct: BTreeSet<u64> = received.iter().map(|part| part.destination).collect();
    assert_eq!(distinct.len(), MESSAGES);
    let named = good(&folder, &[&["uncertain", "list", "--json"][..], &there].concat());
    let named: serde_json::Value = serde_json::from_str(&named).unwrap();
    assert!(received.len() - MESSAGES <= named.as_array().unwrap().len());
    good(&folder, &[&["ledger", "audit"][..], &there].concat());
}

#[test]
fn only_a_file_is_copied_and_only_into_a_database() {
    let folder = folder();
    good(&folder, &["migrate"]);
    bad(&folder, &["store", "copy", "--to", "sqlite:other.db"], "is no postgres:// URL");
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
    bad(&folder, &["store", "copy", "--to", nowhere], "check that PostgreSQL runs there");
    let from_a_database = command(&folder, &["store", "copy", "--to", nowhere])
        .env("POMBO_STORE__URL", nowhere)
        .output()
        .unwrap();
    assert_eq!(from_a_database.status.code(), Some(2));
}

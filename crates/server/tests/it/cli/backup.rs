//! A backup that was made while messages were on their way, and what a server makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use pombo_peers::smsc::{Behaviour, Reaction, Smsc};

use super::good;
use super::serve::{BASIC, Server};
use crate::house::{folder, until};

const MESSAGES: usize = 200;
const CONFIG: [&str; 2] = ["--config", "pombo.toml"];

/// As docs/operate/backup.md says.
fn restore(folder: &std::path::Path) {
    let aside = folder.join("aside");
    std::fs::create_dir(&aside).unwrap();
    for file in ["pombo.db", "pombo.db-wal", "pombo.db-shm"] {
        // After a kill all three are there.
        std::fs::rename(folder.join(file), aside.join(file)).unwrap();
    }
    std::fs::copy(folder.join("copy.db"), folder.join("pombo.db")).unwrap();
}

#[test]
fn a_restored_backup_goes_on_from_its_instant_and_names_what_was_on_its_way() {
    // Every tenth is never answered: some are on their way whenever the copy is made.
    let smsc = Smsc::start(Behaviour::recording().reacting(|n, _| match n % 10 {
        0 => Reaction::AcceptAfter(Duration::from_secs(30)),
        _ => Reaction::Accept,
    }))
    .unwrap();
    let folder = folder();
    let toml = format!(
        "[store]\nurl = \"sqlite:pombo.db\"\n[[sms.routes]]\nname = \"carrier-a\"\n\
         address = \"{}\"\nsystem_id = \"pombo\"\npassword = \"secret\"\nrate = 100\n",
        smsc.addr
    );
    std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    let with_config = |arguments: &[&str]| good(&folder, &[arguments, &CONFIG].concat());
    with_config(&["account", "add", "demo", "--api-password", "correct-horse", "--credit", "100"]);
    let serve = [&["serve"][..], &CONFIG].concat();
    let mut server = Server::start(&folder, &serve);
    let send = |server: &Server, first: usize| {
        let to: Vec<String> =
            (first..first + MESSAGES).map(|i| format!("\"{}\"", 34_600_000_000 + i)).collect();
        let json = format!(r#"{{"to":[{}],"from":"TEST","message":"kept"}}"#, to.join(","));
        let answer = server.post("/api/rest/sms", BASIC, &json);
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    };
    send(&server, 0);
    until("some are sent, and some wait", || smsc.received().len() > 50);
    with_config(&["backup", "copy.db"]);
    send(&server, MESSAGES);
    server.signal("-KILL");
    restore(&folder);
    let _server = Server::start(&folder, &serve);
    let arrived = || -> BTreeSet<u64> {
        smsc.received().iter().map(|part| part.destination - 34_600_000_000).collect()
    };
    until("all that the copy knows is sent", || arrived().range(..200).count() == MESSAGES);
    let named = with_config(&["uncertain", "list", "--json"]);
    let named: serde_json::Value = serde_json::from_str(&named).unwrap();
    assert!(!named.as_array().unwrap().is_empty(), "some were on their way");
    with_config(&["ledger", "audit"]);
    let record = with_config(&["cdr", "export", "--from", "2024-01-02", "--to", "2100-01-01"]);
    assert_eq!(record.lines().count(), 1 + MESSAGES, "what was accepted later is not in it");
}

//! What operators do on a store, with and without a server beside it.

use super::{bad, good, run};
use crate::house::{House, folder};

#[test]
fn accounts_are_opened_listed_and_changed() {
    let folder = folder();
    let added = good(&folder, &["account", "add", "acme", "--credit", "100.00"]);
    assert!(added.contains("apiPassword "), "{added}");
    let given = ["account", "add", "other", "--api-password", "correct-horse", "--currency", "USD"];
    assert!(!good(&folder, &given).contains("apiPassword"));
    assert_eq!(good(&folder, &["account", "credit", "acme", "-0.50"]), "balance 99.50\n");
    good(
        &folder,
        &["account", "set", "acme", "--rate", "10", "--per-day", "1000", "--category", "marketing"],
    );
    good(&folder, &["account", "allow", "acme", "192.0.2.0/24", "2001:db8::1"]);
    good(&folder, &["account", "disable", "other"]);
    good(&folder, &["account", "passwd", "acme", "--api-password", "battery-staple"]);
    let list: serde_json::Value =
        serde_json::from_str(&good(&folder, &["account", "list", "--json"])).unwrap();
    let acme = &list[0];
    assert_eq!(acme["balance"], "99.50");
    assert_eq!(acme["ratePerSecond"], 10);
    assert_eq!(acme["perDay"], 1000);
    assert_eq!(acme["category"], "marketing");
    assert_eq!(acme["allow"][0], "192.0.2.0/24");
    assert_eq!(list[1]["disabled"], true);
    assert!(good(&folder, &["account", "list"]).contains("acme"));
}

#[test]
fn what_cannot_be_done_is_one_line() {
    let folder = folder();
    good(&folder, &["account", "add", "acme"]);
    for arguments in [
        &["account", "add", "acme"][..],
        &["account", "add", "no spaces"],
        &["account", "credit", "nobody", "1"],
        &["account", "allow", "acme", "everywhere"],
        &["routes", "pause", "nowhere"],
        &["uncertain", "drop", "--route", "nowhere"],
    ] {
        let output = run(&folder, arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), text.lines().count()),
            (Some(1), 1),
            "{arguments:?} {text}"
        );
    }
}

#[test]
fn a_route_is_paused_beside_a_running_server() {
    let house = House::open();
    let folder = &house.folder;
    std::fs::write(
        folder.join("pombo.toml"),
        format!("[store]\nurl = \"sqlite:{}\"\n", folder.join("pombo.db").display()),
    )
    .unwrap();
    let config = ["--config", "pombo.toml"];
    let pause = |verb| good(folder, &["routes", verb, "sandbox", config[0], config[1]]);
    assert_eq!(pause("pause"), "sandbox is paused\n");
    // It takes effect within a second.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let sent = house.send(r#"{"to":["34666555444"],"from":"TEST","message":"later"}"#).json();
    let id = sent["result"][0]["id"].as_str().unwrap().to_owned();
    std::thread::sleep(std::time::Duration::from_millis(1_000));
    let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
    assert_eq!(status["data"][0]["events"], serde_json::json!([]));
    let list: serde_json::Value =
        serde_json::from_str(&good(folder, &["routes", "list", "--json", config[0], config[1]]))
            .unwrap();
    assert_eq!((&list[0]["paused"], &list[0]["queued"]), (&true.into(), &1.into()));
    assert_eq!(pause("resume"), "sandbox is resumed\n");
    house.until(&id, |sms| sms["isDelivered"] == true);
}

#[test]
fn a_backup_is_a_store() {
    let folder = folder();
    good(&folder, &["account", "add", "acme"]);
    good(&folder, &["backup", "copy.db"]);
    let list = super::command(&folder, &["account", "list"])
        .env("POMBO_STORE__URL", "sqlite:copy.db")
        .output()
        .unwrap();
    assert!(String::from_utf8(list.stdout).unwrap().contains("acme"));
    assert_eq!(run(&folder, &["backup", "copy.db"]).status.code(), Some(1), "it must not exist");
}

#[test]
fn lists_of_nothing_are_empty() {
    let folder = folder();
    good(&folder, &["migrate"]);
    assert_eq!(good(&folder, &["uncertain", "list", "--json"]), "[]\n");
    assert_eq!(good(&folder, &["receipts", "unmatched", "--json"]), "[]\n");
    assert_eq!(good(&folder, &["uncertain", "list"]), "nothing to list\n");
}

#[test]
fn retention_forgets_nothing_of_the_last_week() {
    let folder = folder();
    bad(&folder, &["retention", "run"], "there is no store");
    good(&folder, &["migrate"]);
    assert_eq!(
        good(&folder, &["retention", "run", "--days", "7"]),
        "0 messages are forgotten, 0 days stay\n"
    );
    assert_eq!(
        good(&folder, &["retention", "run", "--dry-run"]),
        "0 messages would be forgotten, 0 days stay\n"
    );
    assert_ne!(run(&folder, &["retention", "run", "--days", "6"]).status.code(), Some(0));
}

#[test]
fn what_only_reads_makes_no_store() {
    let folder = folder();
    for command in [&["account", "list"][..], &["backup", "copy.db"], &["uncertain", "list"]] {
        bad(&folder, command, "there is no store");
    }
    assert!(!folder.join("pombo-data").exists());
}

#[test]
fn a_store_and_its_copies_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    good(&folder, &["migrate"]);
    good(&folder, &["backup", "copy.db"]);
    for file in ["pombo-data/pombo.db", "copy.db"] {
        let mode = folder.join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    bad(&folder, &["backup", "copy.db"], "copy.db exists already; name a new file\n");
}

#[test]
fn deciding_on_parts_that_are_not_in_doubt_is_not_done() {
    let folder = folder();
    good(&folder, &["migrate"]);
    for word in ["resend", "drop"] {
        bad(&folder, &["uncertain", word, "12345"], "none of these parts is in doubt");
        good(&folder, &["uncertain", word, "--all"]);
    }
}

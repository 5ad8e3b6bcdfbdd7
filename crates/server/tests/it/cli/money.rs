//! The money of many senders at once, on a real server process.

use std::sync::atomic::{AtomicU32, Ordering};

use super::good;
use super::serve::Server;
use crate::house::folder;

/// Senders at the same time.
const SENDERS: usize = 200;
/// Requests of each.
const REQUESTS: usize = 5;

#[test]
fn two_hundred_senders_spend_what_there_is_and_the_ledger_adds_up() {
    let folder = folder();
    let toml =
        "[prices]\nsms_default = \"0.05\"\n[[sms.routes]]\nname = \"s\"\nkind = \"sandbox\"\n";
    std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    let config = ["--config", "pombo.toml"];
    let with = |arguments: &[&str]| good(&folder, &[arguments, &config].concat());
    // Each account has money for 100 messages, and is asked for 500; one more has a cap of 40.
    for name in ["a", "b", "demo"] {
        with(&["account", "add", name, "--credit", "5.00", "--api-password", "correct-horse"]);
    }
    with(&["account", "set", "demo", "--spend-cap", "2.00"]);
    let server = Server::start(&folder, &["serve", config[0], config[1]]);
    let basics = ["Basic YTpjb3JyZWN0LWhvcnNl", "Basic Yjpjb3JyZWN0LWhvcnNl", super::serve::BASIC];
    let accepted = [const { AtomicU32::new(0) }; 3];
    let refused = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (server, accepted, refused) = (&server, &accepted, &refused);
            scope.spawn(move || {
                let which = sender % 3;
                for n in 0..REQUESTS {
                    let json = format!(
                        r#"{{"to":["346665{sender:03}{n:02}"],"from":"TEST","message":"x"}}"#
                    );
                    let answer = server.post("/api/rest/sms", basics[which], &json);
                    match answer.get(9..12) {
                        Some("202") => accepted[which].fetch_add(1, Ordering::Relaxed),
                        Some("402") => {
                            assert!(answer.contains("\"code\":111"), "{answer}");
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        _ => panic!("{answer}"),
                    };
                }
            });
        }
        // While they send, no look shows a balance below nothing, and every look adds up.
        for _ in 0..5 {
            let list: serde_json::Value =
                serde_json::from_str(&with(&["account", "list", "--json"])).unwrap();
            for account in list.as_array().unwrap() {
                assert!(!account["balance"].as_str().unwrap().starts_with('-'), "{account}");
            }
            with(&["ledger", "audit"]);
        }
    });
    let accepted = accepted.map(AtomicU32::into_inner);
    assert_eq!(accepted, [100, 100, 40]);
    assert_eq!(refused.into_inner() as usize, SENDERS * REQUESTS - 240);
    let audit: serde_json::Value =
        serde_json::from_str(&with(&["ledger", "audit", "--json"])).unwrap();
    assert_eq!(audit["addsUp"], true, "{audit}");
    assert_eq!(audit["requestsChecked"], 240);
    let balances: Vec<&str> = audit["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["balance"].as_str().unwrap())
        .collect();
    assert_eq!(balances, ["0.00", "0.00", "3.00"]);
    let export = with(&["cdr", "export", "--from", "2020-01-01", "--to", "2099-01-01"]);
    assert_eq!(export.lines().count(), 241, "a line for each part");
    assert_eq!(export.lines().filter(|line| line.contains(",0.05,0.05,EUR,")).count(), 240);
}

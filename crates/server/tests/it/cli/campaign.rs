//! `pombo campaign`, beside a running server.

use super::{bad, good};
use crate::house::{House, folder};

#[test]
fn a_campaign_is_paused_resumed_and_cancelled_beside_a_running_server() {
    let house = House::open();
    let folder = &house.folder;
    let file = format!("[store]\nurl = \"sqlite:{}\"\n", folder.join("pombo.db").display());
    std::fs::write(folder.join("pombo.toml"), file).unwrap();
    let campaign = |arguments: &[&str]| {
        let all = [&["campaign"], arguments, &["--config", "pombo.toml"]].concat();
        good(folder, &all)
    };
    let named = |more: &str| {
        let json = r#"{"to":["34666555444"],"from":"TEST","message":"x","campaignName":"Spring""#;
        house.send(&format!("{json}{more}}}")).json()
    };
    let first = named(r#","scheduleDate":"20990101120000""#);
    let number = first["campaignId"].to_string();
    assert_eq!(campaign(&["pause", &number]), format!("{number} is paused\n"));
    let held = named("");
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    let id = held["result"][0]["id"].as_str().unwrap();
    let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
    assert_eq!(status["data"][0]["events"], serde_json::json!([]));
    let list: serde_json::Value = serde_json::from_str(&campaign(&["list", "--json"])).unwrap();
    assert_eq!((&list[0]["status"], &list[0]["waiting"]), (&"PAUSED".into(), &2.into()));
    assert_eq!(list[0]["account"], "username");
    let sending = first["sendingId"].to_string();
    assert_eq!(campaign(&["resume", &sending]), format!("{sending} goes on\n"));
    house.until(id, |sms| sms["isDelivered"] == true);
    let said = campaign(&["cancel", &number]);
    assert_eq!(said, format!("{number} is cancelled; what waited has ended\n"));
    let list: serde_json::Value = serde_json::from_str(&campaign(&["list", "--json"])).unwrap();
    assert_eq!((&list[0]["status"], &list[0]["cancelled"]), (&"CANCELLED".into(), &1.into()));
}

#[test]
fn a_campaign_that_is_not_there_is_told() {
    let folder = folder();
    good(&folder, &["migrate"]);
    bad(&folder, &["campaign", "pause", "7"], "there is no campaign and no sending 7");
    assert_eq!(good(&folder, &["campaign", "list"]), "nothing to list\n");
}

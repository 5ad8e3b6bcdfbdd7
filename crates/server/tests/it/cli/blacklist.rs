//! `pombo blacklist`, beside the API.

use super::good;
use crate::house::folder;

#[test]
fn a_list_is_imported_listed_and_kept_when_it_ends() {
    let folder = folder();
    std::fs::write(folder.join("pombo.toml"), "").unwrap();
    let with =
        |arguments: &[&str]| good(&folder, &[arguments, &["--config", "pombo.toml"]].concat());
    with(&["account", "add", "a", "--api-password", "correct-horse"]);
    with(&["account", "add", "b", "--api-password", "correct-horse"]);
    let file = "phone,reason\n+34 699 000 001,wrote us\n34699000002,\nnobody,\n34699000001,twice\n";
    std::fs::write(folder.join("list.csv"), file).unwrap();
    let told = with(&["blacklist", "import", "a", "list.csv", "--reason", "old system"]);
    assert_eq!(told, "2 added, 1 were on the list, 1 bad rows are left out\n");
    let told = with(&["blacklist", "add", "a", "34699000003", "Ana@example.com"]);
    assert_eq!(told, "2 added; 0 were on the list\n");
    let list = |arguments: &[&str]| {
        let list = with(&[&["blacklist", "list", "--json"], arguments].concat());
        serde_json::from_str::<serde_json::Value>(&list).unwrap().as_array().unwrap().clone()
    };
    let entries: Vec<String> = list(&["a"])
        .iter()
        .map(|e| format!("{} {} {}", e["address"], e["source"], e["reason"]).replace('"', ""))
        .collect();
    assert_eq!(
        entries,
        [
            "ana@example.com operator ",
            "34699000003 operator ",
            "34699000002 operator old system",
            "34699000001 operator wrote us",
        ]
    );
    assert_eq!((list(&["b"]).len(), list(&["a", "--channel", "sms"]).len()), (0, 3));
    let told = with(&["blacklist", "remove", "a", "+34699000001", "--reason", "asked again"]);
    assert_eq!(told, "1 removed; 0 were not on the list\n");
    let ended = list(&["a", "--ended"]);
    assert_eq!((ended.len(), list(&["a"]).len()), (1, 3));
    assert_eq!(ended[0]["endedReason"], "asked again");
    assert_eq!(ended[0]["reason"], "wrote us");
}

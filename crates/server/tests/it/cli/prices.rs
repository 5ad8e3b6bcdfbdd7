//! Price lists from a file to the price of a message, beside a running server.

use super::{bad, good, run};
use crate::house::{House, folder, story, until};

const LIST: &str = "countryIso,networkName,mcc,mnc,cost\nAD,Default,213,,0.065\n\
    AD,Servei De Tele. DAndorra,213,003,0.07\nAE,Default,424,,0.0868\nES,Default,214,,0.04\n\
    ES,Movistar,214,07,0.03\n";

/// A house whose folder has a configuration for the commands.
fn house() -> House {
    let house = House::open();
    let url = format!("[store]\nurl = \"sqlite:{}\"\n", house.folder.join("pombo.db").display());
    std::fs::write(house.folder.join("pombo.toml"), url).unwrap();
    house
}

fn pombo(house: &House, arguments: &[&str]) -> String {
    good(&house.folder, &[arguments, &["--config", "pombo.toml"]].concat())
}

fn import(house: &House, name: &str, text: &str, more: &[&str]) -> String {
    std::fs::write(house.folder.join(name), text).unwrap();
    let command = if text.starts_with("prefix") { "import-ranges" } else { "import" };
    pombo(house, &[&["prices", command, name], more].concat())
}

fn cost(house: &House, to: &str) -> String {
    let json = format!(r#"{{"to":["{to}"],"from":"TEST","message":"x"}}"#);
    let answer = house.call("POST", "/api/rest/sms?dryRun=1", &json).json();
    answer["result"][0]["cost"].to_string()
}

/// Waits at most a second, and what a loaded machine adds to it.
fn until_costs(house: &House, to: &str, wanted: &str) {
    for _ in 0..100 {
        if cost(house, to) == wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(cost(house, to), wanted);
}

#[test]
fn a_list_is_shown_first_and_prices_messages_once_it_is_applied() {
    let house = house();
    let shown = import(&house, "list.csv", LIST, &[]);
    assert!(shown.contains("AD 213-003 (Servei De Tele. DAndorra): new: 0.07, from"), "{shown}");
    assert!(shown.ends_with("5 changes, 0 bad rows; nothing is kept without --apply\n"), "{shown}");
    assert_eq!(pombo(&house, &["prices", "list", "--json"]), "[]\n");
    assert_eq!(cost(&house, "34666555444"), "0.05");
    import(&house, "list.csv", LIST, &["--apply"]);
    until_costs(&house, "34666555444", "0.04");
    let ranges = "prefix,mcc,mnc\n34666,214,07\n376,213,03\nx,1,2\n";
    let told = import(&house, "ranges.csv", ranges, &["--yes"]);
    assert!(told.ends_with("2 changes are kept, 1 bad rows are left out\n"), "{told}");
    until_costs(&house, "34666555444", "0.03");
    assert_eq!(cost(&house, "34655555444"), "0.04", "another network");
    assert_eq!(cost(&house, "376312345"), "0.07");
    assert_eq!(cost(&house, "351912345678"), "0.05", "what no list names");
    let sent = house.send(r#"{"to":["34666555444","34655555444"],"from":"TEST","message":"x"}"#);
    assert_eq!(sent.status, 202, "{}", sent.body);
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 99.93);
    let of = pombo(&house, &["prices", "show", "--number", "34666555444"]);
    assert_eq!(of, "34666555444: ES, 214-07: 0.03 EUR (Movistar)\n");
    let again = import(&house, "list.csv", LIST, &["--apply"]);
    assert!(again.ends_with("0 changes are kept, 0 bad rows are left out\n"), "{again}");
    // A price of another day changes nothing today; a whole list ends what it does not name.
    import(&house, "dear.csv", "country,price\nES,0.90\n", &["--apply", "--from", "2099-01-01"]);
    import(&house, "only.csv", "country,price\nES,0.02\n", &["--apply", "--replace"]);
    until_costs(&house, "34655555444", "0.02");
    assert_eq!(cost(&house, "376312345"), "0.05");
    let then = pombo(&house, &["prices", "show", "--json", "--at", "2099-02-01"]);
    assert!(then.contains("\"price\": \"0.90\""), "{then}");
}

#[test]
fn what_is_not_delivered_is_given_back_once_where_the_list_says_so() {
    let house = house();
    let list = "country,price,refund\nES,0.04,yes\nPT,0.03,no\n";
    let shown = import(&house, "list.csv", list, &["--apply"]);
    assert!(shown.contains("ES Default (Default): new: 0.04 with refund, from"), "{shown}");
    assert!(shown.contains("PT Default (Default): new: 0.03, from"), "{shown}");
    until_costs(&house, "34666555444", "0.04");
    let prices = pombo(&house, &["prices", "show"]);
    assert!(prices.lines().any(|l| l.starts_with("ES") && l.ends_with("yes")), "{prices}");
    // Undelivered, expired, refused by the network, deleted; expired and then delivered; delivered;
    // delivered, told twice; unknown and then delivered.
    let sent = house.send(
        r#"{"to":["34699000002","34699000003","34699000004","34699000016","34699000017",
            "34699000000","34699000009","34699000014"],
            "from":"TEST","message":"x","campaignName":"refunds"}"#,
    );
    assert_eq!(sent.status, 202, "{}", sent.body);
    let ids: Vec<String> = sent.json()["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["id"].as_str().unwrap().to_owned())
        .collect();
    let costs = || -> Vec<f64> {
        let path = format!("/api/rest/sms/{}?details=1", ids.join(","));
        let status = house.call("GET", &path, "").json();
        let cost = |m: &serde_json::Value| m["parts"][0]["cost"].as_f64().unwrap();
        status["data"].as_array().unwrap().iter().map(cost).collect()
    };
    let wanted = [0.0, 0.0, 0.0, 0.0, 0.04, 0.04, 0.04, 0.04];
    let is_over = |id: &String| {
        let status = house.call("GET", &format!("/api/rest/sms/{id}"), "").json();
        status["data"][0]["isDelivered"] == true
    };
    until("all that will be delivered is", || ids[4..].iter().all(is_over));
    until("what was not is given back", || costs() == wanted);
    // Of a request that names no campaign, too.
    let own = house.send(r#"{"to":["34699000002","34699000000"],"from":"TEST","message":"x"}"#);
    let path = format!("/api/rest/sendings/{}", own.json()["sendingId"]);
    let cost = || house.call("GET", &path, "").json()["data"]["cost"].as_f64();
    until("its cost is without it", || cost() == Some(0.04));
    // A new list changes nothing of what was accepted before.
    import(&house, "list.csv", "country,price\nES,0.04\n", &["--apply"]);
    assert_eq!(costs(), wanted);
    let account = house.call("GET", "/api/rest/account", "").json();
    assert_eq!(account["data"]["balance"], 99.8);
    let campaign = house.call("GET", "/api/rest/campaigns", "").json();
    assert_eq!(campaign["data"][0]["sendings"]["data"][0]["cost"], 0.16);
    let audit: serde_json::Value =
        serde_json::from_str(&pombo(&house, &["ledger", "audit", "--json"])).unwrap();
    let books = &audit["accounts"][0];
    assert_eq!((&audit["addsUp"], &books["refunded"]), (&true.into(), &"0.20".into()), "{audit}");
    assert_eq!(books["reserved"], "0.40");
    let export = pombo(&house, &["cdr", "export", "--from", "2020-01-01", "--to", "2099-01-01"]);
    let lines = |end: &str| export.lines().filter(|line| line.ends_with(end)).count();
    assert_eq!((lines(",refunded"), lines(",0.04"), lines(",0.00")), (1, 5, 5), "{export}");
    assert_eq!(export.lines().filter(|line| line.contains(",0.04,0.00,EUR,")).count(), 5);
}

#[test]
fn bad_rows_are_told_with_their_lines_and_end_nothing() {
    let folder = folder();
    good(&folder, &["migrate"]);
    std::fs::write(
        folder.join("list.csv"),
        "country,price,refund\nES,0.05\nXX,1\nPT,free\nFR,0.05,perhaps\n",
    )
    .unwrap();
    let output = run(&folder, &["prices", "import", "list.csv"]);
    let (stdout, stderr) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(stdout.starts_with("ES Default (Default): new: 0.05, from "), "{stdout}");
    let end = "1 changes, 3 bad rows; nothing is kept without --apply\n";
    assert!(stdout.ends_with(end) && stdout.lines().count() == 2, "{stdout}");
    assert_eq!(good(&folder, &["prices", "list"]), "nothing to list\n");
    assert_eq!(
        stderr.lines().collect::<Vec<_>>(),
        [
            "pombo: line 3: \"XX\" is no country: two letters, for example ES",
            "pombo: line 4: \"free\" is no price: 0 to 1000.00, at most six decimals",
            "pombo: line 5: \"perhaps\" does not say whether it is given back: yes or no",
        ]
    );
    let whole = run(&folder, &["prices", "import", "list.csv", "--replace", "--apply"]);
    assert_eq!(whole.status.code(), Some(1));
    assert_eq!(good(&folder, &["prices", "list"]), "nothing to list\n");
    let kept = run(&folder, &["prices", "import", "list.csv", "--apply"]);
    let stdout = String::from_utf8(kept.stdout).unwrap();
    assert!(stdout.ends_with("1 changes are kept, 3 bad rows are left out\n"), "{stdout}");
    assert_eq!(good(&folder, &["prices", "show"]).lines().count(), 2, "the good row alone");
    std::fs::write(folder.join("other.csv"), "a,b\n1,2\n").unwrap();
    bad(&folder, &["prices", "import", "other.csv"], "names no column countryIso");
    bad(&folder, &["prices", "import", "nowhere.csv"], "nowhere.csv: ");
    bad(&folder, &["prices", "import", "list.csv", "--route", "nowhere"], "there is no route");
}

#[test]
fn what_each_route_leaves_of_a_price_is_known_the_cheapest_first() {
    let folder = folder();
    let toml = "[[sms.routes]]\nname = \"dear\"\nkind = \"sandbox\"\nbuy_price = \"0.05\"\n\
        [[sms.routes]]\nname = \"cheap\"\nkind = \"sandbox\"\nbuy_price = \"0.02\"\n";
    std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    std::fs::write(folder.join("list.csv"), LIST).unwrap();
    std::fs::write(folder.join("carrier.csv"), "mccmnc,country,cost\n21407,ES,0.035\n").unwrap();
    let config = ["--config", "pombo.toml"];
    good(&folder, &["account", "add", "acme", config[0], config[1]]);
    // Routes have their numbers from the first start on.
    super::serve::start_and_stop(&folder, &["serve", config[0], config[1]]);
    let with = |arguments: &[&str]| good(&folder, &[arguments, &config].concat());
    with(&["prices", "import", "list.csv", "--apply"]);
    with(&["prices", "import", "carrier.csv", "--route", "cheap", "--apply"]);
    let told = with(&["prices", "margin", "--country", "ES"]);
    insta::assert_snapshot!(told);
    let losing: serde_json::Value =
        serde_json::from_str(&with(&["prices", "margin", "--negative", "--json"])).unwrap();
    let margins: Vec<_> =
        losing.as_array().unwrap().iter().map(|l| l["margin"].as_str().unwrap()).collect();
    assert_eq!(margins, ["-0.01", "-0.005", "-0.02"]);
}

#[test]
fn coverage_is_answered_as_the_api_document_shows_it() {
    let house = house();
    import(&house, "list.csv", LIST, &["--apply"]);
    until_costs(&house, "34666555444", "0.04");
    pombo(&house, &["account", "set", "username", "--countries", "AD,AE"]);
    for _ in 0..60 {
        if !house.call("GET", "/api/rest/coverage/sms", "").body.contains("Spain") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let stories: Vec<String> = [
        "/api/rest/coverage/sms",
        "/api/rest/coverage/sms/countries",
        "/api/rest/coverage/sms?countryIso=ae",
        "/api/rest/coverage/sms/countries?countryIso=ES",
        "/api/rest/coverage/sms?countryIso=",
        "/api/rest/coverage/sms?countryIso=Spain",
    ]
    .iter()
    .map(|path| story(&format!("GET {path}"), &house.call("GET", path, "")))
    .collect();
    insta::assert_snapshot!(stories.concat());
    let sent = house.send(r#"{"to":["376312345","34666555444"],"from":"TEST","message":"x"}"#);
    assert_eq!(sent.status, 207, "a country that the account may not reach: {}", sent.body);
    assert_eq!(sent.json()["result"][1]["error"]["code"], 102);
    pombo(&house, &["account", "set", "username", "--countries", "all", "--spend-cap", "0.20"]);
    until_costs(&house, "34666555444", "0.04");
    let five = r#"{"to":["34666555444","34666555445","34666555446","34666555447","34666555448","34666555449"],"from":"TEST","message":"x"}"#;
    let capped = house.send(five);
    assert_eq!((capped.status, capped.json()["error"]["code"].as_i64()), (402, Some(111)));
    let dry = house.call("POST", "/api/rest/sms?dryRun=1", five);
    assert_eq!(dry.status, 402, "{}", dry.body);
}

//! Every mistake is told, each in a line that says what, where and what to do.

use super::*;

fn mistakes(text: &str) -> Vec<String> {
    resolve(Some(("pombo.toml", text)), &[]).expect_err("this has mistakes")
}

fn with_variables(variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let variables: Vec<_> =
        variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    resolve(None, &variables)
}

/// The example with its commented keys in force, but for those beside another form.
fn example_in_force() -> String {
    EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // There is no such file.
            Some(rest) if rest.contains("country_rules.toml") => line,
            Some(rest) if rest.contains(" = ") || rest.starts_with("[[") => {
                rest.strip_prefix("# ").unwrap_or(rest)
            }
            _ => line,
        })
        .filter(|line| !line.starts_with("- ") && !line.starts_with("Lists"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_example_is_the_defaults() {
    let config = resolve(Some(("example", EXAMPLE)), &[]).expect("the example is right");
    assert_eq!(config, Config::default());
}

#[test]
fn the_examples_route_is_a_routes_defaults() {
    let full = resolve(Some(("example", &example_in_force())), &[]).expect("all keys are known");
    let short = resolve(
        Some((
            "short",
            "[[sms.routes]]\nname = \"carrier-a\"\naddress = \"127.0.0.1:2775\"\n\
             system_id = \"pombo\"\npassword = \"secret\"\nbuy_price = \"0.03\"",
        )),
        &[],
    );
    assert_eq!(full.routes, short.expect("a route").routes);
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let text = "[http]\nlisten = \"nowhere\"\nlisen = \"x\"\n\n[prices]\nsms_default = \"-1\"\n\
                [[sms.routes]]\nname = \"a b\"\nwindow = 0\nencoding = \"ebcdic\"\n";
    assert_eq!(
        mistakes(text),
        [
            "pombo.toml:2: http.listen is \"nowhere\", but must be an address and a port, as in \
             \"127.0.0.1:8360\"",
            "pombo.toml:3: http.lisen is not a key; did you mean http.listen?",
            "pombo.toml:6: prices.sms_default is \"-1\", but a price cannot be negative",
            "pombo.toml:8: sms.routes[0].name is \"a b\", but must be 1 to 64 letters, digits, \
             points, dashes or underlines",
            "pombo.toml:10: sms.routes[0].encoding is \"ebcdic\", but must be one of \
             gsm-unpacked, gsm-packed, latin-1, ascii",
            "pombo.toml:7: sms.routes[0].address is missing; write address = \
             \"smpp.example.com:2775\"",
            "pombo.toml:7: sms.routes[0].system_id is missing; write system_id = \"the name the \
             carrier gave you\"",
            "pombo.toml:9: sms.routes[0].window is 0, but must be from 1 to 10000",
        ]
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let lines = mistakes("[http]\nlisten = \n");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("pombo.toml:2: this is not TOML: "), "{lines:?}");
}

#[test]
fn a_value_of_the_wrong_kind_is_told() {
    let lines = mistakes("http = 1\n[store]\nurl = 5\n[callbacks]\nsubmitted = \"yes\"");
    assert_eq!(
        lines,
        [
            "pombo.toml:1: http is an integer, but must be a table",
            "pombo.toml:3: store.url is an integer, but must be text in quotes",
            "pombo.toml:5: callbacks.submitted is text, but must be true or false",
        ]
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let variables = [
        ("POMBO_HTTP__LISTEN".to_owned(), "0.0.0.0:80".to_owned()),
        ("POMBO_HTTP__TRUSTED_PROXIES".to_owned(), "10.0.0.1, 10.1.0.0/16".to_owned()),
        ("POMBO_SMS__ROUTES__0__PASSWORD".to_owned(), "12345".to_owned()),
        ("POMBO_SMS__ROUTES__0__WINDOW".to_owned(), "7".to_owned()),
        ("POMBO_SMS__ROUTES__1__NAME".to_owned(), "second".to_owned()),
        ("POMBO_SMS__ROUTES__1__KIND".to_owned(), "sandbox".to_owned()),
        ("POMBO_DEMO_PASSWORD".to_owned(), "not a key".to_owned()),
        ("PATH".to_owned(), "/bin".to_owned()),
    ];
    let file = "[[sms.routes]]\nname = \"a\"\naddress = \"h:1\"\nsystem_id = \"s\"\n";
    let config = resolve(Some(("pombo.toml", file)), &variables).expect("right");
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.http.trusted_proxies.len(), 2);
    assert_eq!((config.routes[0].window, config.routes[1].name.as_str()), (7, "second"));
    let Transport::Smpp(link) = &config.routes[0].transport else { panic!("an SMPP route") };
    assert_eq!(link.password.expose(), "12345");
}

#[test]
fn an_unknown_variable_of_ours_is_a_mistake() {
    assert_eq!(
        with_variables(&[("POMBO_HTTP__LISEN", "x")]).expect_err("unknown"),
        ["POMBO_HTTP__LISEN: http.lisen is not a key; did you mean http.listen?"]
    );
    let lines = with_variables(&[("POMBO_COLOUR", "red")]).expect_err("unknown");
    assert!(lines[0].starts_with("POMBO_COLOUR: colour is not a key; the keys here are http"));
    let lines = with_variables(&[("POMBO_SMS__ROUTES__3__NAME", "x")]).expect_err("a gap");
    assert!(lines[0].contains("the next free number is 0"), "{lines:?}");
}

#[test]
fn a_name_is_given_once() {
    let route = "[[sms.routes]]\nname = \"a\"\nkind = \"sandbox\"\n";
    assert_eq!(
        mistakes(&format!("{route}{route}")),
        ["pombo.toml:4: sms.routes[1].name names \"a\" a second time; give each route its own"]
    );
}

#[test]
fn an_unreadable_file_is_one_line() {
    let lines = load(Some(Path::new("/nowhere/pombo.toml"))).expect_err("there is no such file");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("/nowhere/pombo.toml: cannot read the configuration: "));
    let lines = mistakes(
        "[[sms.routes]]\nname = \"a\"\naddress = \"h:1\"\nsystem_id = \"s\"\n\
         password_file = \"/nowhere/password\"\n",
    );
    assert!(lines[0].starts_with("pombo.toml:5: sms.routes[0].password_file names /nowhere/"));
}

#[test]
fn what_is_shown_hides_secrets_and_reads_back() {
    let text = "[[sms.routes]]\nname = \"a\"\naddress = \"h:1\"\nsystem_id = \"s\"\n\
                password = \"hunter2\"\nton_npi = { short = [3, 0] }\n\
                temporary_errors = [0x45, 1025]\nbuy_price = \"0.03\"\n";
    let config = resolve(Some(("pombo.toml", text)), &[]).expect("right");
    let shown = config.to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
    let mut again = resolve(Some(("shown", &shown)), &[]).expect("what is shown can be read");
    assert_eq!(again.http.public_url.take().as_deref(), Some("http://127.0.0.1:8360"));
    assert_eq!(again.to_string(), shown);
}

#[test]
fn a_value_that_is_wrong_is_not_missing_besides() {
    let route =
        |keys: &str| mistakes(&format!("[[sms.routes]]\nname = \"a\"\nkind = \"smpp\"\n{keys}"));
    let lines = route("address = \"h h:22\"\nsystem_id = \"a name that is too long\"\n");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("address is \"h h:22\", but must be a host and a port"));
    assert!(lines[1].contains("system_id is"), "{lines:?}");
    let lines = route("address = \"h:22\"\nsystem_id = \"s\"\ntemporary_errors = [0, 0x45]\n");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("temporary_errors[0] is 0, but must be an error status"));
    let lines = route("addresses = []\n");
    assert!(lines.iter().all(|line| line.contains("is missing")), "{lines:?}");
}

#[test]
fn files_that_do_not_hold_what_they_are_named_for_are_told() {
    let folder = std::env::temp_dir().join(format!("pombo-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (empty, text) = (folder.join("empty"), folder.join("text"));
    std::fs::write(&empty, "").expect("a file");
    std::fs::write(&text, "no certificate\n").expect("a file");
    let lines = mistakes(&format!(
        "[[sms.routes]]\nname = \"a\"\naddress = \"h:22\"\nsystem_id = \"s\"\n\
         password_file = \"{}\"\ntls = true\ntls_ca = \"{}\"\n",
        empty.display(),
        text.display(),
    ));
    let _ = std::fs::remove_dir_all(&folder);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("whose first line is empty")));
    assert!(lines.iter().any(|line| line.contains("which holds no certificate")));
}

#[test]
fn a_log_level_that_is_none_is_told() {
    for level in ["inof", "chatty", "", "info,verbose"] {
        let lines = mistakes(&format!("[log]\nlevel = \"{level}\"\n"));
        assert!(lines[0].contains("but must be one of off, error"), "{lines:?}");
    }
    let good = resolve(Some(("x", "[log]\nlevel = \"info,pombo_app=debug\"\n")), &[]);
    assert!(good.is_ok());
}

#[test]
fn an_account_may_have_limits_of_its_own_and_what_it_does_not_say_is_as_for_every_account() {
    let text = "[otp]\nrecipient_per_hour = 5\naccount_per_hour = 100\n\
                [[otp.accounts]]\nname = \"shop\"\naccount_per_hour = 5000\n";
    let config = resolve(Some(("pombo.toml", text)), &[]).expect("it is right");
    let limits = |name| {
        let limits = config.otp.of(name);
        (limits.recipient_hour, limits.account_hour)
    };
    assert_eq!((limits("shop"), limits("other")), ((5, 5_000), (5, 100)));
    let shown = resolve(Some(("shown", &config.to_string())), &[]).expect("it reads back");
    assert_eq!(shown.otp, config.otp);
    assert_eq!(
        mistakes(
            "[[otp.accounts]]\nname = \"a\"\n[[otp.accounts]]\nname = \"a\"\n\
             [[otp.accounts]]\nrange_per_hour = -1\n"
        ),
        [
            "pombo.toml:3: otp.accounts[1].name names \"a\" a second time; write it once",
            "pombo.toml:6: otp.accounts[2].range_per_hour is -1, but must be a number of codes, or 0 \
             for any",
            "pombo.toml:5: otp.accounts[2].name is missing; write the account's name",
        ]
    );
}

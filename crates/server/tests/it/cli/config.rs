//! Mistakes in the configuration: one line each, and an exit code that says so.

use super::{command, good, run};
use crate::house::folder;

fn complaints(arguments: &[&str], toml: &str) -> (Option<i32>, Vec<String>) {
    let folder = folder();
    std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    let output = run(&folder, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text.lines().map(str::to_owned).collect())
}

#[test]
fn a_wrong_key_is_one_line_for_every_command() {
    for command in ["serve", "demo", "migrate"] {
        let (code, lines) =
            complaints(&[command, "--config", "pombo.toml"], "[http]\nlisen = \"127.0.0.1:0\"\n");
        assert_eq!(code, Some(2), "{command}");
        assert_eq!(
            lines,
            ["pombo: pombo.toml:2: http.lisen is not a key; did you mean http.listen?"],
            "{command}"
        );
    }
}

#[test]
fn a_missing_file_is_one_line() {
    let output = run(&folder(), &["config", "check", "--config", "nowhere.toml"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.starts_with("pombo: nowhere.toml: cannot read the configuration"), "{text}");
}

#[test]
fn a_taken_port_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = command(&folder(), &["serve"])
        .env("POMBO_HTTP__LISTEN", &address)
        .env("POMBO_LOG__LEVEL", "error")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains(&format!("cannot listen on {address}")), "{text}");
}

#[test]
fn a_store_that_cannot_be_opened_is_one_line() {
    let folder = folder();
    std::fs::write(folder.join("file"), "").unwrap();
    let output =
        command(&folder, &["serve"]).env("POMBO_STORE__URL", "sqlite:file/pombo.db").output();
    let output = output.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
}

/// Every write beyond a limit fails, as on a full disk; afterwards there is room again.
#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full_at_the_start_is_one_line_and_leaves_nothing_half_done() {
    let folder = folder();
    let url = ("POMBO_STORE__URL", "sqlite:pombo.db");
    for octets in ["1", "5000", "50000"] {
        let pombo = command(&folder, &["migrate"]);
        let output = std::process::Command::new("env")
            .args(["--ignore-signal=XFSZ", "prlimit", &format!("--fsize={octets}"), "--"])
            .arg(pombo.get_program())
            .args(pombo.get_args())
            .current_dir(&folder)
            .env(url.0, url.1)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        assert!(text.contains("the room on the disk"), "{octets}: {text}");
    }
    let output = command(&folder, &["migrate"]).env(url.0, url.1).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_example_is_a_configuration() {
    let folder = folder();
    let example = good(&folder, &["config", "example"]);
    std::fs::write(folder.join("pombo.toml"), example).unwrap();
    let shown = good(&folder, &["config", "check", "--config", "pombo.toml"]);
    assert!(shown.contains("listen = \"127.0.0.1:8360\""), "{shown}");
}

#[test]
fn what_is_in_force_is_shown_without_secrets() {
    let folder = folder();
    std::fs::write(folder.join("secret"), "hunter2\n").unwrap();
    let toml = "[[sms.routes]]\nname = \"carrier-a\"\naddress = \"127.0.0.1:2775\"\n\
                system_id = \"pombo\"\npassword_file = \"secret\"\n";
    std::fs::write(folder.join("pombo.toml"), toml).unwrap();
    insta::assert_snapshot!(good(&folder, &["config", "check", "--config", "pombo.toml"]));
}

#[test]
fn a_misspelt_command_is_one_line() {
    for arguments in [&["serv"][..], &["account", "add"], &["uncertain", "resend"], &["--bogus"]] {
        let output = run(&folder(), arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
    }
}

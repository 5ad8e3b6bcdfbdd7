//! `serve` and `demo` as processes: what they say, and how they stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::command;
use crate::house::folder;

/// `demo:correct-horse`.
pub(super) const BASIC: &str = "Basic ZGVtbzpjb3JyZWN0LWhvcnNl";

/// A process that is ended with the test.
pub(super) struct Server {
    child: Child,
    url: String,
}

impl Server {
    pub(super) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = command(folder, arguments)
            .env("POMBO_HTTP__LISTEN", "127.0.0.1:0")
            .env("POMBO_DEMO_PASSWORD", "correct-horse")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("{first:?}"));
        Self { url: url.to_owned(), child }
    }

    fn get(&self, path: &str, authorization: &str) -> String {
        self.talk(&format!(
            "GET {path} HTTP/1.1\r\nHost: pombo\r\nConnection: close\r\n\
             Authorization: {authorization}\r\n\r\n"
        ))
    }

    /// Asks what an SMS would cost.
    fn dry_run(&self) -> String {
        let json = r#"{"to":["34666555444"],"from":"TEST","message":"x"}"#;
        self.talk(&format!(
            "POST /api/rest/sms?dryRun=1 HTTP/1.1\r\nHost: pombo\r\nConnection: close\r\n\
             Authorization: {BASIC}\r\nContent-Length: {}\r\n\r\n{json}",
            json.len()
        ))
    }

    /// Posts JSON.
    pub(super) fn post(&self, path: &str, authorization: &str, json: &str) -> String {
        self.talk(&format!(
            "POST {path} HTTP/1.1\r\nHost: pombo\r\nConnection: close\r\n\
             Authorization: {authorization}\r\nContent-Length: {}\r\n\r\n{json}",
            json.len()
        ))
    }

    fn talk(&self, request: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal and waits for the end.
    pub(super) fn signal(&mut self, name: &str) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        (status.code(), begun.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs until it is ready, and stops it: what a first start leaves in the store.
pub(super) fn start_and_stop(folder: &Path, arguments: &[&str]) {
    let mut server = Server::start(folder, arguments);
    assert_eq!(server.signal("-TERM").0, Some(0));
}

#[test]
fn serve_says_when_it_answers_and_stops_cleanly() {
    let folder = folder();
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(&folder, &["serve"]);
        assert!(server.get("/healthz", "").starts_with("HTTP/1.1 200"));
        assert!(server.get("/sandbox", "").starts_with("HTTP/1.1 404"), "phones are a demo's");
        let (code, took) = server.signal(signal);
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn serve_gives_back_the_memory_that_it_is_done_with() {
    let folder = folder();
    let server = Server::start(&folder, &["serve"]);
    // Compares a password, which takes 19 MiB.
    assert!(server.get("/api/rest/account", BASIC).contains("HTTP/1.1 401"));
    let kib = |field: &str| -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let (now, most) = (kib("VmRSS:"), kib("VmHWM:"));
    assert!(most - now > 15 << 10, "{now} KiB resident, {most} at most");
}

#[test]
fn the_demo_has_an_account_at_every_start() {
    let folder = folder();
    for _ in 0..2 {
        let mut server = Server::start(&folder, &["demo"]);
        let account = server.get("/api/rest/account", BASIC);
        assert!(account.contains("\"balance\":1000.00"), "{account}");
        assert!(server.get("/sandbox", "").starts_with("HTTP/1.1 200"));
        assert_eq!(server.signal("-TERM").0, Some(0));
    }
}

#[test]
fn a_second_server_on_the_same_store_is_refused() {
    let folder = folder();
    let _first = Server::start(&folder, &["serve"]);
    let second = command(&folder, &["serve"]).env("POMBO_HTTP__LISTEN", "127.0.0.1:0").output();
    let second = second.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8(second.stderr).unwrap();
    assert!(text.contains("another pombo serves from this store"), "{text}");
}

#[test]
fn a_demo_never_reaches_a_carrier() {
    let folder = folder();
    std::fs::write(
        folder.join("pombo.toml"),
        "[[sms.routes]]\nname = \"carrier-a\"\naddress = \"127.0.0.1:2775\"\nsystem_id = \"x\"\n",
    )
    .unwrap();
    let output = super::run(&folder, &["demo", "--config", "pombo.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("route carrier-a reaches a carrier, which a demo never does"), "{text}");
}

#[test]
fn prices_are_read_again_on_sighup() {
    let folder = folder();
    let file = folder.join("pombo.toml");
    let configure = |price: &str| {
        let text = format!(
            "[prices]\nsms_default = {price}\n[[sms.routes]]\nname = \"s\"\nkind = \"sandbox\"\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    configure("\"0.05\"");
    let account = ["account", "add", "demo", "--credit", "1", "--api-password", "correct-horse"];
    super::good(&folder, &account);
    let server = Server::start(&folder, &["serve", "--config", "pombo.toml"]);
    let hup = || {
        let pid = server.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    };
    let costs = |cost: &str| {
        let over = Instant::now() + Duration::from_secs(10);
        while !server.dry_run().contains(&format!("\"cost\":{cost},")) {
            assert!(Instant::now() < over, "{}", server.dry_run());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    costs("0.05");
    configure("\"0.10\"");
    hup();
    costs("0.10");
    configure("wrong");
    hup();
    std::thread::sleep(Duration::from_millis(300));
    costs("0.10");
}

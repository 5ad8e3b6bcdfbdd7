//! The channel against SMSCs that nobody here wrote: node-smpp (JavaScript) and Net::SMPP (Perl).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pombo_channels::sms::smpp::{Bind, Config, Long};
use pombo_domain::channel::{Attempt, Outcome};
use pombo_domain::message::PartState;
use pombo_domain::sms::Encoding;
use serde_json::Value;

use crate::desk::{Channel, PATIENCE, accepted, config, message, messages, number};

/// A foreign SMSC in a process of its own; it ends when this is dropped.
struct Foreign {
    child: Child,
    /// The process ends when this closes.
    _stdin: Option<ChildStdin>,
    port: u64,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Foreign {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask setup`"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().and_then(Result::ok);
        let first = first.expect("the foreign SMSC did not start; run `cargo xtask setup`");
        let port = serde_json::from_str::<Value>(&first).unwrap()["port"].as_u64().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let for_thread = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                for_thread.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { _stdin: child.stdin.take(), child, port, lines: seen }
    }

    fn node() -> Self {
        let folder = folder("node-smsc");
        let modules = folder.join("node_modules/smpp");
        let missing = "the SMSC's packages are missing; run `cargo xtask setup`, or `npm ci` in";
        assert!(modules.is_dir(), "{missing} {}", folder.display());
        Self::start("node", &[folder.join("server.js").to_str().unwrap()])
    }

    fn perl() -> Self {
        let script = folder("perl-smsc").join("server.pl");
        Self::start("perl", &[script.to_str().unwrap()])
    }

    fn config(&self) -> Config {
        config(format!("127.0.0.1:{}", self.port))
    }

    /// Waits until `n` lines tell of such an event, and gives them out.
    async fn until(&self, name: &str, n: usize) -> Vec<Value> {
        let start = tokio::time::Instant::now();
        while self.events(name).len() < n {
            let seen = self.events(name).len();
            assert!(start.elapsed() < PATIENCE, "{seen} of {n} {name}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.events(name)
    }

    fn events(&self, name: &str) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line["event"] == name).cloned().collect()
    }

    /// The texts of each recipient's parts, one after the other.
    fn texts(&self) -> BTreeMap<u64, String> {
        let mut texts: BTreeMap<u64, String> = BTreeMap::new();
        for submit in self.events("submit") {
            let to = submit["to"].as_str().unwrap().parse().unwrap();
            texts.entry(to).or_default().push_str(submit["text"].as_str().unwrap());
        }
        texts
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../peers/foreign").join(name)
}

/// Texts of every kind, and how they are encoded.
fn texts() -> Vec<(String, Encoding)> {
    vec![
        ("Plain text".to_owned(), Encoding::Gsm),
        ("Price: 10 € [net] {@} ñ Ω".to_owned(), Encoding::Gsm),
        ("A long text, cut into parts. ".repeat(14), Encoding::Gsm),
        ("Ação, maçã, avô".to_owned(), Encoding::GsmPt),
        ("Não há coração que aguente. ".repeat(9), Encoding::GsmPt),
        ("Привет ✓ 😀".to_owned(), Encoding::Utf16),
        ("Длинный текст ✓ ".repeat(10), Encoding::Utf16),
    ]
}

fn attempts() -> Vec<Attempt> {
    (1..).zip(texts()).map(|(n, (text, encoding))| message(n, &text, encoding)).collect()
}

#[tokio::test]
async fn node_smpp_reads_every_text_as_it_was_written_and_its_receipts_arrive() {
    let foreign = Foreign::node();
    let channel = Channel::start(foreign.config());
    let attempts = attempts();
    let n_parts: usize = attempts.iter().map(Attempt::n_parts).sum();
    channel.desk.give(attempts);
    let reports = channel.reports(n_parts).await;
    assert_eq!(accepted(&reports).len(), n_parts, "{reports:?}");
    foreign.until("submit", n_parts).await;
    let theirs = foreign.texts();
    for (n, (text, _)) in (1..).zip(texts()) {
        assert_eq!(theirs[&number(n)], text);
    }
    let mut ids: Vec<String> = accepted(&reports).into_iter().map(|(_, id)| id).collect();
    let mut receipts: Vec<String> =
        channel.receipts(n_parts).await.into_iter().map(|r| r.carrier_id).collect();
    ids.sort_unstable();
    receipts.sort_unstable();
    assert_eq!(ids, receipts);
    channel.until("answers", |_| foreign.events("delivered").len() == n_parts).await;
    assert!(foreign.events("delivered").iter().all(|event| event["status"] == 0));
    channel.stop().await;
    assert_eq!(foreign.events("error"), Vec::<Value>::new());
}

#[tokio::test]
async fn node_smpp_takes_a_pair_of_binds_sar_and_thousands_of_messages() {
    let foreign = Foreign::node();
    let channel = Channel::start(Config { bind: Bind::Pair, long: Long::Sar, ..foreign.config() });
    channel.desk.give(messages(3_000));
    let reports = channel.reports(3_000).await;
    assert_eq!(accepted(&reports).len(), 3_000);
    channel.desk.give([message(9_000, &"Part of a long text. ".repeat(20), Encoding::Gsm)]);
    channel.reports(3_003).await;
    let submits = foreign.until("submit", 3_003).await;
    let last: Vec<_> = submits[3_000..].iter().map(|submit| submit["sar"].to_string()).collect();
    assert_eq!(last, ["[40,3,1]", "[40,3,2]", "[40,3,3]"]);
    channel.stop().await;
}

#[tokio::test]
async fn errors_of_node_smpp_become_outcomes() {
    let foreign = Foreign::node();
    let channel = Channel::start(foreign.config());
    let to = |n| message(n, "hello", Encoding::Gsm);
    channel.desk.give([to(99_911), to(99_958)]);
    let mut reports = channel.reports(2).await;
    reports.sort_by_key(|report| report.part);
    assert!(matches!(reports[0].outcome, Outcome::Refused { state: PartState::Rejected, .. }));
    assert!(matches!(reports[1].outcome, Outcome::Deferred { tries_max: None, .. }));
    channel.stop().await;
}

#[tokio::test]
async fn net_smpp_reads_the_octets_that_were_meant_and_its_receipts_arrive() {
    let foreign = Foreign::perl();
    let channel = Channel::start(foreign.config());
    let attempts = attempts();
    let n_parts: usize = attempts.iter().map(Attempt::n_parts).sum();
    let meant: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.body.segmented.part(0).septets_or_octets.to_vec())
        .collect();
    channel.desk.give(attempts);
    channel.desk.give([message(99_911, "hello", Encoding::Gsm)]);
    let reports = channel.reports(n_parts + 1).await;
    assert_eq!(accepted(&reports).len(), n_parts, "{reports:?}");
    let submits = foreign.until("submit", n_parts).await;
    for (n, meant) in (1..).zip(&meant) {
        let to = number(n).to_string();
        let first = submits.iter().find(|submit| submit["to"] == to.as_str()).unwrap();
        let octets = first["octets"].as_str().unwrap();
        let meant: String = meant.iter().map(|octet| format!("{octet:02x}")).collect();
        assert!(octets.ends_with(&meant), "{octets} {meant}");
        assert_eq!(first["esm_class"] == 0x40, octets.len() > meant.len());
    }
    let ids: Vec<u64> = accepted(&reports).iter().map(|(_, id)| id.parse().unwrap()).collect();
    for receipt in channel.receipts(n_parts).await {
        let id = u64::from_str_radix(&receipt.carrier_id, 16).unwrap();
        assert!(ids.contains(&id));
        assert_eq!((receipt.state, receipt.error.as_str()), (PartState::Undelivered, "027"));
    }
    channel.until("answers", |_| foreign.events("delivered").len() == n_parts).await;
    channel.stop().await;
    foreign.until("unbind", 1).await;
}

//! A server of its own for each test, in this process, and raw HTTP to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pombo::boot::{self, Order, Start};
use pombo::config::{Config, RouteConfig};
use pombo_app::clock::Clock;
use pombo_app::operate::{self, NewAccount};
use pombo_domain::money::Money;
use pombo_store::Store;
use tokio::sync::mpsc;

/// The API document's own sample, `username:apiPassword`.
pub(crate) const CREDENTIALS: &str = "Basic dXNlcm5hbWU6YXBpUGFzc3dvcmQ=";

/// A running server with an account `username` of credit 100.00, and a simulated carrier.
pub(crate) struct House {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its folder, removed at the end.
    pub(crate) folder: PathBuf,
    /// What it stores in.
    pub(crate) store: Store,
    orders: mpsc::Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower-case names with their values, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// Waits until it is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let over = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < over, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder that no other test uses.
pub(crate) fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("house-{}-{number}", std::process::id());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl House {
    /// The usual house.
    pub(crate) fn open() -> Self {
        Self::with(|_| {})
    }

    /// A house whose configuration differs.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::at(folder(), true, change)
    }

    /// The same house in another life: stopped, and started again on its folder.
    pub(crate) fn again(mut self, change: impl FnOnce(&mut Config)) -> Self {
        self.stop();
        let folder = std::mem::take(&mut self.folder);
        drop(self); // And with it its hold on the store.
        Self::at(folder, false, change)
    }

    fn at(folder: PathBuf, is_new: bool, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.public_url = Some("https://sms.example.com".into());
        config.store.url = format!("sqlite:{}", folder.join("pombo.db").display());
        config.routes = vec![RouteConfig::sandbox("sandbox")];
        change(&mut config);
        let (orders, told) = mpsc::channel(8);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || serve((config, is_new), told, ready));
        let (address, store) =
            is_ready.recv_timeout(Duration::from_secs(60)).expect("the server starts");
        Self { address, folder, store, orders, thread: Some(thread) }
    }

    /// Sends a request with the account's credentials, and a JSON body where there is one.
    pub(crate) fn call(&self, method: &str, target: &str, body: &str) -> Answer {
        self.call_with(method, target, &[("Authorization", CREDENTIALS)], body.as_bytes())
    }

    /// Sends a request with just these headers.
    pub(crate) fn call_with(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nHost: pombo\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut raw = head.into_bytes();
        raw.extend_from_slice(body);
        read(&self.raw(&raw))
    }

    /// Sends an SMS.
    pub(crate) fn send(&self, json: &str) -> Answer {
        self.call("POST", "/api/rest/sms", json)
    }

    /// Writes octets to a connection and reads until the server closes it.
    pub(crate) fn raw(&self, octets: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // A server that refuses early closes while we write; what it said still counts.
        let _ = stream.write_all(octets);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// A connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Asks for a message's status until it is as wanted.
    pub(crate) fn until(
        &self,
        id: &str,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let over = Instant::now() + Duration::from_secs(30);
        loop {
            let status = self.call("GET", &format!("/api/rest/sms/{id}"), "").json();
            if wanted(&status["data"][0]) {
                return status;
            }
            assert!(Instant::now() < over, "this is how it stayed: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it and waits until it has.
    pub(crate) fn stop(&mut self) {
        let _ = self.orders.blocking_send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
        if !self.folder.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn serve(
    (config, is_new): (Config, bool),
    orders: mpsc::Receiver<Order>,
    ready: std::sync::mpsc::Sender<(SocketAddr, Store)>,
) {
    let store =
        boot::open_store(&config, &pombo_store::Options::default()).expect("the store opens");
    let account = NewAccount {
        name: "username".into(),
        api_password: Some("apiPassword".into()),
        credit: Money::from_micros(100_000_000),
        currency: "EUR".into(),
    };
    if is_new {
        operate::account_add(&store, &Clock::system(), account).expect("an account");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(config.http.listen).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = (address, store.clone());
        let start = Start { config, file: None, store, listener, demo: true };
        boot::run(start, orders, |_| ready.send(seen).expect("the test waits"))
            .await
            .expect("it runs");
    });
}

/// Takes an HTTP answer apart.
fn read(raw: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(raw);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Answer { status: status.parse().expect("a status"), headers, body: body.to_owned() }
}

/// A request and its answer as a snapshot shows them: no date, ids and instants as words.
pub(crate) fn story(request: &str, answer: &Answer) -> String {
    let headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "connection" | "content-length"))
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    format!("> {request}\n{} {}{}\n\n", answer.status, headers.concat(), redact(&answer.body))
}

/// Message ids become `ID`, instants `INSTANT`, carriers' ids `CARRIER-ID`.
fn redact(body: &str) -> String {
    let mut out = String::new();
    let mut rest = body;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if rest.len() > 25 && rest.as_bytes()[10] == b'T' && &rest[19..20] == "+" && digits == 4 {
            out.push_str("INSTANT");
            rest = &rest[25..];
        } else if digits >= 15 {
            out.push_str("ID");
            rest = &rest[digits..];
        } else {
            let end = digits.max(rest.chars().next().map_or(1, char::len_utf8));
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    out
}

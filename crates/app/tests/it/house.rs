//! The house under test: an app on a store in a folder of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use argon2::password_hash::PasswordHasher;
use base64::Engine as _;
use pombo_app::auth::Caller;
use pombo_app::clock::Clock;
use pombo_app::usecase::send::{Callbacks, Fate, Recipient, SendSms, Sent, Text, send_sms};
use pombo_app::usecase::status::{SmsStatus, sms_status};
use pombo_app::{App, Config, operate};
use pombo_domain::address::{Country, Phone, Sender};
use pombo_domain::channel::{Desk, LinkState};
use pombo_domain::country::Rules;
use pombo_domain::id::MessageId;
use pombo_domain::message::EventKind;
use pombo_domain::money::Money;
use pombo_domain::otp::Guard;
use pombo_domain::route::{Choose, Route};
use pombo_domain::sms::Encoding;
use pombo_domain::time::Instant;
use pombo_store::operation as op;
use pombo_store::{Options, Store};

/// 2026-03-24T12:00:00Z, a Tuesday: where held clocks begin.
pub(crate) const NOON: Instant = Instant::from_micros(1_774_353_600_000_000);

/// A folder that goes when its test ends.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("pombo-app-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn open(&self) -> Store {
        let url = format!("sqlite:{}", self.0.join("pombo.db").display());
        // What a test closed may take a moment to let its file go.
        for _ in 0..1_000 {
            if let Ok(store) = Store::open(&url, &Options::default()) {
                return store;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Store::open(&url, &Options::default()).unwrap()
    }

    /// As another process would see it.
    pub(crate) fn open_beside(&self) -> Store {
        let url = format!("sqlite:{}", self.0.join("pombo.db").display());
        Store::open(&url, &Options { exclusive: false, ..Options::default() }).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A route that takes everything.
pub(crate) fn route(name: &str) -> Route {
    Route { window: 10, ..Route::to_all(name) }
}

/// Everything as by default, with these routes.
pub(crate) fn config(routes: Vec<Route>) -> Config {
    Config {
        sms_default_price: Money::parse("0.05").unwrap(),
        sms_certified_price: Money::ZERO,
        public_url: "https://sms.example.com".into(),
        callbacks_submitted: false,
        otp_limits: Guard::default(),
        choose: Choose::Priority,
        countries: Rules::default(),
        routes,
    }
}

/// The app and what a test needs around it.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) folder: Arc<Folder>,
}

impl House {
    pub(crate) async fn new(routes: Vec<Route>) -> Self {
        Self::on(Arc::new(Folder::new()), Clock::system(), routes).await
    }

    /// With a clock that stands still at noon.
    pub(crate) async fn held(routes: Vec<Route>) -> Self {
        Self::on(Arc::new(Folder::new()), Clock::held(NOON), routes).await
    }

    pub(crate) async fn on(folder: Arc<Folder>, clock: Clock, routes: Vec<Route>) -> Self {
        Self::with(folder, clock, config(routes)).await
    }

    pub(crate) async fn with(folder: Arc<Folder>, clock: Clock, config: Config) -> Self {
        let store = folder.open();
        let app = App::start(config, store.clone(), clock.clone()).await.unwrap();
        Self { app, store, clock, folder }
    }

    pub(crate) fn desk(&self, name: &str) -> Arc<dyn Desk> {
        let routes = self.app.routes();
        let route = routes.iter().find(|route| route.name == name).unwrap();
        self.app.desk(route.id).unwrap()
    }

    /// An account with much credit, and who it is at the door. Its hash is a cheap one.
    pub(crate) async fn account(&self, name: &str) -> Caller {
        if self.store.ask(op::account::Find::Name(name.into())).await.unwrap().is_none() {
            let add = op::account::Add {
                name: name.into(),
                password_hash: cheap_hash("secret-1"),
                credit: Money::parse("1000000").unwrap(),
                currency: "EUR".into(),
                now: self.clock.now(),
            };
            self.store.run(add).await.unwrap().unwrap();
        }
        let source = "192.0.2.1".parse().unwrap();
        self.app.authenticate(Some(&basic(name, "secret-1")), source).await.unwrap()
    }

    /// Sends, and expects everyone to be accepted.
    pub(crate) async fn send(&self, caller: &Caller, send: SendSms) -> Vec<MessageId> {
        ids(&send_sms(&self.app, caller, send).await.unwrap())
    }

    pub(crate) async fn status(&self, caller: &Caller, id: MessageId) -> SmsStatus {
        sms_status(&self.app, caller, &[id]).await.unwrap().remove(0)
    }

    /// The kinds of a message's events, oldest first.
    pub(crate) async fn events(&self, caller: &Caller, id: MessageId) -> Vec<EventKind> {
        self.status(caller, id).await.events.iter().map(|event| event.kind).collect()
    }

    /// Waits until a message has had an event of this kind.
    pub(crate) async fn until_event(&self, caller: &Caller, id: MessageId, kind: EventKind) {
        for _ in 0..PATIENCE_STEPS {
            if self.events(caller, id).await.contains(&kind) {
                return;
            }
            tokio::time::sleep(STEP).await;
        }
        panic!("{kind:?} never came: {:?}", self.events(caller, id).await);
    }

    /// A route as the operator sees it.
    pub(crate) fn row(&self, name: &str) -> operate::RouteRow {
        let rows = ops(|| operate::routes_list(&self.store)).unwrap();
        rows.into_iter().find(|row| row.name == name).unwrap()
    }

    /// Moves a held clock, and has every pump look at it.
    pub(crate) fn move_to(&self, at: Instant) {
        self.clock.move_to(at);
        for route in self.app.routes() {
            // A link that nobody uses changes its state: that rings the bell and nothing else.
            let why = at.micros().to_string();
            let state = LinkState::Down { why, misconfigured: false };
            self.app.desk(route.id).unwrap().link(9, state);
        }
    }
}

pub(crate) fn cheap_hash(password: &str) -> String {
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), b"0123456789abcdef")
        .unwrap()
        .to_string()
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    let pair = format!("{user}:{password}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

pub(crate) fn ids(sent: &Sent) -> Vec<MessageId> {
    let accepted = sent.fates.iter().map(|(_, fate)| match fate {
        Fate::Accepted { id, .. } => *id,
        other => panic!("not accepted: {other:?}"),
    });
    accepted.collect()
}

/// `n` made-up Spanish mobile numbers.
pub(crate) fn numbers(n: usize) -> Vec<Recipient> {
    let country: Country = Phone::parse_with_country("+34600000000").unwrap().1;
    (0..n)
        .map(|i| {
            let phone = Phone::from_digits(34_600_000_000 + i as u64).unwrap();
            Recipient { written: phone.to_string(), phone: Some((phone, country)) }
        })
        .collect()
}

/// A plain request to `n` recipients.
pub(crate) fn sms(n: usize) -> SendSms {
    SendSms {
        from: Sender::parse("TEST").unwrap(),
        text: Text::Same("hello".into()),
        to: numbers(n),
        encoding: Encoding::Gsm,
        parts_max: 15,
        trans: false,
        split: false,
        flash: false,
        schedule: None,
        expires: None,
        windows: None,
        callbacks: Callbacks::None,
        campaign: None,
        otp: None,
        category: None,
        idempotency: None,
        dry_run: false,
        answers_opt_out: false,
        certified: false,
    }
}

/// A text that takes three parts.
pub(crate) fn long_text() -> String {
    "0123456789".repeat(40)
}

const STEP: Duration = Duration::from_millis(5);
/// Far longer than anything takes: only a broken promise waits for its end.
const PATIENCE_STEPS: u32 = 6_000;

/// Runs an operator's command, which blocks, beside the runtime's other tasks.
pub(crate) fn ops<T>(command: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(command)
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..PATIENCE_STEPS {
        if is_so() {
            return;
        }
        tokio::time::sleep(STEP).await;
    }
    panic!("never: {what}");
}

/// Gives what should not happen a chance to happen. A slow machine makes a test that uses it
/// blind, never wrong.
pub(crate) async fn a_while() {
    tokio::time::sleep(Duration::from_millis(150)).await;
}

/// Asks a future once.
pub(crate) async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
